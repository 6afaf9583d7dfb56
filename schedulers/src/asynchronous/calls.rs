//! Threads on which the calls of async handles wait: for a store, or for another call.
//!
//! They are not those of the runtime's blocking pool. That pool has a limit, and its threads may all be taken by jobs: then the
//! call that would end these jobs would wait for them.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// A thread ends after it has had nothing to do for this long.
const LINGER: Duration = Duration::from_secs(5);

type Call = Box<dyn FnOnce() + Send>;

struct Calls {
    waiting: VecDeque<Call>,
    /// Threads that have nothing to do.
    idle: usize,
}

static CALLS: Mutex<Calls> = Mutex::new(Calls { waiting: VecDeque::new(), idle: 0 });
static CAME: Condvar = Condvar::new();

fn calls() -> MutexGuard<'static, Calls> {
    CALLS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Does `work` on a thread that may block, even if the returned future is dropped. A panic of it is the awaiting task's.
pub(super) async fn unblocked<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (sender, receiver) = oneshot::channel();
    submit(Box::new(move || {
        // Nobody listens any more where the future was dropped.
        let _ = sender.send(catch_unwind(AssertUnwindSafe(work)));
    }));
    match receiver.await {
        Ok(Ok(value)) => value,
        Ok(Err(panic)) => resume_unwind(panic),
        Err(_) => unreachable!("a call that was submitted is made, and what it comes to is sent"),
    }
}

fn submit(call: Call) {
    let has_thread = {
        let mut calls = calls();
        calls.waiting.push_back(call);
        calls.idle >= calls.waiting.len()
    };
    if has_thread {
        CAME.notify_one();
    } else if thread::Builder::new().name("matins-call".to_owned()).spawn(serve).is_err() {
        // The system starts no thread: then the caller's makes the calls.
        while let Some(call) = next() {
            call();
        }
    }
}

fn next() -> Option<Call> {
    calls().waiting.pop_front()
}

/// What each thread does.
fn serve() {
    loop {
        while let Some(call) = next() {
            call();
        }
        let mut calls = calls();
        calls.idle += 1;
        let waited = CAME.wait_timeout_while(calls, LINGER, |calls| calls.waiting.is_empty());
        let (mut calls, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        calls.idle -= 1;
        if timeout.timed_out() && calls.waiting.is_empty() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    const GENEROUS: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn calls_that_block_hold_up_no_others() {
        let (go, let_go) = mpsc::channel::<()>();
        let let_go = std::sync::Arc::new(Mutex::new(let_go));
        let blocked: Vec<_> = (0..100)
            .map(|number| {
                let let_go = let_go.clone();
                tokio::spawn(unblocked(move || {
                    let _ = let_go.lock().unwrap_or_else(PoisonError::into_inner).recv_timeout(GENEROUS);
                    number
                }))
            })
            .collect();
        assert_eq!(unblocked(|| 6 * 7).await, 42);
        drop(go);
        for (number, call) in blocked.into_iter().enumerate() {
            assert_eq!(call.await.unwrap(), number);
        }
    }

    #[tokio::test]
    async fn a_panic_of_a_call_is_that_of_whoever_awaits_it() {
        let call = tokio::spawn(unblocked(|| panic!("out of luck")));
        assert!(call.await.unwrap_err().is_panic());
        assert_eq!(unblocked(|| 1).await, 1);
    }
}
