//! One instant, given as such or as a local time in a zone.

use std::error::Error;
use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, SecondsFormat, Utc};
use matins_core::{Trigger, round_up_to_microsecond};
use serde::{Deserialize, Serialize};

use crate::saved::Saved;
use crate::zone::{UnknownZone, Zone};

/// Fires once.
///
/// A local time keeps its zone, and follows the zone's rules: its instant is another one if these change before it.
///
/// It fires once in any case. A local time that the clocks skip is at the first instant after the gap. One that they show
/// twice is at its first occurrence. This also holds if the clocks change by three hours or more: whoever asks for one time
/// wants one fire. (Recurring triggers take such a change as a correction; see the crate's page.)
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Saved<Fields>", into = "Fields")]
pub struct DateTrigger {
    date: Date,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Date {
    Instant(DateTime<Utc>),
    Local(NaiveDateTime, Zone),
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Fields {
    Local { local: NaiveDateTime, zone: Zone },
    Instant { instant: DateTime<Utc> },
}

/// A text that is no date and time.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DateError {
    /// It cannot be read.
    Unreadable {
        /// The text.
        text: String,
    },
    /// Its zone does not exist.
    Zone(UnknownZone),
    /// It lies beyond the years that can be held.
    OutOfRange {
        /// The local time.
        local: NaiveDateTime,
    },
}

impl fmt::Display for DateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { text } => write!(
                f,
                "cannot read {text:?} as a date and time; write 2026-12-24T18:00, with seconds if you like, \
                 and with Z or an offset such as +01:00 at its end for an instant"
            ),
            Self::Zone(error) => error.fmt(f),
            Self::OutOfRange { local } => write!(f, "{local} lies beyond the years that can be held"),
        }
    }
}

impl Error for DateError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Zone(error) => error.source(),
            _ => None,
        }
    }
}

impl From<UnknownZone> for DateError {
    fn from(error: UnknownZone) -> Self {
        Self::Zone(error)
    }
}

