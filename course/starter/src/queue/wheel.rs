//! A timing wheel: a slot for each second of the next ten minutes or so.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, Utc};

use super::{Entry, JobId, Queue};

/// The number of slots. There is one for each second of a round.
const SLOTS: i64 = 512;

/// An entry is in the slot of its second, modulo `SLOTS`. So a slot also has
/// entries of later rounds, which stay in it until their round comes.
///
/// Invariant: what is due in second `turned` or before is in `due`, and all
/// else is in the slots.
#[derive(Debug)]
pub struct Wheel {
    slots: Vec<Vec<Entry>>,
    turned: i64,
    due: BTreeSet<Entry>,
    times: HashMap<JobId, DateTime<Utc>>,
}

fn slot(second: i64) -> usize {
    second.rem_euclid(SLOTS) as usize
}

impl Default for Wheel {
    fn default() -> Self {
        unimplemented!("chapter 2: an empty wheel")
    }
}

impl Queue for Wheel {
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
