//! What does not grow with the number of jobs that a store holds: counted in calls of the store.

use std::sync::Arc;

use matins_conformance::inline::InlineExecutor;
use matins_conformance::wrapped::{Meter, WrappedStore};
use matins_core::{JobId, JobQuery, MissedReason, Outcome, RunQuery, StoreName};
use matins_scheduler::{BlockingScheduler, Schedule, SchedulerBuilder, SystemClock, VirtualClock};
use matins_store_memory::MemoryStore;
use matins_triggers::{TimeUnits, every};

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
    let runs = scheduler.runs(&RunQuery::default()).unwrap();
    assert_eq!(runs.len(), 2_500);
    let removed = Some(Outcome::Missed(MissedReason::JobRemoved));
    assert!(runs.iter().all(|run| run.outcome == removed && run.fires.count == 2));
}
