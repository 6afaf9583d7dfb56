//! A stranger's executor passes the suite: a thread for each run, in some sixty lines.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use matins_core::{CancelToken, Completion, Executor, Refusal, Refused, RunId, RunRequest, Shutdown};
use matins_executor_limit::TimeLimits;

const GRACE: Duration = Duration::from_secs(1);

struct ThreadPerRun {
    at_once: usize,
    room: usize,
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    limits: TimeLimits,
}

#[derive(Default)]
struct State {
    taken: HashMap<RunId, CancelToken>,
    /// Reported, and still busy.
    left: HashSet<RunId>,
    working: usize,
    closed: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait(&self, limit: Duration, is_so: impl Fn(&State) -> bool) -> bool {
        let until = Instant::now().checked_add(limit);
        let mut state = self.lock();
        while !is_so(&state) {
            let rest = until.map_or(Duration::MAX, |until| until.saturating_duration_since(Instant::now()));
            if rest.is_zero() {
                return false;
            }
            state = self.changed.wait_timeout(state, rest).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    fn work(self: Arc<Self>, at_once: usize, run: RunRequest, done: Completion) {
        let id = run.run;
        self.wait(Duration::MAX, |state| state.working < at_once);
        self.lock().working += 1;
        let shared = self.clone();
        let leave = move || {
            shared.lock().left.insert(id);
            shared.changed.notify_all();
        };
        let ended = self.limits.execute(run, done, leave);
        let mut state = self.lock();
        state.working -= 1;
        state.taken.remove(&id);
        state.left.remove(&id);
        drop(state);
        self.changed.notify_all();
        if let Some((report, done)) = ended {
            done.finish(report);
        }
    }
}

impl Executor for ThreadPerRun {
    fn submit(&mut self, run: RunRequest, done: Completion) -> Result<(), Refused> {
        let mut state = self.shared.lock();
        let reason = if state.closed { Refusal::ShutDown } else { Refusal::Full };
        if state.closed || state.taken.len() >= self.room {
            return Err(Refused { reason, done });
        }
        state.taken.insert(run.run, run.cancel.clone());
        drop(state);
        let (shared, at_once) = (self.shared.clone(), self.at_once);
        thread::spawn(move || shared.work(at_once, run, done));
        Ok(())
    }

    fn shutdown(&mut self, how: Shutdown) -> Vec<RunId> {
        self.shared.lock().closed = true;
        let is_idle = |state: &State| state.taken.len() <= state.left.len();
        let patience = match how {
            Shutdown::Wait => Duration::MAX,
            Shutdown::Deadline(time) => time,
            _ => Duration::ZERO,
        };
        if !self.shared.wait(patience, is_idle) {
            let tokens: Vec<CancelToken> = self.shared.lock().taken.values().cloned().collect();
            tokens.iter().for_each(CancelToken::cancel);
            self.shared.wait(GRACE, is_idle);
        }
        self.shared.lock().taken.keys().copied().collect()
    }
}

impl Drop for ThreadPerRun {
    fn drop(&mut self) {
        self.shutdown(Shutdown::Now);
    }
}

matins_conformance::executor_suite!(|limits| {
    let limits_of_runs = TimeLimits::new(GRACE);
    let shared = Shared { state: Mutex::default(), changed: Condvar::new(), limits: limits_of_runs };
    ThreadPerRun { at_once: limits.at_once, room: limits.at_once + limits.waiting, shared: Arc::new(shared) }
});