impl DateTrigger {
    /// Fires at `instant`, rounded up to the microsecond.
    ///
    /// ```
    /// use chrono::DateTime;
    /// use matins_triggers::{DateTrigger, Trigger};
    ///
    /// let trigger = DateTrigger::new("2026-12-24T17:00:00Z".parse()?);
    /// assert_eq!(trigger.next_after(DateTime::UNIX_EPOCH), Some(trigger.instant()));
    /// assert_eq!(trigger.next_after(trigger.instant()), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new(instant: DateTime<Utc>) -> Self {
        Self { date: Date::Instant(round_up_to_microsecond(instant)) }
    }

    /// Fires when the clocks in `zone` show `local`: the first time, if they do so twice; at the first instant after
    /// the gap, if they skip it.
    ///
    /// ```
    /// use matins_triggers::{DateTrigger, Zone};
    ///
    /// let berlin = Zone::named("Europe/Berlin")?;
    /// let eve = DateTrigger::local("2026-12-24T18:00:00".parse()?, berlin)?;
    /// assert_eq!(eve.instant().to_rfc3339(), "2026-12-24T17:00:00+00:00");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When that lies beyond the years that can be held (about 262,000).
    pub fn local(local: NaiveDateTime, zone: Zone) -> Result<Self, DateError> {
        zone.instant_of(local).ok_or(DateError::OutOfRange { local })?;
        Ok(Self { date: Date::Local(local, zone) })
    }

    /// Reads ISO 8601 text: a date, or a date and a time to the minute, second or fraction. With `Z` or an offset it is
    /// an instant; without, a local time in `zone`. A date alone means its midnight.
    ///
    /// ```
    /// use matins_triggers::{DateTrigger, Zone};
    ///
    /// let berlin = Zone::named("Europe/Berlin")?;
    /// assert_eq!(DateTrigger::parse("2026-12-24 18:00", berlin)?.instant().to_rfc3339(), "2026-12-24T17:00:00+00:00");
    /// assert_eq!(DateTrigger::parse("2026-12-24T18:00Z", berlin)?.instant().to_rfc3339(), "2026-12-24T18:00:00+00:00");
    /// assert!(DateTrigger::parse("24.12.2026", berlin).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When the text cannot be read so.
    pub fn parse(text: &str, zone: Zone) -> Result<Self, DateError> {
        let trimmed = text.trim();
        if let Ok(instant) = DateTime::parse_from_rfc3339(&trimmed.replacen(' ', "T", 1)) {
            return Ok(Self::new(instant.to_utc()));
        }
        for format in ["%Y-%m-%dT%H:%M:%#z", "%Y-%m-%dT%H:%M%#z", "%Y-%m-%dT%H:%M:%S%.f%#z"] {
            if let Ok(instant) = DateTime::parse_from_str(&trimmed.replacen(' ', "T", 1), format) {
                return Ok(Self::new(instant.to_utc()));
            }
        }
        ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M"]
            .iter()
            .find_map(|format| NaiveDateTime::parse_from_str(trimmed, format).ok())
            .or_else(|| {
                NaiveDate::parse_from_str(trimmed, "%Y-%m-%d").ok().map(|date| date.and_time(NaiveTime::MIN))
            })
            .ok_or_else(|| DateError::Unreadable { text: text.to_owned() })
            .and_then(|local| Self::local(local, zone))
    }

    /// Returns the instant at which it fires.
    ///
    /// ```
    /// use matins_triggers::DateTrigger;
    ///
    /// let trigger: DateTrigger = "2026-07-01T12:00 Europe/Berlin".parse()?;
    /// assert_eq!(trigger.instant().to_rfc3339(), "2026-07-01T10:00:00+00:00");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn instant(&self) -> DateTime<Utc> {
        match self.date {
            Date::Instant(instant) => instant,
            // It was within range when it was made; other rules could matter at the ends of time only.
            Date::Local(local, zone) => {
                round_up_to_microsecond(zone.instant_of(local).unwrap_or(local.and_utc()))
            }
        }
    }

    /// Returns the local time that it was given as, or `None` if it was given as an instant.
    ///
    /// ```
    /// use matins_triggers::DateTrigger;
    ///
    /// let local: DateTrigger = "2026-07-01T12:00 Europe/Berlin".parse()?;
    /// assert_eq!(local.local_time(), Some("2026-07-01T12:00:00".parse()?));
    /// let instant: DateTrigger = "2026-07-01T12:00Z".parse()?;
    /// assert_eq!(instant.local_time(), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn local_time(&self) -> Option<NaiveDateTime> {
        match self.date {
            Date::Instant(_) => None,
            Date::Local(local, _) => Some(local),
        }
    }

    /// Returns the time zone of that local time, or `None` if it was given as an instant.
    ///
    /// ```
    /// use matins_triggers::{DateTrigger, Zone};
    ///
    /// let local: DateTrigger = "2026-07-01T12:00 Europe/Berlin".parse()?;
    /// assert_eq!(local.zone(), Some(Zone::named("Europe/Berlin")?));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn zone(&self) -> Option<Zone> {
        match self.date {
            Date::Instant(_) => None,
            Date::Local(_, zone) => Some(zone),
        }
    }
}

impl Display for DateTrigger {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.date {
            Date::Local(local, zone) => write!(f, "{} {zone}", local.format("%Y-%m-%dT%H:%M:%S%.f")),
            Date::Instant(instant) => f.write_str(&instant.to_rfc3339_opts(SecondsFormat::AutoSi, true)),
        }
    }
}

impl FromStr for DateTrigger {
    type Err = DateError;

