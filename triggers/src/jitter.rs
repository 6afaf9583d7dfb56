//! A trigger whose instants are shifted a little, always by the same amount.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use matins_core::{CountBudget, CountProgress, FireRange, IntoDuration, Trigger, round_up_to_microsecond};
use serde::{Deserialize, Serialize};

use crate::duration::{self, Parts};
use crate::last_fire::{just_after, just_before, last_fire};
use crate::saved::Saved;
use crate::text;

/// About what it costs to look at the ends of a count: two searches by halving.
const STEPS_AT_THE_ENDS: u64 = 64;

/// Moves each instant of a trigger to a later one, by at most `max`: many jobs with one schedule and different seeds then
/// do not all start at once.
///
/// The shift is a pure function of the instant and the seed, in whole microseconds, spread evenly over 0 to `max`. It never
/// reaches the trigger's next instant, so that the order is kept and no two instants fall together.
///
/// # The seed
/// A trigger that is made [without a seed](Self::unseeded) gets one from the id of its job, when the job is added: see
/// [`Trigger::with_seed`]. It is saved with the job. Without a job, it shifts as if its seed were 0.
///
/// # The first fire
/// It is the first instant of the trigger, shifted. `every(30.seconds()).jitter(10.seconds())` first fires 30 to 40 seconds
/// after its job is added: an [`every`](crate::every) without a start has no instant at which the job is added.
/// Where the trigger has an instant shortly before, as `cron("0 * * * *").jitter(5.minutes())` has at 09:01, that fire may
/// still be to come.
///
/// ```
/// use std::sync::Arc;
/// use chrono::{DateTime, TimeDelta, Utc};
/// use matins_core::Trigger;
/// use matins_triggers::{CronTrigger, JitterTrigger};
///
/// let hourly: CronTrigger = "0 * * * *".parse().unwrap();
/// let trigger = JitterTrigger::new(Arc::new(hourly), TimeDelta::minutes(5), 7).unwrap();
/// let nine: DateTime<Utc> = "2026-11-24T09:00:00Z".parse().unwrap();
/// let fire = trigger.next_after(nine - TimeDelta::seconds(1)).unwrap();
/// assert!(fire >= nine && fire <= nine + TimeDelta::minutes(5));
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "Saved<Fields>", into = "Fields")]
pub struct JitterTrigger {
    of: Arc<dyn Trigger>,
    max_micros: i64,
    seed: Option<u64>,
    /// The seed, mixed.
    key: u64,
}

#[derive(Serialize, Deserialize)]
struct Fields {
    of: Arc<dyn Trigger>,
    max_micros: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    seed: Option<u64>,
}

/// A jitter that is not valid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JitterError {
    /// The jitter given.
    pub max: TimeDelta,
}

impl fmt::Display for JitterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { max } = self;
        write!(f, "a jitter must be from 0 to 292,000 years, and was given as {max}")
    }
}

impl Error for JitterError {}

impl JitterTrigger {
    /// Returns the instants of `of`, each shifted by 0 to `max`, cut to the microsecond.
    ///
    /// # Errors
    /// If `max` is negative, or longer than can be held.
    pub fn new(of: Arc<dyn Trigger>, max: impl IntoDuration, seed: u64) -> Result<Self, JitterError> {
        Self::with(of, max.into_time_delta(), Some(seed))
    }

    /// Returns the same without a seed: the scheduler makes it from the id of the job.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use chrono::TimeDelta;
    /// use matins_core::{JobId, Trigger};
    /// use matins_triggers::{CronTrigger, JitterTrigger};
    ///
    /// let hourly: CronTrigger = "0 * * * *".parse().unwrap();
    /// let trigger = JitterTrigger::unseeded(Arc::new(hourly), TimeDelta::minutes(5)).unwrap();
    /// let of = |id: &str| trigger.with_seed(JobId::new(id).unwrap().seed()).unwrap();
    /// let nine = "2026-11-24T09:00:00Z".parse().unwrap();
    /// assert_ne!(of("one").next_after(nine), of("other").next_after(nine));
    /// ```
    ///
    /// # Errors
    /// If `max` is negative, or longer than can be held.
    pub fn unseeded(of: Arc<dyn Trigger>, max: impl IntoDuration) -> Result<Self, JitterError> {
        Self::with(of, max.into_time_delta(), None)
    }

    fn with(of: Arc<dyn Trigger>, max: TimeDelta, seed: Option<u64>) -> Result<Self, JitterError> {
        let max_micros = max.num_microseconds().filter(|max| *max >= 0).ok_or(JitterError { max })?;
        Ok(Self { of, max_micros, seed, key: mix(seed.unwrap_or(0)) })
    }

