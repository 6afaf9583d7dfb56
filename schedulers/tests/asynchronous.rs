//! The async driver: on one thread of a runtime, which it never keeps.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use chrono::{DateTime, Utc};
use matins_conformance::wrapped::{WrappedStore, Wrapper};
use matins_core::{
    JobQuery, JobStore, Outcome, RunQuery, Shutdown, StoreError, StoreName, TaskContext, Value,
};
use matins_executor_thread::ThreadExecutor;
use matins_executor_tokio::TokioExecutor;
use matins_scheduler::Event;
use matins_scheduler::{
    AsyncScheduler, Schedule, SchedulerBuilder, SchedulerError, SchedulerState, VirtualClock,
};
use matins_store_memory::MemoryStore;
use matins_triggers::{TimeUnits, every};
use tokio::sync::{Notify, oneshot};
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
    assert!(timeout(GENEROUS, by_hand.into_future()).await.unwrap().unwrap().manual);
    assert_eq!(handle.runs_in("default", &RunQuery::default()).await.unwrap().len(), 2);
    assert_eq!(handle.state().await, SchedulerState::Running);

    let never = handle.next_outcome("answer").await.unwrap();
    handle.shutdown(Shutdown::Wait).await;
    timeout(GENEROUS, running).await.unwrap().unwrap().unwrap();
    assert_eq!(handle.state().await, SchedulerState::ShutDown);
    assert!(matches!(never.await, Err(SchedulerError::ShutDown)));
    assert!(matches!(handle.list(&JobQuery::default()).await, Err(SchedulerError::ShutDown)));
    assert!(matches!(events.next().await, Some(Event::RunFinished { run, .. }) if run.manual));
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
        while handle.runs_in("default", &RunQuery::default()).await.unwrap().is_empty()
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

#[tokio::test]
async fn a_scheduler_that_is_dropped_before_it_runs_tells_those_who_wait() {
    for drops_future in [false, true] {
        let clock = VirtualClock::new(start());
        let scheduler = scheduler(MemoryStore::new(), &clock);
        let handle = scheduler.handle();
        let job = handle.add(every(10.seconds()).run(async || ()).id("tick")).await.unwrap();
        let (outcome, next) = (job.run_now().await.unwrap(), job.next_outcome().await.unwrap());
        let mut events = handle.subscribe().await;
        if drops_future {
            drop(scheduler.run());
        } else {
            drop(scheduler);
        }
        for outcome in [outcome, next] {
            let end = timeout(GENEROUS, outcome.into_future()).await.expect("it is told that there is none");
            assert!(matches!(end, Err(SchedulerError::ShutDown)));
        }
        timeout(GENEROUS, handle.wait_until_shut_down()).await.unwrap();
        assert_eq!(timeout(GENEROUS, events.next()).await.unwrap(), Some(Event::SchedulerShutDown));
        assert_eq!(timeout(GENEROUS, events.next()).await.unwrap(), None);
    }
}

