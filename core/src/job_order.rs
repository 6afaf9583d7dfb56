//! The order of a list of jobs, and positions in it.

use std::cmp::Ordering;

use chrono::{DateTime, Utc};

use crate::{Job, JobId};

/// The order of a list of jobs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum JobOrder {
    /// By id.
    #[default]
    Id,
    /// By next fire time, then id; jobs without one come last.
    NextFire,
}

/// The place of a job in a list of jobs.
///
/// ```
/// use matins_core::{JobPosition, JobQuery, JobStore, StoreError};
///
/// /// Calls `take` with each job of a store, a hundred of which are in memory at a time.
/// fn each(store: &mut dyn JobStore, mut take: impl FnMut(matins_core::Job)) -> Result<(), StoreError> {
///     let mut query = JobQuery::default().limit(100);
///     loop {
///         let page = store.list(&query)?;
///         let Some(last) = page.last() else { return Ok(()) };
///         query.after = Some(JobPosition::of(last));
///         page.into_iter().for_each(&mut take);
///     }
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobPosition {
    /// The job's id.
    pub id: JobId,
    /// Its next fire time.
    pub next_fire: Option<DateTime<Utc>>,
}

impl JobPosition {
    /// Returns the place of a job.
    ///
    /// ```
    /// use matins_core::{Job, JobPosition, JobQuery};
    ///
    /// fn after(last: &Job) -> JobQuery {
    ///     JobQuery::default().after(JobPosition::of(last)).limit(100)
    /// }
    /// ```
    pub fn of(job: &Job) -> Self {
        Self { id: job.id.clone(), next_fire: job.next_fire }
    }
}

impl JobOrder {
    /// Compares two places in this order.
    ///
    /// ```
    /// use matins_core::{JobId, JobOrder};
    ///
    /// use std::cmp::Ordering;
    ///
    /// let (a, b) = (JobId::new("a")?, JobId::new("b")?);
    /// let fire = Some(chrono::DateTime::UNIX_EPOCH);
    /// assert_eq!(JobOrder::Id.compare((None, &a), (fire, &b)), Ordering::Less);
    /// // A job without a next fire time comes last.
    /// assert_eq!(JobOrder::NextFire.compare((None, &a), (fire, &b)), Ordering::Greater);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn compare(
        self,
        (fire, id): (Option<DateTime<Utc>>, &JobId),
        (other_fire, other_id): (Option<DateTime<Utc>>, &JobId),
    ) -> Ordering {
        match self {
            Self::Id => id.cmp(other_id),
            Self::NextFire => (fire.is_none(), fire, id).cmp(&(other_fire.is_none(), other_fire, other_id)),
        }
    }
}
