//! A durable job store in one SQLite file.
//!
//! The file is in WAL mode: this store is its one writer, and anybody may read it at any time, with `sqlite3` too.
//! Times are integers, microseconds since 1970-01-01 00:00 UTC; the views `jobs_readable` and `runs_readable` show them
//! as dates. A second scheduler is refused, by the name of the first ([`StoreError::Owned`]): the owner
//! holds a lock on the file `NAME-owner` beside the database, which the system frees however the owner ends.
//!
//! # Durability
//! [`Durability::Full`], the default, flushes the disk at each commit: what was acknowledged survives a power cut.
//! [`Durability::Normal`] flushes at checkpoints only: what was acknowledged survives the death of the process, and a
//! power cut may take the last commits, never half of one. See <https://sqlite.org/pragma.html#pragma_synchronous>.
//!
//! ```
//! use matins_core::JobStore;
//! use matins_store_sqlite::SqliteStore;
//!
//! let directory = tempfile::tempdir().unwrap();
//! let path = directory.path().join("jobs.db");
//! let store = SqliteStore::open(&path).unwrap();
//! assert!(store.is_persistent());
//! assert!(SqliteStore::open(&path).unwrap_err().to_string().contains("belongs to another scheduler"));
//! ```

mod connection;
mod listing;
mod options;
mod quarantine;
mod read_jobs;
mod rows;
mod schema;
mod write;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use matins_core::{
    Job, JobId, JobQuery, JobStore, OnConflict, Quarantined, Run, RunId, RunQuery, StoreError, Transition,
};
use matins_store_owner::{FileId, Owner};
use rusqlite::{Connection, OpenFlags, OptionalExtension, TransactionBehavior, params};

pub use options::SqliteStoreOptions;

use connection::{BUSY_TIMEOUT, OwnConnection, check_place, connect, owner_file};
use read_jobs::ReadJobs;
use rows::{job_from_row, micros};
use write::{WriteError, Writer};

/// Keeps jobs and ledger in a SQLite file. See the [crate's page](crate).
#[derive(Debug)]
pub struct SqliteStore {
    connection: OwnConnection,
    path: PathBuf,
    /// The database's file as it was opened: what is written into a file that lies there no more is lost.
    opened: FileId,
    /// Rows of jobs that cannot be read, by key.
    unreadable: Vec<i64>,
    /// Rows of the ledger that cannot be read, by number.
    unreadable_runs: BTreeSet<i64>,
    /// What is wrong with each of them.
    quarantined: Vec<Quarantined>,
    read: ReadJobs,
    /// How many rows the table of jobs has, and in which version of the file; `None` where that may have changed.
    counted: Option<(i64, usize)>,
    // After the connection, so that the file is closed before the next owner may open it.
    _owner: Owner,
}

/// What a commit waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Durability {
    /// The disk, at each commit.
    #[default]
    Full,
    /// The operating system; the disk at checkpoints only.
    Normal,
}

impl SqliteStore {
    /// The format of the file that this version writes; earlier ones it reads and brings up to this.
    pub const FORMAT: i64 = schema::FORMAT;

