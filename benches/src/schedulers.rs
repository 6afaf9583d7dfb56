//! Whole schedulers: ours, `tokio-cron-scheduler`, `apalis-cron` and `clokwerk`.
//!
//! A run is as late as its task's beginning is behind the instant that it is for. Ours writes each run into its store before it
//! begins, and its outcome after; none of the peers keeps a ledger.

use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use apalis_core::error::BoxDynError;
use apalis_core::worker::builder::WorkerBuilder;
use apalis_cron::{CronScheduler, Tick};
use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use matins::prelude::*;
use matins::triggers::IntervalTrigger;
use matins::{Executor, Handle, JobStore, Retention, VirtualClock};
use tokio::runtime::{Builder, Runtime};
use tokio_cron_scheduler::{Job, JobScheduler};

/// Nobody waits longer for runs to come.
const GIVE_UP: Duration = Duration::from_secs(30);

/// How late runs were, as they come.
#[derive(Debug)]
struct Notes {
    micros: Vec<AtomicU64>,
    count: AtomicUsize,
}

impl Notes {
    fn new(expected: usize) -> Arc<Self> {
        Arc::new(Self {
            micros: (0..expected).map(|_| AtomicU64::new(0)).collect(),
            count: AtomicUsize::new(0),
        })
    }

    fn note(&self, due: DateTime<Utc>) {
        let late = (Utc::now() - due).num_microseconds().unwrap_or(i64::MAX).max(0);
        let place = self.count.fetch_add(1, Ordering::Relaxed);
        if let Some(place) = self.micros.get(place) {
            place.store(late as u64, Ordering::Release);
        }
    }

    /// Waits for the last.
    fn wait(&self) -> Late {
        let give_up = Instant::now() + GIVE_UP;
        while self.count.load(Ordering::Relaxed) < self.micros.len() && Instant::now() < give_up {
            thread::sleep(Duration::from_millis(20));
        }
        // The last one may be writing still.
        thread::sleep(Duration::from_millis(20));
        let came = self.count.load(Ordering::Relaxed).min(self.micros.len());
        let micros = self.micros[..came].iter().map(|late| late.load(Ordering::Acquire) as f64 / 1e3);
        Late::of(micros.collect(), self.micros.len())
    }
}

/// How late runs were.
#[derive(Debug, Clone, PartialEq)]
pub struct Late {
    /// In milliseconds, rising.
    pub millis: Vec<f64>,
    /// How many runs there should have been.
    pub expected: usize,
}

impl Late {
    /// Of these, in milliseconds.
    pub fn of(mut millis: Vec<f64>, expected: usize) -> Self {
        millis.sort_by(f64::total_cmp);
        Self { millis, expected }
    }

    /// So many in a hundred were no later than this, in milliseconds; infinite where none came.
    pub fn at(&self, percent: usize) -> f64 {
        let place = (self.millis.len() * percent / 100).min(self.millis.len().saturating_sub(1));
        self.millis.get(place).copied().unwrap_or(f64::INFINITY)
    }

    /// How many in a hundred came.
    pub fn came(&self) -> f64 {
        self.millis.len() as f64 * 100.0 / self.expected as f64
    }
}

/// A runtime of two threads, for a peer or for our tokio executor.
///
/// # Panics
/// When the system starts no thread.
pub fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
}

/// Ours with the memory store; `is_async` makes the task that notes an async one.
fn noting(executor: Box<dyn Executor>, is_async: bool, notes: &Arc<Notes>) -> matins::BackgroundScheduler {
    let scheduler = SchedulerBuilder::new()
        .store("default", MemoryStore::new())
        .executor("default", executor)
        .background()
        .expect("a scheduler");
    let notes = notes.clone();
    if is_async {
        let task = move |(), context: TaskContext| {
            let notes = notes.clone();
            async move { notes.note(context.scheduled) }
        };
        scheduler.register("note", task).expect("a name");
    } else {
        let task = move |(), context: &TaskContext| notes.note(context.scheduled);
        scheduler.register("note", task).expect("a name");
    }
    scheduler
}

/// So many jobs of ours, all due at one instant.
///
/// # Panics
/// When the scheduler fails.
pub fn burst(executor: Box<dyn Executor>, is_async: bool, jobs: usize) -> Late {
    let notes = Notes::new(jobs);
    let mut scheduler = noting(executor, is_async, &notes);
    let due = Utc::now() + TimeDelta::seconds(1);
    for number in 0..jobs {
        scheduler.add(DateTrigger::new(due).task("note").id(format!("job-{number}"))).expect("added");
    }
    scheduler.start().expect("a thread");
    let late = notes.wait();
    scheduler.shutdown_and_wait(Shutdown::Wait);
    late
}

