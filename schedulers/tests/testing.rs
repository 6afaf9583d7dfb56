//! The scheduler for tests does what a test says as one would write it.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use chrono::{DateTime, TimeDelta, Utc};
use matins_core::{Backoff, Clock, Outcome, Overlap, Retry, Run, Shutdown, TaskContext};
use matins_scheduler::{Event, Schedule, SchedulerBuilder, SchedulerError, TestScheduler};
use matins_store_memory::MemoryStore;
use matins_triggers::{TimeUnits, after, cron, every};

fn start() -> DateTime<Utc> {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

fn scheduler() -> TestScheduler {
    SchedulerBuilder::new().store("default", MemoryStore::new()).testing(start()).unwrap()
}

fn hours(runs: &[Run]) -> Vec<i64> {
    runs.iter().map(|run| (run.scheduled() - start()).num_hours()).collect()
}

#[test]
fn a_day_of_an_hourly_job_has_24_runs() {
    let mut scheduler = scheduler();
    let clock = scheduler.clock().clone();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let sees = seen.clone();
    scheduler.add(every(1.hours()).run(move || sees.lock().unwrap().push(clock.now()))).unwrap();
    let runs = scheduler.advance(1.days());
    assert_eq!(hours(&runs), (1..=24).collect::<Vec<_>>());
    assert!(runs.iter().all(|run| run.outcome == Some(Outcome::Succeeded)));
    // Each saw the instant that it fired at.
    let fires: Vec<DateTime<Utc>> = runs.iter().map(Run::scheduled).collect();
    assert_eq!(*seen.lock().unwrap(), fires);
    assert_eq!(scheduler.now(), start() + TimeDelta::days(1));
    assert!(scheduler.advance(59.minutes()).is_empty());
    assert_eq!(scheduler.advance(1.minutes()).len(), 1);
}

#[test]
fn a_millisecond_is_kept_for_a_minute() {
    let mut scheduler = scheduler();
    scheduler.add(every(1.milliseconds()).run(|| ())).unwrap();
    assert_eq!(scheduler.advance(1.minutes()).len(), 60_000);
}

#[test]
fn jobs_fire_in_order_of_their_instants_and_chains_at_once() {
    let mut scheduler = scheduler();
    let order = Arc::new(Mutex::new(String::new()));
    let note = |name: char| {
        let order = order.clone();
        move || order.lock().unwrap().push(name)
    };
    scheduler.add(every(3.hours()).run(note('c')).id("c")).unwrap();
    scheduler.add(every(2.hours()).run(note('b')).id("b")).unwrap();
    scheduler.add(after("b").run(note('B')).id("after b")).unwrap();
    scheduler.advance(6.hours());
    assert_eq!(*order.lock().unwrap(), "bBcbBbcB");
}

#[test]
fn a_job_may_add_jobs_and_remove_itself() {
    let mut scheduler = scheduler();
    let handle = scheduler.handle();
    let task = move |context: &TaskContext| {
        handle.add(every(1.hours()).run(|| ()).id("added")).map_err(|error| error.to_string())?;
        handle.remove(&context.job).map(drop).map_err(|error| error.to_string())
    };
    scheduler.add(every(1.hours()).run(task).id("first")).unwrap();
    let runs = scheduler.advance(3.hours());
    let jobs: Vec<&str> = runs.iter().map(|run| run.job.as_str()).collect();
    assert_eq!(jobs, ["first", "added", "added"]);
    assert!(runs.iter().all(|run| run.outcome == Some(Outcome::Succeeded)), "{runs:?}");
}

#[test]
fn a_failure_and_its_retries_are_seen() {
    let mut scheduler = scheduler();
    let attempts = AtomicU32::new(0);
    let task = move || {
        if attempts.fetch_add(1, Ordering::Relaxed) < 2 { Err("not yet") } else { Ok(7) }
    };
    let retry =
        Retry { times: 3, backoff: Backoff::Fixed(std::time::Duration::from_secs(90)), ..Retry::default() };
    scheduler.add(cron("0 9 * * *").run(task).retry(retry)).unwrap();
    let runs = scheduler.advance(10.hours());
    let told: Vec<_> = runs.iter().map(|run| (run.attempt, run.message.as_deref())).collect();
    assert_eq!(told, [(1, Some("not yet")), (2, Some("not yet")), (3, None)]);
    assert_eq!(runs[2].result, Some(7.into()));
    assert_eq!(runs[2].started, Some(start() + 9.hours() + 180.seconds()));
}

#[test]
fn local_times_are_those_of_the_zone() {
    let mut scheduler = scheduler();
    scheduler.add(cron("30 2 * * *").in_zone("Europe/Berlin").run(|| ())).unwrap();
    scheduler.advance_to("2026-03-28T12:00:00Z".parse().unwrap());
    let runs = scheduler.advance(2.days());
    let fires: Vec<String> = runs.iter().map(|run| run.scheduled().to_rfc3339()).collect();
    // On the 29th the clocks of Berlin go from 2:00 to 3:00.
    assert_eq!(fires, ["2026-03-29T01:00:00+00:00", "2026-03-30T00:30:00+00:00"]);
}

#[test]
fn async_tasks_and_runs_by_hand_are_done_here() {
    let mut scheduler = scheduler();
    scheduler.add(every(1.hours()).run(async || 42).id("answer")).unwrap();
    let run = scheduler.run_now("answer").unwrap();
    assert_eq!((run.manual, run.result), (true, Some(42.into())));
    assert!(matches!(scheduler.run_now("nobody"), Err(SchedulerError::NoJob { .. })));
    assert_eq!(scheduler.advance(1.hours()).len(), 1);
}

#[test]
fn what_is_missed_is_among_the_rows() {
    let mut scheduler = scheduler();
    scheduler.add(every(1.hours()).run(|| ()).id("job").overlap(Overlap::Allow(1))).unwrap();
    // The clock jumps, as after a suspension.
    scheduler.clock().set(start() + 150.minutes());
    let runs = scheduler.run_until_idle();
    assert_eq!(runs.len(), 2, "{runs:?}");
    assert!(runs.iter().any(|run| matches!(run.outcome, Some(Outcome::Missed(_)))), "{runs:?}");
}

/// What a filter of events asks for is done at that instant too.
#[test]
fn a_run_that_a_filter_asks_for_is_done_before_time_passes() {
    let mut scheduler = scheduler();
    let handle = scheduler.handle();
    scheduler.add(every(1.hours()).run(|| ()).id("a")).unwrap();
    scheduler.add(every(1.weeks()).run(|| ()).id("b")).unwrap();
    let _events = scheduler.subscribe_to(move |event| {
        if matches!(event, Event::RunFinished { run, .. } if run.job == "a") {
            let _outcome = handle.run_now("b");
        }
        false
    });
    let runs = scheduler.advance(std::time::Duration::from_secs(7_200));
    let told: Vec<_> = runs.iter().map(|run| (run.job.as_str(), run.finished.unwrap() - start())).collect();
    assert_eq!(told, [("a", 1.hours()), ("b", 1.hours()), ("a", 2.hours()), ("b", 2.hours())]);
}

#[test]
#[should_panic(expected = "of job \"restless\"")]
fn a_job_that_makes_itself_due_without_end_is_named() {
    let mut scheduler = scheduler();
    let handle = scheduler.handle();
    let task = move |context: &TaskContext| {
        let _again = handle.run_now(&context.job);
    };
    scheduler.add(every(1.hours()).run(task).id("restless").overlap(Overlap::Allow(1_000_000))).unwrap();
    scheduler.advance(1.hours());
}

#[test]
fn shutting_down_and_dropping_wait_for_nobody() {
    let mut first = scheduler();
    let second = scheduler();
    first.add(every(1.hours()).run(|| ())).unwrap();
    first.shutdown(Shutdown::Wait);
    assert!(first.advance(1.days()).is_empty(), "it has ended");
    assert!(matches!(first.add(every(1.hours()).run(|| ())), Err(SchedulerError::ShutDown)));
    drop(first);
    let handle = second.handle();
    drop(second);
    assert!(matches!(handle.list(&matins_core::JobQuery::default()), Err(SchedulerError::ShutDown)));
}
