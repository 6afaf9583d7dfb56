//! What must be remembered: the contract of a job store.

use std::error::Error;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::{Job, JobId, JobQuery, OnConflict, Run, RunId, RunQuery, Transition, ValueError};

/// Remembers jobs and the ledger of their runs.
///
/// A store belongs to one scheduler: it is moved into it, and every method takes `&mut self`. A store that outlives
/// its process must also refuse a second owner in another process ([`StoreError::Owned`]).
///
/// # Contract
/// What callers may assume, and implementers owe (`matins-conformance` checks it):
///
/// * every method either does all that it says or changes nothing;
/// * when a method of a persistent store returns `Ok`, its effect survives the death of the process;
/// * instants are kept to the microsecond, and callers give no finer ones;
/// * what a method takes, the store gives back exactly, numbers included; what it could not read back it refuses
///   ([`StoreError::Value`], see [`json`](crate::json));
/// * one job or row of the ledger that cannot be read does not affect the others: it is [quarantined](Self::quarantined);
/// * [`due`](Self::due) answers in the order of next fire time, then id;
/// * a list that is read in pages ([`JobQuery::after`]) has each job that does not change meanwhile exactly once;
/// * runs outlive their job.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a job store",
    label = "this does not implement `JobStore`",
    note = "the stores of Matins are `MemoryStore::new()`, `SqliteStore::open(\"jobs.db\")?` and `FileStore::open(\"jobs\")?`; each needs the feature of its name",
    note = "a `Result` is not a store: add `?`, as in `SqliteStore::open(\"jobs.db\")?`",
    note = "a store that is chosen at run time is a `Box<dyn JobStore>`"
)]
pub trait JobStore: Send {
    /// Whether jobs outlive the process. Such a store takes only jobs whose task has a name of its own.
    fn is_persistent(&self) -> bool;

    /// Takes in jobs and rows of the ledger together, one after the other; `on_conflict` says what happens where a job's
    /// id is taken. Replacing a job leaves its runs alone.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] where an id is taken and `on_conflict` is [`OnConflict::Refuse`];
    /// [`StoreError::RunExists`] where the ledger has a run of that number.
    fn import(&mut self, jobs: Vec<Job>, runs: Vec<Run>, on_conflict: OnConflict) -> Result<(), StoreError>;

    /// Adds one job.
    ///
    /// # Errors
    /// As [`import`](Self::import).
    fn add(&mut self, job: Job, on_conflict: OnConflict) -> Result<(), StoreError> {
        self.import(vec![job], Vec::new(), on_conflict)
    }

    /// Puts `job` in the place of the job with its id.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if the store has no job with this id.
    fn update(&mut self, job: Job) -> Result<(), StoreError>;

    /// Takes a job out and gives it back; its runs stay.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if the store has no job with this id.
    fn remove(&mut self, id: &JobId) -> Result<Job, StoreError>;

    /// The job with this id, if there is one.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn get(&mut self, id: &JobId) -> Result<Option<Job>, StoreError>;

    /// The jobs that `query` asks for.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn list(&mut self, query: &JobQuery) -> Result<Vec<Job>, StoreError>;

    /// Returns how many jobs meet the conditions of `query`; its `after` and `limit` do not count.
    ///
    /// Programs that watch a scheduler ask this often, so a store with many jobs should keep the number of all jobs, or
    /// ask its database for it, rather than read them. Such a store may count jobs that it cannot read and has not
    /// [met](Self::quarantined) yet. The default reads the list.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn count(&mut self, query: &JobQuery) -> Result<usize, StoreError> {
        Ok(self.list(&query.clone().after(None).limit(None))?.len())
    }

    /// The earliest next fire time of all jobs.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn next_due(&mut self) -> Result<Option<DateTime<Utc>>, StoreError>;

    /// Up to `limit` jobs whose next fire time is at or before `now`, the earliest first.
    ///
    /// They are shared, so that a store in memory need not copy them. Whoever asked drops them before the next call if it can: a
    /// store that changes a job copies one that is still in use.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn due(&mut self, now: DateTime<Utc>, limit: usize) -> Result<Vec<Arc<Job>>, StoreError>;

    /// Applies `batch` in order, all of it or nothing, and durably where the store is persistent. A step on a job or
    /// run that is not there (any more) does nothing, [`Transition::Advance`] excepted. A store that keeps rows in memory
    /// moves them out of the batch.
    ///
    /// # Errors
    /// [`StoreError::Stale`] where a job's next fire time is not the one that an [`Transition::Advance`] leaves.
    fn commit(&mut self, batch: Vec<Transition>) -> Result<(), StoreError>;

    /// The runs that `query` asks for.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn runs(&mut self, query: &RunQuery) -> Result<Vec<Run>, StoreError>;

    /// Returns how many runs meet the conditions of `query`; its `after` and `limit` do not count. The default reads them,
    /// some thousand at a time.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn count_runs(&mut self, query: &RunQuery) -> Result<usize, StoreError> {
        const PAGE: usize = 5_000;
        let mut query = query.clone().after(None).limit(PAGE);
        let mut count = 0;
        loop {
            let page = self.runs(&query)?;
            count += page.len();
            query.after = page.last().map(|run| run.id);
            if page.len() < PAGE {
                return Ok(count);
            }
        }
    }

    /// A number above that of every run that the ledger ever held.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn next_run_id(&mut self) -> Result<RunId, StoreError>;

    /// Returns the jobs and the rows of the ledger that the store has met and cannot read: somebody edited them, or they
    /// need a type that this program does not have. They are kept as they are, and neither listed nor due;
    /// [`get`](Self::get) returns an error that says what is wrong with a job.
    fn quarantined(&self) -> &[Quarantined] {
        &[]
    }
}

