//! Triggers as a person says them: `every(3.seconds())`, `cron("0 9 * * MON-FRI")`, `at("2026-12-24T18:00")`.
//!
//! A sentence becomes a trigger when its job is added; what is wrong with it is the error of adding.

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use matins_core::{IntoDuration, IntoTrigger, Trigger, TriggerError};

use crate::{
    AllTrigger, AnyTrigger, CronTrigger, ExceptDatesTrigger, ExceptTrigger, IntervalError, IntervalTrigger,
    IntoZone, JitterTrigger, UnknownZone, WindowTrigger, Zone,
};

/// The zone of local times that name none, without a scheduler that has another.
pub(crate) const UTC: &str = "UTC";

/// Fires every `period`. Without [`starting`](Every::starting), it is counted from the instant at which the job is added: the first
/// fire is one period after that.
///
/// ```
/// use chrono::{DateTime, Utc};
/// use matins_triggers::{IntoTrigger, TimeUnits, Trigger, every};
///
/// let now: DateTime<Utc> = "2026-01-01T12:00:00Z".parse()?;
/// let trigger = every(90.minutes()).into_trigger(now)?;
/// assert_eq!(trigger.next_after(now), Some(now + 90.minutes()));
/// assert_eq!(trigger.describe(), "every 1 hour and 30 minutes");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn every(period: impl IntoDuration) -> Every {
    Every { period: period.into_time_delta(), start: None, end: None }
}

/// A sentence about an interval; see [`every`].
#[derive(Debug, Clone)]
#[must_use]
pub struct Every {
    period: TimeDelta,
    start: Option<DateTime<Utc>>,
    end: Option<DateTime<Utc>>,
}

impl Every {
    /// Sets the first fire time. If it has passed when the job is added, the job fires in step with it.
    ///
    /// ```
    /// use matins_triggers::{IntoTrigger, TimeUnits, Trigger, every};
    ///
    /// let start = "2026-01-01T00:15:00Z".parse()?;
    /// let trigger = every(1.hours()).starting(start).into_trigger("2026-06-01T12:00:00Z".parse()?)?;
    /// let fire = trigger.next_after("2026-06-01T12:00:00Z".parse()?).unwrap();
    /// assert_eq!(fire.to_rfc3339(), "2026-06-01T12:15:00+00:00");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn starting(self, start: DateTime<Utc>) -> Self {
        Self { start: Some(start), ..self }
    }

    /// Sets the end: the last fire is at or before it.
    ///
    /// ```
    /// use chrono::{DateTime, Utc};
    /// use matins_triggers::{IntoTrigger, TimeUnits, TriggerExt, every};
    ///
    /// let now: DateTime<Utc> = "2026-01-01T00:00:00Z".parse()?;
    /// let trigger = every(1.hours()).until("2026-01-01T06:00:00Z".parse()?).into_trigger(now)?;
    /// assert_eq!(trigger.iter_after(now).count(), 6);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn until(self, end: DateTime<Utc>) -> Self {
        Self { end: Some(end), ..self }
    }
}

impl IntoTrigger for Every {
    fn into_trigger(self, now: DateTime<Utc>) -> Result<Arc<dyn Trigger>, TriggerError> {
        let start = match self.start {
            Some(start) => start,
            // Not at `now`: a jitter would shift that instant to shortly after it.
            None => {
                now.checked_add_signed(self.period).ok_or(IntervalError::TooLong { period: self.period })?
            }
        };
        let trigger = IntervalTrigger::new(start, self.period)?;
        Ok(match self.end {
            Some(end) => Arc::new(trigger.until(end)?),
            None => Arc::new(trigger),
        })
    }
}

/// Fires by a crontab expression, in local time. If neither [`in_zone`](Cron::in_zone) nor the text names a time zone, it is the
/// scheduler's default one, which is UTC unless it has another. The grammar is that of [`CronExpression`](crate::CronExpression).
///
/// ```
/// use chrono::DateTime;
/// use matins_triggers::{IntoTrigger, Trigger, cron};
///
/// let trigger = cron("0 9 * * MON-FRI").in_zone("Europe/Berlin").into_trigger(DateTime::UNIX_EPOCH)?;
/// let friday = "2026-11-27T12:00:00Z".parse()?;
/// assert_eq!(trigger.next_after(friday).unwrap().to_rfc3339(), "2026-11-30T08:00:00+00:00");
/// // A mistake is shown with its place.
/// let error = cron("0 25 * * *").into_trigger(DateTime::UNIX_EPOCH).unwrap_err();
/// assert!(error.to_string().contains("hour"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn cron(expression: impl Into<String>) -> Cron {
    Cron { expression: expression.into(), zone: None }
}

/// A sentence about a crontab expression; see [`cron()`].
#[derive(Debug, Clone)]
#[must_use]
pub struct Cron {
    expression: String,
    zone: Option<Result<Zone, UnknownZone>>,
}

