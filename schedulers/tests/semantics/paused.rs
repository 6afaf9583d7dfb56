//! What a pause keeps waiting, and a resumption lets begin.

use std::time::Duration;

use matins_core::{Backoff, JobStore, OnConflict, OnInterrupt, Overlap, Retry, Run, RunId, Transition};
use matins_scheduler::{NewJob, Retention, Schedule};
use matins_store_memory::MemoryStore;
use matins_triggers::{TimeUnits, at, every};

use crate::rig::{Rig, second};

fn fails(job: NewJob) -> NewJob {
    job.retry(Retry::times(1).backoff(Backoff::Fixed(Duration::from_secs(30))))
}

fn once() -> NewJob {
    fails(at("2026-01-01T00:00:10Z").run(|| Err::<(), _>("no luck")).id("once"))
}

/// Once, the job was removed when it was resumed, and its attempt was missed.
#[test]
fn a_job_that_is_resumed_after_its_last_fire_keeps_what_is_left_of_its_run() {
    for is_in_progress in [false, true] {
        let rig = Rig::new();
        rig.add(once());
        rig.at(10, &["started 10 running"]);
        if !is_in_progress {
            rig.finish(&["finished 10 failed"]);
        }
        rig.scheduler.pause("once").unwrap();
        rig.expect(&["job paused"]);
        rig.scheduler.resume("once").unwrap();
        rig.expect(&["job resumed"]);
        if is_in_progress {
            rig.finish(&["finished 10 failed"]);
        }
        rig.at(45, &["started 10 running (attempt 2)"]);
        rig.finish(&["finished 10 failed (attempt 2)", "job removed"]);
    }
}

#[test]
fn a_job_that_is_resumed_after_its_last_fire_goes_at_once_where_nothing_is_left_of_it() {
    let rig = Rig::new();
    rig.add(once());
    rig.scheduler.pause("once").unwrap();
    rig.expect(&["job paused"]);
    rig.clock.set(second(20));
    rig.scheduler.resume("once").unwrap();
    rig.expect(&["job removed"]);
    assert!(rig.scheduler.get("once").unwrap().is_none());
}

/// Once, the fire that waited began beside the attempt that waited too.
#[test]
fn what_waits_for_an_attempt_waits_for_it_after_a_pause_too() {
    let rig = Rig::new();
    rig.add(fails(every(10.seconds()).run(|| Err::<(), _>("no luck")).id("tick")).overlap(Overlap::QueueOne));
    rig.at(10, &["started 10 running"]);
    let (run, done) = rig.held.take_first();
    rig.clock.set(second(20));
    while rig.ledger().len() < 2 {
        std::thread::yield_now();
    }
    done.finish(run.execute());
    rig.expect(&["finished 10 failed"]);
    rig.scheduler.pause("tick").unwrap();
    rig.expect(&["job paused"]);
    rig.scheduler.resume("tick").unwrap();
    rig.expect(&["job resumed"]);
    // By then, two more fires have come, and are folded into the one that waits.
    rig.at(55, &["missed 20..40 x3 missed: coalesced", "started 10 running (attempt 2)"]);
    rig.finish(&["finished 10 failed (attempt 2)", "started 50 running"]);
}

/// Once, it ran at once.
#[test]
fn a_run_of_a_paused_job_that_was_interrupted_runs_again_when_the_job_is_resumed() {
    let mut store = MemoryStore::new();
    let job = matins_conformance::store_suite::job("job", None);
    let job = job.with(|job| job.policy.on_interrupt = OnInterrupt::RunAgain);
    let run = Run::started(RunId(1), job.id.clone(), second(-10), second(-10));
    store.add(job, OnConflict::Refuse).unwrap();
    store.commit(vec![Transition::Record(run.into())]).unwrap();
    let rig = Rig::with(store, 10, Retention::default());
    rig.expect(&["finished -10 interrupted"]);
    assert_eq!(rig.ledger(), ["-10 interrupted", "-10 waiting (attempt 2)"]);
    rig.scheduler.register("task", || ()).unwrap();
    rig.scheduler.resume("job").unwrap();
    rig.expect(&["job resumed", "started -10 running (attempt 2)"]);
}
