//! POSIX rules in place of names: `CET-1CEST,M3.5.0,M10.5.0/3`.

use super::error::UnknownZone;
use super::table::{self, Built};

/// Whether a text has the form of a rule: an abbreviation, alone or in angle brackets, and an offset.
pub(super) fn is_rule(text: &str) -> bool {
    let Some((abbreviation, rest)) = split(text) else { return false };
    let digits = rest.strip_prefix(['+', '-']).unwrap_or(rest);
    abbreviation.len() >= 3 && digits.starts_with(|first: char| first.is_ascii_digit())
}

fn split(text: &str) -> Option<(&str, &str)> {
    if let Some(rest) = text.strip_prefix('<') {
        return rest.split_once('>');
    }
    let end = text.find(|letter: char| !letter.is_ascii_alphabetic()).unwrap_or(text.len());
    Some(text.split_at(end))
}

/// Reads a rule.
///
/// # Errors
/// When it is wrong, or a person who reads it could take it for its opposite.
pub(super) fn zone(rule: &str) -> Result<Built, UnknownZone> {
    if let Some(clear) = clear(rule) {
        let reason = format!(
            "POSIX counts hours west of Greenwich, so that this would be {clear}; write {clear:?} if it is meant, \
             or a name such as Etc/GMT+3, which is 3 hours west"
        );
        return Err(UnknownZone::because(rule, reason));
    }
    read(rule)
}

fn read(rule: &str) -> Result<Built, UnknownZone> {
    table::of_rule(rule).map_err(|error| {
        let reason = match split(rule) {
            Some((_, rest)) if rest.contains(|letter: char| letter.is_ascii_alphabetic()) && !rest.contains(',') => {
                "it does not say when daylight saving time begins and ends; write it such as CET-1CEST,M3.5.0,M10.5.0/3"
                    .to_owned()
            }
            _ => format!("it is no valid POSIX rule: {error}"),
        };
        UnknownZone::because(rule, reason)
    })
}

/// The rule for what `UTC-3` means as a rule, which is three hours *east*: `<+03>-3`. `None` where a rule can be read in one way.
pub(super) fn clear(rule: &str) -> Option<String> {
    let (abbreviation, rest) = split(rule)?;
    let is_utc = ["UTC", "GMT"].iter().any(|name| abbreviation.eq_ignore_ascii_case(name));
    if !is_utc || rest.contains(|letter: char| letter.is_ascii_alphabetic() || letter == '<') {
        return None;
    }
    let east = read(rule).ok()?.only_offset().filter(|east| *east != 0)?;
    let (east_sign, posix_sign) = if east > 0 { ('+', "-") } else { ('-', "") };
    let (hours, minutes, seconds) = (east.abs() / 3600, east.abs() / 60 % 60, east.abs() % 60);
    let (mut name, mut offset) = (format!("{east_sign}{hours:02}"), format!("{posix_sign}{hours}"));
    if (minutes, seconds) != (0, 0) {
        name += &format!("{minutes:02}");
        offset += &format!(":{minutes:02}");
    }
    if seconds != 0 {
        name += &format!("{seconds:02}");
        offset += &format!(":{seconds:02}");
    }
    Some(format!("<{name}>{offset}"))
}
