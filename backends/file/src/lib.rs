//! A durable job store in plain files: a directory with a snapshot and a log, in lines of JSON that a person can read.
//!
//! | file | what |
//! | --- | --- |
//! | `snapshot.jsonl` | a head, then each job and each run in a line, as of some moment |
//! | `log.jsonl` | a head, then each change since in a line: jobs put or removed, ticks committed |
//! | `owner` | who has the store open, under a lock that the system frees however the owner ends |
//!
//! `jq .job.id snapshot.jsonl` lists jobs; `jq -c '.commit[]?' log.jsonl` shows what ticks did, step by step. Each line carries a checksum of itself.
//!
//! # What is promised
//! * A change is in the log, and the disk flushed (`fdatasync`), before the method returns: what was acknowledged
//!   survives a power cut.
//! * A process that dies in the middle of a line leaves a torn one. The next [`open`](FileStore::open) cuts it, and
//!   [`torn_tail`](FileStore::torn_tail) tells what was cut: a change that nobody had been told of.
//! * Anything else that is not as it was written is an error that names file, line and byte, and changes nothing;
//!   [`examine`] and [`repair`] go on from there.
//! * When the log has grown, a new snapshot is written beside the old one and put in its place by renaming, then a new log.
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
mod format;
mod instant;
mod line;
mod log;
mod repair;
mod snapshot;
mod step;

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::thread;

use chrono::{DateTime, Utc};
use matins_core::{
    Job, JobId, JobQuery, JobStore, OnConflict, Run, RunId, RunQuery, SetAside, StoreError, Transition,
};
use matins_store_memory::MemoryStore;
use matins_store_owner::{FileId, Owner};

use damage::{Damage, Reader, damaged};
use format::{Change, State};
use log::Log;

pub use damage::DamagedLine;
pub use repair::{Examination, examine, repair};

const SNAPSHOT: &str = "snapshot.jsonl";
const LOG: &str = "log.jsonl";
const OWNER: &str = "owner";

/// The log is folded into a new snapshot when it is longer than this, in bytes, and than [`FOLD_AT`] snapshots.
const FOLD_FROM: u64 = 4 << 20;
/// So that folding writes a quarter more than the log alone, at the most.
const FOLD_AT: u64 = 4;
/// So many jobs in one import are brought into memory beside the flush of the disk.
const BESIDE_FROM: usize = 4_096;

/// Keeps jobs and ledger in a directory. See the [crate's page](crate).
#[derive(Debug)]
pub struct FileStore {
    directory: PathBuf,
    state: State,
    set_aside: Vec<SetAside>,
    generation: u64,
    snapshot: FileId,
    /// At what length the log is folded into a new snapshot.
    fold_from: u64,
    log: Log,
    /// A write failed, so that what the files hold is not known: new ones are written before anything is acknowledged.
    is_suspect: bool,
    torn: Option<TornTail>,
    // After the log, so that it is closed before the next owner may open it.
    _owner: Owner,
}

/// What the files held.
struct Opened {
    state: State,
    generation: u64,
    snapshot_length: u64,
    log: Log,
    torn: Option<TornTail>,
}

