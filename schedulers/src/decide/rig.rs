//! What the tests of the rules are made of.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use matins_core::{ExecutorName, Job, JobId, JobState, Policy, TaskName};
use matins_triggers::IntervalTrigger;

pub(crate) fn second(second: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::seconds(second)
}

/// A job that fires each second from the epoch on, and has its first fire before it.
pub(crate) fn job(policy: Policy) -> Job {
    Job {
        id: JobId::new("job").unwrap(),
        task: TaskName::new("task").unwrap(),
        arguments: matins_core::Value::Null,
        trigger: Arc::new(IntervalTrigger::new(second(0), TimeDelta::seconds(1)).unwrap()),
        next_fire: Some(second(0)),
        state: JobState::Active,
        executor: ExecutorName::default(),
        policy,
        tags: std::collections::BTreeSet::new(),
        metadata: std::collections::BTreeMap::new(),
        created: second(0),
    }
}
