//! Chapter 6: executors.

use std::cell::RefCell;
use std::fs::{self, File};
use std::future::{Future, pending, poll_fn};
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::pin::Pin;
use std::process::Command;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use scheduler::coroutine::Executor;
use scheduler::executor::{
    Cancel, End, Promise, Reason, Refused, ThreadPool, TokioExecutor, Work,
    command,
};
use scheduler::run_loop::{Clock, ManualClock};

/// What should take a moment may take this long on a busy machine.
const GENEROUS: Duration = Duration::from_secs(30);

fn work(
    run: u64,
    task: impl FnOnce(&Cancel) -> Result<(), String> + Send + 'static,
) -> Work {
    Work { run, limit: None, task: Box::new(task) }
}

/// The next report of any run.
fn report(reports: &Receiver<(u64, End)>) -> (u64, End) {
    reports.recv_timeout(GENEROUS).expect("no report has come")
}

/// Asserts that no further report will come: all who could send have ended.
fn no_more(reports: &Receiver<(u64, End)>) {
    assert!(reports.recv_timeout(GENEROUS).is_err(), "there is another report");
}

/// Work that waits for its flag, and says what it saw.
fn obedient(cancel: &Cancel) -> Result<(), String> {
    match cancel.sleep(GENEROUS) {
        Some(_) => Err("I was asked to end".to_owned()),
        None => Err("nobody has asked me to end".to_owned()),
    }
}

/// Expects: whoever has a `Promise` reports once. If it is dropped without a
/// report, the run was lost.
/// Read: Exactly one report
#[test]
fn a_promise_is_kept_once() {
    let (sender, reports) = channel();
    Promise::new(1, sender.clone()).report(End::Succeeded);
    drop(Promise::new(2, sender));
    assert_eq!(report(&reports), (1, End::Succeeded));
    let (run, end) = report(&reports);
    assert!(run == 2 && matches!(end, End::Failed(_)), "{end:?}");
    no_more(&reports);
}

/// Expects: a flag that was set says why, to whoever looks and to whoever
/// sleeps. The first reason counts.
/// Read: Cancelling is asking
#[test]
fn a_flag_keeps_its_first_reason() {
    let cancel = Cancel::default();
    assert_eq!(cancel.reason(), None);
    assert_eq!(cancel.sleep(Duration::ZERO), None);
    let sleeper = cancel.clone();
    let sleeper = std::thread::spawn(move || sleeper.sleep(GENEROUS));
    cancel.clone().set(Reason::TimedOut);
    cancel.set(Reason::Cancelled);
    assert_eq!(cancel.reason(), Some(Reason::TimedOut), "the first reason");
    assert_eq!(cancel.sleep(GENEROUS), Some(Reason::TimedOut));
    assert_eq!(sleeper.join().unwrap(), Some(Reason::TimedOut));
}

/// Expects: each run is reported once, with what its task has returned.
/// Read: A thread pool
#[test]
fn a_pool_reports_what_tasks_return() {
    let (sender, reports) = channel();
    let pool = ThreadPool::new(2, 10, sender);
    pool.submit(work(1, |_| Ok(()))).unwrap();
    pool.submit(work(2, |_| Err("no such file".to_owned()))).unwrap();
    let mut both = [report(&reports), report(&reports)];
    both.sort_by_key(|(run, _)| *run);
    let failed = End::Failed("no such file".to_owned());
    assert_eq!(both, [(1, End::Succeeded), (2, failed)]);
    pool.shutdown();
    no_more(&reports);
}

/// Expects: as many runs work at once as there are threads, and as many wait
/// as there is room for. Another one is refused at once.
/// Read: A bounded queue
#[test]
fn a_full_pool_refuses_at_once() {
    let (sender, reports) = channel();
    let pool = ThreadPool::new(2, 3, sender);
    let (begun, beginnings) = channel();
    for run in 1..=2 {
        let begun = begun.clone();
        let task = move |cancel: &Cancel| {
            begun.send(()).unwrap();
            obedient(cancel)
        };
        pool.submit(work(run, task)).unwrap();
    }
    for _ in 0..2 {
        beginnings.recv_timeout(GENEROUS).expect("two runs at once");
    }
    for run in 3..=5 {
        pool.submit(work(run, |_| Ok(()))).unwrap();
    }
    assert_eq!(pool.submit(work(6, |_| Ok(()))), Err(Refused::Full));
    assert!(pool.cancel(1) && pool.cancel(2));
    let ends: Vec<_> = (0..5).map(|_| report(&reports).1).collect();
    assert_eq!(ends.iter().filter(|end| **end == End::Cancelled).count(), 2);
    pool.submit(work(7, |_| Ok(()))).unwrap();
    assert_eq!(report(&reports), (7, End::Succeeded));
    pool.shutdown();
}

