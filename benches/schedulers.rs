//! What whole schedulers do: how late 10,000 runs are that are due at one instant, what it costs to add a million jobs, and how
//! many fires a second each store sustains. Beside `tokio-cron-scheduler` (with channels of 40,000, since it loses fires
//! with its default ones), in the same run.
//!
//! `cargo bench -p matins-benches --bench schedulers`
//!
//! A run is as late as its task's beginning is behind the instant that it is for. Ours writes each run into its store before it
//! begins, and its outcome after; the peer keeps no ledger.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use matins::prelude::*;
use matins::{Executor, JobStore, Retention, VirtualClock};
use tokio::runtime::{Builder, Runtime};
use tokio_cron_scheduler::{Job, JobScheduler};

const AT_ONCE: usize = 10_000;
const ADDED: usize = 1_000_000;

/// How late each run was, in microseconds.
struct Lateness {
    micros: Vec<AtomicU64>,
    count: AtomicUsize,
}

impl Lateness {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            micros: (0..AT_ONCE).map(|_| AtomicU64::new(0)).collect(),
            count: AtomicUsize::new(0),
        })
    }

    fn note(&self, due: DateTime<Utc>) {
        let late = (Utc::now() - due).num_microseconds().unwrap_or(i64::MAX).max(0);
        let place = self.count.fetch_add(1, Ordering::Relaxed);
        if let Some(place) = self.micros.get(place) {
            place.store(late as u64, Ordering::Relaxed);
        }
    }

    /// Waits for the last, and says how late they were.
    fn told(&self, name: &str) {
        let give_up = Instant::now() + Duration::from_secs(30);
        while self.count.load(Ordering::Relaxed) < AT_ONCE && Instant::now() < give_up {
            thread::sleep(Duration::from_millis(5));
        }
        let count = self.count.load(Ordering::Relaxed).min(AT_ONCE);
        let mut micros: Vec<u64> =
            self.micros[..count].iter().map(|late| late.load(Ordering::Relaxed)).collect();
        micros.sort_unstable();
        let at = |share: usize| {
            let place = (count * share / 100).min(count.saturating_sub(1));
            Duration::from_micros(micros.get(place).copied().unwrap_or(0)).as_secs_f64() * 1e3
        };
        println!(
            "lateness/{name:<24} p50 {:>8.2} ms  p99 {:>8.2} ms  max {:>8.2} ms  {count} of {AT_ONCE} came",
            at(50),
            at(99),
            at(100)
        );
    }
}

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
}

fn ours(name: &str, executor: Box<dyn Executor>) {
    let lateness = Lateness::new();
    let mut scheduler = SchedulerBuilder::new()
        .store("default", MemoryStore::new())
        .boxed_executor("default", executor)
        .background()
        .expect("a scheduler");
    let notes = lateness.clone();
    scheduler
        .register("note", move |(), context: &TaskContext| notes.note(context.scheduled))
        .expect("a name");
    let due = Utc::now() + TimeDelta::seconds(2);
    for number in 0..AT_ONCE {
        scheduler.add(DateTrigger::new(due).task("note").id(format!("job-{number}"))).expect("added");
    }
    scheduler.start().expect("a thread");
    lateness.told(name);
    scheduler.shutdown_and_wait(Shutdown::Wait);
}

fn peer(runtime: &Runtime) {
    let lateness = Lateness::new();
    let notes = lateness.clone();
    runtime.block_on(async move {
        let mut scheduler = JobScheduler::new_with_channel_size(4 * AT_ONCE).await.expect("a scheduler");
        scheduler.start().await.expect("a start");
        // By a cron expression of that second: its one-shot jobs fire up to a second early.
        let due = (Utc::now() + TimeDelta::seconds(4)).trunc_subsecs(0);
        let expression = due.format("%-S %-M %-H * * *").to_string();
        for _ in 0..AT_ONCE {
            let notes = notes.clone();
            let job = Job::new(&expression, move |_, _| notes.note(due)).expect("a job");
            scheduler.add(job).await.expect("added");
        }
        tokio::time::sleep(Duration::from_secs(6)).await;
        scheduler.shutdown().await.expect("an end");
    });
    lateness.told("tokio-cron-scheduler");
}

fn adding(runtime: &Runtime) {
    let scheduler = matins::scheduler().background().expect("a scheduler");
    scheduler.register("nothing", || ()).expect("a name");
    let far = Utc::now() + TimeDelta::days(365);
    let mut before = Duration::ZERO;
    for count in [1_000, 10_000, 100_000, ADDED] {
        let begun = Instant::now();
        for number in 0..count {
            let job = DateTrigger::new(far).task("nothing").id(format!("{count}-{number}"));
            scheduler.add(job).expect("added");
        }
        before = begun.elapsed() / count as u32;
        println!("add/matins, {count} more {:>24.2} us a job", before.as_secs_f64() * 1e6);
    }
    let theirs = runtime.block_on(async {
        let mut scheduler = JobScheduler::new().await.expect("a scheduler");
        let begun = Instant::now();
        for _ in 0..10_000 {
            let job = Job::new_one_shot(Duration::from_secs(365 * 86_400), |_, _| ()).expect("a job");
            scheduler.add(job).await.expect("added");
        }
        let each = begun.elapsed() / 10_000;
        scheduler.shutdown().await.expect("an end");
        each
    });
    println!(
        "add/tokio-cron-scheduler, 10000 {:>14.2} us a job: {:.0} times as long",
        theirs.as_secs_f64() * 1e6,
        theirs.as_secs_f64() / before.as_secs_f64()
    );
}

/// As many fires as it can do, on a clock that leaps from one to the next.
fn sustained(name: &str, store: Box<dyn JobStore>) {
    const JOBS: usize = 1_000;
    const FIRES: u32 = 30_000;
    let clock = VirtualClock::leaping(DateTime::UNIX_EPOCH);
    let scheduler = SchedulerBuilder::new()
        .boxed_store("default", store)
        .executor("default", ThreadExecutor::builder().workers(2).build())
        .clock(clock)
        .retention(Retention { runs_per_job: Some(10), age: None })
        .blocking()
        .expect("a scheduler");
    let (handle, count) = (scheduler.handle(), AtomicU32::new(0));
    let work = move || {
        if count.fetch_add(1, Ordering::Relaxed) == FIRES {
            handle.shutdown(Shutdown::Wait);
        }
    };
    scheduler.register("count", work).expect("a name");
    for number in 0..JOBS {
        let job =
            every(1.seconds()).task("count").id(format!("job-{number}")).overlap(Overlap::Allow(1_000_000));
        scheduler.add(job).expect("added");
    }
    let begun = Instant::now();
    scheduler.run();
    let rate = f64::from(FIRES) / begun.elapsed().as_secs_f64();
    println!("sustained/{name:<16} {rate:>10.0} fires a second, {JOBS} due at each instant");
}

fn main() {
    let runtime = runtime();
    ours("matins, thread", Box::new(ThreadExecutor::new()));
    ours("matins, rayon", Box::new(RayonExecutor::builder().build().expect("a pool")));
    ours("matins, tokio", Box::new(TokioExecutor::builder(runtime.handle().clone()).build()));
    peer(&runtime);
    adding(&runtime);
    let directory = tempfile::tempdir().expect("a directory");
    sustained("memory", Box::new(MemoryStore::new()));
    sustained("file", Box::new(FileStore::open(directory.path().join("jobs")).expect("a store")));
    sustained("sqlite", Box::new(SqliteStore::open(directory.path().join("jobs.db")).expect("a store")));
}
