//! Jobs that fire with a delay after each run, run so many times at most, or are paused after so many failures.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use matins_core::{JobQuery, JobState, OnConflict, OnExhausted, Overlap, Retry};
use matins_scheduler::{NewJob, Retention, Schedule};
use matins_store_file::FileStore;
use matins_store_memory::MemoryStore;
use matins_triggers::{AnyTrigger, CronTrigger, TimeUnits, after, every};

use crate::rig::{Rig, second, start, ticking};

fn delayed(seconds: u64) -> NewJob {
    ticking().delay(Duration::from_secs(seconds))
}

/// Waits for what the scheduler does without an event.
fn wait_until(is_so: impl Fn() -> bool) {
    let give_up = std::time::Instant::now() + crate::rig::GENEROUS;
    while !is_so() {
        assert!(std::time::Instant::now() < give_up);
        std::thread::yield_now();
    }
}

/// Ends the run that was handed over first, at this second.
fn finish_at(rig: &Rig, time: i64, expected: &[&str]) {
    rig.clock.set(second(time));
    rig.finish(expected);
}

#[test]
fn the_next_fire_is_counted_from_the_end_of_the_run() {
    let rig = Rig::new();
    rig.add(delayed(30));
    rig.at(10, &["started 10 running"]);
    assert_eq!(rig.next_fire("tick"), Some(40), "the earliest that is possible");
    finish_at(&rig, 100, &["finished 10 succeeded"]);
    assert_eq!(rig.next_fire("tick"), Some(130));
    rig.at(130, &["started 130 running"]);
    finish_at(&rig, 131, &["finished 130 succeeded"]);
    assert_eq!(rig.next_fire("tick"), Some(161));
    // Away for long: one fire is due, however many instants the trigger had.
    rig.at(10_000, &["started 161 running"]);
    finish_at(&rig, 10_001, &["finished 161 succeeded"]);
    assert_eq!(rig.next_fire("tick"), Some(10_031));
    assert_eq!(rig.ledger(), ["10 succeeded", "130 succeeded", "161 succeeded"]);
}

#[test]
fn retries_belong_to_the_run_and_a_late_fire_is_missed() {
    let rig = Rig::new();
    let fails = every(10.seconds()).run(|| Err::<(), _>("no")).id("tick");
    let retry = Retry::times(1).backoff(matins_core::Backoff::Fixed(Duration::from_secs(5)));
    rig.add(fails.retry(retry).delay(Duration::from_secs(30)).misfire_grace(Duration::from_secs(40)));
    rig.at(10, &["started 10 running"]);
    finish_at(&rig, 38, &["finished 10 failed"]);
    rig.at(43, &["started 10 running (attempt 2)"]);
    finish_at(&rig, 50, &["finished 10 failed (attempt 2)"]);
    assert_eq!(rig.next_fire("tick"), Some(80));
    rig.at(130, &["missed 80 missed: too late"]);
    assert_eq!(rig.next_fire("tick"), Some(160));
}

#[test]
fn a_delay_ends_with_its_trigger_and_works_with_commands() {
    let rig = Rig::new();
    let until = start() + chrono::TimeDelta::seconds(100);
    let job = every(10.seconds()).until(until).run(|| ()).id("tick");
    rig.add(job.delay(Duration::from_secs(30)));
    rig.at(10, &["started 10 running"]);
    rig.scheduler.pause("tick").unwrap();
    finish_at(&rig, 20, &["job paused", "finished 10 succeeded"]);
    assert_eq!(rig.next_fire("tick"), None);
    rig.scheduler.resume("tick").unwrap();
    rig.expect(&["job resumed"]);
    assert_eq!(rig.next_fire("tick"), Some(30));
    rig.at(30, &["started 30 running"]);
    drop(rig.scheduler.run_now("tick").unwrap());
    rig.expect(&["started 30 running"]);
    finish_at(&rig, 95, &["finished 30 succeeded"]);
    rig.finish(&["finished 30 succeeded"]);
    assert_eq!(rig.next_fire("tick"), Some(125));
    // Its trigger has no instant after the hundredth second.
    rig.at(126, &["job removed"]);
}

