//! Which of many jobs is next? A queue answers, in one of four ways.

use chrono::{DateTime, Utc};

use crate::run_loop::Clock;
use crate::trigger::Trigger;

mod heap;
mod scan;
mod tree;
mod wheel;

pub use heap::Heap;
pub use scan::Scan;
pub use tree::Tree;
pub use wheel::Wheel;

/// The number of a job.
pub type JobId = u64;

/// A time and the job that is due then. Entries are ordered by time, and
/// entries of the same time by job.
pub type Entry = (DateTime<Utc>, JobId);

/// Jobs with the time at which each is due next.
pub trait Queue {
    /// Adds a job. If the queue has it already, it is due at the new time
    /// instead.
    fn insert(&mut self, job: JobId, time: DateTime<Utc>);

    /// Removes a job. Returns whether the queue had it.
    fn remove(&mut self, job: JobId) -> bool;

    /// Returns the earliest time at which a job is due.
    fn next(&self) -> Option<DateTime<Utc>>;

    /// Takes out the first entry, if its time is not later than `now`.
    fn pop_due(&mut self, now: DateTime<Utc>) -> Option<Entry>;

    /// Returns how many entries are in memory, also those that stand for
    /// nothing any more.
    fn entries(&self) -> usize;
}

/// Calls `task` for each fire time of each trigger that is later than now and
/// not later than `until`, in the order of time. The job of a trigger is its
/// index.
pub fn run_all(
    triggers: &[Box<dyn Trigger>],
    queue: &mut dyn Queue,
    clock: &dyn Clock,
    until: DateTime<Utc>,
    mut task: impl FnMut(JobId, DateTime<Utc>),
) {
    unimplemented!("chapter 2: insert each job, then wait for the first")
}
