//! The async driver: on one thread of a runtime, which it never keeps.

use std::sync::mpsc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use matins_conformance::wrapped::{WrappedStore, Wrapper};
use matins_core::{JobQuery, JobStore, Outcome, RunQuery, Shutdown, StoreError};
use matins_executor_tokio::TokioExecutor;
use matins_scheduler::Event;
use matins_scheduler::{
    AsyncScheduler, Schedule, SchedulerBuilder, SchedulerError, SchedulerState, VirtualClock,
};
use matins_store_memory::MemoryStore;
use matins_triggers::{TimeUnits, every};
use tokio::time::timeout;

/// Longer than anything here takes on a machine that is busy with other things.
const GENEROUS: Duration = Duration::from_secs(60);

fn start() -> DateTime<Utc> {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

fn scheduler(store: impl JobStore + 'static, clock: &VirtualClock) -> AsyncScheduler {
    SchedulerBuilder::new()
        .store("default", store)
        .executor("default", TokioExecutor::current().unwrap())
        .clock(clock.clone())
        .asynchronous()
        .unwrap()
}

#[tokio::test]
async fn a_future_fires_jobs_until_it_is_shut_down() {
    let clock = VirtualClock::new(start());
    let scheduler = scheduler(MemoryStore::new(), &clock);
    let handle = scheduler.handle();
    let running = tokio::spawn(scheduler.run());
    let mut events = handle.subscribe_to(|event| matches!(event, Event::RunFinished { .. })).await;
    handle.register("double", async |n: u32| Ok::<_, String>(n * 2)).await.unwrap();
    handle.add(every(10.seconds()).task("double").arguments(21).id("answer")).await.unwrap();
    let next = handle.next_outcome("answer").await.unwrap();
    clock.advance(chrono::TimeDelta::seconds(10));
    let run = timeout(GENEROUS, next.into_future()).await.unwrap().unwrap();
    assert_eq!(run.result, Some(42.into()));
    let Some(Event::RunFinished { run: told, .. }) = timeout(GENEROUS, events.next()).await.unwrap() else {
        panic!("the run's end is told");
    };
    assert_eq!(told.id, run.id);
    handle.reschedule("answer", every(3.seconds())).await.unwrap();
    let by_hand = handle.run_now("answer").await.unwrap();
    assert!(timeout(GENEROUS, by_hand.into_future()).await.unwrap().unwrap().by_hand);
    assert_eq!(handle.runs(&RunQuery::default()).await.unwrap().len(), 2);
    assert_eq!(handle.state().await, SchedulerState::Running);

    let never = handle.next_outcome("answer").await.unwrap();
    handle.shutdown(Shutdown::Wait).await;
    timeout(GENEROUS, running).await.unwrap().unwrap().unwrap();
    assert_eq!(handle.state().await, SchedulerState::ShutDown);
    assert!(matches!(never.await, Err(SchedulerError::ShutDown)));
    assert!(matches!(handle.list(&JobQuery::default()).await, Err(SchedulerError::ShutDown)));
    assert!(matches!(events.next().await, Some(Event::RunFinished { run, .. }) if run.by_hand));
    assert_eq!(events.next().await, None);
}

#[tokio::test]
async fn dropping_the_future_shuts_the_scheduler_down() {
    let clock = VirtualClock::new(start());
    let scheduler = scheduler(MemoryStore::new(), &clock);
    let handle = scheduler.handle();
    let forever = || std::future::pending::<()>();
    handle.add(every(10.seconds()).run(forever).id("forever")).await.unwrap();
    let outcome = handle.run_now("forever").await.unwrap();
    let running = tokio::spawn(scheduler.run());
    let began = async {
        while handle.runs(&RunQuery::default()).await.unwrap().is_empty()
            || handle.state().await != SchedulerState::Running
        {
            tokio::task::yield_now().await;
        }
    };
    timeout(GENEROUS, began).await.unwrap();
    running.abort();
    timeout(GENEROUS, handle.wait_until_shut_down()).await.unwrap();
    let end = timeout(GENEROUS, outcome.into_future()).await.unwrap();
    assert!(end.is_err() || end.unwrap().outcome == Some(Outcome::Cancelled));
}

/// Has each commit wait until the test lets it.
struct Waits {
    let_go: mpsc::Receiver<()>,
    commits: mpsc::Sender<()>,
}

impl Wrapper for Waits {
    fn call<T>(
        &mut self,
        method: &'static str,
        work: impl FnOnce() -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        if method == "commit" {
            let _ = self.commits.send(());
            let _ = self.let_go.recv_timeout(GENEROUS);
        }
        work()
    }
}

#[tokio::test(flavor = "current_thread")]
async fn a_store_that_waits_for_its_disk_keeps_no_worker_of_the_runtime() {
    let clock = VirtualClock::new(start());
    let (go, let_go) = mpsc::channel();
    let (commits, committing) = mpsc::channel();
    let store = WrappedStore::new(MemoryStore::new(), Waits { let_go, commits });
    let scheduler = scheduler(store, &clock);
    let handle = scheduler.handle();
    handle.add(every(10.seconds()).run(async || ()).id("tick")).await.unwrap();
    let next = handle.next_outcome("tick").await.unwrap();
    let running = tokio::spawn(scheduler.run());
    // Its first commit drops what is old in the ledger.
    let at_commit = async {
        while committing.try_recv().is_err() {
            tokio::task::yield_now().await;
        }
    };
    timeout(GENEROUS, at_commit)
        .await
        .expect("the runtime's one thread goes on while the scheduler waits at a commit");
    // Another call waits for the engine, and the runtime goes on still.
    let listing = tokio::spawn({
        let handle = handle.clone();
        async move { handle.list(&JobQuery::default()).await.unwrap().len() }
    });
    tokio::task::yield_now().await;
    assert!(!listing.is_finished());
    for _ in 0..100 {
        go.send(()).unwrap();
    }
    assert_eq!(timeout(GENEROUS, listing).await.unwrap().unwrap(), 1);
    clock.advance(chrono::TimeDelta::seconds(10));
    assert_eq!(
        timeout(GENEROUS, next.into_future()).await.unwrap().unwrap().outcome,
        Some(Outcome::Succeeded)
    );
    handle.shutdown(Shutdown::Wait).await;
    timeout(GENEROUS, running).await.unwrap().unwrap().unwrap();
}
