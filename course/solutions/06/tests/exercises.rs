//! Exercises of chapter 6: our solutions.
//!
//! Exercise 4, left behind: the watching thread takes the promise after the
//! ten seconds, and reports. So promises are kept in the state, beside the
//! flags, and whoever takes one out first may report. The thread comes back
//! with a run that nobody waits for, and takes the next one. If all threads
//! are lost in this way, the pool can start others, up to a limit, and then
//! refuse work. It must not refuse silently: the log should say which runs
//! hold the threads.
//!
//! Exercise 5, waiting without looking: a second thread calls `child.wait()`
//! and then sends its status over a channel. The flag sends to the same
//! channel, so `set` needs a list of callbacks. A thread that waits for a
//! process is cheap, and no longer late by five milliseconds.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

use scheduler::coroutine::Sleep;
use scheduler::executor::{Cancel, Task};

#[path = "../../../tests/exercises_06.rs"]
mod tests;

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