#[test]
fn a_job_with_a_delay_survives_a_crash() {
    let directory = tempfile::tempdir().unwrap();
    let open = || FileStore::open(directory.path().join("jobs")).unwrap();
    let rig = Rig::with(open(), 10, Retention::default());
    rig.scheduler.register("task", || ()).unwrap();
    rig.add(every(10.seconds()).task("task").id("tick").delay(Duration::from_secs(30)));
    rig.at(10, &["started 10 running"]);
    // What a disk holds when the power fails.
    let copy = tempfile::tempdir().unwrap();
    std::fs::create_dir(copy.path().join("jobs")).unwrap();
    for file in std::fs::read_dir(directory.path().join("jobs")).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), copy.path().join("jobs").join(file.file_name())).unwrap();
    }
    let later = Rig::with(FileStore::open(copy.path().join("jobs")).unwrap(), 10, Retention::default());
    later.expect(&["finished 10 interrupted"]);
    assert_eq!(later.next_fire("tick"), Some(30), "counted from when it was found");
}

#[test]
fn a_job_runs_so_many_times_and_is_over() {
    let rig = Rig::new();
    let fails = every(10.seconds()).run(|| Err::<(), _>("no")).id("tick").retry(Retry::times(1));
    rig.add(fails.max_runs(2));
    rig.at(10, &["started 10 running"]);
    rig.finish(&["finished 10 failed"]);
    rig.at(15, &["started 10 running (attempt 2)"]);
    rig.finish(&["finished 10 failed (attempt 2)"]);
    assert_eq!(rig.scheduler.get("tick").unwrap().unwrap().counts.runs, 1);
    rig.at(20, &["started 20 running"]);
    assert_eq!(rig.next_fire("tick"), None);
    rig.finish(&["finished 20 failed"]);
    rig.at(25, &["started 20 running (attempt 2)"]);
    rig.finish(&["finished 20 failed (attempt 2)", "job removed"]);
    assert_eq!(rig.scheduler.count(&JobQuery::default()).unwrap(), 0);
}

#[test]
fn of_fires_that_come_together_no_more_run_than_are_left() {
    let rig = Rig::new();
    let all = ticking().coalesce(matins_core::Coalesce::All).overlap(Overlap::Allow(9));
    rig.add(all.max_runs(3).on_exhausted(OnExhausted::Keep));
    rig.at(65, &["started 10 running", "started 20 running", "started 30 running"]);
    for fire in [10, 20, 30] {
        rig.finish(&[&format!("finished {fire} succeeded")]);
    }
    let job = rig.scheduler.get("tick").unwrap().unwrap();
    assert!(job.is_exhausted() && job.next_fire.is_none() && job.counts.runs == 3);
    // A definition that allows more begins where this one ended.
    let more = ticking().max_runs(4).on_exhausted(OnExhausted::Keep).on_conflict(OnConflict::Update);
    rig.scheduler.add(more).unwrap();
    rig.expect(&["job modified"]);
    rig.at(70, &["started 70 running"]);
    rig.finish(&["finished 70 succeeded"]);
    assert!(rig.scheduler.get("tick").unwrap().unwrap().is_exhausted());
}

#[test]
fn a_run_that_waits_counts_when_it_begins_and_one_that_found_no_room_does_not() {
    let rig = Rig::with(MemoryStore::new(), 1, Retention::default());
    rig.add(ticking().overlap(Overlap::QueueOne).max_runs(2));
    rig.add(every(10.seconds()).run(|| ()).id("without room").max_runs(1).on_exhausted(OnExhausted::Keep));
    let full = "finished 10 missed: executor full";
    rig.at(10, &["started 10 running", "started 10 running", full]);
    let other = rig.scheduler.get("without room").unwrap().unwrap();
    assert_eq!((other.counts.runs, other.next_fire), (0, Some(second(20))));
    rig.scheduler.pause("without room").unwrap();
    rig.expect(&["job paused"]);
    rig.clock.set(second(20));
    wait_until(|| rig.ledger().len() == 3);
    assert_eq!(rig.scheduler.get("tick").unwrap().unwrap().counts.runs, 1);
    rig.finish(&["finished 10 succeeded", "started 20 running"]);
    rig.finish(&["finished 20 succeeded", "job removed"]);
}

#[test]
fn a_run_that_waited_for_its_job_to_be_resumed_counts() {
    let rig = Rig::new();
    rig.add(ticking().overlap(Overlap::QueueOne).max_runs(2).on_exhausted(OnExhausted::Keep));
    rig.at(10, &["started 10 running"]);
    rig.clock.set(second(20));
    wait_until(|| rig.ledger().len() == 2);
    rig.scheduler.pause("tick").unwrap();
    rig.expect(&["job paused"]);
    rig.finish(&["finished 10 succeeded"]);
    rig.scheduler.resume("tick").unwrap();
    rig.expect(&["job resumed", "started 20 running"]);
    rig.finish(&["finished 20 succeeded"]);
    assert!(rig.scheduler.get("tick").unwrap().unwrap().is_exhausted());
}

