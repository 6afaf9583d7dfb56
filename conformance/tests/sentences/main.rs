//! A sentence says neither more nor less than its expression: read back as sets, it gives the expression's sets.
//!
//! Both readers here are literal and share no code with `matins-triggers`: one reads the expression's text, the other the
//! English.

mod expression;
mod sentence;

use std::collections::BTreeSet;

use matins_conformance::proof::config;
use matins_conformance::strategies;
use matins_core::Trigger;
use matins_triggers::{CronTrigger, Zone};
use proptest::prelude::*;

type Set = BTreeSet<u32>;

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const WEEKDAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const SHORT_WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];
const NTH: [&str; 5] = ["first", "second", "third", "fourth", "fifth"];

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Day {
    Date(u32),
    BeforeLast(u32),
    NearestWeekday(u32),
    NearestWeekdayBeforeLast(u32),
    /// From Sunday.
    Weekday(u32),
    Nth(u32, u32),
    Last(u32),
}

#[derive(Debug, PartialEq, Eq)]
enum Days {
    Every,
    Of(BTreeSet<Day>),
    Both(BTreeSet<Day>, BTreeSet<Day>),
    Either(BTreeSet<Day>, BTreeSet<Day>),
}

#[derive(Debug, PartialEq, Eq)]
struct Sets {
    /// For each second of the day, whether it is in the set.
    times: Vec<bool>,
    days: Days,
    weeks: Set,
    months: Set,
    years: Set,
}

fn all(range: std::ops::RangeInclusive<u32>) -> Set {
    range.collect()
}

fn every_week() -> Set {
    all(1..=53)
}

fn every_month() -> Set {
    all(1..=12)
}

fn every_year() -> Set {
    all(1970..=9999)
}

fn times(hours: &Set, minutes: &Set, seconds: &Set) -> Vec<bool> {
    let mut times = vec![false; 86_400];
    for hour in hours {
        for minute in minutes {
            for second in seconds {
                times[((hour * 60 + minute) * 60 + second) as usize] = true;
            }
        }
    }
    times
}

fn check(trigger: &CronTrigger, sets: &Sets) {
    let description = trigger.describe();
    let text = description.strip_suffix(", UTC").expect("the zone is last");
    let (said, says_always) = sentence::read(text);
    // Without the sets, which are long.
    assert!(said == *sets, "{}: {text}", trigger.expression());
    // The clocks skip fixed local times, and show them twice.
    assert!(!(says_always && trigger.expression().is_fixed()), "{}: {text}", trigger.expression());
}

proptest! {
    #![proptest_config(config(1000))]

    #[test]
    fn a_sentence_read_back_gives_the_sets_of_its_expression(text in strategies::expression(), plus in prop::bool::ANY) {
        let text = match text.split(' ').collect::<Vec<_>>()[..] {
            // A day of week that asks for both.
            [minute, hour, day, month, weekday] if plus => format!("{minute} {hour} {day} {month} +{weekday}"),
            _ => text,
        };
        if let Ok(trigger) = CronTrigger::parse(&text, "UTC") {
            check(&trigger, &expression::crontab(&text));
        }
    }

    #[test]
    fn a_sentence_of_fields_by_name_read_back_gives_their_sets(fields in strategies::fields()) {
        if let Ok(expression) = strategies::named(&fields) {
            check(&CronTrigger::new(expression, Zone::utc()), &expression::named(&fields));
        }
    }
}

/// What was said falsely, and what people write.
#[test]
fn known_sentences_read_back() {
    for text in [
        "0 9 15 6 MON-FRI",
        "0 0 1 1 1",
        "0 0 1-2 1 1-5",
        "0 0,12 L 2 FRI",
        "0 0 * 6 2,THUL",
        "0 0 1 6 FRI#2",
        "*/10 0 * * * *",
        "* 0 * * * *",
        "0 */4,6 * * *",
        "0 0 0 1 1 * 2016/4",
        "0 0-23 * * *",
        "5-50/5 9 * * *",
        "*/10 * 8-17 * * *",
        "30 */5 8-17 * * *",
        "1,2 */30 * * * *",
        "1 0-9,11-22 * * *",
        "7 1,2,3 9 * * MON",
        "*/5 */2 * * MON",
        "0 0 L-5W,L-1,1W * *",
    ] {
        check(&CronTrigger::parse(text, "UTC").unwrap(), &expression::crontab(text));
    }
}
