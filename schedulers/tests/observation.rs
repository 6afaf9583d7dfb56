//! Everything that a scheduler tells `tracing` and `metrics` is in the table of the documentation, and everything in the table is told.
//! Alone in its program: who listens is remembered for the whole process.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use matins_conformance::inline::InlineExecutor;
use matins_conformance::wrapped::{Fault, WrappedStore};
use matins_core::{TaskError, Trigger};
use matins_executor_thread::ThreadExecutor;
use matins_scheduler::{BackgroundScheduler, Event, Events, Schedule, SchedulerBuilder, VirtualClock};
use matins_store_file::FileStore;
use matins_store_memory::MemoryStore;
use matins_triggers::{TimeUnits, after, every};
use metrics_util::MetricKind;
use metrics_util::debugging::DebuggingRecorder;
use serde::{Deserialize, Deserializer, Serialize};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Metadata, Subscriber};

/// Longer than anything here takes on a machine that is busy with other things.
const GENEROUS: Duration = Duration::from_secs(60);

/// Rows that nothing here brings about: no program can give a store that several schedulers share to a builder yet.
const OF_SHARED_STORES: [&str; 2] = [
    "job is due, and no scheduler has its task and its executor",
    "store has lost what was committed, fires of that time run again",
];

/// How a thing that was seen differs from others of its name: its level, or its kind.
type Kinds = BTreeSet<String>;
type Fields = BTreeSet<String>;

/// Names with their kinds and fields.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Names(BTreeMap<String, (Kinds, Fields)>);

impl Names {
    fn add(&mut self, name: &str, kind: &str, fields: Fields) {
        let (kinds, all) = self.0.entry(name.to_owned()).or_default();
        kinds.insert(kind.to_owned());
        all.extend(fields);
    }
}

/// Remembers what it is told.
#[derive(Clone, Default)]
struct Recorder(Arc<Mutex<Names>>);

#[derive(Default)]
struct Visited {
    message: Option<String>,
    fields: Fields,
}

impl Visit for Visited {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.message = Some(format!("{value:?}"));
        } else {
            self.fields.insert(field.name().to_owned());
        }
    }
}