    /// Reads what [`parse`](Self::parse) reads, with the name of a zone behind a local time; else it is in UTC.
    fn from_str(text: &str) -> Result<Self, DateError> {
        match text.trim().rsplit_once(char::is_whitespace) {
            Some((date, zone))
                if zone.starts_with(|first: char| first.is_ascii_alphabetic() || "</".contains(first)) =>
            {
                Self::parse(date, Zone::named(zone)?)
            }
            _ => Self::parse(text, Zone::utc()),
        }
    }
}

impl TryFrom<Saved<Fields>> for DateTrigger {
    type Error = DateError;

    fn try_from(Saved(saved): Saved<Fields>) -> Result<Self, DateError> {
        match saved {
            Fields::Local { local, zone } => Self::local(local, zone),
            Fields::Instant { instant } => Ok(Self::new(instant)),
        }
    }
}

impl From<DateTrigger> for Fields {
    fn from(trigger: DateTrigger) -> Self {
        match trigger.date {
            Date::Local(local, zone) => Self::Local { local, zone },
            Date::Instant(instant) => Self::Instant { instant },
        }
    }
}

#[typetag::serde(name = "date")]
impl Trigger for DateTrigger {
    fn next_after(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        Some(self.instant()).filter(|instant| *instant > after)
    }

    fn previous_before(&self, before: DateTime<Utc>) -> Option<DateTime<Utc>> {
        Some(self.instant()).filter(|instant| *instant < before)
    }

    fn has_fixed_times(&self) -> bool {
        true
    }

    fn describe(&self) -> String {
        match &self.date {
            Date::Local(local, zone) => format!("once, at {}, {zone}", local.format("%Y-%m-%d %H:%M:%S%.f")),
            Date::Instant(instant) => format!("once, at {} UTC", instant.format("%Y-%m-%d %H:%M:%S%.f")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instant(text: &str, zone: &str) -> String {
        DateTrigger::parse(text, zone.parse().unwrap()).unwrap().instant().to_rfc3339()
    }

    #[test]
    fn text_with_an_offset_is_an_instant_and_text_without_is_local() {
        assert_eq!(instant("2026-12-24T18:00", "Europe/Berlin"), "2026-12-24T17:00:00+00:00");
        assert_eq!(instant("2026-12-24 18:00:30.25", "UTC"), "2026-12-24T18:00:30.250+00:00");
        assert_eq!(instant("2026-12-24T18:00Z", "Europe/Berlin"), "2026-12-24T18:00:00+00:00");
        assert_eq!(instant("2026-12-24T18:00:00-05:00", "Europe/Berlin"), "2026-12-24T23:00:00+00:00");
        assert_eq!(instant("2026-12-24", "Asia/Tokyo"), "2026-12-23T15:00:00+00:00");
        assert!(DateTrigger::parse("24.12.2026", Zone::utc()).is_err());
        assert!(DateTrigger::parse("2026-02-30T00:00", Zone::utc()).is_err());
    }

    #[test]
    fn a_local_time_in_a_gap_fires_at_its_end_and_one_that_occurs_twice_at_the_first() {
        assert_eq!(instant("2026-03-29T02:30:15.5", "Europe/Berlin"), "2026-03-29T01:00:00+00:00");
        assert_eq!(instant("2026-10-25T02:30", "Europe/Berlin"), "2026-10-25T00:30:00+00:00");
        // Samoa had no 30 December 2011.
        assert_eq!(instant("2011-12-30T12:00", "Pacific/Apia"), "2011-12-30T10:00:00+00:00");
    }

    #[test]
    fn both_forms_are_saved_as_they_were_given() {
        for trigger in [
            DateTrigger::parse("2026-12-24T18:00", Zone::named("Europe/Berlin").unwrap()).unwrap(),
            DateTrigger::parse("2026-12-24T18:00Z", Zone::utc()).unwrap(),
        ] {
            let saved = serde_json::to_string(&trigger).unwrap();
            assert_eq!(serde_json::from_str::<DateTrigger>(&saved).unwrap(), trigger);
        }
    }
}
