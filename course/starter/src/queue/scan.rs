//! A list without an order, which is looked through each time.

use chrono::{DateTime, Utc};

use super::{Entry, JobId, Queue};

/// Looks at every job to find the next one.
#[derive(Debug, Default)]
pub struct Scan(Vec<Entry>);

impl Queue for Scan {
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
