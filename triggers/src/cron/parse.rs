//! Reads an expression in one pass, without allocating unless it names years, and marks the place of what it refuses.

use std::error::Error;
use std::fmt;
use std::ops::Range;

use super::{CronExpression, DaysOfMonth, DaysOfWeek, YEARS, YearRange};

/// Why a text is no cron expression: shows the text, marks the place, and says what may stand there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CronError {
    text: String,
    place: Range<usize>,
    field: Option<&'static str>,
    message: String,
}

impl CronError {
    /// The bytes of the text that could not be read, from 0; empty where something is missing.
    pub fn place(&self) -> Range<usize> {
        self.place.clone()
    }

    /// The field that they are in, where they are in one.
    pub fn field(&self) -> Option<&'static str> {
        self.field
    }

    /// What is wrong, without the text and the mark.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for CronError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(field) = self.field {
            write!(f, "{field}: ")?;
        }
        writeln!(f, "{}", self.message)?;
        // Control characters are shown as spaces, so that the text stays on its line and the mark under its place.
        let shown: String = self.text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        writeln!(f, "    {shown}")?;
        let before = self.text[..self.place.start].chars().count();
        let marked = self.text[self.place.clone()].chars().count().max(1);
        write!(f, "    {:before$}{}", "", "^".repeat(marked))
    }
}

impl Error for CronError {}

/// A refused piece of the text, before it is made an error.
struct Fault<'a> {
    piece: &'a str,
    message: String,
}

fn fault<T>(piece: &str, message: impl Into<String>) -> Result<T, Fault<'_>> {
    Err(Fault { piece, message: message.into() })
}

/// What a field's numbers and names are.
struct Rules {
    name: &'static str,
    min: u32,
    max: u32,
    names: &'static [&'static str],
}

const SECOND: Rules = Rules { name: "second", min: 0, max: 59, names: &[] };
const MINUTE: Rules = Rules { name: "minute", min: 0, max: 59, names: &[] };
const HOUR: Rules = Rules { name: "hour", min: 0, max: 23, names: &[] };
const DAY: Rules = Rules { name: "day of month", min: 1, max: 31, names: &[] };
const MONTH: Rules = Rules { name: "month", min: 1, max: 12, names: &MONTHS };
const WEEKDAY: Rules = Rules { name: "day of week", min: 0, max: 7, names: &WEEKDAYS };
const YEAR: Rules = Rules { name: "year", min: *YEARS.start() as u32, max: *YEARS.end() as u32, names: &[] };

pub(super) const MONTHS: [&str; 12] =
    ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
pub(super) const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

const NICKNAMES: [(&str, &str); 7] = [
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
    ("@monthly", "0 0 1 * *"),
    ("@weekly", "0 0 * * 0"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
];

pub(super) fn expression(text: &str) -> Result<CronExpression, CronError> {
    let error = |piece: &str, field, message| {
        // Every piece is a part of the text, so that its address tells its place.
        let start = (piece.as_ptr() as usize).saturating_sub(text.as_ptr() as usize).min(text.len());
        let end = (start + piece.len()).min(text.len());
        CronError { text: text.to_owned(), place: start..end, field, message }
    };
    let trimmed = text.trim();
    if trimmed.starts_with('@') {
        let Some((_, meaning)) = NICKNAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(trimmed)) else {
            return Err(error(trimmed, None, unknown_nickname(trimmed)));
        };
        return expression(meaning);
    }

    let mut fields = [""; 7];
    let mut count = 0;
    for piece in trimmed.split_ascii_whitespace() {
        if count == fields.len() {
            return Err(error(piece, None, "an eighth field; an expression has five, six or seven".into()));
        }
        fields[count] = piece;
        count += 1;
    }
    let (first, has_years) = match count {
        5 => (0, false),
        6 => (1, false),
        7 => (1, true),
        _ => {
            let message = format!(
                "{count} field{} where five are needed (minute, hour, day of month, month, day of week), \
                 six with seconds first, or seven with years last",
                if count == 1 { "" } else { "s" }
            );
            return Err(error(&trimmed[trimmed.len()..], None, message));
        }
    };

    let mark = |rules: &Rules| {
        let name = rules.name;
        move |fault: Fault<'_>| error(fault.piece, Some(name), fault.message)
    };
    let seconds = if first == 0 { 1 } else { set(fields[0], &SECOND).map_err(mark(&SECOND))? };
    let minutes = set(fields[first], &MINUTE).map_err(mark(&MINUTE))?;
    let hours = set(fields[first + 1], &HOUR).map_err(mark(&HOUR))? as u32;
    let days = days_of_month(fields[first + 2]).map_err(mark(&DAY))?;
    let months = set(fields[first + 3], &MONTH).map_err(mark(&MONTH))? as u16;
    let weekdays = days_of_week(fields[first + 4]).map_err(mark(&WEEKDAY))?;
    let years = if has_years { years(fields[6]).map_err(mark(&YEAR))? } else { None };

    let expression = CronExpression {
        seconds,
        minutes,
        hours,
        months,
        days,
        weekdays,
        years,
        minute_star: fields[first].starts_with('*'),
        hour_star: fields[first + 1].starts_with('*'),
    };
    if !expression.is_possible() {
        let message = "no day of the calendar matches these days, months and years, so it would never fire";
        return Err(error(trimmed, None, message.into()));
    }
    Ok(expression)
}

