//! What a scheduler and a store that it shares with others tell each other about its membership.

use std::time::Duration;

use crate::{IntoDuration, JobId, RunId};

/// A scheduler, as it makes itself known to those that it shares a store with.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Node {
    /// What people know it by, such as the name of its machine. Two may have the same.
    pub label: String,
    /// How long others wait for a sign of life before they take over its runs.
    pub lease: Duration,
    /// Which tz database it computes fire times with.
    pub time_zones: String,
}

impl Node {
    /// A scheduler with a label and a lease; a negative duration counts as zero.
    pub fn new(label: impl Into<String>, lease: impl IntoDuration) -> Self {
        Self {
            label: label.into(),
            lease: lease.into_duration().unwrap_or_default(),
            time_zones: String::new(),
        }
    }
}

/// The answer of [`ClaimStore::join`](crate::ClaimStore::join).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Joined {
    /// The number of this membership.
    pub member: u64,
    /// How long the others wait for a sign of life, where the store has another lease than the [`Node`] asked for.
    pub lease: Option<Duration>,
    /// What this scheduler had committed before is gone: the store was replaced by an older copy of itself.
    pub has_lost_history: bool,
}

impl Joined {
    /// The membership with this number.
    pub const fn new(member: u64) -> Self {
        Self { member, lease: None, has_lost_history: false }
    }

    /// Returns it with another lease than the [`Node`] asked for.
    ///
    /// ```
    /// use std::time::Duration;
    /// use matins_core::Joined;
    ///
    /// let joined = Joined::new(7).with_lease(Duration::from_secs(5));
    /// assert_eq!(joined.lease, Some(Duration::from_secs(5)));
    /// ```
    #[must_use]
    pub const fn with_lease(self, lease: Duration) -> Self {
        Self { lease: Some(lease), ..self }
    }

    /// Returns it, and whether what this scheduler had committed is gone.
    ///
    /// ```
    /// use matins_core::Joined;
    ///
    /// assert!(Joined::new(7).with_lost_history(true).has_lost_history);
    /// ```
    #[must_use]
    pub const fn with_lost_history(self, has_lost_history: bool) -> Self {
        Self { has_lost_history, ..self }
    }
}

/// The answer of [`ClaimStore::heartbeat`](crate::ClaimStore::heartbeat).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Heartbeat {
    /// Runs of this scheduler that another one was asked to cancel.
    pub cancel: Vec<RunId>,
    /// Jobs that have been due for longer than the lease of this scheduler, and that no member [serves](crate::ClaimStore::serve): the first
    /// hundred of them, at most.
    pub unserved: Vec<JobId>,
}

impl Heartbeat {
    /// These runs are to be cancelled.
    pub const fn cancelling(cancel: Vec<RunId>) -> Self {
        Self { cancel, unserved: Vec::new() }
    }
}

/// How a scheduler hears of changes that others make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum WakeUp {
    /// Nobody else makes any, or each is told.
    Announced,
    /// It has to look this often.
    Poll(Duration),
}