    /// Opens the file, or creates it. [`options`](Self::options) can wait for a process that owns it.
    ///
    /// ```
    /// # use matins_core::StoreError;
    /// # use matins_store_sqlite::SqliteStore;
    /// # let directory = tempfile::tempdir()?;
    /// let path = directory.path().join("jobs.db");
    /// let store = SqliteStore::open(&path)?;
    /// // It has one owner.
    /// assert!(matches!(SqliteStore::open(&path), Err(StoreError::Owned { .. })));
    /// drop(store);
    /// assert!(SqliteStore::open(&path).is_ok());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If another process owns the file, if it is not a database or one of another program, if a later version wrote it, and if the disk
    /// fails.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        Self::open_with(path, Durability::default())
    }

    /// Opens the file, or creates it, with this durability.
    ///
    /// ```
    /// # use matins_store_sqlite::{Durability, SqliteStore};
    /// # let directory = tempfile::tempdir()?;
    /// // Commits do not wait for the disk; a power cut may take the last ones.
    /// let store = SqliteStore::open_with(directory.path().join("jobs.db"), Durability::Normal)?;
    /// # drop(store);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_with(path: impl AsRef<Path>, durability: Durability) -> Result<Self, StoreError> {
        Self::open_now(path.as_ref(), durability)
    }

    /// Returns how a store is opened, to be changed before it is: [`SqliteStoreOptions`].
    ///
    /// ```
    /// use std::time::Duration;
    /// use matins_store_sqlite::SqliteStore;
    ///
    /// let directory = tempfile::tempdir().unwrap();
    /// let options = SqliteStore::options().wait_for_owner(Duration::from_secs(30));
    /// let store = options.open(directory.path().join("jobs.db")).unwrap();
    /// # drop(store);
    /// ```
    pub fn options() -> SqliteStoreOptions {
        SqliteStoreOptions::default()
    }

    /// Opens the file unless another process owns it.
    fn open_now(path: &Path, durability: Durability) -> Result<Self, StoreError> {
        let path = path.to_owned();
        check_place(&path)?;
        schema::refuse_foreign_file(&path)?;
        let owner = Owner::take(&path, &owner_file(&path))?;
        match connect(&path, durability) {
            Ok(connection) => Ok(Self {
                connection: connection.into(),
                opened: FileId::of(&path)?,
                path,
                unreadable: Vec::new(),
                unreadable_runs: BTreeSet::new(),
                quarantined: Vec::new(),
                read: ReadJobs::default(),
                counted: None,
                _owner: owner,
            }),
            Err(error) => {
                owner.discard();
                Err(error)
            }
        }
    }

    /// Returns the path of the file.
    ///
    /// ```
    /// # use matins_store_sqlite::SqliteStore;
    /// # let directory = tempfile::tempdir()?;
    /// let path = directory.path().join("jobs.db");
    /// assert_eq!(SqliteStore::open(&path)?.path(), path);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Checks the whole file for damage. It takes as long as reading it.
    ///
    /// ```
    /// # use matins_store_sqlite::SqliteStore;
    /// # let directory = tempfile::tempdir()?;
    /// let store = SqliteStore::open(directory.path().join("jobs.db"))?;
    /// store.check()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`StoreError::Damaged`] with what SQLite's `quick_check` found first.
    pub fn check(&self) -> Result<(), StoreError> {
        quick_check(&self.connection, &self.path)
    }

    /// Checks a file that somebody else may own and write. It is read, and nothing is changed.
    ///
    /// ```
    /// # use matins_store_sqlite::SqliteStore;
    /// # let directory = tempfile::tempdir()?;
    /// let path = directory.path().join("jobs.db");
    /// let owner = SqliteStore::open(&path)?;
    /// SqliteStore::check_file(&path)?;
    /// # drop(owner);
    /// assert!(SqliteStore::check_file(directory.path().join("no-such.db")).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`check`](Self::check), and if there is no such file.
    pub fn check_file(path: impl AsRef<Path>) -> Result<(), StoreError> {
        let path = path.as_ref();
        let failed = |source: rusqlite::Error| schema::open_error(path, source);
        let connection =
            Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(failed)?;
        connection.busy_timeout(BUSY_TIMEOUT).map_err(failed)?;
        quick_check(&connection, path)
    }

    fn failed(&self, doing: &str) -> impl Fn(rusqlite::Error) -> StoreError + use<> {
        failed_at(&self.path, doing)
    }

    /// Does `work` in one transaction, all of it or nothing.
    fn write<T>(
        &mut self,
        doing: &str,
        work: impl FnOnce(&mut Writer<'_>) -> Result<T, WriteError>,
    ) -> Result<T, StoreError> {
        self.connection.process.check(&self.path)?;
        self.opened.check(&self.path)?;
        let failed = failed_at(&self.path, doing);
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(&failed)?;
        let written = work(&mut Writer::new(&transaction));
        match written {
            Ok(value) => transaction.commit().map_err(&failed).map(|()| value),
            Err(WriteError::Refused(error)) => Err(error),
            Err(WriteError::Sqlite(error)) => Err(failed(error)),
        }
    }
}