fn unknown_nickname(found: &str) -> String {
    if found.eq_ignore_ascii_case("@reboot") {
        return "@reboot is no time; only a crontab file can have it".into();
    }
    let names: Vec<&str> = NICKNAMES.iter().map(|(name, _)| *name).collect();
    format!("there is no nickname {found:?}; there are {}", names.join(", "))
}

/// A field of plain items.
fn set<'a>(field: &'a str, rules: &Rules) -> Result<u64, Fault<'a>> {
    let mut set = 0;
    for item in field.split(',') {
        set |= span(item, rules)?.bits();
    }
    Ok(set)
}

fn days_of_month(field: &str) -> Result<DaysOfMonth, Fault<'_>> {
    let mut days = DaysOfMonth { star: begins_with_star(field), ..DaysOfMonth::default() };
    for item in field.split(',') {
        let bytes = item.as_bytes();
        match bytes {
            b"?" => days.days |= 0xffff_fffe,
            [b'L' | b'l'] => days.from_last |= 1,
            [b'L' | b'l', b'W' | b'w'] | [b'W' | b'w', b'L' | b'l'] => days.last_weekday = true,
            [b'L' | b'l', b'-', ..] => {
                let back = number(&item[2..], "a number of days before the last, 0 to 30")?;
                if back > 30 {
                    return fault(
                        &item[2..],
                        "no month has so many days before its last; 0 to 30 may stand here",
                    );
                }
                days.from_last |= 1 << back;
            }
            [.., b'W' | b'w'] => {
                let day = value(&item[..item.len() - 1], &DAY)?;
                days.nearest_weekday |= 1 << day;
            }
            _ => days.days |= span(item, &DAY)?.bits() as u32,
        }
    }
    Ok(days)
}

fn days_of_week(field: &str) -> Result<DaysOfWeek, Fault<'_>> {
    let mut days = DaysOfWeek { star: begins_with_star(field), ..DaysOfWeek::default() };
    for item in field.split(',') {
        if item == "?" {
            days.weekdays = 0x7f;
        } else if let Some((weekday, nth)) = item.split_once('#') {
            let weekday = value(weekday, &WEEKDAY)? % 7;
            if nth.eq_ignore_ascii_case("L") {
                days.last |= 1 << weekday;
                continue;
            }
            let which = number(nth, "1 to 5, for the first to the fifth in the month")?;
            if !(1..=5).contains(&which) {
                return fault(nth, "a month has no such week; 1 to 5 may stand here");
            }
            days.nth |= 1 << (weekday * 5 + which - 1);
        } else if let Some(weekday) = item.strip_suffix(['L', 'l']).filter(|weekday| !weekday.is_empty()) {
            days.last |= 1 << (value(weekday, &WEEKDAY)? % 7);
        } else {
            let span = span(item, &WEEKDAY)?.bits();
            days.weekdays |= (span & 0x7f | span >> 7) as u8 & 0x7f;
        }
    }
    Ok(days)
}

fn years(field: &str) -> Result<Option<Box<[YearRange]>>, Fault<'_>> {
    if matches!(field, "*" | "?") {
        return Ok(None);
    }
    let mut ranges = Vec::new();
    for item in field.split(',') {
        let Span { first, last, step } = span(item, &YEAR)?;
        let last = last - (last - first) % step;
        ranges.push(YearRange { first: first as u16, last: last as u16, step: step.min(10_000) as u16 });
    }
    ranges.sort_unstable();
    ranges.dedup();
    Ok(Some(ranges.into()))
}

