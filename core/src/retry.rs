//! Trying again: when a run that ended badly is followed by another attempt at the same fire time.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{JobId, Outcome};

/// How often a job tries again, when, and after what. Each attempt is a row of the ledger; while one waits for its turn,
/// the job counts as running for the [`Overlap`](crate::Overlap) rule.
///
/// ```
/// use std::time::Duration;
/// use matins_core::{Backoff, Outcome, Retry};
///
/// let retry = Retry::times(3).backoff(Backoff::Fixed(Duration::from_secs(30)));
/// let job = matins_core::JobId::new("report").unwrap();
/// assert_eq!(retry.after(Outcome::Failed, 3, &job), Some(Duration::from_secs(30)));
/// assert_eq!(retry.after(Outcome::Failed, 4, &job), None);
/// assert_eq!(retry.after(Outcome::Succeeded, 1, &job), None);
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

    /// Waits so long before.
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }

    /// After these outcomes alone.
    pub fn after_outcomes(mut self, outcomes: impl IntoIterator<Item = Outcome>) -> Self {
        self.outcomes = outcomes.into_iter().collect();
        self
    }

    /// How long to wait before the next attempt of `job`, where attempt number `attempt` (from 1) ended so; `None` where
    /// there is to be none.
    pub fn after(&self, outcome: Outcome, attempt: u32, job: &JobId) -> Option<Duration> {
        (attempt <= self.times && self.outcomes.contains(&outcome)).then(|| self.backoff.delay(attempt, job))
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

    /// The wait after attempt number `attempt` (from 1) of `job`.
    pub fn delay(self, attempt: u32, job: &JobId) -> Duration {
        match self {
            Self::Fixed(delay) => delay,
            Self::Exponential { first, longest } => {
                let doublings = attempt.saturating_sub(1).min(31);
                let whole = first.saturating_mul(1 << doublings).min(longest);
                let mut hasher = DefaultHasher::new();
                (job, attempt).hash(&mut hasher);
                let part = f64::from(hasher.finish() as u32) / f64::from(u32::MAX);
                (whole / 2).saturating_add((whole / 2).mul_f64(part)).min(longest)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exponential_backoff_doubles_within_its_half_and_ends_at_its_longest() {
        let (first, longest) = (Duration::from_secs(2), Duration::from_secs(60));
        let backoff = Backoff::Exponential { first, longest };
        let mut delays = std::collections::BTreeSet::new();
        for number in 0..100 {
            let job = JobId::new(format!("job {number}")).unwrap();
            for attempt in 1..100 {
                let whole = first.saturating_mul(1 << attempt.min(20_u32).saturating_sub(1)).min(longest);
                let delay = backoff.delay(attempt, &job);
                assert!(delay >= whole / 2 && delay <= whole, "{attempt}: {delay:?} of {whole:?}");
                assert_eq!(delay, backoff.delay(attempt, &job), "the same job, the same delay");
            }
            delays.insert(backoff.delay(1, &job));
        }
        assert!(delays.len() > 90, "jobs are spread");
        let huge = Backoff::Exponential { first: Duration::MAX, longest: Duration::MAX };
        assert!(huge.delay(u32::MAX, &JobId::new("job").unwrap()) >= Duration::MAX / 4);
    }
}
