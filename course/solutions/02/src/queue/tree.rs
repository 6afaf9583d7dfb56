//! A B-tree of entries, and the time of each job to find its entry.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, Utc};

use super::{Entry, JobId, Queue};

// ANCHOR: tree
/// Entries in order. Each job of `times` has one entry, and no other job has.
#[derive(Debug, Default)]
pub struct Tree {
    entries: BTreeSet<Entry>,
    times: HashMap<JobId, DateTime<Utc>>,
}

impl Queue for Tree {
    fn insert(&mut self, job: JobId, time: DateTime<Utc>) {
        if let Some(before) = self.times.insert(job, time) {
            self.entries.remove(&(before, job));
        }
        self.entries.insert((time, job));
    }

    fn remove(&mut self, job: JobId) -> bool {
        let time = self.times.remove(&job);
        time.is_some_and(|time| self.entries.remove(&(time, job)))
    }

    fn next(&self) -> Option<DateTime<Utc>> {
        self.entries.first().map(|entry| entry.0)
    }

    fn pop_due(&mut self, now: DateTime<Utc>) -> Option<Entry> {
        let first = *self.entries.first()?;
        (first.0 <= now).then(|| {
            self.remove(first.1);
            first
        })
    }

    fn entries(&self) -> usize {
        self.entries.len()
    }
}
// ANCHOR_END: tree
