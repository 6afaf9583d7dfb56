//! Jobs that need not be read again.

use std::collections::HashMap;

use matins_core::{Job, JobId};

/// Jobs that were due, as they were read: reading one takes longer than moving it on. Their next fire times are asked
/// of the file each time.
#[derive(Debug, Default)]
pub(crate) struct ReadJobs {
    jobs: HashMap<i64, Job>,
    keys: HashMap<JobId, i64>,
    version: i64,
}

impl ReadJobs {
    /// So many at most, some megabytes.
    const MOST: usize = 10_000;

    /// Forgets all when the file has another version: others wrote it.
    pub(crate) fn keep_for(&mut self, version: i64) {
        if self.version != version {
            *self = Self { version, ..Self::default() };
        }
    }

    /// Where the job is, if it was read.
    pub(crate) fn key(&self, id: &JobId) -> Option<i64> {
        self.keys.get(id).copied()
    }

    pub(crate) fn job(&self, key: i64) -> Option<&Job> {
        self.jobs.get(&key)
    }

    pub(crate) fn remember(&mut self, key: i64, job: &Job) {
        if self.jobs.len() >= Self::MOST {
            *self = Self { version: self.version, ..Self::default() };
        }
        self.keys.insert(job.id.clone(), key);
        self.jobs.insert(key, job.clone());
    }

    pub(crate) fn forget(&mut self, id: &JobId) {
        if let Some(key) = self.keys.remove(id) {
            self.jobs.remove(&key);
        }
    }
}
