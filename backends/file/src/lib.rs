//! A durable job store in plain files: a directory with a snapshot and a log, in lines of JSON that a person can read.
//!
//! | file | content |
//! | --- | --- |
//! | `snapshot.jsonl` | a head, then one line for each job and each run, as of some moment |
//! | `log.jsonl` | a head, then one line for each change since: jobs added or removed, ticks committed |
//! | `owner` | who has the store open, under a lock that the system frees when the owner ends |
//!
//! `jq .job.id snapshot.jsonl` lists jobs; `jq -c '.commit[]?' log.jsonl` shows what ticks did, step by step. Each line
//! carries a checksum of itself. The lines of the log carry their length as well.
//!
//! # Guarantees
//! * A change is in the log, and the disk is flushed (`fdatasync`), before the method returns: what was acknowledged
//!   survives a power cut.
//! * A process that ends in the middle of a write, or a power cut, leaves a torn line. The next [`open`](FileStore::open)
//!   cuts it, and [`torn_tail`](FileStore::torn_tail) says what was cut: a change that was not acknowledged.
//! * Anything else that is not as it was written is an error that names file, line and byte, and changes nothing. This
//!   includes a changed bit in the last line. [`examine`] and [`repair`] continue from there.
//! * When the log has grown, a new snapshot is written beside the old one and renamed into its place, then a new log.
//!
//! # When the disk fails
//! A method whose call to the disk fails returns [`StoreError::Backend`] and changes nothing in memory. It can be tried
//! again, and so can [`open`](FileStore::open). With the first change after a failed write, the store replaces its files by
//! new ones, because nobody knows what a failed write has left on the disk. So it works again as soon as the disk does.
//!
//! If the process ends before that, the next one opens the store with everything that was acknowledged. A change whose
//! method returned an error is then either there as a whole or not at all.
//!
//! Tests let every call to a simulated disk fail, and every pair of calls, followed by the end of the process or by a power
//! cut that leaves some of what was not flushed.
//!
//! # Formats
//! Files are written in the format [`FileStore::FORMAT`]. Opening a store of an earlier format replaces its files by ones of
//! this format, which an earlier version refuses to open. If the disk fails then, the store opens nevertheless, and its
//! files are replaced with the first change.
//!
//! | format | what it brought |
//! | --- | --- |
//! | 1 | a checksum in each line; a last line of a log that does not fit it is cut, whatever the reason |
//! | 2 | the lines of a log say how long they are, so that a changed last line is an error |
//!
//! All jobs are in memory as well (`matins-store-memory`); the files are read once, at the start.
//!
//! ```
//! use matins_core::JobStore;
//! use matins_store_file::FileStore;
//!
//! let directory = tempfile::tempdir().unwrap();
//! let store = FileStore::open(directory.path().join("jobs")).unwrap();
//! assert!(store.is_persistent());
//! ```

mod damage;
mod disk;
#[cfg(test)]
mod fault_tests;
mod files;
mod format;
mod in_place;
mod instant;
mod line;
mod log;
mod log_record;
mod opening;
mod options;
mod repair;
mod snapshot;
mod unreadable;

use std::io;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use chrono::{DateTime, Utc};
use matins_core::{
    Job, JobId, JobQuery, JobStore, OnConflict, QuarantineKind, Quarantined, Run, RunId, RunQuery,
    StoreError, Transition, json,
};
use matins_store_memory::MemoryStore;

use disk::{Disk, Lock};
use files::Files;
use format::{Change, State};
use opening::Opened;
use unreadable::Unreadable;

pub use damage::DamagedLine;
pub use options::FileStoreOptions;
pub use repair::{Examination, examine, repair};

const SNAPSHOT: &str = "snapshot.jsonl";
const LOG: &str = "log.jsonl";
const OWNER: &str = "owner";

/// From so many jobs in one import on, they are put into memory while the disk is flushed.
const BESIDE_FROM: usize = if cfg!(test) { 3 } else { 4_096 };

/// Keeps jobs and ledger in a directory. See the [crate's page](crate).
#[derive(Debug)]
pub struct FileStore {
    state: State,
    quarantined: Vec<Quarantined>,
    files: Files,
    torn: Option<TornTail>,
    // After the files, so that they are closed before the next owner may open them.
    _lock: Lock,
}

/// The end of a log that was cut when the store was opened: a change whose write was not finished.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TornTail {
    /// The log.
    pub path: PathBuf,
    /// The number of the line, from 1.
    pub line: usize,
    /// Where it begins, in bytes from 0.
    pub offset: usize,
    /// How many bytes were cut.
    pub length: usize,
    /// How they begin.
    pub text: String,
}

impl std::fmt::Display for TornTail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { path, line, offset, length, text } = self;
        let path = path.display();
        write!(
            f,
            "{path}, line {line}, byte {offset}: {length} bytes of a change that was not finished are cut; they begin {text}"
        )
    }
}

