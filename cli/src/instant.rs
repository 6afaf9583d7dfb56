//! An instant as people type it.

use chrono::{DateTime, Datelike, NaiveDateTime, Utc};
use matins::prelude::*;
use matins::triggers::Zone;

/// Beyond these, arithmetic on an instant could leave what can be held.
const YEARS: std::ops::RangeInclusive<i32> = 0..=9999;

/// Reads `2026-12-24T18:00` in the zone, or with Z or an offset.
pub(crate) fn read(text: &str, zone: Zone) -> Result<DateTime<Utc>, String> {
    parse(text, zone).map(|date| date.instant())
}

/// The same, and the local time where it was given as one.
pub(crate) fn read_local(text: &str, zone: Zone) -> Result<(DateTime<Utc>, Option<NaiveDateTime>), String> {
    let date = parse(text, zone)?;
    // A date keeps the local time that it was given as.
    let saved = serde_json::to_value(&date).map_err(|error| error.to_string())?;
    let local = saved.get("local").and_then(|local| local.as_str()?.parse().ok());
    Ok((date.instant(), local))
}

fn parse(text: &str, zone: Zone) -> Result<DateTrigger, String> {
    let date = DateTrigger::parse(text, zone).map_err(|error| error.to_string())?;
    if YEARS.contains(&date.instant().year()) {
        Ok(date)
    } else {
        Err(format!("{text} is in a year that is not asked about; write one from 0 to 9999"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_is_local_or_not_and_within_bounds() {
        let berlin = Zone::named("Europe/Berlin").unwrap();
        let (at, local) = read_local("2026-11-25T18:00", berlin).unwrap();
        assert_eq!(at.to_rfc3339(), "2026-11-25T17:00:00+00:00");
        assert_eq!(local, Some("2026-11-25T18:00:00".parse().unwrap()));
        assert_eq!(read_local("2026-11-25T18:00Z", berlin).unwrap().1, None);
        assert!(read("9999-12-31T23:59:59", Zone::utc()).is_ok());
        for far in ["+262142-12-31T23:59", "-0001-01-01T00:00", "yesterday"] {
            assert!(read(far, Zone::utc()).is_err(), "{far}");
        }
    }
}
