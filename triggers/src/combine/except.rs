//! The difference of two triggers.

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use matins_core::{CountBudget, CountProgress, FireRange, Trigger, previous_by_search};
use serde::{Deserialize, Serialize};

use super::{CombineError, SHARED_LIMIT, as_a, common, ends};
use crate::cron::CronTrigger;
use crate::last_fire::{just_before, last_fire};
use crate::saved::Saved;
use crate::text;

/// The first trigger's instants without those that the second has too.
///
/// Where both are cron triggers, ranges in which the second has all instants of the first are passed over by
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
#[serde(from = "Saved<Fields>")]
pub struct ExceptTrigger {
    of: Arc<dyn Trigger>,
    without: Arc<dyn Trigger>,
}

#[derive(Deserialize)]
struct Fields {
    of: Arc<dyn Trigger>,
    without: Arc<dyn Trigger>,
}

impl From<Saved<Fields>> for ExceptTrigger {
    fn from(Saved(Fields { of, without }): Saved<Fields>) -> Self {
        Self { of, without }
    }
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

/// `except(0 9 * * *; 0 9 25 12 *)`: see [`parse_trigger`](crate::parse_trigger).
impl fmt::Display for ExceptTrigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        text::begin(f, "except", [&self.of, &self.without])?;
        f.write_str(")")
    }
}

#[typetag::serde(name = "except")]
impl Trigger for ExceptTrigger {
    fn next_after(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let mut after = after;
        for _ in 0..SHARED_LIMIT {
            let fire = self.of.next_after(after)?;
            if self.without.next_after(just_before(fire)) != Some(fire) {
                return Some(fire);
            }
            after = match (as_a::<CronTrigger>(&self.of), as_a::<CronTrigger>(&self.without)) {
                (Some(of), Some(without)) => of.shared_until(without, fire),
                _ => fire,
            };
        }
        None
    }

    fn previous_before(&self, before: DateTime<Utc>) -> Option<DateTime<Utc>> {
        /// After so many shared instants of two cron triggers, the search by `next_after`, which passes over all that are
        /// shared by arithmetic, is faster than to look at the next one.
        const LOOKED_AT: usize = 200;
        let are_crons =
            as_a::<CronTrigger>(&self.of).is_some() && as_a::<CronTrigger>(&self.without).is_some();
        let mut before = before;
        for _ in 0..if are_crons { LOOKED_AT } else { SHARED_LIMIT } {
            let fire = self.of.previous_before(before)?;
            if !self.without.includes(fire) {
                return Some(fire);
            }
            before = fire;
        }
        are_crons.then(|| previous_by_search(|after| self.next_after(after), before)).flatten()
    }

    fn includes(&self, instant: DateTime<Utc>) -> bool {
        self.of.includes(instant) && !self.without.includes(instant)
    }

