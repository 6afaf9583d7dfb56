//! A run that an executor has.

use std::time::Duration;

use matins_core::{CancelToken, GroupName, Job, Retry, Run, RunLog};

/// A run that is in flight.
#[derive(Debug, Clone)]
pub(crate) struct Running {
    pub(crate) run: Run,
    pub(crate) cancel: CancelToken,
    pub(crate) log: RunLog,
    /// As the job had it when the run began; `None` where it is never tried again.
    pub(crate) retry: Option<Retry>,
    /// As the job had it when the run began.
    pub(crate) misfire_grace: Option<Duration>,
    /// The group that it counts for until it ends.
    pub(crate) group: Option<GroupName>,
}

impl Running {
    pub(crate) fn new(run: Run, job: &Job) -> Self {
        let retry = Some(&job.policy.retry).filter(|retry| retry.times > 0).cloned();
        let misfire_grace = job.policy.misfire_grace;
        let group = job.policy.group.as_ref().map(|group| group.name.clone());
        Self { run, cancel: CancelToken::new(), log: RunLog::default(), retry, misfire_grace, group }
    }
}
