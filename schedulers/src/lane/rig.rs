//! Schedulers on one store, for tests.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use matins_conformance::shared::SharedModel;
use matins_core::{ExecutorName, Policy, StoreName};
use matins_task_function::TaskRegistry;

use crate::engine::{Engine, Parts};
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

/// A scheduler with these tasks.
pub(crate) fn node_with(tasks: TaskRegistry, clock: &VirtualClock, store: &SharedModel) -> Engine {
    let engine = Engine::new(Parts {
        clock: Arc::new(clock.clone()),
        tasks,
        stores: vec![(StoreName::default(), Box::new(store.member()))],
        executors: [ExecutorName::default()].into(),
        surviving: [].into(),
        retention: Retention::EVERYTHING,
        job_defaults: Policy::default(),
    })
    .unwrap();
    engine.start();
    engine
}
