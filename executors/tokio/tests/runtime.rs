//! Async tasks on a runtime: thousands that wait at once, and futures that are dropped.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use matins_core::{Outcome, Run, Shutdown, TaskContext};
use matins_executor_tokio::TokioExecutor;
use matins_scheduler::Event;
use matins_scheduler::{BackgroundScheduler, Events, Schedule, SchedulerBuilder, VirtualClock};
use matins_store_memory::MemoryStore;
use matins_triggers::{TimeUnits, at, every};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Notify;

/// Longer than anything here takes on a machine that is busy with other things.
const GENEROUS: Duration = Duration::from_secs(60);

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

fn scheduler(runtime: &Runtime) -> (BackgroundScheduler, VirtualClock, Events) {
    let clock = VirtualClock::new("2026-01-01T00:00:00Z".parse().unwrap());
    let mut scheduler = SchedulerBuilder::new()
        .store("default", MemoryStore::new())
        .executor("default", TokioExecutor::builder(runtime.handle().clone()).build())
        .clock(clock.clone())
        .background()
        .unwrap();
    let events = scheduler.subscribe();
    scheduler.start().unwrap();
    (scheduler, clock, events)
}

fn next_finished(events: &Events) -> Run {
    loop {
        match events.next_within(GENEROUS).expect("a run ends") {
            Event::RunFinished { run, .. } => return Arc::unwrap_or_clone(run),
            Event::Lost { count } => panic!("{count} events were lost"),
            _ => {}
        }
    }
}

