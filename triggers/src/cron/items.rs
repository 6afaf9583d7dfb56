//! The items that fields are lists of: values, names, ranges and steps.

use super::YEARS;
use super::error::{Fault, fault};
use super::search::bits;

/// What a field's numbers and names are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    pub(super) name: &'static str,
    pub(super) min: u32,
    pub(super) max: u32,
    /// The last value of `*`: Sunday is not counted twice where it has two numbers.
    star_max: u32,
    names: &'static [&'static str],
    /// The value of the first name.
    first_name: u32,
    /// Weekdays: a range may go over the end of the week, and the values are counted from here to Sunday.
    sunday: Option<u32>,
}

const fn plain(name: &'static str, min: u32, max: u32) -> Rules {
    Rules { name, min, max, star_max: max, names: &[], first_name: 0, sunday: None }
}

pub(super) const SECOND: Rules = plain("second", 0, 59);
pub(super) const MINUTE: Rules = plain("minute", 0, 59);
pub(super) const HOUR: Rules = plain("hour", 0, 23);
pub(super) const DAY: Rules = plain("day of month", 1, 31);
pub(super) const WEEK: Rules = plain("week", 1, 53);
pub(super) const YEAR: Rules = plain("year", *YEARS.start() as u32, *YEARS.end() as u32);
pub(super) const MONTH: Rules = Rules { names: &MONTHS, first_name: 1, ..plain("month", 1, 12) };
/// Crontab's weekdays: 0 and 7 are Sunday.
pub(super) const WEEKDAY: Rules =
    Rules { star_max: 6, names: &WEEKDAYS, sunday: Some(0), ..plain("day of week", 0, 7) };
/// Quartz's: 1 is Sunday.
pub(super) const QUARTZ_WEEKDAY: Rules =
    Rules { names: &WEEKDAYS, first_name: 1, sunday: Some(1), ..plain("day of week", 1, 7) };
/// APScheduler's: 0 is Monday.
pub(super) const ISO_WEEKDAY: Rules =
    Rules { names: &ISO_WEEKDAYS, sunday: Some(6), ..plain("day of week", 0, 6) };

pub(super) const MONTHS: [&str; 12] =
    ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
pub(super) const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];
const ISO_WEEKDAYS: [&str; 7] = ["MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN"];

/// The values `first`, `first + step`, ... up to `last`; weekdays may go past the end of the week.
pub(super) struct Span {
    pub(super) first: u32,
    pub(super) last: u32,
    pub(super) step: u32,
}

impl Span {
    pub(super) fn bits(&self) -> u64 {
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
pub(super) fn span<'a>(item: &'a str, rules: &Rules) -> Result<Span, Fault<'a>> {
    let (range, step) = match item.split_once('/') {
        Some((range, step)) => (range, Some(step)),
        None => (item, None),
    };
    let (first, last) = if range == "*" {
        (rules.min, rules.star_max)
    } else if let Some((first, last)) = range.split_once('-') {
        let (first_value, mut last_value) = (value(first, rules)?, value(last, rules)?);
        if rules.sunday.is_some() && last_value < first_value {
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
        (first, if step.is_some() { rules.star_max.max(first) } else { first })
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
pub(super) fn value<'a>(text: &'a str, rules: &Rules) -> Result<u32, Fault<'a>> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return match text.parse::<u32>() {
            Ok(value) if (rules.min..=rules.max).contains(&value) => Ok(value),
            _ => fault(text, format!("{text} is out of range; {} may stand here", allowed(rules))),
        };
    }
    if let Some(position) = rules.names.iter().position(|name| name.eq_ignore_ascii_case(text)) {
        return Ok(position as u32 + rules.first_name);
    }
    if text.is_empty() {
        return fault(text, format!("something is missing here; {} may stand here", allowed(rules)));
    }
    // A longer text is near to no name.
    let upper = text.chars().take(12).collect::<String>().to_uppercase();
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

/// A list of plain items, as bits.
pub(super) fn set<'a>(field: &'a str, rules: &Rules) -> Result<u64, Fault<'a>> {
    let mut set = 0;
    for item in field.split(',') {
        set |= span(item, rules)?.bits();
    }
    Ok(set)
}

impl Rules {
    /// A value of these rules as a weekday, 0 to 6 from Sunday.
    pub(super) fn weekday(&self, value: u32) -> u32 {
        (value + 14 - self.sunday.unwrap_or(0)) % 7
    }

    /// Values of these rules as bits 0 to 6 from Sunday.
    pub(super) fn weekdays(&self, values: u64) -> u8 {
        bits(values).fold(0, |set, value| set | 1 << self.weekday(value))
    }
}

fn allowed(rules: &Rules) -> String {
    let Rules { min, max, names, .. } = rules;
    let names = match names {
        [first, .., last] => format!(" or {first} to {last}"),
        _ => String::new(),
    };
    format!("{min} to {max}{names}, *, ranges (a-b), steps (/n) and lists (a,b)")
}

pub(super) fn number<'a>(text: &'a str, allowed: &str) -> Result<u32, Fault<'a>> {
    if text.is_empty() || text.len() > 5 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return fault(text, format!("{text:?} cannot be read; {allowed} may stand here"));
    }
    text.parse().or_else(|_| fault(text, format!("{text:?} is too large")))
}
