//! The life of a few jobs in a PostgreSQL database. Its clock decides what is due, so this takes some seconds.

use std::time::Duration;

use chrono::{TimeDelta, Utc};
use matins::prelude::*;
use matins::triggers::IntervalTrigger;
use matins::{JobId, PostgresStore, StoreName, VirtualClock};
use matins_conformance::servers;
use serde_json::json;

use super::{Rig, job, second};

fn start(url: &str, executor: &str, driver: &str) -> Rig {
    let store = PostgresStore::open(url).expect("a store");
    let builder = SchedulerBuilder::new().shared_store("default", store);
    // The scheduler's own clock is the system's.
    Rig::drive(builder, executor, driver, &VirtualClock::new(second(0)))
}

/// The outcomes of a job's runs, and how many fires each stands for.
fn outcomes(rig: &Rig, job: &str) -> Vec<String> {
    let query = RunQuery::of_job(&JobId::new(job).expect("an id"));
    let runs = rig.handle.runs_in("default", &query).expect("the ledger");
    let shown = |run: &matins::Run| {
        let outcome = run.outcome.map_or("running", Outcome::as_str);
        if run.fires.count == 1 { outcome.to_owned() } else { format!("{outcome} x{}", run.fires.count) }
    };
    runs.iter().map(shown).collect()
}

pub(crate) fn a_life(executor: &str, driver: &str) {
    let server = servers::postgres().expect("it was there");
    let url = format!("{server}?schema={}", servers::schema("matrix"));
    let rig = start(&url, executor, driver);
    let expect = |job: &str, expected: &[&str]| rig.expect_of(job, &outcomes, expected);
    // A job with an instant every ten seconds, whose first one was so long ago.
    let since = |id: &str, what: &str, seconds: i64| {
        let first = Utc::now() - TimeDelta::seconds(seconds);
        let trigger = IntervalTrigger::new(first, TimeDelta::seconds(10)).expect("an interval");
        trigger.task("behave").arguments(json!({"do": what})).id(id).first_fire(first)
    };

    // Added, and run by hand.
    rig.handle.add(job("plain", "return")).expect("added");
    let _ = rig.handle.run_now("plain").expect("asked for");
    expect("plain", &["succeeded"]);
    rig.handle.remove("plain").expect("removed");
    // Coalesced: of three that are due together, the latest runs.
    rig.handle.add(since("late", "return", 25)).expect("added");
    expect("late", &["missed: coalesced x2", "succeeded"]);
    rig.handle.remove("late").expect("removed");
    // Misfired: later than its grace.
    let graced = since("graced", "return", 6).misfire_grace(Duration::from_secs(3));
    rig.handle.add(graced).expect("added");
    expect("graced", &["missed: too late"]);
    rig.handle.remove("graced").expect("removed");
    // What goes wrong is an outcome.
    let once_more = Retry::times(1).backoff(Backoff::Fixed(Duration::ZERO));
    rig.handle.add(since("panics", "panic", 1).retry(once_more)).expect("added");
    expect("panics", &["failed", "failed"]);
    rig.handle.remove("panics").expect("removed");
    // Overlapped: a fire that finds a run in progress is missed; the run is cancelled.
    rig.handle.add(since("slow", "until cancelled", 9)).expect("added");
    expect("slow", &["running", "missed: overlap"]);
    let run = rig.handle.runs_in("default", &RunQuery::default().unfinished()).expect("the ledger")[0].id;
    assert!(rig.handle.cancel(&StoreName::default(), run).expect("a store"));
    expect("slow", &["cancelled", "missed: overlap"]);
    rig.handle.remove("slow").expect("removed");
    // A time limit.
    let limited = since("limited", "until cancelled", 1).time_limit(Duration::from_millis(20));
    rig.handle.add(limited.retry(Retry::times(0))).expect("added");
    expect("limited", &["timed out"]);
    rig.handle.remove("limited").expect("removed");
    // Paused, resumed, rescheduled.
    rig.handle.add(job("kept", "return")).expect("added");
    rig.handle.pause("kept").expect("paused");
    assert_eq!(rig.next_fire("kept"), None);
    rig.handle.resume("kept").expect("resumed");
    assert!(rig.next_fire("kept").is_some());
    rig.handle.reschedule("kept", every(7.hours())).expect("rescheduled");
    let next = rig.next_fire("kept");
    rig.shut_down();

    // Restarted.
    let rig = start(&url, executor, driver);
    assert_eq!(rig.next_fire("kept"), next);
    let _ = rig.handle.run_now("kept").expect("asked for");
    rig.expect_of("kept", &outcomes, &["succeeded"]);
    rig.shut_down();
}
