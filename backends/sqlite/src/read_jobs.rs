//! Jobs that need not be read again.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use foldhash::HashMap;
use matins_core::{Job, JobId};

/// Jobs that were due, as they were read: reading one takes longer than moving it on. Their next fire times are asked
/// of the file each time.
#[derive(Debug, Default)]
pub(crate) struct ReadJobs {
    jobs: HashMap<i64, Arc<Job>>,
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

    /// The job with this key, with this next fire time.
    pub(crate) fn job(&mut self, key: i64, next_fire: DateTime<Utc>) -> Option<Arc<Job>> {
        let job = self.jobs.get_mut(&key)?;
        if job.next_fire != Some(next_fire) {
            // Mostly nobody else has it any more, and it is not copied.
            Arc::make_mut(job).next_fire = Some(next_fire);
        }
        Some(job.clone())
    }

    pub(crate) fn remember(&mut self, key: i64, job: &Arc<Job>) {
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use chrono::{DateTime, TimeDelta};
    use matins_conformance::store_suite::job;
    use matins_core::{JobStore, OnConflict};

    use crate::SqliteStore;

    /// Once, each job that was added had all others read again at the next tick.
    #[test]
    fn what_was_read_stays_read_when_another_job_is_added() {
        let directory = tempfile::tempdir().unwrap();
        let mut store = SqliteStore::open(directory.path().join("jobs.db")).unwrap();
        store.add(job("first", Some(1)), OnConflict::Refuse).unwrap();
        let later = DateTime::UNIX_EPOCH + TimeDelta::days(100_000);
        let first = Arc::unwrap_or_clone(store.due(later, 10).unwrap().remove(0));
        assert!(store.read.key(&first.id).is_some());
        store.add(job("second", Some(2)), OnConflict::Refuse).unwrap();
        assert!(store.read.key(&first.id).is_some());
        // One that is replaced is read again.
        let mut replacing = first.clone();
        replacing.tags = ["new".to_owned()].into();
        store.add(replacing.clone(), OnConflict::Replace).unwrap();
        assert_eq!(*store.due(later, 10).unwrap()[0], replacing);
    }
}
