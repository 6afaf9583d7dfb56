//! Exercise 1 of chapter 8: a solution, and a test below it. To test your own,
//! copy this file to `starter/tests` and replace what is above the line.

use chrono::{DateTime, TimeDelta, Utc};

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

// ---------------------------------------------------------------------------

#[test]
fn a_node_stops_handing_over_before_its_lease_is_over() {
    let at = |second| DateTime::UNIX_EPOCH + TimeDelta::seconds(second);
    let lease = OwnLease { sent: at(100), lease: TimeDelta::seconds(15) };
    assert!(lease.may_begin(at(100)) && lease.may_begin(at(111)));
    assert!(!lease.may_begin(at(112)) && !lease.may_begin(at(500)));
}
