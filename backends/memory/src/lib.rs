//! A job store in memory: jobs and ledger live as long as the scheduler does.
//!
//! Jobs are kept by id, and also in the order of their next fire time. So adding, moving on and finding what is due
//! each cost a search in a tree, however many jobs there are.
//!
//! | to do | among *n* jobs |
//! | --- | --- |
//! | add, move on, pause, remove a job | log *n* |
//! | find the next due job | log *n* |
//! | find one by its id | constant |
//! | keep the newest rows of a job's ledger | constant a row |
//!
//! ```
//! use matins_core::{JobQuery, JobStore};
//! use matins_store_memory::MemoryStore;
//!
//! let mut store = MemoryStore::new();
//! assert!(store.list(&JobQuery::default()).unwrap().is_empty());
//! assert!(!store.is_persistent());
//! ```

mod batch;
mod due;
mod listing;
mod sorted;

use std::collections::{BTreeSet, VecDeque};
use std::hash::Hash;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use foldhash::{HashMap, HashSet, HashSetExt};
use matins_core::{
    Job, JobId, JobQuery, JobStore, OnConflict, Run, RunId, RunQuery, StoreError, Transition, json,
};
use matins_store_query::JobQueryExt;

use due::DueTimes;
use sorted::{SortedIds, SortedMap};

/// Keeps jobs and ledger in memory. See the [crate's page](crate).
#[derive(Debug, Clone, Default)]
pub struct MemoryStore {
    jobs: HashMap<JobId, Arc<Job>>,
    due: DueTimes,
    /// The jobs without a next fire time.
    idle: BTreeSet<JobId>,
    /// All jobs, once a page of them has been asked for by id.
    by_id: Option<BTreeSet<JobId>>,
    runs: SortedMap<RunId, Arc<Run>>,
    /// In rising order: new ones come at the end, old ones are forgotten from the front.
    runs_of_job: HashMap<JobId, VecDeque<RunId>>,
    unfinished: SortedIds<RunId>,
    last_run: u64,
}

impl MemoryStore {
    /// Returns an empty store.
    ///
    /// ```
    /// use matins_core::{JobQuery, JobStore};
    /// use matins_store_memory::MemoryStore;
    ///
    /// assert_eq!(MemoryStore::new().count(&JobQuery::default())?, 0);
    /// # Ok::<(), matins_core::StoreError>(())
    /// ```
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in all that another store holds; its jobs replace those of the same id.
    pub fn merge(&mut self, other: Self) {
        if self.jobs.is_empty() && self.runs.is_empty() {
            let last_run = self.last_run.max(other.last_run);
            *self = Self { last_run, ..other };
            return;
        }
        self.by_id = None;
        self.jobs.reserve(other.jobs.len());
        for (id, job) in other.jobs {
            if let Some(old) = self.jobs.insert(id, job) {
                match old.next_fire {
                    Some(fire) => drop(self.due.remove(fire, &old.id)),
                    None => drop(self.idle.remove(&old.id)),
                }
            }
        }
        for (fire, id) in other.due.into_entries() {
            self.due.insert(fire, id);
        }
        self.idle.extend(other.idle);
        for (_, run) in other.runs.into_entries() {
            self.record(run);
        }
        self.last_run = self.last_run.max(other.last_run);
    }

    fn put(&mut self, job: Job) {
        self.take(&job.id);
        self.put_new(job);
    }

    /// Puts a job in whose id is free.
    fn put_new(&mut self, job: Job) {
        match job.next_fire {
            Some(fire) => self.due.insert(fire, job.id.clone()),
            None => drop(self.idle.insert(job.id.clone())),
        }
        if let Some(ids) = &mut self.by_id {
            ids.insert(job.id.clone());
        }
        self.jobs.insert(job.id.clone(), Arc::new(job));
    }

    fn take(&mut self, id: &JobId) -> Option<Job> {
        let job = self.jobs.remove(id)?;
        shrink(&mut self.jobs);
        match job.next_fire {
            Some(fire) => drop(self.due.remove(fire, id)),
            None => drop(self.idle.remove(id)),
        }
        if let Some(ids) = &mut self.by_id {
            ids.remove(id);
        }
        Some(Arc::unwrap_or_clone(job))
    }

    fn record(&mut self, run: Arc<Run>) {
        if run.outcome.is_none() {
            self.unfinished.insert(run.id, ());
        }
        self.last_run = self.last_run.max(run.id.0);
        let runs = self.runs_of_job.entry(run.job.clone()).or_default();
        if runs.back().is_none_or(|last| *last < run.id) {
            runs.push_back(run.id);
        } else if let Err(place) = runs.binary_search(&run.id) {
            runs.insert(place, run.id);
        }
        self.runs.insert(run.id, run);
    }

    /// How many jobs and how many rows of the ledger it holds.
    pub fn counts(&self) -> (usize, usize) {
        (self.jobs.len(), self.runs.len())
    }

    /// Whether it holds a job of this id.
    pub fn contains(&self, id: &str) -> bool {
        self.jobs.contains_key(id)
    }

    /// All jobs, in no order.
    pub fn jobs(&self) -> impl Iterator<Item = &Job> {
        self.jobs.values().map(|job| &**job)
    }

    /// The ledger, by number.
    pub fn ledger(&self) -> impl Iterator<Item = &Run> {
        self.runs.values().map(|run| &**run)
    }

