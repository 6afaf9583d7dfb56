//! Foreign code that panics, hangs or answers nonsense costs its own job, and nothing else.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chrono::{DateTime, TimeDelta, Utc};
use matins_core::{JobState, RunQuery, Trigger};
use matins_scheduler::{Event, Retention, Schedule, SchedulerState};
use matins_triggers::{TimeUnits, every};
use serde::{Deserialize, Serialize};

use crate::rig::{Rig, second, start};

/// Sound until an instant, and then broken in some way.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
enum Broken {
    Panics,
    PanicsTwice,
    GoesBack,
    StandsStill,
}

#[typetag::serde(name = "broken in tests")]
impl Trigger for Broken {
    fn next_after(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        if after < second(10) {
            return Some(second(10));
        }
        match self {
            Self::Panics => panic!("out of luck"),
            Self::PanicsTwice => std::panic::panic_any(Bomb),
            Self::GoesBack => Some(after - TimeDelta::days(1)),
            Self::StandsStill => Some(after),
        }
    }
}

/// A value that panics when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("dropped");
    }
}

fn trigger(broken: Broken) -> Arc<dyn Trigger> {
    Arc::new(broken)
}

fn paused_with_a_reason(broken: Broken) {
    let rig = Rig::new();
    rig.add(trigger(broken).run(|| ()).id("broken"));
    rig.add(every(10.seconds()).run(|| ()).id("sound"));
    rig.clock.set(second(10));
    let (mut error, mut has_started) = (None, false);
    while error.is_none() || !has_started {
        match rig.events.next_within(crate::rig::GENEROUS).expect("an event") {
            Event::TriggerFailed { job, error: why, .. } => {
                assert_eq!(job, "broken");
                error = Some(why);
            }
            Event::RunStarted { run, .. } => has_started |= run.job == "sound",
            _ => {}
        }
    }
    assert_eq!(rig.scheduler.state(), SchedulerState::Running);
    let job = rig.scheduler.get("broken").unwrap().expect("it is kept");
    assert_eq!((job.state, job.next_fire), (JobState::Paused, None));
    let query = RunQuery::default().job(job.id);
    let rows = rig.scheduler.runs_in("default", &query).unwrap();
    assert_eq!(rows.len(), 1, "its due fire has a row: {rows:?}");
    assert_eq!(rows[0].message, error);
}

#[test]
fn a_trigger_that_panics_pauses_its_job() {
    paused_with_a_reason(Broken::Panics);
    paused_with_a_reason(Broken::PanicsTwice);
}

#[test]
fn a_trigger_that_does_not_advance_pauses_its_job() {
    paused_with_a_reason(Broken::GoesBack);
    paused_with_a_reason(Broken::StandsStill);
}

/// Each second since 1970, and counted one by one: no arithmetic helps.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct EachSecond;

#[typetag::serde(name = "each second, asked for in tests")]
impl Trigger for EachSecond {
    fn next_after(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        DateTime::from_timestamp(after.timestamp() + 1, 0)
    }
}

/// robfig/cron#26, node-schedule#431: a device without a clock starts in 1970 and finds the time later.
#[test]
fn a_long_absence_is_counted_in_slices_between_which_others_are_served() {
    let rig = Rig::new();
    rig.add(trigger_of(EachSecond).run(|| ()).id("each second"));
    let days = 30;
    rig.clock.set(start() + TimeDelta::days(days));
    loop {
        // Answered between two slices.
        assert!(rig.scheduler.get("each second").unwrap().is_some());
        let rows = rig.ledger();
        if rows.last().is_some_and(|row| row.ends_with("running")) {
            break;
        }
    }
    let query = RunQuery::default();
    let rows = rig.scheduler.runs_in("default", &query).unwrap();
    let fires: u64 = rows.iter().map(|run| run.fires.count).sum();
    assert_eq!(fires, days as u64 * 86_400, "each has a row");
    assert!(rows.len() > 10, "in slices");
}

fn trigger_of(trigger: EachSecond) -> Arc<dyn Trigger> {
    Arc::new(trigger)
}

#[test]
fn a_store_that_panics_has_failed_and_is_tried_again() {
    let panics = Arc::new(AtomicBool::new(false));
    let plan = panics.clone();
    let store = matins_conformance::wrapped::WrappedStore::faulty(
        matins_store_memory::MemoryStore::new(),
        move |_| {
            assert!(!plan.load(Ordering::Relaxed), "out of luck");
            matins_conformance::wrapped::Fault::None
        },
    );
    let rig = Rig::with(store, 10, Retention::default());
    rig.add(every(10.seconds()).run(|| ()).id("tick"));
    panics.store(true, Ordering::Relaxed);
    rig.clock.set(second(10));
    let failed = loop {
        if let Event::StoreFailed { error, .. } =
            rig.events.next_within(crate::rig::GENEROUS).expect("an event")
        {
            break error;
        }
    };
    assert!(failed.contains("out of luck"), "{failed}");
    panics.store(false, Ordering::Relaxed);
    rig.clock.set(second(15));
    loop {
        if let Event::RunStarted { .. } = rig.events.next_within(crate::rig::GENEROUS).expect("an event") {
            break;
        }
    }
}
