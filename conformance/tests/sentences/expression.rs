//! Reads an expression's text.

use std::collections::BTreeSet;

use super::{Day, Days, SHORT_WEEKDAYS, Set, Sets, all, every_week, every_year, times};

fn number(text: &str) -> u32 {
    let named = SHORT_WEEKDAYS.iter().position(|name| text.to_uppercase().starts_with(name));
    named.map_or_else(|| text.parse().expect("a number"), |position| position as u32)
}

/// Weekdays may be greater than 7, where a range goes over the end of the week.
fn item(item: &str, min: u32, max: u32) -> Vec<u32> {
    let (range, step) = item.split_once('/').unwrap_or((item, "1"));
    let (first, last) = match range.split_once('-') {
        Some((first, last)) => (number(first), number(last)),
        None if range == "*" => (min, max),
        None if item.contains('/') => (number(range), max),
        None => (number(range), number(range)),
    };
    let last = if last < first { last + 7 } else { last };
    (first..=last).step_by(step.parse().expect("a step")).collect()
}

pub(super) fn set(field: &str, min: u32, max: u32) -> Set {
    field.split(',').flat_map(|text| item(text, min, max)).collect()
}

fn days_of_month(field: &str) -> BTreeSet<Day> {
    let day = |text: &str| match (text, text.strip_prefix("L-"), text.strip_suffix('W')) {
        ("?", ..) => all(1..=31).into_iter().map(Day::Date).collect(),
        ("L", ..) => vec![Day::BeforeLast(0)],
        ("LW", ..) => vec![Day::NearestWeekdayBeforeLast(0)],
        (_, Some(back), Some(_)) => vec![Day::NearestWeekdayBeforeLast(number(back.trim_end_matches('W')))],
        (_, Some(back), None) => vec![Day::BeforeLast(number(back))],
        (_, None, Some(day)) => vec![Day::NearestWeekday(number(day))],
        _ => item(text, 1, 31).into_iter().map(Day::Date).collect(),
    };
    field.split(',').flat_map(day).collect()
}

fn days_of_week(field: &str) -> BTreeSet<Day> {
    let day = |text: &str| match (text, text.split_once('#'), text.strip_suffix('L')) {
        ("?", ..) => all(0..=6).into_iter().map(Day::Weekday).collect(),
        (_, Some((weekday, "L")), _) | (_, None, Some(weekday)) => vec![Day::Last(number(weekday) % 7)],
        (_, Some((weekday, nth)), _) => vec![Day::Nth(number(weekday) % 7, number(nth))],
        _ => item(text, 0, 6).into_iter().map(|day| Day::Weekday(day % 7)).collect(),
    };
    field.split(',').flat_map(day).collect()
}

fn days(dates: BTreeSet<Day>, weekdays: BTreeSet<Day>, both: bool) -> Days {
    let every_date = (1..=31).all(|day| dates.contains(&Day::Date(day)));
    let every_weekday = (0..=6).all(|day| weekdays.contains(&Day::Weekday(day)));
    match (both, every_date, every_weekday) {
        (true, true, true) | (false, true, _) | (false, _, true) => Days::Every,
        (true, true, false) => Days::Of(weekdays),
        (true, false, true) => Days::Of(dates),
        (true, false, false) => Days::Both(dates, weekdays),
        (false, false, false) => Days::Either(dates, weekdays),
    }
}

/// Five to seven fields of `strategies::expression`.
pub(super) fn crontab(text: &str) -> Sets {
    let mut fields: Vec<&str> = text.split(' ').collect();
    if fields.len() == 5 {
        fields.insert(0, "0");
    }
    let [second, minute, hour, day, month, weekday] = fields[..6] else { panic!("six fields: {text}") };
    let begins_with_star = |field: &str| field.starts_with(['*', '?']);
    Sets {
        times: times(&set(hour, 0, 23), &set(minute, 0, 59), &set(second, 0, 59)),
        days: days(
            days_of_month(day),
            days_of_week(weekday.trim_start_matches('+')),
            begins_with_star(day) || begins_with_star(weekday) || weekday.starts_with('+'),
        ),
        weeks: every_week(),
        months: set(month, 1, 12),
        years: fields.get(6).map_or_else(every_year, |year| set(year, 1970, 9999)),
    }
}

/// The fields of `strategies::fields`.
pub(super) fn named(fields: &[String; 7]) -> Sets {
    let [year, month, day, week, weekday, hour, minute] = fields.each_ref().map(String::as_str);
    let weekdays = match weekday {
        "mon-fri" => all(1..=5),
        // From Monday to from Sunday.
        numbers => set(numbers, 0, 6).into_iter().map(|day| (day + 1) % 7).collect(),
    };
    Sets {
        times: times(&set(hour, 0, 23), &set(minute, 0, 59), &all(0..=0)),
        days: days(days_of_month(day), weekdays.into_iter().map(Day::Weekday).collect(), true),
        weeks: set(week, 1, 53),
        months: set(month, 1, 12),
        years: set(year, 1970, 9999),
    }
}
