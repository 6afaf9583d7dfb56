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

impl<S> fmt::Debug for Engine<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine")
            .field("queue", &self.queue)
            .field("running", &self.running)
            .finish_non_exhaustive()
    }
}

impl<S: Store> Engine<S> {
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
        unimplemented!(
            "chapter 7: recover, compare with the store, fill the queue"
        )
    }

    /// Returns the store.
    pub fn store(&self) -> &S {
        &self.store
    }

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
        unimplemented!("chapter 7: reports, then due fires, then one commit")
    }
}

fn outcome(end: &End) -> Outcome {
    match end {
        End::Succeeded => Outcome::Succeeded,
        End::Failed(_) | End::Cancelled | End::TimedOut => Outcome::Failed,
    }
}
