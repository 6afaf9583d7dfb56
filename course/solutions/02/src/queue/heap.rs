//! A binary heap. What is removed stays in it for a while.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use chrono::{DateTime, Utc};

use super::{Entry, JobId, Queue};

// ANCHOR: heap
/// The first entry is on top. An entry is valid if `times` has the same time
/// for its job. The others are stale: their job was removed or moved.
///
/// Invariants: the top is valid, and at most half of the entries are stale.
#[derive(Debug, Default)]
pub struct Heap {
    heap: BinaryHeap<Reverse<Entry>>,
    times: HashMap<JobId, DateTime<Utc>>,
}

impl Heap {
    fn is_valid(&self, (time, job): Entry) -> bool {
        self.times.get(&job) == Some(&time)
    }

    /// Makes the invariants true again.
    fn clean(&mut self) {
        while let Some(Reverse(top)) = self.heap.peek()
            && !self.is_valid(*top)
        {
            self.heap.pop();
        }
        if self.heap.len() > 2 * self.times.len() {
            let entries = self.times.iter().map(|(job, time)| (*time, *job));
            self.heap = entries.map(Reverse).collect();
        }
    }
}
// ANCHOR_END: heap

// ANCHOR: queue
impl Queue for Heap {
    fn insert(&mut self, job: JobId, time: DateTime<Utc>) {
        if self.times.insert(job, time) != Some(time) {
            self.heap.push(Reverse((time, job)));
        }
        self.clean();
    }

    fn remove(&mut self, job: JobId) -> bool {
        let removed = self.times.remove(&job).is_some();
        self.clean();
        removed
    }

    fn next(&self) -> Option<DateTime<Utc>> {
        self.heap.peek().map(|Reverse(top)| top.0)
    }

    fn pop_due(&mut self, now: DateTime<Utc>) -> Option<Entry> {
        let Reverse(first) = *self.heap.peek()?;
        if first.0 > now {
            return None;
        }
        self.heap.pop();
        self.times.remove(&first.1);
        self.clean();
        Some(first)
    }

    fn entries(&self) -> usize {
        self.heap.len()
    }
}
// ANCHOR_END: queue
