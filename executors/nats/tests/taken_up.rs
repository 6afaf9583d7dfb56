//! Schedulers that are killed while workers continue: the next one takes the runs up, and no run that lives is interrupted.

mod rig;

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use chrono::{TimeDelta, Utc};
use matins_conformance::nats::Nats;
use matins_conformance::servers;
use matins_core::{Executor, Outcome, Shutdown};
use matins_executor_nats::{NatsExecutor, Worker};
use matins_task_function::TaskRegistry;
use serde_json::json;

use rig::{Process, Reports, namespace, run};

const ACK_WAIT: Duration = Duration::from_secs(2);

fn wait_for_beginning(file: &Path, count: usize) {
    let until = Instant::now() + rig::GENEROUS;
    while begun(file).len() < count {
        assert!(Instant::now() < until, "run {count} begins");
        std::thread::yield_now();
    }
}

fn begun(file: &Path) -> Vec<String> {
    fs::read_to_string(file).unwrap_or_default().lines().map(str::to_owned).collect()
}

/// A scheduler with the job `long`, whose run takes so long.
fn scheduler(nats: &Nats, store: &str, file: &Path, milliseconds: u64) -> Process {
    let file = file.to_str().expect("a path in UTF-8");
    Process::scheduler(&nats.url(), "long", ACK_WAIT, &[store, "0", "0", file, &milliseconds.to_string()])
}

fn worker(nats: &Nats) -> Process {
    Process::start(&nats.url(), "long", 4, ACK_WAIT)
}

#[test]
fn a_run_outlasts_the_scheduler_that_has_begun_it() {
    let Some(nats) = Nats::start("") else { return };
    let directory = tempfile::tempdir().unwrap();
    let (store, file) = (directory.path().join("jobs.db"), directory.path().join("begun"));
    let store = store.to_str().expect("a path in UTF-8");
    let mut worker = worker(&nats);
    let mut first = scheduler(&nats, store, &file, 5_000);
    wait_for_beginning(&file, 1);
    first.kill();
    let rows = scheduler(&nats, store, &file, 5_000).ledger();
    assert_eq!(rows.len(), 1, "{rows:?}");
    assert_eq!((rows[0].attempt, rows[0].outcome.as_str()), (1, "succeeded"), "{rows:?}");
    assert_eq!(begun(&file), ["long 1 1"]);

    // Its worker dies too, while there is no scheduler.
    let (store, file) = (directory.path().join("other.db"), directory.path().join("other"));
    let store = store.to_str().expect("a path in UTF-8");
    let mut first = scheduler(&nats, store, &file, 2_000);
    wait_for_beginning(&file, 1);
    first.kill();
    worker.kill();
    let _worker = self::worker(&nats);
    let rows = scheduler(&nats, store, &file, 2_000).ledger();
    let outcomes: Vec<(u32, &str)> = rows.iter().map(|row| (row.attempt, row.outcome.as_str())).collect();
    assert_eq!(outcomes, [(1, "interrupted"), (2, "succeeded")], "{rows:?}");
    assert_eq!(begun(&file), ["long 1 1", "long 2 2"]);
}

/// An executor that is removed from a scheduler, say: the scheduler is still there to hear of the runs.
#[test]
fn an_executor_that_is_to_wait_waits_for_runs_that_could_outlast_it() {
    let Some(url) = rig::server() else { return };
    let server = namespace(&url, "waits");
    let (executor, reports) = (NatsExecutor::builder(server.clone()).build(), Reports::new());
    let mut executor = executor.expect("an executor");
    assert!(executor.survives());
    let tasks = TaskRegistry::default();
    tasks.register("double", |n: u64| n * 2).expect("a name");
    let _worker = Worker::builder(server).at_once(1).start(tasks).expect("a worker");
    for number in 1..=200 {
        let run = run(number, "double", json!(number));
        let done = reports.completion(run.run);
        executor.submit(run, done).expect("there is room");
    }
    assert_eq!(executor.shutdown(Shutdown::Wait), []);
    assert_eq!(reports.arrived(), 200);
}

#[test]
fn another_scheduler_of_a_shared_store_takes_the_runs_up() {
    let (Some(nats), Some(postgres)) = (Nats::start(""), servers::postgres()) else { return };
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("begun");
    let parameters = if postgres.contains('?') { '&' } else { '?' };
    let store = format!("{postgres}{parameters}schema={}&lease=2s", servers::schema("taken_up"));
    let _worker = worker(&nats);
    let mut first = scheduler(&nats, &store, &file, 8_000);
    wait_for_beginning(&file, 1);
    let second = scheduler(&nats, &store, &file, 8_000);
    first.kill();
    let rows = second.ledger();
    assert_eq!(rows.len(), 1, "{rows:?}");
    assert_eq!((rows[0].attempt, rows[0].outcome.as_str()), (1, "succeeded"), "{rows:?}");
    assert_eq!(begun(&file).len(), 1);
}

/// The server keeps nothing of it for so long: it may have been done. Once, it was begun again.
#[test]
fn a_run_that_is_taken_up_after_more_than_a_day_is_not_begun_again() {
    let Some(url) = rig::server() else { return };
    let server = namespace(&url, "old");
    let (executor, reports) = (NatsExecutor::builder(server.clone()).build(), Reports::new());
    let mut executor = executor.expect("an executor");
    let tasks = TaskRegistry::default();
    tasks.register("double", |n: u64| n * 2).expect("a name");
    let _worker = Worker::builder(server).at_once(1).start(tasks).expect("a worker");
    for (number, hours, expected) in [(1, 30, Outcome::Interrupted), (2, 1, Outcome::Succeeded)] {
        let mut run = run(number, "double", json!(number));
        run.recorded = Utc::now() - TimeDelta::hours(hours);
        let done = reports.completion(run.run);
        executor.reattach(run, done).expect("it may be there");
        assert_eq!(reports.next().outcome, expected, "after {hours} hours");
    }
}
