//! Triggers made of triggers, by set algebra: union, intersection, difference.

use std::any::Any;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};
use matins_core::Trigger;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::cron::CronTrigger;
use crate::interval::IntervalTrigger;
use crate::zone::Zone;

/// How often the members of an intersection leap over each other for one answer, before it gives up: some thousandths of
/// a second.
///
/// When it is built and finds nothing within that, it is refused; asked later, it answers that there are no more.
pub const LEAP_LIMIT: usize = 10_000;

/// How many instants that both triggers have a difference passes over for one answer, before it gives up: a day of seconds
/// and more, in some hundredths of a second.
///
/// When it is built and finds nothing within that, it is refused; asked later, it answers that there are no more.
pub const SHARED_LIMIT: usize = 100_000;

/// Triggers that make none together.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CombineError {
    /// There is nothing to combine.
    #[error("nothing is given to combine; give at least one trigger")]
    Empty,
    /// Two intervals whose fires never coincide.
    #[error(
        "{one} and {other} never fire at the same instant: their fires keep a distance; give one the other's start"
    )]
    NeverMeet {
        /// The one, described.
        one: String,
        /// The other, described.
        other: String,
    },
    /// Two triggers, one of them a cron trigger, that have no value of a field in common.
    #[error("{one} and {other} never fire at the same instant: no {field} is in both; change that of one")]
    NothingShared {
        /// The one, described.
        one: String,
        /// The other, described.
        other: String,
        /// The field.
        field: &'static str,
    },
    /// Nothing was found within the [`LEAP_LIMIT`] or the [`SHARED_LIMIT`].
    #[error(
        "{what}: no fire was found among the first {looked_at} instants, so it is taken for one that never fires"
    )]
    NeverFires {
        /// The trigger, described.
        what: String,
        /// How many instants were looked at.
        looked_at: usize,
    },
}

/// Fires when any of its members does: the union. Instants that several have are one.
///
/// ```
/// use std::sync::Arc;
/// use matins_core::Trigger;
/// use matins_triggers::{AnyTrigger, CronTrigger};
///
/// let weekdays: CronTrigger = "0 9 * * MON-FRI".parse().unwrap();
/// let weekend: CronTrigger = "0 11 * * SAT,SUN".parse().unwrap();
/// let any = AnyTrigger::new([Arc::new(weekdays) as Arc<dyn Trigger>, Arc::new(weekend)]).unwrap();
/// let friday_noon = "2026-11-27T12:00:00Z".parse().unwrap();
/// assert_eq!(any.next_after(friday_noon).unwrap().to_rfc3339(), "2026-11-28T11:00:00+00:00");
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "Members", into = "Members")]
pub struct AnyTrigger {
    of: Vec<Arc<dyn Trigger>>,
}

/// How `any` and `all` are saved.
#[derive(Serialize, Deserialize)]
struct Members {
    of: Vec<Arc<dyn Trigger>>,
}

impl AnyTrigger {
    /// The union of these.
    ///
    /// # Errors
    /// When there is none.
    pub fn new(of: impl IntoIterator<Item = Arc<dyn Trigger>>) -> Result<Self, CombineError> {
        let of: Vec<_> = of.into_iter().collect();
        if of.is_empty() { Err(CombineError::Empty) } else { Ok(Self { of }) }
    }
}

#[typetag::serde(name = "any")]
impl Trigger for AnyTrigger {
    fn next_after(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.of.iter().filter_map(|member| member.next_after(after)).min()
    }

    fn with_seed(&self, seed: u64) -> Option<Arc<dyn Trigger>> {
        Some(Arc::new(Self { of: seeded(&self.of, seed)? }))
    }

    fn describe(&self) -> String {
        joined(&self.of, "; or ")
    }
}

/// Fires when all of its members do: the intersection. It ends when one of them ends.
///
/// Intervals among the members are made one by arithmetic (the Chinese remainder theorem), and cut down to whole seconds
/// beside a cron trigger; cron triggers whose fields exclude each other are refused. For the rest the members leap over
/// each other; see [`LEAP_LIMIT`].
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "Members", into = "Members")]
pub struct AllTrigger {
    of: Vec<Arc<dyn Trigger>>,
    /// The members as they are asked: all intervals made one.
    reduced: Vec<Arc<dyn Trigger>>,
}

