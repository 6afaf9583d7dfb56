//! A definition that is added at each start: what is kept, what changes, and that no due fire disappears.

use matins_core::{Coalesce, Job, JobState, JobStore, OnConflict, RunQuery, StoreName};
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
