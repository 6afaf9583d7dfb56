//! Questions to a store: which jobs.

use std::cmp::Ordering;

use chrono::{DateTime, Utc};

use crate::{Job, JobId, JobOrder, JobPosition, JobState, TaskName};

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
    /// # use matins_core::JobQuery;
    /// # #[derive(Debug, serde::Serialize, serde::Deserialize)]
    /// # struct Hourly;
    /// # #[typetag::serde]
    /// # impl matins_core::Trigger for Hourly {
    /// #     fn next_after(&self, after: chrono::DateTime<chrono::Utc>) -> Option<chrono::DateTime<chrono::Utc>> {
    /// #         chrono::DateTime::from_timestamp((after.timestamp().div_euclid(3600) + 1) * 3600, 0)
    /// #     }
    /// # }
    /// # fn job(id: &str) -> matins_core::Job {
    /// #     let (id, task) = (matins_core::JobId::new(id).unwrap(), matins_core::TaskName::new("work").unwrap());
    /// #     let created = chrono::DateTime::UNIX_EPOCH;
    /// #     matins_core::Job::new(id, task, std::sync::Arc::new(Hourly), Some(created), created)
    /// # }
    /// let query = JobQuery::default().id_prefix("backup-");
    /// assert!(query.matches(&job("backup-mail")));
    /// assert!(!query.matches(&job("report")));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn id_prefix(self, id_prefix: impl Into<String>) -> Self {
        Self { id_prefix: Some(id_prefix.into()), ..self }
    }

    /// Asks only for those of this task.
    ///
    /// ```
    /// # use matins_core::{JobQuery, TaskName};
    /// # #[derive(Debug, serde::Serialize, serde::Deserialize)]
    /// # struct Hourly;
    /// # #[typetag::serde]
    /// # impl matins_core::Trigger for Hourly {
    /// #     fn next_after(&self, after: chrono::DateTime<chrono::Utc>) -> Option<chrono::DateTime<chrono::Utc>> {
    /// #         chrono::DateTime::from_timestamp((after.timestamp().div_euclid(3600) + 1) * 3600, 0)
    /// #     }
    /// # }
    /// # fn job(id: &str) -> matins_core::Job {
    /// #     let (id, task) = (matins_core::JobId::new(id).unwrap(), matins_core::TaskName::new("work").unwrap());
    /// #     let created = chrono::DateTime::UNIX_EPOCH;
    /// #     matins_core::Job::new(id, task, std::sync::Arc::new(Hourly), Some(created), created)
    /// # }
    /// let query = JobQuery::default().task(TaskName::new("work")?);
    /// assert!(query.matches(&job("any")));
    /// assert!(!query.matches(&job("other").with(|job| job.task = TaskName::new("play").unwrap())));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn task(self, task: impl Into<Option<TaskName>>) -> Self {
        Self { task: task.into(), ..self }
    }

    /// Asks only for those with this tag.
    ///
    /// ```
    /// # use matins_core::JobQuery;
    /// # #[derive(Debug, serde::Serialize, serde::Deserialize)]
    /// # struct Hourly;
    /// # #[typetag::serde]
    /// # impl matins_core::Trigger for Hourly {
    /// #     fn next_after(&self, after: chrono::DateTime<chrono::Utc>) -> Option<chrono::DateTime<chrono::Utc>> {
    /// #         chrono::DateTime::from_timestamp((after.timestamp().div_euclid(3600) + 1) * 3600, 0)
    /// #     }
    /// # }
    /// # fn job(id: &str) -> matins_core::Job {
    /// #     let (id, task) = (matins_core::JobId::new(id).unwrap(), matins_core::TaskName::new("work").unwrap());
    /// #     let created = chrono::DateTime::UNIX_EPOCH;
    /// #     matins_core::Job::new(id, task, std::sync::Arc::new(Hourly), Some(created), created)
    /// # }
    /// let query = JobQuery::default().tag("disk");
    /// let tagged = job("backup").with(|job| drop(job.tags.insert("disk".to_owned())));
    /// assert!(query.matches(&tagged) && !query.matches(&job("report")));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn tag(self, tag: impl Into<String>) -> Self {
        Self { tag: Some(tag.into()), ..self }
    }

    /// Asks only for those with something under this key of their metadata.
    ///
    /// ```
    /// # use matins_core::JobQuery;
    /// # #[derive(Debug, serde::Serialize, serde::Deserialize)]
    /// # struct Hourly;
    /// # #[typetag::serde]
    /// # impl matins_core::Trigger for Hourly {
    /// #     fn next_after(&self, after: chrono::DateTime<chrono::Utc>) -> Option<chrono::DateTime<chrono::Utc>> {
    /// #         chrono::DateTime::from_timestamp((after.timestamp().div_euclid(3600) + 1) * 3600, 0)
    /// #     }
    /// # }
    /// # fn job(id: &str) -> matins_core::Job {
    /// #     let (id, task) = (matins_core::JobId::new(id).unwrap(), matins_core::TaskName::new("work").unwrap());
    /// #     let created = chrono::DateTime::UNIX_EPOCH;
    /// #     matins_core::Job::new(id, task, std::sync::Arc::new(Hourly), Some(created), created)
    /// # }
    /// let query = JobQuery::default().metadata_key("owner");
    /// let owned = job("backup").with(|job| drop(job.metadata.insert("owner".to_owned(), "Ada".into())));
    /// assert!(query.matches(&owned) && !query.matches(&job("report")));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn metadata_key(self, metadata_key: impl Into<String>) -> Self {
        Self { metadata_key: Some(metadata_key.into()), ..self }
    }

    /// Asks only for those in this state.
    ///
    /// ```
    /// # use matins_core::{JobQuery, JobState};
    /// # #[derive(Debug, serde::Serialize, serde::Deserialize)]
    /// # struct Hourly;
    /// # #[typetag::serde]
    /// # impl matins_core::Trigger for Hourly {
    /// #     fn next_after(&self, after: chrono::DateTime<chrono::Utc>) -> Option<chrono::DateTime<chrono::Utc>> {
    /// #         chrono::DateTime::from_timestamp((after.timestamp().div_euclid(3600) + 1) * 3600, 0)
    /// #     }
    /// # }
    /// # fn job(id: &str) -> matins_core::Job {
    /// #     let (id, task) = (matins_core::JobId::new(id).unwrap(), matins_core::TaskName::new("work").unwrap());
    /// #     let created = chrono::DateTime::UNIX_EPOCH;
    /// #     matins_core::Job::new(id, task, std::sync::Arc::new(Hourly), Some(created), created)
    /// # }
    /// let paused = JobQuery::default().state(JobState::Paused);
    /// assert!(!paused.matches(&job("report")));
    /// assert!(paused.matches(&job("report").with(|job| job.state = JobState::Paused)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn state(self, state: impl Into<Option<JobState>>) -> Self {
        Self { state: state.into(), ..self }
    }

    /// Asks only for those whose next fire time is before this.
    ///
    /// ```
    /// # use chrono::TimeDelta;
    /// # use matins_core::JobQuery;
    /// # #[derive(Debug, serde::Serialize, serde::Deserialize)]
    /// # struct Hourly;
    /// # #[typetag::serde]
    /// # impl matins_core::Trigger for Hourly {
    /// #     fn next_after(&self, after: chrono::DateTime<chrono::Utc>) -> Option<chrono::DateTime<chrono::Utc>> {
    /// #         chrono::DateTime::from_timestamp((after.timestamp().div_euclid(3600) + 1) * 3600, 0)
    /// #     }
    /// # }
    /// # fn job(id: &str) -> matins_core::Job {
    /// #     let (id, task) = (matins_core::JobId::new(id).unwrap(), matins_core::TaskName::new("work").unwrap());
    /// #     let created = chrono::DateTime::UNIX_EPOCH;
    /// #     matins_core::Job::new(id, task, std::sync::Arc::new(Hourly), Some(created), created)
    /// # }
    /// // The job is due at the beginning of 1970.
    /// let fire = job("report").next_fire.unwrap();
    /// assert!(JobQuery::default().due_before(fire + TimeDelta::seconds(1)).matches(&job("report")));
    /// assert!(!JobQuery::default().due_before(fire).matches(&job("report")));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn due_before(self, due_before: impl Into<Option<DateTime<Utc>>>) -> Self {
        Self { due_before: due_before.into(), ..self }
    }

    /// Asks only for those that run [after](crate::Trigger::after) another job.
    ///
    /// ```
    /// # use matins_core::JobQuery;
    /// # #[derive(Debug, serde::Serialize, serde::Deserialize)]
    /// # struct Hourly;
    /// # #[typetag::serde]
    /// # impl matins_core::Trigger for Hourly {
    /// #     fn next_after(&self, after: chrono::DateTime<chrono::Utc>) -> Option<chrono::DateTime<chrono::Utc>> {
    /// #         chrono::DateTime::from_timestamp((after.timestamp().div_euclid(3600) + 1) * 3600, 0)
    /// #     }
    /// # }
    /// # fn job(id: &str) -> matins_core::Job {
    /// #     let (id, task) = (matins_core::JobId::new(id).unwrap(), matins_core::TaskName::new("work").unwrap());
    /// #     let created = chrono::DateTime::UNIX_EPOCH;
    /// #     matins_core::Job::new(id, task, std::sync::Arc::new(Hourly), Some(created), created)
    /// # }
    /// # #[derive(Debug, serde::Serialize, serde::Deserialize)]
    /// # struct AfterBackup(matins_core::After);
    /// # #[typetag::serde]
    /// # impl matins_core::Trigger for AfterBackup {
    /// #     fn next_after(&self, _: chrono::DateTime<chrono::Utc>) -> Option<chrono::DateTime<chrono::Utc>> {
    /// #         None
    /// #     }
    /// #     fn after(&self) -> Option<&matins_core::After> {
    /// #         Some(&self.0)
    /// #     }
    /// # }
    /// # let after = matins_core::After::new(matins_core::JobId::new("backup")?, matins_core::AfterOutcome::Any);
    /// # let after_backup = std::sync::Arc::new(AfterBackup(after));
    /// let report = job("report").with(|job| job.trigger = after_backup);
    /// assert!(JobQuery::default().follows().matches(&report));
    /// assert!(!JobQuery::default().follows().matches(&job("backup")));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn follows(self) -> Self {
        Self { follows: true, ..self }
    }

    /// Asks for this order.
    ///
    /// ```
    /// # use chrono::TimeDelta;
    /// # use matins_core::{JobOrder, JobQuery};
    /// # #[derive(Debug, serde::Serialize, serde::Deserialize)]
    /// # struct Hourly;
    /// # #[typetag::serde]
    /// # impl matins_core::Trigger for Hourly {
    /// #     fn next_after(&self, after: chrono::DateTime<chrono::Utc>) -> Option<chrono::DateTime<chrono::Utc>> {
    /// #         chrono::DateTime::from_timestamp((after.timestamp().div_euclid(3600) + 1) * 3600, 0)
    /// #     }
    /// # }
    /// # fn job(id: &str) -> matins_core::Job {
    /// #     let (id, task) = (matins_core::JobId::new(id).unwrap(), matins_core::TaskName::new("work").unwrap());
    /// #     let created = chrono::DateTime::UNIX_EPOCH;
    /// #     matins_core::Job::new(id, task, std::sync::Arc::new(Hourly), Some(created), created)
    /// # }
    /// let later = job("a").with(|job| job.next_fire = job.next_fire.map(|fire| fire + TimeDelta::hours(1)));
    /// let soonest = JobQuery::default().order(JobOrder::NextFire).select([later, job("b")]);
    /// assert_eq!(soonest[0].id, "b");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn order(self, order: JobOrder) -> Self {
        Self { order, ..self }
    }

    /// Asks only for those that come [after](#structfield.after) this place in the order.
    ///
    /// ```
    /// # use matins_core::{JobPosition, JobQuery};
    /// # #[derive(Debug, serde::Serialize, serde::Deserialize)]
    /// # struct Hourly;
    /// # #[typetag::serde]
    /// # impl matins_core::Trigger for Hourly {
    /// #     fn next_after(&self, after: chrono::DateTime<chrono::Utc>) -> Option<chrono::DateTime<chrono::Utc>> {
    /// #         chrono::DateTime::from_timestamp((after.timestamp().div_euclid(3600) + 1) * 3600, 0)
    /// #     }
    /// # }
    /// # fn job(id: &str) -> matins_core::Job {
    /// #     let (id, task) = (matins_core::JobId::new(id).unwrap(), matins_core::TaskName::new("work").unwrap());
    /// #     let created = chrono::DateTime::UNIX_EPOCH;
    /// #     matins_core::Job::new(id, task, std::sync::Arc::new(Hourly), Some(created), created)
    /// # }
    /// let all = [job("a"), job("b"), job("c")];
    /// let mut query = JobQuery::default().limit(2);
    /// let page = query.select(all.clone());
    /// assert_eq!(page.last().unwrap().id, "b");
    ///
    /// query = query.after(page.last().map(JobPosition::of));
    /// assert_eq!(query.select(all)[0].id, "c");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn after(self, after: impl Into<Option<JobPosition>>) -> Self {
        Self { after: after.into(), ..self }
    }

    /// Asks for at most this many; `None` for all.
    ///
    /// ```
    /// # use matins_core::JobQuery;
    /// # #[derive(Debug, serde::Serialize, serde::Deserialize)]
    /// # struct Hourly;
    /// # #[typetag::serde]
    /// # impl matins_core::Trigger for Hourly {
    /// #     fn next_after(&self, after: chrono::DateTime<chrono::Utc>) -> Option<chrono::DateTime<chrono::Utc>> {
    /// #         chrono::DateTime::from_timestamp((after.timestamp().div_euclid(3600) + 1) * 3600, 0)
    /// #     }
    /// # }
    /// # fn job(id: &str) -> matins_core::Job {
    /// #     let (id, task) = (matins_core::JobId::new(id).unwrap(), matins_core::TaskName::new("work").unwrap());
    /// #     let created = chrono::DateTime::UNIX_EPOCH;
    /// #     matins_core::Job::new(id, task, std::sync::Arc::new(Hourly), Some(created), created)
    /// # }
    /// let first = JobQuery::default().limit(1).select([job("b"), job("a")]);
    /// assert_eq!(first.len(), 1);
    /// assert_eq!(first[0].id, "a");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
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

    /// Returns whether a job comes after the place at which the query begins.
    ///
    /// ```
    /// # use matins_core::{Job, JobPosition, JobQuery};
    /// # #[derive(Debug, serde::Serialize, serde::Deserialize)]
    /// # struct Hourly;
    /// # #[typetag::serde]
    /// # impl matins_core::Trigger for Hourly {
    /// #     fn next_after(&self, after: chrono::DateTime<chrono::Utc>) -> Option<chrono::DateTime<chrono::Utc>> {
    /// #         chrono::DateTime::from_timestamp((after.timestamp().div_euclid(3600) + 1) * 3600, 0)
    /// #     }
    /// # }
    /// # fn job(id: &str) -> matins_core::Job {
    /// #     let (id, task) = (matins_core::JobId::new(id).unwrap(), matins_core::TaskName::new("work").unwrap());
    /// #     let created = chrono::DateTime::UNIX_EPOCH;
    /// #     matins_core::Job::new(id, task, std::sync::Arc::new(Hourly), Some(created), created)
    /// # }
    /// let query = JobQuery::default().after(JobPosition::of(&job("b")));
    /// let is_after = |job: Job| query.is_after(job.next_fire, &job.id);
    /// assert!(is_after(job("c")) && !is_after(job("b")));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_after(&self, next_fire: Option<DateTime<Utc>>, id: &JobId) -> bool {
        self.after.as_ref().is_none_or(|after| {
            self.order.compare((next_fire, id), (after.next_fire, &after.id)) == Ordering::Greater
        })
    }

    /// Returns whether `job` meets the conditions of the query. Order, `after` and limit do not count.
    ///
    /// ```
    /// # use matins_core::JobQuery;
    /// # #[derive(Debug, serde::Serialize, serde::Deserialize)]
    /// # struct Hourly;
    /// # #[typetag::serde]
    /// # impl matins_core::Trigger for Hourly {
    /// #     fn next_after(&self, after: chrono::DateTime<chrono::Utc>) -> Option<chrono::DateTime<chrono::Utc>> {
    /// #         chrono::DateTime::from_timestamp((after.timestamp().div_euclid(3600) + 1) * 3600, 0)
    /// #     }
    /// # }
    /// # fn job(id: &str) -> matins_core::Job {
    /// #     let (id, task) = (matins_core::JobId::new(id).unwrap(), matins_core::TaskName::new("work").unwrap());
    /// #     let created = chrono::DateTime::UNIX_EPOCH;
    /// #     matins_core::Job::new(id, task, std::sync::Arc::new(Hourly), Some(created), created)
    /// # }
    /// assert!(JobQuery::default().matches(&job("report")));
    /// assert!(!JobQuery::default().id_prefix("backup").matches(&job("report")));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn matches(&self, job: &Job) -> bool {
        self.id_prefix.as_ref().is_none_or(|prefix| job.id.as_str().starts_with(prefix.as_str()))
            && self.task.as_ref().is_none_or(|task| job.task == *task)
            && self.tag.as_ref().is_none_or(|tag| job.tags.contains(tag))
            && self.metadata_key.as_ref().is_none_or(|key| job.metadata.contains_key(key))
            && self.state.is_none_or(|state| job.state == state)
            && (!self.follows || job.trigger.after().is_some())
            && self.due_before.is_none_or(|before| job.next_fire.is_some_and(|fire| fire < before))
    }

    /// Returns the jobs of `jobs` that the query asks for, in its order: what a store without an index of its own can use.
    ///
    /// ```
    /// # use matins_core::JobQuery;
    /// # #[derive(Debug, serde::Serialize, serde::Deserialize)]
    /// # struct Hourly;
    /// # #[typetag::serde]
    /// # impl matins_core::Trigger for Hourly {
    /// #     fn next_after(&self, after: chrono::DateTime<chrono::Utc>) -> Option<chrono::DateTime<chrono::Utc>> {
    /// #         chrono::DateTime::from_timestamp((after.timestamp().div_euclid(3600) + 1) * 3600, 0)
    /// #     }
    /// # }
    /// # fn job(id: &str) -> matins_core::Job {
    /// #     let (id, task) = (matins_core::JobId::new(id).unwrap(), matins_core::TaskName::new("work").unwrap());
    /// #     let created = chrono::DateTime::UNIX_EPOCH;
    /// #     matins_core::Job::new(id, task, std::sync::Arc::new(Hourly), Some(created), created)
    /// # }
    /// let jobs = JobQuery::default().id_prefix("backup").select([job("backup-2"), job("report"), job("backup-1")]);
    /// let ids: Vec<&str> = jobs.iter().map(|job| job.id.as_str()).collect();
    /// assert_eq!(ids, ["backup-1", "backup-2"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn select(&self, jobs: impl IntoIterator<Item = Job>) -> Vec<Job> {
        let is_wanted = |job: &Job| self.matches(job) && self.is_after(job.next_fire, &job.id);
        let mut jobs: Vec<Job> = jobs.into_iter().filter(is_wanted).collect();
        jobs.sort_by(|a, b| self.order.compare((a.next_fire, &a.id), (b.next_fire, &b.id)));
        jobs.truncate(self.limit.unwrap_or(usize::MAX));
        jobs
    }
}
