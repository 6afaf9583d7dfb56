//! Which jobs run after which others.

use foldhash::HashMap;
use matins_core::{AfterOutcome, Job, JobId, JobState};

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
        for job in &jobs {
            followers.put(job);
        }
        followers
    }

    /// The jobs that run after this one.
    pub(crate) fn of_job(&self, id: &JobId) -> Vec<(JobId, AfterOutcome)> {
        if self.by_job.is_empty() { Vec::new() } else { self.by_job.get(id).cloned().unwrap_or_default() }
    }

    /// A job was added or changed.
    pub(crate) fn put(&mut self, job: &Job) {
        self.remove(&job.id);
        if let Some(after) =
            job.trigger.after().filter(|_| job.state == JobState::Active && !job.has_had_all_runs())
        {
            self.followed.insert(job.id.clone(), after.job.clone());
            self.by_job.entry(after.job.clone()).or_default().push((job.id.clone(), after.outcome));
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
