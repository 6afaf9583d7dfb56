//! A scheduler under tokio's paused time does what a test says as one would write it.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use matins_core::{Backoff, JobQuery, Outcome, Retry, Run, RunQuery, Shutdown, TaskContext};
use matins_executor_tokio::TokioExecutor;
use matins_scheduler::{AsyncHandle, AsyncScheduler, Event, Schedule, SchedulerBuilder, SchedulerState};
use matins_store_memory::MemoryStore;
use matins_triggers::{TimeUnits, cron, every};
use tokio::time::{Instant, sleep};

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

fn start() -> DateTime<Utc> {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

fn scheduler() -> AsyncScheduler {
    SchedulerBuilder::new()
        .store("default", MemoryStore::new())
        .executor("default", TokioExecutor::current().unwrap())
        .testing_async(start())
        .unwrap()
}

/// One that runs.
fn started() -> AsyncHandle {
    let scheduler = scheduler();
    let handle = scheduler.handle();
    tokio::spawn(scheduler.run());
    handle
}

async fn ledger(handle: &AsyncHandle) -> Vec<Run> {
    handle.runs_in("default", &RunQuery::default()).await.unwrap()
}

fn hours(runs: &[Run]) -> Vec<i64> {
    runs.iter().map(|run| (run.scheduled() - start()).num_hours()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_test_that_sleeps_for_a_day_sees_24_hourly_runs() {
    let handle = started();
    let count = Arc::new(AtomicU32::new(0));
    let counter = count.clone();
    handle
        .add(every(1.hours()).run(move || {
            let counter = counter.clone();
            async move { counter.fetch_add(1, Ordering::Relaxed) }
        }))
        .await
        .unwrap();
    for day in 1..=3 {
        sleep(DAY).await;
        assert_eq!(count.load(Ordering::Relaxed), 24 * day);
    }
    let runs = ledger(&handle).await;
    assert_eq!(hours(&runs), (1..=72).collect::<Vec<_>>());
    // Each has begun at the instant that it fires at.
    assert!(runs.iter().all(|run| run.started == Some(run.scheduled()) && run.fires.count == 1));
}

#[tokio::test(start_paused = true)]
async fn blocking_tasks_run_too() {
    let handle = started();
    let count = Arc::new(AtomicU32::new(0));
    let counter = count.clone();
    handle.add(every(1.hours()).run(move || counter.fetch_add(1, Ordering::Relaxed))).await.unwrap();
    sleep(DAY).await;
    assert_eq!(count.load(Ordering::Relaxed), 24);
}

#[tokio::test(start_paused = true)]
async fn a_jump_of_a_day_runs_each_hour_at_its_own_instant() {
    let handle = started();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let sees = seen.clone();
    let note = move |context: TaskContext| {
        sees.lock().unwrap().push(context.started);
        async {}
    };
    handle.add(every(1.hours()).run(note)).await.unwrap();
    handle.add(cron("30 12 * * *").run(async || ()).id("noon")).await.unwrap();
    tokio::time::advance(DAY).await;
    sleep(Duration::from_millis(1)).await;
    let expected: Vec<DateTime<Utc>> = (1..=24).map(|hour| start() + TimeDelta::hours(hour)).collect();
    assert_eq!(*seen.lock().unwrap(), expected);
    assert_eq!(hours(&ledger(&handle).await).len(), 25);
}

#[tokio::test(start_paused = true)]
async fn tasks_sleep_and_are_limited_by_the_same_time() {
    let handle = started();
    let job = |id: &str, task_takes: Duration| {
        every(4.hours()).run(move || async move { sleep(task_takes).await }).id(id).time_limit(1.hours())
    };
    handle.add(job("short", Duration::from_secs(600))).await.unwrap();
    handle.add(job("long", 2 * HOUR)).await.unwrap();
    let begun = Instant::now();
    sleep(DAY).await;
    assert_eq!(begun.elapsed().as_secs(), DAY.as_secs());
    let runs = ledger(&handle).await;
    assert_eq!(runs.len(), 12, "those of 24 hours are in progress");
    for run in runs.iter().filter(|run| run.outcome.is_some()) {
        let (outcome, seconds) =
            if run.job == "short" { (Outcome::Succeeded, 600) } else { (Outcome::TimedOut, 3600) };
        assert_eq!(run.outcome, Some(outcome));
        let took = run.finished.unwrap() - run.started.unwrap();
        assert!((took - TimeDelta::seconds(seconds)).abs() <= TimeDelta::milliseconds(3), "{took}");
    }
}

#[tokio::test(start_paused = true)]
async fn attempts_wait_for_their_backoff() {
    let handle = started();
    let retry = Retry::times(3).backoff(Backoff::fixed(10.minutes()));
    handle.add(every(6.hours()).run(async || Err::<(), _>("no")).retry(retry)).await.unwrap();
    sleep(7 * HOUR).await;
    let runs = ledger(&handle).await;
    assert_eq!(runs.iter().map(|run| run.attempt).collect::<Vec<_>>(), [1, 2, 3, 4]);
    let end = runs[3].finished.unwrap() - runs[0].scheduled();
    assert!((end - TimeDelta::minutes(30)).abs() <= TimeDelta::milliseconds(10), "{end}");
}

#[tokio::test(start_paused = true)]
async fn a_job_that_is_added_later_counts_from_then() {
    let handle = started();
    sleep(HOUR / 2).await;
    handle.add(every(1.hours()).run(async || ()).id("late")).await.unwrap();
    sleep(2 * HOUR).await;
    let fires: Vec<i64> =
        ledger(&handle).await.iter().map(|run| (run.scheduled() - start()).num_minutes()).collect();
    assert_eq!(fires, [90, 150]);
    // By hand, and by a task.
    let run = handle.run_now("late").await.unwrap().await.unwrap();
    assert!(run.manual && run.outcome == Some(Outcome::Succeeded));
}

#[tokio::test(start_paused = true)]
async fn tasks_and_callbacks_use_a_handle() {
    let handle = started();
    let (in_task, in_callback) = (handle.clone(), handle.clone());
    let (count, (sender, mut receiver)) =
        (Arc::new(AtomicU32::new(0)), tokio::sync::mpsc::unbounded_channel());
    let counter = count.clone();
    let adds = move |context: TaskContext| {
        let (handle, id) = (in_task.clone(), format!("from {}", context.scheduled.format("%H:%M")));
        let job = every(30.minutes()).run(async || ()).id(id).max_runs(1);
        async move { handle.add(job).await.map(drop) }
    };
    let job = every(6.hours()).run(adds).on_success(move |_| {
        counter.fetch_add(1, Ordering::Relaxed);
    });
    let job = job.on_success_async(async move |_| {
        sleep(Duration::from_secs(1)).await;
        sender.send(in_callback.count(&JobQuery::default()).await.unwrap()).unwrap();
    });
    handle.add(job).await.unwrap();
    sleep(DAY).await;
    assert_eq!(count.load(Ordering::Relaxed), 4);
    let runs = ledger(&handle).await;
    assert_eq!(runs.iter().filter(|run| run.job.as_str().starts_with("from")).count(), 3);
    for _ in 0..4 {
        assert!(receiver.recv().await.unwrap() >= 1);
    }
}

#[tokio::test(start_paused = true)]
async fn it_does_the_same_each_time() {
    let mut ledgers = Vec::new();
    for _ in 0..3 {
        let handle = started();
        for (minutes, takes) in [(7, 3), (11, 20), (60, 0)] {
            let work = move || async move {
                sleep(Duration::from_secs(60 * takes)).await;
                if takes == 3 { Err("no") } else { Ok(()) }
            };
            let job = every(minutes.minutes()).run(work).id(format!("every {minutes}"));
            handle.add(job.retry(Retry::times(1))).await.unwrap();
        }
        sleep(DAY).await;
        let shown = |run: &Run| format!("{} {} {:?} {:?}", run.job, run.attempt, run.fires, run.outcome);
        ledgers.push(ledger(&handle).await.iter().map(shown).collect::<Vec<_>>());
        handle.shutdown(Shutdown::Now).await;
    }
    assert!(ledgers[0].len() > 100);
    assert!(ledgers.iter().all(|ledger| *ledger == ledgers[0]));
}

#[tokio::test(start_paused = true)]
async fn it_shuts_down_and_waits_for_its_runs() {
    let scheduler = scheduler();
    let (handle, mut events) = (scheduler.handle(), scheduler.handle().subscribe().await);
    let running = tokio::spawn(scheduler.run());
    handle.add(every(1.hours()).run(async || sleep(HOUR / 2).await)).await.unwrap();
    sleep(HOUR).await;
    let begun = Instant::now();
    handle.shutdown(Shutdown::Wait).await;
    assert_eq!(begun.elapsed().as_secs() / 60, 29, "of half an hour, which began just before");
    assert_eq!(handle.state().await, SchedulerState::ShutDown);
    running.await.unwrap().unwrap();
    let mut last = None;
    while let Some(event) = events.next().await {
        last = Some(event);
    }
    assert_eq!(last, Some(Event::SchedulerShutDown));
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_a_scheduler_whose_future_is_dropped_is_told() {
    let scheduler = scheduler();
    let handle = scheduler.handle();
    let running = tokio::spawn(scheduler.run());
    let job = handle.add(every(1.hours()).run(async || ())).await.unwrap();
    let outcome = job.next_outcome().await.unwrap();
    sleep(Duration::from_secs(60)).await;
    running.abort();
    assert!(outcome.await.is_err());
    handle.wait_until_shut_down().await;
    assert_eq!(handle.state().await, SchedulerState::ShutDown);
    drop(self::scheduler());
}

#[tokio::test(start_paused = true)]
async fn a_method_that_would_block_the_runtime_does_not() {
    let handle = started();
    sleep(Duration::from_secs(1)).await;
    let blocking = handle.blocking().clone();
    blocking.shutdown(Shutdown::Wait);
    assert_eq!(blocking.state(), SchedulerState::ShuttingDown);
    handle.wait_until_shut_down().await;
}

#[tokio::test]
async fn time_that_is_not_paused_passes_by_itself() {
    let handle = started();
    let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
    handle.add(every(10.milliseconds()).run(move || sender.send(()).is_ok())).await.unwrap();
    for _ in 0..3 {
        tokio::time::timeout(Duration::from_secs(60), receiver.recv()).await.unwrap().unwrap();
    }
    handle.shutdown(Shutdown::Wait).await;
}
