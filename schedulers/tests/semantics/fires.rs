//! What is decided about fire times: each rule of the engine.

use std::sync::Arc;
use std::time::Duration;

use matins_core::{
    Clock, Coalesce, JobQuery, JobState, OnConflict, OnExhausted, Overlap, Run, RunQuery, StoreName,
};
use matins_scheduler::{NewJob, Retention, Schedule, SchedulerBuilder, VirtualClock};
use matins_store_memory::MemoryStore;
use matins_triggers::{TimeUnits, at, every};

use crate::rig::{Held, Holding, Rig, second, seconds, start, ticking};

#[test]
fn a_job_fires_at_each_of_its_times() {
    let rig = Rig::new();
    rig.add(ticking());
    assert_eq!(rig.next_fire("tick"), Some(10));
    rig.at(10, &["started 10 running"]);
    rig.finish(&["finished 10 succeeded"]);
    rig.at(20, &["started 20 running"]);
    rig.finish(&["finished 20 succeeded"]);
    assert_eq!(rig.next_fire("tick"), Some(30));
    assert_eq!(rig.ledger(), ["10 succeeded", "20 succeeded"]);
}

#[test]
fn a_late_fire_runs_however_late_and_the_latest_stands_for_all() {
    let rig = Rig::new();
    rig.add(ticking());
    rig.at(45, &["missed 10..30 x3 missed: coalesced", "started 40 running"]);
    assert_eq!(rig.next_fire("tick"), Some(50));
}

#[test]
fn or_the_earliest_stands_for_all() {
    let rig = Rig::new();
    rig.add(ticking().coalesce(Coalesce::Earliest));
    rig.at(45, &["missed 20..40 x3 missed: coalesced", "started 10 running"]);
}

#[test]
fn or_each_runs_where_they_may_overlap() {
    let rig = Rig::new();
    rig.add(ticking().coalesce(Coalesce::All).overlap(Overlap::Allow(3)));
    rig.at(
        45,
        &["missed 40 missed: overlap", "started 10 running", "started 20 running", "started 30 running"],
    );
}

#[test]
fn a_fire_beyond_the_grace_is_missed() {
    let rig = Rig::new();
    rig.add(ticking().misfire_grace(Duration::from_secs(3)));
    rig.at(13, &["started 10 running"]);
    rig.finish(&["finished 10 succeeded"]);
    rig.at(26, &["missed 20 missed: too late"]);
    assert_eq!(rig.next_fire("tick"), Some(30));
}

#[test]
fn a_years_downtime_of_a_job_a_second_is_one_row() {
    let rig = Rig::new();
    rig.add(every(1.seconds()).run(|| ()).misfire_grace(Duration::ZERO));
    let year = 365 * 24 * 3600;
    let row = format!("missed 1..{} x{} missed: too late", year - 1, year - 1);
    rig.at(year, &[&row, &format!("started {year} running")]);
}

#[test]
fn a_fire_that_finds_a_run_going_is_skipped_in_one_row_that_grows() {
    let rig = Rig::new();
    rig.add(ticking());
    rig.at(10, &["started 10 running"]);
    rig.at(20, &["missed 20 missed: overlap"]);
    rig.at(40, &["missed 30..40 x2 missed: overlap"]);
    rig.finish(&["finished 10 succeeded"]);
    rig.at(50, &["started 50 running"]);
    rig.at(60, &["missed 60 missed: overlap"]);
    assert_eq!(
        rig.ledger(),
        ["10 succeeded", "20..40 x3 missed: overlap", "50 running", "60 missed: overlap"]
    );
}

#[test]
fn or_it_waits_and_the_latest_waits_on() {
    let rig = Rig::new();
    rig.add(ticking().overlap(Overlap::QueueOne));
    rig.at(10, &["started 10 running"]);
    rig.at(35, &["missed 20 missed: coalesced"]);
    assert_eq!(rig.ledger(), ["10 running", "20 missed: coalesced", "30 waiting"]);
    rig.at(40, &["missed 30 missed: coalesced"]);
    assert_eq!(rig.ledger(), ["10 running", "20..30 x2 missed: coalesced", "40 waiting"]);
    rig.finish(&["finished 10 succeeded", "started 40 running"]);
    rig.finish(&["finished 40 succeeded"]);
    assert_eq!(rig.ledger(), ["10 succeeded", "20..30 x2 missed: coalesced", "40 succeeded"]);
}

