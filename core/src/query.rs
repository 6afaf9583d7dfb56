//! Questions to a store: which jobs, which runs.

use std::cmp::Ordering;

use chrono::{DateTime, Utc};

use crate::{Job, JobId, JobState, Outcome, Run, RunId, TaskName};

/// Which jobs to list. The default is all of them, by id.
///
/// ```
/// use matins_core::{JobOrder, JobQuery};
///
/// let soon = JobQuery::default().id_prefix("backup").order(JobOrder::NextFire).limit(10);
/// assert_eq!(soon.limit, Some(10));
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct JobQuery {
    /// Only those whose id begins so.
    pub id_prefix: Option<String>,
    /// Only those of this task.
    pub task: Option<TaskName>,
    /// Only those with this tag.
    pub tag: Option<String>,
    /// Only those with something under this key of their metadata.
    pub metadata_key: Option<String>,
    /// Only those in this state.
    pub state: Option<JobState>,
    /// Only those whose next fire time is before this.
    pub due_before: Option<DateTime<Utc>>,
    /// Only those that run [after](crate::Trigger::after) another job.
    pub follows: bool,
    /// In which order.
    pub order: JobOrder,
    /// Only those that come after this place in that order, so that a long list can be read in pages: the place of the
    /// last job of the page before. The job itself may be gone by then.
    ///
    /// A job that does not change while the pages are read is in exactly one of them, whatever happens to other jobs.
    pub after: Option<JobPosition>,
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

/// The place of a job in a list of jobs.
///
/// ```
/// use matins_core::{JobPosition, JobQuery, JobStore, StoreError};
///
/// /// Calls `take` with each job of a store, a hundred of which are in memory at a time.
/// fn each(store: &mut dyn JobStore, mut take: impl FnMut(matins_core::Job)) -> Result<(), StoreError> {
///     let mut query = JobQuery::default().limit(100);
///     loop {
///         let page = store.list(&query)?;
///         let Some(last) = page.last() else { return Ok(()) };
///         query.after = Some(JobPosition::of(last));
///         page.into_iter().for_each(&mut take);
///     }
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobPosition {
    /// The job's id.
    pub id: JobId,
    /// Its next fire time.
    pub next_fire: Option<DateTime<Utc>>,
}

impl JobPosition {
    /// Returns the place of a job.
    pub fn of(job: &Job) -> Self {
        Self { id: job.id.clone(), next_fire: job.next_fire }
    }
}

impl JobOrder {
    /// Compares two places in this order.
    pub fn compare(
        self,
        (fire, id): (Option<DateTime<Utc>>, &JobId),
        (other_fire, other_id): (Option<DateTime<Utc>>, &JobId),
    ) -> Ordering {
        match self {
            Self::Id => id.cmp(other_id),
            Self::NextFire => (fire.is_none(), fire, id).cmp(&(other_fire.is_none(), other_fire, other_id)),
        }
    }
}

impl JobQuery {
    /// Asks only for those whose id begins so.
    #[must_use]
    pub fn id_prefix(self, id_prefix: impl Into<String>) -> Self {
        Self { id_prefix: Some(id_prefix.into()), ..self }
    }

    /// Asks only for those of this task.
    #[must_use]
    pub fn task(self, task: impl Into<Option<TaskName>>) -> Self {
        Self { task: task.into(), ..self }
    }

    /// Asks only for those with this tag.
    #[must_use]
    pub fn tag(self, tag: impl Into<String>) -> Self {
        Self { tag: Some(tag.into()), ..self }
    }

    /// Asks only for those with something under this key of their metadata.
    #[must_use]
    pub fn metadata_key(self, metadata_key: impl Into<String>) -> Self {
        Self { metadata_key: Some(metadata_key.into()), ..self }
    }

    /// Asks only for those in this state.
    #[must_use]
    pub fn state(self, state: impl Into<Option<JobState>>) -> Self {
        Self { state: state.into(), ..self }
    }

    /// Asks only for those whose next fire time is before this.
    #[must_use]
    pub fn due_before(self, due_before: impl Into<Option<DateTime<Utc>>>) -> Self {
        Self { due_before: due_before.into(), ..self }
    }

    /// Asks only for those that run [after](crate::Trigger::after) another job.
    #[must_use]
    pub fn follows(self) -> Self {
        Self { follows: true, ..self }
    }

    /// Asks for this order.
    #[must_use]
    pub fn order(self, order: JobOrder) -> Self {
        Self { order, ..self }
    }

    /// Asks only for those that come [after](#structfield.after) this place in the order.
    #[must_use]
    pub fn after(self, after: impl Into<Option<JobPosition>>) -> Self {
        Self { after: after.into(), ..self }
    }

    /// Asks for at most this many; `None` for all.
    #[must_use]
    pub fn limit(self, limit: impl Into<Option<usize>>) -> Self {
        Self { limit: limit.into(), ..self }
    }

    /// Whether every job is asked for: no condition is given. Order, `after` and limit do not count.
    pub fn is_all(&self) -> bool {
        *self == Self { order: self.order, after: self.after.clone(), limit: self.limit, ..Self::default() }
    }

    /// Whether a job comes after the place that the query begins behind.
    pub fn is_after(&self, next_fire: Option<DateTime<Utc>>, id: &JobId) -> bool {
        self.after.as_ref().is_none_or(|after| {
            self.order.compare((next_fire, id), (after.next_fire, &after.id)) == Ordering::Greater
        })
    }

    /// Whether the query's conditions hold for `job`; order, `after` and limit aside.
    pub fn matches(&self, job: &Job) -> bool {
        self.id_prefix.as_ref().is_none_or(|prefix| job.id.as_str().starts_with(prefix.as_str()))
            && self.task.as_ref().is_none_or(|task| job.task == *task)
            && self.tag.as_ref().is_none_or(|tag| job.tags.contains(tag))
            && self.metadata_key.as_ref().is_none_or(|key| job.metadata.contains_key(key))
            && self.state.is_none_or(|state| job.state == state)
            && (!self.follows || job.trigger.after().is_some())
            && self.due_before.is_none_or(|before| job.next_fire.is_some_and(|fire| fire < before))
    }

    /// Returns the jobs of `jobs` that the query asks for, in its order: what a store without an index of its own can use.
    pub fn select(&self, jobs: impl IntoIterator<Item = Job>) -> Vec<Job> {
        let is_wanted = |job: &Job| self.matches(job) && self.is_after(job.next_fire, &job.id);
        let mut jobs: Vec<Job> = jobs.into_iter().filter(is_wanted).collect();
        jobs.sort_by(|a, b| self.order.compare((a.next_fire, &a.id), (b.next_fire, &b.id)));
        jobs.truncate(self.limit.unwrap_or(usize::MAX));
        jobs
    }
}

/// Which runs to list. The default is all of them, the oldest first.
///
/// ```
/// use matins_core::{Outcome, RunQuery};
///
/// let failed = RunQuery::default().outcome(Outcome::Failed);
/// assert_eq!(failed.outcome, Some(Outcome::Failed));
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
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
        Self::default().job(job.clone())
    }

    /// Asks only for those of this job.
    #[must_use]
    pub fn job(self, job: impl Into<Option<JobId>>) -> Self {
        Self { job: job.into(), ..self }
    }

    /// Asks only for those with this outcome.
    #[must_use]
    pub fn outcome(self, outcome: impl Into<Option<Outcome>>) -> Self {
        Self { outcome: outcome.into(), ..self }
    }

    /// Asks only for those that wait or run.
    #[must_use]
    pub fn unfinished(self) -> Self {
        Self { unfinished: true, ..self }
    }

    /// Asks only for those whose first fire time is at or after this.
    #[must_use]
    pub fn since(self, since: impl Into<Option<DateTime<Utc>>>) -> Self {
        Self { since: since.into(), ..self }
    }

    /// Asks only for those whose first fire time is before this.
    #[must_use]
    pub fn until(self, until: impl Into<Option<DateTime<Utc>>>) -> Self {
        Self { until: until.into(), ..self }
    }

    /// Asks for this order.
    #[must_use]
    pub fn order(self, order: RunOrder) -> Self {
        Self { order, ..self }
    }

    /// Asks only for those that come after this run in the order.
    #[must_use]
    pub fn after(self, after: impl Into<Option<RunId>>) -> Self {
        Self { after: after.into(), ..self }
    }

    /// Asks for at most this many; `None` for all.
    #[must_use]
    pub fn limit(self, limit: impl Into<Option<usize>>) -> Self {
        Self { limit: limit.into(), ..self }
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
