//! The tests of the exercises of chapter 4.

use chrono::{DateTime, Utc};
use scheduler::trigger::Trigger;
use scheduler::zone::Zone;

use super::{LocalDate, length_of_day};

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
