//! Consecutive fire times, counted.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// Consecutive instants of one trigger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FireRange {
    /// The earliest of them.
    pub first: DateTime<Utc>,
    /// The latest of them; equal to `first` when there is one.
    pub last: DateTime<Utc>,
    /// How many there are, both ends included; at least 1.
    pub count: u64,
}

impl FireRange {
    /// Returns a range of one instant.
    ///
    /// ```
    /// use matins_core::FireRange;
    ///
    /// let now = chrono::DateTime::UNIX_EPOCH;
    /// assert_eq!(FireRange::single(now), FireRange { first: now, last: now, count: 1 });
    /// ```
    pub const fn single(instant: DateTime<Utc>) -> Self {
        Self { first: instant, last: instant, count: 1 }
    }

    /// Returns this range with `later` joined to its end. The two must not overlap.
    ///
    /// ```
    /// use chrono::{DateTime, TimeDelta};
    /// use matins_core::FireRange;
    ///
    /// let (now, hour) = (DateTime::UNIX_EPOCH, TimeDelta::hours(1));
    /// let both = FireRange::single(now).joined(FireRange::single(now + hour));
    /// assert_eq!((both.last, both.count), (now + hour, 2));
    /// ```
    #[must_use]
    pub fn joined(self, later: Self) -> Self {
        Self { first: self.first, last: later.last, count: self.count.saturating_add(later.count) }
    }

    /// Returns two ranges as one, either of which may be empty; the second must be the later one.
    ///
    /// ```
    /// use chrono::{DateTime, TimeDelta};
    /// use matins_core::FireRange;
    ///
    /// let (now, hour) = (DateTime::UNIX_EPOCH, TimeDelta::hours(1));
    /// let one = Some(FireRange::single(now));
    /// assert_eq!(FireRange::concat(one, None), one);
    /// assert_eq!(FireRange::concat(one, Some(FireRange::single(now + hour))).unwrap().count, 2);
    /// ```
    pub fn concat(one: Option<Self>, later: Option<Self>) -> Option<Self> {
        match (one, later) {
            (Some(one), Some(later)) => Some(one.joined(later)),
            (one, later) => one.or(later),
        }
    }
}