/// A job or a row of the ledger that a store keeps and cannot read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quarantined {
    /// What it is.
    pub kind: QuarantineKind,
    /// The id of the job, or the number of the run, as it is in the store, which may be invalid.
    pub id: String,
    /// Where: file, table and row.
    pub place: String,
    /// What is wrong there.
    pub what: String,
}

impl fmt::Display for Quarantined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            QuarantineKind::Job => write!(f, "job {:?}", self.id)?,
            QuarantineKind::Run => write!(f, "run {}", self.id)?,
        }
        write!(f, " is quarantined: {}: {}", self.place, self.what)
    }
}

/// What is quarantined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum QuarantineKind {
    /// A job.
    Job,
    /// A row of the ledger.
    Run,
}

/// What can go wrong in a store.
#[derive(Debug)]
#[non_exhaustive]
pub enum StoreError {
    /// There is no job with this id.
    NotFound {
        /// The id asked for.
        id: JobId,
    },
    /// The id is taken.
    Conflict {
        /// The id.
        id: JobId,
    },
    /// Somebody else moved the job on.
    Stale {
        /// The job.
        id: JobId,
        /// The fire time that the transition leaves.
        expected: Option<DateTime<Utc>>,
        /// The fire time that the store holds.
        found: Option<DateTime<Utc>>,
    },
    /// Somebody else changed the job.
    Revised {
        /// The job.
        id: JobId,
        /// The revision that was to be changed.
        expected: u64,
        /// The revision that the store holds.
        found: u64,
    },
    /// This scheduler is no member of those that share the store any more: its lease had ended, and others took over its runs.
    Fenced,
    /// The ledger has a run of this number already.
    RunExists {
        /// The number.
        run: RunId,
    },
    /// Another process owns the store.
    Owned {
        /// The store.
        path: PathBuf,
        /// Who owns it: process, host and since when.
        owner: String,
        /// How long it was waited for the owner to end, if it was.
        waited: Option<Duration>,
    },
    /// What the store holds cannot be read.
    Damaged {
        /// Where: file, table and row.
        place: String,
        /// What is wrong there.
        what: String,
        /// What to do.
        cure: &'static str,
        /// The error that a library reported, if one did.
        source: Option<Box<dyn Error + Send + Sync>>,
    },
    /// The store was written by a later version.
    TooNew {
        /// The store.
        path: PathBuf,
        /// The format found.
        found: i64,
        /// The latest format known.
        known: i64,
    },
    /// A job or a run holds what could not be read back, so the store refuses it. Nothing was changed.
    Value(ValueError),
    /// The store's own means failed: a disk, a database.
    Backend {
        /// What the store was doing.
        doing: String,
        /// What went wrong.
        source: Box<dyn Error + Send + Sync>,
    },
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound { id } => {
                write!(f, "there is no job {id:?} in this store; list the jobs to see which there are")
            }
            Self::Conflict { id } => {
                write!(
                    f,
                    "there is a job {id:?} already; choose another id, or add it with OnConflict::Replace \
                     or OnConflict::Keep"
                )
            }
            Self::Stale { id, expected, found } => {
                write!(
                    f,
                    "job {id:?} was to move on from {expected:?}, but the store holds {found:?}; read it \
                     again"
                )
            }
            Self::Revised { id, expected, found } => {
                write!(
                    f,
                    "job {id:?} is at revision {found}, and was to be changed at revision {expected}; \
                     read it again"
                )
            }
            Self::Fenced => f.write_str(
                "this scheduler's lease of the store has ended, and others have taken over its runs; \
                     it joins again by itself",
            ),
            Self::RunExists { run } => {
                write!(f, "the ledger has a run {run} already; take numbers from next_run_id")
            }
            Self::Owned { path, owner, waited } => {
                write!(
                    f,
                    "{} belongs to another scheduler: {owner}{}; stop that one first, or use another store",
                    path.display(),
                    Waited(*waited)
                )
            }
            Self::Damaged { place, what, cure, .. } => write!(f, "{place} is damaged: {what}; {cure}"),
            Self::TooNew { path, found, known } => {
                write!(
                    f,
                    "{} has format {found}, and this program knows formats up to {known}; use a newer \
                     program",
                    path.display()
                )
            }
            Self::Value(error) => error.fmt(f),
            Self::Backend { doing, .. } => f.write_str(doing),
        }
    }
}

impl Error for StoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Value(error) => error.source(),
            Self::Damaged { source, .. } => source.as_deref().map(|source| source as _),
            Self::Backend { source, .. } => Some(&**source),
            _ => None,
        }
    }
}

impl From<ValueError> for StoreError {
    fn from(error: ValueError) -> Self {
        Self::Value(error)
    }
}

/// How long an owner was waited for, behind the owner's name.
struct Waited(Option<Duration>);

impl fmt::Display for Waited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |waited| write!(f, "; waited {waited:?} for it to end"))
    }
}
