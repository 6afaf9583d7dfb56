//! What decisions need from the store: read before they are made, so that they are pure.

use std::sync::Arc;

use ahash::{AHashMap as HashMap, AHashSet as HashSet};
use chrono::{DateTime, Utc};
use matins_core::{Job, JobId, JobStore, Run, RunId, RunQuery, StoreError};

use crate::live::{Live, Running};

/// Jobs whose runs may start now, by id; those that are gone are not among them.
#[derive(Debug, Default)]
pub(crate) struct Jobs(HashMap<JobId, Arc<Job>>);

impl Jobs {
    pub(crate) fn get(&self, id: &JobId) -> Option<Arc<Job>> {
        if self.0.is_empty() { None } else { self.0.get(id).cloned() }
    }

    #[cfg(test)]
    pub(crate) fn put(&mut self, job: Job) {
        self.0.insert(job.id.clone(), Arc::new(job));
    }

    /// Reads the jobs that may have a run to start: what waits for runs that have `ended`, or for work outside of the scheduler
    /// that has, and attempts whose turn has come.
    pub(crate) fn that_may_start<'a>(
        store: &mut dyn JobStore,
        live: &'a Live,
        ended: impl IntoIterator<Item = &'a Running>,
        now: DateTime<Utc>,
    ) -> Result<Self, StoreError> {
        let waits = |job: &JobId| live.jobs.get(job).is_some_and(|runs| runs.waiting.is_some());
        let waiting = ended.into_iter().map(|running| &running.run.job).filter(|job| waits(job));
        let vacated = live.occupations.ended.iter();
        let retries = live.retries.range(..=(now, RunId(u64::MAX))).map(|(_, run)| &run.job);
        let mut jobs = Self::default();
        jobs.read(store, waiting.chain(vacated).chain(retries))?;
        Ok(jobs)
    }

    /// Reads those of the jobs that are not here yet.
    pub(crate) fn read<'a>(
        &mut self,
        store: &mut dyn JobStore,
        ids: impl IntoIterator<Item = &'a JobId>,
    ) -> Result<(), StoreError> {
        for id in ids {
            if !self.0.contains_key(id)
                && let Some(job) = store.get(id)?
            {
                self.0.insert(id.clone(), Arc::new(job));
            }
        }
        Ok(())
    }
}

/// Runs that the store has without an outcome, and of which nothing is known here.
#[derive(Debug, Default)]
pub(crate) struct Unfinished {
    pub(crate) runs: Vec<Run>,
    /// For each further attempt that waits for its turn, the attempt before it.
    pub(crate) before: HashMap<RunId, Run>,
}

impl Unfinished {
    /// Reads them, and their jobs into `jobs`.
    pub(crate) fn read(
        store: &mut dyn JobStore,
        live: &Live,
        in_flight: &HashSet<RunId>,
        jobs: &mut Jobs,
    ) -> Result<Self, StoreError> {
        let mut runs = store.runs(&RunQuery { unfinished: true, ..RunQuery::default() })?;
        runs.retain(|run| !in_flight.contains(&run.id) && !live.has_waiting(run));
        jobs.read(store, runs.iter().map(|run| &run.job))?;
        let mut before = HashMap::new();
        for run in runs.iter().filter(|run| run.started.is_none() && run.attempt > 1) {
            let rows = store.runs(&RunQuery::of_job(&run.job))?;
            let is_it = |row: &Run| row.fires == run.fires && row.attempt.saturating_add(1) == run.attempt;
            before.extend(rows.into_iter().find(is_it).map(|row| (run.id, row)));
        }
        Ok(Self { runs, before })
    }
}