#[test]
fn or_the_earliest_waits_on() {
    let rig = Rig::new();
    rig.add(ticking().overlap(Overlap::QueueOne).coalesce(Coalesce::Earliest));
    rig.at(10, &["started 10 running"]);
    rig.at(35, &["missed 30 missed: coalesced"]);
    rig.at(40, &["missed 40 missed: coalesced"]);
    rig.finish(&["finished 10 succeeded", "started 20 running"]);
    assert_eq!(rig.ledger(), ["10 succeeded", "20 running", "30..40 x2 missed: coalesced"]);
}

#[test]
fn or_up_to_n_go_on_at_once() {
    let rig = Rig::new();
    rig.add(ticking().overlap(Overlap::Allow(2)));
    rig.at(10, &["started 10 running"]);
    rig.at(20, &["started 20 running"]);
    rig.at(30, &["missed 30 missed: overlap"]);
    rig.finish(&["finished 10 succeeded"]);
    rig.at(40, &["started 40 running"]);
}

#[test]
fn a_full_executor_means_missed() {
    let rig = Rig::with(MemoryStore::new(), 1, Retention::default());
    rig.add(ticking().id("a"));
    rig.add(ticking().id("b"));
    rig.at(10, &["started 10 running", "started 10 running", "finished 10 missed: executor full"]);
    assert_eq!(rig.ledger(), ["10 running", "10 missed: executor full"]);
}

#[test]
fn a_paused_job_has_no_next_fire_time_and_goes_on_from_now() {
    let rig = Rig::new();
    rig.add(ticking());
    rig.scheduler.pause("tick").unwrap();
    rig.expect(&["job paused"]);
    assert_eq!(rig.next_fire("tick"), None);
    assert_eq!(rig.scheduler.get("tick").unwrap().unwrap().state, JobState::Paused);
    rig.clock.set(second(45));
    rig.scheduler.resume("tick").unwrap();
    rig.expect(&["job resumed"]);
    assert_eq!(rig.next_fire("tick"), Some(50));
    rig.at(50, &["started 50 running"]);
}

#[test]
fn a_paused_scheduler_fires_nothing_and_catches_up() {
    let rig = Rig::new();
    rig.add(ticking());
    rig.scheduler.pause_all().unwrap();
    rig.expect(&["scheduler paused"]);
    rig.clock.set(second(25));
    rig.scheduler.resume_all().unwrap();
    rig.expect(&["scheduler resumed", "missed 10 missed: coalesced", "started 20 running"]);
}

#[test]
fn a_job_without_more_fire_times_goes_after_its_last_run_or_stays() {
    let rig = Rig::new();
    rig.add(at("2026-01-01T00:00:05").run(|| ()).id("goes"));
    rig.add(at("2026-01-01T00:00:05").run(|| ()).id("stays").on_exhausted(OnExhausted::Keep));
    rig.at(5, &["started 5 running", "started 5 running"]);
    assert_eq!(rig.scheduler.list(&JobQuery::default()).unwrap().len(), 2);
    rig.finish(&["finished 5 succeeded", "job removed"]);
    rig.finish(&["finished 5 succeeded"]);
    let left = rig.scheduler.list(&JobQuery::default()).unwrap();
    assert_eq!(left.iter().map(|(_, job)| job.id.as_str()).collect::<Vec<_>>(), ["stays"]);
    assert!(left[0].1.is_exhausted());
    assert_eq!(rig.ledger(), ["5 succeeded", "5 succeeded"]);
}

#[test]
fn removing_a_job_gives_up_the_run_that_waits() {
    let rig = Rig::new();
    rig.add(ticking().overlap(Overlap::QueueOne));
    rig.at(10, &["started 10 running"]);
    rig.clock.set(second(20));
    while rig.ledger().len() < 2 {
        std::thread::yield_now();
    }
    rig.scheduler.remove("tick").unwrap();
    rig.expect(&["missed 20 missed: job removed", "job removed"]);
    rig.finish(&["finished 10 succeeded"]);
    assert_eq!(rig.ledger(), ["10 succeeded", "20 missed: job removed"]);
}

#[test]
fn failures_and_panics_are_outcomes_and_the_job_goes_on() {
    let rig = Rig::new();
    rig.add(every(10.seconds()).run(|| Err::<(), _>("no luck")).id("fails"));
    rig.add(every(10.seconds()).run(|| -> () { panic!("ouch") }).id("panics"));
    rig.at(10, &["started 10 running", "started 10 running"]);
    rig.finish(&["finished 10 failed"]);
    rig.finish(&["finished 10 failed"]);
    let messages: Vec<Option<String>> = rig
        .scheduler
        .runs_in("default", &RunQuery::default())
        .unwrap()
        .into_iter()
        .map(|run| run.message)
        .collect();
    assert_eq!(messages, [Some("no luck".to_owned()), Some("panicked: ouch".to_owned())]);
    rig.at(20, &["started 20 running", "started 20 running"]);
}

