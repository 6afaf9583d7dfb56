//! Reads an instant as people type it.

use std::borrow::Cow;

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use matins_core::error_chain;
use matins_triggers::{DateTrigger, Zone};

use crate::Problem;

/// Beyond these, arithmetic on an instant could leave what can be held.
const YEARS: std::ops::RangeInclusive<i32> = 0..=9999;

/// An instant as it was typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Typed {
    pub(crate) instant: DateTime<Utc>,
    /// The local time, if it was typed as one.
    pub(crate) local: Option<NaiveDateTime>,
    pub(crate) names_second: bool,
}

/// Reads `2026-12-24T18:00` or `18:00`, which is today's, in the zone, or with Z or an offset.
///
/// ```
/// use matins_control::instant;
/// use matins_triggers::Zone;
///
/// let now = "2026-11-25T10:00:00Z".parse().unwrap();
/// let typed = instant::read("18:00", Zone::named("Europe/Berlin").unwrap(), now).unwrap();
/// assert_eq!(typed.to_rfc3339(), "2026-11-25T17:00:00+00:00");
/// ```
///
/// # Errors
/// A [`BadRequest`](crate::ProblemKind::BadRequest) if it is not an instant, or not in the years 0 to 9999.
pub fn read(text: &str, zone: Zone, now: DateTime<Utc>) -> Result<DateTime<Utc>, Problem> {
    typed(text, zone, now).map(|typed| typed.instant)
}

/// The same, with all that is known of it.
pub(crate) fn typed(text: &str, zone: Zone, now: DateTime<Utc>) -> Result<Typed, Problem> {
    let text = with_date(text.trim(), zone.local(now).date());
    let date = DateTrigger::parse(&text, zone).map_err(|error| Problem::bad(error_chain(&error)))?;
    let instant = date.instant();
    if !YEARS.contains(&instant.year()) {
        return Err(Problem::bad(format!("{text} is in a year out of range; write one from 0 to 9999")));
    }
    let time =
        text.split(['T', ' ']).nth(1).unwrap_or_default().split(['Z', '+', '-']).next().unwrap_or_default();
    Ok(Typed { instant, local: date.local_time(), names_second: time.matches(':').count() == 2 })
}

/// Puts the day before a time that stands alone.
fn with_date(text: &str, today: NaiveDate) -> Cow<'_, str> {
    let alone = ["%H:%M", "%H:%M:%S%.f"].iter().any(|format| NaiveTime::parse_from_str(text, format).is_ok());
    if alone { Cow::Owned(format!("{today}T{text}")) } else { Cow::Borrowed(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_is_local_or_not_and_within_bounds() {
        let berlin = Zone::named("Europe/Berlin").unwrap();
        let now = "2026-11-24T23:30:00Z".parse().unwrap();
        let six = Typed {
            instant: "2026-11-25T17:00:00Z".parse().unwrap(),
            local: Some("2026-11-25T18:00:00".parse().unwrap()),
            names_second: false,
        };
        assert_eq!(typed("2026-11-25T18:00", berlin, now), Ok(six));
        assert_eq!(typed("18:00", berlin, now), Ok(six), "today's, where the day has begun already");
        assert_eq!(typed("18:00:00", berlin, now), Ok(Typed { names_second: true, ..six }));
        assert_eq!(typed("2026-11-25T17:00Z", berlin, now), Ok(Typed { local: None, ..six }));
        assert!(read("9999-12-31T23:59:59", Zone::utc(), now).is_ok());
        for wrong in ["+262142-12-31T23:59", "-0001-01-01T00:00", "yesterday", "25:00", "18", ""] {
            assert!(read(wrong, Zone::utc(), now).is_err(), "{wrong}");
        }
    }
}