    /// Cron triggers of one zone, and intervals, are counted by arithmetic. For the rest, the fires of the rarer of the two
    /// are looked at one by one, in slices.
    fn fire_range_within(
        &self,
        after: DateTime<Utc>,
        until: DateTime<Utc>,
        budget: &mut CountBudget,
    ) -> CountProgress {
        let both = [self.of.clone(), self.without.clone()];
        let (all, shared) =
            (common::count(&both[..1], after, until, budget), common::count(&both, after, until, budget));
        if let (Some(all), Some(shared)) = (all, shared) {
            let fires = ends(self, all.saturating_sub(shared), after, until, budget);
            return CountProgress { fires, through: until };
        }
        self.count_by_the_rarer(after, until, budget)
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

    fn has_fixed_times(&self) -> bool {
        self.of.has_fixed_times()
    }

    fn added_at(&self, from: DateTime<Utc>, to: DateTime<Utc>) -> Option<Arc<dyn Trigger>> {
        let (of, without) = (self.of.added_at(from, to), self.without.added_at(from, to));
        if of.is_none() && without.is_none() {
            return None;
        }
        let (of, without) =
            (of.unwrap_or_else(|| self.of.clone()), without.unwrap_or_else(|| self.without.clone()));
        Self::new(of, without).ok().map(|trigger| Arc::new(trigger) as Arc<dyn Trigger>)
    }

    fn describe(&self) -> String {
        format!("{}; but not {}", self.of.describe(), self.without.describe())
    }
}

impl ExceptTrigger {
    fn count_by_the_rarer(
        &self,
        after: DateTime<Utc>,
        until: DateTime<Utc>,
        budget: &mut CountBudget,
    ) -> CountProgress {
        // A quarter for each of the two, and the rest to look at the fires of one of them.
        let share = budget.left() / 4;
        let count = |of: &dyn Trigger, until, budget: &mut CountBudget| {
            let mut part = CountBudget::new(share);
            let counted = of.fire_range_within(after, until, &mut part);
            budget.spend((share - part.left()).max(1));
            counted
        };
        let all = count(&*self.of, until, budget);
        let excluded = count(&*self.without, all.through, budget);
        let Some(of) = all.fires else { return all };
        let number = |fires: Option<FireRange>| fires.map_or(0, |fires| fires.count);
        if of.count <= number(excluded.fires) {
            return self.walk(after, excluded.through, budget);
        }
        let Some(fires) = excluded.fires else {
            // None is excluded up to there.
            let fires = self.of.fire_range(after, excluded.through);
            return CountProgress { fires, through: excluded.through };
        };
        // How many of the excluded instants the trigger has.
        let (mut shared, mut through) = (0, excluded.through);
        let mut fire = fires.first;
        loop {
            budget.spend(2);
            shared += u64::from(has(&*self.of, fire));
            let next = self.without.next_after(fire).filter(|next| *next > fire && *next <= through);
            let Some(next) = next else { break };
            if budget.is_spent() {
                through = fire;
                break;
            }
            fire = next;
        }
        let of = if through == all.through { all.fires } else { self.of.fire_range(after, through) };
        let fires = of.and_then(|of| self.without_shared(of, shared, after, through, budget));
        CountProgress { fires, through }
    }

    /// What is left of the fires of a trigger, if so many of them are excluded.
    fn without_shared(
        &self,
        of: FireRange,
        shared: u64,
        after: DateTime<Utc>,
        through: DateTime<Utc>,
        budget: &mut CountBudget,
    ) -> Option<FireRange> {
        /// So many instants are looked at one by one, before the last one that is left is searched for.
        const LOOKED_AT: usize = 16;
        let count = of.count.saturating_sub(shared);
        let mut last = of.last;
        for _ in 0..LOOKED_AT {
            if count < 2 || !has(&*self.without, last) {
                break;
            }
            last = last_fire(&*self.of, of.first, just_before(last), budget);
        }
        if count < 2 || has(&*self.without, last) {
            return ends(self, count, after, through, budget);
        }
        let first = self.next_after(after).filter(|first| *first <= through)?;
        Some(FireRange { first, last, count })
    }

    /// From fire to fire.
    fn walk(&self, after: DateTime<Utc>, until: DateTime<Utc>, budget: &mut CountBudget) -> CountProgress {
        let (mut fires, mut last) = (None, after);
        loop {
            budget.spend(2);
            let next = self.of.next_after(last).filter(|next| *next > last && *next <= until);
            let Some(next) = next else { return CountProgress { fires, through: until } };
            if !has(&*self.without, next) {
                fires = FireRange::concat(fires, Some(FireRange::single(next)));
            }
            last = next;
            if budget.is_spent() {
                return CountProgress { fires, through: last };
            }
        }
    }
}

/// Whether an instant is one of a trigger's.
pub(super) fn has(trigger: &dyn Trigger, instant: DateTime<Utc>) -> bool {
    trigger.next_after(just_before(instant)) == Some(instant)
}
