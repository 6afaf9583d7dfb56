//! A trigger between a start and an end.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use matins_core::{After, CountBudget, CountProgress, FireRange, Trigger};
use serde::{Deserialize, Serialize};

use crate::last_fire::just_after;
use crate::saved::Saved;
use crate::text;

/// The first and last instant that a trigger may fire at, both inclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Limits {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) start: Option<DateTime<Utc>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) end: Option<DateTime<Utc>>,
}

/// A trigger that ends before it starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EndsBeforeStart {
    /// The start given.
    pub start: DateTime<Utc>,
    /// The end given.
    pub end: DateTime<Utc>,
}

impl fmt::Display for EndsBeforeStart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { start, end } = self;
        write!(f, "a trigger from {start} to {end} ends before it starts; exchange the two")
    }
}

impl Error for EndsBeforeStart {}

impl Limits {
    pub(crate) fn new(
        start: Option<DateTime<Utc>>,
        end: Option<DateTime<Utc>>,
    ) -> Result<Self, EndsBeforeStart> {
        match (start, end) {
            (Some(start), Some(end)) if end < start => Err(EndsBeforeStart { start, end }),
            _ => Ok(Self { start, end }),
        }
    }

    /// Where the search for an instant later than `after` begins.
    #[inline]
    pub(crate) fn search_from(&self, after: DateTime<Utc>) -> DateTime<Utc> {
        match self.start {
            Some(start) if after < start => {
                start.checked_sub_signed(TimeDelta::nanoseconds(1)).unwrap_or(start)
            }
            _ => after,
        }
    }

    /// Where the search for an instant earlier than `before` begins.
    #[inline]
    pub(crate) fn search_until(&self, before: DateTime<Utc>) -> DateTime<Utc> {
        self.end.map_or(before, |end| before.min(just_after(end)))
    }

    #[inline]
    pub(crate) fn allow_start(&self, fire: DateTime<Utc>) -> bool {
        self.start.is_none_or(|start| fire >= start)
    }

    #[inline]
    pub(crate) fn allow(&self, fire: DateTime<Utc>) -> bool {
        self.allow_start(fire) && self.allow_end(fire)
    }

    #[inline]
    pub(crate) fn allow_end(&self, fire: DateTime<Utc>) -> bool {
        self.end.is_none_or(|end| fire <= end)
    }

    /// What follows a description: ", from ... until ...".
    pub(crate) fn describe(&self) -> String {
        let text = |instant: DateTime<Utc>| instant.format("%Y-%m-%d %H:%M:%S%.f UTC").to_string();
        let start = self.start.map(|start| format!(", from {}", text(start))).unwrap_or_default();
        let end = self.end.map(|end| format!(", until {}", text(end))).unwrap_or_default();
        start + &end
    }
}

/// The instants of another trigger between a start and an end, both inclusive.
///
/// ```
/// use std::sync::Arc;
///
/// use matins_triggers::{CronTrigger, WindowTrigger};
///
/// let daily: CronTrigger = "0 9 * * *".parse().unwrap();
/// let in_may = WindowTrigger::new(Arc::new(daily))
///     .starting("2026-05-01T00:00:00Z".parse().unwrap()).unwrap()
///     .until("2026-05-31T23:59:59Z".parse().unwrap()).unwrap();
/// # use matins_core::Trigger;
/// let first = in_may.next_after("2026-01-01T00:00:00Z".parse().unwrap()).unwrap();
/// assert_eq!(first.to_rfc3339(), "2026-05-01T09:00:00+00:00");
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "Saved<Fields>", into = "Fields")]
pub struct WindowTrigger {
    of: Arc<dyn Trigger>,
    limits: Limits,
}

#[derive(Serialize, Deserialize)]
struct Fields {
    of: Arc<dyn Trigger>,
    #[serde(flatten)]
    limits: Limits,
}

impl WindowTrigger {
    /// All instants of a trigger, until a start or an end is set.
    pub fn new(of: Arc<dyn Trigger>) -> Self {
        Self { of, limits: Limits::default() }
    }

    /// From `start` on.
    ///
    /// ```
    /// # use matins_triggers::Trigger;
    /// use std::sync::Arc;
    /// use matins_triggers::{CronTrigger, WindowTrigger};
    ///
    /// let daily: CronTrigger = "0 9 * * *".parse()?;
    /// let from_may = WindowTrigger::new(Arc::new(daily)).starting("2026-05-01T00:00:00Z".parse()?)?;
    /// let fire = from_may.next_after("2026-01-01T00:00:00Z".parse()?).unwrap();
    /// assert_eq!(fire.to_rfc3339(), "2026-05-01T09:00:00+00:00");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When its end lies before that.
    pub fn starting(self, start: DateTime<Utc>) -> Result<Self, EndsBeforeStart> {
        Ok(Self { limits: Limits::new(Some(start), self.limits.end)?, ..self })
    }

