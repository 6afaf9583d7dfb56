//! Exercises 1 and 2 of chapter 6: solutions, and tests below them. To test
//! your own, copy this file to `starter/tests` and replace what is above the
//! line.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::mpsc::channel;
use std::task::{Poll, Waker};
use std::time::Duration;

use chrono::DateTime;
use scheduler::coroutine::{Executor, Sleep};
use scheduler::executor::{Cancel, End, Task, ThreadPool, Work};
use scheduler::run_loop::ManualClock;

/// Exercise 1: a task that is tried again, up to `attempts` times, with a
/// pause between two attempts. It gives up at once when it is cancelled, also
/// during a pause.
fn retried(
    attempts: u32,
    pause: Duration,
    mut task: impl FnMut(&Cancel) -> Result<(), String> + Send + 'static,
) -> Task {
    Box::new(move |cancel| {
        let mut last = task(cancel);
        for _ in 1..attempts {
            if last.is_ok() || cancel.sleep(pause).is_some() {
                break;
            }
            last = task(cancel);
        }
        last
    })
}

/// Exercise 2: a channel between coroutines of one thread.
struct Channel<T>(Rc<RefCell<(VecDeque<T>, Option<Waker>)>>);

impl<T> Channel<T> {
    fn new() -> Self {
        Self(Rc::new(RefCell::new((VecDeque::new(), None))))
    }

    fn clone(&self) -> Self {
        Self(self.0.clone())
    }

    fn send(&self, value: T) {
        let mut inner = self.0.borrow_mut();
        inner.0.push_back(value);
        if let Some(waker) = inner.1.take() {
            waker.wake();
        }
    }

    async fn receive(&self) -> T {
        poll_fn(|context| {
            let mut inner = self.0.borrow_mut();
            match inner.0.pop_front() {
                Some(value) => Poll::Ready(value),
                None => {
                    inner.1 = Some(context.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }
}

/// Exercise 3: the first of a future and a sleep. `None` if the time is over.
async fn within<T>(
    mut sleep: Sleep,
    future: impl Future<Output = T>,
) -> Option<T> {
    let mut future = std::pin::pin!(future);
    poll_fn(|context| {
        if let Poll::Ready(value) = future.as_mut().poll(context) {
            return Poll::Ready(Some(value));
        }
        Pin::new(&mut sleep).poll(context).map(|()| None)
    })
    .await
}

// ---------------------------------------------------------------------------

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
