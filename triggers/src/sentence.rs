//! Triggers as a person says them: `every(3.seconds())`, `cron("0 9 * * MON-FRI")`, `at("2026-12-24T18:00")`.
//!
//! A sentence becomes a trigger when its job is added; what is wrong with it is the error of adding.

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use matins_core::{IntoTrigger, Trigger, TriggerError};

use crate::{
    AllTrigger, AnyTrigger, CronTrigger, DateTrigger, ExceptDatesTrigger, ExceptTrigger, IntervalError,
    IntervalTrigger, JitterTrigger, WindowTrigger, Zone,
};

/// Durations as a person says them: `3.seconds()`, `90.minutes()`.
pub trait TimeUnits {
    /// That many microseconds.
    fn microseconds(self) -> TimeDelta;
    /// That many milliseconds.
    fn milliseconds(self) -> TimeDelta;
    /// That many seconds.
    fn seconds(self) -> TimeDelta;
    /// That many minutes.
    fn minutes(self) -> TimeDelta;
    /// That many hours.
    fn hours(self) -> TimeDelta;
    /// That many times 24 hours.
    fn days(self) -> TimeDelta;
    /// That many times 7 days of 24 hours.
    fn weeks(self) -> TimeDelta;
}

impl TimeUnits for u32 {
    fn microseconds(self) -> TimeDelta {
        TimeDelta::microseconds(self.into())
    }

    fn milliseconds(self) -> TimeDelta {
        TimeDelta::milliseconds(self.into())
    }

    fn seconds(self) -> TimeDelta {
        TimeDelta::seconds(self.into())
    }

    fn minutes(self) -> TimeDelta {
        TimeDelta::minutes(self.into())
    }

    fn hours(self) -> TimeDelta {
        TimeDelta::hours(self.into())
    }

    fn days(self) -> TimeDelta {
        TimeDelta::days(self.into())
    }

    fn weeks(self) -> TimeDelta {
        TimeDelta::weeks(self.into())
    }
}

/// Every `period`. Without [`starting`](Every::starting), counted from the instant at which the job is added: the first
/// instant is one period after that.
pub fn every(period: TimeDelta) -> Every {
    Every { period, start: None, end: None }
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

/// By a crontab expression; in UTC, unless [`in_zone`](Cron::in_zone) says otherwise. The grammar is that of
/// [`CronExpression`](crate::CronExpression).
pub fn cron(expression: impl Into<String>) -> Cron {
    Cron { expression: expression.into(), zone: "UTC".to_owned() }
}

/// A sentence about a crontab expression; see [`cron()`].
#[derive(Debug, Clone)]
#[must_use]
pub struct Cron {
    expression: String,
    zone: String,
}

impl Cron {
    /// In the local time of a zone of the tz database, such as `Europe/Berlin`.
    pub fn in_zone(self, zone: impl Into<String>) -> Self {
        Self { zone: zone.into(), ..self }
    }
}

impl IntoTrigger for Cron {
    fn into_trigger(self, _now: DateTime<Utc>) -> Result<Arc<dyn Trigger>, TriggerError> {
        Ok(Arc::new(CronTrigger::parse(&self.expression, &self.zone)?))
    }
}

/// Once, at a date and time in ISO 8601: an instant where the text ends in `Z` or an offset, else a local time; in UTC,
/// unless [`in_zone`](At::in_zone) says otherwise.
pub fn at(date: impl Into<String>) -> At {
    At { date: date.into(), zone: "UTC".to_owned() }
}

/// A sentence about a date; see [`at`].
#[derive(Debug, Clone)]
#[must_use]
pub struct At {
    date: String,
    zone: String,
}

impl At {
    /// In the local time of a zone of the tz database, such as `Europe/Berlin`.
    pub fn in_zone(self, zone: impl Into<String>) -> Self {
        Self { zone: zone.into(), ..self }
    }
}

impl IntoTrigger for At {
    fn into_trigger(self, _now: DateTime<Utc>) -> Result<Arc<dyn Trigger>, TriggerError> {
        Ok(Arc::new(DateTrigger::parse(&self.date, Zone::named(&self.zone)?)?))
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
        Combined::new(|now| {
            Ok(Arc::new(AnyTrigger::new([self.into_trigger(now)?, other.into_trigger(now)?])?))
        })
    }

    /// When this and the other do: [`AllTrigger`].
    fn and(self, other: impl IntoTrigger + Send + 'static) -> Combined {
        Combined::new(|now| {
            Ok(Arc::new(AllTrigger::new([self.into_trigger(now)?, other.into_trigger(now)?])?))
        })
    }

    /// When this does, but not the other: [`ExceptTrigger`].
    fn except(self, other: impl IntoTrigger + Send + 'static) -> Combined {
        Combined::new(|now| {
            Ok(Arc::new(ExceptTrigger::new(self.into_trigger(now)?, other.into_trigger(now)?)?))
        })
    }

    /// When this does, but not on these dates of the zone's calendar: [`ExceptDatesTrigger`].
    fn except_dates(
        self,
        dates: impl IntoIterator<Item = NaiveDate> + Send + 'static,
        zone: impl Into<String>,
    ) -> Combined {
        let zone = zone.into();
        Combined::new(move |now| {
            let zone = Zone::named(&zone)?;
            Ok(Arc::new(ExceptDatesTrigger::new(self.into_trigger(now)?, dates, zone)))
        })
    }

    /// Each time a little later, by at most `max`, always by the same: [`JitterTrigger`]. By how much, the id of the job
    /// decides: jobs with the same schedule do not all start at once.
    fn jitter(self, max: TimeDelta) -> Combined {
        Combined::new(move |now| Ok(Arc::new(JitterTrigger::unseeded(self.into_trigger(now)?, max)?)))
    }

    /// The same with a seed of one's own in place of the job's id.
    fn jitter_with_seed(self, max: TimeDelta, seed: u64) -> Combined {
        Combined::new(move |now| Ok(Arc::new(JitterTrigger::new(self.into_trigger(now)?, max, seed)?)))
    }

    /// Only at or after `start`: [`WindowTrigger`].
    fn not_before(self, start: DateTime<Utc>) -> Combined {
        Combined::new(move |now| Ok(Arc::new(WindowTrigger::new(self.into_trigger(now)?).starting(start)?)))
    }

    /// Only at or before `end`: [`WindowTrigger`].
    fn not_after(self, end: DateTime<Utc>) -> Combined {
        Combined::new(move |now| Ok(Arc::new(WindowTrigger::new(self.into_trigger(now)?).until(end)?)))
    }
}

impl<T: IntoTrigger + Send + Sized + 'static> Combine for T {}

type Make = dyn FnOnce(DateTime<Utc>) -> Result<Arc<dyn Trigger>, TriggerError> + Send;

/// A sentence made of sentences; see [`Combine`].
#[must_use]
pub struct Combined {
    make: Box<Make>,
}

impl Combined {
    fn new(
        make: impl FnOnce(DateTime<Utc>) -> Result<Arc<dyn Trigger>, TriggerError> + Send + 'static,
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
        (self.make)(now)
    }
}