    /// Returns the seed, if it has one.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use matins_triggers::{CronTrigger, JitterTrigger, TimeUnits};
    ///
    /// let hourly: CronTrigger = "0 * * * *".parse()?;
    /// assert_eq!(JitterTrigger::new(Arc::new(hourly.clone()), 5.minutes(), 7)?.seed(), Some(7));
    /// // A scheduler gives it a seed when its job is added.
    /// assert_eq!(JitterTrigger::unseeded(Arc::new(hourly), 5.minutes())?.seed(), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn seed(&self) -> Option<u64> {
        self.seed
    }

    /// Returns the trigger whose instants are shifted.
    ///
    /// ```
    /// # use matins_triggers::Trigger;
    /// use std::sync::Arc;
    /// use matins_triggers::{CronTrigger, JitterTrigger, TimeUnits};
    ///
    /// let hourly: CronTrigger = "0 * * * *".parse()?;
    /// let jitter = JitterTrigger::unseeded(Arc::new(hourly), 5.minutes())?;
    /// assert_eq!(jitter.of().describe(), "every hour, UTC");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn of(&self) -> &Arc<dyn Trigger> {
        &self.of
    }

    /// The last instant of the inner trigger at or before `at`, where that is not more than `max` before it.
    fn last_until(&self, at: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let last = self.of.previous_before(just_after(at)).filter(|last| *last <= at)?;
        // Instants that are further away than can be told are more than `max` away.
        (at - last).num_microseconds().is_some_and(|back| back <= self.max_micros).then_some(last)
    }

    /// Where an instant of the inner trigger is moved to.
    fn shifted(&self, instant: DateTime<Utc>) -> DateTime<Utc> {
        let instant = round_up_to_microsecond(instant);
        let room = match self.of.next_after(instant) {
            Some(next) => (next - instant).num_microseconds().map_or(self.max_micros, |gap| gap - 1),
            None => self.max_micros,
        };
        let choices = room.clamp(0, self.max_micros) as u64 + 1;
        let hash = mix(instant.timestamp_micros() as u64 ^ self.key);
        // The high part of the product spreads evenly: Lemire, "Fast Random Integer Generation in an Interval", 2019.
        let shift = (u128::from(hash) * u128::from(choices)) >> 64;
        instant.checked_add_signed(TimeDelta::microseconds(shift as i64)).unwrap_or(instant)
    }
}

/// The finalizer of `SplitMix64`: Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators", 2014.
fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ value >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ value >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ value >> 31
}

impl TryFrom<Saved<Fields>> for JitterTrigger {
    type Error = JitterError;

    fn try_from(Saved(saved): Saved<Fields>) -> Result<Self, JitterError> {
        Self::with(saved.of, TimeDelta::microseconds(saved.max_micros), saved.seed)
    }
}

impl From<JitterTrigger> for Fields {
    fn from(trigger: JitterTrigger) -> Self {
        Self { of: trigger.of, max_micros: trigger.max_micros, seed: trigger.seed }
    }
}

#[typetag::serde(name = "jitter")]
impl Trigger for JitterTrigger {
    fn next_after(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        // Only the last instant before `after` can still be shifted past it: those before it stay before it.
        if let Some(fire) = self.last_until(after).map(|last| self.shifted(last)).filter(|fire| *fire > after)
        {
            return Some(fire);
        }
        self.of.next_after(after).map(|next| self.shifted(next))
    }

    fn previous_before(&self, before: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let last = self.of.previous_before(before)?;
        let fire = self.shifted(last);
        if fire < before {
            return Some(fire);
        }
        // The instant before that one is shifted to before that one.
        self.of.previous_before(last).map(|earlier| self.shifted(earlier))
    }

    fn fire_range_within(
        &self,
        after: DateTime<Utc>,
        until: DateTime<Utc>,
        budget: &mut CountBudget,
    ) -> CountProgress {
        // Each instant stays before the next one. So the inner trigger is counted, and only the last instants before
        // both ends have to be looked at.
        let counted = self.of.fire_range_within(after, until, budget);
        let through = counted.through;
        budget.spend(STEPS_AT_THE_ENDS);
        let moved_in = self.last_until(after).map(|last| self.shifted(last)).filter(|fire| *fire > after);
        let (count, last) = match counted.fires {
            None => (0, None),
            Some(inner) => {
                let last = self.shifted(inner.last);
                if last <= through {
                    (inner.count, Some(last))
                } else if inner.count == 1 {
                    (0, None)
                } else {
                    let last = last_fire(&*self.of, inner.first, just_before(inner.last), budget);
                    (inner.count - 1, Some(self.shifted(last)))
                }
            }
        };
        // Where there is an inner instant in between, what is moved in comes before it.
        let moved_in = moved_in.filter(|fire| *fire <= through);
        let own = counted.fires.zip(last).map(|(inner, last)| FireRange {
            first: self.shifted(inner.first),
            last,
            count,
        });
        CountProgress { fires: FireRange::concat(moved_in.map(FireRange::single), own), through }
    }

    fn with_seed(&self, seed: u64) -> Option<Arc<dyn Trigger>> {
        let of = self.of.with_seed(seed);
        if of.is_none() && self.seed.is_some() {
            return None;
        }
        let (own, of) = (self.seed.unwrap_or(seed), of.unwrap_or_else(|| self.of.clone()));
        Some(Arc::new(Self { of, max_micros: self.max_micros, seed: Some(own), key: mix(own) }))
    }

    fn has_fixed_times(&self) -> bool {
        self.of.has_fixed_times()
    }

    fn added_at(&self, from: DateTime<Utc>, to: DateTime<Utc>) -> Option<Arc<dyn Trigger>> {
        Some(Arc::new(Self { of: self.of.added_at(from, to)?, ..self.clone() }))
    }

    fn describe(&self) -> String {
        let max = crate::interval::in_words(self.max_micros, "0 seconds");
        format!("{}, each up to {max} later", self.of.describe())
    }
}

/// `jitter(0 * * * *; PT5M; seed 7)`: see [`parse_trigger`](crate::parse_trigger).
impl fmt::Display for JitterTrigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        text::begin(f, "jitter", [&self.of])?;
        write!(f, "; {}", duration::write(Parts::elapsed(self.max_micros)))?;
        match self.seed {
            Some(seed) => write!(f, "; seed {seed})"),
            None => f.write_str(")"),
        }
    }
}
