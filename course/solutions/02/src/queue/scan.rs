//! A list without an order, which is looked through each time.

use chrono::{DateTime, Utc};

use super::{Entry, JobId, Queue};

// ANCHOR: scan
/// Looks at every job to find the next one.
#[derive(Debug, Default)]
pub struct Scan(Vec<Entry>);

impl Queue for Scan {
    fn insert(&mut self, job: JobId, time: DateTime<Utc>) {
        self.remove(job);
        self.0.push((time, job));
    }

    fn remove(&mut self, job: JobId) -> bool {
        let found = self.0.iter().position(|entry| entry.1 == job);
        found.map(|index| self.0.swap_remove(index)).is_some()
    }

    fn next(&self) -> Option<DateTime<Utc>> {
        self.0.iter().min().map(|entry| entry.0)
    }

    fn pop_due(&mut self, now: DateTime<Utc>) -> Option<Entry> {
        let first = *self.0.iter().min()?;
        (first.0 <= now).then(|| {
            self.remove(first.1);
            first
        })
    }

    fn entries(&self) -> usize {
        self.0.len()
    }
}
// ANCHOR_END: scan