impl FileStore {
    /// The format of the files that this version writes. It also reads earlier ones.
    pub const FORMAT: i64 = format::FORMAT;

    /// Opens the store in a directory, or creates it there. [`options`](Self::options) can wait for a process that owns it.
    ///
    /// ```
    /// # use matins_core::StoreError;
    /// # use matins_store_file::FileStore;
    /// # let directory = tempfile::tempdir()?;
    /// let path = directory.path().join("jobs");
    /// let store = FileStore::open(&path)?;
    /// // It has one owner.
    /// assert!(matches!(FileStore::open(&path), Err(StoreError::Owned { .. })));
    /// drop(store);
    /// assert!(FileStore::open(&path).is_ok());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If another process owns the store, if the directory has other files and no store, if a file is damaged or of a
    /// later format, and if the disk fails. After an error of the disk ([`StoreError::Backend`]) it can be tried again.
    pub fn open(directory: impl AsRef<Path>) -> Result<Self, StoreError> {
        Self::open_on(Disk::System, directory.as_ref())
    }

    /// Returns how a store is opened, to be changed before it is: [`FileStoreOptions`].
    ///
    /// ```
    /// use std::time::Duration;
    /// use matins_store_file::FileStore;
    ///
    /// let directory = tempfile::tempdir().unwrap();
    /// let options = FileStore::options().wait_for_owner(Duration::from_secs(30));
    /// let store = options.open(directory.path().join("jobs")).unwrap();
    /// # drop(store);
    /// ```
    pub fn options() -> FileStoreOptions {
        FileStoreOptions::default()
    }

    fn open_on(disk: Disk, directory: &Path) -> Result<Self, StoreError> {
        opening::prepare(&disk, directory)?;
        let lock = disk.lock(directory, &directory.join(OWNER))?;
        // Once more, because another process may have created a store before the lock was taken.
        let opened = opening::prepare(&disk, directory).and_then(|is_new| {
            if is_new { opening::create(&disk, directory) } else { opening::read(&disk, directory) }
        });
        match opened {
            Ok(Opened { state, files, torn }) => {
                Ok(Self { quarantined: quarantined(directory, &state), state, files, torn, _lock: lock })
            }
            Err(error) => {
                lock.discard();
                Err(error)
            }
        }
    }

    /// Returns the directory.
    ///
    /// ```
    /// # use matins_store_file::FileStore;
    /// # let directory = tempfile::tempdir()?;
    /// let path = directory.path().join("jobs");
    /// assert_eq!(FileStore::open(&path)?.directory(), path);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn directory(&self) -> &Path {
        &self.files.directory
    }

    /// Returns what was cut off the log when the store was opened, or `None` if nothing was.
    ///
    /// ```
    /// # use matins_core::{JobStore, OnConflict};
    /// # use matins_store_file::FileStore;
    /// # let directory = tempfile::tempdir()?;
    /// use std::io::Write;
    ///
    /// let path = directory.path().join("jobs");
    /// let mut store = FileStore::open(&path)?;
    /// store.import(Vec::new(), Vec::new(), OnConflict::Refuse)?;
    /// drop(store);
    /// // As if the power had been cut in the middle of a write.
    /// std::fs::OpenOptions::new().append(true).open(path.join("log.jsonl"))?.write_all(b"{\"commit\":[")?;
    ///
    /// let store = FileStore::open(&path)?;
    /// assert_eq!(store.torn_tail().map(|torn| torn.length), Some(11));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn torn_tail(&self) -> Option<&TornTail> {
        self.torn.as_ref()
    }

    /// Makes a change durable. The state in memory follows if this succeeds.
    fn write(&mut self, doing: &str, change: &Change<'_>) -> Result<(), StoreError> {
        self.files.prepare(doing, &self.state, change)?;
        self.files.append(doing)
    }

    /// Some of what could not be read may have been replaced or removed.
    fn look_at_quarantined(&mut self) {
        if self.quarantined.len() != self.state.unreadable.len() + self.state.unreadable_runs.len() {
            self.quarantined = quarantined(&self.files.directory, &self.state);
        }
    }

    fn unreadable(&self, id: &JobId) -> Option<StoreError> {
        let job =
            self.quarantined.iter().find(|job| job.kind == QuarantineKind::Job && *id == job.id.as_str())?;
        let cure = "use a program that knows it, or add another job in its place";
        Some(StoreError::Damaged { place: job.place.clone(), what: job.what.clone(), cure, source: None })
    }
}

#[deny(clippy::missing_trait_methods)]
impl JobStore for FileStore {
    fn is_persistent(&self) -> bool {
        true
    }

    fn add(&mut self, job: Job, on_conflict: OnConflict) -> Result<(), StoreError> {
        self.import(vec![job], Vec::new(), on_conflict)
    }