    /// Up to `end`.
    ///
    /// ```
    /// # use matins_triggers::Trigger;
    /// use std::sync::Arc;
    /// use matins_triggers::{CronTrigger, WindowTrigger};
    ///
    /// let daily: CronTrigger = "0 9 * * *".parse()?;
    /// let may = WindowTrigger::new(Arc::new(daily)).starting("2026-05-01T00:00:00Z".parse()?)?;
    /// // An end before the start is refused.
    /// assert!(may.clone().until("2026-04-01T00:00:00Z".parse()?).is_err());
    /// let may = may.until("2026-05-31T23:59:59Z".parse()?)?;
    /// assert_eq!(may.next_after("2026-05-31T12:00:00Z".parse()?), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When that lies before its start.
    pub fn until(self, end: DateTime<Utc>) -> Result<Self, EndsBeforeStart> {
        Ok(Self { limits: Limits::new(self.limits.start, Some(end))?, ..self })
    }
}

impl TryFrom<Saved<Fields>> for WindowTrigger {
    type Error = EndsBeforeStart;

    fn try_from(Saved(saved): Saved<Fields>) -> Result<Self, EndsBeforeStart> {
        Ok(Self { of: saved.of, limits: Limits::new(saved.limits.start, saved.limits.end)? })
    }
}

impl From<WindowTrigger> for Fields {
    fn from(trigger: WindowTrigger) -> Self {
        Self { of: trigger.of, limits: trigger.limits }
    }
}

#[deny(clippy::missing_trait_methods)]
#[typetag::serde(name = "window")]
impl Trigger for WindowTrigger {
    fn next_after(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let fire = self.of.next_after(self.limits.search_from(after))?;
        self.limits.allow_end(fire).then_some(fire)
    }

    fn previous_before(&self, before: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let fire = self.of.previous_before(self.limits.search_until(before))?;
        self.limits.allow_start(fire).then_some(fire)
    }

    fn includes(&self, instant: DateTime<Utc>) -> bool {
        self.limits.allow(instant) && self.of.includes(instant)
    }

    fn fire_range(&self, after: DateTime<Utc>, until: DateTime<Utc>) -> Option<FireRange> {
        let end = self.limits.end.map_or(until, |end| end.min(until));
        self.of.fire_range(self.limits.search_from(after), end)
    }

    fn fire_range_within(
        &self,
        after: DateTime<Utc>,
        until: DateTime<Utc>,
        budget: &mut CountBudget,
    ) -> CountProgress {
        let end = self.limits.end.map_or(until, |end| end.min(until));
        let counted = self.of.fire_range_within(self.limits.search_from(after), end, budget);
        let through = if counted.through >= end { until } else { counted.through };
        CountProgress { through, ..counted }
    }

    fn with_seed(&self, seed: u64) -> Option<Arc<dyn Trigger>> {
        let of = self.of.with_seed(seed)?;
        Some(Arc::new(Self { of, limits: self.limits }))
    }

    fn has_fixed_times(&self) -> bool {
        self.of.has_fixed_times()
    }

    fn added_at(&self, from: DateTime<Utc>, to: DateTime<Utc>) -> Option<Arc<dyn Trigger>> {
        Some(Arc::new(Self { of: self.of.added_at(from, to)?, limits: self.limits }))
    }

    /// None: a run that follows another comes when that has ended, and cannot be kept within a window.
    fn after(&self) -> Option<&After> {
        None
    }

    fn describe(&self) -> String {
        format!("{}{}", self.of.describe(), self.limits.describe())
    }
}

/// `window(0 9 * * *; from 2026-05-01T00:00:00Z; until 2026-05-31T00:00:00Z)`: see [`parse_trigger`](crate::parse_trigger).
impl fmt::Display for WindowTrigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        text::begin(f, "window", [&self.of])?;
        if let Some(start) = self.limits.start {
            write!(f, "; from {}", text::instant(start))?;
        }
        if let Some(end) = self.limits.end {
            write!(f, "; until {}", text::instant(end))?;
        }
        f.write_str(")")
    }
}