/// The end of a log that was cut when the store was opened: a change in the middle of which the process died.
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
    /// The format of the files that this version writes; earlier ones it reads.
    pub const FORMAT: i64 = format::FORMAT;

    /// Opens the directory, or makes it.
    ///
    /// # Errors
    /// When another process owns it, when it holds other files and no store, when a file is damaged or of a later format,
    /// and when the disk refuses.
    pub fn open(directory: impl AsRef<Path>) -> Result<Self, StoreError> {
        let directory = directory.as_ref();
        let is_new = prepare(directory)?;
        let owner = Owner::take(directory, &directory.join(OWNER))?;
        match Self::open_owned(directory, is_new) {
            Ok(Opened { state, generation, snapshot_length, log, torn }) => Ok(Self {
                set_aside: set_aside(directory, &state),
                snapshot: FileId::of(&directory.join(SNAPSHOT))?,
                directory: directory.to_owned(),
                state,
                generation,
                fold_from: FOLD_FROM.max(FOLD_AT * snapshot_length),
                log,
                is_suspect: false,
                torn,
                _owner: owner,
            }),
            Err(error) => {
                owner.discard();
                Err(error)
            }
        }
    }

    fn open_owned(directory: &Path, is_new: bool) -> Result<Opened, StoreError> {
        let failed = |source: io::Error| failed_at(directory, "opening the store", source);
        let (snapshot_path, log_path) = (directory.join(SNAPSHOT), directory.join(LOG));
        if is_new {
            // The snapshot is what makes it a store, so it comes last.
            let log = Log::create(&log_path, 1).map_err(failed)?;
            let state = State::default();
            let length = snapshot::write(&snapshot_path, &state, 1).map_err(failed)?;
            return Ok(Opened { state, generation: 1, snapshot_length: length, log, torn: None });
        }
        let snapshot_bytes = read_file(&snapshot_path)?;
        let log_bytes = read_file(&log_path)?;
        let reader = Reader { path: &snapshot_path, bytes: &snapshot_bytes };
        let (mut state, head) = snapshot::read(&reader, &mut Damage::Refuse(&snapshot_path))?;
        let generation = head.generation;
        let reader = Reader { path: &log_path, bytes: &log_bytes };
        let log_head = log::head(&reader)?;
        let snapshot_length = snapshot_bytes.len() as u64;
        if log_head.generation + 1 == generation {
            // The process died between the two renamings: the snapshot holds all of that log.
            let log = Log::create(&log_path, generation).map_err(failed)?;
            return Ok(Opened { state, generation, snapshot_length, log, torn: None });
        }
        if log_head.generation != generation {
            let what = log::of_another_snapshot(log_head.generation, generation);
            return Err(damaged(&log_path, "line 1, byte 0", &what));
        }
        let replayed = log::replay(&reader, &mut state, &mut Damage::Refuse(&log_path))?;
        let log = Log::resume(&log_path, replayed.end, replayed.last).map_err(failed)?;
        Ok(Opened { state, generation, snapshot_length, log, torn: replayed.torn })
    }

    /// The directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// What was cut off the log when the store was opened, if anything was.
    pub fn torn_tail(&self) -> Option<&TornTail> {
        self.torn.as_ref()
    }

    /// Makes a change durable. The state in memory follows once this has gone well.
    fn write(&mut self, doing: &str, change: &Change<'_>) -> Result<(), StoreError> {
        self.prepare(doing, change)?;
        let written = self.log.append();
        self.written(doing, written)
    }

    /// Has the change ready to be appended to a log that is sound.
    fn prepare(&mut self, doing: &str, change: &Change<'_>) -> Result<(), StoreError> {
        self.check_files()?;
        if self.is_suspect {
            self.fold()?;
        } else if self.log.end > self.fold_from && self.fold().is_err() {
            if self.is_suspect {
                self.fold()?;
            }
            // The old files are whole, and serve on.
            self.fold_from = self.log.end * 2;
        }
        self.log.prepare(change).map_err(|source| failed_at(&self.directory, doing, source))
    }

    fn written(&mut self, doing: &str, written: io::Result<()>) -> Result<(), StoreError> {
        written.map_err(|source| {
            self.is_suspect = true;
            failed_at(&self.directory, doing, source)
        })
    }

    /// Files that were taken away are written anew, since all they held is in memory; others are not written over.
    fn check_files(&mut self) -> Result<(), StoreError> {
        for (name, id) in [(SNAPSHOT, self.snapshot), (LOG, self.log.id)] {
            let path = self.directory.join(name);
            if path.try_exists().unwrap_or(true) {
                id.check(&path)?;
            } else {
                self.is_suspect = true;
            }
        }
        Ok(())
    }

    /// Writes a new snapshot of all that is in memory, and begins a new log.
    fn fold(&mut self) -> Result<(), StoreError> {
        let (generation, path) = (self.generation + 1, self.directory.join(SNAPSHOT));
        match snapshot::write(&path, &self.state, generation) {
            Ok(length) => self.fold_from = FOLD_FROM.max(FOLD_AT * length),
            Err(source) => {
                self.is_suspect |= FileId::of(&path).ok() != Some(self.snapshot);
                return Err(failed_at(&self.directory, "writing a new snapshot", source));
            }
        }
        // From here on the old log counts no more: nothing may be acknowledged before there is a new one.
        self.is_suspect = true;
        self.generation = generation;
        self.snapshot = FileId::of(&path)?;
        self.log = Log::create(&self.directory.join(LOG), generation)
            .map_err(|source| failed_at(&self.directory, "beginning a new log", source))?;
        self.is_suspect = false;
        Ok(())
    }

    /// Some of the jobs that could not be read may have been replaced or removed.
    fn look_at_set_aside(&mut self) {
        if self.set_aside.len() != self.state.unreadable.len() {
            self.set_aside = set_aside(&self.directory, &self.state);
        }
    }

    fn unreadable(&self, id: &JobId) -> Option<StoreError> {
        let job = self.set_aside.iter().find(|job| *id == job.id.as_str())?;
        let cure = "use a program that knows it, or add another job in its place";
        Some(StoreError::Damaged { place: job.place.clone(), what: job.what.clone(), cure })
    }
}

