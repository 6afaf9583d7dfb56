//! Says an expression in English.

use super::search::bits;
use super::{CronExpression, DaysOfMonth, DaysOfWeek};

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
const NTH: [&str; 5] = ["first", "second", "third", "fourth", "fifth"];
/// So many times of a day are listed; more are described.
const LISTED: u32 = 6;

/// "at 09:00 on weekdays", "every 5 minutes from 08:00 to 17:55".
pub(super) fn expression(expression: &CronExpression) -> String {
    let mut parts = vec![time(expression)];
    let month = one(expression.months.into()).map(|month| MONTHS[month as usize - 1]);
    let days = days(expression, month);
    if days.is_empty()
        && parts[0].starts_with("at ")
        && !parts[0].contains("past")
        && !parts[0].contains("every")
    {
        parts.push("every day".to_owned());
    } else if !days.is_empty() {
        parts.push(days.clone());
    }
    if expression.weeks != 0 {
        let weeks = if one(expression.weeks).is_some() { "week" } else { "weeks" };
        parts.push(format!("in ISO {weeks} {}", ranges(expression.weeks, |week| week.to_string())));
    }
    match month {
        Some(month) if !days.contains(month) => parts.push(format!("in {month}")),
        None if expression.months != 0b1_1111_1111_1110 => {
            parts.push(format!(
                "in {}",
                ranges(expression.months.into(), |month| MONTHS[month as usize - 1].into())
            ));
        }
        _ => {}
    }
    if let Some(years) = &expression.years {
        let years = years.iter().map(|years| match (years.last - years.first, years.step) {
            (0, _) => years.first.to_string(),
            (_, 1) => format!("{} to {}", years.first, years.last),
            (_, step) => format!("every {step} years from {} to {}", years.first, years.last),
        });
        parts.push(format!("in {}", and(&years.collect::<Vec<_>>())));
    }
    parts.join(" ")
}

fn time(expression: &CronExpression) -> String {
    let CronExpression { seconds, minutes, hours, .. } = *expression;
    let hours = u64::from(hours);
    let count = seconds.count_ones() * minutes.count_ones() * hours.count_ones();
    if count <= LISTED {
        let mut times = Vec::new();
        for hour in bits(hours) {
            for minute in bits(minutes) {
                for second in bits(seconds) {
                    times.push(clock(hour, minute, second, seconds != 1));
                }
            }
        }
        return format!("at {}", and(&times));
    }
    if seconds == 1 {
        return minutes_and_hours(minutes, hours);
    }
    let second = match period(seconds, 60) {
        Some(1) => "every second".to_owned(),
        Some(step) => format!("every {step} seconds"),
        None => match one(seconds) {
            Some(second) => format!("at second {second}"),
            None => format!("at the seconds {}", ranges(seconds, |second| second.to_string())),
        },
    };
    match (period(minutes, 60), period(hours, 24)) {
        (Some(1), Some(1)) if second.starts_with("every") => second,
        (Some(1), Some(1)) => format!("{second} of every minute"),
        _ if minutes.count_ones() * hours.count_ones() <= LISTED => {
            let times: Vec<String> = bits(hours)
                .flat_map(|hour| bits(minutes).map(move |minute| clock(hour, minute, 0, false)))
                .collect();
            format!("{second} of the minute {}", and(&times))
        }
        _ => format!("{second} of a minute, {}", minutes_and_hours(minutes, hours)),
    }
}

/// The times of day of more than a few whole minutes.
fn minutes_and_hours(minutes: u64, hours: u64) -> String {
    let first = (hours.trailing_zeros(), minutes.trailing_zeros());
    let last = (hours.ilog2(), minutes.ilog2());
    let span = format!("from {} to {}", clock(first.0, first.1, 0, false), clock(last.0, last.1, 0, false));
    let hours_in_a_row = hours.count_ones() == last.0 - first.0 + 1;
    let every_hour = period(hours, 24) == Some(1);
    if let Some(step) = period(minutes, 60) {
        let every = if step == 1 { "every minute".to_owned() } else { format!("every {step} minutes") };
        return match period(hours, 24) {
            Some(1) => every,
            _ if hours_in_a_row => format!("{every} {span}"),
            Some(step) => format!("{every} of every {} hour from 00:00 on", ordinal(step)),
            None => format!("{every} of the hours {}", ranges(hours, |hour| format!("{hour:02}"))),
        };
    }
    let past = match minutes {
        0b1 => "on the hour".to_owned(),
        0b10 => "1 minute past the hour".to_owned(),
        _ => format!("{} minutes past the hour", ranges(minutes, |minute| minute.to_string())),
    };
    match (one(minutes), period(hours, 24)) {
        (Some(0), Some(1)) => "every hour".to_owned(),
        (Some(0), Some(step)) => format!("every {step} hours"),
        (Some(_), Some(step)) if step > 1 => format!("every {step} hours, {past}"),
        (Some(_), _) if hours_in_a_row && !every_hour => format!("every hour {span}"),
        (_, Some(1)) => format!("at {past}"),
        _ if hours_in_a_row => format!("at {past}, {span}"),
        _ => format!("at {past}, in the hours {}", ranges(hours, |hour| format!("{hour:02}"))),
    }
}

