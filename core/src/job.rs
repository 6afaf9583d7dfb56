//! A job: a trigger joined to a task, with all that must be remembered about it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{ExecutorName, JobId, Policy, TaskName, Trigger};

/// What a store keeps for each job.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Job {
    /// Its name, unique in its store.
    pub id: JobId,
    /// The task that it runs.
    pub task: TaskName,
    /// What the task is given.
    #[serde(default)]
    pub arguments: Value,
    /// When it fires.
    #[serde(serialize_with = "crate::json::trigger")]
    pub trigger: Arc<dyn Trigger>,
    /// The next fire time, to the microsecond; `None` while it is paused, and when the trigger has no more.
    pub next_fire: Option<DateTime<Utc>>,
    /// The last next fire time that somebody gave the job, instead of leaving it to the trigger. As long as it is the
    /// [next fire time](Self::next_fire), no correction of the system's clock changes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_fire: Option<DateTime<Utc>>,
    /// Whether it is paused.
    #[serde(default)]
    pub state: JobState,
    /// The executor that runs it.
    #[serde(default)]
    pub executor: ExecutorName,
    /// What it wants done when it is late, overlaps, is interrupted, or is over.
    #[serde(default)]
    pub policy: Policy,
    /// Words to find it by.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub tags: BTreeSet<String>,
    /// Anything else that its owner wants kept with it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, Value>,
    /// When it was added.
    pub created: DateTime<Utc>,
    /// How often it has been changed: 0 as it is added, and one more with each [update](crate::Transition::Update). Moving on to the
    /// next fire time is no change.
    ///
    /// A job is changed by its runs too, where they change its [counts](Self::counts).
    #[serde(default, skip_serializing_if = "is_zero")]
    pub revision: u64,
    /// What is remembered of its runs.
    #[serde(default, skip_serializing_if = "JobCounts::is_empty")]
    pub counts: JobCounts,
}

/// What a job remembers of its runs, if its policy has a use for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct JobCounts {
    /// How many have begun; counted while the policy has [`max_runs`](Policy::max_runs).
    #[serde(skip_serializing_if = "is_zero")]
    pub runs: u64,
    /// How many have failed since the last one that succeeded; counted while the policy has [`max_failures`](Policy::max_failures).
    #[serde(skip_serializing_if = "is_none_yet")]
    pub failures_in_a_row: u32,
}

impl JobCounts {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_none_yet(number: &u32) -> bool {
    *number == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// Whether a job fires.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum JobState {
    /// It fires at each of its trigger's instants.
    #[default]
    Active,
    /// It has no next fire time until it is resumed.
    Paused,
}

impl PartialEq for Job {
    fn eq(&self, other: &Self) -> bool {
        // By hand, because a derive would move out of the `Arc<dyn Trigger>`; the pattern keeps it complete.
        let Self {
            id,
            task,
            arguments,
            trigger,
            next_fire,
            first_fire,
            state,
            executor,
            policy,
            tags,
            metadata,
            created,
            revision,
            counts,
        } = self;
        *id == other.id
            && *task == other.task
            && *arguments == other.arguments
            && **trigger == *other.trigger
            && *next_fire == other.next_fire
            && *first_fire == other.first_fire
            && *state == other.state
            && *executor == other.executor
            && *policy == other.policy
            && *tags == other.tags
            && *metadata == other.metadata
            && *created == other.created
            && *revision == other.revision
            && *counts == other.counts
    }
}

impl Job {
    /// Makes an active job without arguments, on the default executor and with the default policy, that was added at `created` and first
    /// fires at `next_fire`: as a rule, when its trigger next does after `created`, to the microsecond.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use matins_core::{Job, JobId, TaskName, Trigger, round_up_to_microsecond};
    /// # use chrono::{DateTime, TimeDelta, Utc};
    /// # #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
    /// # struct Hourly;
    /// # #[typetag::serde]
    /// # impl matins_core::Trigger for Hourly {
    /// #     fn next_after(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
    /// #         DateTime::from_timestamp((after.timestamp().div_euclid(3600) + 1) * 3600, 0)
    /// #     }
    /// # }
    ///
    /// let created: DateTime<Utc> = "2026-01-01T08:30:00Z".parse().unwrap();
    /// let (id, task) = (JobId::new("report").unwrap(), TaskName::new("report").unwrap());
    /// let next_fire = Hourly.next_after(created).map(round_up_to_microsecond);
    /// let job = Job::new(id, task, Arc::new(Hourly), next_fire, created);
    /// assert_eq!(job.next_fire, Some(created + TimeDelta::minutes(30)));
    /// ```
    pub fn new(
        id: JobId,
        task: TaskName,
        trigger: Arc<dyn Trigger>,
        next_fire: Option<DateTime<Utc>>,
        created: DateTime<Utc>,
    ) -> Self {
        Self {
            id,
            task,
            arguments: Value::Null,
            trigger,
            next_fire,
            first_fire: None,
            state: JobState::Active,
            executor: ExecutorName::default(),
            policy: Policy::default(),
            tags: BTreeSet::new(),
            metadata: BTreeMap::new(),
            created,
            revision: 0,
            counts: JobCounts::default(),
        }
    }

    /// Returns it with a change: `job.with(|job| job.next_fire = None)`.
    ///
    /// ```
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
    /// let report = job("report").with(|job| job.policy.priority = 10);
    /// assert_eq!(report.policy.priority, 10);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    /// Returns whether the job is active and will not run again: it has no fire time left and follows no other job, or has had all its runs.
    ///
    /// ```
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
    /// assert!(!job("report").is_exhausted());
    /// assert!(job("report").with(|job| job.next_fire = None).is_exhausted());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_exhausted(&self) -> bool {
        let has_no_more = self.next_fire.is_none() && self.trigger.after().is_none();
        self.state == JobState::Active && (has_no_more || self.has_had_all_runs())
    }

    /// Returns whether it has run as often as its policy [allows](Policy::max_runs).
    ///
    /// ```
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
    /// let twice = job("report").with(|job| job.policy.max_runs = std::num::NonZeroU64::new(2));
    /// assert!(!twice.has_had_all_runs());
    /// assert!(twice.with(|job| job.counts.runs = 2).has_had_all_runs());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn has_had_all_runs(&self) -> bool {
        self.policy.max_runs.is_some_and(|most| self.counts.runs >= most.get())
    }

    /// Returns whether the job is paused because it has [failed too often](Policy::max_failures) in a row.
    ///
    /// ```
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
    /// use matins_core::JobState;
    ///
    /// let unlucky = job("unlucky").with(|job| {
    ///     job.policy.max_failures = std::num::NonZeroU32::new(3);
    ///     job.state = JobState::Paused;
    /// });
    /// assert!(!unlucky.is_disabled(), "somebody has paused it");
    /// assert!(unlucky.with(|job| job.counts.failures_in_a_row = 3).is_disabled());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_disabled(&self) -> bool {
        let most = self.policy.max_failures;
        self.state == JobState::Paused && most.is_some_and(|most| self.counts.failures_in_a_row >= most.get())
    }
}
