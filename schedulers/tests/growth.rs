//! What does not grow with the number of jobs that a store holds: counted in calls of the store.

use std::sync::Arc;

use matins_conformance::inline::InlineExecutor;
use matins_conformance::wrapped::{Meter, WrappedStore};
use matins_core::{
    JobId, JobQuery, JobStore, MissedReason, OnConflict, Outcome, RunQuery, Shutdown, StoreName,
};
use matins_executor_thread::ThreadExecutor;
use matins_scheduler::{
    BlockingScheduler, Event, Retention, Schedule, SchedulerBuilder, SystemClock, VirtualClock,
};
use matins_store_file::FileStore;
use matins_store_memory::MemoryStore;
use matins_triggers::{DateTrigger, TimeUnits, every};

fn scheduler(clock: &VirtualClock) -> (BlockingScheduler, Meter) {
    let (store, meter) = WrappedStore::metered(MemoryStore::new(), Arc::new(SystemClock));
    let builder = SchedulerBuilder::new().store("default", store).executor("default", InlineExecutor);
    let scheduler = builder.clock(clock.clone()).blocking().unwrap();
    scheduler.register("task", || ()).unwrap();
    (scheduler, meter)
}

fn calls(meter: &Meter, method: &str) -> u64 {
    meter.calls().get(method).map_or(0, |calls| calls.count)
}

#[test]
fn a_job_without_an_id_finds_one_in_some_steps_beside_many_jobs() {
    let clock = VirtualClock::new("2026-01-01T00:00:00Z".parse().unwrap());
    let (scheduler, meter) = scheduler(&clock);
    // An earlier process has numbered them.
    scheduler.add_many((1..=50_000).map(|n| every(1.hours()).task("task").id(format!("task-{n}")))).unwrap();
    let before = calls(&meter, "get");
    let added = scheduler.add(every(1.hours()).task("task")).unwrap();
    assert_eq!(added.id(), &JobId::new("task-50001").unwrap());
    let steps = calls(&meter, "get") - before;
    assert!(steps < 50, "{steps} steps");
    let next = scheduler.add(every(1.hours()).task("task")).unwrap();
    assert_eq!(next.id(), &JobId::new("task-50002").unwrap());
    assert_eq!(calls(&meter, "get") - before - steps, 1);
}

#[test]
fn all_jobs_are_removed_in_a_commit_a_thousand_and_what_was_due_is_in_the_ledger() {
    let clock = VirtualClock::new("2026-01-01T00:00:00Z".parse().unwrap());
    let (scheduler, meter) = scheduler(&clock);
    scheduler.add_many((0..2_500).map(|n| every(1.hours()).task("task").id(format!("job-{n}")))).unwrap();
    clock.advance(chrono::TimeDelta::minutes(150));
    let before = (calls(&meter, "commit"), calls(&meter, "remove"));
    assert_eq!(scheduler.remove_all(&StoreName::default()).unwrap(), 2_500);
    assert_eq!((calls(&meter, "commit") - before.0, calls(&meter, "remove") - before.1), (3, 0));
    assert_eq!(scheduler.count(&JobQuery::default()).unwrap(), 0);
    let runs = scheduler.runs_in("default", &RunQuery::default()).unwrap();
    assert_eq!(runs.len(), 2_500);
    let removed = Some(Outcome::Missed(MissedReason::JobRemoved));
    assert!(runs.iter().all(|run| run.outcome == removed && run.fires.count == 2));
}