#[tokio::test]
async fn shutting_down_waits_until_runs_have_ended_and_a_request_does_not() {
    let clock = VirtualClock::new(start());
    let scheduler = scheduler(MemoryStore::new(), &clock);
    let handle = scheduler.handle();
    let running = tokio::spawn(scheduler.run());
    let (go, ended, begun) = (Arc::new(Notify::new()), Arc::new(AtomicU32::new(0)), Arc::new(Notify::new()));
    let (let_go, counted, begins) = (go.clone(), ended.clone(), begun.clone());
    let slow = move || {
        let (go, ended, begun) = (let_go.clone(), counted.clone(), begins.clone());
        async move {
            begun.notify_one();
            go.notified().await;
            ended.fetch_add(1, Ordering::SeqCst);
        }
    };
    let _run = handle.add(every(10.seconds()).run(slow)).await.unwrap().run_now().await.unwrap();
    timeout(GENEROUS, begun.notified()).await.unwrap();
    timeout(GENEROUS, handle.request_shutdown(Shutdown::Wait)).await.unwrap();
    assert_eq!((handle.state().await, ended.load(Ordering::SeqCst)), (SchedulerState::ShuttingDown, 0));
    let waiting = tokio::spawn({
        let handle = handle.clone();
        async move { handle.shutdown(Shutdown::Wait).await }
    });
    // Another call comes after it, and is answered.
    handle.stats().await;
    assert!(!waiting.is_finished());
    go.notify_one();
    timeout(GENEROUS, waiting).await.unwrap().unwrap();
    assert_eq!((handle.state().await, ended.load(Ordering::SeqCst)), (SchedulerState::ShutDown, 1));
    timeout(GENEROUS, running).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn an_async_job_that_shuts_its_scheduler_down_does_not_wait_for_itself() {
    let clock = VirtualClock::new(start());
    let scheduler = scheduler(MemoryStore::new(), &clock);
    let handle = scheduler.handle();
    let running = tokio::spawn(scheduler.run());
    let (asked, asks) = oneshot::channel();
    let (asked, asking) = (Arc::new(Mutex::new(Some(asked))), handle.clone());
    let work = move || {
        let (handle, asked) = (asking.clone(), asked.clone());
        async move {
            let removed = handle.remove_store("default", Shutdown::Wait).await.map(drop);
            handle.shutdown(Shutdown::Wait).await;
            handle.wait_until_shut_down().await;
            let asked = asked.lock().unwrap().take().unwrap();
            let _ = asked.send(matches!(removed, Err(SchedulerError::WaitsForItself)));
        }
    };
    let _run = handle.add(every(10.seconds()).run(work)).await.unwrap().run_now().await.unwrap();
    assert!(timeout(GENEROUS, asks).await.unwrap().unwrap());
    timeout(GENEROUS, running).await.unwrap().unwrap().unwrap();
}

/// Of a pool of 512 threads by default, which jobs can take as a whole.
#[test]
fn blocking_jobs_that_take_the_whole_blocking_pool_can_be_ended() {
    const THREADS: usize = 3;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .max_blocking_threads(THREADS)
        .enable_all()
        .build()
        .unwrap();
    let (begun, begins) = mpsc::channel();
    let begun = Mutex::new(begun);
    let until_cancelled = move |_: Value, context: &TaskContext| {
        let (stop, stopped) = mpsc::channel();
        context.cancel.on_cancel(move || {
            let _ = stop.send(());
        });
        begun.lock().unwrap().send(()).unwrap();
        let _ = stopped.recv_timeout(GENEROUS);
    };
    runtime.block_on(async {
        let clock = VirtualClock::new(start());
        let scheduler = scheduler(MemoryStore::new(), &clock);
        let handle = scheduler.handle();
        let running = tokio::spawn(scheduler.run());
        handle.register("wait", until_cancelled).await.unwrap();
        for number in 0..=THREADS {
            let job = every(1.hours()).task("wait").id(format!("job-{number}"));
            let _run = handle.add(job).await.unwrap().run_now().await.unwrap();
        }
        for _ in 0..THREADS {
            while begins.try_recv().is_err() {
                tokio::time::timeout(GENEROUS, tokio::task::yield_now()).await.unwrap();
            }
        }
        assert_eq!(
            timeout(GENEROUS, handle.count(&JobQuery::default())).await.unwrap().unwrap(),
            THREADS + 1
        );
        let runs = handle.runs_in("default", &RunQuery::default()).await.unwrap();
        assert!(timeout(GENEROUS, handle.cancel(&StoreName::default(), runs[0].id)).await.unwrap().unwrap());
        timeout(GENEROUS, handle.shutdown(Shutdown::Now)).await.expect("it ends");
        timeout(GENEROUS, running).await.unwrap().unwrap().unwrap();
    });
}

#[tokio::test]
async fn events_are_a_stream() {
    fn next<S: futures_core::Stream + Unpin>(stream: &mut S) -> impl Future<Output = Option<S::Item>> {
        std::future::poll_fn(|context| std::pin::Pin::new(&mut *stream).poll_next(context))
    }
    let scheduler = scheduler(MemoryStore::new(), &VirtualClock::new(start()));
    let handle = scheduler.handle();
    let mut events = handle.subscribe().await;
    handle.add(every(1.hours()).run(async || ()).id("hourly")).await.unwrap();
    let event = timeout(GENEROUS, next(&mut events)).await.unwrap();
    assert!(matches!(event, Some(Event::JobAdded { job, .. }) if job == "hourly"));
    drop((handle, scheduler));
    while timeout(GENEROUS, next(&mut events)).await.unwrap().is_some() {}
}

/// A pool of threads drives async tasks too; those that use the runtime's timers, sockets and tasks would panic there without it.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn an_async_task_on_a_pool_of_threads_has_the_runtime_that_its_scheduler_was_built_in() {
    let scheduler = SchedulerBuilder::new()
        .store("default", MemoryStore::new())
        .executor("default", ThreadExecutor::new())
        .asynchronous()
        .unwrap();
    let handle = scheduler.handle();
    let running = tokio::spawn(scheduler.run());
    let task = async || {
        timeout(GENEROUS, std::future::ready(())).await.map_err(|error| error.to_string())?;
        tokio::net::TcpListener::bind("127.0.0.1:0").await.map_err(|error| error.to_string())?;
        tokio::spawn(async { 7_u32 }).await.map_err(|error| error.to_string())
    };
    let job = handle.add(every(1.hours()).run(task)).await.unwrap();
    let run = job.run_now().await.unwrap().await.unwrap();
    assert_eq!((run.message, run.result), (None, Some(7.into())));
    handle.shutdown(Shutdown::Wait).await;
    running.await.unwrap().unwrap();
}
