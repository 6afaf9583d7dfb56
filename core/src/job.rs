//! A job: a trigger joined to a task, with all that must be remembered about it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{ExecutorName, JobId, Policy, TaskName, Trigger};

/// What a store keeps for each job.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Job {
    /// Its name, unique in its store.
    pub id: JobId,
    /// The task that it runs.
    pub task: TaskName,
    /// What the task is given.
    #[serde(default)]
    pub arguments: Value,
    /// When it fires.
    pub trigger: Arc<dyn Trigger>,
    /// The next fire time, to the microsecond; `None` while it is paused, and when the trigger has no more.
    pub next_fire: Option<DateTime<Utc>>,
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
            state,
            executor,
            policy,
            tags,
            metadata,
            created,
        } = self;
        *id == other.id
            && *task == other.task
            && *arguments == other.arguments
            && **trigger == *other.trigger
            && *next_fire == other.next_fire
            && *state == other.state
            && *executor == other.executor
            && *policy == other.policy
            && *tags == other.tags
            && *metadata == other.metadata
            && *created == other.created
    }
}

impl Job {
    /// Whether it is active and has no fire time left.
    pub fn is_exhausted(&self) -> bool {
        self.next_fire.is_none() && self.state == JobState::Active
    }
}
