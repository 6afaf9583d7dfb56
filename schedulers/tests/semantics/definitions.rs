//! A definition that is added at each start: what is kept, what changes, and that no due fire disappears.

use std::time::Duration;

use matins_core::{Backoff, Coalesce, Job, JobState, JobStore, OnConflict, Retry, RunQuery, StoreName};
use matins_executor_thread::ThreadExecutor;
use matins_scheduler::{AddOutcome, BackgroundScheduler, NewJob, Schedule, SchedulerBuilder, VirtualClock};
use matins_store_memory::MemoryStore;
use matins_triggers::{TimeUnits, at, every};

use crate::rig::{Rig, second, seconds, shown, ticking};

fn report(period: u32) -> NewJob {
    every(period.seconds()).task("report").id("report").on_conflict(OnConflict::Update)
}

/// A scheduler that has not started, on a store in which a job every ten seconds was added at second 0.
fn after_downtime(now: i64) -> BackgroundScheduler {
    let clock = VirtualClock::new(second(0));
    let builder = |store: MemoryStore, clock: &VirtualClock| {
        let builder = SchedulerBuilder::new().store("default", store).clock(clock.clone());
        let scheduler = builder.executor("default", ThreadExecutor::new()).background().unwrap();
        scheduler.register("report", || ()).unwrap();
        scheduler
    };
    let first = builder(MemoryStore::new(), &clock);
    first.add(report(10)).unwrap();
    let mut store = MemoryStore::new();
    let job = first.get("report").unwrap().unwrap();
    store.add(job, OnConflict::Refuse).unwrap();
    clock.set(second(now));
    builder(store, &clock)
}

fn ledger(scheduler: &BackgroundScheduler) -> Vec<String> {
    scheduler.runs_in("default", &RunQuery::default()).unwrap().iter().map(shown).collect()
}

fn job(scheduler: &BackgroundScheduler) -> Job {
    scheduler.get("report").unwrap().unwrap()
}

fn next_fire(scheduler: &BackgroundScheduler) -> Option<i64> {
    job(scheduler).next_fire.map(seconds)
}

#[test]
fn an_unchanged_definition_keeps_its_next_fire_time_and_its_anchor() {
    let scheduler = after_downtime(7);
    assert_eq!(scheduler.add(report(10)).unwrap().add_outcome(), AddOutcome::Unchanged);
    assert_eq!(next_fire(&scheduler), Some(10));
    // A reload every few seconds does not push the next fire time away (every = "12s", reloaded every 8 s).
    let tagged = scheduler.add(report(10).tag("nightly")).unwrap();
    assert_eq!(tagged.add_outcome(), AddOutcome::Updated);
    assert_eq!(next_fire(&scheduler), Some(10));
    assert!(job(&scheduler).tags.contains("nightly"));
}

#[test]
fn fires_that_were_due_before_a_change_run_with_the_new_task_and_then_the_new_trigger_counts() {
    let mut scheduler = after_downtime(35);
    let new = report(60);
    assert_eq!(scheduler.add(new).unwrap().add_outcome(), AddOutcome::Updated);
    assert_eq!(ledger(&scheduler), ["10..20 x2 missed: coalesced", "30 waiting"]);
    assert_eq!(next_fire(&scheduler), Some(60));
    let outcome = scheduler.next_outcome("report").unwrap();
    scheduler.start().unwrap();
    assert_eq!(seconds(outcome.wait().unwrap().scheduled()), 30);
    assert_eq!(ledger(&scheduler), ["10..20 x2 missed: coalesced", "30 succeeded"]);
}

#[test]
fn before_the_start_all_due_fires_are_folded_into_the_run_that_waits() {
    let scheduler = after_downtime(35);
    scheduler.add(report(60).coalesce(Coalesce::All)).unwrap();
    scheduler.modify("report", |job| job.next_fire = Some(second(5))).unwrap();
    scheduler.add(report(70)).unwrap();
    assert_eq!(ledger(&scheduler), ["10..20 x2 missed: coalesced", "30 waiting", "5 missed: coalesced"]);
}

#[test]
fn a_job_that_was_paused_by_hand_stays_paused() {
    let scheduler = after_downtime(5);
    scheduler.pause("report").unwrap();
    scheduler.add(report(20)).unwrap();
    assert_eq!(job(&scheduler).state, JobState::Paused);
    assert_eq!(next_fire(&scheduler), None);
}

