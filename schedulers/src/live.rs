//! The runs of each job that wait and run, as the store has them too.

use std::collections::BTreeMap;
use std::time::Duration;

use ahash::AHashMap as HashMap;
use chrono::{DateTime, Utc};
use matins_core::{CancelToken, Job, JobId, Retry, Run, RunId, RunLog};
use smallvec::SmallVec;

use crate::decide::postponed::Postponed;
use crate::occupied::Occupations;

/// The runs of one job. Boxed where most jobs have none, so that a table of these stays small.
#[derive(Debug, Clone, Default)]
pub(crate) struct JobRuns {
    /// Those that run, and further attempts that wait for their turn.
    pub(crate) running: SmallVec<[RunId; 2]>,
    /// The one that waits for them to end.
    pub(crate) waiting: Option<Box<Run>>,
    /// The row of missed fires that the next ones extend, as long as nothing else happens to the job.
    pub(crate) missed: Option<Box<Run>>,
    /// The trigger has no more fire times: the job ends with its last run.
    pub(crate) last_one: bool,
}

impl JobRuns {
    fn is_empty(&self) -> bool {
        self.running.is_empty() && self.waiting.is_none() && self.missed.is_none() && !self.last_one
    }
}

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
}

impl Running {
    pub(crate) fn new(run: Run, job: &Job) -> Self {
        let retry = Some(&job.policy.retry).filter(|retry| retry.times > 0).cloned();
        let misfire_grace = job.policy.misfire_grace;
        Self { run, cancel: CancelToken::new(), log: RunLog::default(), retry, misfire_grace }
    }
}

/// Further attempts that wait for their turn, by when that is.
pub(crate) type Retries = BTreeMap<(DateTime<Utc>, RunId), Run>;

/// The runs of a store's jobs.
#[derive(Debug, Default)]
pub(crate) struct Live {
    pub(crate) jobs: HashMap<JobId, JobRuns>,
    pub(crate) retries: Retries,
    /// Runs that could not begin, and have not begun or ended since. Those that wait are among `retries`.
    pub(crate) postponed: HashMap<RunId, Postponed>,
    /// Work of jobs that is in progress outside of the scheduler.
    pub(crate) occupations: Occupations,
    /// How many of `jobs` have a run that waits.
    waiting: usize,
}

impl Live {
    pub(crate) fn replace(&mut self, jobs: HashMap<JobId, JobRuns>) {
        self.jobs.reserve(jobs.len());
        for (id, runs) in jobs {
            self.waiting += usize::from(runs.waiting.is_some());
            let before = if runs.is_empty() { self.jobs.remove(&id) } else { self.jobs.insert(id, runs) };
            self.waiting -= usize::from(before.is_some_and(|runs| runs.waiting.is_some()));
        }
    }

    /// A run that could not begin waits until `turn`, in the place that it has among those that run.
    pub(crate) fn postpone(&mut self, run: Run, turn: DateTime<Utc>, postponed: Postponed) {
        self.postponed.insert(run.id, postponed);
        self.retries.insert((turn, run.id), run);
    }

    /// A run has ended.
    pub(crate) fn ended(&mut self, run: RunId) {
        if !self.postponed.is_empty() {
            self.postponed.remove(&run);
        }
    }

    /// How many runs were recorded and have not begun.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting + self.retries.len()
    }

    pub(crate) fn begin_retries(&mut self, turns: &[(DateTime<Utc>, RunId)]) {
        for turn in turns {
            self.retries.remove(turn);
        }
    }

    /// The runs of a job that were recorded and have not begun.
    pub(crate) fn waiting_of(&self, job: &JobId) -> Vec<Run> {
        let waiting = self.jobs.get(job).and_then(|runs| runs.waiting.as_deref().cloned());
        let retries = self.retries.values().filter(|run| run.job == *job).cloned();
        waiting.into_iter().chain(retries).collect()
    }

    /// Whether a run of the job is in flight, or waits for its turn.
    pub(crate) fn is_busy(&self, job: &JobId) -> bool {
        self.jobs.get(job).is_some_and(|runs| !runs.running.is_empty() || runs.waiting.is_some())
    }

    /// The runs of these jobs that are in flight.
    pub(crate) fn running_of(&self, jobs: &[Job]) -> impl Iterator<Item = RunId> {
        jobs.iter().filter_map(|job| self.jobs.get(&job.id)).flat_map(|runs| runs.running.iter().copied())
    }

    /// Whether a run that the store has as unfinished waits here.
    pub(crate) fn has_waiting(&self, run: &Run) -> bool {
        let waits = self.jobs.get(&run.job).and_then(|runs| runs.waiting.as_ref());
        waits.is_some_and(|waiting| waiting.id == run.id) || self.retries.keys().any(|(_, id)| *id == run.id)
    }

    /// The job was changed by hand: the next missed fires begin a row of their own, and its last run is not known.
    pub(crate) fn changed_by_hand(&mut self, job: &JobId) {
        self.close_missed(job);
        if let Some(runs) = self.jobs.get_mut(job) {
            runs.last_one = false;
        }
    }

    /// The next missed fires begin a row of their own.
    pub(crate) fn close_missed(&mut self, job: &JobId) {
        if let Some(runs) = self.jobs.get_mut(job) {
            runs.missed = None;
        }
    }
}
