//! Questions to a store: which jobs, which runs.

use chrono::{DateTime, Utc};

use crate::{Job, JobId, JobState, Outcome, Run, RunId, TaskName};

/// Which jobs to list. The default is all of them, by id.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct JobQuery {
    /// Only those whose id begins so.
    pub id_prefix: Option<String>,
    /// Only those of this task.
    pub task: Option<TaskName>,
    /// Only those with this tag.
    pub tag: Option<String>,
    /// Only those in this state.
    pub state: Option<JobState>,
    /// Only those whose next fire time is before this.
    pub due_before: Option<DateTime<Utc>>,
    /// In which order.
    pub order: JobOrder,
    /// Only those that come after this job in that order, so that a long list can be read in pages. A job that is
    /// gone by then starts the list again from its beginning.
    pub after: Option<JobId>,
    /// At most this many.
    pub limit: Option<usize>,
}

/// The order of a list of jobs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum JobOrder {
    /// By id.
    #[default]
    Id,
    /// By next fire time, then id; jobs without one come last.
    NextFire,
}

impl JobQuery {
    /// Whether the query's conditions hold for `job`; order, `after` and limit aside.
    pub fn matches(&self, job: &Job) -> bool {
        self.id_prefix.as_ref().is_none_or(|prefix| job.id.as_str().starts_with(prefix.as_str()))
            && self.task.as_ref().is_none_or(|task| job.task == *task)
            && self.tag.as_ref().is_none_or(|tag| job.tags.contains(tag))
            && self.state.is_none_or(|state| job.state == state)
            && self.due_before.is_none_or(|before| job.next_fire.is_some_and(|fire| fire < before))
    }

    /// The jobs of `jobs` that the query asks for, in its order: what a store without an index of its own can use.
    pub fn select(&self, jobs: impl IntoIterator<Item = Job>) -> Vec<Job> {
        let mut jobs: Vec<Job> = jobs.into_iter().filter(|job| self.matches(job)).collect();
        match self.order {
            JobOrder::Id => jobs.sort_by(|a, b| a.id.cmp(&b.id)),
            JobOrder::NextFire => jobs.sort_by(|a, b| {
                (a.next_fire.is_none(), a.next_fire, &a.id).cmp(&(b.next_fire.is_none(), b.next_fire, &b.id))
            }),
        }
        if let Some(after) = &self.after
            && let Some(position) = jobs.iter().position(|job| job.id == *after)
        {
            jobs.drain(..=position);
        }
        jobs.truncate(self.limit.unwrap_or(usize::MAX));
        jobs
    }
}

/// Which runs to list. The default is all of them, the oldest first.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RunQuery {
    /// Only those of this job.
    pub job: Option<JobId>,
    /// Only those with this outcome.
    pub outcome: Option<Outcome>,
    /// Only those that wait or run.
    pub unfinished: bool,
    /// Only those whose first fire time is at or after this.
    pub since: Option<DateTime<Utc>>,
    /// Only those whose first fire time is before this.
    pub until: Option<DateTime<Utc>>,
    /// In which order.
    pub order: RunOrder,
    /// Only those that come after this run in that order.
    pub after: Option<RunId>,
    /// At most this many.
    pub limit: Option<usize>,
}

/// The order of a list of runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum RunOrder {
    /// By number, rising.
    #[default]
    OldestFirst,
    /// By number, falling.
    NewestFirst,
}

impl RunQuery {
    /// All runs of one job.
    pub fn of_job(job: &JobId) -> Self {
        Self { job: Some(job.clone()), ..Self::default() }
    }

    /// Whether the query's conditions hold for `run`, `after` included; order and limit aside.
    pub fn matches(&self, run: &Run) -> bool {
        self.job.as_ref().is_none_or(|job| run.job == *job)
            && self.outcome.is_none_or(|outcome| run.outcome == Some(outcome))
            && (!self.unfinished || run.outcome.is_none())
            && self.since.is_none_or(|since| run.fires.first >= since)
            && self.until.is_none_or(|until| run.fires.first < until)
            && self.after.is_none_or(|after| match self.order {
                RunOrder::OldestFirst => run.id > after,
                RunOrder::NewestFirst => run.id < after,
            })
    }
}