    fn import(&mut self, jobs: Vec<Job>, runs: Vec<Run>, on_conflict: OnConflict) -> Result<(), StoreError> {
        runs.iter().try_for_each(json::check_run)?;
        if let Some(run) = runs.iter().find(|run| self.state.unreadable_runs.contains_key(&run.id)) {
            return Err(StoreError::RunExists { run: run.id });
        }
        let mut jobs = self.state.memory.accept(jobs, &runs, on_conflict)?;
        if on_conflict != OnConflict::Replace && !self.state.unreadable.is_empty() {
            let is_taken = |job: &Job| self.state.unreadable.contains_key(job.id.as_str());
            if on_conflict == OnConflict::Keep {
                jobs.retain(|job| !is_taken(job));
            } else if let Some(job) = jobs.iter().find(|job| is_taken(job)) {
                return Err(StoreError::Conflict { id: job.id.clone() });
            }
        }
        if jobs.is_empty() && runs.is_empty() {
            return Ok(());
        }
        let doing = "adding jobs";
        self.files.prepare(doing, &self.state, &Change::Put { jobs: &jobs, runs: &runs })?;
        if jobs.len() < BESIDE_FROM {
            self.files.append(doing)?;
            self.state.put_read(jobs, runs)?;
        } else {
            // Laid out in memory while the disk is busy, and not among the rest yet: the disk may refuse.
            let mut added = MemoryStore::new();
            let files = &mut self.files;
            let (written, imported) = thread::scope(|scope| {
                let written = scope.spawn(|| files.append(doing));
                let imported = added.import(jobs, runs, OnConflict::Replace);
                (written.join().unwrap_or_else(|panic| resume_unwind(panic)), imported)
            });
            written?;
            imported?;
            self.state.merge(added);
        }
        self.look_at_quarantined();
        Ok(())
    }

    fn update(&mut self, job: Job) -> Result<(), StoreError> {
        let is_there =
            self.state.memory.get(&job.id)?.is_some() || self.state.unreadable.contains_key(job.id.as_str());
        if !is_there {
            return Err(StoreError::NotFound { id: job.id });
        }
        self.import(vec![job], Vec::new(), OnConflict::Replace)
    }

    fn remove(&mut self, id: &JobId) -> Result<Job, StoreError> {
        let Some(job) = self.get(id)? else { return Err(StoreError::NotFound { id: id.clone() }) };
        self.write("removing a job", &Change::Remove(id))?;
        self.state.remove(id)?;
        Ok(job)
    }

    fn get(&mut self, id: &JobId) -> Result<Option<Job>, StoreError> {
        match self.unreadable(id) {
            Some(error) => Err(error),
            None => self.state.memory.get(id),
        }
    }

    fn list(&mut self, query: &JobQuery) -> Result<Vec<Job>, StoreError> {
        self.state.memory.list(query)
    }

    fn count(&mut self, query: &JobQuery) -> Result<usize, StoreError> {
        self.state.memory.count(query)
    }

    fn next_due(&mut self) -> Result<Option<DateTime<Utc>>, StoreError> {
        self.state.memory.next_due()
    }

    fn due(&mut self, now: DateTime<Utc>, limit: usize) -> Result<Vec<Arc<Job>>, StoreError> {
        self.state.memory.due(now, limit)
    }

    fn commit(&mut self, batch: Vec<Transition>) -> Result<(), StoreError> {
        if batch.is_empty() {
            return Ok(());
        }
        json::check_batch(&batch)?;
        self.state.memory.check(&batch)?;
        self.write("committing a tick", &Change::Commit(&batch))?;
        if !self.state.unreadable_runs.is_empty() {
            for transition in &batch {
                if let Transition::PruneBefore { before } = transition {
                    self.state.prune_aside(*before);
                }
            }
            self.look_at_quarantined();
        }
        self.state.memory.apply(batch);
        Ok(())
    }

    fn runs(&mut self, query: &RunQuery) -> Result<Vec<Run>, StoreError> {
        self.state.memory.runs(query)
    }

    fn count_runs(&mut self, query: &RunQuery) -> Result<usize, StoreError> {
        self.state.memory.count_runs(query)
    }

    fn next_run_id(&mut self) -> Result<RunId, StoreError> {
        self.state.memory.next_run_id()
    }

    fn quarantined(&self) -> &[Quarantined] {
        &self.quarantined
    }
}

fn quarantined(directory: &Path, state: &State) -> Vec<Quarantined> {
    let job = |(id, job): (&String, &Unreadable)| Quarantined {
        kind: QuarantineKind::Job,
        id: id.clone(),
        place: format!("{}, job {id:?}", directory.display()),
        what: job.why.clone(),
    };
    let run = |(id, run): (&RunId, &Unreadable)| Quarantined {
        kind: QuarantineKind::Run,
        id: id.to_string(),
        place: format!("{}, run {id}", directory.display()),
        what: run.why.clone(),
    };
    state.unreadable.iter().map(job).chain(state.unreadable_runs.iter().map(run)).collect()
}

fn failed_at(path: &Path, doing: &str, source: io::Error) -> StoreError {
    StoreError::Backend { doing: format!("{doing} in {}", path.display()), source: source.into() }
}