/// db-scheduler#595: many jobs in one transaction.
#[test]
fn many_jobs_are_removed_in_one_commit_for_each_store() {
    let clock = VirtualClock::new("2026-01-01T00:00:00Z".parse().unwrap());
    let (scheduler, meter) = scheduler(&clock);
    scheduler.add_store("other", MemoryStore::new()).unwrap();
    for store in ["default", "other"] {
        let job = |n| every(1.hours()).task("task").id(format!("{store}-{n}")).store(store);
        scheduler.add_many((0..300).map(job)).unwrap();
    }
    clock.advance(chrono::TimeDelta::minutes(150));
    let events = scheduler.subscribe_to(|event| matches!(event, Event::JobRemoved { .. }));
    let before = (calls(&meter, "commit"), calls(&meter, "remove"));
    let ids: Vec<String> =
        (100..=300).map(|n| format!("default-{n}")).chain(["other-7".to_owned()]).collect();
    // Some are named twice, and `default-300` is no job.
    let removed = scheduler.remove_many(ids.iter().rev().chain(&ids)).unwrap();
    assert_eq!((calls(&meter, "commit") - before.0, calls(&meter, "remove") - before.1), (1, 0));
    let found: Vec<&str> = removed.iter().map(|job| job.id.as_str()).collect();
    let expected: Vec<&str> =
        ids.iter().rev().map(String::as_str).filter(|id| *id != "default-300").collect();
    assert_eq!(found, expected);
    assert_eq!(scheduler.count(&JobQuery::default()).unwrap(), 600 - 201);
    // Each fire that was due has a row, and each job an event.
    let gone = Some(Outcome::Missed(MissedReason::JobRemoved));
    for (store, count) in [("default", 200), ("other", 1)] {
        let runs = scheduler.runs_in(store, &RunQuery::default()).unwrap();
        assert_eq!(runs.len(), count);
        assert!(runs.iter().all(|run| run.outcome == gone && run.fires.count == 2));
    }
    assert_eq!(std::iter::from_fn(|| events.try_next()).count(), 201);
    assert!(scheduler.remove_many(["default-1", "\n"]).is_err());
    assert!(scheduler.get("default-1").unwrap().is_some(), "one that is refused removes nothing");
    assert!(scheduler.remove_many(["nobody"]).unwrap().is_empty());
}

#[test]
fn jobs_are_removed_by_a_query() {
    let clock = VirtualClock::new("2026-01-01T00:00:00Z".parse().unwrap());
    let (scheduler, meter) = scheduler(&clock);
    scheduler.add_store("other", MemoryStore::new()).unwrap();
    for store in ["default", "other"] {
        let job = |n: u32| {
            let job = every(1.hours()).task("task").id(format!("job-{store}-{n}")).store(store);
            if n.is_multiple_of(2) { job.tag("even") } else { job }
        };
        scheduler.add_many((0..2_400).map(job)).unwrap();
    }
    let before = calls(&meter, "commit");
    let even = JobQuery::default().tag("even").limit(1);
    assert_eq!(scheduler.remove_matching(&even).unwrap(), 2 * 1_200);
    assert_eq!(calls(&meter, "commit") - before, 2, "a thousand in a commit");
    assert_eq!(scheduler.count(&even).unwrap(), 0);
    assert_eq!(scheduler.count(&JobQuery::default()).unwrap(), 2 * 1_200);
    assert_eq!(scheduler.remove_matching(&JobQuery::default()).unwrap(), 2 * 1_200);
}

/// As with one: runs in progress continue, and their rows are finished.
#[test]
fn runs_of_removed_jobs_continue() {
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    let mut scheduler = SchedulerBuilder::new()
        .store("default", MemoryStore::new())
        .executor("default", ThreadExecutor::new())
        .background()
        .unwrap();
    let work = move || wait.lock().unwrap().recv().map_err(|error| error.to_string());
    scheduler.add(every(1.hours()).run(work).id("busy")).unwrap();
    scheduler.add(every(1.hours()).run(|| ()).id("idle")).unwrap();
    scheduler.start().unwrap();
    let outcome = scheduler.run_now("busy").unwrap();
    assert_eq!(scheduler.remove_many(["idle", "busy"]).unwrap().len(), 2);
    go.send(()).unwrap();
    assert_eq!(outcome.wait().unwrap().outcome, Some(Outcome::Succeeded));
}

