//! Work of a job that is done outside of the scheduler, and runs that an executor has taken and not begun.

use std::sync::Arc;
use std::time::Duration;

use matins_core::{
    Backoff, JobId, JobQuery, JobStore, OnConflict, OnInterrupt, Outcome, Overlap, Retry, Run, RunId,
    RunQuery, Shutdown, StoreName, Transition,
};
use matins_executor_thread::ThreadExecutor;
use matins_scheduler::{NewJob, Schedule, SchedulerBuilder, SchedulerError, VirtualClock};
use matins_store_memory::MemoryStore;
use matins_triggers::{TimeUnits, every};

use crate::rig::{GENEROUS, Held, Holding, Rig, second, start, ticking};

fn messages(rig: &Rig) -> Vec<Option<String>> {
    rig.scheduler
        .runs_in("default", &RunQuery::default())
        .unwrap()
        .into_iter()
        .map(|run| run.message)
        .collect()
}

#[test]
fn a_fire_of_an_occupied_job_is_missed_and_its_row_says_why() {
    let rig = Rig::new();
    rig.add(ticking());
    let occupied = rig.scheduler.occupy("tick", "still running as process 7").unwrap();
    rig.at(10, &["missed 10 missed: overlap"]);
    rig.at(20, &["missed 20 missed: overlap"]);
    assert_eq!(rig.ledger(), ["10..20 x2 missed: overlap"], "one row, as for a run of the scheduler's own");
    drop(occupied);
    rig.at(30, &["started 30 running"]);
    rig.at(40, &["missed 40 missed: overlap"]);
    assert_eq!(messages(&rig), [Some("still running as process 7".into()), None, None]);
    rig.finish(&["finished 30 succeeded"]);
    rig.at(50, &["started 50 running"]);
}

#[test]
fn a_fire_that_waits_starts_when_the_job_is_occupied_no_longer() {
    let rig = Rig::new();
    rig.add(ticking().overlap(Overlap::QueueOne));
    let first = rig.scheduler.occupy("tick", "one").unwrap();
    let second_one = rig.scheduler.occupy("tick", "another").unwrap();
    rig.clock.set(second(10));
    while rig.scheduler.stats().waiting == 0 {
        std::thread::yield_now();
    }
    drop(first);
    rig.at(20, &["missed 10 missed: coalesced"]);
    drop(second_one);
    rig.expect(&["started 20 running"]);
}

#[test]
fn it_takes_one_of_the_places_of_a_job_that_may_run_several_times_at_once() {
    let rig = Rig::new();
    rig.add(ticking().overlap(Overlap::Allow(2)));
    let occupied = rig.scheduler.occupy("tick", "outside").unwrap();
    rig.at(10, &["started 10 running"]);
    rig.at(20, &["missed 20 missed: overlap"]);
    drop(occupied);
    rig.at(30, &["started 30 running"]);
    assert_eq!(messages(&rig), [None, None, None], "a run of the scheduler's own was in the way too");
}

#[test]
fn only_a_job_that_is_there_can_be_occupied_and_by_hand_it_runs_all_the_same() {
    let rig = Rig::new();
    rig.add(ticking());
    assert!(matches!(rig.scheduler.occupy("tock", "x"), Err(SchedulerError::NoJob { .. })));
    let occupied = rig.scheduler.occupy("tick", "x").unwrap();
    let _outcome = rig.scheduler.run_now("tick").unwrap();
    rig.expect(&["started 0 running"]);
    rig.scheduler.remove("tick").unwrap();
    rig.expect(&["job removed"]);
    drop(occupied);
    rig.finish(&["finished 0 succeeded"]);
}

