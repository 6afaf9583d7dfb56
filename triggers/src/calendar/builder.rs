//! Builds a calendar trigger.

use std::sync::Arc;

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use matins_core::{IntoTrigger, Trigger, TriggerError};
use serde::{Deserialize, Serialize};

use super::{CalendarError, CalendarTrigger};
use crate::sentence::UTC;
use crate::zone::Zone;

/// Builds a [`CalendarTrigger`]; begun by [`CalendarTrigger::from_date`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[must_use = "a builder does nothing until it builds"]
pub struct CalendarBuilder {
    pub(crate) start: NaiveDate,
    #[serde(default)]
    pub(super) years: u32,
    #[serde(default)]
    pub(super) months: u32,
    #[serde(default)]
    pub(super) weeks: u32,
    #[serde(default)]
    pub(super) days: u32,
    pub(super) time: NaiveTime,
    /// None is UTC, or the default of the scheduler that the builder is given to.
    #[serde(default)]
    pub(super) zone: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) end: Option<NaiveDate>,
    #[serde(default)]
    pub(crate) last_day: bool,
}

impl CalendarBuilder {
    /// Sets the years of the period.
    ///
    /// ```
    /// use matins_triggers::{CalendarTrigger, Trigger};
    ///
    /// let leap_days = CalendarTrigger::from_date("2024-02-29".parse()?).years(1).build()?;
    /// let after = "2024-06-01T00:00:00Z".parse()?;
    /// assert_eq!(leap_days.next_after(after).unwrap().to_rfc3339(), "2028-02-29T00:00:00+00:00");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn years(self, years: u32) -> Self {
        Self { years, ..self }
    }

    /// Sets the months of the period.
    ///
    /// ```
    /// use matins_triggers::{CalendarTrigger, Trigger};
    ///
    /// // A month without a 31st is passed over; see `last_day`.
    /// let monthly = CalendarTrigger::from_date("2026-01-31".parse()?).months(1).build()?;
    /// let after = "2026-02-01T00:00:00Z".parse()?;
    /// assert_eq!(monthly.next_after(after).unwrap().to_rfc3339(), "2026-03-31T00:00:00+00:00");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn months(self, months: u32) -> Self {
        Self { months, ..self }
    }

    /// Sets the weeks of the period.
    ///
    /// ```
    /// use matins_triggers::{CalendarTrigger, Trigger};
    ///
    /// let payday = CalendarTrigger::from_date("2026-01-02".parse()?).weeks(2).build()?;
    /// let after = "2026-01-03T00:00:00Z".parse()?;
    /// assert_eq!(payday.next_after(after).unwrap().to_rfc3339(), "2026-01-16T00:00:00+00:00");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn weeks(self, weeks: u32) -> Self {
        Self { weeks, ..self }
    }

    /// Sets the days of the period.
    ///
    /// ```
    /// use chrono::DateTime;
    /// use matins_triggers::{CalendarTrigger, TriggerExt};
    ///
    /// // In local time: at 09:00 on each day, also when the clocks change.
    /// let daily = CalendarTrigger::from_date("2026-03-28".parse()?)
    ///     .days(1)
    ///     .at("09:00:00".parse()?)
    ///     .zone("Europe/Berlin")
    ///     .build()?;
    /// let fires: Vec<String> =
    ///     daily.iter_after(DateTime::UNIX_EPOCH).take(2).map(|fire| fire.to_rfc3339()).collect();
    /// assert_eq!(fires, ["2026-03-28T08:00:00+00:00", "2026-03-29T07:00:00+00:00"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn days(self, days: u32) -> Self {
        Self { days, ..self }
    }

    /// Sets the time of day. The default is midnight.
    ///
    /// ```
    /// use matins_triggers::{CalendarTrigger, Trigger};
    ///
    /// let monthly = CalendarTrigger::from_date("2026-01-01".parse()?).months(1).at("08:30:00".parse()?).build()?;
    /// let after = "2026-01-15T00:00:00Z".parse()?;
    /// assert_eq!(monthly.next_after(after).unwrap().to_rfc3339(), "2026-02-01T08:30:00+00:00");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn at(self, time: NaiveTime) -> Self {
        Self { time, ..self }
    }

    /// In the zone of this name in the tz database, or a [`Zone`].
    ///
    /// ```
    /// use matins_triggers::{CalendarTrigger, Trigger};
    ///
    /// let monthly = CalendarTrigger::from_date("2026-01-01".parse()?).months(1).zone("America/New_York").build()?;
    /// let after = "2026-01-15T00:00:00Z".parse()?;
    /// assert_eq!(monthly.next_after(after).unwrap().to_rfc3339(), "2026-02-01T05:00:00+00:00");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn zone(self, zone: impl Into<String>) -> Self {
        Self { zone: Some(zone.into()), ..self }
    }

    /// Up to this date, inclusive.
    ///
    /// ```
    /// use chrono::DateTime;
    /// use matins_triggers::{CalendarTrigger, TriggerExt};
    ///
    /// let trial = CalendarTrigger::from_date("2026-01-01".parse()?).weeks(1).until("2026-01-15".parse()?).build()?;
    /// assert_eq!(trial.iter_after(DateTime::UNIX_EPOCH).count(), 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn until(self, end: NaiveDate) -> Self {
        Self { end: Some(end), ..self }
    }

    /// In a month without that day, on its last day; without this, the month is left out.
    ///
    /// ```
    /// use chrono::DateTime;
    /// use matins_triggers::{CalendarTrigger, TriggerExt};
    ///
    /// let monthly = CalendarTrigger::from_date("2026-01-31".parse()?).months(1).last_day().build()?;
    /// let days: Vec<String> =
    ///     monthly.iter_after(DateTime::UNIX_EPOCH).take(4).map(|fire| fire.format("%m-%d").to_string()).collect();
    /// assert_eq!(days, ["01-31", "02-28", "03-31", "04-30"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn last_day(self) -> Self {
        Self { last_day: true, ..self }
    }

    /// The trigger.
    ///
    /// ```
    /// use matins_triggers::CalendarTrigger;
    ///
    /// let no_period = CalendarTrigger::from_date("2026-01-01".parse()?).build();
    /// assert!(no_period.unwrap_err().to_string().contains("needs a period"));
    /// let weekly = CalendarTrigger::from_date("2026-01-01".parse()?).weeks(1).build()?;
    /// assert_eq!(weekly.to_string(), "P1W from 2026-01-01T00:00:00 UTC");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When it has no period, ends before it starts, or its zone does not exist.
    pub fn build(self) -> Result<CalendarTrigger, CalendarError> {
        let zone = Zone::named(self.zone.as_deref().unwrap_or(UTC))?;
        let months = self.years.checked_mul(12).and_then(|months| months.checked_add(self.months));
        let days = self.weeks.checked_mul(7).and_then(|days| days.checked_add(self.days));
        let (Some(months @ ..96_000), Some(days @ ..3_000_000)) = (months, days) else {
            return Err(CalendarError::TooLong);
        };
        if months == 0 && days == 0 {
            return Err(CalendarError::NoPeriod);
        }
        if let Some(end) = self.end.filter(|end| *end < self.start) {
            return Err(CalendarError::EndsBeforeStart { start: self.start, end });
        }
        // One zone may be written in several ways.
        let builder = Self { zone: Some(zone.name().to_owned()), ..self };
        Ok(CalendarTrigger { months, days, builder, zone })
    }
}

/// A builder without a zone is in the default time zone of the scheduler that its job is added to.
impl IntoTrigger for CalendarBuilder {
    fn into_trigger(self, now: DateTime<Utc>) -> Result<Arc<dyn Trigger>, TriggerError> {
        self.into_trigger_in(now, UTC)
    }

    fn into_trigger_in(mut self, _now: DateTime<Utc>, zone: &str) -> Result<Arc<dyn Trigger>, TriggerError> {
        self.zone.get_or_insert_with(|| zone.to_owned());
        Ok(Arc::new(self.build()?))
    }
}
