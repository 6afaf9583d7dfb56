//! What to do when life is not on time: the choices that a job makes.

use std::num::{NonZeroU32, NonZeroU64};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Group, Retry};

/// What a job wants done when it is late, overlaps itself, is interrupted or has no more fire times.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Policy {
    /// How late the work of a fire may begin; one that is later is recorded as missed, also where it has waited for another run or for
    /// its executor. `None`, the default: however late.
    pub misfire_grace: Option<Duration>,
    /// Which of several fires that are due together runs.
    pub coalesce: Coalesce,
    /// What happens to a fire that finds a run of the same job still going.
    pub overlap: Overlap,
    /// What happens to a run that was going when the process died.
    pub on_interrupt: OnInterrupt,
    /// What happens to the job when its trigger has no more fire times.
    pub on_exhausted: OnExhausted,
    /// How long a run may take, from when it begins. `None`, the default: as long as it takes. What can be done about a run
    /// that takes longer depends on its executor; its outcome is [`TimedOut`](crate::Outcome::TimedOut) with each.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_limit: Option<Duration>,
    /// Whether a run that ended badly is tried again.
    #[serde(skip_serializing_if = "Retry::is_never")]
    pub retry: Retry,
    /// Among the runs that wait for their executor, and the fires that are due together, those with a higher one come first. 0 is
    /// the default; it may be negative.
    #[serde(skip_serializing_if = "is_usual")]
    pub priority: i32,
    /// The concurrency group of the job: a limit of runs in progress that it shares with other jobs of its store. `None`, the default:
    /// only its own [overlap](Self::overlap) policy limits it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<Group>,
    /// The fixed delay: how long after the end of a run the job fires next, in place of the next instant of its trigger. The trigger says
    /// when it fires first, and it ends when the trigger does. `None`, the default: it fires at the trigger's instants.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delay: Option<Duration>,
    /// How often it runs at most: further attempts, runs by hand and fires that were missed do not count. Then it is over, as when its
    /// trigger ends. `None`, the default: without end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_runs: Option<NonZeroU64>,
    /// After how many failures in a row it is paused: runs that failed, timed out or were interrupted, the last of their attempts. Another
    /// run that succeeds begins the count again, and so does resuming the job. `None`, the default: never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_failures: Option<NonZeroU32>,
}

impl Policy {
    /// Returns it with a change.
    ///
    /// ```
    /// use matins_core::{Overlap, Policy};
    ///
    /// let queues = Policy::default().with(|policy| policy.overlap = Overlap::QueueOne);
    /// assert_eq!(queues.overlap, Overlap::QueueOne);
    /// ```
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    /// Returns whether something of each run is to be remembered with its job: see [`JobCounts`](crate::JobCounts).
    ///
    /// ```
    /// use matins_core::Policy;
    ///
    /// assert!(!Policy::default().counts_runs());
    /// let ten_times = Policy::default().with(|policy| policy.max_runs = std::num::NonZeroU64::new(10));
    /// assert!(ten_times.counts_runs());
    /// ```
    pub const fn counts_runs(&self) -> bool {
        self.delay.is_some() || self.max_runs.is_some() || self.max_failures.is_some()
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_usual(priority: &i32) -> bool {
    *priority == 0
}

/// Which of several fires of one job that are due together runs. The others are recorded as missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Coalesce {
    /// The latest one.
    #[default]
    Latest,
    /// The earliest one.
    Earliest,
    /// Every one, each as a run of its own, in order. Together with [`Overlap::Allow`] they run beside each other;
    /// with the other overlap policies, a fire that finds the place taken is missed.
    All,
}

/// What happens to a fire that finds a run of the same job still going.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Overlap {
    /// It is recorded as missed.
    #[default]
    Skip,
    /// It waits, and starts as soon as that run ends. A further one folds into it by the [`Coalesce`] rule: the
    /// later or the earlier of the two waits on, and the other is recorded as missed.
    QueueOne,
    /// Up to this many runs are in progress at once (0 counts as 1); a fire beyond that is recorded as missed.
    Allow(u32),
}

impl Overlap {
    /// Returns how many runs of the job may be in progress at once. It is at least 1.
    ///
    /// ```
    /// use matins_core::Overlap;
    ///
    /// assert_eq!(Overlap::Skip.limit(), 1);
    /// assert_eq!(Overlap::Allow(3).limit(), 3);
    /// ```
    pub const fn limit(self) -> usize {
        match self {
            Self::Skip | Self::QueueOne | Self::Allow(0) => 1,
            Self::Allow(limit) => limit as usize,
        }
    }
}

/// What happens to a run that was going when the process died. Its first attempt is recorded as interrupted either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum OnInterrupt {
    /// It is left at that.
    #[default]
    Leave,
    /// It runs again when the scheduler next starts, as the next attempt at the same fire time; three times at most, so that a run
    /// that kills its process does not do so forever.
    RunAgain,
}

/// What happens to a job whose trigger has no more fire times, once its last run has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum OnExhausted {
    /// It is removed from its store; its runs stay in the ledger.
    #[default]
    Remove,
    /// It stays, without a next fire time.
    Keep,
}

/// What happens when a job is added under an id that is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum OnConflict {
    /// The new one is refused with an error.
    #[default]
    Refuse,
    /// The new one takes the old one's place.
    Replace,
    /// The old one stays as it is, and the new one is dropped.
    Keep,
    /// The old one takes over what differs in the new one, and stays the same job. This is for definitions that are read
    /// again at each start: with an unchanged trigger, the job keeps its next fire time, its anchor and whether it is
    /// paused. A changed trigger first accounts for each fire that was due before the change.
    ///
    /// This is a scheduler's rule: a store that is asked for it refuses, as with [`Refuse`](Self::Refuse).
    Update,
}