/// A store as a process leaves it that was killed while `job` ran, on a scheduler that is not started yet.
fn left_by_a_killed_process(job: NewJob) -> (matins_scheduler::BackgroundScheduler, VirtualClock, Arc<Held>) {
    let mut store = MemoryStore::new();
    {
        let scheduler = SchedulerBuilder::new()
            .store("default", MemoryStore::new())
            .executor("default", Holding { held: Arc::default(), room: 9 })
            .clock(VirtualClock::new(start()))
            .background()
            .unwrap();
        scheduler.register("work", || ()).unwrap();
        scheduler.add(job).unwrap();
        for (_, job) in scheduler.list(&JobQuery::default()).unwrap() {
            store.add(job, OnConflict::Refuse).unwrap();
        }
    }
    let id = JobId::new("left").unwrap();
    let advance = Transition::Advance { job: id.clone(), from: Some(second(10)), to: Some(second(100)) };
    let begun = Transition::Record(Run::started(RunId(1), id, second(10), second(10)).into());
    store.commit(vec![advance, begun]).unwrap();
    let (clock, held) = (VirtualClock::new(second(25)), Arc::<Held>::default());
    let scheduler = SchedulerBuilder::new()
        .store("default", store)
        .executor("default", Holding { held: held.clone(), room: 9 })
        .clock(clock.clone())
        .background()
        .unwrap();
    scheduler.register("work", || ()).unwrap();
    (scheduler, clock, held)
}

#[test]
fn an_interrupted_run_is_not_run_again_beside_what_is_left_of_it() {
    let job = every(10.seconds()).task("work").id("left").on_interrupt(OnInterrupt::RunAgain);
    let (mut scheduler, clock, held) = left_by_a_killed_process(job);
    let events = scheduler.subscribe();
    let occupied = scheduler.occupy("left", "its command is still running").unwrap();
    scheduler.start().unwrap();
    let rig = Rig { scheduler, clock, events, held };
    rig.expect(&["scheduler started", "finished 10 interrupted"]);
    assert!(messages(&rig)[0].as_ref().unwrap().ends_with("; its command is still running"));
    assert_eq!(rig.ledger(), ["10 interrupted", "10 waiting (attempt 2)"]);
    rig.at(100, &["missed 100 missed: overlap"]);
    drop(occupied);
    rig.expect(&["started 10 running (attempt 2)"]);
    rig.finish(&["finished 10 succeeded (attempt 2)"]);
    rig.at(110, &["started 110 running"]);
}

#[test]
fn a_retry_of_an_interrupted_run_waits_too() {
    let retry = Retry::times(1).backoff(Backoff::Fixed(Duration::from_secs(5)));
    let retry = retry.after_outcomes([Outcome::Interrupted]);
    let job = every(10.seconds()).task("work").id("left").retry(retry);
    let (mut scheduler, clock, held) = left_by_a_killed_process(job);
    let events = scheduler.subscribe();
    let occupied = scheduler.occupy("left", "its command is still running").unwrap();
    scheduler.start().unwrap();
    let rig = Rig { scheduler, clock, events, held };
    rig.expect(&["scheduler started", "finished 10 interrupted"]);
    // Its turn has come and gone.
    rig.clock.set(second(40));
    rig.at(100, &["missed 100 missed: overlap"]);
    drop(occupied);
    rig.expect(&["started 10 running (attempt 2)"]);
}

/// cronicle and others: what waits for a free worker is shown as running.
#[test]
fn a_run_is_queued_from_when_it_is_taken_until_its_work_begins() {
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let wait = Arc::new(std::sync::Mutex::new(wait));
    let mut scheduler = SchedulerBuilder::new()
        .store("default", MemoryStore::new())
        .executor("default", ThreadExecutor::builder().workers(1).build())
        .background()
        .unwrap();
    for id in ["one", "two"] {
        let wait = wait.clone();
        let work = move || {
            let _ = wait.lock().unwrap().recv_timeout(GENEROUS);
        };
        scheduler.add(every(1.hours()).run(work).id(id)).unwrap();
    }
    scheduler.start().unwrap();
    let outcomes = ["one", "two"].map(|id| scheduler.run_now(id).unwrap());
    let in_flight = || scheduler.in_flight(&StoreName::default()).unwrap();
    while in_flight().values().flatten().count() < 1 || in_flight().len() < 2 {
        std::thread::yield_now();
    }
    let stats = scheduler.stats();
    assert_eq!((stats.running, stats.queued, stats.waiting), (1, 1, 0));
    assert!(in_flight()[&RunId(1)].is_some() && in_flight()[&RunId(2)].is_none());
    go.send(()).unwrap();
    while in_flight().get(&RunId(2)).is_some_and(Option::is_none) {
        std::thread::yield_now();
    }
    go.send(()).unwrap();
    for outcome in outcomes {
        outcome.wait().unwrap();
    }
    assert!(in_flight().is_empty());
    scheduler.shutdown_and_wait(Shutdown::Wait);
}
