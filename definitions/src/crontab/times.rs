//! The times of an entry: five fields or a nickname, with random values in the form of OpenBSD's and Debian's cron.

use matins_triggers::{CronExpression, CronTrigger, Zone};

use super::random::Salt;
use crate::definition::When;

/// Splits an entry into its times and what follows them.
pub(super) fn split(line: &str) -> (&str, &str) {
    let fields = if line.starts_with('@') { 1 } else { 5 };
    let mut rest = line;
    for _ in 0..fields {
        rest = rest.trim_start_matches([' ', '\t']);
        rest = &rest[rest.find([' ', '\t']).unwrap_or(rest.len())..];
    }
    (&line[..line.len() - rest.len()], rest.trim_start_matches([' ', '\t']))
}

/// Reads times.
///
/// # Errors
/// What is wrong, and at which byte of the times.
pub(super) fn when(times: &str, zone: Zone, salt: &Salt<'_>) -> Result<When, (usize, String)> {
    if times.eq_ignore_ascii_case("@reboot") {
        return Ok(When::Start);
    }
    let drawn = draw(times, salt)?;
    match CronExpression::parse(drawn.as_deref().unwrap_or(times)) {
        Ok(expression) => Ok(When::Cron(CronTrigger::new(expression, zone))),
        Err(error) if error.never_fires() => Ok(When::Never(times.to_owned())),
        Err(error) if drawn.is_some() => Err((0, format!("with its random values it is {error}"))),
        Err(error) => Err((error.place().start, matins_core::error_chain(&error))),
    }
}

/// The least and the greatest value of each field.
const RANGES: [(&str, u32, u32); 5] =
    [("minute", 0, 59), ("hour", 0, 23), ("day of month", 1, 31), ("month", 1, 12), ("day of week", 0, 7)];

/// Replaces each `a~b` by a random value from `a` to `b`, and `~` by one of all values. Returns `None` if the times have neither.
fn draw(times: &str, salt: &Salt<'_>) -> Result<Option<String>, (usize, String)> {
    if !times.contains('~') || times.starts_with('@') {
        return Ok(None);
    }
    let place = |part: &str| part.as_ptr() as usize - times.as_ptr() as usize;
    let mut fields = Vec::new();
    for (index, field) in times.split([' ', '\t']).filter(|field| !field.is_empty()).enumerate() {
        let Some((name, min, max)) = RANGES.get(index).copied() else { break };
        let mut items = Vec::new();
        for (number, item) in field.split(',').enumerate() {
            let Some((low, high)) = item.split_once('~') else {
                items.push(item.to_owned());
                continue;
            };
            let bound = |text: &str, default: u32| match text.parse() {
                _ if text.is_empty() => Ok(default),
                Ok(value) if (min..=max).contains(&value) => Ok(value),
                _ => Err((
                    place(item),
                    format!(
                        "{name}: {item:?} cannot be read; a random value is written as low~high, from {min} to {max}"
                    ),
                )),
            };
            let (low, high) =
                (bound(low, min)?, bound(high, max.min(if name == "day of week" { 6 } else { max }))?);
            if low > high {
                let message = format!("{name}: {low} comes after {high}; write {high}~{low}");
                return Err((place(item), message));
            }
            let value = low + salt.number(&format!("{name} {number}"), u64::from(high - low) + 1) as u32;
            items.push(value.to_string());
        }
        fields.push(items.join(","));
    }
    Ok(Some(fields.join(" ")))
}

/// Whether a word that begins a command reads like one more field of times: `*`, `*/5`, `2026`, `1-5`, `MON-FRI`.
pub(super) fn reads_like_a_field(word: &str) -> bool {
    const NAMES: [&str; 19] = [
        "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC", "SUN", "MON",
        "TUE", "WED", "THU", "FRI", "SAT",
    ];
    let is_value = |value: &str| {
        value == "*"
            || value == "?"
            || (!value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()))
            || NAMES.contains(&value.to_ascii_uppercase().as_str())
    };
    // A name alone may be a command, if it is not written as a field's names often are.
    let is_lone_name = NAMES.contains(&word.to_ascii_uppercase().as_str()) && !NAMES.contains(&word);
    !is_lone_name && word.split([',', '-', '/', '~']).all(is_value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sixth_field_is_told_from_a_command() {
        for field in ["*", "*/5", "2026", "1-5", "1,15", "MON-FRI", "mon-fri", "SUN", "?", "2026-2030/2"] {
            assert!(reads_like_a_field(field), "{field}");
        }
        for command in ["backup", "7z", "sun", "/bin/*", "[", "-x", "", "a-b", "jan", "3proxy", "0x10"] {
            assert!(!reads_like_a_field(command), "{command}");
        }
    }

    #[test]
    fn random_values_are_drawn_in_their_range_and_stay() {
        let salt = Salt { machine: "m", entry: "e" };
        for (times, fits) in [
            ("0~59 * * * *", 0..=59),
            ("10~12 * * * *", 10..=12),
            ("~ * * * *", 0..=59),
            ("58~ * * * *", 58..=59),
        ] {
            let drawn = draw(times, &salt).unwrap().unwrap();
            let minute: u32 = drawn.split(' ').next().unwrap().parse().unwrap();
            assert!(fits.contains(&minute), "{times}: {drawn}");
            assert_eq!(draw(times, &salt).unwrap().unwrap(), drawn);
        }
        assert_eq!(draw("5 * * * *", &salt).unwrap(), None);
        for (times, place) in [("60~70 * * * *", 0), ("* 9~5 * * *", 2), ("1~2/3 * * * *", 0)] {
            assert_eq!(draw(times, &salt).unwrap_err().0, place, "{times}");
        }
    }
}
