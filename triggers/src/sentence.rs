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

/// Every `period`. Without [`starting`](Every::starting), counted from the instant at which the job is added: the first
/// instant is one period after that.
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
    /// The first time at `start`, where that is still to come when the job is added; else in step with it.
    pub fn starting(self, start: DateTime<Utc>) -> Self {
        Self { start: Some(start), ..self }
    }

    /// The last time at or before `end`.
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

/// By a crontab expression; in the scheduler's default time zone, which is UTC unless it has another, if neither
/// [`in_zone`](Cron::in_zone) nor the text names a zone. The grammar is that of [`CronExpression`](crate::CronExpression).
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
    /// In the local time of a zone: a name of the tz database such as `Europe/Berlin`, or a [`Zone`].
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
    /// When this or the other does: [`AnyTrigger`].
    fn or(self, other: impl IntoTrigger + Send + 'static) -> Combined {
        Combined::new(move |now, zone| {
            Ok(Arc::new(AnyTrigger::new([
                self.into_trigger_in(now, zone)?,
                other.into_trigger_in(now, zone)?,
            ])?))
        })
    }

    /// When this and the other do: [`AllTrigger`].
    fn and(self, other: impl IntoTrigger + Send + 'static) -> Combined {
        Combined::new(move |now, zone| {
            Ok(Arc::new(AllTrigger::new([
                self.into_trigger_in(now, zone)?,
                other.into_trigger_in(now, zone)?,
            ])?))
        })
    }

    /// When this does, but not the other: [`ExceptTrigger`].
    fn except(self, other: impl IntoTrigger + Send + 'static) -> Combined {
        Combined::new(move |now, zone| {
            Ok(Arc::new(ExceptTrigger::new(
                self.into_trigger_in(now, zone)?,
                other.into_trigger_in(now, zone)?,
            )?))
        })
    }

    /// When this does, but not on these dates of the zone's calendar: [`ExceptDatesTrigger`].
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

    /// Each time a little later, by at most `max`, always by the same: [`JitterTrigger`]. By how much, the id of the job
    /// decides: jobs with the same schedule do not all start at once.
    fn jitter(self, max: impl IntoDuration) -> Combined {
        let max = max.into_time_delta();
        Combined::new(move |now, zone| {
            Ok(Arc::new(JitterTrigger::unseeded(self.into_trigger_in(now, zone)?, max)?))
        })
    }

    /// The same with a seed of one's own in place of the job's id.
    fn jitter_with_seed(self, max: impl IntoDuration, seed: u64) -> Combined {
        let max = max.into_time_delta();
        Combined::new(move |now, zone| {
            Ok(Arc::new(JitterTrigger::new(self.into_trigger_in(now, zone)?, max, seed)?))
        })
    }

    /// Only at or after `start`: [`WindowTrigger`].
    fn not_before(self, start: DateTime<Utc>) -> Combined {
        Combined::new(move |now, zone| {
            Ok(Arc::new(WindowTrigger::new(self.into_trigger_in(now, zone)?).starting(start)?))
        })
    }

    /// Only at or before `end`: [`WindowTrigger`].
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