fn begins_with_star(field: &str) -> bool {
    field.starts_with(['*', '?'])
}

/// The values `first`, `first + step`, ... up to `last`; weekdays may go past 7.
struct Span {
    first: u32,
    last: u32,
    step: u32,
}

impl Span {
    fn bits(&self) -> u64 {
        let mut bits = 0;
        let mut value = self.first;
        while value <= self.last {
            bits |= 1 << value;
            value += self.step;
        }
        bits
    }
}

/// `*`, `a`, `a-b`, each also with `/step`.
fn span<'a>(item: &'a str, rules: &Rules) -> Result<Span, Fault<'a>> {
    let (range, step) = match item.split_once('/') {
        Some((range, step)) => (range, Some(step)),
        None => (item, None),
    };
    let (first, last) = if range == "*" {
        // 7 is Sunday a second time.
        (rules.min, if rules.max == 7 { 6 } else { rules.max })
    } else if let Some((first, last)) = range.split_once('-') {
        let (first_value, mut last_value) = (value(first, rules)?, value(last, rules)?);
        if rules.max == 7 && last_value < first_value {
            // Over the end of the week: FRI-MON is 5 to 8, where 8 is Monday.
            last_value += 7;
        }
        if last_value < first_value {
            return fault(
                range,
                format!("{first} comes after {last}; a range goes from the earlier to the later"),
            );
        }
        (first_value, last_value)
    } else {
        let first = value(range, rules)?;
        (first, if step.is_some() { if rules.max == 7 { 6.max(first) } else { rules.max } } else { first })
    };
    let step = match step {
        Some(text) => match number(text, "a step, 1 or more")? {
            0 => return fault(text, "a step of 0 would never get on; 1 or more may stand here"),
            step => step,
        },
        None => 1,
    };
    Ok(Span { first, last, step })
}

/// A number or name of the field, in its range.
fn value<'a>(text: &'a str, rules: &Rules) -> Result<u32, Fault<'a>> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return match text.parse::<u32>() {
            Ok(value) if (rules.min..=rules.max).contains(&value) => Ok(value),
            _ => fault(text, format!("{text} is out of range; {} may stand here", allowed(rules))),
        };
    }
    if let Some(position) = rules.names.iter().position(|name| name.eq_ignore_ascii_case(text)) {
        return Ok(position as u32 + u32::from(rules.max == 12));
    }
    if text.is_empty() {
        return fault(text, format!("something is missing here; {} may stand here", allowed(rules)));
    }
    let upper = text.to_uppercase();
    let nearest = rules
        .names
        .iter()
        .map(|name| {
            let distance = strsim::damerau_levenshtein(name, &upper);
            (if upper.starts_with(name) { 0 } else { distance }, *name)
        })
        .min()
        .filter(|(distance, _)| *distance <= 1);
    let suggestion = nearest.map(|(_, name)| format!(" (did you mean {name}?)")).unwrap_or_default();
    fault(text, format!("{text:?} cannot be read{suggestion}; {} may stand here", allowed(rules)))
}

fn allowed(rules: &Rules) -> String {
    let Rules { min, max, names, .. } = rules;
    let names = match names {
        [first, .., last] => format!(" or {first} to {last}"),
        _ => String::new(),
    };
    format!("{min} to {max}{names}, *, ranges (a-b), steps (/n) and lists (a,b)")
}

fn number<'a>(text: &'a str, allowed: &str) -> Result<u32, Fault<'a>> {
    if text.is_empty() || text.len() > 5 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return fault(text, format!("{text:?} cannot be read; {allowed} may stand here"));
    }
    text.parse().or_else(|_| fault(text, format!("{text:?} is too large")))
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
            "day of week: \"MOM\" cannot be read (did you mean MON?); 0 to 7 or SUN to SAT, *, ranges (a-b), \
             steps (/n) and lists (a,b) may stand here\n    \
             */5 * * * MOM\n              ^^^"
        );
        assert_eq!(error.place(), 10..13);
        assert!(refused("0 0 * * monday").message().contains("did you mean MON?"));
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
            ("- * * * *", 0..0),
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
        ] {
            assert_eq!(expression(one).unwrap(), expression(two).unwrap(), "{one} and {two}");
        }
    }
}
