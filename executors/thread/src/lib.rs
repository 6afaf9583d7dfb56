//! An executor that runs tasks on a pool of threads.
//!
//! Threads are started on need, up to a limit, and end when they have been idle for a while. Runs that find all of
//! them busy wait in a queue with a limit of its own; beyond that they are refused, and the scheduler records them as
//! missed. A panic ends the run, not the thread.
//!
//! A thread cannot be stopped from outside. Cancelling a run, or the end of its time limit, sets its [`CancelToken`], which
//! long work should look at; shutting down waits for it only as long as asked. A run that does not heed its time limit is
//! reported as timed out after a grace, and left behind: it keeps its thread, one of the limited number, until it returns.
//!
//! ```
//! use matins_executor_thread::ThreadExecutor;
//!
//! let executor = ThreadExecutor::builder().workers(4).queue(1000).build();
//! # drop(executor);
//! ```

#[cfg(test)]
mod interleavings;
mod sync;

use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use matins_core::{CancelToken, Completion, Executor, Refusal, Refused, RunId, RunRequest, Shutdown};
use matins_executor_limit::TimeLimits;

use sync::{Arc, Builder, Condvar, JoinHandle, Mutex, MutexGuard};

/// Runs tasks on a pool of threads. See the [crate's page](crate).
pub struct ThreadExecutor {
    pool: Arc<Pool>,
    settings: Settings,
    /// By number.
    threads: HashMap<usize, JoinHandle<()>>,
    next_thread: usize,
}

/// How large a [`ThreadExecutor`] may get.
#[derive(Debug, Clone)]
#[must_use]
pub struct ThreadExecutorBuilder {
    settings: Settings,
}

#[derive(Debug, Clone)]
struct Settings {
    workers: usize,
    queue: usize,
    idle: Duration,
    cancel_grace: Duration,
}

impl Default for ThreadExecutorBuilder {
    fn default() -> Self {
        let settings = Settings {
            workers: 10,
            queue: 100_000,
            idle: Duration::from_secs(10),
            cancel_grace: Duration::from_secs(5),
        };
        Self { settings }
    }
}

impl ThreadExecutorBuilder {
    /// At most this many threads, and so runs at once; 0 counts as 1. Default: 10.
    pub fn workers(mut self, workers: usize) -> Self {
        self.settings.workers = workers.max(1);
        self
    }

    /// At most this many runs that wait for a thread: 0 refuses whatever finds no thread, `usize::MAX` is a waiting room
    /// without end. Default: 100,000.
    pub fn queue(mut self, queue: usize) -> Self {
        self.settings.queue = queue;
        self
    }

    /// A thread ends after it has had nothing to do for this long. Default: 10 seconds.
    pub fn idle_timeout(mut self, idle: Duration) -> Self {
        self.settings.idle = idle;
        self
    }

    /// How long runs that were cancelled, or are over their time limit, have to return before they are left behind.
    /// Default: 5 seconds.
    pub fn cancel_grace(mut self, grace: Duration) -> Self {
        self.settings.cancel_grace = grace;
        self
    }

    /// The executor. Its threads are started when runs come.
    pub fn build(self) -> ThreadExecutor {
        let limits = TimeLimits::new(self.settings.cancel_grace);
        let pool =
            Arc::new(Pool { state: Mutex::default(), work: Condvar::new(), ended: Condvar::new(), limits });
        ThreadExecutor { pool, settings: self.settings, threads: HashMap::new(), next_thread: 0 }
    }
}

struct Pool {
    state: Mutex<State>,
    /// A run was queued, or the pool was closed.
    work: Condvar,
    /// A thread ended, or a run was left behind.
    ended: Condvar,
    limits: TimeLimits,
}

#[derive(Default)]
struct State {
    queue: VecDeque<(RunRequest, Completion)>,
    running: HashMap<RunId, CancelToken>,
    threads: usize,
    idle: usize,
    /// Threads at a run. They leave it before they report, so that whoever hears of it finds room.
    busy: usize,
    /// The numbers of threads that have ended since one was last started.
    ended: Vec<usize>,
    /// Runs over their time limit that have been reported, and whose threads are still busy with them.
    left: HashSet<RunId>,
    closed: bool,
}