/// A scheduler that is started often leaves no more rows than one that runs on.
#[test]
fn the_rows_of_a_job_are_limited_over_many_starts() {
    let directory = tempfile::tempdir().unwrap();
    let open = || FileStore::open(directory.path()).unwrap();
    let start: chrono::DateTime<chrono::Utc> = "2026-01-01T00:00:00Z".parse().unwrap();
    let run_21_times = |restart: i64| {
        let scheduler = SchedulerBuilder::new()
            .store("default", open())
            .executor("default", InlineExecutor)
            .clock(VirtualClock::leaping(start + chrono::TimeDelta::hours(restart)))
            .blocking()
            .unwrap();
        let (handle, left) = (scheduler.handle(), std::sync::atomic::AtomicU32::new(21));
        let work = move || {
            if left.fetch_sub(1, std::sync::atomic::Ordering::Relaxed) == 1 {
                handle.request_shutdown(Shutdown::Wait);
            }
        };
        scheduler.register("task", work).unwrap();
        let job = every(1.seconds()).starting(start).task("task").id("job");
        scheduler.add(job.on_conflict(OnConflict::Keep)).unwrap();
        scheduler.run();
    };
    for restart in 0..30 {
        run_21_times(restart);
        let rows = open().runs(&RunQuery::default()).unwrap().len();
        assert!(rows <= 125, "{rows} rows after {} starts", restart + 1);
    }
}

/// Those of the jobs that went last stay, and a job that comes again keeps its rows.
#[test]
fn a_store_in_memory_keeps_the_rows_of_the_last_jobs_that_are_gone() {
    let start = "2026-01-01T00:00:00Z".parse().unwrap();
    let clock = VirtualClock::leaping(start);
    let scheduler = SchedulerBuilder::new()
        .store("default", MemoryStore::new())
        .executor("default", InlineExecutor)
        .retention(Retention { ended_jobs: Some(3), ..Retention::default() })
        .clock(clock.clone())
        .blocking()
        .unwrap();
    scheduler.register("task", || ()).unwrap();
    let once = |second: i64, id: &str| {
        let at = DateTrigger::new(start + chrono::TimeDelta::seconds(second));
        at.task("task").id(id).on_conflict(OnConflict::Replace)
    };
    for second in 1..=20 {
        scheduler.add(once(second, &format!("once-{second}"))).unwrap();
    }
    let (handle, seen) = (scheduler.handle(), std::sync::Mutex::new(Vec::new()));
    let seen = Arc::new(seen);
    // Comes again after it has gone, and stays.
    let again = {
        let handle = handle.clone();
        move || {
            handle.add(every(1.hours()).task("task").id("once-9")).unwrap();
        }
    };
    scheduler
        .add(DateTrigger::new(start + chrono::TimeDelta::milliseconds(9_500)).run(again).id("again"))
        .unwrap();
    let look = {
        let seen = seen.clone();
        move || {
            let rows = handle.runs_in("default", &RunQuery::default()).unwrap();
            *seen.lock().unwrap() = rows.iter().map(|run| run.job.to_string()).collect::<Vec<_>>();
            handle.request_shutdown(Shutdown::Wait);
        }
    };
    scheduler.add(DateTrigger::new(start + chrono::TimeDelta::seconds(25)).run(look).id("look")).unwrap();
    scheduler.run();
    let mut seen = std::mem::take(&mut *seen.lock().unwrap());
    seen.sort_unstable();
    assert_eq!(seen, ["look", "once-18", "once-19", "once-20", "once-9"]);
}

/// What closures hold is dropped with the jobs, and at the latest when the scheduler has shut down, though handles are left.
#[test]
fn closures_do_not_outlive_the_scheduler() {
    let held = Arc::new(());
    let mut scheduler = SchedulerBuilder::new()
        .store("default", MemoryStore::new())
        .executor("default", ThreadExecutor::new())
        .layer({
            let held = held.clone();
            matins_core::layer_fn(move |_| {
                let held = held.clone();
                move |result| {
                    drop(held);
                    result
                }
            })
        })
        .background()
        .unwrap();
    let job = |id: &str| {
        let held = held.clone();
        every(1.hours()).run(move || assert!(Arc::strong_count(&held) > 1)).id(id)
    };
    scheduler.add(job("removed")).unwrap();
    scheduler.add(job("run")).unwrap();
    scheduler.add(job("never run")).unwrap();
    let filter = held.clone();
    let events = scheduler.subscribe_to(move |_| Arc::strong_count(&filter) > 0);
    scheduler.start().unwrap();
    scheduler.run_now("run").unwrap().wait().unwrap();
    scheduler.remove("removed").unwrap();
    let handle = scheduler.handle();
    scheduler.shutdown_and_wait(Shutdown::Wait);
    assert_eq!(Arc::strong_count(&held), 1, "nothing is held by the handle");
    drop((handle, events));
}
