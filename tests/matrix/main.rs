//! Every store with every executor under every driver: the same life of a few jobs, on a virtual clock; and on a store that schedulers
//! share, whose own clock decides what is due, in real time (`shared`).
//!
//! `cargo test --test matrix`, or with a part of a name: `cargo test --test matrix -- sqlite/process`.

mod shared;

use std::path::Path;
use std::sync::LazyLock;
use std::thread;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use libtest_mimic::{Arguments, Trial};
use matins::Handle;
use matins::prelude::*;
use matins::{Backoff, Events, Executor, JobStore, Run, StoreName, VirtualClock};
use matins_conformance::executor_suite::register;
use serde_json::json;
use tokio::runtime::{Builder, Runtime};

/// Longer than anything here takes on a machine that is busy with other things.
const GENEROUS: Duration = Duration::from_secs(60);

const STORES: [&str; 3] = ["memory", "file", "sqlite"];
const EXECUTORS: [&str; 4] = ["thread", "process", "rayon", "tokio"];
const DRIVERS: [&str; 3] = ["blocking", "background", "async"];

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime"));

fn main() {
    matins::process::serve_if_worker(register);
    // The tasks that are to panic do so quietly.
    let loud = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if panic.payload().downcast_ref() != Some(&"out of luck") {
            loud(panic);
        }
    }));
    let mut trials = Vec::new();
    for store in STORES {
        for executor in EXECUTORS {
            for driver in DRIVERS {
                let life = move || {
                    a_life(store, executor, driver);
                    Ok(())
                };
                trials.push(Trial::test(format!("{store}/{executor}/{driver}"), life));
            }
        }
    }
    if matins_conformance::servers::postgres().is_some() {
        for executor in EXECUTORS {
            for driver in DRIVERS {
                let life = move || {
                    shared::a_life(executor, driver);
                    Ok(())
                };
                trials.push(Trial::test(format!("postgres/{executor}/{driver}"), life));
            }
        }
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

fn open(store: &str, directory: &Path) -> Box<dyn JobStore> {
    match store {
        "memory" => Box::new(MemoryStore::new()),
        "file" => Box::new(FileStore::open(directory.join("jobs")).expect("a store")),
        _ => Box::new(SqliteStore::open(directory.join("jobs.db")).expect("a store")),
    }
}

fn make(executor: &str) -> Box<dyn Executor> {
    match executor {
        "thread" => Box::new(ThreadExecutor::new()),
        "process" => Box::new(ProcessExecutor::builder().workers(2).build().expect("an executor")),
        "rayon" => Box::new(RayonExecutor::builder().threads(3).build().expect("a pool")),
        _ => Box::new(TokioExecutor::builder(RUNTIME.handle().clone()).build()),
    }
}

/// A scheduler that is running, and what is left to wait for when it is shut down.
enum Driven {
    Blocking(thread::JoinHandle<()>),
    Background(BackgroundScheduler),
    Async(tokio::task::JoinHandle<Result<(), SchedulerError>>),
}

struct Rig {
    handle: Handle,
    driven: Driven,
    clock: VirtualClock,
    events: Events,
}

fn second(second: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::seconds(second)
}

fn shown(run: &Run) -> String {
    let seconds = |instant: DateTime<Utc>| instant.timestamp();
    let fires = match run.fires.count {
        1 => seconds(run.fires.first).to_string(),
        count => format!("{}..{} x{count}", seconds(run.fires.first), seconds(run.fires.last)),
    };
    format!("{fires} {}", run.outcome.map_or("going on", Outcome::as_str))
}

impl Rig {
    fn start(store: Box<dyn JobStore>, executor: &str, driver: &str, clock: &VirtualClock) -> Self {
        let builder = SchedulerBuilder::new().store("default", store).clock(clock.clone());
        Self::drive(builder, executor, driver, clock)
    }

    fn drive(builder: SchedulerBuilder, executor: &str, driver: &str, clock: &VirtualClock) -> Self {
        let builder = builder.executor("default", make(executor));
        let (handle, driven) = match driver {
            "blocking" => {
                let scheduler = builder.blocking().expect("a scheduler");
                register(&scheduler.tasks()).expect("names");
                (scheduler.handle(), Driven::Blocking(thread::spawn(move || scheduler.run())))
            }
            "background" => {
                let mut scheduler = builder.background().expect("a scheduler");
                register(&scheduler.tasks()).expect("names");
                scheduler.start().expect("a thread");
                (scheduler.handle(), Driven::Background(scheduler))
            }
            _ => {
                let scheduler = builder.asynchronous().expect("a scheduler");
                let handle = scheduler.handle().blocking().clone();
                register(&handle.tasks()).expect("names");
                (handle, Driven::Async(RUNTIME.spawn(scheduler.run())))
            }
        };
        let events = handle.subscribe();
        Self { handle, driven, clock: clock.clone(), events }
    }

    fn ledger(&self, job: &str) -> Vec<String> {
        let query = RunQuery::default().job(matins::JobId::new(job).expect("an id"));
        self.handle.runs_in("default", &query).expect("the ledger").iter().map(shown).collect()
    }

    /// Waits until the ledger has these rows of the job.
    fn expect(&self, job: &str, expected: &[&str]) {
        self.expect_of(job, &Self::ledger, expected);
    }

    /// Waits until what `of` tells of the job is this.
    fn expect_of(&self, job: &str, of: &dyn Fn(&Self, &str) -> Vec<String>, expected: &[&str]) {
        while of(self, job) != expected {
            if self.events.next_within(GENEROUS).is_none() {
                assert_eq!(of(self, job), expected, "{job}");
            }
        }
    }

    fn at(&self, time: i64) {
        self.clock.set(second(time));
    }

    fn next_fire(&self, job: &str) -> Option<i64> {
        self.handle.get(job).expect("a store").expect("a job").next_fire.map(|fire| fire.timestamp())
    }

    fn shut_down(self) {
        self.handle.shutdown(Shutdown::Wait);
        match self.driven {
            Driven::Blocking(thread) => thread.join().expect("an end"),
            Driven::Background(scheduler) => scheduler.shutdown_and_wait(Shutdown::Wait),
            Driven::Async(task) => RUNTIME.block_on(task).expect("an end").expect("no error"),
        }
        assert!(matches!(self.handle.list(&JobQuery::default()), Err(SchedulerError::ShutDown)));
    }
}

fn job(id: &str, what: &str) -> NewJob {
    every(10.seconds()).task("behave").arguments(json!({"do": what})).id(id)
}

fn a_life(store: &str, executor: &str, driver: &str) {
    let directory = tempfile::tempdir().expect("a directory");
    let clock = VirtualClock::new(second(0));
    let rig = Rig::start(open(store, directory.path()), executor, driver, &clock);

    // Added and fired.
    rig.handle.add(job("plain", "return")).expect("added");
    rig.at(10);
    rig.expect("plain", &["10 succeeded"]);
    // Coalesced: of three that are due together, the latest runs.
    rig.at(45);
    rig.expect("plain", &["10 succeeded", "20..30 x2 missed: coalesced", "40 succeeded"]);
    rig.handle.remove("plain").expect("removed");
    // Misfired: later than its grace.
    rig.handle.add(job("graced", "return").misfire_grace(Duration::from_secs(3))).expect("added");
    rig.at(60);
    rig.expect("graced", &["55 missed: too late"]);
    rig.at(66);
    rig.expect("graced", &["55 missed: too late", "65 succeeded"]);
    rig.handle.remove("graced").expect("removed");
    // What goes wrong is an outcome.
    // It is tried again, and the other attempt waits for nothing.
    let once_more = Retry::times(1).backoff(Backoff::Fixed(Duration::ZERO));
    rig.handle.add(job("panics", "panic").retry(once_more)).expect("added");
    rig.at(76);
    rig.expect("panics", &["76 failed", "76 failed"]);
    rig.handle.remove("panics").expect("removed");
    // Overlapped: a fire that finds a run going on is missed; the run is cancelled.
    rig.handle.add(job("slow", "until cancelled")).expect("added");
    rig.at(86);
    rig.expect("slow", &["86 going on"]);
    rig.at(96);
    rig.expect("slow", &["86 going on", "96 missed: overlap"]);
    let run = rig.handle.runs_in("default", &RunQuery::default().unfinished()).expect("the ledger")[0].id;
    assert!(rig.handle.cancel(&StoreName::default(), run).expect("a store"));
    rig.expect("slow", &["86 cancelled", "96 missed: overlap"]);
    rig.handle.remove("slow").expect("removed");
    // A time limit.
    let limited = job("limited", "until cancelled").time_limit(Duration::from_millis(20));
    rig.handle.add(limited.retry(Retry::times(0))).expect("added");
    rig.at(106);
    rig.expect("limited", &["106 timed out"]);
    rig.handle.remove("limited").expect("removed");
    // Paused and resumed.
    rig.handle.add(job("kept", "return")).expect("added");
    rig.handle.pause("kept").expect("paused");
    rig.at(130);
    assert_eq!(rig.next_fire("kept"), None);
    rig.handle.resume("kept").expect("resumed");
    assert_eq!(rig.next_fire("kept"), Some(136));
    // Rescheduled.
    rig.handle.reschedule("kept", every(7.seconds())).expect("rescheduled");
    assert_eq!(rig.next_fire("kept"), Some(137));
    rig.at(137);
    rig.expect("kept", &["137 succeeded"]);
    rig.shut_down();

    // Restarted: what came due meanwhile runs once, late.
    clock.set(second(160));
    let rig = Rig::start(open(store, directory.path()), executor, driver, &clock);
    if store == "memory" {
        assert!(rig.handle.list(&JobQuery::default()).expect("the list").is_empty());
    } else {
        rig.expect("kept", &["137 succeeded", "144..151 x2 missed: coalesced", "158 succeeded"]);
        assert_eq!(rig.next_fire("kept"), Some(165));
    }
    rig.shut_down();
}
