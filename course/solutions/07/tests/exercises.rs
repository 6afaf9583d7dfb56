//! Exercise 1 of chapter 7: a solution, and a test below it. To test your own,
//! copy this file to `starter/tests` and replace what is above the line.

use chrono::{DateTime, TimeDelta, Utc};
use scheduler::engine::{Decision, Plan};

/// Exercise 1: fires that were missed one after the other, as one row each.
#[derive(Debug, PartialEq)]
struct Missed {
    first: DateTime<Utc>,
    last: DateTime<Utc>,
    count: usize,
}

fn missed(plan: &Plan) -> Vec<Missed> {
    let same = plan.fires.chunk_by(|one, other| one.1 == other.1);
    let missed = same.filter(|fires| fires[0].1 != Decision::Start);
    missed
        .map(|fires| Missed {
            first: fires[0].0,
            last: fires[fires.len() - 1].0,
            count: fires.len(),
        })
        .collect()
}

// ---------------------------------------------------------------------------

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
