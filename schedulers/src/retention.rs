//! How much of the ledger is kept.

use std::time::Duration;

use matins_core::IntoDurationLimit;

/// How much of the ledger is kept. Runs that wait or run are always kept.
///
/// ```
/// use std::time::Duration;
///
/// use matins_scheduler::Retention;
///
/// let a_week = Retention { age: Some(Duration::from_secs(7 * 24 * 3600)), ..Retention::default() };
/// assert_eq!(a_week.runs_per_job, Some(100));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retention {
    /// The newest runs of each job; `None` keeps all. Rows beyond that are dropped in batches, so that somewhat more
    /// (up to a quarter) may be there at a time. Default: 100.
    pub runs_per_job: Option<u32>,
    /// Rows go when they have been finished for this long; `None` keeps all. Looked at once an hour. Default: 30 days.
    pub age: Option<Duration>,
    /// Of how many jobs that are gone (one-off jobs that were done, and jobs that were removed) a store in memory keeps the rows:
    /// those that went last. `None` keeps them as long as others. Default: 1,000.
    ///
    /// A persistent store does not use this, and keeps their rows for as long as [`age`](Self::age) says.
    pub ended_jobs: Option<u32>,
}

impl Retention {
    /// Keeps everything.
    pub const EVERYTHING: Self = Self { runs_per_job: None, age: None, ended_jobs: None };

    /// Keeps this many runs of each job; `None` keeps all. See [`runs_per_job`](#structfield.runs_per_job).
    ///
    /// ```
    /// use matins_scheduler::Retention;
    ///
    /// assert_eq!(Retention::default().runs_per_job(None).runs_per_job, None);
    /// ```
    #[must_use]
    pub fn runs_per_job(self, runs: impl Into<Option<u32>>) -> Self {
        Self { runs_per_job: runs.into(), ..self }
    }

    /// Keeps rows for this long after they have finished; `None` keeps all. A negative duration counts as zero. See
    /// [`age`](#structfield.age).
    ///
    /// ```
    /// use chrono::TimeDelta;
    /// use matins_scheduler::Retention;
    ///
    /// let a_week = Retention::default().age(TimeDelta::weeks(1));
    /// assert_eq!(a_week.age.map(|age| age.as_secs()), Some(7 * 24 * 3600));
    /// ```
    #[must_use]
    pub fn age(self, age: impl IntoDurationLimit) -> Self {
        Self { age: age.into_limit().unwrap_or(Some(Duration::ZERO)), ..self }
    }

    /// Keeps the rows of this many jobs that are gone; `None` keeps them as long as others. See
    /// [`ended_jobs`](#structfield.ended_jobs).
    ///
    /// ```
    /// use matins_scheduler::Retention;
    ///
    /// assert_eq!(Retention::default().ended_jobs(10).ended_jobs, Some(10));
    /// ```
    #[must_use]
    pub fn ended_jobs(self, jobs: impl Into<Option<u32>>) -> Self {
        Self { ended_jobs: jobs.into(), ..self }
    }

    /// After how many new rows of a job its old ones are dropped.
    pub(crate) fn batch(&self) -> Option<(u32, u32)> {
        self.runs_per_job.map(|keep| (keep, keep / 4 + 1))
    }
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            runs_per_job: Some(100),
            age: Some(Duration::from_secs(30 * 24 * 3600)),
            ended_jobs: Some(1_000),
        }
    }
}
