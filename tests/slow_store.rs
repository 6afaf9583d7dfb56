//! A store whose disk or database keeps it waiting holds up its own jobs alone.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use matins::prelude::*;
use matins::{BackgroundScheduler, StoreError, StoreName};
use matins_conformance::wrapped::{WrappedStore, Wrapper};

/// Longer than anything here takes on a machine that is busy with other things.
const GENEROUS: Duration = Duration::from_secs(60);

/// Lets calls of a store through, or keeps them waiting.
#[derive(Clone, Default)]
struct Gate(Arc<(Mutex<(bool, bool)>, Condvar)>);

impl Gate {
    fn set(&self, is_closed: bool) {
        self.0.0.lock().unwrap().0 = is_closed;
        self.0.1.notify_all();
    }

    /// Waits until a call is kept waiting.
    fn wait_for_a_call(&self) {
        let state = self.0.0.lock().unwrap();
        let kept = self.0.1.wait_timeout_while(state, GENEROUS, |(_, is_kept)| !*is_kept).unwrap();
        assert!(kept.0.1, "the store is called");
    }
}

impl Wrapper for Gate {
    fn call<T>(
        &mut self,
        _method: &'static str,
        work: impl FnOnce() -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut state = self.0.0.lock().unwrap();
        while state.0 {
            state.1 = true;
            self.0.1.notify_all();
            state = self.0.1.wait(state).unwrap();
        }
        state.1 = false;
        drop(state);
        work()
    }
}

/// A scheduler with a store in memory, whose job `quick` tells of each of its runs, and a second store.
fn scheduler(slow: impl matins::JobStore + 'static) -> (BackgroundScheduler, Receiver<()>) {
    let mut scheduler = matins::scheduler().store("slow", slow).background().unwrap();
    let (ran, runs): (Sender<()>, Receiver<()>) = channel();
    let tell = move || ran.send(()).map_err(|_| "the test is over");
    scheduler.add(every(20.milliseconds()).run(tell).id("quick")).unwrap();
    scheduler.register("noop", || ()).unwrap();
    scheduler.add(every(20.milliseconds()).task("noop").id("slow").store("slow")).unwrap();
    scheduler.start().unwrap();
    (scheduler, runs)
}

fn expect_runs(runs: &Receiver<()>, count: usize) {
    for _ in 0..count {
        runs.recv_timeout(GENEROUS).expect("the store beside it fires");
    }
}

#[test]
fn a_store_that_keeps_the_scheduler_waiting_holds_up_neither_other_stores_nor_their_handles() {
    let directory = tempfile::tempdir().unwrap();
    let gate = Gate::default();
    let store = FileStore::open(directory.path().join("store")).unwrap();
    let (scheduler, runs) = scheduler(WrappedStore::new(store, gate.clone()));
    scheduler.next_outcome("slow").unwrap().wait_within(GENEROUS).unwrap().expect("it fires");
    gate.set(true);
    gate.wait_for_a_call();
    runs.try_iter().for_each(drop);
    expect_runs(&runs, 10);

    // Whatever concerns the other store, or needs no store, is answered while this one waits.
    let slow = StoreName::new("slow").unwrap();
    assert!(scheduler.get("quick").unwrap().is_some());
    scheduler.pause("quick").unwrap();
    scheduler.resume("quick").unwrap();
    let outcome = scheduler.run_now("quick").unwrap().wait_within(GENEROUS).unwrap().expect("it runs");
    assert_eq!(outcome.outcome, Some(Outcome::Succeeded));
    let added = scheduler.add(every(1.hours()).run(|| ()).id("another")).unwrap();
    added.modify(|job| job.tags = ["kept".to_owned()].into()).unwrap();
    added.remove().unwrap();
    assert!(!scheduler.runs_in("default", &RunQuery::default()).unwrap().is_empty());
    assert!(scheduler.stats().started > 10);
    assert!(scheduler.in_flight(&slow).unwrap().len() <= 1);
    assert!(!scheduler.cancel(&slow, matins::RunId(u64::MAX)).unwrap());
    scheduler.pause_all().unwrap();
    scheduler.resume_all().unwrap();
    expect_runs(&runs, 10);
    let missed = RunQuery::default().outcome(Outcome::Missed(matins::MissedReason::TooLate));
    assert_eq!(scheduler.runs_in("default", &missed).unwrap(), []);

    gate.set(false);
    scheduler.next_outcome("slow").unwrap().wait_within(GENEROUS).unwrap().expect("it fires again");
    scheduler.shutdown_and_wait(Shutdown::Wait);
}

/// Another program has the database locked.
#[test]
fn a_database_that_is_locked_holds_up_no_other_store() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("jobs.db");
    let (scheduler, runs) = scheduler(SqliteStore::open(&path).unwrap());
    let locking = rusqlite::Connection::open(&path).unwrap();
    locking.busy_timeout(GENEROUS).unwrap();
    locking.execute_batch("BEGIN IMMEDIATE").unwrap();
    let rows = || locking.query_row("SELECT count(*) FROM runs", [], |row| row.get::<_, i64>(0)).unwrap();
    let before = rows();
    runs.try_iter().for_each(drop);
    expect_runs(&runs, 50);
    assert_eq!(rows(), before, "the store waits for the lock");
    locking.execute_batch("COMMIT").unwrap();
    scheduler.next_outcome("slow").unwrap().wait_within(GENEROUS).unwrap().expect("it fires again");
    assert!(rows() > before);
    scheduler.shutdown_and_wait(Shutdown::Wait);
}
