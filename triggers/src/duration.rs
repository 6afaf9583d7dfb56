//! Durations as ISO 8601 writes them: `P1Y2M3W4DT5H6M7.5S`.

use std::fmt::Write;

/// What a duration says, unit by unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Parts {
    pub(crate) years: u32,
    pub(crate) months: u32,
    pub(crate) weeks: u32,
    pub(crate) days: u32,
    /// Hours, minutes and seconds.
    pub(crate) micros: i64,
}

const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;

impl Parts {
    /// Elapsed time in days and less.
    pub(crate) fn elapsed(micros: i64) -> Self {
        match u32::try_from(micros / DAY) {
            Ok(days) => Self { days, micros: micros % DAY, ..Self::default() },
            Err(_) => Self { micros, ..Self::default() },
        }
    }

    /// As elapsed time; `None` where it has months or years, or is too long.
    pub(crate) fn as_elapsed(self) -> Option<i64> {
        if self.years != 0 || self.months != 0 {
            return None;
        }
        let days = i64::from(self.weeks) * 7 + i64::from(self.days);
        days.checked_mul(DAY)?.checked_add(self.micros)
    }
}

pub(crate) fn write(parts: Parts) -> String {
    let mut text = "P".to_owned();
    let date = [(parts.years, 'Y'), (parts.months, 'M'), (parts.weeks, 'W'), (parts.days, 'D')];
    for (count, unit) in date.into_iter().filter(|(count, _)| *count != 0) {
        // Writing to a String cannot fail.
        let _ = write!(text, "{count}{unit}");
    }
    let (hours, minutes) = (parts.micros / (3600 * SECOND), parts.micros / (60 * SECOND) % 60);
    let (seconds, fraction) = (parts.micros / SECOND % 60, parts.micros % SECOND);
    if parts.micros != 0 || text.len() == 1 {
        text.push('T');
    }
    for (count, unit) in [(hours, 'H'), (minutes, 'M')].into_iter().filter(|(count, _)| *count != 0) {
        let _ = write!(text, "{count}{unit}");
    }
    if fraction != 0 {
        let digits = format!("{fraction:06}");
        let _ = write!(text, "{seconds}.{}S", digits.trim_end_matches('0'));
    } else if seconds != 0 || text.ends_with('T') {
        let _ = write!(text, "{seconds}S");
    }
    text
}

/// Reads a duration; `None` if the text is no duration, or a unit is too large.
pub(crate) fn read(text: &str) -> Option<Parts> {
    let mut parts = Parts::default();
    let mut rest = text.strip_prefix('P')?;
    let mut in_time = false;
    let mut any = false;
    while !rest.is_empty() {
        if let Some(time) = rest.strip_prefix('T').filter(|time| !in_time && !time.is_empty()) {
            (in_time, rest) = (true, time);
            continue;
        }
        let end = rest.find(|c: char| c.is_ascii_alphabetic())?;
        let (number, unit) = (&rest[..end], rest.as_bytes()[end]);
        rest = &rest[end + 1..];
        let add = |unit: i64| number.parse::<i64>().ok().filter(|count| *count >= 0)?.checked_mul(unit);
        match (in_time, unit) {
            (false, b'Y') => parts.years = number.parse().ok()?,
            (false, b'M') => parts.months = number.parse().ok()?,
            (false, b'W') => parts.weeks = number.parse().ok()?,
            (false, b'D') => parts.days = number.parse().ok()?,
            (true, b'H') => parts.micros = parts.micros.checked_add(add(3600 * SECOND)?)?,
            (true, b'M') => parts.micros = parts.micros.checked_add(add(60 * SECOND)?)?,
            (true, b'S') => parts.micros = parts.micros.checked_add(seconds(number)?)?,
            _ => return None,
        }
        any = true;
    }
    any.then_some(parts)
}

/// `7`, `7.5`, up to six places.
fn seconds(number: &str) -> Option<i64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || fraction.len() > 6 {
        return None;
    }
    let fraction = fraction.parse::<i64>().ok()? * 10_i64.pow(6 - fraction.len() as u32);
    whole.parse::<i64>().ok()?.checked_mul(SECOND)?.checked_add(fraction)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        for text in ["PT3S", "PT0S", "P1D", "P1Y2M3W4D", "P1DT2H3M4.5S", "PT0.000001S", "PT1H", "PT1M30S"] {
            assert_eq!(write(read(text).unwrap()), text);
        }
        assert_eq!(Parts::elapsed(90_061_000_001).as_elapsed(), Some(90_061_000_001));
        assert_eq!(read("P1M").unwrap().as_elapsed(), None);
        for text in
            ["", "P", "PT", "3S", "PT1Y", "P1H", "PT-1S", "PT1.S", "PT1.0000001S", "P99999999999D", "P1DT"]
        {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
