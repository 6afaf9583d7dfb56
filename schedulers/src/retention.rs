//! How much of the ledger is kept.

use std::time::Duration;

/// How much of the ledger is kept. Runs that wait or run are always kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retention {
    /// The newest runs of each job; `None` keeps all. Rows beyond that are dropped in batches, so that somewhat more
    /// (up to a quarter) may be there at a time. Default: 100.
    pub runs_per_job: Option<u32>,
    /// Rows go when they have been finished for this long; `None` keeps all. Looked at once an hour. Default: 30 days.
    pub age: Option<Duration>,
}

impl Retention {
    /// Keeps everything.
    pub const EVERYTHING: Self = Self { runs_per_job: None, age: None };

    /// After how many new rows of a job its old ones are dropped.
    pub(crate) fn batch(&self) -> Option<(u32, u32)> {
        self.runs_per_job.map(|keep| (keep, keep / 4 + 1))
    }
}

impl Default for Retention {
    fn default() -> Self {
        Self { runs_per_job: Some(100), age: Some(Duration::from_secs(30 * 24 * 3600)) }
    }
}
