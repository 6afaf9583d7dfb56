//! Instants in lines: written as chrono writes them, ISO 8601 in UTC, in a tenth of the time. A tick holds hundreds.

use chrono::{DateTime, Datelike, Timelike, Utc};
use serde::{Serialize, Serializer};

pub(crate) fn serialize<S: Serializer>(instant: &DateTime<Utc>, to: S) -> Result<S::Ok, S::Error> {
    let year = instant.year();
    if !(0..=9999).contains(&year) || instant.nanosecond() >= 1_000_000_000 {
        return instant.serialize(to);
    }
    let mut text = *b"0000-00-00T00:00:00.000000000Z";
    digits(&mut text[0..4], year as u32);
    for (at, value) in [
        (5, instant.month()),
        (8, instant.day()),
        (11, instant.hour()),
        (14, instant.minute()),
        (17, instant.second()),
    ] {
        digits(&mut text[at..at + 2], value);
    }
    let nanos = instant.nanosecond();
    digits(&mut text[20..29], nanos);
    let length = match nanos {
        0 => 19,
        _ if nanos.is_multiple_of(1_000_000) => 23,
        _ if nanos.is_multiple_of(1_000) => 26,
        _ => 29,
    };
    text[length] = b'Z';
    to.serialize_str(std::str::from_utf8(&text[..=length]).unwrap_or_default())
}

#[expect(clippy::ref_option, reason = "serde asks so")]
pub(crate) fn serialize_option<S: Serializer>(
    instant: &Option<DateTime<Utc>>,
    to: S,
) -> Result<S::Ok, S::Error> {
    match instant {
        Some(instant) => serialize(instant, to),
        None => to.serialize_none(),
    }
}

/// The last digits of `value`, as many as there is room for.
fn digits(into: &mut [u8], value: u32) {
    let mut rest = value;
    for digit in into.iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeDelta;

    #[derive(Serialize)]
    struct Ours(#[serde(serialize_with = "serialize")] DateTime<Utc>);

    #[test]
    fn they_are_written_as_chrono_writes_them() {
        let nanos = [0, 1, 1_000, 1_000_000, 999_999_999, 123_456_000, 500_000_000];
        let days = (0..40_000)
            .map(|step| DateTime::UNIX_EPOCH + TimeDelta::seconds(step * 7_654_321 - 70_000_000_000));
        let ends = [DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC, DateTime::UNIX_EPOCH];
        for instant in days.chain(ends) {
            for nanos in nanos {
                let instant = instant.with_nanosecond(nanos).unwrap();
                let (ours, chronos) =
                    (serde_json::to_string(&Ours(instant)), serde_json::to_string(&instant));
                assert_eq!(ours.unwrap(), chronos.unwrap());
            }
        }
    }
}
