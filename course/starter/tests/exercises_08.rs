//! Exercises of chapter 8: your solutions. Their tests are in
//! `course/tests/exercises_08.rs`.

// What is not written yet does not use its arguments.
#![allow(unused_variables, unused_mut, unused_imports, dead_code)]

use chrono::{DateTime, TimeDelta, Utc};

#[path = "../../tests/exercises_08.rs"]
mod tests;

/// Exercise 1: a node's own view of its lease.
struct OwnLease {
    /// When the node sent its last heartbeat that was answered.
    sent: DateTime<Utc>,
    lease: TimeDelta,
}

impl OwnLease {
    /// Returns whether the node may begin a run. The last fifth of the lease
    /// is kept in reserve, for the time until the work begins.
    fn may_begin(&self, now: DateTime<Utc>) -> bool {
        unimplemented!("exercise 1: is the lease surely not over?")
    }
}
