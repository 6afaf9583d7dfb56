//! The text form of an expression: five to seven fields, or a nickname. Read in one pass, without allocating unless it
//! names years.

use super::error::{CronError, Fault, fault};
use super::items::{Span, number, set, span, value};
use super::rules::{CRONTAB, Fields, Form, QUARTZ, Rules};
use super::{CronExpression, DayRule, DaysOfMonth, DaysOfWeek, YearRange};

const NICKNAMES: [(&str, &str); 7] = [
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
    ("@monthly", "0 0 1 * *"),
    ("@weekly", "0 0 * * 0"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
];

/// Crontab's grammar.
pub(super) fn expression(text: &str) -> Result<CronExpression, CronError> {
    let trimmed = text.trim();
    if trimmed.starts_with('@') {
        let Some((_, meaning)) = NICKNAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(trimmed)) else {
            return Err(CronError::new(text, trimmed, None, unknown_nickname(trimmed)));
        };
        return expression(meaning);
    }
    let (fields, count) = split(text)?;
    match count {
        5 => compile(text, "0", &fields[..5], None, &CRONTAB),
        6 => compile(text, fields[0], &fields[1..6], None, &CRONTAB)
            .map_err(|error| hint_at_seconds(error, text, &fields)),
        7 => compile(text, fields[0], &fields[1..6], Some(fields[6]), &CRONTAB)
            .map_err(|error| hint_at_seconds(error, text, &fields)),
        _ => {
            let message = format!(
                "{count} field{} where five are needed (minute, hour, day of month, month, day of week), \
                 six with seconds first, or seven with years last",
                if count == 1 { "" } else { "s" }
            );
            Err(CronError::new(text, &trimmed[trimmed.len()..], None, message))
        }
    }
}

/// Adds to the error of six or seven fields what they begin with: the text may be one of five fields, and something else.
#[cold]
fn hint_at_seconds(error: CronError, text: &str, fields: &[&str; 7]) -> CronError {
    const SIX: &str = "six fields begin with seconds: second, minute, hour, day of month, month, day of week";
    if error.never_fires() {
        return error;
    }
    if !fields[6].is_empty() {
        return error.with_hint("seven fields begin with seconds, and end with years");
    }
    let (five, sixth) = (&fields[..5], fields[5]);
    let can_be_read = |year| match compile(text, "0", five, year, &CRONTAB) {
        Ok(_) => true,
        Err(error) => error.never_fires(),
    };
    if sixth.len() > 3 && sixth.starts_with(|first: char| first.is_ascii_digit()) && can_be_read(Some(sixth))
    {
        let message = format!(
            "years are the seventh field, and six fields begin with seconds; write 0 {}",
            fields[..6].join(" ")
        );
        return CronError::new(text, sixth, Some(CRONTAB.year.name), message);
    }
    let at_sixth =
        CronError::new(text, sixth, None, format!("{sixth:?} follows five fields that can be read; {SIX}"));
    if error.place().start < at_sixth.place().start && can_be_read(None) {
        at_sixth
    } else {
        error.with_hint(SIX)
    }
}

/// Quartz's grammar: seconds first, years perhaps last, weekdays from 1 for Sunday, one of the day fields `?`.
pub(super) fn quartz(text: &str) -> Result<CronExpression, CronError> {
    let (fields, count) = split(text)?;
    if !matches!(count, 6 | 7) {
        let message = format!(
            "{count} field{} where Quartz needs six (second, minute, hour, day of month, month, day of week), \
             or seven with years last",
            if count == 1 { "" } else { "s" }
        );
        let end = text.trim_end().len();
        return Err(CronError::new(text, &text[end..end], None, message));
    }
    if (fields[3] == "?") == (fields[5] == "?") {
        let message = "Quartz needs ? in one of day of month and day of week, and only in one".to_owned();
        return Err(CronError::new(text, fields[5], Some(QUARTZ.weekday.name), message));
    }
    compile(text, fields[0], &fields[1..6], (count == 7).then_some(fields[6]), &QUARTZ)
}

fn split(text: &str) -> Result<([&str; 7], usize), CronError> {
    let mut fields = [""; 7];
    let mut count = 0;
    for piece in text.split_ascii_whitespace() {
        if count == fields.len() {
            let message = "an eighth field; an expression has five, six or seven".to_owned();
            return Err(CronError::new(text, piece, None, message));
        }
        fields[count] = piece;
        count += 1;
    }
    Ok((fields, count))
}

