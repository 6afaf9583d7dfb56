//! Triggers made of triggers, by set algebra: union, intersection, difference.

mod common;
mod except;
mod except_dates;
mod union_count;

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use matins_core::{After, CountBudget, CountProgress, FireRange, Trigger};
use serde::{Deserialize, Serialize};

pub use except::ExceptTrigger;
pub use except_dates::ExceptDatesTrigger;

use crate::cron::CronTrigger;
use crate::interval::IntervalTrigger;
use crate::last_fire::{just_after, just_before, last_fire};
use crate::saved::Saved;
use crate::text;

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
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CombineError {
    /// There is nothing to combine.
    Empty,
    /// Two intervals whose fires never coincide.
    NeverMeet {
        /// The one, described.
        one: String,
        /// The other, described.
        other: String,
    },
    /// Two triggers, one of them a cron trigger, that have no value of a field in common.
    NothingShared {
        /// The one, described.
        one: String,
        /// The other, described.
        other: String,
        /// The field.
        field: &'static str,
    },
    /// Nothing was found within the [`LEAP_LIMIT`] or the [`SHARED_LIMIT`].
    NeverFires {
        /// The trigger, described.
        what: String,
        /// How many instants were looked at.
        looked_at: usize,
    },
}

impl fmt::Display for CombineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("nothing is given to combine; give at least one trigger"),
            Self::NeverMeet { one, other } => write!(
                f,
                "{one} and {other} never fire at the same instant: their fires keep a distance; give one \
                 the other's start"
            ),
            Self::NothingShared { one, other, field } => write!(
                f,
                "{one} and {other} never fire at the same instant: no {field} is in both; change that of one"
            ),
            Self::NeverFires { what, looked_at } => write!(
                f,
                "{what}: no fire was found among the first {looked_at} instants, so it is taken for one \
                 that never fires"
            ),
        }
    }
}

