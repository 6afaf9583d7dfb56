//! What must be remembered? Jobs with their next fire times, and the ledger:
//! what happened to each fire.

use std::collections::BTreeMap;
use std::fmt;
use std::io;

use chrono::{DateTime, Utc};

pub use crate::queue::JobId;

mod codec;
mod disk;
mod log;
mod memory;

pub use codec::{decode, encode};
pub use disk::{Disk, FileDisk, SimDisk};
pub use log::LogStore;
pub use memory::MemoryStore;

/// The number of a run.
pub type RunId = u64;

// ANCHOR: data
/// What is to be done, and when next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// Its number.
    pub id: JobId,
    /// A cron expression.
    pub schedule: String,
    /// What is to be run.
    pub command: String,
    /// Its next fire time, or `None` if it does not fire again.
    pub next_fire: Option<DateTime<Utc>>,
}

/// A row of the ledger: a fire of a job, and what happened to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// Its number.
    pub id: RunId,
    /// The number of its job.
    pub job: JobId,
    /// The fire time.
    pub fire: DateTime<Utc>,
    /// What happened to it.
    pub outcome: Outcome,
}

/// What happened to a fire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The work has begun and has not ended.
    Running,
    /// The work was done.
    Succeeded,
    /// The work was tried, and ended with an error.
    Failed,
    /// The work was not begun.
    Missed,
    /// The process ended while the work was running. Nobody knows how far it
    /// came.
    Interrupted,
}

/// One step of a commit. A step that concerns an unknown job or run does
/// nothing, and so does one that ends a run for the second time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Adds a job, or replaces it.
    PutJob(Job),
    /// Removes a job. Its rows of the ledger stay.
    RemoveJob(JobId),
    /// Sets the next fire time of a job.
    MoveOn(JobId, Option<DateTime<Utc>>),
    /// Adds a row to the ledger, unless there is one with its number.
    Record(Run),
    /// Sets the outcome of a row that is running.
    End(RunId, Outcome),
}
// ANCHOR_END: data

// ANCHOR: state
/// What a store remembers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct State {
    /// The jobs by their numbers.
    pub jobs: BTreeMap<JobId, Job>,
    /// The ledger, by the numbers of the runs.
    pub runs: BTreeMap<RunId, Run>,
}

impl State {
    /// Makes one step of a commit.
    pub fn apply(&mut self, change: &Change) {
        match change {
            Change::PutJob(job) => {
                self.jobs.insert(job.id, job.clone());
            }
            Change::RemoveJob(id) => {
                self.jobs.remove(id);
            }
            Change::MoveOn(id, next_fire) => {
                if let Some(job) = self.jobs.get_mut(id) {
                    job.next_fire = *next_fire;
                }
            }
            Change::Record(run) => {
                self.runs.entry(run.id).or_insert_with(|| run.clone());
            }
            Change::End(id, outcome) => {
                if let Some(run) = self.runs.get_mut(id)
                    && run.outcome == Outcome::Running
                {
                    run.outcome = *outcome;
                }
            }
        }
    }
}
// ANCHOR_END: state

// ANCHOR: store
/// Remembers jobs and the ledger.
pub trait Store {
    /// Returns what is remembered.
    fn state(&self) -> &State;

    /// Makes all of the changes, in order, or none of them. When it returns
    /// without an error, a store on a disk survives a power cut.
    ///
    /// # Errors
    /// If the disk fails. Then nobody knows whether the changes are on it, and
    /// every later commit fails, until the store is opened again.
    fn commit(&mut self, changes: &[Change]) -> Result<(), StoreError>;
}
// ANCHOR_END: store

/// Why a store cannot be opened, or a commit failed.
#[derive(Debug)]
pub enum StoreError {
    /// The disk failed.
    Io(io::Error),
    /// A line of the log is damaged, and a good one follows.
    Damaged {
        /// Its number, from 1.
        line: usize,
    },
    /// An earlier commit failed.
    Unknown,
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(_) => write!(f, "the disk failed"),
            Self::Damaged { line } => write!(
                f,
                "line {line} of the log is damaged, and good lines follow it: \
                 restore the log from a backup, or remove the line"
            ),
            Self::Unknown => write!(
                f,
                "an earlier commit failed, so it is unknown what is on the \
                 disk: open the store again"
            ),
        }
    }
}

impl std::error::Error for StoreError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            _ => None,
        }
    }
}

impl From<io::Error> for StoreError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

// ANCHOR: recover
/// Ends the runs that an earlier process has begun and not ended. Returns
/// their numbers.
///
/// # Errors
/// If the commit fails.
pub fn recover(store: &mut dyn Store) -> Result<Vec<RunId>, StoreError> {
    let runs = store.state().runs.values();
    let running = runs.filter(|run| run.outcome == Outcome::Running);
    let ids: Vec<RunId> = running.map(|run| run.id).collect();
    let end = |id: &RunId| Change::End(*id, Outcome::Interrupted);
    let changes: Vec<Change> = ids.iter().map(end).collect();
    if !changes.is_empty() {
        store.commit(&changes)?;
    }
    Ok(ids)
}
// ANCHOR_END: recover