#[test]
fn replacing_removing_and_pausing_leave_a_row_for_each_due_fire() {
    let scheduler = after_downtime(35);
    let replaced = scheduler.add(report(60).on_conflict(OnConflict::Replace)).unwrap();
    assert_eq!(replaced.add_outcome(), AddOutcome::Replaced);
    assert_eq!(ledger(&scheduler), ["10..30 x3 missed: job removed"]);

    let scheduler = after_downtime(35);
    scheduler.remove("report").unwrap();
    assert_eq!(ledger(&scheduler), ["10..30 x3 missed: job removed"]);

    let scheduler = after_downtime(35);
    scheduler.pause("report").unwrap();
    assert_eq!(ledger(&scheduler), ["10..30 x3 missed: job paused"]);
    scheduler.resume("report").unwrap();
    assert_eq!(next_fire(&scheduler), Some(40));
}

#[test]
fn another_trigger_by_reschedule_decides_what_was_due_first() {
    let scheduler = after_downtime(35);
    scheduler.reschedule("report", every(60.seconds())).unwrap();
    assert_eq!(ledger(&scheduler), ["10..20 x2 missed: coalesced", "30 waiting"]);
}

#[test]
fn a_job_that_moves_takes_its_due_fires_along() {
    let scheduler = after_downtime(35);
    scheduler.add_store("other", MemoryStore::new()).unwrap();
    let other = StoreName::new("other").unwrap();
    scheduler.move_to("report", &other).unwrap();
    assert_eq!(ledger(&scheduler), [""; 0]);
    assert_eq!(next_fire(&scheduler), Some(10));
}

#[test]
fn a_date_that_has_fired_is_unchanged_when_it_is_defined_again() {
    let rig = Rig::new();
    let once =
        || at("2026-01-01T00:00:10Z").run(|| ()).id("once").on_exhausted(matins_core::OnExhausted::Keep);
    rig.add(once());
    rig.at(10, &["started 10 running"]);
    rig.finish(&["finished 10 succeeded"]);
    rig.scheduler.add(once().on_conflict(OnConflict::Update)).unwrap();
    rig.expect(&["job modified"]);
    assert_eq!(rig.next_fire("once"), None);
}

#[test]
fn a_paused_scheduler_starts_what_was_due_before_a_change() {
    let rig = Rig::new();
    rig.add(ticking());
    rig.at(10, &["started 10 running"]);
    rig.finish(&["finished 10 succeeded"]);
    rig.scheduler.pause_all().unwrap();
    rig.expect(&["scheduler paused"]);
    rig.at(25, &[]);
    rig.scheduler.reschedule("tick", every(60.seconds())).unwrap();
    rig.expect(&["started 20 running", "job modified"]);
    assert_eq!(rig.next_fire("tick"), Some(85));
}

/// Once, they failed, since the closure was registered after they had been handed over.
#[test]
fn due_fires_of_a_job_that_gets_another_closure_run_with_that() {
    let rig = Rig::new();
    rig.add(ticking());
    rig.scheduler.pause_all().unwrap();
    rig.expect(&["scheduler paused"]);
    rig.at(15, &[]);
    let other = every(60.seconds()).run(|| "the other closure").id("tick").on_conflict(OnConflict::Update);
    rig.scheduler.add(other).unwrap();
    rig.expect(&["started 10 running", "job modified"]);
    let (run, done) = rig.held.take_first();
    let report = run.execute();
    assert_eq!(report.result, Some("the other closure".into()));
    done.finish(report);
    rig.expect(&["finished 10 succeeded"]);
}

/// Once, it was looked at a thousand times, and a fire was missed that the rule does not know.
#[test]
fn a_job_that_is_changed_while_it_runs_beyond_its_delay_misses_nothing() {
    let rig = Rig::new();
    rig.add(ticking().delay(Duration::from_secs(5)));
    rig.at(10, &["started 10 running"]);
    rig.scheduler.pause_all().unwrap();
    rig.expect(&["scheduler paused"]);
    rig.at(40, &[]);
    rig.scheduler.reschedule("tick", every(60.seconds())).unwrap();
    rig.expect(&["job modified"]);
    assert_eq!(rig.ledger(), ["10 running"]);
}

/// Once, that had to wait for another fire.
#[test]
fn what_waited_for_a_job_that_is_replaced_begins_at_once() {
    let rig = Rig::new();
    let fails = |job: NewJob| job.retry(Retry::times(1).backoff(Backoff::Fixed(Duration::from_secs(3))));
    let job = || fails(every(1.hours()).run(|| Err::<(), _>("no luck")).id("job"));
    rig.add(job());
    let _ = rig.scheduler.run_now("job").unwrap();
    rig.expect(&["started 0 running"]);
    rig.finish(&["finished 0 failed"]);
    rig.scheduler.pause("job").unwrap();
    rig.expect(&["job paused"]);
    rig.at(10, &[]);
    rig.scheduler.add(job().on_conflict(OnConflict::Replace)).unwrap();
    rig.expect(&["job added", "started 0 running (attempt 2)"]);
}
