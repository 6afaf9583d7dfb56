//! When does a job fire? A trigger is a set of instants, and its one required method is the successor in that set.

use std::any::Any;
use std::fmt::Debug;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use crate::instants::just_before;
use crate::{After, CountBudget, CountProgress, FireRange, TriggerError, json, previous_by_search};

/// A set of instants, asked through its successor function.
///
/// A trigger holds no state that changes and reads no clock: the same question always has the same answer.
/// What has fired already is the store's business, not the trigger's. That makes a trigger something that can be
/// tested by laws; `matins-conformance` runs them against any implementation:
///
/// * **progress**: the answer is later than `after`;
/// * **order**: `a <= b` implies `next_after(a) <= next_after(b)` (none counts as latest);
/// * **no skips**: every instant `s` with `t <= s < next_after(t)` has the same answer as `t`;
/// * **mirror**: [`previous_before`](Self::previous_before) is the predecessor in the same set: no instant lies between
///   `previous_before(t)` and `t`, and `next_after(previous_before(t))` is not earlier than `t`;
/// * **purity**: asked again, it answers the same, also after a round trip through serde;
/// * **counting**: [`fire_range`](Self::fire_range) counts what a walk from instant to instant would count, at once or in slices.
///
/// # Saving
/// A trigger is saved with its type's name, so that a store can hold triggers it has never heard of. Put
/// `#[typetag::serde(name = "...")]` on the `impl` block (the crate `typetag`) and derive serde's traits on the type;
/// the name must be unique in the program, and must not change once jobs are saved with it. Without that attribute the compiler
/// reports that `typetag_name` is missing.
///
/// The smallest implementation is shown on the [crate's page](crate).
///
/// ```
/// use chrono::{DateTime, TimeDelta, Utc};
/// use matins_core::Trigger;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Debug, Serialize, Deserialize)]
/// struct EachMinute;
///
/// #[typetag::serde(name = "each minute, described")]
/// impl Trigger for EachMinute {
///     fn next_after(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
///         DateTime::from_timestamp((after.timestamp().div_euclid(60) + 1) * 60, 0)
///     }
///
///     fn describe(&self) -> String {
///         "every minute".to_owned()
///     }
/// }
///
/// let noon: DateTime<Utc> = "2026-01-01T12:00:00Z".parse()?;
/// assert_eq!(EachMinute.next_after(noon), Some(noon + TimeDelta::minutes(1)));
/// assert_eq!(EachMinute.fire_range(noon, noon + TimeDelta::hours(1)).unwrap().count, 60);
/// assert_eq!(EachMinute.describe(), "every minute");
/// // It follows elapsed time, wherever its job was added, and no other job.
/// assert!(!EachMinute.has_fixed_times());
/// assert!(EachMinute.added_at(noon, noon + TimeDelta::hours(1)).is_none());
/// assert!(EachMinute.after().is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a trigger",
    label = "this does not implement `Trigger`",
    note = "triggers are made by `every(5.minutes())`, `cron(\"0 9 * * MON-FRI\")`, `at(\"2026-12-24T18:00\")` and by types such as `CronTrigger`",
    note = "to implement `Trigger` for a type, derive `serde::Serialize` and `serde::Deserialize`, and put `#[typetag::serde(name = \"...\")]` on the `impl`"
)]
#[typetag::serde(tag = "type")]
pub trait Trigger: Any + Debug + Send + Sync {
    /// The first instant of the set that is strictly later than `after`, or `None` when there are no more.
    fn next_after(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>>;

    /// Returns the last instant of the set that is strictly earlier than `before`, or `None` if all of them are later.
    ///
    /// It mirrors [`next_after`](Self::next_after): at a gap or an overlap of local time too, both know the same instants.
    /// The default searches with `next_after` alone ([`previous_by_search`]), in some hundred calls. A trigger that can compute
    /// its predecessor should; all those of `matins-triggers` do.
    ///
    /// ```
    /// use chrono::{DateTime, TimeDelta, Utc};
    /// use matins_core::Trigger;
    /// use serde::{Deserialize, Serialize};
    ///
    /// #[derive(Debug, Serialize, Deserialize)]
    /// struct EachMinute;
    ///
    /// #[typetag::serde(name = "each minute, backwards")]
    /// impl Trigger for EachMinute {
    ///     fn next_after(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
    ///         DateTime::from_timestamp((after.timestamp().div_euclid(60) + 1) * 60, 0)
    ///     }
    /// }
    ///
    /// let now = DateTime::UNIX_EPOCH + TimeDelta::seconds(150);
    /// assert_eq!(EachMinute.previous_before(now), Some(DateTime::UNIX_EPOCH + TimeDelta::minutes(2)));
    /// ```
    fn previous_before(&self, before: DateTime<Utc>) -> Option<DateTime<Utc>> {
        previous_by_search(|after| self.next_after(after), before)
    }

    /// Returns whether `instant` is one of the set.
    ///
    /// ```
    /// use chrono::{DateTime, TimeDelta, Utc};
    /// use matins_core::Trigger;
    /// use serde::{Deserialize, Serialize};
    ///
    /// #[derive(Debug, Serialize, Deserialize)]
    /// struct EachMinute;
    ///
    /// #[typetag::serde(name = "each minute, asked for one")]
    /// impl Trigger for EachMinute {
    ///     fn next_after(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
    ///         DateTime::from_timestamp((after.timestamp().div_euclid(60) + 1) * 60, 0)
    ///     }
    /// }
    ///
    /// assert!(EachMinute.includes(DateTime::UNIX_EPOCH));
    /// assert!(!EachMinute.includes(DateTime::UNIX_EPOCH + TimeDelta::seconds(1)));
    /// ```
    fn includes(&self, instant: DateTime<Utc>) -> bool {
        just_before(instant).is_some_and(|before| self.next_after(before) == Some(instant))
    }

    /// Returns the instants in `(after, until]`: the first, the last and how many; `None` if none lies there.
    ///
    /// It counts by [`fire_range_within`](Self::fire_range_within), to the end. A trigger that can count by arithmetic implements
    /// that method, not this one.
    fn fire_range(&self, after: DateTime<Utc>, until: DateTime<Utc>) -> Option<FireRange> {
        let mut counted = None;
        let mut from = after;
        loop {
            let part = self.fire_range_within(from, until, &mut CountBudget::unlimited());
            counted = FireRange::concat(counted, part.fires);
            // A count that does not advance never will.
            if part.through >= until || part.through <= from {
                return counted;
            }
            from = part.through;
        }
    }

    /// Counts the instants in `(after, until]` like [`fire_range`](Self::fire_range), but stops when the budget is spent, and says
    /// how far it came. The caller continues from there. So a scheduler that comes back after years stays responsive while it
    /// counts what it missed.
    ///
    /// Each call advances, even with a budget of nothing: if `after < until`, then `after < through <= until`.
    ///
    /// The default calls [`next_after`](Self::next_after) from instant to instant, one step each. A trigger that can count by
    /// arithmetic should, with the same answer. Then 60 years of downtime take some hundred steps. An instant that is not
    /// later than the one before (a trigger that breaks the law of progress) ends the count.
    ///
    /// ```
    /// use chrono::{DateTime, TimeDelta, Utc};
    /// use matins_core::{CountBudget, FireRange, Trigger};
    /// use serde::{Deserialize, Serialize};
    ///
    /// #[derive(Debug, Serialize, Deserialize)]
    /// struct EachSecond;
    ///
    /// #[typetag::serde(name = "each second, in slices")]
    /// impl Trigger for EachSecond {
    ///     fn next_after(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
    ///         DateTime::from_timestamp(after.timestamp() + 1, 0)
    ///     }
    /// }
    ///
    /// let (mut from, until) = (DateTime::UNIX_EPOCH, DateTime::UNIX_EPOCH + TimeDelta::hours(1));
    /// let (mut fires, mut slices) = (None, 0);
    /// while from < until {
    ///     let part = EachSecond.fire_range_within(from, until, &mut CountBudget::new(1000));
    ///     fires = FireRange::concat(fires, part.fires);
    ///     from = part.through;
    ///     slices += 1; // between two slices, other work can be done
    /// }
    /// assert_eq!((fires.unwrap().count, slices), (3600, 4));
    /// ```
    fn fire_range_within(
        &self,
        after: DateTime<Utc>,
        until: DateTime<Utc>,
        budget: &mut CountBudget,
    ) -> CountProgress {
        let mut fires = None;
        let mut last = after;
        loop {
            budget.spend(1);
            let Some(next) = self.next_after(last).filter(|next| *next > last && *next <= until) else {
                return CountProgress { fires, through: until };
            };
            fires = FireRange::concat(fires, Some(FireRange::single(next)));
            last = next;
            if budget.is_spent() {
                return CountProgress { fires, through: last };
            }
        }
    }

    /// Returns this trigger with `seed` in place of every seed that it was not given, or `None` if it needs none.
    ///
    /// A scheduler calls this once, when it adds a job or gives it another trigger, with the [seed of the job's
    /// id](crate::JobId::seed). So two jobs with the same jitter do not fire together, and a job keeps its fire times for
    /// as long as it is stored. A trigger that is made of others passes the seed on to them. The default returns `None`.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use chrono::{DateTime, TimeDelta, Utc};
    /// use matins_core::Trigger;
    /// use serde::{Deserialize, Serialize};
    ///
    /// /// Fires once a day, at a second that the seed chooses.
    /// #[derive(Debug, Serialize, Deserialize)]
    /// struct Daily {
    ///     seed: Option<u64>,
    /// }
    ///
    /// #[typetag::serde(name = "daily, at any time")]
    /// impl Trigger for Daily {
    ///     fn next_after(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
    ///         let second = (self.seed.unwrap_or(0) % 86_400) as i64;
    ///         let days = (after.timestamp() - second).div_euclid(86_400) + 1;
    ///         DateTime::from_timestamp(days * 86_400 + second, 0)
    ///     }
    ///
    ///     fn with_seed(&self, seed: u64) -> Option<Arc<dyn Trigger>> {
    ///         self.seed.is_none().then(|| Arc::new(Self { seed: Some(seed) }) as Arc<dyn Trigger>)
    ///     }
    /// }
    ///
    /// let of_the_job = Daily { seed: None }.with_seed(3_600).unwrap();
    /// let fire = of_the_job.next_after(DateTime::UNIX_EPOCH).unwrap();
    /// assert_eq!(fire, DateTime::UNIX_EPOCH + TimeDelta::hours(1));
    /// assert!(of_the_job.with_seed(7).is_none(), "a seed that was given stays");
    /// ```
    fn with_seed(&self, _seed: u64) -> Option<Arc<dyn Trigger>> {
        None
    }

    /// Returns whether this trigger fires at fixed local times (a date, a time of day) instead of following elapsed time (each
    /// ten seconds, each minute).
    ///
    /// It matters if the system's clock is set back by up to three hours. Then the clock shows some times again. A trigger
    /// that follows elapsed time continues from the new time. One at fixed local times does not fire again at times at which it
    /// has fired: it waits. A trigger that is made of others asks them. The default returns `false`.
    fn has_fixed_times(&self) -> bool {
        false
    }

    /// Returns this trigger as if its job had been added at `to` instead of `from`, or `None` if that makes no difference.
    ///
    /// An interval that was given no start counts from the instant at which its job is added. If the system's clock was ahead
    /// then, that instant may be far in the future by the right clock. The scheduler calls this when the clock is set back. A
    /// trigger with a start that somebody has chosen returns `None`. One that is made of others asks them. The default returns
    /// `None`.
    fn added_at(&self, from: DateTime<Utc>, to: DateTime<Utc>) -> Option<Arc<dyn Trigger>> {
        let _ = (from, to);
        None
    }

    /// Returns the job whose runs are followed by runs of this trigger's job, beside those at its instants. By default this is `None`.
    ///
    /// `matins-triggers` has a trigger that has no instants, and follows a job.
    fn after(&self) -> Option<&After> {
        None
    }

    /// A few words for people: "every 5 minutes". The default is the `Debug` form.
    fn describe(&self) -> String {
        format!("{self:?}")
    }
}

/// Two triggers are equal when they are saved alike. One that cannot be saved, and one that nests deeper than
/// [`TRIGGER_DEPTH`](json::TRIGGER_DEPTH), equals no other.
impl PartialEq for dyn Trigger {
    fn eq(&self, other: &Self) -> bool {
        let saved = |trigger: &dyn Trigger| {
            json::check_trigger("a trigger", trigger).ok()?;
            serde_json::to_value(trigger).ok()
        };
        saved(self).is_some_and(|one| saved(other).is_some_and(|two| one == two))
    }
}

/// Anything that can become a trigger when a job is added.
///
/// Every [`Trigger`] can, also in an `Arc` or as `Box<dyn Trigger>`. So can sentences such as `every(3.seconds())` of
/// `matins-triggers`, which need the instant at which the job is added: an interval without a start is anchored there, and
/// saved with that anchor, so that the trigger itself stays pure.
///
/// ```
/// # #[derive(Debug, serde::Serialize, serde::Deserialize)]
/// # struct Hourly;
/// # #[typetag::serde]
/// # impl matins_core::Trigger for Hourly {
/// #     fn next_after(&self, after: chrono::DateTime<chrono::Utc>) -> Option<chrono::DateTime<chrono::Utc>> {
/// #         chrono::DateTime::from_timestamp((after.timestamp().div_euclid(3600) + 1) * 3600, 0)
/// #     }
/// # }
/// # fn job(id: &str) -> matins_core::Job {
/// #     let (id, task) = (matins_core::JobId::new(id).unwrap(), matins_core::TaskName::new("work").unwrap());
/// #     let created = chrono::DateTime::UNIX_EPOCH;
/// #     matins_core::Job::new(id, task, std::sync::Arc::new(Hourly), Some(created), created)
/// # }
/// use std::sync::Arc;
/// use matins_core::{IntoTrigger, Trigger};
///
/// let now = chrono::DateTime::UNIX_EPOCH;
/// // `Hourly` implements `Trigger`. A default time zone makes no difference to it.
/// let trigger: Arc<dyn Trigger> = Hourly.into_trigger(now)?;
/// let shared = trigger.clone().into_trigger_in(now, "Europe/Berlin")?;
/// assert_eq!(shared.next_after(now), Hourly.next_after(now));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be used as a trigger",
    label = "this is not a trigger",
    note = "write `every(5.minutes())`, `cron(\"0 9 * * MON-FRI\")`, `at(\"2026-12-24T18:00\")` or `after(\"other-job\")`, or pass a value whose type implements `Trigger`",
    note = "a cron expression goes into `cron(...)`, a date into `at(...)`, a duration into `every(...)`",
    note = "a `Result` is not a trigger: add `?`, as in `CronTrigger::parse(\"0 9 * * *\", \"Europe/Berlin\")?`",
    note = "a reference is not a trigger: pass `trigger.clone()`, or an `Arc<dyn Trigger>`"
)]
pub trait IntoTrigger {
    /// The trigger, for a job that is added at `now`.
    ///
    /// # Errors
    /// When the sentence makes no trigger (a cron text that cannot be read, a zone that does not exist).
    fn into_trigger(self, now: DateTime<Utc>) -> Result<Arc<dyn Trigger>, TriggerError>;

