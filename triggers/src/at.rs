//! Once: `at("2026-12-24T18:00")`, `at(date_time)`.

use std::sync::Arc;

use chrono::{DateTime, NaiveDateTime, TimeZone, Utc};
use matins_core::{IntoTrigger, Trigger, TriggerError};

use crate::sentence::UTC;
use crate::{DateTrigger, IntoZone, UnknownZone, Zone};

/// Once, at an instant or at a local time.
///
/// It takes a `DateTime` in any time zone; a date and time in ISO 8601, which is an instant where the text ends in `Z` or an
/// offset, and else a local time; or a [`NaiveDateTime`], a local time. A local time is in the scheduler's default time zone, which is
/// UTC unless it has another, if [`in_zone`](At::in_zone) names none.
///
/// ```
/// use chrono::{DateTime, Utc};
/// use matins_core::{IntoTrigger, Trigger};
/// use matins_triggers::at;
///
/// let now = DateTime::UNIX_EPOCH;
/// let local = at("2026-12-24T18:00").in_zone("Europe/Berlin").into_trigger(now)?;
/// let instant = DateTime::parse_from_rfc3339("2026-12-24T18:00:00+01:00").unwrap();
/// assert_eq!(local.next_after(now), at(instant).into_trigger(now)?.next_after(now));
/// # Ok::<(), matins_core::TriggerError>(())
/// ```
pub fn at(date: impl IntoDate) -> At {
    At { date: date.into_date(), zone: None }
}

/// What [`at`] takes: text, a `DateTime` in any time zone, or a [`NaiveDateTime`].
///
/// ```
/// use chrono::{DateTime, Utc};
/// use matins_triggers::{AtDate, IntoDate, IntoTrigger, Trigger, at};
///
/// struct Deadline(DateTime<Utc>);
///
/// impl IntoDate for Deadline {
///     fn into_date(self) -> AtDate {
///         self.0.into_date()
///     }
/// }
///
/// let noon: DateTime<Utc> = "2026-12-24T12:00:00Z".parse()?;
/// let trigger = at(Deadline(noon)).into_trigger(DateTime::UNIX_EPOCH)?;
/// assert!(trigger.includes(noon));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a date and time",
    note = "write a text such as \"2026-12-24T18:00\", or give a `chrono::DateTime` or a `chrono::NaiveDateTime`; for a time from \
            now on, write `after(10.seconds())`"
)]
pub trait IntoDate {
    /// Returns the date.
    fn into_date(self) -> AtDate;
}

/// An instant, a local time, or a text that says which; made by [`IntoDate`].
#[derive(Debug, Clone)]
pub struct AtDate(Date);

#[derive(Debug, Clone)]
enum Date {
    Text(String),
    Instant(DateTime<Utc>),
    Local(NaiveDateTime),
}

impl IntoDate for &str {
    fn into_date(self) -> AtDate {
        AtDate(Date::Text(self.to_owned()))
    }
}

impl IntoDate for String {
    fn into_date(self) -> AtDate {
        AtDate(Date::Text(self))
    }
}

impl IntoDate for &String {
    fn into_date(self) -> AtDate {
        AtDate(Date::Text(self.clone()))
    }
}

impl<Tz: TimeZone> IntoDate for DateTime<Tz> {
    fn into_date(self) -> AtDate {
        AtDate(Date::Instant(self.to_utc()))
    }
}

impl IntoDate for NaiveDateTime {
    fn into_date(self) -> AtDate {
        AtDate(Date::Local(self))
    }
}

/// A sentence about a date; see [`at`].
#[derive(Debug, Clone)]
#[must_use]
pub struct At {
    date: AtDate,
    zone: Option<Result<Zone, UnknownZone>>,
}

impl At {
    /// Sets the time zone of the local time: a name of the tz database such as `Europe/Berlin`, or a [`Zone`]. It does not change an instant.
    ///
    /// ```
    /// use chrono::DateTime;
    /// use matins_triggers::{IntoTrigger, Trigger, at};
    ///
    /// let eve = at("2026-12-24T18:00").in_zone("Asia/Tokyo").into_trigger(DateTime::UNIX_EPOCH)?;
    /// assert_eq!(eve.describe(), "once, at 2026-12-24 18:00:00, Asia/Tokyo");
    /// let fire = eve.next_after(DateTime::UNIX_EPOCH).unwrap();
    /// assert_eq!(fire.to_rfc3339(), "2026-12-24T09:00:00+00:00");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn in_zone(self, zone: impl IntoZone) -> Self {
        Self { zone: Some(zone.into_zone()), ..self }
    }
}

impl IntoTrigger for At {
    fn into_trigger(self, now: DateTime<Utc>) -> Result<Arc<dyn Trigger>, TriggerError> {
        self.into_trigger_in(now, UTC)
    }

    fn into_trigger_in(self, _now: DateTime<Utc>, zone: &str) -> Result<Arc<dyn Trigger>, TriggerError> {
        let zone = || self.zone.unwrap_or_else(|| Zone::named(zone));
        Ok(Arc::new(match self.date.0 {
            Date::Text(text) => DateTrigger::parse(&text, zone()?)?,
            Date::Instant(instant) => DateTrigger::new(instant),
            Date::Local(local) => DateTrigger::local(local, zone()?)?,
        }))
    }
}
