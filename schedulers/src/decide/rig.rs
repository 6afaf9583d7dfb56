//! What the tests of the rules are made of.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use matins_core::{Claim, Claimed, Job, JobId, JobRuns, Policy, RunId, TaskName};
use matins_triggers::IntervalTrigger;

pub(crate) fn second(second: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::seconds(second)
}

/// A job that fires each second from the epoch on, and has its first fire before it.
pub(crate) fn job(policy: Policy) -> Job {
    let (id, task) = (JobId::new("job").unwrap(), TaskName::new("task").unwrap());
    let trigger = Arc::new(IntervalTrigger::new(second(0), TimeDelta::seconds(1)).unwrap());
    let mut job = Job::new(id, task, trigger, Some(second(0)), second(0));
    job.policy = policy;
    job
}

/// A claim of one job, which is due if `due` says so.
pub(crate) fn claim(now: DateTime<Utc>, job: &Job, runs: JobRuns, due: bool, first_run: RunId) -> Claim {
    let job = Some(Arc::new(job.clone()));
    let (abandoned, followers) = (Vec::new(), Vec::new());
    let claimed = Claimed { id: JobId::new("job").unwrap(), job, runs, abandoned, followers };
    Claim { now, jobs: vec![claimed], due: usize::from(due), first_run }
}
