//! Stores and executors behind a pointer are stores and executors, so that their type may be chosen at run time.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::{
    Completion, Executor, Job, JobId, JobQuery, JobStore, OnConflict, Quarantined, Refused, Run, RunId,
    RunQuery, RunRequest, Shutdown, StoreError, Transition, WaitMode,
};

#[deny(clippy::missing_trait_methods)]
impl<S: JobStore + ?Sized> JobStore for Box<S> {
    fn is_persistent(&self) -> bool {
        (**self).is_persistent()
    }

    fn import(&mut self, jobs: Vec<Job>, runs: Vec<Run>, on_conflict: OnConflict) -> Result<(), StoreError> {
        (**self).import(jobs, runs, on_conflict)
    }

    fn add(&mut self, job: Job, on_conflict: OnConflict) -> Result<(), StoreError> {
        (**self).add(job, on_conflict)
    }

    fn update(&mut self, job: Job) -> Result<(), StoreError> {
        (**self).update(job)
    }

    fn remove(&mut self, id: &JobId) -> Result<Job, StoreError> {
        (**self).remove(id)
    }

    fn get(&mut self, id: &JobId) -> Result<Option<Job>, StoreError> {
        (**self).get(id)
    }

    fn list(&mut self, query: &JobQuery) -> Result<Vec<Job>, StoreError> {
        (**self).list(query)
    }

    fn count(&mut self, query: &JobQuery) -> Result<usize, StoreError> {
        (**self).count(query)
    }

    fn next_due(&mut self) -> Result<Option<DateTime<Utc>>, StoreError> {
        (**self).next_due()
    }

    fn due(&mut self, now: DateTime<Utc>, limit: usize) -> Result<Vec<Arc<Job>>, StoreError> {
        (**self).due(now, limit)
    }

    fn commit(&mut self, batch: Vec<Transition>) -> Result<(), StoreError> {
        (**self).commit(batch)
    }

    fn runs(&mut self, query: &RunQuery) -> Result<Vec<Run>, StoreError> {
        (**self).runs(query)
    }

    fn count_runs(&mut self, query: &RunQuery) -> Result<usize, StoreError> {
        (**self).count_runs(query)
    }

    fn next_run_id(&mut self) -> Result<RunId, StoreError> {
        (**self).next_run_id()
    }

    fn quarantined(&self) -> &[Quarantined] {
        (**self).quarantined()
    }
}

#[deny(clippy::missing_trait_methods)]
impl<E: Executor + ?Sized> Executor for Box<E> {
    fn submit(&mut self, run: RunRequest, done: Completion) -> Result<(), Refused> {
        (**self).submit(run, done)
    }

    fn shutdown(&mut self, how: Shutdown) -> Vec<RunId> {
        (**self).shutdown(how)
    }

    fn wait_mode(&self) -> WaitMode {
        (**self).wait_mode()
    }

    fn survives(&self) -> bool {
        (**self).survives()
    }

    fn reattach(&mut self, run: RunRequest, done: Completion) -> Result<(), Refused> {
        (**self).reattach(run, done)
    }
}