/// Expects: when a run is reported, its place is free: the pool takes another
/// run at once.
/// Read: A bounded queue
#[test]
fn a_place_is_free_when_its_run_is_reported() {
    let (sender, reports) = channel();
    let pool = ThreadPool::new(1, 1, sender);
    pool.submit(work(1, |_| Ok(()))).unwrap();
    pool.submit(work(2, |_| Ok(()))).unwrap();
    for run in 3..=2000 {
        report(&reports);
        assert_eq!(pool.submit(work(run, |_| Ok(()))), Ok(()), "run {run}");
    }
    pool.shutdown();
}

/// Expects: a panic is a failure of its run. The thread continues with the next
/// one.
/// Read: Panics
#[test]
fn a_panic_is_a_failure_of_one_run() {
    let (sender, reports) = channel();
    let pool = ThreadPool::new(1, 10, sender);
    let number = 7;
    pool.submit(work(1, move |_| panic!("number {number}"))).unwrap();
    pool.submit(work(2, |_| Ok(()))).unwrap();
    let (run, end) = report(&reports);
    let End::Failed(message) = end else { panic!("{end:?}") };
    assert!(run == 1 && message.contains("number 7"), "{message}");
    assert_eq!(report(&reports), (2, End::Succeeded));
    pool.shutdown();
}

/// Expects: a run that is cancelled sees its flag, and is reported as
/// cancelled, whatever it returns.
/// Read: Who sets the flag
#[test]
fn a_cancelled_run_is_asked_to_end() {
    let (sender, reports) = channel();
    let pool = ThreadPool::new(1, 10, sender);
    let (begun, beginnings) = channel();
    pool.submit(work(1, move |cancel| {
        begun.send(()).unwrap();
        obedient(cancel).or(Ok(()))
    }))
    .unwrap();
    beginnings.recv_timeout(GENEROUS).unwrap();
    assert!(pool.cancel(1));
    assert_eq!(report(&reports), (1, End::Cancelled));
    assert!(!pool.cancel(1) && !pool.cancel(99));
    pool.shutdown();
}

/// Expects: a run that is cancelled while it waits for a thread is not begun.
/// Read: Who sets the flag
#[test]
fn a_run_that_waits_can_be_cancelled() {
    let (sender, reports) = channel();
    let pool = ThreadPool::new(1, 10, sender);
    pool.submit(work(1, obedient)).unwrap();
    pool.submit(work(2, |_| panic!("it was cancelled before"))).unwrap();
    assert!(pool.cancel(2) && pool.cancel(1));
    assert_eq!(report(&reports), (1, End::Cancelled));
    assert_eq!(report(&reports), (2, End::Cancelled));
    pool.shutdown();
}

/// Expects: a run that takes longer than its limit is asked to end, also if
/// all threads are busy, and is reported as timed out. The limits of other
/// runs are not its own.
/// Read: Time limits
#[test]
fn a_time_limit_is_kept_by_somebody_else() {
    let (sender, reports) = channel();
    let pool = ThreadPool::new(2, 10, sender);
    let limited = |run, milliseconds| {
        let limit = Some(Duration::from_millis(milliseconds));
        Work { run, limit, task: Box::new(obedient) }
    };
    pool.submit(limited(1, 3_600_000)).unwrap();
    pool.submit(limited(2, 20)).unwrap();
    assert_eq!(report(&reports), (2, End::TimedOut));
    pool.submit(limited(3, 10)).unwrap();
    assert_eq!(report(&reports), (3, End::TimedOut));
    assert!(pool.cancel(1));
    assert_eq!(report(&reports), (1, End::Cancelled));
    let quick = limited(4, 3_600_000);
    pool.submit(Work { task: Box::new(|_| Ok(())), ..quick }).unwrap();
    assert_eq!(report(&reports), (4, End::Succeeded));
    pool.shutdown();
}