/// `five`: minute, hour, day of month, month, day of week.
fn compile(
    text: &str,
    second: &str,
    five: &[&str],
    year: Option<&str>,
    rules: &Fields,
) -> Result<CronExpression, CronError> {
    let mark = |rules: &Rules| {
        let name = rules.name;
        move |fault: Fault<'_>| CronError::new(text, fault.piece, Some(name), fault.message)
    };
    let seconds = if second == "0" { 1 } else { set(second, &rules.second).map_err(mark(&rules.second))? };
    let minutes = set(five[0], &rules.minute).map_err(mark(&rules.minute))?;
    let hours = set(five[1], &rules.hour).map_err(mark(&rules.hour))? as u32;
    let days = days_of_month(five[2], &rules.day).map_err(mark(&rules.day))?;
    let months = set(five[3], &rules.month).map_err(mark(&rules.month))? as u16;
    let plus = if rules.weekday.form == Form::Crontab { five[4].strip_prefix('+') } else { None };
    let weekdays = days_of_week(plus.unwrap_or(five[4]), &rules.weekday).map_err(mark(&rules.weekday))?;
    let years = match year {
        Some(year) => years(year, &rules.year).map_err(mark(&rules.year))?,
        None => None,
    };
    let expression = CronExpression {
        seconds,
        minutes,
        hours,
        months,
        weeks: 0,
        both_days: plus.is_some() || days.star || weekdays.star,
        days,
        weekdays,
        years,
        // Quartz's `/5` is `*/5`.
        minute_star: five[0].starts_with(['*', '/']),
        hour_star: five[1].starts_with(['*', '/']),
        day_rule: DayRule::default(),
        year_kinds: 0,
        yearly: None,
        named: None,
    };
    expression.completed().ok_or_else(|| CronError::never(text))
}

fn unknown_nickname(found: &str) -> String {
    let (name, rest) = found.split_once(char::is_whitespace).unwrap_or((found, ""));
    if name.eq_ignore_ascii_case("@reboot") {
        return "@reboot is an event, and not a time; only a crontab file can have it".into();
    }
    if name.eq_ignore_ascii_case("@every") {
        let period = if rest.is_empty() { "5m" } else { rest.trim_start() };
        return format!(
            "@every is an interval, and not a cron expression; write every = \"{period}\" in a configuration, or \
             every(5.minutes()) in Rust"
        );
    }
    let names: Vec<&str> = NICKNAMES.iter().map(|(name, _)| *name).collect();
    format!("there is no nickname {found:?}; there are {}", names.join(", "))
}

fn days_of_month<'a>(field: &'a str, rules: &Rules) -> Result<DaysOfMonth, Fault<'a>> {
    let mut days = DaysOfMonth { star: begins_with_star(field), ..DaysOfMonth::default() };
    for item in field.split(',') {
        match item.as_bytes() {
            b"?" => days.days |= 0xffff_fffe,
            [b'L' | b'l'] => days.from_last |= 1,
            [b'L' | b'l', b'W' | b'w'] | [b'W' | b'w', b'L' | b'l'] => days.nearest_from_last |= 1,
            [b'L' | b'l', b'-', .., b'W' | b'w'] => {
                days.nearest_from_last |= 1 << days_before_last(&item[2..item.len() - 1])?;
            }
            [b'L' | b'l', b'-', ..] => days.from_last |= 1 << days_before_last(&item[2..])?,
            [.., b'W' | b'w'] => days.nearest_weekday |= 1 << single_day(item, rules)?,
            _ => days.days |= span(item, rules)?.bits() as u32,
        }
    }
    Ok(days)
}

fn days_before_last(text: &str) -> Result<u32, Fault<'_>> {
    match number(text, "a number of days before the last, 0 to 30")? {
        back @ 0..=30 => Ok(back),
        _ => fault(text, "no month has so many days before its last; expected 0 to 30"),
    }
}

/// The day of `15W`.
fn single_day<'a>(item: &'a str, rules: &Rules) -> Result<u32, Fault<'a>> {
    let day = &item[..item.len() - 1];
    if day.is_empty() || day.contains(['-', '/', '*']) {
        return fault(
            item,
            "W follows a single day, such as 15W; for the last weekday of the month write LW",
        );
    }
    value(day, rules)
}

fn days_of_week<'a>(field: &'a str, rules: &Rules) -> Result<DaysOfWeek, Fault<'a>> {
    let mut days = DaysOfWeek { star: begins_with_star(field), ..DaysOfWeek::default() };
    for item in field.split(',') {
        if item == "?" {
            days.weekdays = 0x7f;
        } else if let Some((weekday, nth)) = item.split_once('#') {
            let weekday = rules.weekday(value(weekday, rules)?);
            if nth.eq_ignore_ascii_case("L") {
                days.last |= 1 << weekday;
                continue;
            }
            let which = number(nth, "1 to 5, for the first to the fifth in the month")?;
            if !(1..=5).contains(&which) {
                return fault(nth, "a month has no such week; expected 1 to 5");
            }
            days.nth |= 1 << (weekday * 5 + which - 1);
        } else if let Some(weekday) = item.strip_suffix(['L', 'l']).filter(|weekday| !weekday.is_empty()) {
            days.last |= 1 << (rules.weekday(value(weekday, rules)?));
        } else if rules.form == Form::Quartz && item.eq_ignore_ascii_case("L") {
            // Quartz's last day of the week is Saturday.
            days.weekdays |= 1 << 6;
        } else {
            days.weekdays |= rules.weekdays(span(item, rules)?.bits());
        }
    }
    Ok(days)
}

