//! A run that an executor has, or is to have.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use matins_core::{
    CancelToken, ExecutorName, GroupName, Job, OnInterrupt, Retry, Run, RunLog, TaskName, Value,
};

/// A run that is in flight.
#[derive(Debug, Clone)]
pub(crate) struct Running {
    pub(crate) run: Arc<Run>,
    pub(crate) cancel: CancelToken,
    pub(crate) log: RunLog,
    /// As the job had it when the run began; `None` where it is never tried again.
    pub(crate) retry: Option<Box<Retry>>,
    /// As the job had it when the run began.
    pub(crate) misfire_grace: Option<Duration>,
    /// The group that it counts for until it ends.
    pub(crate) group: Option<GroupName>,
    /// As the job had it when the run began: another attempt follows where it is interrupted.
    pub(crate) runs_again: bool,
    /// Its executor keeps it when this process ends.
    pub(crate) survives: bool,
}

impl Running {
    pub(crate) fn new(run: Arc<Run>, job: &Job) -> Self {
        let retry = Some(&job.policy.retry).filter(|retry| retry.times > 0).cloned().map(Box::new);
        let misfire_grace = job.policy.misfire_grace;
        let group = job.policy.group.as_ref().map(|group| group.name.clone());
        let cancel = CancelToken::new();
        let log = RunLog::of_run(&cancel);
        let runs_again = job.policy.on_interrupt == OnInterrupt::RunAgain;
        Self { run, cancel, log, retry, misfire_grace, group, runs_again, survives: false }
    }

    /// The misfire grace of a first attempt counts until its work begins.
    pub(crate) fn begin_by(&self) -> Option<DateTime<Utc>> {
        let grace = self.misfire_grace.filter(|_| self.run.attempt == 1 && !self.run.manual)?;
        self.run.scheduled().checked_add_signed(TimeDelta::from_std(grace).ok()?)
    }
}

/// A run that is handed to its executor once it is recorded. It does not hold on to the job, which its store may have to change.
#[derive(Debug)]
pub(crate) struct Start {
    pub(crate) running: Running,
    pub(crate) task: TaskName,
    pub(crate) arguments: Value,
    pub(crate) executor: ExecutorName,
    pub(crate) time_limit: Option<Duration>,
    pub(crate) priority: i32,
    /// An earlier process has handed it over, and its executor has kept it.
    pub(crate) is_taken_up: bool,
}

impl Start {
    pub(crate) fn new(job: &Job, run: Arc<Run>) -> Self {
        Self {
            running: Running::new(run, job),
            task: job.task.clone(),
            arguments: job.arguments.clone(),
            executor: job.executor.clone(),
            time_limit: job.policy.time_limit,
            priority: job.policy.priority,
            is_taken_up: false,
        }
    }

    /// A run that an earlier process has handed over.
    pub(crate) fn taken_up(job: &Job, run: Arc<Run>) -> Self {
        Self { is_taken_up: true, ..Self::new(job, run) }
    }
}