impl AllTrigger {
    /// The intersection of these.
    ///
    /// # Errors
    /// When there is none, when two intervals or two cron triggers never meet, and when nothing is found that all have in
    /// common.
    pub fn new(of: impl IntoIterator<Item = Arc<dyn Trigger>>) -> Result<Self, CombineError> {
        let of: Vec<_> = of.into_iter().collect();
        if of.is_empty() {
            return Err(CombineError::Empty);
        }
        let mut interval: Option<IntervalTrigger> = None;
        let mut reduced: Vec<Arc<dyn Trigger>> = Vec::new();
        for member in &of {
            match as_a::<IntervalTrigger>(member) {
                Some(one) => interval = Some(meeting(interval.as_ref(), one)?),
                None => reduced.push(member.clone()),
            }
        }
        let crons: Vec<&CronTrigger> = of.iter().filter_map(as_a).collect();
        for (index, one) in crons.iter().enumerate() {
            for other in &crons[index + 1..] {
                if let Some(field) = one.never_meets(other) {
                    let (one, other) = (one.describe(), other.describe());
                    return Err(CombineError::NothingShared { one, other, field });
                }
            }
        }
        if let (Some(one), [cron, ..]) = (&interval, &crons[..]) {
            let whole = one.intersection(&IntervalTrigger::whole_seconds());
            interval = Some(whole.ok_or_else(|| CombineError::NothingShared {
                one: one.describe(),
                other: cron.describe(),
                field: "whole second",
            })?);
        }
        reduced.extend(interval.map(|interval| Arc::new(interval) as Arc<dyn Trigger>));
        let trigger = Self { of, reduced };
        if trigger.next_after(DateTime::<Utc>::MIN_UTC).is_none() {
            return Err(CombineError::NeverFires { what: trigger.describe(), looked_at: LEAP_LIMIT });
        }
        Ok(trigger)
    }
}

/// What two intervals have in common.
fn meeting(one: Option<&IntervalTrigger>, other: &IntervalTrigger) -> Result<IntervalTrigger, CombineError> {
    let Some(one) = one else { return Ok(other.clone()) };
    one.intersection(other)
        .ok_or_else(|| CombineError::NeverMeet { one: one.describe(), other: other.describe() })
}

fn as_a<T: Trigger>(trigger: &Arc<dyn Trigger>) -> Option<&T> {
    let any: &dyn Any = &**trigger;
    any.downcast_ref()
}

#[typetag::serde(name = "all")]
impl Trigger for AllTrigger {
    fn next_after(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let mut candidate = after;
        let mut just_before = after;
        for _ in 0..LEAP_LIMIT {
            // Each member's first instant from the candidate on; all have it when none leaps further.
            let mut latest = candidate;
            for member in &self.reduced {
                latest = latest.max(member.next_after(just_before)?);
            }
            if latest == candidate {
                return Some(candidate);
            }
            candidate = latest;
            just_before = latest - TimeDelta::nanoseconds(1);
        }
        None
    }

    fn with_seed(&self, seed: u64) -> Option<Arc<dyn Trigger>> {
        let (of, reduced) = (seeded(&self.of, seed)?, seeded(&self.reduced, seed));
        Some(Arc::new(Self { of, reduced: reduced.unwrap_or_else(|| self.reduced.clone()) }))
    }

    fn describe(&self) -> String {
        joined(&self.of, "; and at the same time ")
    }
}

/// The first trigger's instants without those that the second has too.
///
/// Where both are cron triggers, stretches in which the second has all instants of the first are passed over by
/// arithmetic, however long. For the rest, instant after instant is looked at; see [`SHARED_LIMIT`].
///
/// ```
/// use std::sync::Arc;
/// use matins_core::Trigger;
/// use matins_triggers::{CronTrigger, ExceptTrigger};
///
/// let seconds: CronTrigger = "* * * * * *".parse().unwrap();
/// let christmas: CronTrigger = "* * * 25 12 *".parse().unwrap();
/// let trigger = ExceptTrigger::new(Arc::new(seconds), Arc::new(christmas)).unwrap();
/// let christmas_eve = "2026-12-24T23:59:59Z".parse().unwrap();
/// assert_eq!(trigger.next_after(christmas_eve).unwrap().to_rfc3339(), "2026-12-26T00:00:00+00:00");
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ExceptTrigger {
    of: Arc<dyn Trigger>,
    without: Arc<dyn Trigger>,
}

impl ExceptTrigger {
    /// The instants of `of` that `without` has not.
    ///
    /// # Errors
    /// When nothing is found that is left; see [`SHARED_LIMIT`].
    pub fn new(of: Arc<dyn Trigger>, without: Arc<dyn Trigger>) -> Result<Self, CombineError> {
        let trigger = Self { of, without };
        if trigger.next_after(DateTime::<Utc>::MIN_UTC).is_none() {
            return Err(CombineError::NeverFires { what: trigger.describe(), looked_at: SHARED_LIMIT });
        }
        Ok(trigger)
    }
}

#[typetag::serde(name = "except")]
impl Trigger for ExceptTrigger {
    fn next_after(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let mut after = after;
        for _ in 0..SHARED_LIMIT {
            let fire = self.of.next_after(after)?;
            if self.without.next_after(fire - TimeDelta::nanoseconds(1)) != Some(fire) {
                return Some(fire);
            }
            after = match (as_a::<CronTrigger>(&self.of), as_a::<CronTrigger>(&self.without)) {
                (Some(of), Some(without)) => of.shared_until(without, fire),
                _ => fire,
            };
        }
        None
    }