pub(super) fn years<'a>(field: &'a str, rules: &Rules) -> Result<Option<Box<[YearRange]>>, Fault<'a>> {
    if field == "*" {
        return Ok(None);
    }
    let mut ranges = Vec::new();
    for item in field.split(',') {
        let Span { first, last, step, .. } = span(item, rules)?;
        let last = last - (last - first) % step;
        // A step to nowhere is none.
        let step = if first == last { 1 } else { step };
        ranges.push(YearRange { first: first as u16, last: last as u16, step: step as u16 });
    }
    ranges.sort_unstable();
    ranges.dedup();
    Ok(Some(ranges.into()))
}

fn begins_with_star(field: &str) -> bool {
    field.starts_with(['*', '?'])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> CronError {
        expression(text).expect_err(text)
    }

    #[test]
    fn an_error_marks_the_place_and_suggests() {
        let error = refused("*/5 * * * MOM");
        assert_eq!(
            error.to_string(),
            "day of week: \"MOM\" cannot be read (did you mean MON?); expected 0 to 7, SUN to SAT, FRI#2, \
             FRIL, +FRI, ?, *, a range (a-b), a step (/n) or a list (a,b)\n    \
             */5 * * * MOM\n              ^^^"
        );
        assert_eq!(error.place(), 10..13);
        assert!(refused("0 0 * * mondax").message().contains("did you mean MONDAY?"));
    }

    #[test]
    fn what_is_out_of_range_is_refused() {
        for (text, place) in [
            ("60 * * * *", 0..2),
            ("* 24 * * *", 2..4),
            ("* * 0 * *", 4..5),
            ("* * 32 * *", 4..6),
            ("* * * 13 *", 6..8),
            ("* * * * 8", 8..9),
            ("30-10 * * * *", 0..5),
            ("*/0 * * * *", 2..3),
            ("1,,2 * * * *", 2..2),
            ("* * * * FRI#6", 12..13),
            ("* * L-31 * *", 6..8),
            ("99999999999 * * * *", 0..11),
            ("- * * * *", 0..1),
            ("1-2-3 * * * *", 2..5),
            ("0 0 0 1 1 * 1969", 12..16),
        ] {
            assert_eq!(refused(text).place(), place, "{text}");
        }
    }

    #[test]
    fn the_number_of_fields_is_checked() {
        assert!(refused("").message().starts_with("0 fields"));
        assert!(refused("* * * *").message().starts_with("4 fields"));
        assert!(refused("* * * * * * * *").message().starts_with("an eighth field"));
        assert!(refused("@fortnightly").message().contains("@weekly"));
        assert!(refused("@reboot").message().contains("crontab file"));
    }

    #[test]
    fn a_day_that_never_comes_is_refused() {
        for never in ["0 0 30 2 *", "0 0 31 4,6,9,11 *", "0 0 0 29 2 * 2025-2027", "0 0 * 2 MON#5,TUE#5 2025"]
        {
            assert!(expression(never).is_err(), "{never}");
        }
        assert!(expression("0 0 29 2 *").is_ok());
        assert!(expression("0 0 30 2 1").is_ok(), "the weekday matches without the day");
    }

    #[test]
    fn two_ways_to_write_the_same_are_equal() {
        for (one, two) in [
            ("@daily", "0 0 * * *"),
            ("0 0 * * 7", "0 0 * * SUN"),
            ("0 0 * * 5-7", "0 0 * * fri,sat,sun"),
            ("0 0 * * FRI-MON", "0 0 * * 0,1,5,6"),
            ("0 0 * JAN,mar *", "0 0 * 1-3/2 *"),
            ("10/20 0 * * *", "10,30,50 0 * * *"),
            ("0 0 * * 5L", "0 0 * * FRIL"),
            ("0 0 0 * * * *", "0 0 * * *"),
            ("0 0 0 1 1 * 2026-2030/6", "0 0 0 1 1 * 2026"),
        ] {
            assert_eq!(expression(one).unwrap(), expression(two).unwrap(), "{one} and {two}");
        }
    }
}
