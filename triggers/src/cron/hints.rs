//! What to write instead of what a field cannot be.

use super::error::Fault;
use super::rules::{Form, Rules, field_of_name};

fn refuse(piece: &str, message: String) -> Fault<'_> {
    Fault { piece, message }
}

/// Says what a field takes: `expected 0 to 59, *, a range (a-b), a step (/n) or a list (a,b)`.
fn expected(rules: &Rules) -> String {
    let Rules { min, max, names, more, .. } = rules;
    let names = names.map(|names| format!("{}, ", names.range)).unwrap_or_default();
    format!("expected {min} to {max}, {names}{more}*, a range (a-b), a step (/n) or a list (a,b)")
}

#[cold]
pub(super) fn out_of_range<'a>(text: &'a str, rules: &Rules) -> Fault<'a> {
    let hint = match (rules.form, rules.name, text) {
        (_, "hour", "24") => "midnight is hour 0; ",
        (Form::Quartz, "day of week", "0") => "Quartz counts weekdays from 1 for Sunday; ",
        (Form::Named, "day of week", "7") => "in fields by name, 0 is Monday and 6 is Sunday; ",
        _ => "",
    };
    refuse(text, format!("{text} is out of range; {hint}{}", expected(rules)))
}

#[cold]
pub(super) fn unreadable<'a>(text: &'a str, rules: &Rules) -> Fault<'a> {
    let expected = expected(rules);
    if text.is_empty() {
        return refuse(text, format!("something is missing here; {expected}"));
    }
    if let Some(hint) = hint(text, rules) {
        return refuse(text, format!("{text:?} cannot be read: {hint}"));
    }
    let suggestion = nearest(text, rules).map(|name| format!(" (did you mean {name}?)")).unwrap_or_default();
    refuse(text, format!("{text:?} cannot be read{suggestion}; {expected}"))
}

/// What to write instead of what other programs have, or another field.
fn hint(text: &str, rules: &Rules) -> Option<String> {
    let Rules { form, min, .. } = *rules;
    let is = |name: &str| rules.name == name;
    let other_fields = matches!(form, Form::Crontab | Form::Quartz);
    if text.contains('~') {
        return Some(format!(
            "~ is a random value, which only crontab files have; write a value, such as {min}, and spread jobs with a jitter"
        ));
    }
    if text.eq_ignore_ascii_case("H") || text.starts_with("H(") {
        return Some(format!(
            "H is the hash of Jenkins; write a value, such as {min}, and spread jobs with a jitter"
        ));
    }
    if let Some(field) = field_of_name(text) {
        return Some(format!("it is a {field}"));
    }
    if text.contains('?') {
        return Some(match form {
            Form::Named => "write *, which matches every value".to_owned(),
            _ if is("day of month") || is("day of week") => "? stands alone".to_owned(),
            _ => "? is for the day of month and the day of week; write *".to_owned(),
        });
    }
    if is("day of week") && other_fields {
        return weekday_hint(text, form);
    }
    if is("day of month") && other_fields {
        return day_hint(text);
    }
    if form == Form::Named && is("day of month") {
        let upper = text.to_ascii_uppercase();
        return upper
            .starts_with('L')
            .then(|| "the last day is written last, the last Friday last fri".to_owned());
    }
    None
}

fn weekday_hint(text: &str, form: Form) -> Option<String> {
    let upper = text.to_ascii_uppercase();
    if let Some(weekday) = upper.strip_prefix('L') {
        return Some(match weekday {
            "W" => "LW, the last weekday of the month, is a day of month".to_owned(),
            "" => "L needs a weekday; write FRIL for the last Friday of the month".to_owned(),
            _ => format!("write {weekday}L for the last such weekday of the month"),
        });
    }
    if upper.starts_with('+') && form == Form::Quartz {
        return Some("Quartz has no +".to_owned());
    }
    if upper.contains('+') {
        return Some("+ is the first character of the day of week, before the whole list".to_owned());
    }
    let day = upper.strip_suffix('W')?;
    is_number(day).then(|| format!("{upper}, the weekday nearest to a date, is a day of month"))
}

