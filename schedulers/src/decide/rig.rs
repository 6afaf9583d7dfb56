//! What the tests of the rules are made of.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use matins_core::{Claim, Claimed, ExecutorName, Job, JobId, JobRuns, JobState, Policy, RunId, TaskName};
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
        revision: 0,
    }
}

/// A claim of one job, which is due if `due` says so.
pub(crate) fn claim(now: DateTime<Utc>, job: &Job, runs: JobRuns, due: bool, first_run: RunId) -> Claim {
    let job_group = job.policy.group.clone();
    let job = Some(Arc::new(job.clone()));
    let (abandoned, followers) = (Vec::new(), Vec::new());
    let claimed = Claimed { id: JobId::new("job").unwrap(), job, runs, abandoned, followers };
    let groups = job_group.map(|group| (group.name, 0)).into_iter().collect();
    Claim { now, jobs: vec![claimed], due: usize::from(due), first_run, groups }
}
