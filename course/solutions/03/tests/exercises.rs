//! The exercises of chapter 3: solutions, and tests below them. To test your
//! own, copy this file to `starter/tests` and replace what is above the line.
//!
//! Exercise 2, `L`: it belongs into `days_of`, which is the only place that
//! knows how many days the month has. `Cron` gets a field `last_day: bool`,
//! and `days_of` adds that day to `self.days` before the rule for either day.
//! A field `L` does not begin with a star, so it is restricted.

use chrono::{NaiveDateTime, NaiveTime, TimeDelta};
use proptest::prelude::*;
use scheduler::cron::{Cron, CronError};

/// Exercise 1: an expression, or a nickname.
fn parse(text: &str) -> Result<Cron, CronError> {
    let expression = match text.to_ascii_lowercase().as_str() {
        "@hourly" => "0 * * * *",
        "@daily" => "0 0 * * *",
        "@weekly" => "0 0 * * 0",
        "@monthly" => "0 0 1 * *",
        "@yearly" => "0 0 1 1 *",
        _ => text,
    };
    expression.parse()
}

/// Exercise 3: fires later than `from` and not later than `to`.
///
/// The days at both ends are walked. A day between them that matches has as
/// many fires as any other such day.
fn count(cron: &Cron, from: NaiveDateTime, to: NaiveDateTime) -> u64 {
    let midnight = |time: NaiveDateTime| time.date().and_time(NaiveTime::MIN);
    let last_minute = TimeDelta::minutes(1);
    let walk = |after: NaiveDateTime, end: NaiveDateTime| {
        let next = |time: &NaiveDateTime| cron.next_local(*time);
        let fires = std::iter::successors(next(&after), next);
        fires.take_while(|fire| *fire <= end).count() as u64
    };
    let second_day = midnight(from) + TimeDelta::days(1);
    if second_day > to {
        return walk(from, to);
    }
    let mut fires = walk(from, second_day - last_minute);
    let mut in_a_day = None;
    let mut day = second_day;
    while day < midnight(to) {
        let Some(next) = cron.next_local(day - last_minute) else { break };
        day = midnight(next);
        if day < midnight(to) {
            let end = day + TimeDelta::days(1) - last_minute;
            fires +=
                *in_a_day.get_or_insert_with(|| walk(day - last_minute, end));
        }
        day += TimeDelta::days(1);
    }
    fires + walk(midnight(to) - last_minute, to)
}

// ---------------------------------------------------------------------------

#[test]
fn nicknames_are_expressions() {
    assert_eq!(parse("@daily"), "0 0 * * *".parse());
    assert_eq!(parse("@Hourly"), parse("0 * * * *"));
    assert_eq!(parse("@weekly"), parse("0 0 * * sun"));
    assert!(parse("@never").is_err());
}

proptest! {
    #[test]
    fn counting_agrees_with_a_walk(
        index in 0_usize..6, from in 0_i64..4_000_000_000,
        length in 0_i64..10_000_000,
    ) {
        let texts = ["*/7 3-5 * * *", "0 0 29 2 *", "30 2 13 * fri",
            "0 12 * * mon-fri", "5,6 23,0 31 * *", "59 23 * * *"];
        let cron = parse(texts[index]).unwrap();
        let instant = |second| {
            chrono::DateTime::from_timestamp(second, 0).unwrap().naive_utc()
        };
        let (from, to) = (instant(from), instant(from + length));
        let mut walked = 0;
        let mut time = from;
        while let Some(next) = cron.next_local(time).filter(|it| *it <= to) {
            (time, walked) = (next, walked + 1);
        }
        prop_assert_eq!(count(&cron, from, to), walked);
    }
}