fn day_hint(text: &str) -> Option<String> {
    let upper = text.to_ascii_uppercase();
    if let Some(days) = upper.strip_prefix('L').filter(|days| is_number(days)) {
        return Some(format!(
            "write L-{days} for the day {days} days before the last of the month, or {days}L in the day of week \
             for the last such weekday"
        ));
    }
    if upper.contains('#') || upper.len() > 1 && upper.ends_with('L') {
        return Some(format!("{upper} is a day of week"));
    }
    if upper.contains('+') {
        return Some("+ is the first character of the day of week".to_owned());
    }
    None
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The name that a text is a slip of the pen away from.
fn nearest(text: &str, rules: &Rules) -> Option<&'static str> {
    let names = rules.names?;
    // A longer text is near to no name.
    let upper = text.chars().take(12).collect::<String>().to_uppercase();
    let distance = |name: &'static str| (strsim::damerau_levenshtein(name, &upper), name);
    let short = names.short.iter().map(|name| distance(name)).filter(|(distance, _)| *distance <= 1);
    let long = names.long.iter().map(|(name, _)| distance(name)).filter(|(distance, _)| *distance <= 2);
    let begins = names.short.iter().filter(|name| upper.starts_with(**name)).map(|name| (3, *name));
    short.chain(long).chain(begins).min().map(|(_, name)| name)
}

/// A range without a first or last value.
#[cold]
pub(super) fn half_a_range<'a>(range: &'a str, first: &str, last: &str, rules: &Rules) -> Fault<'a> {
    let Rules { min, max, form, name, .. } = rules;
    let is_day = *name == "day of month";
    let message = if last.eq_ignore_ascii_case("L") {
        let whole = if is_number(first) { format!("{first}-{max}") } else { format!("{min}-{max}") };
        if is_day {
            format!("{range} cannot be read: write {whole}, which ends with the last day of each month")
        } else {
            format!("{range} cannot be read: L is not a value of this field; {}", expected(rules))
        }
    } else if first.is_empty() && is_day && *form != Form::Named && is_number(last) {
        format!(
            "{range} cannot be read: write L for the last day of the month, and L-1 for the day before it; {}",
            expected(rules)
        )
    } else {
        let first = if first.is_empty() { min.to_string() } else { first.to_owned() };
        let last = if last.is_empty() { max.to_string() } else { last.to_owned() };
        format!("{range} cannot be read: a range has two values, such as {first}-{last}; {}", expected(rules))
    };
    refuse(range, message)
}

/// A range that would begin again at the field's least value: how to write it in two parts.
#[cold]
pub(super) fn range_over_the_end<'a>(
    item: &'a str,
    range: &'a str,
    (first, last): (u32, u32),
    rules: &Rules,
) -> Fault<'a> {
    let Rules { min, max, names, .. } = *rules;
    let name_of = |value: u32| match names {
        Some(names) if range.starts_with(|first: char| first.is_alphabetic()) => {
            names.short[(value - min) as usize].to_owned()
        }
        _ => value.to_string(),
    };
    let order = format!("{} comes after {}", name_of(first), name_of(last));
    if rules.name == "year" {
        return refuse(range, format!("{order}; a range goes from the earlier to the later"));
    }
    let step =
        item.split_once('/').and_then(|(_, step)| step.parse().ok()).filter(|step| *step > 0).unwrap_or(1);
    let part = |first: u32, last: u32| match (last - first, step) {
        (width, step) if width < step => name_of(first),
        (_, 1) => format!("{}-{}", name_of(first), name_of(last)),
        _ => format!("{}-{}/{step}", name_of(first), name_of(last)),
    };
    let end = part(first, max);
    // The second part begins where the steps of the first one come out.
    let again = (max - (max - first) % step).saturating_add(step) - (max - min + 1);
    let parts = if again <= last { format!("{end},{}", part(again, last)) } else { end };
    refuse(range, format!("{order}; write {parts}"))
}

#[cold]
pub(super) fn step_without_a_range(item: &str) -> Fault<'_> {
    refuse(item, format!("a step needs a range before it; write *{item}"))
}

#[cold]
pub(super) fn large_step<'a>(text: &'a str, width: u32, rules: &Rules) -> Fault<'a> {
    match rules.form {
        Form::Named => refuse(
            text,
            format!(
                "a step of {text} is larger than the range of {width}, so that only its first value is left"
            ),
        ),
        _ => refuse(text, format!("a step of {text} is larger than the field; expected 1 to {}", rules.max)),
    }
}
