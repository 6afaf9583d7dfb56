//! A job store in memory: jobs and ledger live as long as the scheduler does.
//!
//! Jobs are kept by id, and beside that in the order of their next fire time, so that adding, moving on and finding
//! what is due each cost a search in a tree, however many jobs there are.
//!
//! ```
//! use matins_core::{JobQuery, JobStore};
//! use matins_store_memory::MemoryStore;
//!
//! let mut store = MemoryStore::new();
//! assert!(store.list(&JobQuery::default()).unwrap().is_empty());
//! assert!(!store.is_persistent());
//! ```

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use chrono::{DateTime, Utc};
use matins_core::{
    Job, JobId, JobQuery, JobStore, OnConflict, Run, RunId, RunOrder, RunQuery, StoreError, Transition,
};

/// Keeps jobs and ledger in memory. See the [crate's page](crate).
#[derive(Debug, Clone, Default)]
pub struct MemoryStore {
    jobs: HashMap<JobId, Job>,
    due: BTreeSet<(DateTime<Utc>, JobId)>,
    runs: BTreeMap<RunId, Run>,
    runs_of_job: HashMap<JobId, BTreeSet<RunId>>,
    unfinished: BTreeSet<RunId>,
    last_run: u64,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    fn put(&mut self, job: Job) {
        self.take(&job.id.clone());
        if let Some(fire) = job.next_fire {
            self.due.insert((fire, job.id.clone()));
        }
        self.jobs.insert(job.id.clone(), job);
    }

    fn take(&mut self, id: &JobId) -> Option<Job> {
        let job = self.jobs.remove(id)?;
        if let Some(fire) = job.next_fire {
            self.due.remove(&(fire, id.clone()));
        }
        Some(job)
    }