/// Expects: a pool that shuts down refuses new runs, does those that it has,
/// and then all its threads have ended.
/// Read: Shutting down
#[test]
fn a_shutdown_finishes_what_was_taken() {
    let (sender, reports) = channel();
    let pool = ThreadPool::new(2, 100, sender);
    for run in 0..50 {
        pool.submit(work(run, |_| Ok(()))).unwrap();
    }
    pool.shutdown();
    assert_eq!(reports.iter().count(), 50);
}

/// A clock at second 0, and instants by their second.
fn clock() -> ManualClock {
    ManualClock::new(at(0))
}

fn at(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(second, 0).unwrap()
}

/// Expects: `Sleep` is pending until its time, and wakes the task that has
/// polled it last.
/// Read: What a future is
#[test]
fn a_sleep_is_pending_until_its_time() {
    let clock = clock();
    let mut executor = Executor::new(&clock);
    let mut sleep = executor.timers().sleep_until(at(10));
    // Polled once by somebody else, whose waker does nothing.
    let mut nobody = Context::from_waker(Waker::noop());
    assert!(Pin::new(&mut sleep).poll(&mut nobody).is_pending());
    executor.spawn(sleep);
    assert_eq!(executor.run(), 0);
    assert_eq!(clock.now(), at(10));
    // A time that has passed is ready at once.
    let mut past = executor.timers().sleep_until(at(5));
    assert!(Pin::new(&mut past).poll(&mut nobody).is_ready());
}

/// Expects: a sleep that is dropped wakes nobody: the executor does not wait
/// for it.
/// Read: What a future is
#[test]
fn a_dropped_sleep_is_forgotten() {
    let clock = clock();
    let mut executor = Executor::new(&clock);
    let timers = executor.timers();
    executor.spawn(async move {
        let mut long = timers.sleep_until(at(1_000_000));
        let mut short = timers.sleep_until(at(10));
        // The first of two that is ready.
        poll_fn(|context| {
            match Pin::new(&mut long).poll(context).is_ready()
                || Pin::new(&mut short).poll(context).is_ready()
            {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        })
        .await;
    });
    assert_eq!(executor.run(), 0);
    assert_eq!(clock.now(), at(10));
}

/// Expects: tasks that sleep take turns on one thread, and each wakes at its
/// time.
/// Read: An executor in sixty lines
#[test]
fn coroutines_take_turns() {
    let clock = clock();
    let log = RefCell::new(Vec::new());
    let mut executor = Executor::new(&clock);
    for (name, period) in [("a", 20), ("b", 35)] {
        let (timers, log, clock) = (executor.timers(), &log, &clock);
        executor.spawn(async move {
            for number in 1..=3 {
                timers.sleep_until(at(number * period)).await;
                log.borrow_mut().push((clock.now().timestamp(), name));
            }
        });
    }
    assert_eq!(executor.run(), 0);
    drop(executor);
    let expected =
        [(20, "a"), (35, "b"), (40, "a"), (60, "a"), (70, "b"), (105, "b")];
    assert_eq!(log.into_inner(), expected);
}

/// Expects: a task is polled again when its waker is called, from any thread,
/// and only then. `run` returns when all others wait without a timer.
/// Read: An executor in sixty lines
#[test]
fn a_task_is_polled_when_it_is_woken() {
    let clock = clock();
    let mut executor = Executor::new(&clock);
    let waker: Arc<Mutex<Option<Waker>>> = Arc::default();
    let (kept, polls) = (waker.clone(), Arc::new(Mutex::new(0)));
    let counted = polls.clone();
    executor.spawn(poll_fn(move |context: &mut Context<'_>| {
        let mut polls = counted.lock().unwrap();
        *polls += 1;
        *kept.lock().unwrap() = Some(context.waker().clone());
        if *polls == 2 { Poll::Ready(()) } else { Poll::Pending }
    }));
    executor.spawn(pending());
    assert_eq!(executor.run(), 2);
    assert_eq!(executor.run(), 2);
    assert_eq!(*polls.lock().unwrap(), 1);
    let waker = waker.lock().unwrap().take().unwrap();
    std::thread::spawn(move || waker.wake()).join().unwrap();
    assert_eq!(executor.run(), 1);
    assert_eq!(*polls.lock().unwrap(), 2);
}

