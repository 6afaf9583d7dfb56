//! The store of the simulation as a disk has it: it outlives the engines that crash, and notes each next fire time that it is given.

use std::sync::{Arc, Mutex};

use chrono::{DateTime, Utc};
use foldhash::{HashMap, HashMapExt};
use matins_core::{
    Job, JobId, JobQuery, JobState, JobStore, OnConflict, Run, RunId, RunQuery, StoreError, Transition,
    Trigger,
};
use matins_store_memory::MemoryStore;

#[derive(Clone, Default)]
pub(super) struct Disk(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    store: MemoryStore,
    changes: Vec<Change>,
}

/// A job got another next fire time.
pub(super) struct Change {
    pub(super) job: JobId,
    pub(super) from: Option<DateTime<Utc>>,
    pub(super) to: Option<DateTime<Utc>>,
    /// The trigger and the state that it got, if it was changed as a whole.
    pub(super) update: Option<(Arc<dyn Trigger>, JobState)>,
}

impl Disk {
    pub(super) fn take_changes(&self) -> Vec<Change> {
        std::mem::take(&mut self.0.lock().unwrap().changes)
    }

    pub(super) fn jobs(&self) -> Vec<Job> {
        self.0.lock().unwrap().store.jobs().cloned().collect()
    }

    pub(super) fn next_fire(&self, id: &JobId) -> Option<DateTime<Utc>> {
        self.0.lock().unwrap().store.get(id).unwrap().and_then(|job| job.next_fire)
    }
}

impl JobStore for Disk {
    fn is_persistent(&self) -> bool {
        true
    }
    fn import(&mut self, jobs: Vec<Job>, runs: Vec<Run>, on_conflict: OnConflict) -> Result<(), StoreError> {
        self.0.lock().unwrap().store.import(jobs, runs, on_conflict)
    }
    fn update(&mut self, job: Job) -> Result<(), StoreError> {
        self.0.lock().unwrap().store.update(job)
    }
    fn remove(&mut self, id: &JobId) -> Result<Job, StoreError> {
        self.0.lock().unwrap().store.remove(id)
    }
    fn get(&mut self, id: &JobId) -> Result<Option<Job>, StoreError> {
        self.0.lock().unwrap().store.get(id)
    }
    fn list(&mut self, query: &JobQuery) -> Result<Vec<Job>, StoreError> {
        self.0.lock().unwrap().store.list(query)
    }
    fn next_due(&mut self) -> Result<Option<DateTime<Utc>>, StoreError> {
        self.0.lock().unwrap().store.next_due()
    }
    fn due(&mut self, now: DateTime<Utc>, limit: usize) -> Result<Vec<Arc<Job>>, StoreError> {
        self.0.lock().unwrap().store.due(now, limit)
    }
    fn commit(&mut self, batch: Vec<Transition>) -> Result<(), StoreError> {
        let State { store, changes } = &mut *self.0.lock().unwrap();
        let mut nexts: HashMap<JobId, Option<DateTime<Utc>>> = HashMap::new();
        let mut new = Vec::new();
        for transition in &batch {
            let (job, to, update) = match transition {
                Transition::Advance { job, to, .. } => (job, *to, None),
                Transition::Update(job) => (&job.id, job.next_fire, Some((job.trigger.clone(), job.state))),
                _ => continue,
            };
            let before = store.get(job)?.and_then(|job| job.next_fire);
            let from = nexts.insert(job.clone(), to).unwrap_or(before);
            new.push(Change { job: job.clone(), from, to, update });
        }
        store.commit(batch)?;
        changes.extend(new);
        Ok(())
    }
    fn runs(&mut self, query: &RunQuery) -> Result<Vec<Run>, StoreError> {
        self.0.lock().unwrap().store.runs(query)
    }
    fn next_run_id(&mut self) -> Result<RunId, StoreError> {
        self.0.lock().unwrap().store.next_run_id()
    }
}