#[test]
fn thousands_of_runs_wait_at_once() {
    const RUNS: usize = 3_000;
    let runtime = runtime();
    let (scheduler, clock, _events) = scheduler(&runtime);
    let (waiting, all_wait) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
    for _ in 0..RUNS {
        let (waiting, all_wait) = (waiting.clone(), all_wait.clone());
        let task = move || {
            let (waiting, all_wait) = (waiting.clone(), all_wait.clone());
            async move {
                let notified = all_wait.notified();
                if waiting.fetch_add(1, Ordering::SeqCst) + 1 == RUNS {
                    all_wait.notify_waiters();
                    return;
                }
                notified.await;
            }
        };
        scheduler.add(at("2026-01-01T00:01:00Z").run(task)).unwrap();
    }
    clock.set("2026-01-01T00:01:00Z".parse().unwrap());
    // It would wait for ever if one of them kept another from beginning.
    runtime.block_on(async {
        let all_began = async {
            while waiting.load(Ordering::SeqCst) < RUNS {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(GENEROUS, all_began).await.expect("all of them begin");
    });
    scheduler.shutdown_and_wait(Shutdown::Wait);
    assert_eq!(waiting.load(Ordering::SeqCst), RUNS);
}

struct Dropped(Arc<AtomicUsize>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn the_time_limit_drops_the_future_and_what_it_holds() {
    let runtime = runtime();
    let (scheduler, clock, events) = scheduler(&runtime);
    let dropped = Arc::new(AtomicUsize::new(0));
    let counter = dropped.clone();
    let task = move || {
        let held = Dropped(counter.clone());
        async move {
            let _held = held;
            std::future::pending::<()>().await;
        }
    };
    scheduler.add(at("2026-01-01T00:01:00Z").run(task).time_limit(Duration::from_millis(20))).unwrap();
    clock.set("2026-01-01T00:01:00Z".parse().unwrap());
    assert_eq!(next_finished(&events).outcome, Some(Outcome::TimedOut));
    assert_eq!(dropped.load(Ordering::SeqCst), 1);
}

#[test]
fn a_runtime_that_ends_loses_its_runs_and_they_are_reported() {
    let runtime = runtime();
    let (scheduler, clock, events) = scheduler(&runtime);
    let (began, begun) = std::sync::mpsc::channel();
    let task = move || {
        began.send(()).unwrap();
        std::future::pending::<()>()
    };
    scheduler.add(at("2026-01-01T00:01:00Z").run(task)).unwrap();
    clock.set("2026-01-01T00:01:00Z".parse().unwrap());
    begun.recv_timeout(GENEROUS).unwrap();
    drop(runtime);
    let run = next_finished(&events);
    assert_eq!(run.outcome, Some(Outcome::Failed));
    assert!(run.message.unwrap().contains("lost the run"));
}

#[test]
fn runs_that_a_runtime_never_came_to_are_reported_when_it_ends() {
    // Nobody drives it: what is spawned there waits.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (scheduler, clock, events) = scheduler(&runtime);
    for number in 0..3 {
        scheduler.add(at("2026-01-01T00:01:00Z").run(async || ()).id(format!("job-{number}"))).unwrap();
    }
    let started = scheduler.subscribe_to(|event| matches!(event, Event::RunStarted { .. }));
    clock.set("2026-01-01T00:01:00Z".parse().unwrap());
    for _ in 0..3 {
        started.next_within(GENEROUS).expect("it is handed over");
    }
    drop(runtime);
    for _ in 0..3 {
        assert_eq!(next_finished(&events).outcome, Some(Outcome::Failed));
    }
}

/// Does `work` on a thread of its own, and panics if it does not end.
#[track_caller]
fn ends<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, ended) = std::sync::mpsc::channel();
    std::thread::spawn(move || done.send(work()));
    ended.recv_timeout(GENEROUS).expect("it ends")
}

/// A scheduler with a run in progress that ends when it is notified.
fn with_a_run_in_progress(runtime: &Runtime) -> (BackgroundScheduler, Arc<Notify>, Arc<Notify>, Events) {
    let (scheduler, clock, _) = scheduler(runtime);
    let ends =
        scheduler.subscribe_to(|event| matches!(event, Event::RunFinished { .. } | Event::SchedulerShutDown));
    let (begun, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (begins, goes) = (begun.clone(), go.clone());
    let task = move || {
        let (begun, go) = (begins.clone(), goes.clone());
        async move {
            begun.notify_one();
            go.notified().await;
        }
    };
    scheduler.add(at("2026-01-01T00:01:00Z").run(task)).unwrap();
    clock.set("2026-01-01T00:01:00Z".parse().unwrap());
    (scheduler, begun, go, ends)
}

#[test]
fn a_scheduler_that_is_dropped_on_the_thread_that_its_runs_need_ends_when_they_have() {
    for is_explicit in [false, true] {
        ends(move || {
            let runtime = Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let (scheduler, begun, go, events) = with_a_run_in_progress(&runtime);
                begun.notified().await;
                if is_explicit {
                    scheduler.shutdown_and_wait(Shutdown::Wait);
                } else {
                    drop(scheduler);
                }
                go.notify_one();
                let mut outcomes = Vec::new();
                while !matches!(outcomes.last(), Some(Event::SchedulerShutDown)) {
                    tokio::task::yield_now().await;
                    outcomes.extend(events.try_next());
                }
                let Event::RunFinished { run, .. } = &outcomes[0] else { panic!("{outcomes:?}") };
                assert_eq!(run.outcome, Some(Outcome::Succeeded));
            });
        });
    }
}

#[test]
fn a_scheduler_that_is_dropped_where_nobody_drives_its_runtime_does_not_wait() {
    ends(|| {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let (scheduler, begun, ..) = with_a_run_in_progress(&runtime);
        runtime.block_on(begun.notified());
        drop(scheduler);
    });
}

/// Its blocking pool is there for that.
#[test]
fn a_thread_of_the_blocking_pool_waits_for_runs_on_a_current_thread_runtime() {
    ends(|| {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (scheduler, begun, go, events) = with_a_run_in_progress(&runtime);
            begun.notified().await;
            let handle = scheduler.handle();
            let waiting = tokio::task::spawn_blocking(move || scheduler.shutdown_and_wait(Shutdown::Wait));
            while handle.state() == matins_scheduler::SchedulerState::Running {
                tokio::task::yield_now().await;
            }
            assert!(!waiting.is_finished());
            go.notify_one();
            waiting.await.unwrap();
            assert_eq!(events.count(), 2);
        });
    });
}

