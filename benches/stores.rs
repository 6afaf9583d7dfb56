//! What stores cost, beside the raw means that each stands on, in the same run.
//!
//! `cargo bench -p matins-benches --bench stores`
//!
//! | group | ours | raw |
//! | --- | --- | --- |
//! | `tick_of_100` | `due` of 100 jobs, then a commit that moves each on, records a run of it, and finishes that run | `sqlite`: the same statements by hand with rusqlite, one transaction, the same tables and indexes, rows moved by their key; bodies read and not parsed. `file`: the very bytes of such a line appended to a file, and `fdatasync` |
//! | `moves_at_1m` | `due` of 100 among a million jobs in memory, then a commit that moves them on | a `BTreeMap` by time and id: the first 100 taken out, copied, and put in again |
//! | `not_due` | the tick of 100 among more and more jobs that are not due | |
//! | `add_100k` | 100,000 jobs in one `import` | `sqlite`: JSON by serde, inserted by hand in one transaction. `file`: JSON lines by serde, written at once, `fdatasync` |
//! | `open` | opening a store of so many jobs | `file`: reading the snapshot, and serde_json on each line |

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::hint::black_box;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use matins::triggers::IntervalTrigger;
use matins::{
    FileStore, Job, JobId, JobStore, MemoryStore, OnConflict, Outcome, Policy, Run, RunId, SqliteStore,
    TaskName, Transition, Trigger,
};
use rusqlite::{Connection, params};
use serde::Deserialize;
use tempfile::TempDir;

const DUE: usize = 100;
/// Far later than any tick here comes to.
const FAR: i64 = 1_000_000_000_000;

fn second(second: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::seconds(second)
}

fn job(number: usize, next_fire: i64) -> Job {
    let trigger = IntervalTrigger::new(second(0), TimeDelta::seconds(60)).expect("an interval");
    Job {
        id: JobId::new(format!("job-{number:07}")).expect("an id"),
        task: TaskName::new("send-report").expect("a name"),
        arguments: serde_json::json!({"to": "ada@example.org", "lines": 100}),
        trigger: Arc::new(trigger) as Arc<dyn Trigger>,
        next_fire: Some(second(next_fire)),
        state: matins::JobState::Active,
        executor: matins::ExecutorName::default(),
        policy: Policy::default(),
        tags: std::collections::BTreeSet::new(),
        metadata: BTreeMap::new(),
        created: second(0),
    }
}

/// Jobs that are due one after the other, and jobs that are not.
fn jobs(due: usize, far: usize) -> Vec<Job> {
    let far = (due..due + far).map(|number| job(number, FAR + number as i64));
    (0..due).map(|number| job(number, number as i64)).chain(far).collect()
}

/// The transitions of a tick for these jobs, each moved behind all others that are due in turn.
fn tick(due: &[Job], turn: i64, mut run: RunId) -> Vec<Transition> {
    let mut batch = Vec::with_capacity(due.len() * 3);
    for job in due {
        let fire = job.next_fire.expect("a fire time");
        batch.push(Transition::Advance {
            job: job.id.clone(),
            from: Some(fire),
            to: Some(fire + TimeDelta::seconds(turn)),
        });
        let started = Run::started(run, job.id.clone(), fire, fire);
        batch.push(Transition::Record(started.clone()));
        batch.push(Transition::Finish(Run {
            finished: Some(fire),
            outcome: Some(Outcome::Succeeded),
            ..started
        }));
        run = run.next();
    }
    batch
}

/// One tick, of however many are asked for.
fn ours(store: &mut dyn JobStore, turn: i64) {
    let due = store.due(second(FAR - 1), DUE).expect("due");
    let run = store.next_run_id().expect("a number");
    store.commit(&tick(&due, turn, run)).expect("a commit");
}

/// What a person would write for the same, with the same tables.
struct Raw(Connection);

