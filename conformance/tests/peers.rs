//! The same answers as the crates `cron` and `croner`, on the grammar that we share, in UTC. Left out, because the three
//! mean different things on purpose:
//!
//! * both day fields restricted: `cron` wants both to match; `croner` either, as we do, but it takes `*/2` for a
//!   restriction, which to Debian's cron is a star;
//! * weekdays by number: to `cron` 1 is Sunday;
//! * days before the last (`L-3`), which neither has;
//! * local time: `cron` leaves out what is in a gap, and fires twice what occurs twice; `croner` has rules of its own. The
//!   vectors hold ours.

use std::str::FromStr;

use chrono::{DateTime, Utc};
use matins_conformance::proof::config;
use matins_conformance::strategies;
use matins_core::Trigger;
use matins_triggers::CronTrigger;
use proptest::prelude::*;
use proptest::sample::select;

/// Five fields of which one day field is a plain star.
fn shared() -> impl Strategy<Value = String> {
    let names = select(&["SUN", "MON-FRI", "TUE,THU", "SAT", "*"][..]).prop_map(str::to_owned);
    let days = prop_oneof![(strategies::field(1, 31), Just("*".to_owned())), (Just("*".to_owned()), names),];
    (strategies::field(0, 59), strategies::field(0, 23), days, strategies::field(1, 12))
        .prop_map(|(minute, hour, (day, weekday), month)| format!("{minute} {hour} {day} {month} {weekday}"))
}

/// `croner`'s extended grammar.
fn extended() -> impl Strategy<Value = String> {
    let days = select(&["L *", "15W *", "1W *", "* FRI#2", "* 5L", "* MON#1,MON#3", "10-20 *"][..]);
    (strategies::field(0, 59), strategies::field(0, 23), days, strategies::field(1, 12)).prop_map(
        |(minute, hour, days, month)| {
            let (day, weekday) = days.split_once(' ').expect("two day fields");
            format!("{minute} {hour} {day} {month} {weekday}")
        },
    )
}

fn ours(text: &str, after: DateTime<Utc>) -> Option<Vec<DateTime<Utc>>> {
    let trigger = CronTrigger::parse(text, "UTC").ok()?;
    Some(std::iter::successors(trigger.next_after(after), |last| trigger.next_after(*last)).take(5).collect())
}

proptest! {
    #![proptest_config(config(500))]

    #[test]
    fn cron_agrees(text in shared(), after in strategies::instant()) {
        if let Some(ours) = ours(&text, after) {
            let schedule = cron::Schedule::from_str(&format!("0 {text}")).unwrap();
            // It looks no further than the year 2100.
            let theirs: Vec<_> = schedule.after(&after).take(5).collect();
            let known = theirs.len();
            prop_assert_eq!(&ours[..known], &theirs[..], "{} after {}", text, after);
        }
    }

    #[test]
    fn croner_agrees(text in prop_oneof![shared(), extended()], after in strategies::instant()) {
        if let Some(ours) = ours(&text, after) {
            let pattern = croner::Cron::from_str(&text).unwrap();
            let mut theirs = Vec::new();
            let mut last = after;
            while let Ok(next) = pattern.find_next_occurrence(&last, false) {
                theirs.push(next);
                last = next;
                if theirs.len() == 5 {
                    break;
                }
            }
            prop_assert_eq!(&ours[..theirs.len()], &theirs[..], "{} after {}", text, after);
        }
    }
}