impl JobStore for FileStore {
    fn is_persistent(&self) -> bool {
        true
    }

    fn import(&mut self, jobs: Vec<Job>, runs: Vec<Run>, on_conflict: OnConflict) -> Result<(), StoreError> {
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
        self.prepare(doing, &Change::Put { jobs: &jobs, runs: &runs })?;
        if jobs.len() < BESIDE_FROM {
            let written = self.log.append();
            self.written(doing, written)?;
            self.state.put_read(jobs, runs)?;
        } else {
            // Laid out in memory while the disk is busy, and not among the rest yet: the disk may refuse.
            let mut added = MemoryStore::new();
            let log = &mut self.log;
            let (written, imported) = thread::scope(|scope| {
                let written = scope.spawn(|| log.append());
                let imported = added.import(jobs, runs, OnConflict::Replace);
                (written.join().unwrap_or_else(|panic| resume_unwind(panic)), imported)
            });
            self.written(doing, written)?;
            imported?;
            self.state.merge(added);
        }
        self.look_at_set_aside();
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

    fn next_due(&mut self) -> Result<Option<DateTime<Utc>>, StoreError> {
        self.state.memory.next_due()
    }

    fn due(&mut self, now: DateTime<Utc>, limit: usize) -> Result<Vec<Job>, StoreError> {
        self.state.memory.due(now, limit)
    }

    fn commit(&mut self, batch: &[Transition]) -> Result<(), StoreError> {
        if batch.is_empty() {
            return Ok(());
        }
        self.state.memory.check(batch)?;
        self.write("committing a tick", &Change::Commit(batch))?;
        self.state.memory.apply(batch);
        Ok(())
    }

    fn runs(&mut self, query: &RunQuery) -> Result<Vec<Run>, StoreError> {
        self.state.memory.runs(query)
    }

    fn next_run_id(&mut self) -> Result<RunId, StoreError> {
        self.state.memory.next_run_id()
    }

    fn set_aside(&self) -> &[SetAside] {
        &self.set_aside
    }
}

/// Makes the directory where it is missing; whether a new store is to be made in it.
fn prepare(directory: &Path) -> Result<bool, StoreError> {
    let failed = |source: io::Error| failed_at(directory, "opening the store", source);
    fs::DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(failed)?;
    let mut names = Vec::new();
    for entry in fs::read_dir(directory).map_err(failed)? {
        names.push(entry.map_err(failed)?.file_name());
    }
    if names.iter().any(|name| name == SNAPSHOT) {
        return Ok(false);
    }
    // A process that died while it made the store left no snapshot, and a log that says nothing.
    let ours = [OWNER, LOG, "log.jsonl.new", "snapshot.jsonl.new"];
    if let Some(foreign) = names.iter().find(|name| !ours.iter().any(|ours| *name == ours)) {
        return Err(StoreError::Damaged {
            place: directory.display().to_string(),
            what: format!("it holds no store, and other files, such as {}", foreign.display()),
            cure: "name an empty directory, or one that is not there yet; nothing was changed",
        });
    }
    if names.iter().any(|name| name == LOG) {
        let path = directory.join(LOG);
        let bytes = read_file(&path)?;
        if (Reader { path: &path, bytes: &bytes }).lines().count() > 1 {
            return Err(damaged(&directory.join(SNAPSHOT), "beside a log with changes", "it is missing"));
        }
    }
    Ok(true)
}

fn set_aside(directory: &Path, state: &State) -> Vec<SetAside> {
    let aside = |(id, job): (&String, &format::Unreadable)| SetAside {
        id: id.clone(),
        place: format!("{}, job {id:?}", directory.display()),
        what: job.why.clone(),
    };
    state.unreadable.iter().map(aside).collect()
}

fn read_file(path: &Path) -> Result<Vec<u8>, StoreError> {
    fs::read(path).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => damaged(path, "beside the other file of the store", "it is missing"),
        _ => failed_at(path, "reading", source),
    })
}

fn failed_at(path: &Path, doing: &str, source: io::Error) -> StoreError {
    StoreError::Backend { doing: format!("{doing} in {}", path.display()), source: source.into() }
}
