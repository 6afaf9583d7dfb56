//! Runs that ended badly and are tried again.

use std::time::Duration;

use matins_core::{Backoff, OnExhausted, Outcome, Overlap, Retry, RunQuery};
use matins_scheduler::{NewJob, Retention, Schedule};
use matins_store_memory::MemoryStore;
use matins_triggers::{TimeUnits, at, every};

use crate::rig::{Rig, seconds};

fn retry(times: u32) -> Retry {
    Retry::times(times).backoff(Backoff::Fixed(Duration::from_secs(3)))
}

fn failing() -> NewJob {
    every(10.seconds()).run(|| Err::<(), _>("no luck")).id("fail").retry(retry(2))
}

#[test]
fn a_failed_run_is_tried_again_as_often_as_its_job_says() {
    let rig = Rig::new();
    rig.add(failing());
    rig.at(10, &["started 10 running"]);
    rig.finish(&["finished 10 failed"]);
    rig.at(13, &["started 10 running (attempt 2)"]);
    rig.finish(&["finished 10 failed (attempt 2)"]);
    rig.at(16, &["started 10 running (attempt 3)"]);
    rig.finish(&["finished 10 failed (attempt 3)"]);
    rig.at(20, &["started 20 running"]);
    assert_eq!(rig.ledger(), ["10 failed", "10 failed (attempt 2)", "10 failed (attempt 3)", "20 running"]);
}

/// Its turn has come by the time that the failure is taken in, when nothing else of the job is read.
#[test]
fn a_retry_without_a_wait_begins_at_once() {
    let rig = Rig::new();
    rig.add(failing().retry(Retry::times(2).backoff(Backoff::Fixed(Duration::ZERO))));
    rig.at(10, &["started 10 running"]);
    rig.finish(&["finished 10 failed", "started 10 running (attempt 2)"]);
    rig.finish(&["finished 10 failed (attempt 2)", "started 10 running (attempt 3)"]);
    rig.finish(&["finished 10 failed (attempt 3)"]);
    assert_eq!(rig.ledger(), ["10 failed", "10 failed (attempt 2)", "10 failed (attempt 3)"]);
}

#[test]
fn until_it_goes_well() {
    let rig = Rig::new();
    let tried = std::sync::atomic::AtomicU32::new(0);
    let second_time = move || match tried.fetch_add(1, std::sync::atomic::Ordering::Relaxed) {
        0 => Err("no luck"),
        _ => Ok(()),
    };
    rig.add(every(10.seconds()).run(second_time).retry(retry(5)));
    rig.at(10, &["started 10 running"]);
    rig.finish(&["finished 10 failed"]);
    rig.at(13, &["started 10 running (attempt 2)"]);
    rig.finish(&["finished 10 succeeded (attempt 2)"]);
    rig.at(20, &["started 20 running"]);
}

#[test]
fn while_an_attempt_waits_its_job_counts_as_running() {
    let rig = Rig::new();
    rig.add(failing().retry(Retry::times(1).backoff(Backoff::Fixed(Duration::from_secs(15)))));
    rig.at(10, &["started 10 running"]);
    rig.finish(&["finished 10 failed"]);
    rig.at(20, &["missed 20 missed: overlap"]);
    rig.at(25, &["started 10 running (attempt 2)"]);
    rig.finish(&["finished 10 failed (attempt 2)"]);
    rig.at(30, &["started 30 running"]);
}

#[test]
fn a_fire_that_queues_waits_for_the_last_attempt() {
    let rig = Rig::new();
    rig.add(failing().overlap(Overlap::QueueOne).retry(retry(1)));
    rig.at(10, &["started 10 running"]);
    rig.clock.set(crate::rig::second(19));
    rig.finish(&["finished 10 failed"]);
    rig.at(22, &["started 10 running (attempt 2)"]);
    assert_eq!(rig.ledger(), ["10 failed", "10 running (attempt 2)", "20 waiting"]);
    rig.finish(&["finished 10 failed (attempt 2)", "started 20 running"]);
}

#[test]
fn only_after_the_outcomes_that_the_job_names() {
    let rig = Rig::with(MemoryStore::new(), 0, Retention::default());
    let full = Outcome::Missed(matins_core::MissedReason::ExecutorFull);
    rig.add(failing().retry(retry(1).after_outcomes([full])));
    rig.at(10, &["started 10 running", "finished 10 missed: executor full"]);
    rig.at(13, &["started 10 running (attempt 2)", "finished 10 missed: executor full (attempt 2)"]);
    rig.at(20, &["started 20 running"]);

    let rig = Rig::new();
    rig.add(failing().retry(retry(1).after_outcomes([full])));
    rig.at(10, &["started 10 running"]);
    rig.finish(&["finished 10 failed"]);
    rig.at(20, &["started 20 running"]);
    assert_eq!(rig.ledger(), ["10 failed", "20 running"]);
}

#[test]
fn a_job_is_over_after_its_last_attempt() {
    let rig = Rig::new();
    rig.add(at("2026-01-01T00:00:10Z").run(|| Err::<(), _>("no luck")).id("once").retry(retry(1)));
    rig.at(10, &["started 10 running"]);
    rig.finish(&["finished 10 failed"]);
    rig.at(13, &["started 10 running (attempt 2)"]);
    rig.finish(&["finished 10 failed (attempt 2)", "job removed"]);
}

#[test]
fn removing_the_job_gives_up_the_attempt_that_waits() {
    let rig = Rig::new();
    rig.add(failing());
    rig.at(10, &["started 10 running"]);
    rig.finish(&["finished 10 failed"]);
    rig.scheduler.remove("fail").unwrap();
    rig.expect(&["missed 10 missed: job removed (attempt 2)", "job removed"]);
    rig.add(every(5.seconds()).run(|| ()).id("other"));
    rig.at(15, &["started 15 running"]);
}

#[test]
fn an_attempt_that_waits_outlives_the_process() {
    let directory = tempfile::tempdir().unwrap();
    let open = || matins_store_file::FileStore::open(directory.path().join("jobs")).unwrap();
    let rig = Rig::with(open(), 9, Retention::default());
    let register = |rig: &Rig| rig.scheduler.register("fail", || Err::<(), _>("no luck")).unwrap();
    register(&rig);
    let job = at("2026-01-01T00:00:10Z").task("fail").id("once").on_exhausted(OnExhausted::Keep);
    rig.add(job.retry(retry(1)));
    rig.at(10, &["started 10 running"]);
    rig.finish(&["finished 10 failed"]);
    drop(rig);

    let rig = Rig::from(12, open(), 9, Retention::default());
    register(&rig);
    assert_eq!(rig.ledger(), ["10 failed", "10 waiting (attempt 2)"]);
    rig.at(13, &["started 10 running (attempt 2)"]);
    rig.finish(&["finished 10 failed (attempt 2)"]);
    let runs = rig.scheduler.runs_in("default", &RunQuery::default()).unwrap();
    assert_eq!(runs[1].started.map(seconds), Some(13));
}