impl Cron {
    /// Sets the time zone: a name of the tz database such as `Europe/Berlin`, or a [`Zone`].
    ///
    /// ```
    /// use chrono::DateTime;
    /// use matins_triggers::{IntoTrigger, Trigger, cron};
    ///
    /// let trigger = cron("0 9 * * MON-FRI").in_zone("America/New_York").into_trigger(DateTime::UNIX_EPOCH)?;
    /// assert_eq!(trigger.describe(), "at 09:00 on weekdays, America/New_York");
    /// // A name that does not exist is an error.
    /// assert!(cron("0 9 * * *").in_zone("Europe/Berlim").into_trigger(DateTime::UNIX_EPOCH).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn in_zone(self, zone: impl IntoZone) -> Self {
        Self { zone: Some(zone.into_zone()), ..self }
    }
}

impl IntoTrigger for Cron {
    fn into_trigger(self, now: DateTime<Utc>) -> Result<Arc<dyn Trigger>, TriggerError> {
        self.into_trigger_in(now, UTC)
    }

    fn into_trigger_in(self, _now: DateTime<Utc>, zone: &str) -> Result<Arc<dyn Trigger>, TriggerError> {
        let chosen = self.zone.transpose()?;
        let zone = chosen.as_ref().map_or(zone, |zone| zone.name());
        Ok(Arc::new(CronTrigger::parse(&self.expression, zone)?))
    }
}