fn days(expression: &CronExpression, month: Option<&str>) -> String {
    let of_month = format!("of {}", month.unwrap_or("the month"));
    let all_days = expression.days.days == 0xffff_fffe;
    let all_weekdays = expression.weekdays.weekdays == 0x7f;
    let days = days_of_month(&expression.days, &of_month);
    let weekdays = days_of_week(&expression.weekdays, &of_month);
    match (expression.both_days, all_days, all_weekdays) {
        (_, true, true) | (false, true, _) | (false, _, true) => String::new(),
        (true, true, false) => format!("on {weekdays}"),
        (true, false, true) => format!("on {days}"),
        (true, false, false) => format!("on {days}, but only on {weekdays}"),
        (false, false, false) => format!("on {days} or on {weekdays}"),
    }
}

fn days_of_month(days: &DaysOfMonth, of_month: &str) -> String {
    let mut parts = Vec::new();
    let plain = u64::from(days.days);
    if let Some(step) =
        (2..16).find(|step| plain == (1_u64..32).step_by(*step).fold(0, |set, day| set | 1 << day))
    {
        parts.push(format!("every {} day {of_month} from the 1st", ordinal(step as u32)));
    } else if plain != 0 {
        parts.push(format!("the {} {of_month}", ranges(plain, ordinal)));
    }
    for back in bits(days.from_last.into()) {
        parts.push(match back {
            0 => format!("the last day {of_month}"),
            1 => format!("the day before the last {of_month}"),
            back => format!("the {} day before the last {of_month}", ordinal(back)),
        });
    }
    for day in bits(days.nearest_weekday.into()) {
        parts.push(format!("the weekday nearest the {} {of_month}", ordinal(day)));
    }
    if days.last_weekday {
        parts.push(format!("the last weekday {of_month}"));
    }
    if days.by_weekday.nth != 0 || days.by_weekday.last != 0 {
        parts.push(days_of_week(&days.by_weekday, of_month));
    }
    and(&parts)
}

fn days_of_week(days: &DaysOfWeek, of_month: &str) -> String {
    let mut parts = Vec::new();
    match days.weekdays {
        0 => {}
        0b011_1110 => parts.push("weekdays".to_owned()),
        0b100_0001 => parts.push("weekends".to_owned()),
        // From Monday on, as people count.
        weekdays => parts.extend(
            (1..=7)
                .map(|day| day % 7)
                .filter(|day| weekdays >> day & 1 == 1)
                .map(|day| format!("{}s", WEEKDAYS[day])),
        ),
    }
    for bit in bits(days.nth) {
        parts.push(format!("the {} {} {of_month}", NTH[(bit % 5) as usize], WEEKDAYS[(bit / 5) as usize]));
    }
    for weekday in bits(days.last.into()) {
        parts.push(format!("the last {} {of_month}", WEEKDAYS[weekday as usize]));
    }
    and(&parts)
}

/// The step of a set that goes from 0 through the whole range evenly.
fn period(set: u64, range: u32) -> Option<u32> {
    (1..range)
        .filter(|step| range.is_multiple_of(*step))
        .find(|step| set == (0..range).step_by(*step as usize).fold(0, |set, value| set | 1 << value))
}

fn one(set: u64) -> Option<u32> {
    set.is_power_of_two().then(|| set.trailing_zeros())
}

fn clock(hour: u32, minute: u32, second: u32, with_seconds: bool) -> String {
    if with_seconds { format!("{hour:02}:{minute:02}:{second:02}") } else { format!("{hour:02}:{minute:02}") }
}

/// `1, 3 to 5 and 9`.
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

/// `one`, `one and two`, `one, two and three`.
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

    #[test]
    fn it_says_what_a_person_would() {
        for (text, expected) in [
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
            ("0 0 1 * *", "at 00:00 on the 1st of the month"),
            ("0 0 1 1 *", "at 00:00 on the 1st of January"),
            ("0 0 29 2 *", "at 00:00 on the 29th of February"),
            ("0 12 13 * FRI", "at 12:00 on the 13th of the month or on Fridays"),
            ("0 12 13 * +FRI", "at 12:00 on the 13th of the month, but only on Fridays"),
            ("0 0 L * *", "at 00:00 on the last day of the month"),
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
                "at 1 to 5 minutes past the hour, in the hours 00, 02, 04, 06, 08, 10, 12, 14, 16, 18 and 20",
            ),
            ("hour=9 day='2nd tue'", "at 09:00 on the second Tuesday of the month"),
            ("week=1 day_of_week=mon hour=8", "at 08:00 on Mondays in ISO week 1"),
        ] {
            assert_eq!(super::expression(&CronExpression::parse(text).unwrap()), expected, "{text}");
        }
    }
}
