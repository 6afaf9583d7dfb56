//! A fixed number of threads, and a bounded queue of runs that wait for one.

use std::any::Any;
use std::collections::{HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use super::{Cancel, End, Promise, Reason, Refused, Reports, RunId, Work};

// ANCHOR: pool
/// Does work on threads.
#[derive(Debug)]
pub struct ThreadPool {
    shared: Arc<Shared>,
    reports: Reports,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// There is work, or a deadline, or no more will come.
    changed: Condvar,
    /// How many runs there may be: one for each thread, and those that wait.
    places: usize,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<(Work, Promise)>,
    /// Runs that wait or work, each with its flag.
    flags: HashMap<RunId, Cancel>,
    /// When the time limits of runs that work are over.
    deadlines: Vec<(Instant, RunId)>,
    is_stopping: bool,
    working: usize,
}
// ANCHOR_END: pool

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ThreadPool {
    // ANCHOR: new
    /// Starts threads, and one more that watches over time limits. At most
    /// `capacity` runs may wait for a thread.
    pub fn new(threads: usize, capacity: usize, reports: Reports) -> Self {
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            changed: Condvar::new(),
            places: threads + capacity,
        });
        let start = |work: fn(&Shared)| {
            let shared = shared.clone();
            thread::spawn(move || work(&shared))
        };
        let mut started = vec![start(watch)];
        started.extend((0..threads).map(|_| start(work)));
        Self { shared, reports, threads: started }
    }
    // ANCHOR_END: new

    // ANCHOR: submit
    /// Takes a run, or refuses it at once. A run that is taken is reported
    /// exactly once.
    ///
    /// # Errors
    /// If too many runs are waiting, or the pool is shutting down.
    pub fn submit(&self, work: Work) -> Result<(), Refused> {
        let mut state = self.shared.lock();
        if state.is_stopping {
            return Err(Refused::ShuttingDown);
        }
        if state.flags.len() >= self.shared.places {
            return Err(Refused::Full);
        }
        let promise = Promise::new(work.run, self.reports.clone());
        state.flags.insert(work.run, Cancel::default());
        state.waiting.push_back((work, promise));
        self.shared.changed.notify_all();
        Ok(())
    }
    // ANCHOR_END: submit

    // ANCHOR: cancel
    /// Asks a run to end. One that waits for a thread is not begun. Returns
    /// `false` if the pool does not have this run.
    pub fn cancel(&self, run: RunId) -> bool {
        let flag = self.shared.lock().flags.get(&run).cloned();
        flag.is_some_and(|flag| {
            flag.set(Reason::Cancelled);
            true
        })
    }
    // ANCHOR_END: cancel

    // ANCHOR: shutdown
    /// Takes no more runs, does those that it has, and ends.
    pub fn shutdown(self) {
        self.shared.lock().is_stopping = true;
        self.shared.changed.notify_all();
        for thread in self.threads {
            // What a task does is caught, so the thread has not panicked.
            let _ = thread.join();
        }
    }
    // ANCHOR_END: shutdown
}

// ANCHOR: work
/// What each thread does: run after run.
fn work(shared: &Shared) {
    while let Some((work, promise, flag)) = take(shared) {
        let run = work.run;
        let end = match flag.reason() {
            // Cancelled while it was waiting.
            Some(reason) => reason.into(),
            None => execute(work, &flag),
        };
        let mut state = shared.lock();
        state.flags.remove(&run);
        state.deadlines.retain(|deadline| deadline.1 != run);
        state.working -= 1;
        drop(state);
        shared.changed.notify_all();
        promise.report(end);
    }
}

/// Waits for a run. `None` if no more will come.
fn take(shared: &Shared) -> Option<(Work, Promise, Cancel)> {
    let idle =
        |state: &mut State| state.waiting.is_empty() && !state.is_stopping;
    let woken = shared.changed.wait_while(shared.lock(), idle);
    let mut state = woken.unwrap_or_else(PoisonError::into_inner);
    let (work, promise) = state.waiting.pop_front()?;
    let flag = state.flags.get(&work.run).cloned().unwrap_or_default();
    state.working += 1;
    if let Some(limit) = work.limit {
        state.deadlines.push((Instant::now() + limit, work.run));
        shared.changed.notify_all();
    }
    Some((work, promise, flag))
}

/// Does the work of a run. Returns how it has ended.
fn execute(work: Work, flag: &Cancel) -> End {
    let done = catch_unwind(AssertUnwindSafe(|| (work.task)(flag)));
    match (done, flag.reason()) {
        (Err(panic), _) => End::Failed(message(&*panic)),
        (Ok(_), Some(reason)) => reason.into(),
        (Ok(Ok(())), None) => End::Succeeded,
        (Ok(Err(error)), None) => End::Failed(error),
    }
}

/// Returns what a panic says.
fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    format!("panicked: {}", text.unwrap_or_default())
}
// ANCHOR_END: work

// ANCHOR: watch
/// Sets the flag of each run whose time limit is over, until the pool ends.
fn watch(shared: &Shared) {
    let mut state = shared.lock();
    while !(state.is_stopping && state.working == 0 && state.waiting.is_empty())
    {
        let now = Instant::now();
        let State { deadlines, flags, .. } = &mut *state;
        deadlines.retain(|(deadline, run)| {
            let is_over = *deadline <= now;
            if is_over && let Some(flag) = flags.get(run) {
                flag.set(Reason::TimedOut);
            }
            !is_over
        });
        let next = state.deadlines.iter().map(|(deadline, _)| *deadline).min();
        state = match next {
            Some(next) => {
                let wait = next.saturating_duration_since(now);
                let woken = shared.changed.wait_timeout(state, wait);
                woken.unwrap_or_else(PoisonError::into_inner).0
            }
            None => {
                let woken = shared.changed.wait(state);
                woken.unwrap_or_else(PoisonError::into_inner)
            }
        };
    }
}
// ANCHOR_END: watch
