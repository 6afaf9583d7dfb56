//! Exercises 1 and 2 of chapter 4: solutions, and tests below them. To test
//! your own, copy this file to `starter/tests` and replace what is above the
//! line.

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use scheduler::trigger::Trigger;
use scheduler::zone::{Instants, Zone};

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

// ---------------------------------------------------------------------------

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

#[test]
fn a_local_date_fires_once() {
    for (time, expected) in [
        ("2026-03-29T02:30:00Z", "2026-03-29T01:00:00Z"),
        ("2026-10-25T02:30:00Z", "2026-10-25T00:30:00Z"),
        ("2026-12-24T18:00:00Z", "2026-12-24T17:00:00Z"),
    ] {
        let date =
            LocalDate { time: at(time).naive_utc(), zone: Zone::berlin() };
        let fire = date.next_after(at("2026-01-01T00:00:00Z")).unwrap();
        assert_eq!(fire, at(expected), "{time}");
        assert_eq!(date.next_after(fire), None);
    }
}

#[test]
fn days_have_23_24_or_25_hours() {
    let length = |day: &str| {
        let midnight = at(&format!("{day}T00:00:00Z")).naive_utc();
        length_of_day(&Zone::berlin(), midnight).num_hours()
    };
    assert_eq!(length("2026-03-29"), 23);
    assert_eq!(length("2026-10-25"), 25);
    assert_eq!(length("2026-12-24"), 24);
}
