//! The items that fields are lists of: values, names, ranges and steps.

use super::error::{Fault, fault};
use super::hints;
use super::rules::{Form, Rules};

/// The values `first`, `first + step`, ... up to `last`. Those greater than `max` are `period` less: a range may go over the
/// end of its field.
pub(super) struct Span {
    pub(super) first: u32,
    pub(super) last: u32,
    pub(super) step: u32,
    max: u32,
    period: u32,
}

/// Larger than the range of every field, so that it leaves only the first value, as larger steps do.
const LARGEST_STEP: u32 = 10_000;

impl Span {
    pub(super) fn bits(&self) -> u64 {
        if self.step == 1 && self.last <= self.max {
            return u64::MAX >> (63 - self.last) & u64::MAX << self.first;
        }
        let mut bits = 0;
        let mut value = self.first;
        while value <= self.last {
            bits |= 1 << if value > self.max { value - self.period } else { value };
            value += self.step;
        }
        bits
    }
}

/// Reads `*`, `a` or `a-b`, each also with `/step`.
pub(super) fn span<'a>(item: &'a str, rules: &Rules) -> Result<Span, Fault<'a>> {
    let (range, step) = match item.split_once('/') {
        Some((range, step)) => (range, Some(step)),
        None => (item, None),
    };
    let (first, last) = if range == "*" {
        (rules.min, rules.star_max)
    } else if let Some((first, last)) = range.split_once('-') {
        if first.is_empty() || last.is_empty() || last.eq_ignore_ascii_case("L") {
            return Err(hints::half_a_range(range, first, last, rules));
        }
        let (first_value, last_value) = (value(first, rules)?, value(last, rules)?);
        if first_value <= last_value {
            (first_value, last_value)
        } else if rules.wraps {
            // FRI-MON is 5 to 8, where 8 is Monday.
            (first_value, last_value + rules.period())
        } else {
            return Err(hints::range_over_the_end(item, range, (first_value, last_value), rules));
        }
    } else if range.is_empty() && step.is_some() {
        // Quartz reads `/15` as `*/15`.
        if rules.form != Form::Quartz {
            return Err(hints::step_without_a_range(item));
        }
        (rules.min, rules.star_max)
    } else {
        let first = value(range, rules)?;
        (first, if step.is_some() { rules.star_max.max(first) } else { first })
    };
    let step = match step {
        Some(text) => step_of(text, last - first, rules)?,
        None => 1,
    };
    Ok(Span { first, last, step, max: rules.max, period: rules.period() })
}

/// Reads a step through a range of this width.
///
/// One that is larger than the range leaves only the first value. Debian's cron takes it, so a crontab may have it;
/// `APScheduler` refuses it, and Quartz where it is larger than the field.
fn step_of<'a>(text: &'a str, width: u32, rules: &Rules) -> Result<u32, Fault<'a>> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return fault(text, format!("{text:?} is not a step; expected a number from 1, as in */5"));
    }
    let step = text.parse().unwrap_or(LARGEST_STEP).min(LARGEST_STEP);
    let largest = match rules.form {
        Form::Crontab => LARGEST_STEP,
        Form::Quartz => rules.max,
        Form::Named => width,
    };
    if step == 0 {
        return fault(text, "a step of 0 has no meaning; expected a number from 1, as in */5");
    }
    if step > largest {
        return Err(hints::large_step(text, width, rules));
    }
    Ok(step)
}

/// Reads a number or name of the field, in its range.
pub(super) fn value<'a>(text: &'a str, rules: &Rules) -> Result<u32, Fault<'a>> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return match text.parse::<u32>() {
            Ok(value) if (rules.min..=rules.max).contains(&value) => Ok(value),
            _ => Err(hints::out_of_range(text, rules)),
        };
    }
    rules.named_value(text).ok_or_else(|| hints::unreadable(text, rules))
}

/// Reads a list of plain items, as bits.
pub(super) fn set<'a>(field: &'a str, rules: &Rules) -> Result<u64, Fault<'a>> {
    let mut set = 0;
    for item in field.split(',') {
        set |= span(item, rules)?.bits();
    }
    Ok(set)
}

/// Reads a number of at most two digits.
pub(super) fn number<'a>(text: &'a str, expected: &str) -> Result<u32, Fault<'a>> {
    match text.parse() {
        Ok(number) if text.len() <= 2 && !text.starts_with('+') => Ok(number),
        _ => fault(text, format!("{text:?} cannot be read; expected {expected}")),
    }
}
