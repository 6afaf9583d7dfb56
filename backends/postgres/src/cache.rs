//! Bodies that need not be read again.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use matins_core::{Job, JobId};

/// Jobs as they were read, by key. A version is never used for two bodies, so each is right as long as its version is.
#[derive(Default)]
pub(crate) struct JobCache {
    jobs: HashMap<i64, (i64, Arc<Job>)>,
    keys: HashMap<JobId, i64>,
}

impl JobCache {
    /// So many at most, some tens of megabytes.
    const MOST: usize = 50_000;

    /// Returns the job, with this next fire time, if this version of it was read.
    pub(crate) fn job(
        &mut self,
        key: i64,
        version: i64,
        next_fire: Option<DateTime<Utc>>,
    ) -> Option<Arc<Job>> {
        let (_, job) = self.jobs.get_mut(&key).filter(|(known, _)| *known == version)?;
        if job.next_fire != next_fire {
            // A copy only where somebody still uses the other one.
            Arc::make_mut(job).next_fire = next_fire;
        }
        Some(job.clone())
    }

    pub(crate) fn put(&mut self, key: i64, version: i64, job: Arc<Job>) {
        if self.jobs.len() >= Self::MOST && !self.jobs.contains_key(&key) {
            *self = Self::default();
        }
        self.keys.insert(job.id.clone(), key);
        self.jobs.insert(key, (version, job));
    }

    pub(crate) fn forget(&mut self, id: &JobId) {
        if let Some(key) = self.keys.remove(id) {
            self.jobs.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use matins_conformance::store_suite::job;

    use super::*;

    #[test]
    fn another_version_is_read_again() {
        let mut cache = JobCache::default();
        let first = Arc::new(job("a", Some(1)));
        cache.put(7, 1, first.clone());
        assert_eq!(cache.job(7, 1, first.next_fire), Some(first.clone()));
        assert_eq!(cache.job(7, 2, first.next_fire), None);
        let moved = cache.job(7, 1, None).unwrap();
        assert_eq!(
            (moved.next_fire, first.next_fire.is_some()),
            (None, true),
            "the one in use is left alone"
        );
        cache.forget(&first.id);
        assert_eq!(cache.job(7, 1, None), None);
    }
}