/// So many fires a second of ours for some seconds, evenly spread: each job fires once a second, at a moment of its own.
///
/// # Panics
/// When the scheduler fails.
pub fn spread_out(executor: Box<dyn Executor>, is_async: bool, a_second: usize, seconds: usize) -> Late {
    spread_out_beside(executor, is_async, a_second, seconds, |_| ()).0
}

/// As [`spread_out`], while `beside` is done with the scheduler. Also returns what that returns.
///
/// # Panics
/// When the scheduler fails.
pub fn spread_out_beside<T>(
    executor: Box<dyn Executor>,
    is_async: bool,
    a_second: usize,
    seconds: usize,
    beside: impl FnOnce(&Handle) -> T,
) -> (Late, T) {
    let notes = Notes::new(a_second * seconds);
    let mut scheduler = noting(executor, is_async, &notes);
    let start = Utc::now().trunc_subsecs(0) + TimeDelta::seconds(1);
    for number in 0..a_second {
        let first = start + TimeDelta::microseconds((number * 1_000_000 / a_second) as i64);
        let trigger = IntervalTrigger::new(first, TimeDelta::seconds(1)).expect("an interval");
        scheduler.add(trigger.task("note").id(format!("job-{number}"))).expect("added");
    }
    scheduler.start().expect("a thread");
    let done = beside(&scheduler.handle());
    let late = notes.wait();
    scheduler.shutdown_and_wait(Shutdown::Wait);
    (late, done)
}

/// A cron expression of the one second `due`, with seconds in front.
fn expression_of(due: DateTime<Utc>) -> String {
    due.format("%-S %-M %-H * * *").to_string()
}

/// So many jobs of `tokio-cron-scheduler`, all due at one instant; with channels of that size, since it loses fires with its
/// default ones.
///
/// # Panics
/// When it fails.
pub fn burst_of_tokio_cron_scheduler(jobs: usize, channels: Option<usize>) -> Late {
    let runtime = runtime();
    let notes = Notes::new(jobs);
    let noting = notes.clone();
    runtime.block_on(async {
        let scheduler = match channels {
            Some(size) => JobScheduler::new_with_channel_size(size).await,
            None => JobScheduler::new().await,
        };
        let mut scheduler = scheduler.expect("a scheduler");
        scheduler.start().await.expect("a start");
        // By a cron expression of that second: its one-shot jobs fire up to a second early.
        let due = (Utc::now() + TimeDelta::seconds(4)).trunc_subsecs(0);
        for _ in 0..jobs {
            let notes = noting.clone();
            let job = Job::new(expression_of(due), move |_, _| notes.note(due)).expect("a job");
            scheduler.add(job).await.expect("added");
        }
        let end = due + TimeDelta::milliseconds(2500);
        tokio::time::sleep((end - Utc::now()).to_std().unwrap_or_default()).await;
        scheduler.shutdown().await.expect("an end");
    });
    let expected = notes.micros.len();
    let mut late = notes.came_so_far();
    late.expected = expected;
    runtime.shutdown_background();
    late
}

impl Notes {
    fn came_so_far(&self) -> Late {
        let came = self.count.load(Ordering::Relaxed).min(self.micros.len());
        let micros = self.micros[..came].iter().map(|late| late.load(Ordering::Acquire) as f64 / 1e3);
        Late::of(micros.collect(), self.micros.len())
    }
}

/// So many workers of `apalis-cron`, all due at one instant.
///
/// # Panics
/// When it fails.
pub fn burst_of_apalis(jobs: usize) -> Late {
    let runtime = runtime();
    let notes = Notes::new(jobs);
    let due = (Utc::now() + TimeDelta::seconds(3)).trunc_subsecs(0);
    let schedule = cron::Schedule::from_str(&expression_of(due)).expect("an expression");
    for number in 0..jobs {
        let noting = notes.clone();
        start_apalis_worker(&runtime, number, &schedule, move || noting.note(due));
    }
    let late = notes.wait();
    runtime.shutdown_background();
    late
}

fn start_apalis_worker(
    runtime: &Runtime,
    number: usize,
    schedule: &cron::Schedule,
    work: impl Fn() + Clone + Send + Sync + 'static,
) {
    let schedule = schedule.clone();
    let worker = WorkerBuilder::new(format!("worker-{number}")).backend(CronScheduler::new(schedule)).build(
        move |_tick: Tick| {
            work();
            async { Ok::<(), BoxDynError>(()) }
        },
    );
    runtime.spawn(worker.run());
}

/// A year from now.
fn far() -> DateTime<Utc> {
    Utc::now() + TimeDelta::days(365)
}

/// Jobs in the far future, held by whoever holds this.
pub trait Holder {
    /// Adds so many more jobs.
    fn add(&mut self, jobs: usize);
}

/// Ours.
#[derive(Debug)]
pub struct Matins {
    scheduler: matins::BackgroundScheduler,
    added: usize,
}

