//! The callbacks of a job: `on_success`, `on_failure` and `on_missed`.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use chrono::{DateTime, Utc};
use matins_core::{
    Backoff, JobQuery, MissedReason, OnConflict, Outcome, Retry, Run, RunQuery, Shutdown, StoreName,
    TaskContext,
};
use matins_executor_thread::ThreadExecutor;
use matins_executor_tokio::TokioExecutor;
use matins_scheduler::{AddOutcome, Event, NewJob, Schedule, SchedulerBuilder, TestScheduler};
use matins_store_file::FileStore;
use matins_store_memory::MemoryStore;
use matins_triggers::{TimeUnits, after, at, every};

/// Longer than anything here takes on a machine that is busy with other things.
const GENEROUS: Duration = Duration::from_secs(60);

fn start() -> DateTime<Utc> {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

fn scheduler() -> TestScheduler {
    SchedulerBuilder::new().store("default", MemoryStore::new()).testing(start()).unwrap()
}

/// What was called, in order.
#[derive(Clone, Default)]
struct Calls(Arc<Mutex<Vec<String>>>);

impl Calls {
    fn note(&self, name: &str) -> impl FnMut(Run) + Send + use<> {
        let (calls, name) = (self.0.clone(), name.to_owned());
        move |run| {
            let outcome = run.outcome.unwrap();
            calls.lock().unwrap().push(format!("{name} {} {} {outcome}", run.job, run.attempt));
        }
    }

    fn on_all(&self, job: NewJob) -> NewJob {
        job.on_success(self.note("success")).on_failure(self.note("failure")).on_missed(self.note("missed"))
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

#[test]
fn each_outcome_calls_the_callbacks_of_its_kind_in_the_order_in_which_they_were_given() {
    let (mut scheduler, calls) = (scheduler(), Calls::default());
    scheduler
        .add(calls.on_all(every(1.hours()).run(|| ()).id("good")).on_success(calls.note("again")))
        .unwrap();
    scheduler.add(calls.on_all(every(1.hours()).run(|| Err::<(), _>("no")).id("bad"))).unwrap();
    scheduler.add(calls.on_all(every(1.hours()).run(|| -> () { panic!("no") }).id("panics"))).unwrap();
    scheduler.add(every(1.hours()).run(|| ()).id("without")).unwrap();
    scheduler.advance(1.hours());
    let expected = [
        "failure bad 1 failed",
        "success good 1 succeeded",
        "again good 1 succeeded",
        "failure panics 1 failed",
    ];
    assert_eq!(calls.take(), expected);
}

#[test]
fn a_failure_is_reported_after_the_last_attempt_alone() {
    let (mut scheduler, calls) = (scheduler(), Calls::default());
    let retry = Retry::times(2).backoff(Backoff::Fixed(Duration::from_secs(60)));
    let fails = every(1.hours()).run(|| Err::<(), _>("no")).id("fails").retry(retry.clone());
    scheduler.add(calls.on_all(fails)).unwrap();
    let second_time = |context: TaskContext| if context.attempt < 2 { Err("no") } else { Ok(()) };
    scheduler.add(calls.on_all(every(1.hours()).run(second_time).id("recovers").retry(retry))).unwrap();
    scheduler.advance(61.minutes());
    assert_eq!(calls.take(), ["success recovers 2 succeeded"]);
    scheduler.advance(1.minutes());
    assert_eq!(calls.take(), ["failure fails 3 failed"]);
}

#[test]
fn fires_that_are_missed_call_back_with_the_row_that_stands_for_them() {
    let (mut scheduler, rows) = (scheduler(), Arc::new(Mutex::new(Vec::new())));
    let noted = rows.clone();
    let job = every(1.hours()).run(|| ()).misfire_grace(1.minutes()).on_missed(move |run| {
        noted.lock().unwrap().push((run.fires.count, run.outcome.unwrap()));
    });
    scheduler.add(job.id("job")).unwrap();
    scheduler.pause_all().unwrap();
    scheduler.advance(150.minutes());
    scheduler.resume_all().unwrap();
    scheduler.run_until_idle();
    assert_eq!(*rows.lock().unwrap(), [(2, Outcome::Missed(MissedReason::TooLate))]);
    // The fire that is due when the job is removed is missed for that.
    scheduler.pause_all().unwrap();
    scheduler.advance(1.hours());
    scheduler.remove("job").unwrap();
    scheduler.run_until_idle();
    assert_eq!(rows.lock().unwrap().last(), Some(&(1, Outcome::Missed(MissedReason::JobRemoved))));
}

#[test]
fn each_job_of_a_chain_has_its_own_callbacks() {
    let (mut scheduler, calls) = (scheduler(), Calls::default());
    scheduler.add(calls.on_all(every(1.hours()).run(|| ()).id("first"))).unwrap();
    scheduler.add(calls.on_all(after("first").run(|| Err::<(), _>("no")).id("second"))).unwrap();
    scheduler.add(after("first").run(|| ()).id("third")).unwrap();
    scheduler.advance(1.hours());
    assert_eq!(calls.take(), ["success first 1 succeeded", "failure second 1 failed"]);
}

#[test]
fn a_callback_that_panics_is_reported_and_called_again() {
    let mut scheduler = scheduler();
    let failed = scheduler.subscribe_to(|event| matches!(event, Event::CallbackFailed { .. }));
    let count = Arc::new(AtomicU32::new(0));
    let counter = count.clone();
    let job = every(1.hours()).run(|| ()).on_success(|_| panic!("no network")).on_success(move |_| {
        counter.fetch_add(1, Ordering::Relaxed);
    });
    scheduler.add(job.id("job")).unwrap();
    let runs = scheduler.advance(2.hours());
    assert_eq!(count.load(Ordering::Relaxed), 2, "the other callback is called");
    for expected in runs {
        let Some(Event::CallbackFailed { store, job, run, error }) = failed.try_next() else {
            panic!("it is reported")
        };
        assert_eq!((store, job.as_str(), run), (StoreName::default(), "job", expected.id));
        assert_eq!(error, "it panicked: no network");
    }
    assert_eq!(failed.try_next(), None);
}

#[test]
fn a_definition_that_is_added_again_says_which_callbacks_the_job_has() {
    let (mut scheduler, calls) = (scheduler(), Calls::default());
    scheduler.register("task", || ()).unwrap();
    let mut expect =
        |minutes: u32, on_conflict: OnConflict, callback: Option<&str>, answer, called: &[&str]| {
            let job = every(minutes.minutes()).task("task").id("job").on_conflict(on_conflict);
            let job = match callback {
                Some(name) => job.on_success(calls.note(name)),
                None => job,
            };
            assert_eq!(scheduler.add(job).unwrap().add_outcome(), answer);
            scheduler.run_now("job").unwrap();
            let called: Vec<String> = called.iter().map(|name| format!("{name} job 1 succeeded")).collect();
            assert_eq!(calls.take(), called);
        };
    expect(10, OnConflict::Refuse, None, AddOutcome::Added, &[]);
    // One that has none, as after a restart, gets those of the definition.
    expect(10, OnConflict::Keep, Some("a"), AddOutcome::Kept, &["a"]);
    expect(10, OnConflict::Keep, Some("b"), AddOutcome::Kept, &["a"]);
    expect(10, OnConflict::Keep, None, AddOutcome::Kept, &["a"]);
    expect(10, OnConflict::Replace, Some("c"), AddOutcome::Replaced, &["c"]);
    expect(10, OnConflict::Update, Some("d"), AddOutcome::Unchanged, &["d"]);
    expect(20, OnConflict::Update, Some("e"), AddOutcome::Updated, &["e"]);
    expect(20, OnConflict::Update, None, AddOutcome::Unchanged, &[]);
}

#[test]
fn callbacks_are_dropped_with_their_job() {
    let mut scheduler = scheduler();
    let held = Arc::new(());
    let job = |id: &str| {
        let held = held.clone();
        every(1.hours()).run(|| ()).id(id).on_success(move |_| drop(held.clone()))
    };
    scheduler.add(job("removed")).unwrap();
    scheduler.add_many((0..10).map(|number| job(&format!("many {number}")))).unwrap();
    let held_by_one = held.clone();
    scheduler
        .add(at(start() + 1.minutes()).run(|| ()).on_success(move |_| drop(held_by_one.clone())))
        .unwrap();
    assert_eq!(Arc::strong_count(&held), 13);
    assert!(scheduler.add(job("removed")).is_err(), "its id is taken");
    assert_eq!(Arc::strong_count(&held), 13);
    scheduler.advance(1.minutes());
    assert_eq!(Arc::strong_count(&held), 12, "a job that is over is gone");
    scheduler.remove("removed").unwrap();
    assert_eq!(Arc::strong_count(&held), 11);
    let store = scheduler.handle();
    drop(scheduler);
    assert_eq!(Arc::strong_count(&held), 1);
    drop(store);
}

#[test]
fn callbacks_stay_with_a_job_that_is_changed_or_moved() {
    let mut scheduler = SchedulerBuilder::new()
        .store("default", MemoryStore::new())
        .store("other", MemoryStore::new())
        .testing(start())
        .unwrap();
    let calls = Calls::default();
    scheduler.add(calls.on_all(every(1.hours()).run(|| ()).id("job"))).unwrap();
    scheduler.modify("job", |job| job.metadata = [("key".to_owned(), 1.into())].into()).unwrap();
    scheduler.reschedule("job", every(2.hours())).unwrap();
    scheduler.pause("job").unwrap();
    scheduler.resume("job").unwrap();
    scheduler.move_to("job", &StoreName::new("other").unwrap()).unwrap();
    scheduler.advance(2.hours());
    assert_eq!(calls.take(), ["success job 1 succeeded"]);
    scheduler.remove("job").unwrap();
}

#[test]
fn callbacks_are_not_stored_and_come_with_the_job_that_is_added_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("jobs.log");
    let calls = Calls::default();
    let open = || {
        let store = FileStore::open(&path).unwrap();
        let scheduler = SchedulerBuilder::new().store("default", store).testing(start()).unwrap();
        scheduler.register("task", || ()).unwrap();
        scheduler
    };
    let job = || calls.on_all(every(1.hours()).task("task").id("job").on_conflict(OnConflict::Update));
    let mut first = open();
    first.add(job()).unwrap();
    first.advance(1.hours());
    assert_eq!(calls.take().len(), 1);
    drop(first);
    let mut second = open();
    second.run_now("job").unwrap();
    assert!(calls.take().is_empty());
    assert_eq!(second.add(job()).unwrap().add_outcome(), AddOutcome::Unchanged);
    second.run_now("job").unwrap();
    assert_eq!(calls.take(), ["success job 1 succeeded"]);
}

#[test]
fn a_callback_may_use_a_handle_and_is_waited_for_at_shutdown() {
    let mut scheduler = SchedulerBuilder::new()
        .store("default", MemoryStore::new())
        .executor("default", ThreadExecutor::new())
        .background()
        .unwrap();
    scheduler.start().unwrap();
    let (handle, (sender, receiver)) = (scheduler.handle(), mpsc::channel());
    let (go, let_go) = mpsc::channel::<()>();
    let job = every(1.hours()).run(|| ()).id("job").on_success(move |run| {
        // The outcome is recorded by now, and nothing is locked.
        let recorded = handle.runs_in("default", &RunQuery::default()).unwrap();
        handle.pause(&run.job).unwrap();
        sender.send((recorded == [run], handle.count(&JobQuery::default()).unwrap())).unwrap();
        let _ = let_go.recv_timeout(GENEROUS);
        sender.send((false, 0)).unwrap();
    });
    let _run = scheduler.add(job).unwrap().run_now().unwrap();
    assert_eq!(receiver.recv_timeout(GENEROUS), Ok((true, 1)));
    let waits = std::thread::spawn(move || scheduler.shutdown_and_wait(Shutdown::Wait));
    go.send(()).unwrap();
    waits.join().unwrap();
    assert_eq!(receiver.try_recv(), Ok((false, 0)), "it has returned");
}

#[test]
fn a_callback_that_does_not_return_is_left_behind_at_shutdown() {
    let (mut scheduler, hangs) = (scheduler_on_thread(), mpsc::channel::<()>());
    scheduler.start().unwrap();
    let (begun, begins) = mpsc::channel();
    let (_keep, receiver) = hangs;
    let job = every(1.hours()).run(|| ()).on_success(move |_| {
        begun.send(()).unwrap();
        let _ = receiver.recv();
    });
    let _run = scheduler.add(job).unwrap().run_now().unwrap();
    begins.recv_timeout(GENEROUS).unwrap();
    let (ended, ends) = mpsc::channel();
    std::thread::spawn(move || {
        scheduler.shutdown_and_wait(Shutdown::Now);
        ended.send(()).unwrap();
    });
    ends.recv_timeout(GENEROUS).expect("it ends after the grace");
}

fn scheduler_on_thread() -> matins_scheduler::BackgroundScheduler {
    SchedulerBuilder::new()
        .store("default", MemoryStore::new())
        .executor("default", ThreadExecutor::new())
        .background()
        .unwrap()
}

#[tokio::test]
async fn async_callbacks_may_use_the_runtime_and_an_async_handle() {
    let scheduler = SchedulerBuilder::new()
        .store("default", MemoryStore::new())
        .executor("default", TokioExecutor::current().unwrap())
        .asynchronous()
        .unwrap();
    let handle = scheduler.handle();
    let running = tokio::spawn(scheduler.run());
    let (sender, mut receiver) = tokio::sync::mpsc::channel(10);
    let (blocking, in_callback) = (sender.clone(), handle.clone());
    let job = every(1.hours()).run(async || Err::<(), _>("no")).id("job");
    let job = job.on_failure_async(async move |run| {
        tokio::time::sleep(Duration::from_millis(1)).await;
        let count = in_callback.count(&JobQuery::default()).await.unwrap();
        let _ = sender.send(format!("{}: {} of {count}", run.job, run.message.unwrap())).await;
    });
    let job = job.on_failure(move |_| {
        let sender = blocking.clone();
        tokio::spawn(async move { sender.send("spawned".to_owned()).await });
    });
    let _run = handle.add(job).await.unwrap().run_now().await.unwrap();
    let next = async || tokio::time::timeout(GENEROUS, receiver.recv()).await.unwrap().unwrap();
    let mut next = next;
    assert_eq!(next().await, "job: no of 1");
    assert_eq!(next().await, "spawned");
    tokio::time::timeout(GENEROUS, handle.shutdown(Shutdown::Wait)).await.unwrap();
    running.await.unwrap().unwrap();
}
