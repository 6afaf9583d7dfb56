//! Says an expression in English.
//!
//! The sentences are regular, so that they can be read back as sets: `conformance/tests/sentences.rs` does.

mod days;
mod times;

use super::{CronExpression, YEARS, YearRange};
use days::Months;

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
const EVERY_MONTH: u16 = 0b1_1111_1111_1110;

/// Returns a sentence such as "at 09:00 on weekdays" or "every 5 minutes from 08:00 to 17:55".
pub(super) fn expression(expression: &CronExpression) -> String {
    let (mut sentence, is_list) = times::of(expression);
    let month = one(expression.months.into()).map(month_name);
    let (days, months) = days::of(expression, month.as_deref());
    if !days.is_empty() {
        sentence += &format!(" on {days}");
    } else if is_list {
        sentence += " every day";
    }
    let mut limits = Vec::new();
    if expression.weeks != 0 {
        let weeks = if one(expression.weeks).is_some() { "week" } else { "weeks" };
        limits.push(format!("in ISO {weeks} {}", ranges(expression.weeks, |week| week.to_string())));
    }
    if months != Months::Said && expression.months != EVERY_MONTH {
        limits.push(format!("in {}", ranges(expression.months.into(), month_name)));
    }
    if let Some(years) = &expression.years {
        limits.push(format!("in {}", and(&years.iter().copied().map(year_range).collect::<Vec<_>>())));
    }
    if !limits.is_empty() {
        // Without the comma, they would belong to the last of the days alone.
        sentence += if expression.has_alternatives() { ", only " } else { " " };
        sentence += &limits.join(" ");
    }
    sentence
}

fn month_name(month: u32) -> String {
    MONTHS[month as usize - 1].to_owned()
}

fn year_range(range: YearRange) -> String {
    let YearRange { first, last, step } = range;
    let to_the_end = i32::from(last) + i32::from(step) > *YEARS.end();
    match (first == last, step, to_the_end) {
        (true, ..) => first.to_string(),
        (_, 1, true) => format!("every year from {first} on"),
        (_, 1, false) => format!("{first} to {last}"),
        (_, step, true) => format!("every {} year from {first} on", ordinal(step.into())),
        (_, step, false) => format!("every {} year from {first} to {last}", ordinal(step.into())),
    }
}

/// The values `first`, `first + step`, ... `last` of an evenly spaced set of two or more.
struct Progression {
    first: u32,
    last: u32,
    step: u32,
}

fn progression(set: u64) -> Option<Progression> {
    let (first, last) = (set.trailing_zeros(), set.checked_ilog2()?);
    let rest = set & (set - 1);
    if rest == 0 {
        return None;
    }
    let step = rest.trailing_zeros() - first;
    let is_even = (first..=last).step_by(step as usize).fold(0, |bits, value| bits | 1 << value) == set;
    is_even.then_some(Progression { first, last, step })
}

/// Returns the step of a set that goes from 0 through the whole range evenly, in two steps or more.
fn period(set: u64, range: u32) -> Option<u32> {
    let Progression { first, last, step } = progression(set)?;
    (first == 0 && last + step == range).then_some(step)
}

fn one(set: u64) -> Option<u32> {
    set.is_power_of_two().then(|| set.trailing_zeros())
}

/// Returns `1, 3 to 5 and 9`.
fn ranges(set: u64, name: impl Fn(u32) -> String) -> String {
    let mut parts = Vec::new();
    let mut rest = set;
    while rest != 0 {
        let first = rest.trailing_zeros();
        let run = (rest >> first).trailing_ones();
        if run >= 3 {
            parts.push(format!("{} to {}", name(first), name(first + run - 1)));
            rest &= !(((1 << run) - 1) << first);
        } else {
            parts.push(name(first));
            rest &= rest - 1;
        }
    }
    and(&parts)
}

/// Returns `one`, `one and two`, `one, two and three`.
fn and(parts: &[String]) -> String {
    match parts.split_last() {
        None => String::new(),
        Some((last, [])) => last.clone(),
        Some((last, before)) => format!("{} and {last}", before.join(", ")),
    }
}

fn ordinal(number: u32) -> String {
    let ending = match (number % 10, number / 10 % 10) {
        (1, tens) if tens != 1 => "st",
        (2, tens) if tens != 1 => "nd",
        (3, tens) if tens != 1 => "rd",
        _ => "th",
    };
    format!("{number}{ending}")
}

#[cfg(test)]
mod tests {
    use crate::cron::CronExpression;

    fn check(sentences: &[(&str, &str)]) {
        for (text, expected) in sentences {
            assert_eq!(super::expression(&CronExpression::parse(text).unwrap()), *expected, "{text}");
        }
    }

