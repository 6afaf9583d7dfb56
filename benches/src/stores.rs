//! Stores, and the raw means that each stands on.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::hint::black_box;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use matins::triggers::IntervalTrigger;
use matins::{
    FileStore, Job, JobId, JobStore, MemoryStore, OnConflict, Outcome, Run, RunId, SqliteStore, TaskName,
    Transition,
};
use rusqlite::{Connection, params};
use serde::Deserialize;

/// Jobs that are due in a tick.
pub const DUE: usize = 100;
/// Far later than any tick here comes to, in seconds.
pub const FAR: i64 = 1_000_000_000_000;

/// So many seconds after the beginning of 1970.
pub fn second(second: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::seconds(second)
}

/// A job as people have them, with arguments and an interval.
///
/// # Panics
/// Never: its parts are right.
pub fn job(number: usize, next_fire: i64) -> Job {
    let trigger = IntervalTrigger::new(second(0), TimeDelta::seconds(60)).expect("an interval");
    let id = JobId::new(format!("job-{number:07}")).expect("an id");
    let task = TaskName::new("send-report").expect("a name");
    let mut job = Job::new(id, task, Arc::new(trigger), Some(second(next_fire)), second(0));
    job.arguments = serde_json::json!({"to": "ada@example.org", "lines": 100});
    job
}

/// Jobs that are due one after the other, and jobs that are not.
pub fn jobs(due: usize, far: usize) -> Vec<Job> {
    let far = (due..due + far).map(|number| job(number, FAR + number as i64));
    (0..due).map(|number| job(number, number as i64)).chain(far).collect()
}

/// The transitions of a tick for these jobs, each moved behind all others that are due in turn.
///
/// # Panics
/// When one has no fire time.
pub fn tick(due: &[Arc<Job>], turn: i64, mut run: RunId) -> Vec<Transition> {
    let mut batch = Vec::with_capacity(due.len() * 3);
    for job in due {
        let fire = job.next_fire.expect("a fire time");
        batch.push(Transition::Advance {
            job: job.id.clone(),
            from: Some(fire),
            to: Some(fire + TimeDelta::seconds(turn)),
        });
        let started = Run::started(run, job.id.clone(), fire, fire);
        batch.push(Transition::Record(started.clone().into()));
        batch.push(Transition::Finish(
            started
                .with(|run| {
                    run.finished = Some(fire);
                    run.outcome = Some(Outcome::Succeeded);
                })
                .into(),
        ));
        run = run.next();
    }
    batch
}

/// One tick: `due` of [`DUE`] jobs, then a commit that moves each on by `turn` seconds, records a run of it, and finishes that
/// run.
///
/// # Panics
/// When the store fails.
pub fn ours(store: &mut dyn JobStore, turn: i64) {
    let due = store.due(second(FAR - 1), DUE).expect("due");
    let run = store.next_run_id().expect("a number");
    let batch = tick(&due, turn, run);
    drop(due);
    store.commit(batch).expect("a commit");
}

/// What a person would write for the same with rusqlite, with the same tables and indexes. Rows are moved by their key; bodies
/// are read and not parsed.
#[derive(Debug)]
pub struct Raw(Connection);

impl Raw {
    /// A new database.
    ///
    /// # Panics
    /// When SQLite fails.
    pub fn create(path: &Path) -> Self {
        let connection = Connection::open(path).expect("a database");
        connection
            .execute_batch(
                "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
                 CREATE TABLE jobs (key INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, task TEXT NOT NULL,
                                    next_fire INTEGER, body TEXT NOT NULL) STRICT;
                 CREATE INDEX jobs_due ON jobs (next_fire, id) WHERE next_fire IS NOT NULL;
                 CREATE TABLE runs (id INTEGER PRIMARY KEY AUTOINCREMENT, job TEXT NOT NULL, first_fire INTEGER NOT NULL,
                                    last_fire INTEGER NOT NULL, fires INTEGER NOT NULL, attempt INTEGER NOT NULL,
                                    started INTEGER, finished INTEGER, outcome TEXT, message TEXT, output TEXT,
                                    result TEXT) STRICT;
                 CREATE INDEX runs_of_job ON runs (job, id);
                 CREATE INDEX runs_unfinished ON runs (id) WHERE outcome IS NULL;",
            )
            .expect("tables");
        connection.set_prepared_statement_cache_capacity(16);
        Self(connection)
    }

    /// Inserts these jobs in one transaction.
    ///
    /// # Panics
    /// When SQLite fails.
    pub fn insert(&mut self, jobs: &[Job]) {
        let transaction = self.0.transaction().expect("a transaction");
        {
            let mut insert = transaction
                .prepare_cached("INSERT INTO jobs (id, task, next_fire, body) VALUES (?1, ?2, ?3, ?4)")
                .expect("a statement");
            for job in jobs {
                let body = serde_json::to_string(job).expect("JSON");
                let fire = job.next_fire.map(|fire| fire.timestamp_micros());
                insert.execute(params![job.id.as_str(), job.task.as_str(), fire, body]).expect("an insert");
            }
        }
        transaction.commit().expect("a commit");
    }