    /// Whether the batch can be applied: nothing may be refused halfway.
    fn check(&self, batch: &[Transition]) -> Result<(), StoreError> {
        let mut moved: HashMap<&JobId, Option<DateTime<Utc>>> = HashMap::new();
        let mut recorded = HashSet::new();
        for transition in batch {
            match transition {
                Transition::Advance { job: id, from, to } => {
                    let job = self.jobs.get(id).ok_or_else(|| StoreError::NotFound { id: id.clone() })?;
                    let found = moved.insert(id, *to).unwrap_or(job.next_fire);
                    if found != *from {
                        return Err(StoreError::Stale { id: id.clone(), expected: *from, found });
                    }
                }
                Transition::Record(run) if self.runs.contains_key(&run.id) || !recorded.insert(run.id) => {
                    return Err(StoreError::RunExists { run: run.id });
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn apply(&mut self, transition: &Transition) {
        match transition {
            Transition::Advance { job, to, .. } => {
                if let Some(job) = self.jobs.get_mut(job) {
                    if let Some(fire) = std::mem::replace(&mut job.next_fire, *to) {
                        self.due.remove(&(fire, job.id.clone()));
                    }
                    if let Some(fire) = *to {
                        self.due.insert((fire, job.id.clone()));
                    }
                }
            }
            Transition::Record(run) => {
                if run.outcome.is_none() {
                    self.unfinished.insert(run.id);
                }
                self.last_run = self.last_run.max(run.id.0);
                self.runs_of_job.entry(run.job.clone()).or_default().insert(run.id);
                self.runs.insert(run.id, run.clone());
            }
            Transition::Start { run, started, scheduled } => {
                if let Some(run) = self.runs.get_mut(run) {
                    run.started = *started;
                    run.fires = matins_core::Stretch::single(*scheduled);
                }
            }
            Transition::Extend { run, fires } => {
                if let Some(run) = self.runs.get_mut(run) {
                    run.fires = *fires;
                }
            }
            Transition::Finish(finished) => {
                if let Some(run) = self.runs.get_mut(&finished.id) {
                    run.started = finished.started;
                    run.finished = finished.finished;
                    run.outcome = finished.outcome;
                    run.message.clone_from(&finished.message);
                    run.output.clone_from(&finished.output);
                    run.result.clone_from(&finished.result);
                    self.unfinished.remove(&finished.id);
                }
            }
            Transition::End { job } => {
                self.take(job);
            }
            Transition::PruneJob { job, keep } => {
                let runs = self.runs_of_job.get(job).into_iter().flatten();
                let old: Vec<RunId> = runs.rev().skip(*keep as usize).copied().collect();
                self.forget(old);
            }
            Transition::PruneBefore { before } => {
                let finished = |run: &&Run| run.finished.is_some_and(|finished| finished < *before);
                let old = self.runs.values().filter(finished).map(|run| run.id).collect();
                self.forget(old);
            }
            // A step of a later core: this store would have to learn it before it could be sent.
            _ => {}
        }
    }

    fn forget(&mut self, old: Vec<RunId>) {
        for id in old {
            if self.unfinished.contains(&id) {
                continue;
            }
            let Some(run) = self.runs.remove(&id) else { continue };
            if let Some(runs) = self.runs_of_job.get_mut(&run.job) {
                runs.remove(&id);
                if runs.is_empty() {
                    self.runs_of_job.remove(&run.job);
                }
            }
        }
    }
}

impl JobStore for MemoryStore {
    fn is_persistent(&self) -> bool {
        false
    }

    fn add(&mut self, job: Job, on_conflict: OnConflict) -> Result<(), StoreError> {
        if self.jobs.contains_key(&job.id) {
            match on_conflict {
                OnConflict::Replace => {}
                OnConflict::Keep => return Ok(()),
                _ => return Err(StoreError::Conflict { id: job.id }),
            }
        }
        self.put(job);
        Ok(())
    }

    fn update(&mut self, job: Job) -> Result<(), StoreError> {
        if !self.jobs.contains_key(&job.id) {
            return Err(StoreError::NotFound { id: job.id });
        }
        self.put(job);
        Ok(())
    }

    fn remove(&mut self, id: &JobId) -> Result<Job, StoreError> {
        self.take(id).ok_or_else(|| StoreError::NotFound { id: id.clone() })
    }

    fn get(&mut self, id: &JobId) -> Result<Option<Job>, StoreError> {
        Ok(self.jobs.get(id).cloned())
    }

    fn list(&mut self, query: &JobQuery) -> Result<Vec<Job>, StoreError> {
        Ok(query.select(self.jobs.values().cloned()))
    }

    fn next_due(&mut self) -> Result<Option<DateTime<Utc>>, StoreError> {
        Ok(self.due.first().map(|(fire, _)| *fire))
    }

    fn due(&mut self, now: DateTime<Utc>, limit: usize) -> Result<Vec<Job>, StoreError> {
        let due = self.due.iter().take_while(|(fire, _)| *fire <= now).take(limit);
        Ok(due.filter_map(|(_, id)| self.jobs.get(id).cloned()).collect())
    }

    fn commit(&mut self, batch: &[Transition]) -> Result<(), StoreError> {
        self.check(batch)?;
        for transition in batch {
            self.apply(transition);
        }
        Ok(())
    }

    fn runs(&mut self, query: &RunQuery) -> Result<Vec<Run>, StoreError> {
        // The narrowest set that holds the answer, as ids in rising order.
        let ids: Vec<RunId> = match &query.job {
            _ if query.unfinished => self.unfinished.iter().copied().collect(),
            Some(job) => self.runs_of_job.get(job).into_iter().flatten().copied().collect(),
            None => self.runs.keys().copied().collect(),
        };
        let matching = |id: &RunId| self.runs.get(id).filter(|run| query.matches(run)).cloned();
        let limit = query.limit.unwrap_or(usize::MAX);
        Ok(match query.order {
            RunOrder::NewestFirst => ids.iter().rev().filter_map(matching).take(limit).collect(),
            _ => ids.iter().filter_map(matching).take(limit).collect(),
        })
    }

    fn next_run_id(&mut self) -> Result<RunId, StoreError> {
        Ok(RunId(self.last_run + 1))
    }
}
