//! Questions to a store: which runs.

use chrono::{DateTime, Utc};

use crate::{JobId, Outcome, RunId};

/// Which runs to list. The default is all of them, the oldest first.
///
/// ```
/// use matins_core::{Outcome, RunQuery};
///
/// let failed = RunQuery::default().outcome(Outcome::Failed);
/// assert_eq!(failed.outcome, Some(Outcome::Failed));
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct RunQuery {
    /// Only those of this job.
    pub job: Option<JobId>,
    /// Only those with this outcome.
    pub outcome: Option<Outcome>,
    /// Only those that wait or run.
    pub unfinished: bool,
    /// Only those whose first fire time is at or after this.
    pub since: Option<DateTime<Utc>>,
    /// Only those whose first fire time is before this.
    pub until: Option<DateTime<Utc>>,
    /// In which order.
    pub order: RunOrder,
    /// Only those that come after this run in that order.
    pub after: Option<RunId>,
    /// At most this many.
    pub limit: Option<usize>,
}

/// The order of a list of runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum RunOrder {
    /// By number, rising.
    #[default]
    OldestFirst,
    /// By number, falling.
    NewestFirst,
}

impl RunQuery {
    /// Asks for all runs of one job.
    ///
    /// ```
    /// use matins_core::{JobId, RunQuery};
    ///
    /// let query = RunQuery::of_job(&JobId::new("backup")?).limit(10);
    /// assert_eq!(query.job.unwrap(), "backup");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn of_job(job: &JobId) -> Self {
        Self::default().job(job.clone())
    }

    /// Asks only for those of this job.
    ///
    /// ```
    /// use matins_core::{JobId, RunQuery};
    ///
    /// let of_backup = RunQuery::default().job(JobId::new("backup")?);
    /// assert_eq!(of_backup, RunQuery::of_job(&JobId::new("backup")?));
    /// assert_eq!(of_backup.job(None), RunQuery::default());
    /// # Ok::<(), matins_core::NameError>(())
    /// ```
    #[must_use]
    pub fn job(self, job: impl Into<Option<JobId>>) -> Self {
        Self { job: job.into(), ..self }
    }

    /// Asks only for those with this outcome.
    ///
    /// ```
    /// use matins_core::{Outcome, RunQuery};
    ///
    /// let failed = RunQuery::default().outcome(Outcome::Failed);
    /// assert_eq!(failed.outcome, Some(Outcome::Failed));
    /// ```
    #[must_use]
    pub fn outcome(self, outcome: impl Into<Option<Outcome>>) -> Self {
        Self { outcome: outcome.into(), ..self }
    }

    /// Asks only for those that wait or run.
    ///
    /// ```
    /// use matins_core::RunQuery;
    ///
    /// assert!(RunQuery::default().unfinished().unfinished);
    /// ```
    #[must_use]
    pub fn unfinished(self) -> Self {
        Self { unfinished: true, ..self }
    }

    /// Asks only for those whose first fire time is at or after this.
    ///
    /// ```
    /// use chrono::{DateTime, TimeDelta};
    /// use matins_core::RunQuery;
    ///
    /// let (epoch, hour) = (DateTime::UNIX_EPOCH, TimeDelta::hours(1));
    /// let the_first_hour = RunQuery::default().since(epoch).until(epoch + hour);
    /// assert_eq!(the_first_hour.since, Some(epoch));
    /// ```
    #[must_use]
    pub fn since(self, since: impl Into<Option<DateTime<Utc>>>) -> Self {
        Self { since: since.into(), ..self }
    }

    /// Asks only for those whose first fire time is before this. One at this instant is not asked for.
    ///
    /// ```
    /// use chrono::{DateTime, TimeDelta};
    /// use matins_core::RunQuery;
    ///
    /// let (epoch, hour) = (DateTime::UNIX_EPOCH, TimeDelta::hours(1));
    /// let the_first_hour = RunQuery::default().since(epoch).until(epoch + hour);
    /// assert_eq!(the_first_hour.until, Some(epoch + hour));
    /// ```
    #[must_use]
    pub fn until(self, until: impl Into<Option<DateTime<Utc>>>) -> Self {
        Self { until: until.into(), ..self }
    }

    /// Asks for this order.
    ///
    /// ```
    /// use matins_core::{RunOrder, RunQuery};
    ///
    /// let newest = RunQuery::default().order(RunOrder::NewestFirst).limit(1);
    /// assert_eq!(newest.order, RunOrder::NewestFirst);
    /// ```
    #[must_use]
    pub fn order(self, order: RunOrder) -> Self {
        Self { order, ..self }
    }

    /// Asks only for those that come after this run in the order.
    ///
    /// ```
    /// use matins_core::{RunId, RunOrder, RunQuery};
    ///
    /// // The next page of a list whose newest runs come first.
    /// let older = RunQuery::default().order(RunOrder::NewestFirst).after(RunId(7)).limit(100);
    /// assert_eq!(older.after, Some(RunId(7)));
    /// ```
    #[must_use]
    pub fn after(self, after: impl Into<Option<RunId>>) -> Self {
        Self { after: after.into(), ..self }
    }

    /// Asks for at most this many; `None` for all.
    ///
    /// ```
    /// use matins_core::RunQuery;
    ///
    /// let page = RunQuery::default().limit(100);
    /// assert_eq!(page.limit, Some(100));
    /// assert_eq!(page.limit(None).limit, None);
    /// ```
    #[must_use]
    pub fn limit(self, limit: impl Into<Option<usize>>) -> Self {
        Self { limit: limit.into(), ..self }
    }
}
