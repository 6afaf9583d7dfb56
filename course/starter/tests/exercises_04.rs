//! Exercises of chapter 4: your solutions. Their tests are in
//! `course/tests/exercises_04.rs`.

// What is not written yet does not use its arguments.
#![allow(unused_variables, unused_mut, unused_imports, dead_code)]

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use scheduler::trigger::Trigger;
use scheduler::zone::Zone;

#[path = "../../tests/exercises_04.rs"]
mod tests;

/// Exercise 1: one local date and time, as a trigger.
struct LocalDate {
    time: NaiveDateTime,
    zone: Zone,
}

impl Trigger for LocalDate {
    fn next_after(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        unimplemented!("exercise 1: exactly one instant, in a gap too")
    }
}

/// Exercise 2: how long the day is that begins at `midnight`.
fn length_of_day(zone: &Zone, midnight: NaiveDateTime) -> TimeDelta {
    unimplemented!("exercise 2: from one midnight to the next")
}