impl Raw {
    fn create(path: &Path) -> Self {
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

    fn insert(&mut self, jobs: &[Job]) {
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

    fn tick(&mut self, turn: i64) {
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

fn sqlite_with(directory: &TempDir, jobs: Vec<Job>) -> SqliteStore {
    let mut store = SqliteStore::open(directory.path().join("ours.db")).expect("a store");
    store.import(jobs, Vec::new(), OnConflict::Refuse).expect("an import");
    store
}

fn file_with(directory: &TempDir, jobs: Vec<Job>) -> FileStore {
    let mut store = FileStore::open(directory.path().join("ours")).expect("a store");
    store.import(jobs, Vec::new(), OnConflict::Refuse).expect("an import");
    store
}

fn memory_with(jobs: Vec<Job>) -> MemoryStore {
    let mut store = MemoryStore::new();
    store.import(jobs, Vec::new(), OnConflict::Refuse).expect("an import");
    store
}

fn ticks(criterion: &mut Criterion) {
    const IN_TURN: usize = 10_000;
    let mut group = criterion.benchmark_group("tick_of_100");
    group.throughput(Throughput::Elements(DUE as u64)).sample_size(50);
    let turn = IN_TURN as i64;

    let directory = TempDir::new().expect("a directory");
    let mut store = sqlite_with(&directory, jobs(IN_TURN, 0));
    group.bench_function("sqlite/matins", |bencher| bencher.iter(|| ours(&mut store, turn)));
    let mut raw = Raw::create(&directory.path().join("raw.db"));
    raw.insert(&jobs(IN_TURN, 0));
    group.bench_function("sqlite/raw", |bencher| bencher.iter(|| raw.tick(turn)));

    let mut store = file_with(&directory, jobs(IN_TURN, 0));
    group.bench_function("file/matins", |bencher| bencher.iter(|| ours(&mut store, turn)));
    // The very line that the last tick wrote.
    let log = fs::read(directory.path().join("ours/log.jsonl")).expect("the log");
    let bytes = log.trim_ascii_end().rsplit(|byte| *byte == b'\n').next().expect("a line").to_vec();
    let mut file = File::create(directory.path().join("raw.log")).expect("a file");
    group.bench_function("file/raw", |bencher| {
        bencher.iter(|| file.write_all(&bytes).and_then(|()| file.sync_data()).expect("an append"));
    });
    group.finish();
}

fn moves(criterion: &mut Criterion) {
    const JOBS: usize = 1_000_000;
    let mut group = criterion.benchmark_group("moves_at_1m");
    group.throughput(Throughput::Elements(DUE as u64)).sample_size(20);
    let mut store = memory_with(jobs(JOBS, 0));
    group.bench_function("memory/matins", |bencher| {
        bencher.iter(|| {
            let due = store.due(second(FAR - 1), DUE).expect("due");
            let to = |job: &Job| job.next_fire.map(|fire| fire + TimeDelta::seconds(JOBS as i64));
            let advance =
                |job: &Job| Transition::Advance { job: job.id.clone(), from: job.next_fire, to: to(job) };
            store.commit(&due.iter().map(advance).collect::<Vec<_>>()).expect("a commit");
            due
        });
    });
    drop(store);
    let mut map: BTreeMap<(DateTime<Utc>, JobId), Job> = jobs(JOBS, 0)
        .into_iter()
        .map(|job| ((job.next_fire.expect("a fire time"), job.id.clone()), job))
        .collect();
    group.bench_function("memory/raw", |bencher| {
        bencher.iter(|| {
            let mut due = Vec::with_capacity(DUE);
            for _ in 0..DUE {
                let ((fire, id), mut job) = map.pop_first().expect("a job");
                due.push(job.clone());
                let to = fire + TimeDelta::seconds(JOBS as i64);
                job.next_fire = Some(to);
                map.insert((to, id), job);
            }
            due
        });
    });
    group.finish();
}

type Open<'a> = dyn Fn() -> Box<dyn JobStore> + 'a;

fn not_due(criterion: &mut Criterion) {
    const IN_TURN: usize = 1_000;
    let mut group = criterion.benchmark_group("not_due");
    group.throughput(Throughput::Elements(DUE as u64)).sample_size(10);
    group
        .warm_up_time(std::time::Duration::from_millis(500))
        .measurement_time(std::time::Duration::from_secs(2));
    for far in [1_000, 10_000, 100_000, 1_000_000] {
        let directory = TempDir::new().expect("a directory");
        let stores: [(&str, &Open<'_>); 3] = [
            ("memory", &|| Box::new(memory_with(jobs(IN_TURN, far)))),
            ("file", &|| Box::new(file_with(&directory, jobs(IN_TURN, far)))),
            ("sqlite", &|| Box::new(sqlite_with(&directory, jobs(IN_TURN, far)))),
        ];
        for (name, make) in stores {
            let mut store = make();
            group.bench_function(BenchmarkId::new(name, far), |bencher| {
                bencher.iter(|| ours(&mut *store, IN_TURN as i64));
            });
        }
    }
    group.finish();
}

fn add(criterion: &mut Criterion) {
    const JOBS: usize = 100_000;
    let all = jobs(JOBS, 0);
    let mut group = criterion.benchmark_group("add_100k");
    group.throughput(Throughput::Elements(JOBS as u64)).sample_size(10);
    group.bench_function("memory/matins", |bencher| {
        bencher.iter_batched(|| all.clone(), memory_with, BatchSize::PerIteration);
    });
    let setup = || (TempDir::new().expect("a directory"), all.clone());
    group.bench_function("sqlite/matins", |bencher| {
        let work = |(directory, jobs)| (sqlite_with(&directory, jobs), directory);
        bencher.iter_batched(setup, work, BatchSize::PerIteration);
    });
    group.bench_function("sqlite/raw", |bencher| {
        let work = |(directory, jobs): (TempDir, Vec<Job>)| {
            let mut raw = Raw::create(&directory.path().join("raw.db"));
            raw.insert(&jobs);
            (raw, directory, jobs)
        };
        bencher.iter_batched(setup, work, BatchSize::PerIteration);
    });
    group.bench_function("file/matins", |bencher| {
        let work = |(directory, jobs)| (file_with(&directory, jobs), directory);
        bencher.iter_batched(setup, work, BatchSize::PerIteration);
    });
    group.bench_function("file/raw", |bencher| {
        let work = |(directory, jobs): (TempDir, Vec<Job>)| {
            let mut bytes = Vec::new();
            for job in &jobs {
                serde_json::to_writer(&mut bytes, job).expect("JSON");
                bytes.push(b'\n');
            }
            let mut file = File::create(directory.path().join("raw.jsonl")).expect("a file");
            file.write_all(&bytes).and_then(|()| file.sync_data()).expect("a write");
            (directory, jobs)
        };
        bencher.iter_batched(setup, work, BatchSize::PerIteration);
    });
    group.finish();
}

#[derive(Deserialize)]
struct Line {
    job: Option<Job>,
}

fn open(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("open");
    group.sample_size(10);
    for count in [1_000, 10_000, 100_000] {
        let directory = TempDir::new().expect("a directory");
        drop(sqlite_with(&directory, jobs(count, 0)));
        group.bench_function(BenchmarkId::new("sqlite/matins", count), |bencher| {
            bencher.iter(|| SqliteStore::open(directory.path().join("ours.db")).expect("a store"));
        });
        drop(file_with(&directory, jobs(count, 0)));
        let path = directory.path().join("ours");
        // All of it in the snapshot.
        matins::file::repair(&path).expect("a new snapshot");
        group.bench_function(BenchmarkId::new("file/matins", count), |bencher| {
            bencher.iter(|| FileStore::open(&path).expect("a store"));
        });
        group.bench_function(BenchmarkId::new("file/raw", count), |bencher| {
            bencher.iter(|| {
                let bytes = fs::read(path.join("snapshot.jsonl")).expect("the snapshot");
                let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
                let jobs = lines.filter_map(|line| serde_json::from_slice::<Line>(line).expect("JSON").job);
                jobs.collect::<Vec<_>>()
            });
        });
    }
    group.finish();
}

criterion_group!(benches, ticks, moves, not_due, add, open);
criterion_main!(benches);
