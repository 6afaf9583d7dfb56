//! Jobs and ledger outlive the program: what one scheduler leaves in SQLite, the next takes up.

use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use matins::prelude::*;
use matins::{Clock, Events, VirtualClock};

const GENEROUS: Duration = Duration::from_secs(60);

fn start() -> DateTime<Utc> {
    "2026-03-01T12:00:00Z".parse().unwrap()
}

type Call = (u32, DateTime<Utc>);

/// Waits until the run that reported `call` has ended: only then is the job free for its next fire.
fn expect(calls: &mpsc::Receiver<Call>, ends: &Events, call: Call) {
    assert_eq!(calls.recv_timeout(GENEROUS).unwrap(), call);
    assert!(ends.next_within(GENEROUS).is_some(), "the run of {} ends", call.1);
}

/// A scheduler over the file whose task `note` tells the channel what it was called with, and the ends of its runs.
fn open(path: &Path, clock: &VirtualClock) -> (BackgroundScheduler, mpsc::Receiver<Call>, Events) {
    let (sender, receiver) = mpsc::channel();
    let mut scheduler = matins::scheduler()
        .store("default", SqliteStore::open(path).unwrap())
        .clock(clock.clone())
        .background()
        .unwrap();
    let note = move |argument: u32, context: &TaskContext| sender.send((argument, context.scheduled));
    scheduler
        .register("note", move |argument: u32, context: &TaskContext| {
            note(argument, context).map_err(|error| error.to_string())
        })
        .unwrap();
    let ends = scheduler.subscribe_to(|event| matches!(event, Event::RunFinished { .. }));
    scheduler.start().unwrap();
    (scheduler, receiver, ends)
}

#[test]
fn the_second_scheduler_goes_on_where_the_first_stopped() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("jobs.db");
    let clock = VirtualClock::new(start());

    let (scheduler, calls, ends) = open(&path, &clock);
    let job = || every(10.seconds()).task("note").arguments(7).id("ten").on_conflict(OnConflict::Keep);
    scheduler.add(job()).unwrap();
    clock.advance(TimeDelta::seconds(10));
    expect(&calls, &ends, (7, start() + TimeDelta::seconds(10)));
    scheduler.shutdown_and_wait(Shutdown::Wait);

    // Three fire times pass while nobody is there; by default the latest stands for them all.
    clock.advance(TimeDelta::seconds(32));
    let (scheduler, calls, ends) = open(&path, &clock);
    scheduler.add(job()).unwrap();
    expect(&calls, &ends, (7, start() + TimeDelta::seconds(40)));
    clock.advance(TimeDelta::seconds(8));
    expect(&calls, &ends, (7, start() + TimeDelta::seconds(50)));
    scheduler.handle().shutdown(Shutdown::Wait);
    drop(scheduler);

    let (scheduler, ..) = open(&path, &clock);
    let ledger: Vec<(i64, u64, &str)> = scheduler
        .runs_in("default", &RunQuery::default())
        .unwrap()
        .iter()
        .map(|run| {
            let first = (run.fires.first - start()).num_seconds();
            (first, run.fires.count, run.outcome.unwrap().as_str())
        })
        .collect();
    assert_eq!(
        ledger,
        [(10, 1, "succeeded"), (20, 2, "missed: coalesced"), (40, 1, "succeeded"), (50, 1, "succeeded")]
    );
    let next = scheduler.get("ten").unwrap().unwrap().next_fire;
    assert_eq!(next, Some(start() + TimeDelta::seconds(60)));
    assert!(clock.now() < next.unwrap());
}

#[test]
fn a_store_that_outlives_the_process_refuses_a_closure() {
    let directory = tempfile::tempdir().unwrap();
    let (scheduler, ..) = open(&directory.path().join("jobs.db"), &VirtualClock::new(start()));
    let error = scheduler.add(every(1.seconds()).run(|| ())).unwrap_err().to_string();
    assert!(error.contains("register"), "it says what to do: {error}");
    assert!(scheduler.list(&JobQuery::default()).unwrap().is_empty());
}
