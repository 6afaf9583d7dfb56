//! What is going on now: the runs of each job that wait and run, as the store has them too.

use std::collections::HashMap;

use matins_core::{CancelToken, JobId, Run, RunId};

/// The runs of one job.
#[derive(Debug, Clone, Default)]
pub(crate) struct JobRuns {
    /// Those that run.
    pub(crate) running: Vec<RunId>,
    /// The one that waits for them to end.
    pub(crate) waiting: Option<Run>,
    /// The row of missed fires that the next ones extend, as long as nothing else happens to the job.
    pub(crate) missed: Option<Run>,
    /// The trigger has no more fire times: the job ends with its last run.
    pub(crate) last_one: bool,
}

impl JobRuns {
    fn is_empty(&self) -> bool {
        self.running.is_empty() && self.waiting.is_none() && self.missed.is_none() && !self.last_one
    }
}

/// A run that goes on.
#[derive(Debug, Clone)]
pub(crate) struct Running {
    pub(crate) run: Run,
    pub(crate) cancel: CancelToken,
}

/// The runs of a store's jobs.
#[derive(Debug, Default)]
pub(crate) struct Live {
    pub(crate) jobs: HashMap<JobId, JobRuns>,
    pub(crate) running: HashMap<RunId, Running>,
}

impl Live {
    pub(crate) fn replace(&mut self, jobs: HashMap<JobId, JobRuns>) {
        for (id, runs) in jobs {
            if runs.is_empty() {
                self.jobs.remove(&id);
            } else {
                self.jobs.insert(id, runs);
            }
        }
    }

    /// The job was changed by hand: the next missed fires begin a row of their own.
    pub(crate) fn close_missed(&mut self, job: &JobId) {
        if let Some(runs) = self.jobs.get_mut(job) {
            runs.missed = None;
        }
    }
}