    /// The row of the ledger with this number.
    pub fn run(&self, id: RunId) -> Option<&Run> {
        self.runs.get(&id).map(|run| &**run)
    }

    /// Takes a row out of the ledger, and returns it.
    pub fn take_run(&mut self, id: RunId) -> Option<Run> {
        self.unfinished.remove(&id);
        self.take_row(id).map(Arc::unwrap_or_clone)
    }

    /// The next fire time of a job; `None` also where there is no such job.
    pub fn next_fire(&self, id: &JobId) -> Option<DateTime<Utc>> {
        self.jobs.get(id)?.next_fire
    }

    /// The highest number that a run ever had.
    pub fn last_run(&self) -> Option<RunId> {
        (self.last_run > 0).then_some(RunId(self.last_run))
    }

    /// Takes numbers up to `last` as used, so that [`next_run_id`](JobStore::next_run_id) is above them.
    pub fn reserve_run_numbers(&mut self, last: RunId) {
        self.last_run = self.last_run.max(last.0);
    }

    /// Those of `jobs` that [`import`](JobStore::import) would put into the store, where it would not refuse them.
    ///
    /// # Errors
    /// What `import` would answer.
    pub fn accept(
        &self,
        jobs: Vec<Job>,
        runs: &[Run],
        on_conflict: OnConflict,
    ) -> Result<Vec<Job>, StoreError> {
        let mut numbers = HashSet::new();
        if let Some(run) = runs.iter().find(|run| self.runs.contains(&run.id) || !numbers.insert(run.id)) {
            return Err(StoreError::RunExists { run: run.id });
        }
        let mut seen: HashSet<JobId> = HashSet::with_capacity(jobs.len());
        let mut accepted = Vec::with_capacity(jobs.len());
        for job in jobs {
            // One that comes alone meets no other of its batch.
            let is_taken =
                self.jobs.contains_key(&job.id) || (accepted.capacity() > 1 && !seen.insert(job.id.clone()));
            match on_conflict {
                OnConflict::Keep if is_taken => {}
                OnConflict::Replace => accepted.push(job),
                _ if is_taken => return Err(StoreError::Conflict { id: job.id }),
                _ => accepted.push(job),
            }
        }
        Ok(accepted)
    }

    /// As [`import`](JobStore::import), of what a store has kept: rows that would be refused today are accepted.
    ///
    /// # Errors
    /// If an id or a number is taken.
    pub fn load(
        &mut self,
        jobs: Vec<Job>,
        runs: Vec<Run>,
        on_conflict: OnConflict,
    ) -> Result<(), StoreError> {
        let jobs = self.accept(jobs, &runs, on_conflict)?;
        self.jobs.reserve(jobs.len());
        for job in jobs {
            self.put(job);
        }
        for run in runs {
            self.record(Arc::new(run));
        }
        Ok(())
    }
}

/// Gives room back that a table has needed for many more entries than it has.
fn shrink<K: Hash + Eq, V>(table: &mut HashMap<K, V>) {
    const ROOMY: usize = 2_048;
    if table.capacity() > ROOMY && table.len() < table.capacity() / 8 {
        let room = 2 * table.len();
        table.shrink_to(room);
    }
}

impl JobStore for MemoryStore {
    fn is_persistent(&self) -> bool {
        false
    }

    fn import(&mut self, jobs: Vec<Job>, runs: Vec<Run>, on_conflict: OnConflict) -> Result<(), StoreError> {
        runs.iter().try_for_each(json::check_run)?;
        self.load(jobs, runs, on_conflict)
    }

    /// As [`import`](Self::import) of one job, without the lists.
    fn add(&mut self, job: Job, on_conflict: OnConflict) -> Result<(), StoreError> {
        let is_taken = self.jobs.contains_key(&job.id);
        match on_conflict {
            _ if !is_taken => self.put_new(job),
            OnConflict::Keep => {}
            OnConflict::Replace => self.put(job),
            _ => return Err(StoreError::Conflict { id: job.id }),
        }
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
        Ok(self.jobs.get(id).map(|job| (**job).clone()))
    }

    fn list(&mut self, query: &JobQuery) -> Result<Vec<Job>, StoreError> {
        Ok(self.listed(query))
    }

    fn count(&mut self, query: &JobQuery) -> Result<usize, StoreError> {
        Ok(if query.is_all() {
            self.jobs.len()
        } else {
            self.jobs.values().filter(|job| query.matches(job)).count()
        })
    }

    fn next_due(&mut self) -> Result<Option<DateTime<Utc>>, StoreError> {
        Ok(self.due.first())
    }

    fn due(&mut self, now: DateTime<Utc>, limit: usize) -> Result<Vec<Arc<Job>>, StoreError> {
        let due = self.due.until(now).take(limit);
        Ok(due.filter_map(|id| self.jobs.get(id)).cloned().collect())
    }

    fn commit(&mut self, batch: Vec<Transition>) -> Result<(), StoreError> {
        json::check_batch(&batch)?;
        self.check(&batch)?;
        self.apply(batch);
        Ok(())
    }

    fn runs(&mut self, query: &RunQuery) -> Result<Vec<Run>, StoreError> {
        Ok(self.listed_runs(query))
    }

    fn count_runs(&mut self, query: &RunQuery) -> Result<usize, StoreError> {
        Ok(self.counted_runs(query))
    }

    fn next_run_id(&mut self) -> Result<RunId, StoreError> {
        Ok(RunId(self.last_run.saturating_add(1)))
    }
}
