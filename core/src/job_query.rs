//! Questions to a store: which jobs.

use chrono::{DateTime, Utc};

use crate::{JobOrder, JobPosition, JobState, TaskName};

/// Which jobs to list. The default is all of them, by id.
///
/// ```
/// use matins_core::{JobOrder, JobQuery};
///
/// let soon = JobQuery::default().id_prefix("backup").order(JobOrder::NextFire).limit(10);
/// assert_eq!(soon.limit, Some(10));
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct JobQuery {
    /// Only those whose id begins so.
    pub id_prefix: Option<String>,
    /// Only those of this task.
    pub task: Option<TaskName>,
    /// Only those with this tag.
    pub tag: Option<String>,
    /// Only those with something under this key of their metadata.
    pub metadata_key: Option<String>,
    /// Only those in this state.
    pub state: Option<JobState>,
    /// Only those whose next fire time is before this.
    pub due_before: Option<DateTime<Utc>>,
    /// Only those that run [after](crate::Trigger::after) another job.
    pub follows: bool,
    /// In which order.
    pub order: JobOrder,
    /// Only those that come after this place in that order, so that a long list can be read in pages: the place of the
    /// last job of the page before. The job itself may be gone by then.
    ///
    /// A job that does not change while the pages are read is in exactly one of them, whatever happens to other jobs.
    pub after: Option<JobPosition>,
    /// At most this many.
    pub limit: Option<usize>,
}

impl JobQuery {
    /// Asks only for those whose id begins so.
    ///
    /// ```
    /// use matins_core::JobQuery;
    ///
    /// let backups = JobQuery::default().id_prefix("backup-");
    /// assert_eq!(backups.id_prefix.as_deref(), Some("backup-"));
    /// ```
    #[must_use]
    pub fn id_prefix(self, id_prefix: impl Into<String>) -> Self {
        Self { id_prefix: Some(id_prefix.into()), ..self }
    }

    /// Asks only for those of this task.
    ///
    /// ```
    /// use matins_core::{JobQuery, TaskName};
    ///
    /// let copies = JobQuery::default().task(TaskName::new("copy")?);
    /// assert_eq!(copies.task, Some(TaskName::new("copy")?));
    /// # Ok::<(), matins_core::NameError>(())
    /// ```
    #[must_use]
    pub fn task(self, task: impl Into<Option<TaskName>>) -> Self {
        Self { task: task.into(), ..self }
    }

    /// Asks only for those with this tag.
    ///
    /// ```
    /// use matins_core::JobQuery;
    ///
    /// let of_disks = JobQuery::default().tag("disk");
    /// assert_eq!(of_disks.tag.as_deref(), Some("disk"));
    /// ```
    #[must_use]
    pub fn tag(self, tag: impl Into<String>) -> Self {
        Self { tag: Some(tag.into()), ..self }
    }

    /// Asks only for those with something under this key of their metadata.
    ///
    /// ```
    /// use matins_core::JobQuery;
    ///
    /// let owned = JobQuery::default().metadata_key("owner");
    /// assert_eq!(owned.metadata_key.as_deref(), Some("owner"));
    /// ```
    #[must_use]
    pub fn metadata_key(self, metadata_key: impl Into<String>) -> Self {
        Self { metadata_key: Some(metadata_key.into()), ..self }
    }

    /// Asks only for those in this state.
    ///
    /// ```
    /// use matins_core::{JobQuery, JobState};
    ///
    /// let paused = JobQuery::default().state(JobState::Paused);
    /// assert_eq!(paused.state, Some(JobState::Paused));
    /// assert_eq!(paused.state(None).state, None);
    /// ```
    #[must_use]
    pub fn state(self, state: impl Into<Option<JobState>>) -> Self {
        Self { state: state.into(), ..self }
    }

    /// Asks only for those whose next fire time is before this.
    ///
    /// ```
    /// use chrono::DateTime;
    /// use matins_core::JobQuery;
    ///
    /// let new_year = DateTime::from_timestamp(1_798_761_600, 0).unwrap();
    /// let this_year = JobQuery::default().due_before(new_year);
    /// assert_eq!(this_year.due_before, Some(new_year));
    /// ```
    #[must_use]
    pub fn due_before(self, due_before: impl Into<Option<DateTime<Utc>>>) -> Self {
        Self { due_before: due_before.into(), ..self }
    }

    /// Asks only for those that run [after](crate::Trigger::after) another job.
    ///
    /// ```
    /// use matins_core::JobQuery;
    ///
    /// assert!(JobQuery::default().follows().follows);
    /// ```
    #[must_use]
    pub fn follows(self) -> Self {
        Self { follows: true, ..self }
    }

    /// Asks for this order.
    ///
    /// ```
    /// use matins_core::{JobOrder, JobQuery};
    ///
    /// let soonest = JobQuery::default().order(JobOrder::NextFire).limit(1);
    /// assert_eq!(soonest.order, JobOrder::NextFire);
    /// ```
    #[must_use]
    pub fn order(self, order: JobOrder) -> Self {
        Self { order, ..self }
    }

    /// Asks only for those that come [after](#structfield.after) this place in the order.
    ///
    /// ```
    /// use matins_core::{JobId, JobPosition, JobQuery};
    ///
    /// let last_of_the_page = JobPosition { id: JobId::new("backup")?, next_fire: None };
    /// let next_page = JobQuery::default().limit(100).after(last_of_the_page.clone());
    /// assert_eq!(next_page.after, Some(last_of_the_page));
    /// # Ok::<(), matins_core::NameError>(())
    /// ```
    #[must_use]
    pub fn after(self, after: impl Into<Option<JobPosition>>) -> Self {
        Self { after: after.into(), ..self }
    }

    /// Asks for at most this many; `None` for all.
    ///
    /// ```
    /// use matins_core::JobQuery;
    ///
    /// let page = JobQuery::default().limit(100);
    /// assert_eq!(page.limit, Some(100));
    /// assert_eq!(page.limit(None).limit, None);
    /// ```
    #[must_use]
    pub fn limit(self, limit: impl Into<Option<usize>>) -> Self {
        Self { limit: limit.into(), ..self }
    }

    /// Returns whether every job is asked for: there is no condition. Order, `after` and limit do not count.
    ///
    /// ```
    /// use matins_core::JobQuery;
    ///
    /// assert!(JobQuery::default().limit(10).is_all());
    /// assert!(!JobQuery::default().tag("disk").is_all());
    /// ```
    pub fn is_all(&self) -> bool {
        *self == Self { order: self.order, after: self.after.clone(), limit: self.limit, ..Self::default() }
    }
}