impl Matins {
    /// With the memory store, and driven.
    ///
    /// # Panics
    /// When the system starts no thread.
    pub fn start() -> Self {
        let mut scheduler = matins::scheduler().background().expect("a scheduler");
        scheduler.register("nothing", || ()).expect("a name");
        scheduler.start().expect("a thread");
        Self { scheduler, added: 0 }
    }
}

impl Holder for Matins {
    fn add(&mut self, jobs: usize) {
        let far = far();
        for number in self.added..self.added + jobs {
            let fire = far + TimeDelta::seconds(number as i64 % 100_000);
            let job = DateTrigger::new(fire).task("nothing").id(format!("job-{number}"));
            self.scheduler.add(job).expect("added");
        }
        self.added += jobs;
    }
}

/// `tokio-cron-scheduler`.
pub struct TokioCronScheduler {
    runtime: Runtime,
    scheduler: JobScheduler,
}

impl TokioCronScheduler {
    /// As its documentation has it.
    ///
    /// # Panics
    /// When it fails.
    pub fn start() -> Self {
        let runtime = runtime();
        let scheduler = runtime.block_on(async {
            let scheduler = JobScheduler::new().await.expect("a scheduler");
            scheduler.start().await.expect("a start");
            scheduler
        });
        Self { runtime, scheduler }
    }
}

impl Holder for TokioCronScheduler {
    fn add(&mut self, jobs: usize) {
        self.runtime.block_on(async {
            for _ in 0..jobs {
                let job = Job::new_one_shot(Duration::from_secs(365 * 86_400), |_, _| ()).expect("a job");
                self.scheduler.add(job).await.expect("added");
            }
        });
    }
}

impl std::fmt::Debug for TokioCronScheduler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokioCronScheduler").finish_non_exhaustive()
    }
}

/// `apalis-cron`: a worker a job.
#[derive(Debug)]
pub struct Apalis {
    runtime: Runtime,
    schedule: cron::Schedule,
    added: usize,
}

impl Apalis {
    /// On a runtime of two threads.
    ///
    /// # Panics
    /// When the system starts no thread.
    pub fn start() -> Self {
        let schedule = cron::Schedule::from_str(&expression_of(far())).expect("an expression");
        Self { runtime: runtime(), schedule, added: 0 }
    }
}

impl Holder for Apalis {
    fn add(&mut self, jobs: usize) {
        for number in self.added..self.added + jobs {
            start_apalis_worker(&self.runtime, number, &self.schedule, || ());
        }
        self.added += jobs;
    }
}

/// `clokwerk`, polled ten times a second as its documentation shows.
#[derive(Default)]
pub struct Clokwerk(clokwerk::Scheduler);

impl Clokwerk {
    /// One poll, which looks at each job.
    pub fn poll(&mut self) {
        self.0.run_pending();
    }
}

impl Holder for Clokwerk {
    fn add(&mut self, jobs: usize) {
        for _ in 0..jobs {
            self.0.every(clokwerk::Interval::Days(365)).run(|| ());
        }
    }
}

impl std::fmt::Debug for Clokwerk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Clokwerk").finish_non_exhaustive()
    }
}

/// Runs on the thread that hands them over.
#[derive(Debug, Clone, Copy)]
pub struct Inline;

impl Executor for Inline {
    fn submit(&mut self, run: matins::RunRequest, done: matins::Completion) -> Result<(), matins::Refused> {
        done.finish(run.execute());
        Ok(())
    }

    fn shutdown(&mut self, _how: Shutdown) -> Vec<matins::RunId> {
        Vec::new()
    }
}

/// As many fires as asked for, as fast as possible, on a clock that leaps from one to the next; fires a second.
///
/// # Panics
/// When the scheduler fails.
pub fn sustained(store: Box<dyn JobStore>, executor: Box<dyn Executor>, fires: u32) -> f64 {
    const JOBS: usize = 1_000;
    let clock = VirtualClock::leaping(DateTime::UNIX_EPOCH);
    let scheduler = SchedulerBuilder::new()
        .store("default", store)
        .executor("default", executor)
        .clock(clock)
        .retention(Retention { runs_per_job: Some(10), ..Retention::EVERYTHING })
        .blocking()
        .expect("a scheduler");
    let (handle, count) = (scheduler.handle(), AtomicU32::new(0));
    let work = move || {
        if count.fetch_add(1, Ordering::Relaxed) == fires {
            handle.request_shutdown(Shutdown::Wait);
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
    f64::from(fires) / begun.elapsed().as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lateness_is_told_by_rank() {
        let late = Late::of((0..200).rev().map(f64::from).collect(), 400);
        assert_eq!((late.at(50), late.at(99), late.at(100)), (100.0, 198.0, 199.0));
        assert!((late.came() - 50.0).abs() < f64::EPSILON);
        assert!(Late::of(Vec::new(), 1).at(50).is_infinite());
    }
}