#[test]
fn a_run_that_the_executor_loses_has_failed() {
    let rig = Rig::new();
    rig.add(ticking());
    rig.at(10, &["started 10 running"]);
    drop(rig.held.take_first());
    rig.expect(&["finished 10 failed"]);
}

#[test]
fn a_task_that_is_not_registered_any_more_has_failed() {
    let rig = Rig::new();
    rig.scheduler.register("report", || ()).unwrap();
    rig.add(every(10.seconds()).task("report"));
    rig.scheduler.tasks().unregister("report");
    rig.at(10, &["started 10 running", "finished 10 failed"]);
}

#[test]
fn the_ledger_keeps_the_newest_runs() {
    let rig =
        Rig::with(MemoryStore::new(), 100, Retention { runs_per_job: Some(4), ..Retention::EVERYTHING });
    rig.add(ticking());
    for fire in 1..=20 {
        rig.at(fire * 10, &[&format!("started {} running", fire * 10)]);
        rig.finish(&[&format!("finished {} succeeded", fire * 10)]);
    }
    let ledger = rig.ledger();
    assert!((4..=5).contains(&ledger.len()), "{ledger:?}");
    assert_eq!(ledger.last().unwrap(), "200 succeeded");
}

#[test]
fn setting_the_clock_back_fires_nothing_twice() {
    let rig = Rig::new();
    rig.add(ticking());
    rig.at(20, &["missed 10 missed: coalesced", "started 20 running"]);
    rig.finish(&["finished 20 succeeded"]);
    rig.clock.set(second(12));
    rig.at(30, &["started 30 running"]);
    assert_eq!(rig.ledger(), ["10 missed: coalesced", "20 succeeded", "30 running"]);
}

#[test]
fn what_an_earlier_process_left_is_taken_up() {
    use matins_core::{JobStore, OnInterrupt, RunId, Transition};
    // A store as a process leaves it that dies while two jobs run, one of them with a fire that waits.
    let mut store = MemoryStore::new();
    {
        let clock = VirtualClock::new(start());
        let scheduler = SchedulerBuilder::new()
            .store("default", MemoryStore::new())
            .executor("default", Holding { held: Arc::default(), room: 9 })
            .clock(clock)
            .background()
            .unwrap();
        scheduler.register("work", || ()).unwrap();
        scheduler.add(every(10.seconds()).task("work").id("left")).unwrap();
        let again = every(10.seconds()).task("work").id("again").on_interrupt(OnInterrupt::RunAgain);
        scheduler.add(again.overlap(Overlap::QueueOne)).unwrap();
        for (_, job) in scheduler.list(&JobQuery::default()).unwrap() {
            store.add(job, OnConflict::Refuse).unwrap();
        }
    }
    let id = |name: &str| matins_core::JobId::new(name).unwrap();
    let advance =
        |name: &str| Transition::Advance { job: id(name), from: Some(second(10)), to: Some(second(30)) };
    store
        .commit(vec![
            advance("left"),
            advance("again"),
            Transition::Record(Run::started(RunId(1), id("left"), second(10), second(10)).into()),
            Transition::Record(Run::started(RunId(2), id("again"), second(10), second(10)).into()),
            Transition::Record(Run::waiting(RunId(3), id("again"), second(20)).into()),
        ])
        .unwrap();

    let held: Arc<Held> = Arc::default();
    let mut scheduler = SchedulerBuilder::new()
        .store("default", store)
        .executor("default", Holding { held: held.clone(), room: 9 })
        .clock(VirtualClock::new(second(25)))
        .background()
        .unwrap();
    scheduler.register("work", || ()).unwrap();
    let events = scheduler.subscribe();
    scheduler.start().unwrap();
    let rig = Rig { scheduler, clock: VirtualClock::new(second(25)), events, held };
    rig.expect(&[
        "scheduler started",
        "finished 10 interrupted",
        "finished 10 interrupted",
        "started 10 running (attempt 2)",
    ]);
    rig.finish(&["finished 10 succeeded (attempt 2)", "started 20 running"]);
    assert_eq!(rig.ledger(), ["10 interrupted", "10 interrupted", "20 running", "10 succeeded (attempt 2)"]);
}

