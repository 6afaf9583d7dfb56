//! Exercises of chapter 1: your solutions. Their tests are in
//! `course/tests/exercises_01.rs`.

// What is not written yet does not use its arguments.
#![allow(unused_variables, unused_mut, unused_imports, dead_code)]

use chrono::{DateTime, TimeDelta, Utc};
use scheduler::run_loop::Clock;
use scheduler::trigger::Trigger;

#[path = "../../tests/exercises_01.rs"]
mod tests;

/// Exercise 1: the fire times of another trigger, moved by a duration.
struct Shifted<T> {
    inner: T,
    by: TimeDelta,
}

impl<T: Trigger> Trigger for Shifted<T> {
    fn next_after(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        unimplemented!("exercise 1: ask `inner` about another instant")
    }
}

/// Exercise 2: the fire times of both. A fire time that both have is one.
struct Either<A, B>(A, B);

impl<A: Trigger, B: Trigger> Trigger for Either<A, B> {
    fn next_after(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        unimplemented!("exercise 2: ask both")
    }
}

/// Exercise 3: the loop of `run`, but of the fire times that have passed, only
/// the latest one is fired.
fn run_latest(
    trigger: &dyn Trigger,
    clock: &dyn Clock,
    until: DateTime<Utc>,
    task: impl FnMut(DateTime<Utc>),
) {
    unimplemented!("exercise 3: leave out what was missed")
}
