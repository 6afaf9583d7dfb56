//! The tests of the exercises of chapter 7.

use chrono::{DateTime, TimeDelta};
use scheduler::engine::{Decision, Plan};

use super::{Missed, missed};

#[test]
fn missed_fires_are_folded() {
    use scheduler::engine::Reason::{Coalesced, TooLate};
    let at = |minute| DateTime::UNIX_EPOCH + TimeDelta::minutes(minute);
    let what = [
        Decision::Miss(TooLate),
        Decision::Miss(TooLate),
        Decision::Miss(Coalesced),
        Decision::Start,
        Decision::Miss(Coalesced),
    ];
    let fires = (0..).map(at).zip(what).collect();
    let row =
        |first, last, count| Missed { first: at(first), last: at(last), count };
    let expected = [row(0, 1, 2), row(2, 2, 1), row(4, 4, 1)];
    assert_eq!(missed(&Plan { fires, next_fire: None }), expected);
}
