//! The tests of the exercises of chapter 8.

use chrono::{DateTime, TimeDelta};

use super::OwnLease;

#[test]
fn a_node_stops_handing_over_before_its_lease_is_over() {
    let at = |second| DateTime::UNIX_EPOCH + TimeDelta::seconds(second);
    let lease = OwnLease { sent: at(100), lease: TimeDelta::seconds(15) };
    assert!(lease.may_begin(at(100)) && lease.may_begin(at(111)));
    assert!(!lease.may_begin(at(112)) && !lease.may_begin(at(500)));
}