    fn with_seed(&self, seed: u64) -> Option<Arc<dyn Trigger>> {
        let (of, without) = (self.of.with_seed(seed), self.without.with_seed(seed));
        if of.is_none() && without.is_none() {
            return None;
        }
        let (of, without) =
            (of.unwrap_or_else(|| self.of.clone()), without.unwrap_or_else(|| self.without.clone()));
        Some(Arc::new(Self { of, without }))
    }

    fn describe(&self) -> String {
        format!("{}; but not {}", self.of.describe(), self.without.describe())
    }
}

/// A trigger's instants without those that fall on given local dates: holidays.
///
/// ```
/// use std::sync::Arc;
/// use matins_core::Trigger;
/// use matins_triggers::{CronTrigger, ExceptDatesTrigger, Zone};
///
/// let opening: CronTrigger = "0 9 * * MON-FRI Europe/Berlin".parse().unwrap();
/// let holidays = ["2026-12-24", "2026-12-25"].map(|date| date.parse().unwrap());
/// let trigger = ExceptDatesTrigger::new(Arc::new(opening), holidays, Zone::named("Europe/Berlin").unwrap());
/// let fire = trigger.next_after("2026-12-23T12:00:00Z".parse().unwrap()).unwrap();
/// assert_eq!(fire.to_rfc3339(), "2026-12-28T08:00:00+00:00");
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ExceptDatesTrigger {
    of: Arc<dyn Trigger>,
    dates: BTreeSet<NaiveDate>,
    zone: Zone,
}

impl ExceptDatesTrigger {
    /// The instants of `of` at which the calendar in `zone` shows none of these dates.
    pub fn new(of: Arc<dyn Trigger>, dates: impl IntoIterator<Item = NaiveDate>, zone: Zone) -> Self {
        Self { of, dates: dates.into_iter().collect(), zone }
    }
}

#[typetag::serde(name = "except_dates")]
impl Trigger for ExceptDatesTrigger {
    fn next_after(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let mut after = after;
        loop {
            let fire = self.of.next_after(after)?;
            let date = self.zone.local(fire).date();
            if !self.dates.contains(&date) {
                return Some(fire);
            }
            // To the end of that day. In the second pass of an overlap at midnight that may lie before the fire.
            let next_day = self.zone.instant_of(date.succ_opt()?.and_time(NaiveTime::MIN))?;
            after = (next_day - TimeDelta::nanoseconds(1)).max(fire);
        }
    }

    fn with_seed(&self, seed: u64) -> Option<Arc<dyn Trigger>> {
        let of = self.of.with_seed(seed)?;
        Some(Arc::new(Self { of, dates: self.dates.clone(), zone: self.zone }))
    }

    fn describe(&self) -> String {
        let dates: Vec<String> = self.dates.iter().map(ToString::to_string).collect();
        match &dates[..] {
            [] => self.of.describe(),
            [first, .., last] if dates.len() > 5 => {
                format!("{}; but not on {} days from {first} to {last}", self.of.describe(), dates.len())
            }
            _ => format!("{}; but not on {}", self.of.describe(), dates.join(", ")),
        }
    }
}

/// The members with a seed; `None` if none of them needs one.
fn seeded(members: &[Arc<dyn Trigger>], seed: u64) -> Option<Vec<Arc<dyn Trigger>>> {
    let seeded: Vec<_> = members.iter().map(|member| member.with_seed(seed)).collect();
    if seeded.iter().all(Option::is_none) {
        return None;
    }
    let all = seeded.into_iter().zip(members);
    Some(all.map(|(seeded, member)| seeded.unwrap_or_else(|| member.clone())).collect())
}

fn joined(members: &[Arc<dyn Trigger>], by: &str) -> String {
    members.iter().map(|member| member.describe()).collect::<Vec<_>>().join(by)
}

impl TryFrom<Members> for AnyTrigger {
    type Error = CombineError;

    fn try_from(saved: Members) -> Result<Self, CombineError> {
        Self::new(saved.of)
    }
}

impl TryFrom<Members> for AllTrigger {
    type Error = CombineError;

    fn try_from(saved: Members) -> Result<Self, CombineError> {
        Self::new(saved.of)
    }
}

impl From<AnyTrigger> for Members {
    fn from(trigger: AnyTrigger) -> Self {
        Self { of: trigger.of }
    }
}

impl From<AllTrigger> for Members {
    fn from(trigger: AllTrigger) -> Self {
        Self { of: trigger.of }
    }
}

macro_rules! display_is_description {
    ($($trigger:ty),*) => {
        $(impl fmt::Display for $trigger {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.describe())
            }
        })*
    };
}
display_is_description!(AnyTrigger, AllTrigger, ExceptTrigger, ExceptDatesTrigger);
