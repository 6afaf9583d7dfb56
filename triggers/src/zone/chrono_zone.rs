//! A zone as chrono's `TimeZone`, so that `DateTime<Zone>` exists.

use std::fmt;

use chrono::{DateTime, FixedOffset, LocalResult, NaiveDate, NaiveDateTime, NaiveTime, Offset, TimeZone};

use super::{LocalTime, Zone};

/// An offset from UTC that knows its [`Zone`]: the offset of a `DateTime<Zone>`. It is shown like `+02:00`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ZoneOffset {
    offset: FixedOffset,
    zone: Zone,
}

impl Offset for ZoneOffset {
    fn fix(&self) -> FixedOffset {
        self.offset
    }
}

impl fmt::Display for ZoneOffset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.offset.fmt(f)
    }
}

impl Zone {
    fn offset_at(self, utc: NaiveDateTime) -> ZoneOffset {
        ZoneOffset { offset: *self.with_offset(utc.and_utc()).offset(), zone: self }
    }
}

/// ```
/// use chrono::TimeZone;
/// use matins_triggers::Zone;
///
/// let berlin = Zone::named("Europe/Berlin").unwrap();
/// let noon = berlin.with_ymd_and_hms(2026, 7, 1, 12, 0, 0).unwrap();
/// assert_eq!(noon.to_rfc3339(), "2026-07-01T12:00:00+02:00");
/// ```
impl TimeZone for Zone {
    type Offset = ZoneOffset;

    fn from_offset(offset: &ZoneOffset) -> Self {
        offset.zone
    }

    fn offset_from_local_date(&self, local: &NaiveDate) -> LocalResult<ZoneOffset> {
        self.offset_from_local_datetime(&local.and_time(NaiveTime::MIN))
    }

    fn offset_from_local_datetime(&self, local: &NaiveDateTime) -> LocalResult<ZoneOffset> {
        let at = |instant: DateTime<chrono::Utc>| self.offset_at(instant.naive_utc());
        match self.local_time(*local) {
            Some(LocalTime::Once(one)) => LocalResult::Single(at(one)),
            Some(LocalTime::Twice { first, second }) => LocalResult::Ambiguous(at(first), at(second)),
            Some(LocalTime::Skipped { .. }) | None => LocalResult::None,
        }
    }

    fn offset_from_utc_date(&self, utc: &NaiveDate) -> ZoneOffset {
        self.offset_at(utc.and_time(NaiveTime::MIN))
    }

    fn offset_from_utc_datetime(&self, utc: &NaiveDateTime) -> ZoneOffset {
        self.offset_at(*utc)
    }
}