/// What it has notified last would wait for this very worker.
#[test]
fn a_scheduler_that_is_dropped_on_the_only_worker_waits_for_its_runs() {
    ends(|| {
        let runtime = Arc::new(Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap());
        let own = runtime.clone();
        let dropped = runtime.spawn(async move {
            let (scheduler, begun, go, events) = with_a_run_in_progress(&own);
            begun.notified().await;
            go.notify_one();
            drop(scheduler);
            events.try_next()
        });
        let first = runtime.block_on(dropped).unwrap();
        assert!(
            matches!(first, Some(Event::RunFinished { run, .. }) if run.outcome == Some(Outcome::Succeeded))
        );
    });
}

#[test]
fn a_scheduler_that_is_dropped_in_its_own_async_job_ends() {
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (scheduler, clock, events) = scheduler(&runtime);
    let owned = Arc::new(std::sync::Mutex::new(None::<BackgroundScheduler>));
    let own = owned.clone();
    let task = move || {
        let own = own.clone();
        async move { drop(own.lock().unwrap().take()) }
    };
    scheduler.add(at("2026-01-01T00:01:00Z").run(task)).unwrap();
    *owned.lock().unwrap() = Some(scheduler);
    clock.set("2026-01-01T00:01:00Z".parse().unwrap());
    let run = next_finished(&events);
    assert_eq!(run.outcome, Some(Outcome::Succeeded));
    ends(move || events.count());
}

/// A task that waits to be told to stop puts away what it has; one that does not is dropped.
#[test]
fn a_task_that_awaits_its_cancellation_has_time_to_end() {
    let runtime = runtime();
    let (scheduler, clock, events) = scheduler(&runtime);
    let begun = Arc::new(Notify::new());
    let begins = begun.clone();
    let task = move |context: TaskContext| {
        let begun = begun.clone();
        async move {
            begun.notify_one();
            context.cancelled().await;
            tokio::task::yield_now().await;
            "put away"
        }
    };
    scheduler.add(at("2026-01-01T00:01:00Z").run(task).id("patient")).unwrap();
    clock.set("2026-01-01T00:01:00Z".parse().unwrap());
    runtime.block_on(begins.notified());
    scheduler.shutdown(Shutdown::Now);
    let run = next_finished(&events);
    assert_eq!((run.outcome, run.result), (Some(Outcome::Succeeded), Some("put away".into())));
}

/// Nor does it have more time than that.
#[test]
fn a_task_that_awaits_its_cancellation_and_goes_on_is_dropped() {
    let runtime = runtime();
    let executor = TokioExecutor::builder(runtime.handle().clone()).cancel_grace(Duration::from_millis(20));
    let mut scheduler = SchedulerBuilder::new()
        .store("default", MemoryStore::new())
        .executor("default", executor.build())
        .background()
        .unwrap();
    scheduler.start().unwrap();
    let task = async |context: TaskContext| {
        context.cancelled().await;
        std::future::pending::<()>().await;
    };
    let job = scheduler.add(every(1.hours()).run(task).time_limit(Duration::from_millis(20))).unwrap();
    let run = job.run_now().unwrap().wait().unwrap();
    assert_eq!(run.outcome, Some(Outcome::TimedOut));
}

async fn busy() {
    loop {
        tokio::task::consume_budget().await;
    }
}

/// Once, a task that never waits for anything but its turn was stopped by nothing.
#[test]
fn a_task_that_uses_up_its_turn_each_time_is_stopped_all_the_same() {
    let runtime = runtime();
    let (scheduler, clock, events) = scheduler(&runtime);
    let limited = at("2026-01-01T00:01:00Z").run(busy).id("limited").time_limit(Duration::from_millis(20));
    scheduler.add(limited).unwrap();
    clock.set("2026-01-01T00:01:00Z".parse().unwrap());
    assert_eq!(next_finished(&events).outcome, Some(Outcome::TimedOut));

    let begun = Arc::new(Notify::new());
    let begins = begun.clone();
    let cancelled = move || {
        let begun = begun.clone();
        async move {
            begun.notify_one();
            busy().await;
        }
    };
    scheduler.add(at("2026-01-01T00:02:00Z").run(cancelled).id("cancelled")).unwrap();
    clock.set("2026-01-01T00:02:00Z".parse().unwrap());
    runtime.block_on(begins.notified());
    scheduler.shutdown(Shutdown::Now);
    assert_eq!(next_finished(&events).outcome, Some(Outcome::Cancelled));
}
