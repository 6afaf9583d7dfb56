//! When a lane that has nothing to do wakes up.

use chrono::{DateTime, TimeDelta, Utc};
use matins_core::StoreName;
use std::sync::Arc;
use std::time::Duration;

use matins_core::{Clock, ExecutorName, Policy, RunQuery};
use matins_store_memory::MemoryStore;
use matins_task_function::TaskRegistry;
use matins_triggers::at;

use crate::engine::{Engine, Next, Parts};
use crate::exclusive::Exclusive;
use crate::{Retention, Schedule, VirtualClock};

/// What the driver would wait for, with nothing left to do before.
fn waits_until(engine: &Engine) -> Option<DateTime<Utc>> {
    loop {
        let (submissions, next) = engine.turn();
        let is_idle = submissions.is_empty();
        for run in submissions {
            run.done.finish(run.request.execute());
        }
        match next {
            Next::WaitUntil(until) if is_idle => return until,
            _ => {}
        }
    }
}

#[test]
fn rows_that_grow_too_old_go_though_no_job_is_due_and_then_nobody_wakes_up() {
    let start: DateTime<Utc> = "2026-01-01T00:00:00Z".parse().unwrap();
    let clock = VirtualClock::new(start);
    let engine = Engine::new(Parts {
        clock: Arc::new(clock.clone()),
        tasks: TaskRegistry::default(),
        stores: vec![(StoreName::default(), Box::new(Exclusive::new(Box::new(MemoryStore::new()))))],
        executors: [ExecutorName::default()].into(),
        retention: Retention { age: Some(Duration::from_secs(3 * 3600)), ..Retention::EVERYTHING },
        job_defaults: Policy::default(),
    })
    .unwrap();
    engine.start();
    assert_eq!(waits_until(&engine), None, "an empty ledger");
    engine.add(at("2026-01-01T00:30:00Z").run(|| ())).unwrap();
    let mut looks = 0;
    while let Some(until) = waits_until(&engine) {
        clock.set(until);
        looks += 1;
    }
    assert!(clock.now() > start + TimeDelta::hours(3), "{}", clock.now());
    assert!(looks <= 6, "{looks} looks: once an hour, and once for the job");
    assert!(engine.runs(&StoreName::default(), &RunQuery::default()).unwrap().is_empty());
}
