//! What a run that is told to stop has asked to be called.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::thread;

#[cfg(doc)]
use crate::CancelToken;
use crate::panics::{caught, drop_caught};

/// At most this many threads call what was registered with [`CancelToken::on_cancel`], so that many runs that are cancelled
/// together do not start a thread each.
const MOST_THREADS: usize = 64;

pub(crate) type Callback = Box<dyn FnOnce() + Send>;

/// What was registered with [`CancelToken::on_cancel`] or [`on_shutdown`](CancelToken::on_shutdown) and has not been called: see
/// [`CancelToken::set`] and [`CancelToken::release`].
#[derive(Default)]
#[must_use = "what was registered for a cancelled run is not called unless this is"]
pub struct CancelCallbacks(pub(crate) Vec<Callback>);

impl CancelCallbacks {
    /// Returns whether nothing is left to call.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Calls all of them on this thread. One that panics does not keep the others from being called.
    pub fn call(self) {
        self.0.into_iter().for_each(caught);
    }

    /// Drops all of them, and calls none. One whose drop panics does not keep the others from being dropped.
    pub fn discard(self) {
        self.0.into_iter().for_each(drop_caught);
    }

    /// Calls all of them on a thread that does nothing else, and does not wait for it. Where the system starts no thread, the
    /// calling thread calls them.
    pub fn call_in_background(self) {
        static CALLS: Mutex<Calls> = Mutex::new(Calls { waiting: VecDeque::new(), threads: 0 });
        if self.is_empty() {
            return;
        }
        let lock = || CALLS.lock().unwrap_or_else(PoisonError::into_inner);
        let work = move || {
            loop {
                let next = {
                    let mut calls = lock();
                    let next = calls.waiting.pop_front();
                    calls.threads -= usize::from(next.is_none());
                    next
                };
                let Some(callbacks) = next else { return };
                callbacks.call();
            }
        };
        {
            let mut calls = lock();
            calls.waiting.push_back(self);
            if calls.threads >= MOST_THREADS {
                return;
            }
            calls.threads += 1;
        }
        if thread::Builder::new().name("matins-cancel".to_owned()).spawn(work).is_err() {
            work();
        }
    }
}

/// What waits to be called in the background.
struct Calls {
    waiting: VecDeque<CancelCallbacks>,
    threads: usize,
}

impl FromIterator<CancelCallbacks> for CancelCallbacks {
    fn from_iter<I: IntoIterator<Item = Self>>(all: I) -> Self {
        Self(all.into_iter().flat_map(|callbacks| callbacks.0).collect())
    }
}

impl fmt::Debug for CancelCallbacks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CancelCallbacks").field(&self.0.len()).finish()
    }
}