impl Error for CombineError {}

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
#[serde(try_from = "Saved<Members>", into = "Members")]
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
    /// If `of` is empty.
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

    fn previous_before(&self, before: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.of.iter().filter_map(|member| member.previous_before(before)).max()
    }

    fn includes(&self, instant: DateTime<Utc>) -> bool {
        self.of.iter().any(|member| member.includes(instant))
    }

    fn fire_range_within(
        &self,
        after: DateTime<Utc>,
        until: DateTime<Utc>,
        budget: &mut CountBudget,
    ) -> CountProgress {
        if let [only] = &self.of[..] {
            return only.fire_range_within(after, until, budget);
        }
        let Some(count) = union_count::by_arithmetic(&self.of, after, until, budget) else {
            return union_count::by_the_rarer(&self.of, after, until, budget);
        };
        let fires = ends(self, count, after, until, budget);
        CountProgress { fires, through: until }
    }

    fn with_seed(&self, seed: u64) -> Option<Arc<dyn Trigger>> {
        Some(Arc::new(Self { of: seeded(&self.of, seed)? }))
    }

    fn has_fixed_times(&self) -> bool {
        self.of.iter().all(|of| of.has_fixed_times())
    }

    fn added_at(&self, from: DateTime<Utc>, to: DateTime<Utc>) -> Option<Arc<dyn Trigger>> {
        Some(Arc::new(Self { of: changed(&self.of, |of| of.added_at(from, to))? }))
    }

    /// That of the first member that has one.
    fn after(&self) -> Option<&After> {
        self.of.iter().find_map(|member| member.after())
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
#[serde(try_from = "Saved<Members>", into = "Members")]
pub struct AllTrigger {
    of: Vec<Arc<dyn Trigger>>,
    /// The members as they are asked: all intervals made one.
    reduced: Vec<Arc<dyn Trigger>>,
}

impl AllTrigger {
    /// The intersection of these.
    ///
    /// ```
    /// use matins_triggers::{AllTrigger, CronTrigger, Trigger};
    ///
    /// use std::sync::Arc;
    ///
    /// let friday: CronTrigger = "0 9 * * FRI".parse()?;
    /// let thirteenth: CronTrigger = "0 9 13 * *".parse()?;
    /// let both = AllTrigger::new([Arc::new(friday) as Arc<dyn Trigger>, Arc::new(thirteenth)])?;
    /// let fire = both.next_after("2026-04-01T00:00:00Z".parse()?).unwrap();
    /// assert_eq!(fire.to_rfc3339(), "2026-11-13T09:00:00+00:00");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If `of` is empty, when two intervals or two cron triggers never meet, and when nothing is found that all have in
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

impl AllTrigger {
    /// The next instant; `on_leap` is called each time that the members leap.
    #[inline]
    fn leap(&self, after: DateTime<Utc>, mut on_leap: impl FnMut()) -> Option<DateTime<Utc>> {
        let mut candidate = after;
        let mut before = after;
        for _ in 0..LEAP_LIMIT {
            on_leap();
            // Each member's first instant from the candidate on; all have it when none leaps further.
            let mut latest = candidate;
            for member in &self.reduced {
                latest = latest.max(member.next_after(before)?);
            }
            if latest == candidate {
                return Some(candidate);
            }
            candidate = latest;
            before = just_before(latest);
        }
        None
    }
}

#[typetag::serde(name = "all")]
impl Trigger for AllTrigger {
    fn next_after(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.leap(after, || ())
    }

    fn previous_before(&self, before: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let (mut candidate, mut after) = (before, before);
        for _ in 0..LEAP_LIMIT {
            // Each member's last instant up to the candidate; all have it when none leaps further.
            let mut earliest = candidate;
            for member in &self.reduced {
                earliest = earliest.min(member.previous_before(after)?);
            }
            if earliest == candidate {
                return Some(candidate);
            }
            candidate = earliest;
            after = just_after(earliest);
        }
        None
    }

    fn includes(&self, instant: DateTime<Utc>) -> bool {
        self.reduced.iter().all(|member| member.includes(instant))
    }

    /// Cron triggers of one zone, and intervals, are counted by arithmetic. The rest is counted from fire to fire, in slices.
    fn fire_range_within(
        &self,
        after: DateTime<Utc>,
        until: DateTime<Utc>,
        budget: &mut CountBudget,
    ) -> CountProgress {
        if let [only] = &self.reduced[..] {
            return only.fire_range_within(after, until, budget);
        }
        if let Some(count) = common::count(&self.reduced, after, until, budget) {
            let fires = ends(self, count, after, until, budget);
            return CountProgress { fires, through: until };
        }
        let (mut fires, mut last) = (None, after);
        loop {
            let next = self.leap(last, || budget.spend(self.reduced.len() as u64));
            let Some(next) = next.filter(|next| *next > last && *next <= until) else {
                return CountProgress { fires, through: until };
            };
            fires = FireRange::concat(fires, Some(FireRange::single(next)));
            last = next;
            if budget.is_spent() {
                return CountProgress { fires, through: last };
            }
        }
    }

    fn with_seed(&self, seed: u64) -> Option<Arc<dyn Trigger>> {
        let (of, reduced) = (seeded(&self.of, seed)?, seeded(&self.reduced, seed));
        Some(Arc::new(Self { of, reduced: reduced.unwrap_or_else(|| self.reduced.clone()) }))
    }

    fn has_fixed_times(&self) -> bool {
        self.of.iter().any(|of| of.has_fixed_times())
    }

    fn added_at(&self, from: DateTime<Utc>, to: DateTime<Utc>) -> Option<Arc<dyn Trigger>> {
        let of = changed(&self.of, |of| of.added_at(from, to))?;
        Self::new(of).ok().map(|trigger| Arc::new(trigger) as Arc<dyn Trigger>)
    }

    fn describe(&self) -> String {
        joined(&self.of, "; and at the same time ")
    }
}

/// The fires in `(after, until]`, of which there are so many.
fn ends(
    trigger: &dyn Trigger,
    count: u64,
    after: DateTime<Utc>,
    until: DateTime<Utc>,
    budget: &mut CountBudget,
) -> Option<FireRange> {
    if count == 0 {
        return None;
    }
    let first = trigger.next_after(after).filter(|first| *first <= until)?;
    let last = if count == 1 { first } else { last_fire(trigger, first, until, budget) };
    Some(FireRange { first, last, count })
}

/// The members with a seed; `None` if none of them needs one.
fn seeded(members: &[Arc<dyn Trigger>], seed: u64) -> Option<Vec<Arc<dyn Trigger>>> {
    changed(members, |member| member.with_seed(seed))
}

/// The members, some of them changed; `None` if none is.
fn changed(
    members: &[Arc<dyn Trigger>],
    change: impl Fn(&Arc<dyn Trigger>) -> Option<Arc<dyn Trigger>>,
) -> Option<Vec<Arc<dyn Trigger>>> {
    let changed: Vec<_> = members.iter().map(change).collect();
    if changed.iter().all(Option::is_none) {
        return None;
    }
    let all = changed.into_iter().zip(members);
    Some(all.map(|(changed, member)| changed.unwrap_or_else(|| member.clone())).collect())
}

fn joined(members: &[Arc<dyn Trigger>], by: &str) -> String {
    members.iter().map(|member| member.describe()).collect::<Vec<_>>().join(by)
}

impl TryFrom<Saved<Members>> for AnyTrigger {
    type Error = CombineError;

    fn try_from(Saved(saved): Saved<Members>) -> Result<Self, CombineError> {
        Self::new(saved.of)
    }
}

impl TryFrom<Saved<Members>> for AllTrigger {
    type Error = CombineError;

    fn try_from(Saved(saved): Saved<Members>) -> Result<Self, CombineError> {
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

/// `any(0 9 * * *; P2D from 2026-01-01T00:00:00Z)`: see [`parse_trigger`](crate::parse_trigger).
impl fmt::Display for AnyTrigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        text::begin(f, "any", &self.of)?;
        f.write_str(")")
    }
}

/// `all(0 9 * * *; P2D from 2026-01-01T09:00:00Z)`: see [`parse_trigger`](crate::parse_trigger).
impl fmt::Display for AllTrigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        text::begin(f, "all", &self.of)?;
        f.write_str(")")
    }
}
