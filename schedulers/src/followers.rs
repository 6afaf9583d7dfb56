//! Which jobs run after which others.

use foldhash::HashMap;
use matins_core::{After, AfterOutcome, Job, JobId, JobState};

/// A job, and which other one it runs after.
pub(crate) type Link = (JobId, Option<After>);

/// The active jobs of a store that run after other jobs.
#[derive(Default)]
pub(crate) struct Followers {
    /// By the job that they run after.
    by_job: HashMap<JobId, Vec<(JobId, AfterOutcome)>>,
    /// The job that each of them runs after.
    followed: HashMap<JobId, JobId>,
}

impl Followers {
    pub(crate) fn of(jobs: Vec<Job>) -> Self {
        let mut followers = Self::default();
        followers.put(followers.links(&jobs));
        followers
    }

    /// The jobs that run after this one.
    pub(crate) fn of_job(&self, id: &JobId) -> Vec<(JobId, AfterOutcome)> {
        if self.by_job.is_empty() { Vec::new() } else { self.by_job.get(id).cloned().unwrap_or_default() }
    }

    /// What these jobs, once they are added or changed, come to here: which others they run after.
    pub(crate) fn links<'j>(&self, jobs: impl IntoIterator<Item = &'j Job>) -> Vec<Link> {
        let follows = |job: &&Job| job.state == JobState::Active && !job.has_had_all_runs();
        let link = |job: &Job| {
            let after = Some(job).filter(follows).and_then(|job| job.trigger.after().cloned());
            (job.id.clone(), after)
        };
        let concerns = |(job, after): &Link| after.is_some() || self.followed.contains_key(job);
        jobs.into_iter().map(link).filter(concerns).collect()
    }

    /// These jobs were added or changed.
    pub(crate) fn put(&mut self, links: Vec<Link>) {
        for (job, after) in links {
            self.remove(&job);
            if let Some(after) = after {
                self.by_job.entry(after.job.clone()).or_default().push((job.clone(), after.outcome));
                self.followed.insert(job, after.job);
            }
        }
    }

    /// A job is gone.
    pub(crate) fn remove(&mut self, id: &JobId) {
        if self.followed.is_empty() {
            return;
        }
        let Some(followed) = self.followed.remove(id) else { return };
        if let Some(followers) = self.by_job.get_mut(&followed) {
            followers.retain(|(follower, _)| follower != id);
            if followers.is_empty() {
                self.by_job.remove(&followed);
            }
        }
    }
}