/// Fewer runs are allowed than there have been.
#[test]
fn a_job_that_has_had_more_runs_than_it_may_have_now_is_over() {
    for (on_exhausted, stays) in [(OnExhausted::Keep, true), (OnExhausted::Remove, false)] {
        let rig = Rig::new();
        rig.add(ticking().max_runs(9).on_exhausted(on_exhausted));
        for time in [10, 20] {
            rig.at(time, &[&format!("started {time} running")]);
            rig.finish(&[&format!("finished {time} succeeded")]);
        }
        let fewer = std::num::NonZeroU64::new(2);
        rig.scheduler.modify("tick", |job| job.policy.max_runs = fewer).unwrap();
        if stays {
            rig.expect(&["job modified"]);
            let job = rig.scheduler.get("tick").unwrap().unwrap();
            assert!(job.is_exhausted() && job.next_fire.is_none());
            let more = ticking().max_runs(1).on_exhausted(on_exhausted).on_conflict(OnConflict::Update);
            rig.scheduler.add(more).unwrap();
            assert_eq!(rig.next_fire("tick"), None);
        } else {
            rig.expect(&["job removed", "job modified"]);
            assert_eq!(rig.scheduler.count(&JobQuery::default()).unwrap(), 0);
        }
    }
}

/// Only what has changed is written.
#[test]
fn a_success_that_changes_no_count_leaves_the_job_as_it_is() {
    let rig = Rig::new();
    rig.add(ticking().max_failures(2));
    rig.at(10, &["started 10 running"]);
    let begun = rig.scheduler.get("tick").unwrap().unwrap().revision;
    rig.finish(&["finished 10 succeeded"]);
    assert_eq!(rig.scheduler.get("tick").unwrap().unwrap().revision, begun);
}

#[test]
fn a_chain_ends_after_so_many_runs() {
    let rig = Rig::new();
    rig.add(ticking());
    rig.add(after("tick").run(|| ()).id("once").max_runs(1));
    rig.at(10, &["started 10 running"]);
    rig.finish(&["finished 10 succeeded", "started 10 running"]);
    rig.finish(&["finished 10 succeeded", "job removed"]);
    rig.at(20, &["started 20 running"]);
    rig.finish(&["finished 20 succeeded"]);
    rig.at(30, &["started 30 running"]);
}

#[test]
fn a_job_that_fails_so_often_in_a_row_is_paused_until_somebody_resumes_it() {
    let rig = Rig::new();
    let fails = Arc::new(AtomicBool::new(true));
    let task = {
        let fails = fails.clone();
        move || if fails.load(Ordering::Relaxed) { Err("no") } else { Ok(()) }
    };
    rig.add(every(10.seconds()).run(task).id("tick").max_failures(2));
    let run = |time: i64, end: &str| {
        rig.at(time, &[&format!("started {time} running")]);
        rig.finish(&[&format!("finished {time} {end}")]);
    };
    run(10, "failed");
    fails.store(false, Ordering::Relaxed);
    run(20, "succeeded");
    fails.store(true, Ordering::Relaxed);
    run(30, "failed");
    run(40, "failed");
    let event = rig.events.next_within(crate::rig::GENEROUS).unwrap();
    let disabled = matches!(event, matins_scheduler::Event::JobDisabled { failures: 2, .. });
    assert!(disabled, "{event:?}");
    let job = rig.scheduler.get("tick").unwrap().unwrap();
    assert_eq!((job.state, job.next_fire), (JobState::Paused, None));
    assert!(job.is_disabled());
    rig.scheduler.resume("tick").unwrap();
    rig.expect(&["job resumed"]);
    let job = rig.scheduler.get("tick").unwrap().unwrap();
    assert!(!job.is_disabled() && job.counts.failures_in_a_row == 0);
    run(50, "failed");
    assert_eq!(rig.next_fire("tick"), Some(60));
}

/// A change that comes while a fire is due decides that fire first, which counts.
#[test]
fn a_change_keeps_what_was_counted() {
    let rig = Rig::new();
    rig.add(ticking().max_runs(5));
    rig.at(10, &["started 10 running"]);
    rig.finish(&["finished 10 succeeded"]);
    let now = rig.scheduler.modify("tick", |job| job.counts = matins_core::JobCounts::default()).unwrap();
    assert_eq!(now.counts.runs, 1, "what is counted is not for changing");
    let any = AnyTrigger::new([Arc::new(CronTrigger::parse("*/15 * * * * *", "UTC").unwrap()) as _]).unwrap();
    rig.scheduler.reschedule("tick", any).unwrap();
    assert_eq!(rig.scheduler.get("tick").unwrap().unwrap().counts.runs, 1);
}
