//! Trying again: when a run that ended badly is followed by another attempt at the same fire time.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{IntoDuration, Outcome};

/// How often a job tries again, when, and after what. Each attempt is a row of the ledger; while one waits for its turn,
/// the job counts as running for the [`Overlap`](crate::Overlap) rule.
///
/// ```
/// use std::time::Duration;
/// use matins_core::{Backoff, Outcome, Retry};
///
/// let retry = Retry::times(3).backoff(Backoff::Fixed(Duration::from_secs(30)));
/// assert_eq!(retry.outcomes, [Outcome::Failed, Outcome::TimedOut]);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[must_use]
pub struct Retry {
    /// How often it is tried again; 0, the default, is never.
    pub times: u32,
    /// How long it waits before.
    pub backoff: Backoff,
    /// The outcomes after which it is tried again. By default [`Outcome::Failed`] and [`Outcome::TimedOut`].
    pub outcomes: Vec<Outcome>,
}

/// How long to wait before another attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Backoff {
    /// Always that long.
    Fixed(Duration),
    /// Twice as long each time, from `first` up to `longest`, and of that a part between a half and the whole, so that jobs
    /// which failed together do not come back together ("equal jitter": M. Brooker, *Exponential Backoff And Jitter*, AWS
    /// Architecture Blog, 2015). The part follows from the job and the attempt alone.
    Exponential {
        /// Before the second attempt.
        first: Duration,
        /// At most.
        longest: Duration,
    },
}

impl Default for Retry {
    fn default() -> Self {
        Self::times(0)
    }
}

impl Default for Backoff {
    /// Exponential, from one second to an hour.
    fn default() -> Self {
        Self::Exponential { first: Self::FIRST, longest: Self::LONGEST }
    }
}

impl Retry {
    /// Tries again so often.
    pub fn times(times: u32) -> Self {
        Self { times, backoff: Backoff::default(), outcomes: vec![Outcome::Failed, Outcome::TimedOut] }
    }

    /// Sets how long to wait before each further attempt.
    ///
    /// ```
    /// use std::time::Duration;
    /// use matins_core::{Backoff, Retry};
    ///
    /// let patient = Retry::times(5).backoff(Backoff::Exponential {
    ///     first: Duration::from_secs(10),
    ///     longest: Duration::from_secs(600),
    /// });
    /// assert_eq!(patient.times, 5);
    /// ```
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }

    /// Sets the outcomes after which a run is tried again, instead of [`Outcome::Failed`] and [`Outcome::TimedOut`].
    ///
    /// ```
    /// use matins_core::{Outcome, Retry};
    ///
    /// // A run that takes too long is not tried again.
    /// let retry = Retry::times(3).after_outcomes([Outcome::Failed]);
    /// assert_eq!(retry.outcomes, [Outcome::Failed]);
    /// ```
    pub fn after_outcomes(mut self, outcomes: impl IntoIterator<Item = Outcome>) -> Self {
        self.outcomes = outcomes.into_iter().collect();
        self
    }

    pub(crate) fn is_never(&self) -> bool {
        *self == Self::default()
    }
}

impl Backoff {
    /// Before the second attempt, where nobody says otherwise.
    pub const FIRST: Duration = Duration::from_secs(1);
    /// At most, where nobody says otherwise.
    pub const LONGEST: Duration = Duration::from_secs(3600);

    /// Waits this long each time: [`Fixed`](Self::Fixed), with any of the usual types of durations. A negative one counts as zero.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use chrono::TimeDelta;
    /// use matins_core::{Backoff, Retry};
    ///
    /// let retry = Retry::times(3).backoff(Backoff::fixed(TimeDelta::seconds(30)));
    /// assert_eq!(retry.backoff, Backoff::Fixed(Duration::from_secs(30)));
    /// ```
    pub fn fixed(delay: impl IntoDuration) -> Self {
        Self::Fixed(delay.into_duration().unwrap_or_default())
    }

    /// Waits twice as long each time, from `first` up to `longest`: [`Exponential`](Self::Exponential), with any of the usual types of
    /// durations. A negative one counts as zero.
    ///
    /// ```
    /// use chrono::TimeDelta;
    /// use matins_core::Backoff;
    ///
    /// assert_eq!(Backoff::exponential(TimeDelta::seconds(1), TimeDelta::hours(1)), Backoff::default());
    /// ```
    pub fn exponential(first: impl IntoDuration, longest: impl IntoDuration) -> Self {
        Self::Exponential {
            first: first.into_duration().unwrap_or_default(),
            longest: longest.into_duration().unwrap_or_default(),
        }
    }
}
