//! Exercises of chapter 3: our solutions.
//!
//! Exercise 2, `L`: it belongs into `days_of`, which is the only place that
//! knows how many days the month has. `Cron` gets a field `last_day: bool`,
//! and `days_of` adds that day to `self.days` before the rule for either day.
//! A field `L` does not begin with a star, so it is restricted.

use chrono::{NaiveDateTime, NaiveTime, TimeDelta};
use scheduler::cron::{Cron, CronError};

#[path = "../../../tests/exercises_03.rs"]
mod tests;

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
