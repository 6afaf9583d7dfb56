//! Schedulers on one store, for tests.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use matins_conformance::shared::SharedModel;
use matins_core::{ClaimStore, ExecutorName, JobStore, Policy, StoreName};
use matins_store_memory::MemoryStore;
use matins_task_function::TaskRegistry;

use crate::engine::{Engine, Parts};
use crate::exclusive::Exclusive;
use crate::{Retention, VirtualClock};

pub(crate) fn start() -> DateTime<Utc> {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

/// A store at its beginning, and the clock of it and of its schedulers.
pub(crate) fn shared() -> (VirtualClock, SharedModel) {
    let clock = VirtualClock::new(start());
    let store = SharedModel::new(Arc::new(clock.clone()));
    (clock, store)
}

/// A scheduler with the task `report`.
pub(crate) fn node(clock: &VirtualClock, store: &SharedModel) -> Engine {
    let tasks = TaskRegistry::default();
    tasks.register("report", || ()).unwrap();
    node_with(tasks, clock, store)
}

/// A scheduler with the task `report` and a store of its own, in memory.
pub(crate) fn alone(clock: &VirtualClock) -> Engine {
    let tasks = TaskRegistry::default();
    tasks.register("report", || ()).unwrap();
    started(tasks, clock, exclusive(MemoryStore::new()), Retention::EVERYTHING)
}

/// A scheduler with a store of its own.
pub(crate) fn alone_with(
    clock: &VirtualClock,
    store: impl JobStore + 'static,
    retention: Retention,
) -> Engine {
    started(TaskRegistry::default(), clock, exclusive(store), retention)
}

fn exclusive(store: impl JobStore + 'static) -> Box<dyn ClaimStore> {
    Box::new(Exclusive::new(Box::new(store)))
}

/// A scheduler with these tasks.
pub(crate) fn node_with(tasks: TaskRegistry, clock: &VirtualClock, store: &SharedModel) -> Engine {
    started(tasks, clock, Box::new(store.member()), Retention::EVERYTHING)
}

fn started(
    tasks: TaskRegistry,
    clock: &VirtualClock,
    store: Box<dyn ClaimStore>,
    retention: Retention,
) -> Engine {
    let engine = Engine::new(Parts {
        clock: Arc::new(clock.clone()),
        tasks,
        stores: vec![(StoreName::default(), store)],
        executors: [ExecutorName::default()].into(),
        surviving: [].into(),
        retention,
        job_defaults: Policy::default(),
    })
    .unwrap();
    engine.start();
    engine
}
