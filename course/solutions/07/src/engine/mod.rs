//! The engine: it is told the time and what has ended, and it says what to
//! start. It never waits, and does no work itself.

use std::collections::BTreeMap;
use std::fmt;

use chrono::{DateTime, Utc};

use crate::executor::End;
use crate::queue::{Queue, Tree};
use crate::store::{
    Change, Job, JobId, Outcome, Run, RunId, Store, StoreError, recover,
};
use crate::trigger::Trigger;

mod plan;

pub use plan::{Coalesce, Decision, Overlap, Plan, Policy, Reason, plan};

// ANCHOR: types
/// A job as the program defines it.
pub struct Definition {
    /// Its number.
    pub id: JobId,
    /// Its schedule as text.
    pub schedule: String,
    /// What is to be run.
    pub command: String,
    /// Its fire times.
    pub trigger: Box<dyn Trigger + Send + Sync>,
    /// What happens to fires that are late, many, or overlapping.
    pub policy: Policy,
}

/// What is to be done after a turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    /// The runs that are to be started, with the commands of their jobs.
    pub start: Vec<(Run, String)>,
    /// When the engine wants its next turn. `None` if only a report can give
    /// it something to do.
    pub next: Option<DateTime<Utc>>,
}

/// Decides what happens when.
pub struct Engine<S> {
    store: S,
    definitions: BTreeMap<JobId, Definition>,
    /// Jobs that are not waiting for a run of theirs to end.
    queue: Tree,
    /// Runs in progress, and their jobs.
    running: BTreeMap<RunId, JobId>,
    next_run: RunId,
}
// ANCHOR_END: types

impl<S> fmt::Debug for Engine<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine")
            .field("queue", &self.queue)
            .field("running", &self.running)
            .finish_non_exhaustive()
    }
}

impl<S: Store> Engine<S> {
    // ANCHOR: open
    /// Returns an engine for a store and the jobs that are defined now. Jobs
    /// that the store knows with the same schedule keep their next fire time.
    /// Others begin now. Jobs that are not defined any more are removed. Runs
    /// of an earlier process are interrupted.
    ///
    /// # Errors
    /// If the store fails.
    pub fn open(
        mut store: S,
        definitions: Vec<Definition>,
        now: DateTime<Utc>,
    ) -> Result<Self, StoreError> {
        recover(&mut store)?;
        let definitions: BTreeMap<JobId, Definition> =
            definitions.into_iter().map(|job| (job.id, job)).collect();
        let known = &store.state().jobs;
        let gone = known.keys().filter(|id| !definitions.contains_key(id));
        let mut changes: Vec<Change> =
            gone.map(|id| Change::RemoveJob(*id)).collect();
        let mut queue = Tree::default();
        for (id, job) in &definitions {
            let before = known.get(id);
            let same = before.filter(|before| before.schedule == job.schedule);
            let next_fire = match same {
                Some(same) => same.next_fire,
                None => job.trigger.next_after(now),
            };
            if let Some(next_fire) = next_fire {
                queue.insert(*id, next_fire);
            }
            let job = Job {
                id: *id,
                schedule: job.schedule.clone(),
                command: job.command.clone(),
                next_fire,
            };
            if before != Some(&job) {
                changes.push(Change::PutJob(job));
            }
        }
        let last_run = store.state().runs.keys().last();
        let next_run = last_run.map_or(1, |last| last + 1);
        if !changes.is_empty() {
            store.commit(&changes)?;
        }
        let running = BTreeMap::new();
        Ok(Self { store, definitions, queue, running, next_run })
    }
    // ANCHOR_END: open

    /// Returns the store.
    pub fn store(&self) -> &S {
        &self.store
    }

    // ANCHOR: turn
    /// Takes in how runs have ended, decides about all fires that are due, and
    /// commits all of it at once. Only then may runs be started.
    ///
    /// # Errors
    /// If the store fails. The engine must not be used any more, because what
    /// it knows and what is on the disk may differ.
    pub fn turn(
        &mut self,
        now: DateTime<Utc>,
        reports: &[(RunId, End)],
    ) -> Result<Turn, StoreError> {
        let mut changes = Vec::new();
        for (run, end) in reports {
            changes.push(Change::End(*run, outcome(end)));
            // A job that was waiting for this run is due again.
            if let Some(job) = self.running.remove(run)
                && let Some(job) = self.store.state().jobs.get(&job)
                && let Some(next_fire) = job.next_fire
            {
                self.queue.insert(job.id, next_fire);
            }
        }
        let mut start = Vec::new();
        while let Some((next_fire, id)) = self.queue.pop_due(now) {
            let Some(job) = self.definitions.get(&id) else { continue };
            let running = self.running.values().filter(|job| **job == id);
            let running = running.count();
            let plan =
                plan(&*job.trigger, &job.policy, next_fire, now, running);
            for (fire, decision) in plan.fires {
                let outcome = match decision {
                    Decision::Start => Outcome::Running,
                    Decision::Miss(_) => Outcome::Missed,
                };
                let run = Run { id: self.next_run, job: id, fire, outcome };
                self.next_run += 1;
                if decision == Decision::Start {
                    self.running.insert(run.id, id);
                    start.push((run.clone(), job.command.clone()));
                }
                changes.push(Change::Record(run));
            }
            if plan.next_fire != Some(next_fire) {
                changes.push(Change::MoveOn(id, plan.next_fire));
            }
            if let Some(next) = plan.next_fire.filter(|next| *next > now) {
                self.queue.insert(id, next);
            }
        }
        if !changes.is_empty() {
            self.store.commit(&changes)?;
        }
        Ok(Turn { start, next: self.queue.next() })
    }
    // ANCHOR_END: turn
}

fn outcome(end: &End) -> Outcome {
    match end {
        End::Succeeded => Outcome::Succeeded,
        End::Failed(_) | End::Cancelled | End::TimedOut => Outcome::Failed,
    }
}
