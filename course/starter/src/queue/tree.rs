//! A B-tree of entries, and the time of each job to find its entry.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, Utc};

use super::{Entry, JobId, Queue};

/// Entries in order. Each job of `times` has one entry, and no other job has.
#[derive(Debug, Default)]
pub struct Tree {
    entries: BTreeSet<Entry>,
    times: HashMap<JobId, DateTime<Utc>>,
}

impl Queue for Tree {
    fn insert(&mut self, job: JobId, time: DateTime<Utc>) {
        unimplemented!("chapter 2: add an entry, or move it")
    }

    fn remove(&mut self, job: JobId) -> bool {
        unimplemented!("chapter 2: take the entry of the job out")
    }

    fn next(&self) -> Option<DateTime<Utc>> {
        unimplemented!("chapter 2: the time of the first entry")
    }

    fn pop_due(&mut self, now: DateTime<Utc>) -> Option<Entry> {
        unimplemented!("chapter 2: take the first entry out, if it is due")
    }

    fn entries(&self) -> usize {
        unimplemented!("chapter 2: how many entries are in memory")
    }
}
