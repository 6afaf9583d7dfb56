//! What whole schedulers do: what it costs to add jobs, how late runs are that are due at one instant, and how many fires a second
//! each store sustains; beside `tokio-cron-scheduler`, `apalis-cron` and `clokwerk`.
//!
//! `cargo bench -p matins-benches --bench schedulers`
//!
//! | group | ours | theirs |
//! | --- | --- | --- |
//! | `add` | so many jobs of a year from now added to an empty scheduler; the id is looked for, the job kept under it and in the order of its time | `tokio-cron-scheduler`: through its channel to its store. `apalis-cron`: a worker built and spawned for each job. `clokwerk`: a job pushed to a list |
//! | `lateness` | so many jobs due at one instant, each run in the ledger before it begins; the time is the lateness that 99 of 100 keep within | the same jobs without a ledger; `tokio-cron-scheduler` with channels of four times the jobs, since it loses fires with its default ones |
//! | `sustained` | fires on a clock that leaps from one to the next, 1,000 jobs due at each, as fast as they go, each in the ledger twice | |

use std::time::Duration;

use criterion::{
    BatchSize, BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group, criterion_main,
};
use matins::{
    Executor, FileStore, JobStore, MemoryStore, RayonExecutor, SqliteStore, ThreadExecutor, TokioExecutor,
};
use matins_benches::schedulers::{
    Apalis, Clokwerk, Holder, Late, Matins, TokioCronScheduler, burst, burst_of_apalis,
    burst_of_tokio_cron_scheduler, runtime, sustained,
};
use tempfile::TempDir;

type Start = fn() -> Box<dyn Holder>;

fn add(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("add");
    group.sample_size(10).warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(3));
    for jobs in [1_000, 10_000, 100_000, 1_000_000] {
        group.throughput(Throughput::Elements(jobs as u64));
        let contenders: [(&str, usize, Start); 4] = [
            ("matins", 1_000_000, || Box::new(Matins::start())),
            ("tokio-cron-scheduler", 10_000, || Box::new(TokioCronScheduler::start())),
            ("apalis-cron", 100_000, || Box::new(Apalis::start())),
            ("clokwerk", 1_000_000, || Box::new(Clokwerk::default())),
        ];
        for (name, _, make) in contenders.into_iter().filter(|(_, most, _)| jobs <= *most) {
            group.bench_function(BenchmarkId::new(name, jobs), |bencher| {
                let work = |mut holder: Box<dyn Holder>| {
                    holder.add(jobs);
                    holder
                };
                bencher.iter_batched(make, work, BatchSize::PerIteration);
            });
        }
    }
    group.finish();
}

fn lateness(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("lateness");
    // What is told is the lateness, and what it takes is some seconds: once a sample is enough.
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    group.warm_up_time(Duration::from_millis(1)).measurement_time(Duration::from_millis(1));
    for jobs in [1_000, 10_000] {
        let contenders: [(&str, &dyn Fn() -> Late); 5] = [
            ("matins, thread", &|| burst(Box::new(ThreadExecutor::new()), false, jobs)),
            ("matins, rayon", &|| {
                burst(Box::new(RayonExecutor::builder().build().expect("a pool")), false, jobs)
            }),
            ("matins, tokio", &|| {
                let runtime = runtime();
                let executor: Box<dyn Executor> =
                    Box::new(TokioExecutor::builder(runtime.handle().clone()).build());
                burst(executor, true, jobs)
            }),
            ("tokio-cron-scheduler", &|| burst_of_tokio_cron_scheduler(jobs, Some(4 * jobs))),
            ("apalis-cron", &|| burst_of_apalis(jobs)),
        ];
        for (name, contender) in contenders {
            group.bench_function(BenchmarkId::new(name, jobs), |bencher| {
                bencher.iter_custom(|times| {
                    (0..times).map(|_| Duration::from_secs_f64(contender().at(99).min(60_000.0) / 1e3)).sum()
                });
            });
        }
    }
    group.finish();
}

fn fires(criterion: &mut Criterion) {
    const FIRES: u32 = 30_000;
    let mut group = criterion.benchmark_group("sustained");
    group.sample_size(10).throughput(Throughput::Elements(FIRES.into()));
    let directory = TempDir::new().expect("a directory");
    let mut opened = 0;
    for name in ["memory", "file", "sqlite"] {
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|times| {
                let mut rate = || {
                    opened += 1;
                    let path = directory.path().join(format!("store-{opened}"));
                    let store: Box<dyn JobStore> = match name {
                        "memory" => Box::new(MemoryStore::new()),
                        "file" => Box::new(FileStore::open(path).expect("a store")),
                        _ => Box::new(SqliteStore::open(path).expect("a store")),
                    };
                    let executor = ThreadExecutor::builder().workers(2).build();
                    sustained(store, Box::new(executor), FIRES)
                };
                (0..times).map(|_| Duration::from_secs_f64(f64::from(FIRES) / rate())).sum()
            });
        });
    }
    group.finish();
}

criterion_group!(benches, add, lateness, fires);
criterion_main!(benches);
