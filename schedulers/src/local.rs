//! What the scheduler alone knows of a store's jobs, beside what it claims.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use foldhash::HashMap;
use matins_core::{ExecutorName, Job, RunId, Served};

use crate::decide::postponed::Postponed;
use crate::occupied::Occupations;

#[derive(Debug, Default)]
pub(crate) struct Local {
    /// Runs that could not begin, and have not begun or ended since.
    pub(crate) postponed: HashMap<RunId, Postponed>,
    /// Work of jobs that is in progress outside of the scheduler.
    pub(crate) occupations: Occupations,
    /// What this scheduler can start, where others share the store; what it cannot is left to them. `None` where nobody does: such a
    /// job fails.
    pub(crate) served: Option<Served>,
    /// The executors whose runs continue when their process ends.
    pub(crate) surviving: BTreeSet<ExecutorName>,
}

impl Local {
    /// Whether the runs of a job are left to other schedulers.
    pub(crate) fn leaves_to_others(&self, job: &Job) -> bool {
        self.served.as_ref().is_some_and(|served| !served.includes(&job.task, &job.executor))
    }

    /// The clock was set: how long it has been tried already is counted by the time that has passed.
    pub(crate) fn clock_was_set(&mut self, by: TimeDelta) {
        for postponed in self.postponed.values_mut() {
            postponed.since = postponed.since.checked_add_signed(by).unwrap_or(postponed.since);
        }
    }

    /// A run has ended.
    pub(crate) fn ended(&mut self, run: RunId) {
        if !self.postponed.is_empty() {
            self.postponed.remove(&run);
        }
    }
}
