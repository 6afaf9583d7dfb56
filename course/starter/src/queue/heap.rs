//! A binary heap. What is removed stays in it for a while.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use chrono::{DateTime, Utc};

use super::{Entry, JobId, Queue};

/// The first entry is on top. An entry is valid if `times` has the same time
/// for its job. The others are stale: their job was removed or moved.
///
/// Invariants: the top is valid, and at most half of the entries are stale.
#[derive(Debug, Default)]
pub struct Heap {
    heap: BinaryHeap<Reverse<Entry>>,
    times: HashMap<JobId, DateTime<Utc>>,
}

impl Queue for Heap {
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