impl Pool {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What each thread does.
    fn work(self: &Arc<Self>, number: usize, idle_timeout: Duration) {
        let mut state = self.lock();
        loop {
            if let Some((run, done)) = state.queue.pop_front() {
                let id = run.run;
                state.running.insert(id, run.cancel.clone());
                state.busy += 1;
                drop(state);
                let pool = Arc::downgrade(self);
                let leave = move || pool.upgrade().into_iter().for_each(|pool| pool.leave(id));
                let ended = self.limits.execute(run, done, leave);
                self.lock().busy -= 1;
                if let Some((report, done)) = ended {
                    done.finish(report);
                }
                state = self.lock();
                state.running.remove(&id);
                state.left.remove(&id);
                continue;
            }
            if state.closed {
                break;
            }
            state.idle += 1;
            let (guard, timeout) =
                self.work.wait_timeout(state, idle_timeout).unwrap_or_else(PoisonError::into_inner);
            state = guard;
            state.idle -= 1;
            if timeout.timed_out() && state.queue.is_empty() {
                break;
            }
        }
        state.threads -= 1;
        state.ended.push(number);
        self.ended.notify_all();
    }
}

impl Pool {
    fn leave(&self, run: RunId) {
        self.lock().left.insert(run);
        self.ended.notify_all();
    }
}

impl ThreadExecutor {
    /// An executor with the default limits: 10 threads, 100,000 runs that wait.
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// An executor with limits of one's own.
    pub fn builder() -> ThreadExecutorBuilder {
        ThreadExecutorBuilder::default()
    }

    /// Starts a thread in the place of those that have ended; whether the system let us.
    fn start_thread(&mut self, state: &mut State) -> bool {
        for number in state.ended.drain(..) {
            self.threads.remove(&number);
        }
        let (pool, number, idle) = (self.pool.clone(), self.next_thread, self.settings.idle);
        self.next_thread += 1;
        let thread = Builder::new().name("matins-worker".to_owned());
        let started = thread.spawn(move || pool.work(number, idle));
        started.map(|thread| self.threads.insert(number, thread)).is_ok()
    }

    /// Waits until all threads have ended but those that were left behind, at most until `deadline`.
    fn wait(&self, deadline: Option<Instant>) -> bool {
        let mut state = self.pool.lock();
        while state.threads > state.left.len() {
            state = match deadline.map(|deadline| deadline.saturating_duration_since(Instant::now())) {
                Some(Duration::ZERO) => return false,
                Some(rest) => {
                    self.pool.ended.wait_timeout(state, rest).unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.pool.ended.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
        true
    }

    fn cancel_all(&self) {
        let tokens: Vec<CancelToken> = {
            let state = self.pool.lock();
            let queued = state.queue.iter().map(|(run, _)| run.cancel.clone());
            state.running.values().cloned().chain(queued).collect()
        };
        tokens.iter().for_each(CancelToken::cancel);
    }
}

impl Default for ThreadExecutor {
    fn default() -> Self {
        Self::new()
    }
}

impl Executor for ThreadExecutor {
    fn submit(&mut self, run: RunRequest, done: Completion) -> Result<(), Refused> {
        let pool = self.pool.clone();
        let mut state = pool.lock();
        if state.closed {
            return Err(Refused { reason: Refusal::ShutDown, done });
        }
        let needs_thread = state.idle <= state.queue.len() && state.threads < self.settings.workers;
        let room = self.settings.queue.saturating_add(self.settings.workers.saturating_sub(state.busy));
        if state.queue.len() >= room {
            return Err(Refused { reason: Refusal::Full, done });
        }
        if needs_thread {
            state.threads += 1;
            if !self.start_thread(&mut state) {
                state.threads -= 1;
                if state.threads == 0 {
                    return Err(Refused { reason: Refusal::Full, done });
                }
            }
        }
        state.queue.push_back((run, done));
        drop(state);
        pool.work.notify_one();
        Ok(())
    }

    fn shutdown(&mut self, how: Shutdown) -> Vec<RunId> {
        self.pool.lock().closed = true;
        self.pool.work.notify_all();
        let all_ended = match how {
            Shutdown::Wait => self.wait(None),
            Shutdown::Deadline(time) => self.wait(Instant::now().checked_add(time)),
            _ => false,
        };
        if !all_ended {
            self.cancel_all();
            self.wait(Instant::now().checked_add(self.settings.cancel_grace));
        }
        let left: Vec<RunId> = self.pool.lock().running.keys().copied().collect();
        for (_, thread) in self.threads.drain() {
            // One that does not heed its token is left to end by itself; it holds nothing but its run.
            if left.is_empty() {
                let _ = thread.join();
            }
        }
        left
    }
}

impl Drop for ThreadExecutor {
    /// Cancels what runs, and waits for it as long as [`cancel_grace`](ThreadExecutorBuilder::cancel_grace) says.
    fn drop(&mut self) {
        self.shutdown(Shutdown::Now);
    }
}

impl fmt::Debug for ThreadExecutor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.pool.lock();
        f.debug_struct("ThreadExecutor")
            .field("settings", &self.settings)
            .field("threads", &state.threads)
            .field("running", &state.running.len())
            .field("queued", &state.queue.len())
            .finish_non_exhaustive()
    }
}
