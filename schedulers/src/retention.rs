//! How much of the ledger is kept.

use std::time::Duration;

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
