//! Runs that could not begin, because the system had no process, thread, descriptor or memory left for them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use matins_core::{
    Clock, Completion, Executor, JobId, JobQuery, JobStore, OnConflict, Outcome, Overlap, Refusal, Refused,
    Retry, Run, RunId, RunQuery, RunRequest, Shutdown, StoreName, TaskError, is_out_of_resources,
};
use matins_scheduler::{NewJob, Schedule, SchedulerBuilder, VirtualClock};
use matins_store_memory::MemoryStore;
use matins_triggers::{TimeUnits, at, every};

use crate::rig::{GENEROUS, Held, Holding, Rig, describe, second, shown, start, ticking};

const REASON: &str = "cannot start \"true\": Too many open files (os error 24)";

/// The run that was handed over first cannot begin.
fn postpone(rig: &Rig, expected: &[&str]) {
    let (run, done) = rig.held.take_first();
    let report = run.report(rig.clock.now(), Ok(Err(TaskError::not_started(REASON))));
    assert!(report.not_started);
    done.finish(report);
    rig.expect(expected);
}

fn rows(rig: &Rig) -> Vec<Run> {
    rig.scheduler.runs_in("default", &RunQuery::default()).unwrap()
}

fn once() -> NewJob {
    at("2026-01-01T00:00:10Z").run(|| ()).id("once")
}

#[test]
fn it_waits_says_why_and_is_started_again_as_the_same_attempt() {
    let rig = Rig::new();
    rig.add(ticking());
    rig.at(10, &["started 10 running"]);
    for second in [11, 14] {
        postpone(&rig, &["postponed 10 waiting"]);
        let row = &rows(&rig)[0];
        assert_eq!((row.started, row.outcome, row.message.as_deref()), (None, None, Some(REASON)));
        assert_eq!(rig.scheduler.stats().waiting, 1);
        rig.at(second, &["started 10 running"]);
        assert_eq!(rows(&rig)[0].message, None, "the reason is over");
    }
    rig.finish(&["finished 10 succeeded"]);
    assert_eq!(rig.ledger(), ["10 succeeded"]);
    let row = &rows(&rig)[0];
    assert_eq!((row.attempt, row.message.as_deref()), (1, None));
    assert_eq!(rig.scheduler.stats().waiting, 0);
    rig.at(20, &["started 20 running"]);
}

#[test]
fn while_it_waits_its_job_counts_as_running() {
    let rig = Rig::new();
    rig.add(ticking());
    rig.at(10, &["started 10 running"]);
    rig.clock.set(second(19));
    postpone(&rig, &["postponed 10 waiting"]);
    // The fire comes in the same tick as the new start, or before it.
    rig.clock.set(second(20));
    rig.expect(&["missed 20 missed: overlap", "started 10 running"]);
}

#[test]
fn a_job_with_a_misfire_grace_misses_the_fire_when_that_is_over() {
    let rig = Rig::new();
    rig.add(once().misfire_grace(Duration::from_secs(5)).retry(Retry::times(3)));
    rig.at(10, &["started 10 running"]);
    postpone(&rig, &["postponed 10 waiting"]);
    rig.at(15, &["started 10 running"]);
    postpone(&rig, &["finished 10 missed: too late", "job removed"]);
    let row = &rows(&rig)[0];
    assert_eq!((row.started, row.message.as_deref()), (None, Some(REASON)));
}

#[test]
fn a_job_without_one_fails_after_an_hour_and_is_retried_as_it_says() {
    let rig = Rig::new();
    rig.add(once().retry(Retry::times(1)));
    rig.at(10, &["started 10 running"]);
    postpone(&rig, &["postponed 10 waiting"]);
    rig.at(3000, &["started 10 running"]);
    postpone(&rig, &["postponed 10 waiting"]);
    rig.at(3610, &["started 10 running"]);
    postpone(&rig, &["finished 10 failed"]);
    rig.at(3612, &["started 10 running (attempt 2)"]);
    postpone(&rig, &["postponed 10 waiting (attempt 2)"]);
    rig.at(3614, &["started 10 running (attempt 2)"]);
    rig.finish(&["finished 10 succeeded (attempt 2)", "job removed"]);
    assert_eq!(rig.ledger(), ["10 failed", "10 succeeded (attempt 2)"]);
}

