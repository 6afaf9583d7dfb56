//! A fixed number of threads, and a bounded queue of runs that wait for one.

use std::any::Any;
use std::collections::{HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use super::{Cancel, End, Promise, Reason, Refused, Reports, RunId, Work};

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

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ThreadPool {
    /// Starts threads, and one more that watches over time limits. At most
    /// `capacity` runs may wait for a thread.
    pub fn new(threads: usize, capacity: usize, reports: Reports) -> Self {
        unimplemented!("chapter 6: start the threads")
    }

    /// Takes a run, or refuses it at once. A run that is taken is reported
    /// exactly once.
    ///
    /// # Errors
    /// If too many runs are waiting, or the pool is shutting down.
    pub fn submit(&self, work: Work) -> Result<(), Refused> {
        unimplemented!("chapter 6: refuse, or put it in the queue")
    }

    /// Asks a run to end. One that waits for a thread is not begun. Returns
    /// `false` if the pool does not have this run.
    pub fn cancel(&self, run: RunId) -> bool {
        unimplemented!("chapter 6: set the flag of the run")
    }

    /// Takes no more runs, does those that it has, and ends.
    pub fn shutdown(self) {
        unimplemented!("chapter 6: no more runs, then join the threads")
    }
}

/// What each thread does: run after run.
fn work(shared: &Shared) {
    unimplemented!("chapter 6: take a run, execute it, report, again")
}

/// Waits for a run. `None` if no more will come.
fn take(shared: &Shared) -> Option<(Work, Promise, Cancel)> {
    unimplemented!("chapter 6: wait until there is a run")
}

/// Does the work of a run. Returns how it has ended.
fn execute(work: Work, flag: &Cancel) -> End {
    unimplemented!("chapter 6: call the task, catch its panic")
}

/// Returns what a panic says.
fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    format!("panicked: {}", text.unwrap_or_default())
}

/// Sets the flag of each run whose time limit is over, until the pool ends.
fn watch(shared: &Shared) {
    unimplemented!("chapter 6: set the flags of runs whose limit is over")
}