impl Subscriber for Recorder {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "matins"
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut visited = Visited::default();
        span.record(&mut visited);
        let metadata = span.metadata();
        self.0.lock().unwrap().add(metadata.name(), metadata.level().as_str(), visited.fields);
        Id::from_u64(1)
    }

    fn event(&self, event: &tracing::Event<'_>) {
        let mut visited = Visited::default();
        event.record(&mut visited);
        let name = visited.message.as_deref().unwrap_or("all others");
        self.0.lock().unwrap().add(name, event.metadata().level().as_str(), visited.fields);
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

/// What the tables of the documentation say: events and spans, and metrics.
fn told() -> (Names, Names) {
    let (mut traced, mut measured) = (Names::default(), Names::default());
    let mut fields_before = Fields::new();
    for line in include_str!("../src/observation.md").lines() {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [name, kind, fields, ..] = cells[..] else { continue };
        if !name.starts_with('`') && name != "all others" {
            continue;
        }
        let name = name.trim_matches('`');
        let mut quoted: Fields = fields.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        if fields.starts_with("those, and") {
            quoted.append(&mut fields_before);
        }
        fields_before.clone_from(&quoted);
        let names = if name.starts_with("matins_") { &mut measured } else { &mut traced };
        let kinds = kind.split(|c: char| !c.is_alphabetic());
        for kind in kinds.filter(|word| ["counter", "gauge", "histogram"].contains(word) || is_level(word)) {
            names.add(name, kind, quoted.clone());
        }
    }
    (traced, measured)
}

fn is_level(word: &str) -> bool {
    ["TRACE", "DEBUG", "INFO", "WARN", "ERROR"].contains(&word)
}

fn start() -> DateTime<Utc> {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

/// Sound until an instant, and then broken.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Broken;

#[typetag::serde(name = "broken in the test of observation")]
impl Trigger for Broken {
    fn next_after(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let fire = start() + TimeDelta::hours(1);
        assert!(after < fire, "out of luck");
        Some(fire)
    }
}

/// A trigger that cannot be read when this is set.
static IS_UNREADABLE: AtomicBool = AtomicBool::new(false);

#[derive(Debug, Clone, Serialize)]
struct Unreadable {}

impl<'de> Deserialize<'de> for Unreadable {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Fields {}
        let Fields {} = Fields::deserialize(deserializer)?;
        if IS_UNREADABLE.load(Ordering::SeqCst) {
            return Err(serde::de::Error::custom("it is of another version"));
        }
        Ok(Self {})
    }
}

#[typetag::serde(name = "unreadable in the test of observation")]
impl Trigger for Unreadable {
    fn next_after(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        Some(after + TimeDelta::hours(1))
    }
}

/// Runs that end well or badly, are postponed and missed, follow others, and pause their jobs.
fn runs_of_all_kinds() {
    let builder = SchedulerBuilder::new().store("default", MemoryStore::new()).metrics_by_job();
    let mut scheduler = builder.testing(start()).unwrap();
    scheduler.add(every(1.hours()).run(|| ()).id("works")).unwrap();
    scheduler.add(after("works").run(|| ()).id("follows")).unwrap();
    scheduler.add(every(1.hours()).run(|| Err::<(), _>("no luck")).id("fails").max_failures(1)).unwrap();
    scheduler
        .add(every(1.hours()).run(|| Err::<(), _>(TaskError::not_started("no process is left"))))
        .unwrap();
    scheduler.add((Arc::new(Broken) as Arc<dyn Trigger>).run(|| ()).id("broken")).unwrap();
    scheduler.advance(90.minutes());
    scheduler.pause_all().unwrap();
    scheduler.advance(3.hours());
    scheduler.resume_all().unwrap();
    scheduler.advance(1.hours());
}

struct Rig {
    scheduler: BackgroundScheduler,
    clock: VirtualClock,
    events: Events,
}

impl Rig {
    fn new(builder: SchedulerBuilder) -> Self {
        let clock = VirtualClock::new(start());
        let mut scheduler = builder.clock(clock.clone()).background().unwrap();
        let events = scheduler.subscribe();
        scheduler.start().unwrap();
        Self { scheduler, clock, events }
    }

    fn wait_for(&self, awaited: impl Fn(&Event) -> bool) {
        while !awaited(&self.events.next_within(GENEROUS).expect("the event comes")) {}
    }
}

fn a_run_that_is_left_behind() {
    let gate = Arc::<(Mutex<bool>, Condvar)>::default();
    let executor = ThreadExecutor::builder().workers(1).cancel_grace(Duration::from_millis(5)).build();
    let rig =
        Rig::new(SchedulerBuilder::new().store("default", MemoryStore::new()).executor("default", executor));
    let (is_open, opened) = (gate.clone(), gate);
    let hang = move || drop(is_open.1.wait_while(is_open.0.lock().unwrap(), |is_open| !*is_open).unwrap());
    rig.scheduler.add(every(1.hours()).run(hang).id("hangs").time_limit(Duration::from_millis(5))).unwrap();
    drop(rig.scheduler.run_now("hangs").unwrap());
    rig.wait_for(|event| matches!(event, Event::RunLeftBehind { .. }));
    *opened.0.lock().unwrap() = true;
    opened.1.notify_all();
    rig.wait_for(|event| matches!(event, Event::WorkEnded { .. }));
}

fn a_callback_that_panics() {
    let builder = SchedulerBuilder::new().store("default", MemoryStore::new());
    let rig = Rig::new(builder.executor("default", InlineExecutor));
    let job = every(1.hours()).run(|| ()).on_success(|_| panic!("no luck"));
    drop(rig.scheduler.add(job.id("tells")).unwrap().run_now().unwrap());
    rig.wait_for(|event| matches!(event, Event::CallbackFailed { .. }));
}

fn a_store_that_fails_for_a_moment() {
    let fails = Arc::new(AtomicBool::new(false));
    let plan = fails.clone();
    let store = WrappedStore::faulty(MemoryStore::new(), move |method| {
        if method == "commit" && plan.load(Ordering::SeqCst) { Fault::Refused } else { Fault::None }
    });
    let rig = Rig::new(SchedulerBuilder::new().store("default", store).executor("default", InlineExecutor));
    rig.scheduler.add(every(10.seconds()).run(|| ()).id("tick")).unwrap();
    fails.store(true, Ordering::SeqCst);
    rig.clock.advance(TimeDelta::seconds(10));
    rig.wait_for(|event| matches!(event, Event::StoreFailed { .. }));
    fails.store(false, Ordering::SeqCst);
    // Longer than the longest pause before it is tried again.
    rig.clock.advance(TimeDelta::hours(1));
    rig.wait_for(|event| matches!(event, Event::StoreRecovered { .. }));
}

fn a_job_that_cannot_be_read() {
    let directory = tempfile::tempdir().unwrap();
    let builder = || {
        let store = FileStore::open(directory.path()).unwrap();
        SchedulerBuilder::new().store("default", store).executor("default", InlineExecutor)
    };
    let scheduler = builder().blocking().unwrap();
    scheduler.register("task", || ()).unwrap();
    scheduler.add((Arc::new(Unreadable {}) as Arc<dyn Trigger>).task("task").id("unreadable")).unwrap();
    drop(scheduler);
    IS_UNREADABLE.store(true, Ordering::SeqCst);
    let rig = Rig::new(builder());
    rig.wait_for(|event| matches!(event, Event::JobQuarantined { .. }));
}

fn a_clock_that_was_ahead() {
    let builder = SchedulerBuilder::new().store("default", MemoryStore::new());
    let rig = Rig::new(builder.executor("default", InlineExecutor));
    rig.scheduler.add(every(10.seconds()).run(|| ()).id("tick")).unwrap();
    rig.clock.step(TimeDelta::hours(-5));
    rig.wait_for(|event| matches!(event, Event::ClockCorrected { .. }));
}

#[test]
fn the_tables_have_all_that_is_told_and_no_more() {
    let recorder = Recorder::default();
    tracing::subscriber::set_global_default(recorder.clone()).unwrap();
    let metrics = DebuggingRecorder::new();
    let snapshotter = metrics.snapshotter();
    metrics.install().unwrap();
    runs_of_all_kinds();
    a_run_that_is_left_behind();
    a_callback_that_panics();
    a_store_that_fails_for_a_moment();
    a_job_that_cannot_be_read();
    a_clock_that_was_ahead();
    let mut measured = Names::default();
    for (key, ..) in snapshotter.snapshot().into_vec() {
        let kind = match key.kind() {
            MetricKind::Counter => "counter",
            MetricKind::Gauge => "gauge",
            MetricKind::Histogram => "histogram",
        };
        let labels = key.key().labels().map(|label| label.key().to_owned()).collect();
        measured.add(key.key().name(), kind, labels);
    }
    let (mut traced_in_table, measured_in_table) = told();
    for name in OF_SHARED_STORES {
        assert!(traced_in_table.0.remove(name).is_some(), "{name} is in the table");
    }
    assert_eq!(*recorder.0.lock().unwrap(), traced_in_table);
    assert_eq!(measured, measured_in_table);
}
