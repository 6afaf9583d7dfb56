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

use std::time::Duration;

use chrono::TimeDelta;
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use matins::{FileStore, Job, JobStore, SqliteStore};
use matins_benches::stores::{
    Append, DUE, Map, Raw, file_with, jobs, memory_with, move_on, ours, parse_snapshot, sqlite_with,
    write_as_lines,
};
use tempfile::TempDir;

fn ticks(criterion: &mut Criterion) {
    const IN_TURN: usize = 10_000;
    let mut group = criterion.benchmark_group("tick_of_100");
    group.throughput(Throughput::Elements(DUE as u64)).sample_size(50);
    let turn = IN_TURN as i64;

    let directory = TempDir::new().expect("a directory");
    let mut store = sqlite_with(directory.path(), jobs(IN_TURN, 0));
    group.bench_function("sqlite/matins", |bencher| bencher.iter(|| ours(&mut store, turn)));
    let mut raw = Raw::create(&directory.path().join("raw.db"));
    raw.insert(&jobs(IN_TURN, 0));
    group.bench_function("sqlite/raw", |bencher| bencher.iter(|| raw.tick(turn)));

    let mut store = file_with(directory.path(), jobs(IN_TURN, 0));
    group.bench_function("file/matins", |bencher| bencher.iter(|| ours(&mut store, turn)));
    let mut append = Append::like_the_last_of(directory.path());
    group.bench_function("file/raw", |bencher| bencher.iter(|| append.append()));
    group.finish();
}

fn moves(criterion: &mut Criterion) {
    const JOBS: usize = 1_000_000;
    let mut group = criterion.benchmark_group("moves_at_1m");
    group.throughput(Throughput::Elements(DUE as u64)).sample_size(20);
    let by = TimeDelta::seconds(JOBS as i64);
    let mut store = memory_with(jobs(JOBS, 0));
    group.bench_function("memory/matins", |bencher| bencher.iter(|| move_on(&mut store, by)));
    drop(store);
    let mut map = Map::with(jobs(JOBS, 0));
    group.bench_function("memory/raw", |bencher| bencher.iter(|| map.move_on(by)));
    group.finish();
}

type Open<'a> = dyn Fn() -> Box<dyn JobStore> + 'a;

fn not_due(criterion: &mut Criterion) {
    const IN_TURN: usize = 1_000;
    let mut group = criterion.benchmark_group("not_due");
    group.throughput(Throughput::Elements(DUE as u64)).sample_size(10);
    group.warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
    for far in [1_000, 10_000, 100_000, 1_000_000] {
        let directory = TempDir::new().expect("a directory");
        let stores: [(&str, &Open<'_>); 3] = [
            ("memory", &|| Box::new(memory_with(jobs(IN_TURN, far)))),
            ("file", &|| Box::new(file_with(directory.path(), jobs(IN_TURN, far)))),
            ("sqlite", &|| Box::new(sqlite_with(directory.path(), jobs(IN_TURN, far)))),
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
        let work = |(directory, jobs): (TempDir, Vec<Job>)| (sqlite_with(directory.path(), jobs), directory);
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
        let work = |(directory, jobs): (TempDir, Vec<Job>)| (file_with(directory.path(), jobs), directory);
        bencher.iter_batched(setup, work, BatchSize::PerIteration);
    });
    group.bench_function("file/raw", |bencher| {
        let work = |(directory, jobs): (TempDir, Vec<Job>)| {
            write_as_lines(directory.path(), &jobs);
            (directory, jobs)
        };
        bencher.iter_batched(setup, work, BatchSize::PerIteration);
    });
    group.finish();
}

fn open(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("open");
    group.sample_size(10);
    for count in [1_000, 10_000, 100_000] {
        let directory = TempDir::new().expect("a directory");
        drop(sqlite_with(directory.path(), jobs(count, 0)));
        group.bench_function(BenchmarkId::new("sqlite/matins", count), |bencher| {
            bencher.iter(|| SqliteStore::open(directory.path().join("ours.db")).expect("a store"));
        });
        drop(file_with(directory.path(), jobs(count, 0)));
        let path = directory.path().join("ours");
        // All of it in the snapshot.
        matins::file::repair(&path).expect("a new snapshot");
        group.bench_function(BenchmarkId::new("file/matins", count), |bencher| {
            bencher.iter(|| FileStore::open(&path).expect("a store"));
        });
        group.bench_function(BenchmarkId::new("file/raw", count), |bencher| {
            bencher.iter(|| parse_snapshot(&path));
        });
    }
    group.finish();
}

criterion_group!(benches, ticks, moves, not_due, add, open);
criterion_main!(benches);