/// Sentences joined: everything that can become a trigger can be combined with others.
///
/// ```
/// use matins_triggers::{Combine, TimeUnits, cron, every};
///
/// let opening = cron("0 9 * * MON-FRI").in_zone("Europe/Berlin").or(cron("0 11 * * SAT").in_zone("Europe/Berlin"));
/// let polite = every(1.hours()).jitter(5.minutes());
/// # let _ = (opening, polite);
/// ```
pub trait Combine: IntoTrigger + Send + Sized + 'static {
    /// Fires when this or the other does: [`AnyTrigger`].
    ///
    /// ```
    /// use chrono::{DateTime, Utc};
    /// use matins_triggers::{Combine, IntoTrigger, Trigger, cron};
    ///
    /// let opening = cron("0 9 * * MON-FRI").or(cron("0 11 * * SAT")).into_trigger(DateTime::UNIX_EPOCH)?;
    /// let friday: DateTime<Utc> = "2026-11-27T12:00:00Z".parse()?;
    /// assert_eq!(opening.next_after(friday).unwrap().to_rfc3339(), "2026-11-28T11:00:00+00:00");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn or(self, other: impl IntoTrigger + Send + 'static) -> Combined {
        Combined::new(move |now, zone| {
            Ok(Arc::new(AnyTrigger::new([
                self.into_trigger_in(now, zone)?,
                other.into_trigger_in(now, zone)?,
            ])?))
        })
    }

    /// Fires when both this and the other do: [`AllTrigger`].
    ///
    /// ```
    /// use chrono::DateTime;
    /// use matins_triggers::{Combine, IntoTrigger, Trigger, cron};
    ///
    /// let friday_the_13th = cron("0 9 * * FRI").and(cron("0 9 13 * *")).into_trigger(DateTime::UNIX_EPOCH)?;
    /// let fire = friday_the_13th.next_after("2026-04-01T00:00:00Z".parse()?).unwrap();
    /// assert_eq!(fire.to_rfc3339(), "2026-11-13T09:00:00+00:00");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn and(self, other: impl IntoTrigger + Send + 'static) -> Combined {
        Combined::new(move |now, zone| {
            Ok(Arc::new(AllTrigger::new([
                self.into_trigger_in(now, zone)?,
                other.into_trigger_in(now, zone)?,
            ])?))
        })
    }

    /// Fires when this does, unless the other does too: [`ExceptTrigger`].
    ///
    /// ```
    /// use chrono::DateTime;
    /// use matins_triggers::{Combine, IntoTrigger, Trigger, cron};
    ///
    /// let not_at_noon = cron("0 * * * *").except(cron("0 12 * * *")).into_trigger(DateTime::UNIX_EPOCH)?;
    /// let fire = not_at_noon.next_after("2026-01-01T11:00:00Z".parse()?).unwrap();
    /// assert_eq!(fire.to_rfc3339(), "2026-01-01T13:00:00+00:00");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn except(self, other: impl IntoTrigger + Send + 'static) -> Combined {
        Combined::new(move |now, zone| {
            Ok(Arc::new(ExceptTrigger::new(
                self.into_trigger_in(now, zone)?,
                other.into_trigger_in(now, zone)?,
            )?))
        })
    }

    /// Fires when this does, unless the date is one of these in the zone's calendar: [`ExceptDatesTrigger`].
    ///
    /// ```
    /// use chrono::DateTime;
    /// use matins_triggers::{Combine, IntoTrigger, Trigger, cron};
    ///
    /// let holidays = ["2026-12-24".parse()?, "2026-12-25".parse()?];
    /// let opening = cron("0 9 * * MON-FRI").except_dates(holidays, "UTC").into_trigger(DateTime::UNIX_EPOCH)?;
    /// let fire = opening.next_after("2026-12-23T12:00:00Z".parse()?).unwrap();
    /// assert_eq!(fire.to_rfc3339(), "2026-12-28T09:00:00+00:00");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn except_dates(
        self,
        dates: impl IntoIterator<Item = NaiveDate> + Send + 'static,
        zone: impl IntoZone,
    ) -> Combined {
        let of_dates = zone.into_zone();
        Combined::new(move |now, zone| {
            Ok(Arc::new(ExceptDatesTrigger::new(self.into_trigger_in(now, zone)?, dates, of_dates?)))
        })
    }

    /// Shifts each fire time a little later, by at most `max` and always by the same amount: [`JitterTrigger`]. The id of the job decides by
    /// how much, so that jobs with the same schedule do not all start at once.
    ///
    /// ```
    /// use chrono::{DateTime, Utc};
    /// use matins_triggers::{Combine, IntoTrigger, TimeUnits, Trigger, cron};
    ///
    /// let polite = cron("0 * * * *").jitter(5.minutes()).into_trigger(DateTime::UNIX_EPOCH)?;
    /// let nine: DateTime<Utc> = "2026-01-01T09:00:00Z".parse()?;
    /// let fire = polite.next_after(nine - 1.seconds()).unwrap();
    /// assert!(fire >= nine && fire <= nine + 5.minutes());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn jitter(self, max: impl IntoDuration) -> Combined {
        let max = max.into_time_delta();
        Combined::new(move |now, zone| {
            Ok(Arc::new(JitterTrigger::unseeded(self.into_trigger_in(now, zone)?, max)?))
        })
    }

    /// Shifts each fire time as [`jitter`](Self::jitter) does, with a seed in place of the job's id.
    ///
    /// ```
    /// use chrono::{DateTime, Utc};
    /// use matins_triggers::{Combine, IntoTrigger, TimeUnits, Trigger, cron};
    ///
    /// let of = |seed| cron("0 * * * *").jitter_with_seed(5.minutes(), seed).into_trigger(DateTime::UNIX_EPOCH);
    /// let now: DateTime<Utc> = "2026-01-01T09:30:00Z".parse()?;
    /// assert_eq!(of(1)?.next_after(now), of(1)?.next_after(now));
    /// assert_ne!(of(1)?.next_after(now), of(2)?.next_after(now));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn jitter_with_seed(self, max: impl IntoDuration, seed: u64) -> Combined {
        let max = max.into_time_delta();
        Combined::new(move |now, zone| {
            Ok(Arc::new(JitterTrigger::new(self.into_trigger_in(now, zone)?, max, seed)?))
        })
    }

    /// Fires only at or after `start`: [`WindowTrigger`].
    ///
    /// ```
    /// use chrono::DateTime;
    /// use matins_triggers::{Combine, IntoTrigger, Trigger, cron};
    ///
    /// let from_may = cron("0 9 * * *").not_before("2026-05-01T00:00:00Z".parse()?).into_trigger(DateTime::UNIX_EPOCH)?;
    /// let fire = from_may.next_after(DateTime::UNIX_EPOCH).unwrap();
    /// assert_eq!(fire.to_rfc3339(), "2026-05-01T09:00:00+00:00");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn not_before(self, start: DateTime<Utc>) -> Combined {
        Combined::new(move |now, zone| {
            Ok(Arc::new(WindowTrigger::new(self.into_trigger_in(now, zone)?).starting(start)?))
        })
    }

    /// Fires only at or before `end`: [`WindowTrigger`].
    ///
    /// ```
    /// use chrono::{DateTime, Utc};
    /// use matins_triggers::{Combine, IntoTrigger, Trigger, cron};
    ///
    /// let end: DateTime<Utc> = "2026-05-01T09:00:00Z".parse()?;
    /// let until_may = cron("0 9 * * *").not_after(end).into_trigger(DateTime::UNIX_EPOCH)?;
    /// assert!(until_may.includes(end));
    /// assert_eq!(until_may.next_after(end), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn not_after(self, end: DateTime<Utc>) -> Combined {
        Combined::new(move |now, zone| {
            Ok(Arc::new(WindowTrigger::new(self.into_trigger_in(now, zone)?).until(end)?))
        })
    }
}

impl<T: IntoTrigger + Send + Sized + 'static> Combine for T {}

/// From the instant at which the job is added, and the zone of local times that name none.
type Make = dyn FnOnce(DateTime<Utc>, &str) -> Result<Arc<dyn Trigger>, TriggerError> + Send;

/// A sentence made of sentences; see [`Combine`].
#[must_use]
pub struct Combined {
    make: Box<Make>,
}

impl Combined {
    fn new(
        make: impl FnOnce(DateTime<Utc>, &str) -> Result<Arc<dyn Trigger>, TriggerError> + Send + 'static,
    ) -> Self {
        Self { make: Box::new(make) }
    }
}

impl fmt::Debug for Combined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Combined").finish_non_exhaustive()
    }
}

impl IntoTrigger for Combined {
    fn into_trigger(self, now: DateTime<Utc>) -> Result<Arc<dyn Trigger>, TriggerError> {
        self.into_trigger_in(now, UTC)
    }

    fn into_trigger_in(self, now: DateTime<Utc>, zone: &str) -> Result<Arc<dyn Trigger>, TriggerError> {
        (self.make)(now, zone)
    }
}