    /// What [`ours`] does, in one transaction.
    ///
    /// # Panics
    /// When SQLite fails.
    pub fn tick(&mut self, turn: i64) {
        let transaction = self.0.transaction().expect("a transaction");
        {
            let due: Vec<(i64, String, i64, String)> = transaction
                .prepare_cached("SELECT key, id, next_fire, body FROM jobs WHERE next_fire <= ?1 ORDER BY next_fire, id LIMIT ?2")
                .expect("a statement")
                .query_map(params![(FAR - 1) * 1_000_000, DUE as i64], |row| {
                    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
                })
                .and_then(Iterator::collect)
                .expect("due jobs");
            let mut advance = transaction
                .prepare_cached("UPDATE jobs SET next_fire = ?2 WHERE key = ?1")
                .expect("a statement");
            let mut record = transaction
                .prepare_cached(
                    "INSERT INTO runs (job, first_fire, last_fire, fires, attempt, started) VALUES (?1, ?2, ?2, 1, 1, ?2)",
                )
                .expect("a statement");
            let mut finish = transaction
                .prepare_cached("UPDATE runs SET finished = ?2, outcome = 'succeeded' WHERE id = ?1")
                .expect("a statement");
            for (key, id, fire, body) in due {
                black_box(body);
                advance.execute(params![key, fire + turn * 1_000_000]).expect("an update");
                record.execute(params![id, fire]).expect("an insert");
                finish.execute(params![transaction.last_insert_rowid(), fire]).expect("an update");
            }
        }
        transaction.commit().expect("a commit");
    }
}

/// A SQLite store in a directory, with these jobs.
///
/// # Panics
/// When it fails.
pub fn sqlite_with(directory: &Path, jobs: Vec<Job>) -> SqliteStore {
    let mut store = SqliteStore::open(directory.join("ours.db")).expect("a store");
    store.import(jobs, Vec::new(), OnConflict::Refuse).expect("an import");
    store
}

/// A file store in a directory, with these jobs.
///
/// # Panics
/// When it fails.
pub fn file_with(directory: &Path, jobs: Vec<Job>) -> FileStore {
    let mut store = FileStore::open(directory.join("ours")).expect("a store");
    store.import(jobs, Vec::new(), OnConflict::Refuse).expect("an import");
    store
}

/// A memory store with these jobs.
///
/// # Panics
/// Never: no id is there twice.
pub fn memory_with(jobs: Vec<Job>) -> MemoryStore {
    let mut store = MemoryStore::new();
    store.import(jobs, Vec::new(), OnConflict::Refuse).expect("an import");
    store
}

/// Appends the line that a file store in `directory` wrote last to a file, and flushes it.
#[derive(Debug)]
pub struct Append {
    line: Vec<u8>,
    file: File,
}

impl Append {
    /// # Panics
    /// When there is no such line, or no file can be made.
    pub fn like_the_last_of(directory: &Path) -> Self {
        let log = fs::read(directory.join("ours/log.jsonl")).expect("the log");
        let line = log.trim_ascii_end().rsplit(|byte| *byte == b'\n').next().expect("a line").to_vec();
        Self { line, file: File::create(directory.join("raw.log")).expect("a file") }
    }

    /// # Panics
    /// When it cannot be written.
    pub fn append(&mut self) {
        self.file.write_all(&self.line).and_then(|()| self.file.sync_data()).expect("an append");
    }
}

/// Moves the [`DUE`] jobs that are due first behind all others, in a store.
///
/// # Panics
/// When the store fails.
pub fn move_on(store: &mut dyn JobStore, by: TimeDelta) -> usize {
    let due = store.due(second(FAR - 1), DUE).expect("due");
    let advance = |job: Arc<Job>| Transition::Advance {
        job: job.id.clone(),
        from: job.next_fire,
        to: job.next_fire.map(|fire| fire + by),
    };
    let batch: Vec<Transition> = due.into_iter().map(advance).collect();
    let moved = batch.len();
    store.commit(batch).expect("a commit");
    moved
}

/// Jobs in a `BTreeMap` by time and id: the least that moves what is due.
#[derive(Debug)]
pub struct Map(BTreeMap<(DateTime<Utc>, JobId), Job>);

impl Map {
    /// # Panics
    /// When a job has no fire time.
    pub fn with(jobs: Vec<Job>) -> Self {
        let entry = |job: Job| ((job.next_fire.expect("a fire time"), job.id.clone()), job);
        Self(jobs.into_iter().map(entry).collect())
    }

    /// The first [`DUE`] taken out, copied, and put in again.
    ///
    /// # Panics
    /// When there are fewer.
    pub fn move_on(&mut self, by: TimeDelta) -> Vec<Job> {
        let mut due = Vec::with_capacity(DUE);
        for _ in 0..DUE {
            let ((fire, id), mut job) = self.0.pop_first().expect("a job");
            due.push(job.clone());
            job.next_fire = Some(fire + by);
            self.0.insert((fire + by, id), job);
        }
        due
    }
}

/// Jobs as lines of JSON by serde, written at once and flushed.
///
/// # Panics
/// When that cannot be done.
pub fn write_as_lines(directory: &Path, jobs: &[Job]) {
    let mut bytes = Vec::new();
    for job in jobs {
        serde_json::to_writer(&mut bytes, job).expect("JSON");
        bytes.push(b'\n');
    }
    let mut file = File::create(directory.join("raw.jsonl")).expect("a file");
    file.write_all(&bytes).and_then(|()| file.sync_data()).expect("a write");
}

#[derive(Deserialize)]
struct Line {
    job: Option<Job>,
}

/// The jobs of a file store's snapshot, read and parsed by `serde_json`, and nothing else.
///
/// # Panics
/// If it does not exist.
pub fn parse_snapshot(store: &Path) -> Vec<Job> {
    let bytes = fs::read(store.join("snapshot.jsonl")).expect("the snapshot");
    let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.filter_map(|line| serde_json::from_slice::<Line>(line).expect("JSON").job).collect()
}