    /// Returns the same trigger, except that local times that name no time zone are in `zone`: a name of the tz database, or what
    /// else `matins_triggers::Zone::named` takes.
    ///
    /// A scheduler that has a default time zone calls this. The default calls [`into_trigger`](Self::into_trigger).
    ///
    /// # Errors
    /// As [`into_trigger`](Self::into_trigger), and if a local time needs the zone and no zone has that name.
    fn into_trigger_in(self, now: DateTime<Utc>, zone: &str) -> Result<Arc<dyn Trigger>, TriggerError>
    where
        Self: Sized,
    {
        let _ = zone;
        self.into_trigger(now)
    }
}

// Errors then name `IntoTrigger`, whose message lists all forms.
#[diagnostic::do_not_recommend]
impl<T: Trigger + 'static> IntoTrigger for T {
    fn into_trigger(self, _now: DateTime<Utc>) -> Result<Arc<dyn Trigger>, TriggerError> {
        Ok(Arc::new(self))
    }
}

impl IntoTrigger for Arc<dyn Trigger> {
    fn into_trigger(self, _now: DateTime<Utc>) -> Result<Arc<dyn Trigger>, TriggerError> {
        Ok(self)
    }
}

#[diagnostic::do_not_recommend]
impl<T: Trigger + 'static> IntoTrigger for Arc<T> {
    fn into_trigger(self, _now: DateTime<Utc>) -> Result<Arc<dyn Trigger>, TriggerError> {
        Ok(self)
    }
}

impl IntoTrigger for Box<dyn Trigger> {
    fn into_trigger(self, _now: DateTime<Utc>) -> Result<Arc<dyn Trigger>, TriggerError> {
        Ok(self.into())
    }
}

/// Returns the first whole microsecond at or after `instant`.
///
/// Stores keep instants to the microsecond. Fire times are rounded up, never down, so that the successor of a
/// rounded fire time is never that fire time again.
///
/// ```
/// use chrono::{DateTime, TimeDelta};
///
/// let instant = DateTime::UNIX_EPOCH + TimeDelta::nanoseconds(1_500);
/// assert_eq!(matins_core::round_up_to_microsecond(instant), DateTime::UNIX_EPOCH + TimeDelta::microseconds(2));
/// ```
pub fn round_up_to_microsecond(instant: DateTime<Utc>) -> DateTime<Utc> {
    match instant.timestamp_subsec_nanos() % 1000 {
        0 => instant,
        // At the end of time there is nothing to round up to.
        excess => {
            let up = TimeDelta::nanoseconds(i64::from(1000 - excess));
            instant.checked_add_signed(up).unwrap_or(instant)
        }
    }
}
