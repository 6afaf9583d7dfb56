//! Whole schedulers that share a PostgreSQL database.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use matins::prelude::*;
use matins::triggers::IntervalTrigger;
use matins::{ClaimStore, Job, JobId, Node, OnConflict, Overlap, PostgresStore, TaskName};

/// The name of the task that all jobs run.
const TASK: &str = "count";

/// When prepared jobs fire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// Every second from now on.
    EverySecond,
    /// Every second, a year from now.
    NextYear,
    /// Once, now.
    Now,
}

/// Fills a database with jobs.
///
/// # Panics
/// If the database refuses.
pub fn prepare(url: &str, jobs: usize, due: Due) {
    let mut store = PostgresStore::open(url).expect("a store");
    store.join(&Node::new("bench", Duration::from_secs(60))).expect("a member");
    let now = Utc::now().trunc_subsecs(6);
    let first = if due == Due::NextYear { now + TimeDelta::days(365) } else { now };
    let jobs = (0..jobs).map(|number| job(number, first, now, due)).collect();
    store.import(jobs, Vec::new(), OnConflict::Refuse).expect("jobs");
    store.leave().expect("left");
}

fn job(number: usize, first: DateTime<Utc>, now: DateTime<Utc>, due: Due) -> Job {
    let id = JobId::new(format!("job-{number}")).expect("an id");
    let task = TaskName::new(TASK).expect("a name");
    if due == Due::Now {
        return Job::new(id, task, Arc::new(DateTrigger::new(first)), Some(first), now);
    }
    let trigger = IntervalTrigger::new(first, TimeDelta::seconds(1)).expect("an interval");
    let mut job = Job::new(id, task, Arc::new(trigger), Some(first), now);
    job.policy.overlap = Overlap::Allow(1_000);
    job
}

/// Runs a scheduler on the database, and returns how many runs it did in `time`, after `before`.
///
/// # Panics
/// If the scheduler fails.
pub fn run(url: &str, before: Duration, time: Duration) -> u64 {
    let runs = Arc::new(AtomicU64::new(0));
    let counted = runs.clone();
    let mut scheduler = scheduler(url);
    scheduler
        .register(TASK, move || {
            counted.fetch_add(1, Ordering::Relaxed);
        })
        .expect("a name");
    scheduler.start().expect("a thread");
    thread::sleep(before);
    let begun = runs.load(Ordering::Relaxed);
    thread::sleep(time);
    runs.load(Ordering::Relaxed) - begun
}

/// Runs a scheduler on the database whose runs do not end, until this process is killed or ten minutes have passed.
///
/// # Panics
/// If the scheduler fails.
pub fn hold(url: &str) {
    let mut scheduler = scheduler(url);
    scheduler.register(TASK, || thread::sleep(Duration::from_secs(600))).expect("a name");
    scheduler.start().expect("a thread");
    thread::sleep(Duration::from_secs(600));
}

fn scheduler(url: &str) -> BackgroundScheduler {
    matins::SchedulerBuilder::new()
        .shared_store("default", PostgresStore::open(url).expect("a store"))
        .executor("default", matins::ThreadExecutor::new())
        .background()
        .expect("a scheduler")
}
