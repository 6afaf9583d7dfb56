//! The tests of the exercises of chapter 6.

use std::cell::RefCell;
use std::sync::mpsc::channel;
use std::time::Duration;

use chrono::DateTime;
use scheduler::coroutine::Executor;
use scheduler::executor::{Cancel, End, ThreadPool, Work};
use scheduler::run_loop::ManualClock;

use super::{Channel, retried, within};

#[test]
fn a_task_is_tried_again() {
    let (sender, reports) = channel();
    let pool = ThreadPool::new(1, 10, sender);
    let mut attempt = 0;
    let third = move |_: &Cancel| {
        attempt += 1;
        if attempt == 3 { Ok(()) } else { Err(format!("attempt {attempt}")) }
    };
    let submit = |run, task| pool.submit(Work { run, limit: None, task });
    submit(1, retried(3, Duration::ZERO, third)).unwrap();
    submit(2, retried(2, Duration::ZERO, third)).unwrap();
    let hour = Duration::from_secs(3600);
    submit(3, retried(2, hour, third)).unwrap();
    assert_eq!(reports.recv().unwrap(), (1, End::Succeeded));
    let failed = End::Failed("attempt 2".to_owned());
    assert_eq!(reports.recv().unwrap(), (2, failed));
    assert!(pool.cancel(3));
    assert_eq!(reports.recv().unwrap(), (3, End::Cancelled));
    pool.shutdown();
}

#[test]
fn coroutines_talk_over_a_channel() {
    let clock = ManualClock::new(DateTime::UNIX_EPOCH);
    let at = |second| DateTime::from_timestamp(second, 0).unwrap();
    let (channel, received) = (Channel::new(), RefCell::new(Vec::new()));
    let mut executor = Executor::new(&clock);
    let (timers, sender) = (executor.timers(), channel.clone());
    executor.spawn(async {
        for _ in 0..3 {
            let value = channel.receive().await;
            received.borrow_mut().push(value);
        }
    });
    executor.spawn(async move {
        for second in 1..=3 {
            timers.sleep_until(at(second)).await;
            sender.send(second);
        }
    });
    assert_eq!(executor.run(), 0);
    drop(executor);
    assert_eq!(received.into_inner(), [1, 2, 3]);
}

#[test]
fn a_time_limit_drops_the_future() {
    let clock = ManualClock::new(DateTime::UNIX_EPOCH);
    let at = |second| DateTime::from_timestamp(second, 0).unwrap();
    let ends = RefCell::new(Vec::new());
    let mut executor = Executor::new(&clock);
    let (timers, ends_seen) = (executor.timers(), &ends);
    executor.spawn(async move {
        for limit in [5, 50] {
            let work = timers.sleep_until(at(20));
            let end = within(timers.sleep_until(at(limit)), work).await;
            ends_seen.borrow_mut().push(end);
        }
    });
    assert_eq!(executor.run(), 0);
    drop(executor);
    assert_eq!(ends.into_inner(), [None, Some(())]);
}
