//! Exercises of chapter 8: our solutions.
//!
//! Exercise 2, poison: the cluster runs it again on node after node, without
//! an end. `reap` knows the fire: it can count its interrupted rows, and if
//! there are three, it records the fire as failed.
//!
//! Exercise 3, the simulation: it finds the third bug of the table. A run that
//! was taken over ends late, another node claims the next fire of its job
//! meanwhile, and the check sees both.
//!
//! Exercise 4, at most once: for such a job, `reap` ends the row as
//! interrupted, and records no new run.

use chrono::{DateTime, TimeDelta, Utc};

#[path = "../../../tests/exercises_08.rs"]
mod tests;

/// Exercise 1: a node's own view of its lease. It hands work over only while
/// nobody can have declared it dead.
///
/// The lease began at the latest when the heartbeat was *sent*, by the node's
/// own clock. A part of it is kept back for the time that the work needs to
/// begin.
struct OwnLease {
    sent: DateTime<Utc>,
    lease: TimeDelta,
}

impl OwnLease {
    fn may_begin(&self, now: DateTime<Utc>) -> bool {
        now < self.sent + self.lease * 4 / 5
    }
}