#[test]
fn what_is_wrong_with_a_job_is_said_when_it_is_added() {
    let rig = Rig::new();
    rig.scheduler.register("count", |_: u32| ()).unwrap();
    let refused = |job: NewJob| rig.scheduler.add(job).unwrap_err().to_string();
    let minutely = || matins_triggers::cron("* * * * *");
    assert!(refused(matins_triggers::cron("* * * *").task("count").arguments(1)).contains("4 fields"));
    assert!(
        refused(minutely().in_zone("Europe/Berlim").task("count").arguments(1)).contains("Europe/Berlin")
    );
    assert!(refused(minutely().task("count").arguments("three")).contains("cannot take these arguments"));
    assert!(refused(minutely().task("cuont")).contains("registered: \"count\""));
    assert!(refused(minutely().task("count").arguments(1).store("sqlite")).contains("no store \"sqlite\""));
    assert!(refused(minutely().task("count").arguments(1).executor("fast")).contains("no executor \"fast\""));
    assert!(refused(minutely().task("count").arguments(1).id("")).contains("may not be empty"));
    assert!(refused(at("2020-01-01").task("count").arguments(1)).contains("no fire time after now"));
    assert!(rig.scheduler.list(&JobQuery::default()).unwrap().is_empty());
    rig.scheduler.add(minutely().task("count").arguments(1).id("a")).unwrap();
    assert!(refused(minutely().task("count").arguments(1).id("a")).contains("already"));
}

#[test]
fn a_job_may_use_the_scheduler() {
    let rig = Rig::new();
    let handle = rig.scheduler.handle();
    let parent = move || {
        let child = every(1.seconds()).run(|| ()).id("child").on_conflict(OnConflict::Keep);
        handle.add(child).map(drop)
    };
    rig.add(every(10.seconds()).run(parent));
    rig.at(10, &["started 10 running"]);
    rig.finish(&["job added", "finished 10 succeeded"]);
    assert_eq!(rig.next_fire("child"), Some(11));
}

#[test]
fn two_stores_keep_their_jobs_and_runs_apart() {
    let (clock, held) = (VirtualClock::new(start()), Arc::<Held>::default());
    let mut scheduler = SchedulerBuilder::new()
        .store("default", MemoryStore::new())
        .store("other", MemoryStore::new())
        .executor("default", Holding { held: held.clone(), room: 9 })
        .clock(clock.clone())
        .background()
        .unwrap();
    let events = scheduler.subscribe();
    scheduler.start().unwrap();
    let rig = Rig { scheduler, clock, events, held };
    rig.expect(&["scheduler started"]);
    rig.add(ticking().id("here"));
    rig.add(ticking().id("there").store("other"));
    rig.at(10, &["started 10 running", "started 10 running"]);
    rig.finish(&["finished 10 succeeded"]);
    rig.finish(&["finished 10 succeeded"]);
    let other = StoreName::new("other").unwrap();
    let there = rig.scheduler.runs_in(other, &RunQuery::default()).unwrap();
    assert_eq!(there.iter().map(|run| run.job.as_str()).collect::<Vec<_>>(), ["there"]);
    assert_eq!(rig.ledger(), ["10 succeeded"]);
}

#[test]
fn a_report_is_stamped_by_the_clock() {
    let rig = Rig::new();
    rig.add(ticking());
    rig.at(12, &["started 10 running"]);
    rig.clock.set(second(15));
    rig.finish(&["finished 10 succeeded"]);
    let run = &rig.scheduler.runs_in("default", &RunQuery::default()).unwrap()[0];
    assert_eq!((run.started.map(seconds), run.finished.map(seconds)), (Some(15), Some(15)));
    assert_eq!(rig.clock.now(), second(15));
}

#[test]
fn where_the_executor_has_no_room_for_all_the_most_urgent_run() {
    let rig = Rig::with(MemoryStore::new(), 2, Retention::default());
    for (id, priority) in [("usual", 0), ("later", -1), ("at once", i32::MAX), ("soon", 5)] {
        rig.add(every(10.seconds()).run(|| ()).id(id).priority(priority));
    }
    let full = "finished 10 missed: executor full";
    let started = "started 10 running";
    rig.at(10, &[started, started, started, started, full, full]);
    let taken: Vec<String> = rig.held.runs().iter().map(|(run, _)| run.job.to_string()).collect();
    assert_eq!(taken, ["at once", "soon"]);
}
