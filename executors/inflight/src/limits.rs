//! Time limits for work that cannot be stopped from outside: a thread that watches what runs too long.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use matins_core::{CancelReason, Completion, Outcome, RunReport, RunRequest};

/// How long the watching thread stays when there is nothing to watch.
const LINGER: Duration = Duration::from_secs(5);

/// Watches the runs of one executor. The thread that does is started on need, and ends when this is dropped.
pub(crate) struct TimeLimits {
    grace: Duration,
    shared: Arc<Shared>,
    watcher: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// What is to be done when, in order; the number tells those of one instant apart.
    watched: BTreeMap<(Instant, u64), Watched>,
    next_number: u64,
    is_watched: bool,
    closed: bool,
}

struct Watched {
    run: Arc<RunRequest>,
    limit: Duration,
    end: Arc<End>,
    is_cancelled: bool,
}

/// The one report of a run, which its thread and the watcher both may make.
struct End {
    done: Mutex<Option<Completion>>,
    leave: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

impl End {
    fn take(&self) -> Option<Completion> {
        self.done.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl TimeLimits {
    /// Runs that are told to stop have `grace` to return.
    pub(crate) fn new(grace: Duration) -> Self {
        Self { grace, shared: Arc::default(), watcher: Mutex::default() }
    }

    /// Does the work of a run on this thread, under its time limit.
    ///
    /// Answers with the report and the promise to keep with it; `None` for a run that was left behind, whose report was
    /// made then. `leave` is called just before that report.
    pub(crate) fn execute(
        &self,
        run: RunRequest,
        done: Completion,
        leave: impl FnOnce() + Send + 'static,
    ) -> Option<(RunReport, Completion)> {
        let Some(limit) = run.time_limit else { return Some((run.execute(), done)) };
        let run = Arc::new(run);
        let end = Arc::new(End { done: Mutex::new(Some(done)), leave: Mutex::new(Some(Box::new(leave))) });
        let watched = Watched { run: run.clone(), limit, end: end.clone(), is_cancelled: false };
        let place = self.watch(watched);
        let report = run.execute();
        let done = end.take();
        if let Some(place) = place {
            // One that was told to stop has moved, and is dropped when its turn comes.
            self.shared.lock().watched.remove(&place);
        }
        done.map(|done| (report, done))
    }

    /// Watches a run; where it stands in the order. `None` where its limit lies beyond what the system's clock can hold.
    fn watch(&self, watched: Watched) -> Option<(Instant, u64)> {
        let at = Instant::now().checked_add(watched.limit)?;
        let mut state = self.shared.lock();
        let number = state.next_number;
        state.next_number += 1;
        let is_first = state.watched.first_key_value().is_none_or(|((first, _), _)| at < *first);
        state.watched.insert((at, number), watched);
        if !state.is_watched {
            state.is_watched = true;
            let (shared, grace) = (self.shared.clone(), self.grace);
            let started =
                thread::Builder::new().name("matins-limits".to_owned()).spawn(move || shared.watch(grace));
            match started {
                Ok(thread) => {
                    *self.watcher.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread);
                }
                // The next run tries again; until then limits are not kept, and work goes on.
                Err(_) => state.is_watched = false,
            }
        } else if is_first {
            self.shared.changed.notify_one();
        }
        Some((at, number))
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the watching thread does.
    fn watch(&self, grace: Duration) {
        let mut state = self.lock();
        while !state.closed {
            let first = state.watched.keys().next().copied();
            let wait = first.map_or(LINGER, |(at, _)| at.saturating_duration_since(Instant::now()));
            if let Some(key) = first.filter(|_| wait.is_zero()) {
                let Some(watched) = state.watched.remove(&key) else { continue };
                drop(state);
                let again = watched.come(grace);
                state = self.lock();
                if let Some((at, watched)) = again {
                    state.watched.insert((at, key.1), watched);
                }
                continue;
            }
            let (guard, timeout) =
                self.changed.wait_timeout(state, wait).unwrap_or_else(PoisonError::into_inner);
            state = guard;
            if timeout.timed_out() && state.watched.is_empty() {
                break;
            }
        }
        state.is_watched = false;
    }
}

impl Watched {
    /// Its time has come: it is told to stop, or left behind. When to come again.
    fn come(mut self, grace: Duration) -> Option<(Instant, Self)> {
        if !self.is_cancelled {
            self.is_cancelled = true;
            self.run.cancel.cancel_because(CancelReason::TimeLimit(self.limit));
            return Some((Instant::now().checked_add(grace)?, self));
        }
        let done = {
            // The run's thread, should it end just now, hears of both or of neither.
            let mut done = self.end.done.lock().unwrap_or_else(PoisonError::into_inner);
            let taken = done.take()?;
            if let Some(leave) = self.end.leave.lock().unwrap_or_else(PoisonError::into_inner).take() {
                leave();
            }
            taken
        };
        let message = format!(
            "it ran longer than its limit of {:?}, and did not stop when it was told to: its thread is busy until it does",
            self.limit
        );
        done.finish(self.run.ended(None, Outcome::TimedOut, Some(message)));
        None
    }
}

impl Drop for TimeLimits {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.changed.notify_all();
        if let Some(watcher) = self.watcher.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // The last one to hold this may be the watcher itself.
            if watcher.thread().id() != thread::current().id() {
                let _ = watcher.join();
            }
        }
    }
}

impl fmt::Debug for TimeLimits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let watched = self.shared.lock().watched.len();
        f.debug_struct("TimeLimits")
            .field("grace", &self.grace)
            .field("watched", &watched)
            .finish_non_exhaustive()
    }
}
