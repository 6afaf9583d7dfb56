//! Exercises of chapter 7: our solutions.
//!
//! Exercise 2, priorities: in `turn`. `plan` knows one job only. The executor
//! knows only what it has got, and refuses what is too much. `turn` has all
//! that is due, and can put `start` in order before it returns.
//!
//! Exercise 3, a slow disk: none of the five, because fires only become later.
//! What suffers is the grace: a fire that was decided in time may start too
//! late. A real engine therefore looks at the clock again when
//! a run begins.

use chrono::{DateTime, Utc};
use scheduler::engine::{Decision, Plan};

#[path = "../../../tests/exercises_07.rs"]
mod tests;

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