#[test]
fn a_run_that_was_cancelled_is_not_tried_again() {
    let rig = Rig::new();
    rig.add(ticking());
    rig.at(10, &["started 10 running"]);
    let (run, done) = rig.held.take_first();
    rig.scheduler.cancel(&StoreName::default(), run.run).unwrap();
    done.finish(run.report(rig.clock.now(), Ok(Err(TaskError::not_started(REASON)))));
    rig.expect(&["finished 10 cancelled"]);
}

#[test]
fn it_does_not_hold_up_a_shutdown_and_the_next_scheduler_starts_it() {
    let first = Rig::new();
    first.scheduler.register("nothing", || ()).unwrap();
    first.add(every(10.seconds()).task("nothing").id("tick").overlap(Overlap::QueueOne));
    first.at(10, &["started 10 running"]);
    postpone(&first, &["postponed 10 waiting"]);
    let mut store = first.scheduler.remove_store("default", Shutdown::Wait).unwrap();
    let jobs = store.list(&JobQuery::default()).unwrap();
    let mut runs = store.runs(&RunQuery::default()).unwrap();
    assert_eq!(runs.iter().map(shown).collect::<Vec<_>>(), ["10 waiting"]);
    // Another fire waits for it.
    runs.push(Run::waiting(RunId(2), JobId::new("tick").unwrap(), second(15)));

    let second_one = Rig::new();
    second_one.scheduler.register("nothing", || ()).unwrap();
    second_one.clock.set(second(17));
    let mut other_store = MemoryStore::new();
    other_store.import(jobs, runs, OnConflict::Refuse).unwrap();
    second_one.scheduler.add_store("other", other_store).unwrap();
    second_one.expect(&["store other added", "started 10 running"]);
    second_one.finish(&["finished 10 succeeded", "started 15 running"]);
    second_one.finish(&["finished 15 succeeded"]);
    let other = StoreName::new("other").unwrap();
    let runs = second_one.scheduler.runs_in(other, &RunQuery::default()).unwrap();
    assert_eq!(runs.iter().map(shown).collect::<Vec<_>>(), ["10 succeeded", "15 succeeded"]);
}

/// Refuses so many runs for want of threads.
struct WithoutThreads(AtomicUsize, Holding);

impl Executor for WithoutThreads {
    fn submit(&mut self, run: RunRequest, done: Completion) -> Result<(), Refused> {
        let left = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        match left {
            Ok(_) => Err(Refused { reason: Refusal::OutOfResources, done }),
            Err(_) => self.1.submit(run, done),
        }
    }

    fn shutdown(&mut self, how: Shutdown) -> Vec<RunId> {
        self.1.shutdown(how)
    }
}

#[test]
fn a_run_whose_executor_can_start_no_thread_is_tried_again() {
    let (clock, held) = (VirtualClock::new(start()), Arc::<Held>::default());
    let executor = WithoutThreads(AtomicUsize::new(2), Holding { held: held.clone(), room: 10 });
    let builder = SchedulerBuilder::new().store("default", MemoryStore::new()).executor("default", executor);
    let mut scheduler = builder.clock(clock.clone()).background().unwrap();
    let events = scheduler.subscribe();
    scheduler.start().unwrap();
    scheduler.add(once()).unwrap();
    let expect = |expected: &[&str]| {
        for expected in expected {
            assert_eq!(&describe(&events.next_within(GENEROUS).unwrap()), expected);
        }
    };
    expect(&["scheduler started", "job added"]);
    for time in [10, 11] {
        clock.set(second(time));
        expect(&["started 10 running", "postponed 10 waiting"]);
    }
    let row = &scheduler.runs_in("default", &RunQuery::default()).unwrap()[0];
    assert!(row.message.as_deref().unwrap().contains("could start no thread"), "{row:?}");
    clock.set(second(14));
    expect(&["started 10 running"]);
    let (run, done) = held.take_first();
    let mut report = run.execute();
    report.outcome = Outcome::Succeeded;
    done.finish(report);
    expect(&["finished 10 succeeded", "job removed"]);
    held.close();
}

#[test]
fn what_the_system_runs_out_of_is_told_from_other_errors() {
    use std::io::Error;

    // EMFILE, ENFILE and, on Linux, EAGAIN and ENOMEM; then ENOENT and EACCES.
    for number in [24, 23] {
        assert!(is_out_of_resources(&Error::from_raw_os_error(number)));
    }
    if cfg!(target_os = "linux") {
        assert!(is_out_of_resources(&Error::from_raw_os_error(11)));
        assert!(is_out_of_resources(&Error::from_raw_os_error(12)));
    }
    for number in [2, 13] {
        assert!(!is_out_of_resources(&Error::from_raw_os_error(number)));
    }
}