/// Expects: a task that blocks makes all others late, because it does not give
/// the thread back.
/// Read: What blocks, blocks all
#[test]
fn a_coroutine_that_blocks_makes_others_late() {
    let clock = clock();
    let woken = RefCell::new(None);
    let mut executor = Executor::new(&clock);
    let (timers, woken_at, clock) = (executor.timers(), &woken, &clock);
    executor.spawn(async {
        // As if it computed for a minute.
        clock.advance(TimeDelta::seconds(60));
    });
    executor.spawn(async move {
        timers.sleep_until(at(10)).await;
        *woken_at.borrow_mut() = Some(clock.now());
    });
    assert_eq!(executor.run(), 0);
    drop(executor);
    assert_eq!(woken.into_inner(), Some(at(60)));
}

/// Expects: on tokio, success, failure, panic, time limit and cancelling are
/// each reported once. A dropped future ends at its `await`.
/// Read: Tokio
#[test]
fn tokio_reports_every_kind_of_end() {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_time().start_paused(true).build().unwrap();
    let (sender, reports) = channel();
    let executor = TokioExecutor::new(runtime.handle().clone(), sender);
    let seconds = Duration::from_secs;
    let hour = || tokio::time::sleep(Duration::from_secs(3600));
    runtime.block_on(async {
        executor.submit(1, None, async { Ok(()) });
        executor.submit(2, None, async { Err("no".to_owned()) });
        executor.submit(3, None, async { panic!("oh") });
        executor.submit(4, Some(seconds(60)), async move {
            hour().await;
            Ok(())
        });
        executor.submit(5, None, async move {
            hour().await;
            Ok(())
        });
        tokio::time::sleep(seconds(1)).await;
        assert!(executor.cancel(5) && !executor.cancel(1));
        tokio::time::sleep(seconds(100)).await;
    });
    drop((executor, runtime));
    let mut ends: Vec<_> = reports.iter().collect();
    ends.sort_by_key(|(run, _)| *run);
    assert_eq!(ends.len(), 5);
    assert_eq!(ends[0].1, End::Succeeded);
    assert_eq!(ends[1].1, End::Failed("no".to_owned()));
    assert!(
        matches!(&ends[2].1, End::Failed(text) if text.contains("panicked"))
    );
    assert_eq!(ends[3].1, End::TimedOut);
    assert_eq!(ends[4].1, End::Cancelled);
}

/// Expects: a command succeeds if its exit status is 0, and fails with its
/// status otherwise.
/// Read: Processes
#[test]
fn a_command_ends_with_its_status() {
    let cancel = Cancel::default();
    assert_eq!(command("exit 0")(&cancel), Ok(()));
    let error = command("exit 3")(&cancel).unwrap_err();
    assert!(error.contains('3'), "{error}");
    let error = command("kill -TERM $$")(&cancel).unwrap_err();
    assert!(error.contains("15"), "{error}");
}

/// Expects: a command that should end is killed, with the processes that it
/// has started.
/// Read: Processes
#[test]
fn a_command_is_killed_with_its_children() {
    let (sender, reports) = channel();
    let pool = ThreadPool::new(1, 1, sender);
    // A pipe with a name. The shell and `sleep` hold it open as long as they
    // live.
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let pipe = directory.join(format!("killed-{}.pipe", std::process::id()));
    let _ = fs::remove_file(&pipe);
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let line =
        format!("exec >'{}'; sleep 1000 & echo begun; wait", pipe.display());
    pool.submit(Work { run: 1, limit: None, task: command(&line) }).unwrap();
    let mut begun = String::new();
    let mut lines = BufReader::new(File::open(&pipe).unwrap());
    lines.read_line(&mut begun).unwrap();
    assert_eq!(begun, "begun\n");
    assert!(pool.cancel(1));
    assert_eq!(report(&reports), (1, End::Cancelled));
    // It would not end if `sleep` were alive.
    let mut rest = String::new();
    lines.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "");
    pool.shutdown();
    fs::remove_file(pipe).unwrap();
}
