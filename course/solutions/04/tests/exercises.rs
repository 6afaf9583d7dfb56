//! Exercises of chapter 4: our solutions.
//!
//! Exercise 3, corrections: `next_in` compares the offsets of its span and the
//! one before. If they differ by three hours or more, it neither makes up for
//! the gap nor skips what was shown before: it does what `Rule::Wall` does, in
//! this span only.

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use scheduler::trigger::Trigger;
use scheduler::zone::{Instants, Zone};

#[path = "../../../tests/exercises_04.rs"]
mod tests;

/// Exercise 1: one local date and time, as a trigger.
///
/// In a gap it fires at the end of the gap, in an overlap the first time. So a
/// single date fires exactly once, whatever the clocks do.
struct LocalDate {
    time: NaiveDateTime,
    zone: Zone,
}

impl Trigger for LocalDate {
    fn next_after(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let fire = match self.zone.instants(self.time) {
            Instants::One(fire) | Instants::Gap(fire) => fire,
            Instants::Two(first, _) => first,
        };
        (fire > after).then_some(fire)
    }
}

/// Exercise 2: the fires of a day at a local time, one every day, each 24
/// hours after the other unless the clocks change. Returns how long the day
/// is that begins at `midnight`.
fn length_of_day(zone: &Zone, midnight: NaiveDateTime) -> TimeDelta {
    let begin = |local| match zone.instants(local) {
        Instants::One(at) | Instants::Gap(at) | Instants::Two(at, _) => at,
    };
    begin(midnight + TimeDelta::days(1)) - begin(midnight)
}
