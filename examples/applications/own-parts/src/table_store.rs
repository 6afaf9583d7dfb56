//! A job store: two tables in memory.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use matins_core::{
    FireRange, Job, JobId, JobQuery, JobStore, OnConflict, Run, RunId,
    RunOrder, RunQuery, StoreError, Transition, json,
};
use matins_store_query::{JobQueryExt, RunQueryExt};

/// Keeps jobs and runs in two tables. A change is made to a copy of both, so it
/// is made as a whole or not at all.
#[derive(Debug, Clone, Default)]
pub struct TableStore {
    jobs: BTreeMap<JobId, Arc<Job>>,
    runs: BTreeMap<RunId, Run>,
    last_run: u64,
}

impl TableStore {
    /// Returns an empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// Refuses what a JSON reader would not take, as stores on disk do: such a
    /// job could not be moved into one of them.
    fn check(&self) -> Result<(), StoreError> {
        self.jobs.values().try_for_each(|job| json::check_job(job))?;
        Ok(self.runs.values().try_for_each(json::check_run)?)
    }

    fn change<T>(
        &mut self,
        change: impl FnOnce(&mut Self) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut changed = self.clone();
        let answer = change(&mut changed)?;
        changed.check()?;
        *self = changed;
        Ok(answer)
    }

    fn record(&mut self, run: Run) -> Result<(), StoreError> {
        if self.runs.contains_key(&run.id) {
            return Err(StoreError::RunExists { run: run.id });
        }
        self.last_run = self.last_run.max(run.id.0);
        self.runs.insert(run.id, run);
        Ok(())
    }

    fn advance(
        &mut self,
        id: JobId,
        from: Option<DateTime<Utc>>,
        to: Option<DateTime<Utc>>,
    ) -> Result<(), StoreError> {
        match self.jobs.get_mut(&id) {
            None => Err(StoreError::NotFound { id }),
            Some(job) if job.next_fire != from => Err(StoreError::Stale {
                id,
                expected: from,
                found: job.next_fire,
            }),
            Some(job) => {
                Arc::make_mut(job).next_fire = to;
                Ok(())
            }
        }
    }

    /// Makes one step of a batch. A step on a job or run that is not there does
    /// nothing, except to advance a job.
    fn apply(&mut self, step: Transition) -> Result<(), StoreError> {
        match step {
            Transition::Advance { job, from, to } => {
                self.advance(job, from, to)?
            }
            Transition::Update(job) => {
                if let Some(place) = self.jobs.get_mut(&job.id) {
                    *place = Arc::new(*job);
                }
            }
            Transition::End { job } => {
                self.jobs.remove(&job);
            }
            Transition::Record(run) => {
                self.record(Arc::unwrap_or_clone(run))?
            }
            Transition::Start { run, started, scheduled } => {
                if let Some(run) = self.runs.get_mut(&run) {
                    run.started = started;
                    run.fires = FireRange::single(scheduled);
                }
            }
            Transition::Extend { run, fires } => {
                if let Some(run) = self.runs.get_mut(&run) {
                    run.fires = fires;
                }
            }
            Transition::Finish(ended) => {
                if let Some(run) = self.runs.get_mut(&ended.id) {
                    run.finish(Arc::unwrap_or_clone(ended));
                }
            }
            Transition::PruneJob { job, keep } => {
                let mut newer =
                    self.runs.values().filter(|run| run.job == job).count();
                self.runs.retain(|_, run| {
                    if run.job != job {
                        return true;
                    }
                    newer -= 1;
                    newer < keep as usize || run.outcome.is_none()
                });
            }
            Transition::PruneBefore { before } => {
                let is_old = |run: &Run| {
                    run.finished.is_some_and(|finished| finished < before)
                };
                self.runs
                    .retain(|_, run| run.outcome.is_none() || !is_old(run));
            }
        }
        Ok(())
    }
}

impl JobStore for TableStore {
    fn is_persistent(&self) -> bool {
        false
    }

    fn import(
        &mut self,
        jobs: Vec<Job>,
        runs: Vec<Run>,
        on_conflict: OnConflict,
    ) -> Result<(), StoreError> {
        self.change(|tables| {
            for job in jobs {
                match (tables.jobs.contains_key(&job.id), on_conflict) {
                    (false, _) | (true, OnConflict::Replace) => {
                        tables.jobs.insert(job.id.clone(), Arc::new(job));
                    }
                    (true, OnConflict::Keep) => {}
                    (true, _) => {
                        return Err(StoreError::Conflict { id: job.id });
                    }
                }
            }
            runs.into_iter().try_for_each(|run| tables.record(run))
        })
    }

    fn update(&mut self, job: Job) -> Result<(), StoreError> {
        self.change(|tables| match tables.jobs.get_mut(&job.id) {
            Some(place) => {
                *place = Arc::new(job);
                Ok(())
            }
            None => Err(StoreError::NotFound { id: job.id }),
        })
    }

    fn remove(&mut self, id: &JobId) -> Result<Job, StoreError> {
        let job = self
            .jobs
            .remove(id)
            .ok_or_else(|| StoreError::NotFound { id: id.clone() })?;
        Ok(Arc::unwrap_or_clone(job))
    }

    fn commit(&mut self, batch: Vec<Transition>) -> Result<(), StoreError> {
        self.change(|tables| {
            batch.into_iter().try_for_each(|step| tables.apply(step))
        })
    }

    fn get(&mut self, id: &JobId) -> Result<Option<Job>, StoreError> {
        Ok(self.jobs.get(id).map(|job| Job::clone(job)))
    }

    fn list(&mut self, query: &JobQuery) -> Result<Vec<Job>, StoreError> {
        Ok(query.select(self.jobs.values().map(|job| Job::clone(job))))
    }

    fn next_due(&mut self) -> Result<Option<DateTime<Utc>>, StoreError> {
        Ok(self.jobs.values().filter_map(|job| job.next_fire).min())
    }

    fn due(
        &mut self,
        now: DateTime<Utc>,
        limit: usize,
    ) -> Result<Vec<Arc<Job>>, StoreError> {
        let is_due =
            |job: &&Arc<Job>| job.next_fire.is_some_and(|fire| fire <= now);
        let mut due: Vec<Arc<Job>> =
            self.jobs.values().filter(is_due).cloned().collect();
        due.sort_by_key(|job| job.next_fire);
        due.truncate(limit);
        Ok(due)
    }

    fn runs(&mut self, query: &RunQuery) -> Result<Vec<Run>, StoreError> {
        let found =
            self.runs.values().filter(|run| query.matches(run)).cloned();
        let limit = query.limit.unwrap_or(usize::MAX);
        Ok(match query.order {
            RunOrder::NewestFirst => found.rev().take(limit).collect(),
            _ => found.take(limit).collect(),
        })
    }

    fn next_run_id(&mut self) -> Result<RunId, StoreError> {
        Ok(RunId(self.last_run.saturating_add(1)))
    }
}