fn quick_check(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    let failed = |source| schema::open_error(path, source);
    let found: String =
        connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(failed)?;
    if found == "ok" { Ok(()) } else { Err(schema::damaged(path, found)) }
}

fn failed_at(path: &Path, doing: &str) -> impl Fn(rusqlite::Error) -> StoreError + use<> {
    let doing = format!("{doing} in {}", path.display());
    move |source| StoreError::Backend { doing: doing.clone(), source: source.into() }
}

const JOB_COLUMNS: &str = "id, next_fire, body";
const RUN_COLUMNS: &str = "id, job, first_fire, last_fire, fires, attempt, started, finished, outcome, message, output, result, by_hand, turn, cause";

impl JobStore for SqliteStore {
    fn is_persistent(&self) -> bool {
        true
    }

    fn import(&mut self, jobs: Vec<Job>, runs: Vec<Run>, on_conflict: OnConflict) -> Result<(), StoreError> {
        self.counted = None;
        let ids: Vec<JobId> = jobs.iter().map(|job| job.id.clone()).collect();
        for id in &ids {
            self.read.forget(id);
        }
        self.write("adding jobs", |writer| {
            for job in jobs {
                if on_conflict != OnConflict::Replace && writer.job_exists(&job.id)? {
                    match on_conflict {
                        OnConflict::Keep => continue,
                        _ => return Err(StoreError::Conflict { id: job.id }.into()),
                    }
                }
                writer.put_job(&job)?;
            }
            runs.iter().try_for_each(|run| writer.record(run))
        })?;
        self.take_back(&ids)
    }

    fn update(&mut self, job: Job) -> Result<(), StoreError> {
        self.read.forget(&job.id);
        self.write("updating a job", |writer| {
            if !writer.job_exists(&job.id)? {
                return Err(StoreError::NotFound { id: job.id.clone() }.into());
            }
            writer.put_job(&job)
        })?;
        self.take_back(&[job.id])
    }

    fn remove(&mut self, id: &JobId) -> Result<Job, StoreError> {
        self.read.forget(id);
        let Some(job) = self.get(id)? else { return Err(StoreError::NotFound { id: id.clone() }) };
        self.counted = None;
        self.write("removing a job", |writer| Ok(writer.remove_job(id)?))?;
        Ok(job)
    }

    fn get(&mut self, id: &JobId) -> Result<Option<Job>, StoreError> {
        let failed = self.failed("reading a job");
        let mut statement = self
            .connection
            .prepare_cached(&format!("SELECT {JOB_COLUMNS} FROM jobs WHERE id = ?1"))
            .map_err(&failed)?;
        let row = statement.query_row([id.as_str()], |row| Ok(job_from_row(row, &self.path))).optional();
        row.map_err(&failed)?.transpose().map_err(|job| rows::damaged_job(&job))
    }

    fn list(&mut self, query: &JobQuery) -> Result<Vec<Job>, StoreError> {
        self.listed(query)
    }

    fn count(&mut self, query: &JobQuery) -> Result<usize, StoreError> {
        self.counted(query)
    }