    #[test]
    fn common_expressions_have_short_sentences() {
        check(&[
            ("0 9 * * MON-FRI", "at 09:00 on weekdays"),
            ("*/5 8-17 * * *", "every 5 minutes from 08:00 to 17:55"),
            ("* * * * *", "every minute"),
            ("*/15 * * * *", "every 15 minutes"),
            ("0 * * * *", "every hour"),
            ("17 * * * *", "at 17 minutes past the hour"),
            ("0 */2 * * *", "every 2 hours"),
            ("30 */6 * * 7", "at 00:30, 06:30, 12:30 and 18:30 on Sundays"),
            ("0 9,17 * * *", "at 09:00 and 17:00 every day"),
            ("0 8-18 * * *", "every hour from 08:00 to 18:00"),
            ("30 1-23/2 * * *", "every 2 hours from 01:30 to 23:30"),
            ("0 0 1 * *", "at 00:00 on the 1st of the month"),
            ("0 0 1 1 *", "at 00:00 on the 1st of January"),
            ("0 0 29 2 *", "at 00:00 on the 29th of February"),
            ("0 12 13 * FRI", "at 12:00 on the 13th of the month or on Fridays"),
            ("0 12 13 * +FRI", "at 12:00 on the 13th of the month, but only on Fridays"),
            ("0 0 L * *", "at 00:00 on the last day of the month"),
            (
                "0 0 L-1,L-5W * *",
                "at 00:00 on the day before the last day of the month and the weekday nearest the 5th day before the last day of the month",
            ),
            ("0 0 15W * ?", "at 00:00 on the weekday nearest the 15th of the month"),
            ("0 0 * * FRI#2", "at 00:00 on the second Friday of the month"),
            ("0 0 * * 5L", "at 00:00 on the last Friday of the month"),
            ("0 6 * 3-5 SAT,SUN", "at 06:00 on weekends in March to May"),
            ("0 0 */2 * *", "at 00:00 on every 2nd day of the month from the 1st"),
            ("*/10 * * * * *", "every 10 seconds"),
            ("30 * * * * *", "at second 30 of every minute"),
            ("15 30 9 * * *", "at 09:30:15 every day"),
            ("0 0 9 * * MON 2026", "at 09:00 on Mondays in 2026"),
            ("5,35 1-3 * * *", "at 01:05, 01:35, 02:05, 02:35, 03:05 and 03:35 every day"),
            (
                "1-5 0-20/2 * * *",
                "at 1 to 5 minutes past the hours 00, 02, 04, 06, 08, 10, 12, 14, 16, 18 and 20",
            ),
            ("hour=9 day='2nd tue'", "at 09:00 on the second Tuesday of the month"),
            ("week=1 day_of_week=mon hour=8", "at 08:00 on Mondays in ISO week 1"),
        ]);
    }

    #[test]
    fn months_and_years_restrict_all_days_of_an_alternative() {
        check(&[
            ("0 9 15 6 MON-FRI", "at 09:00 on the 15th of the month or on weekdays, only in June"),
            ("0 0 1 1 1", "at 00:00 on the 1st of the month or on Mondays, only in January"),
            ("0 0 1-2 1 1-5", "at 00:00 on the 1st and 2nd of the month or on weekdays, only in January"),
            (
                "0 0,12 L FEB FRI",
                "at 00:00 and 12:00 on the last day of the month or on Fridays, only in February",
            ),
            ("0 0 1 6 FRI#2", "at 00:00 on the 1st of June or on the second Friday of June"),
            ("0 0 * 6 2,THUL", "at 00:00 on Tuesdays and the last Thursday of the month, only in June"),
            ("0 0 0 13 * FRI 2026", "at 00:00 on the 13th of the month or on Fridays, only in 2026"),
            ("0 0 13 6 +FRI", "at 00:00 on the 13th of June, but only on Fridays"),
        ]);
    }

    #[test]
    fn seconds_are_of_the_minutes_that_have_them() {
        check(&[
            ("*/10 0 * * * *", "every 10 seconds of minute 0 of every hour"),
            ("* 0 * * * *", "every second of minute 0 of every hour"),
            ("* 0 9 * * *", "every second of the minute 09:00"),
            ("*/10 * 8-17 * * *", "every 10 seconds from 08:00:00 to 17:59:50"),
            ("30 */5 8-17 * * *", "at second 30 of every 5th minute of the hours 08 to 17"),
            ("1,2 */30 * * * *", "at the seconds 1 and 2 of every 30th minute of every hour"),
        ]);
    }

    #[test]
    fn hours_without_a_regular_step_are_listed() {
        check(&[
            ("0 */4,6 * * *", "at 00:00, 04:00, 06:00, 08:00, 12:00, 16:00 and 20:00 every day"),
            ("5 0-9,11-22 * * *", "at 5 minutes past the hours 00 to 09 and 11 to 22"),
            ("*/20 0,4,9 * * *", "every 20 minutes of the hours 00, 04 and 09"),
            ("*/5 */2 * * *", "every 5 minutes of every 2nd hour from 00:00"),
            ("5-50/5 9 * * *", "every 5 minutes from 09:05 to 09:50"),
        ]);
    }

    /// The clocks skip an hour and show another one twice; "every hour" would be false of fixed local times.
    #[test]
    fn fixed_local_times_of_the_whole_day_are_from_its_first_to_its_last() {
        check(&[
            ("0 0-23 * * *", "every hour from 00:00 to 23:00"),
            ("0 0-23/2 * * *", "every 2 hours from 00:00 to 22:00"),
            ("0-59 0-23 * * *", "every minute from 00:00 to 23:59"),
            ("0 0-59 * * * *", "every minute"),
        ]);
    }

    #[test]
    fn years_with_a_step_to_the_end_have_no_last_one() {
        check(&[
            ("0 0 0 1 1 * 2016/4", "at 00:00 on the 1st of January in every 4th year from 2016 on"),
            (
                "0 0 0 1 1 * 1990-2030/4,2000",
                "at 00:00 on the 1st of January in every 4th year from 1990 to 2030 and 2000",
            ),
            ("0 0 0 1 1 * 2026/1", "at 00:00 on the 1st of January in every year from 2026 on"),
        ]);
    }
}
