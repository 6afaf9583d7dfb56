//! What a batch changes: checked as a whole, then applied.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use foldhash::{HashMap, HashMapExt};
#[cfg(doc)]
use matins_core::JobStore;
use matins_core::{Job, Run, RunId, StoreError, Transition};

use crate::{MemoryStore, shrink};

impl MemoryStore {
    /// Whether a batch can be committed: nothing may be refused halfway.
    ///
    /// # Errors
    /// What [`commit`](JobStore::commit) would answer.
    pub fn check(&self, batch: &[Transition]) -> Result<(), StoreError> {
        // By the place of the job in memory, which is found faster than its id.
        let mut moved: HashMap<*const Job, Option<DateTime<Utc>>> = HashMap::with_capacity(batch.len() / 2);
        // Numbers mostly rise above all that there were; only others are looked for.
        let mut highest = self.last_run;
        for (place, transition) in batch.iter().enumerate() {
            match transition {
                Transition::Advance { job: id, from, to } => {
                    let job = self.jobs.get(id).ok_or_else(|| StoreError::NotFound { id: id.clone() })?;
                    let found = moved.insert(Arc::as_ptr(job), *to).unwrap_or(job.next_fire);
                    if found != *from {
                        return Err(StoreError::Stale { id: id.clone(), expected: *from, found });
                    }
                }
                Transition::Record(run) if run.id.0 > highest => {
                    highest = run.id.0;
                }
                Transition::Record(run) => {
                    let records_it =
                        |step: &Transition| matches!(step, Transition::Record(other) if other.id == run.id);
                    if self.runs.contains(&run.id) || batch[..place].iter().any(records_it) {
                        return Err(StoreError::RunExists { run: run.id });
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Makes the changes of a batch that [`check`](Self::check) has found sound.
    pub fn apply(&mut self, batch: Vec<Transition>) {
        for transition in batch {
            self.apply_one(transition);
        }
    }

    fn apply_one(&mut self, transition: Transition) {
        match transition {
            Transition::Advance { job, to, .. } => {
                if let Some(job) = self.jobs.get_mut(&job) {
                    let job = Arc::make_mut(job);
                    let id = match std::mem::replace(&mut job.next_fire, to) {
                        Some(fire) => self.due.remove(fire, &job.id),
                        None => self.idle.take(&job.id),
                    };
                    let id = id.unwrap_or_else(|| job.id.clone());
                    match to {
                        Some(fire) => self.due.insert(fire, id),
                        None => drop(self.idle.insert(id)),
                    }
                }
            }
            Transition::Record(run) => {
                self.record(run);
            }
            Transition::Start { run, started, scheduled } => {
                if let Some(run) = self.runs.get_mut(&run) {
                    let run = Arc::make_mut(run);
                    run.started = started;
                    run.fires = matins_core::FireRange::single(scheduled);
                }
            }
            Transition::Extend { run, fires } => {
                if let Some(run) = self.runs.get_mut(&run) {
                    Arc::make_mut(run).fires = fires;
                }
            }
            Transition::Finish(finished) => {
                if let Some(run) = self.runs.get_mut(&finished.id) {
                    if finished.outcome.is_some() {
                        self.unfinished.remove(&finished.id);
                    }
                    finish(run, finished);
                }
            }
            Transition::Update(job) => {
                if self.jobs.contains_key(&job.id) {
                    self.put(*job);
                }
            }
            Transition::End { job } => {
                self.take(&job);
            }
            Transition::PruneJob { job, keep } => {
                let runs = self.runs_of_job.get(&job).into_iter().flatten();
                let old: Vec<RunId> = runs.rev().skip(keep as usize).copied().collect();
                self.forget(old);
            }
            Transition::PruneBefore { before } => {
                let finished = |run: &&Arc<Run>| run.finished.is_some_and(|finished| finished < before);
                let old = self.runs.values().filter(finished).map(|run| run.id).collect();
                self.forget(old);
            }
        }
    }

    fn forget(&mut self, old: Vec<RunId>) {
        for id in old {
            if self.unfinished.contains(&id) {
                continue;
            }
            self.take_row(id);
        }
    }

    pub(crate) fn take_row(&mut self, id: RunId) -> Option<Arc<Run>> {
        let (_, run) = self.runs.remove(&id)?;
        if let Some(runs) = self.runs_of_job.get_mut(&run.job) {
            if let Ok(place) = runs.binary_search(&id) {
                runs.remove(place);
            }
            if runs.is_empty() {
                self.runs_of_job.remove(&run.job);
                shrink(&mut self.runs_of_job);
            }
        }
        Some(run)
    }
}

/// Does what [`Transition::Finish`] says. Mostly the finished row differs in nothing that stays, and takes the place of the other.
fn finish(row: &mut Arc<Run>, finished: Arc<Run>) {
    let what_stays = |run: &Run| (run.fires, run.attempt, run.manual, run.cause);
    if what_stays(row) == what_stays(&finished) && row.job == finished.job {
        *row = finished;
    } else {
        Arc::make_mut(row).finish(Arc::unwrap_or_clone(finished));
    }
}