    fn next_due(&mut self) -> Result<Option<DateTime<Utc>>, StoreError> {
        let failed = self.failed("looking for the next due job");
        loop {
            let sql = format!(
                "SELECT key, next_fire FROM jobs WHERE next_fire IS NOT NULL{} ORDER BY next_fire LIMIT 1",
                self.but_those_aside()
            );
            let first: Option<(i64, i64)> = {
                let mut statement = self.connection.prepare_cached(&sql).map_err(&failed)?;
                let first = statement.query_row([], |row| Ok((row.get(0)?, row.get(1)?)));
                first.optional().map_err(&failed)?
            };
            let Some((key, micros)) = first else { return Ok(None) };
            if let Some(instant) = DateTime::from_timestamp_micros(micros) {
                return Ok(Some(instant));
            }
            self.look_at(&[key])?;
        }
    }

    fn due(&mut self, now: DateTime<Utc>, limit: usize) -> Result<Vec<Arc<Job>>, StoreError> {
        let failed = failed_at(&self.path, "reading due jobs");
        let version = self.version().map_err(&failed)?;
        self.read.keep_for(version);
        let (mut jobs, mut unreadable) = (Vec::new(), Vec::new());
        {
            // Answered from the index alone.
            let sql = format!(
                "SELECT key, next_fire FROM jobs WHERE next_fire <= ?1{} ORDER BY next_fire, id LIMIT ?2",
                self.but_those_aside()
            );
            let mut due = self.connection.prepare_cached(&sql).map_err(&failed)?;
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            let mut rows = due.query(params![micros(now), limit]).map_err(&failed)?;
            let mut body = self
                .connection
                .prepare_cached(&format!("SELECT {JOB_COLUMNS} FROM jobs WHERE key = ?1"))
                .map_err(&failed)?;
            while let Some(row) = rows.next().map_err(&failed)? {
                let (key, fire): (i64, i64) = (row.get(0).map_err(&failed)?, row.get(1).map_err(&failed)?);
                if let Some(fire) = DateTime::from_timestamp_micros(fire)
                    && let Some(job) = self.read.job(key, fire)
                {
                    jobs.push(job);
                    continue;
                }
                match body.query_row([key], |row| Ok(job_from_row(row, &self.path))).map_err(&failed)? {
                    Ok(job) => {
                        let job = Arc::new(job);
                        self.read.remember(key, &job);
                        jobs.push(job);
                    }
                    Err(job) => unreadable.push((key, job)),
                }
            }
        }
        if unreadable.is_empty() {
            return Ok(jobs);
        }
        // Those that were read in their place may be more than these.
        self.quarantine(unreadable);
        self.due(now, limit)
    }

    fn commit(&mut self, batch: Vec<Transition>) -> Result<(), StoreError> {
        if batch.is_empty() {
            return Ok(());
        }
        let read = std::mem::take(&mut self.read);
        let committed = self.write("committing a tick", |writer| {
            batch.iter().try_for_each(|transition| writer.apply(transition, &read))
        });
        self.read = read;
        for transition in &batch {
            match transition {
                Transition::End { job } => {
                    self.counted = None;
                    self.read.forget(job);
                }
                Transition::Update(job) => self.read.forget(&job.id),
                _ => {}
            }
        }
        let prunes =
            |step: &Transition| matches!(step, Transition::PruneJob { .. } | Transition::PruneBefore { .. });
        if !self.unreadable_runs.is_empty() && batch.iter().any(prunes) {
            // The batch is committed. A failure to read is met by the next call too.
            let _ = self.forget_pruned();
        }
        committed
    }

    fn runs(&mut self, query: &RunQuery) -> Result<Vec<Run>, StoreError> {
        self.listed_runs(query)
    }

    fn count_runs(&mut self, query: &RunQuery) -> Result<usize, StoreError> {
        self.counted_runs(query)
    }

    fn next_run_id(&mut self) -> Result<RunId, StoreError> {
        let failed = self.failed("reading the last run's number");
        let sql = "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'runs'";
        let last: i64 = self.connection.query_row(sql, [], |row| row.get(0)).map_err(failed)?;
        Ok(RunId(u64::try_from(last).unwrap_or(0) + 1))
    }

    fn quarantined(&self) -> &[Quarantined] {
        &self.quarantined
    }
}
