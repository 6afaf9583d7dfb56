//! An executor that runs tasks on a rayon pool, for work that keeps a processor busy.
//!
//! A task that uses `par_iter`, `join` or `scope` shares the pool with all others: its parts are stolen by threads that have
//! nothing else to do, and no more threads than processors compete. For tasks that mostly wait (for a disk, a server, a
//! child process) the thread executor is the better one: here a task that waits keeps a processor's thread.
//!
//! A thread cannot be stopped from outside. Cancelling a run, or the end of its time limit, sets its [`CancelToken`], which
//! long work should look at; shutting down waits for it only as long as asked. A run that does not heed its time limit is
//! reported as timed out after a grace, and left behind: it keeps a thread of the pool until it returns.
//!
//! ```
//! use matins_executor_rayon::RayonExecutor;
//!
//! // A pool of its own, a thread for each processor:
//! let own = RayonExecutor::builder().build().unwrap();
//! // The pool that the program's other rayon calls use:
//! let shared = RayonExecutor::global();
//! # drop((own, shared));
//! ```

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use matins_core::{CancelToken, Completion, Executor, Refusal, Refused, RunId, RunRequest, Shutdown};
use matins_executor_limit::TimeLimits;
use rayon::{ThreadPool, ThreadPoolBuildError, ThreadPoolBuilder};

/// Runs that wait for a thread, where nobody says otherwise.
const DEFAULT_QUEUE: usize = 100_000;

/// How long cancelled runs, and the threads of an own pool, have to end.
const CANCEL_GRACE: Duration = Duration::from_secs(5);

/// Runs tasks on a rayon pool. See the [crate's page](crate).
pub struct RayonExecutor {
    /// `None` is the global one.
    pool: Option<ThreadPool>,
    /// Runs that it takes at most: as many as there are threads, and those that wait.
    room: usize,
    cancel_grace: Duration,
    runs: Arc<Runs>,
}

/// What a [`RayonExecutor`] with a pool of its own is like.
#[derive(Debug, Clone)]
#[must_use]
pub struct RayonExecutorBuilder {
    threads: usize,
    queue: usize,
    cancel_grace: Duration,
}

impl RayonExecutorBuilder {
    /// So many threads, and so runs at once; 0, the default, is one for each processor.
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = threads;
        self
    }

    /// At most this many runs that wait for a thread: 0 refuses whatever finds no thread, `usize::MAX` is a waiting room
    /// without end. Default: 100,000.
    pub fn queue(mut self, queue: usize) -> Self {
        self.queue = queue;
        self
    }

    /// How long runs that were cancelled, or are over their time limit, have to return before they are left behind.
    /// Default: 5 seconds.
    pub fn cancel_grace(mut self, grace: Duration) -> Self {
        self.cancel_grace = grace;
        self
    }

    /// The executor, its threads started.
    ///
    /// # Errors
    /// When the system starts no threads.
    pub fn build(self) -> Result<RayonExecutor, ThreadPoolBuildError> {
        let runs = Runs::new(self.cancel_grace);
        let exits = runs.clone();
        let pool = ThreadPoolBuilder::new()
            .num_threads(self.threads)
            .thread_name(|number| format!("matins-rayon-{number}"))
            .exit_handler(move |_| exits.thread_ended())
            .build()?;
        runs.lock().threads = pool.current_num_threads();
        let room = pool.current_num_threads().saturating_add(self.queue);
        Ok(RayonExecutor { pool: Some(pool), room, cancel_grace: self.cancel_grace, runs })
    }
}

/// The runs that were taken and have not ended.
struct Runs {
    state: Mutex<State>,
    /// A run or a thread ended, or a run was left behind.
    ended: Condvar,
    limits: TimeLimits,
}

#[derive(Default)]
struct State {
    tokens: HashMap<RunId, CancelToken>,
    /// Places taken. A run leaves its place before it reports, so that whoever hears of it finds room.
    occupied: usize,
    /// Threads of an own pool that have not ended.
    threads: usize,
    /// Runs over their time limit that have been reported, and whose threads are still busy with them.
    left: HashSet<RunId>,
    closed: bool,
}

impl State {
    /// Nothing is waited for any more.
    fn is_idle(&self) -> bool {
        self.tokens.len() <= self.left.len()
    }
}

impl Runs {
    fn new(cancel_grace: Duration) -> Arc<Self> {
        let limits = TimeLimits::new(cancel_grace);
        Arc::new(Self { state: Mutex::default(), ended: Condvar::new(), limits })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the pool does with a run.
    fn execute(self: &Arc<Self>, run: RunRequest, done: Completion) {
        let id = run.run;
        let runs = Arc::downgrade(self);
        let leave = move || runs.upgrade().into_iter().for_each(|runs| runs.leave(id));
        let ended = self.limits.execute(run, done, leave);
        self.lock().occupied -= 1;
        if let Some((report, done)) = ended {
            done.finish(report);
        }
        let mut state = self.lock();
        state.tokens.remove(&id);
        state.left.remove(&id);
        drop(state);
        self.ended.notify_all();
    }

    fn leave(&self, run: RunId) {
        self.lock().left.insert(run);
        self.ended.notify_all();
    }

    fn thread_ended(&self) {
        self.lock().threads -= 1;
        self.ended.notify_all();
    }

    /// Waits until it `is_so`, at most until `deadline`; whether it came to be.
    fn wait(&self, deadline: Option<Instant>, is_so: impl Fn(&State) -> bool) -> bool {
        let mut state = self.lock();
        while !is_so(&state) {
            state = match deadline.map(|deadline| deadline.saturating_duration_since(Instant::now())) {
                Some(Duration::ZERO) => return false,
                Some(rest) => self.ended.wait_timeout(state, rest).unwrap_or_else(PoisonError::into_inner).0,
                None => self.ended.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
        true
    }
}

impl RayonExecutor {
    /// An executor on rayon's global pool, with room for 100,000 runs that wait. Dropping it leaves the pool alone.
    pub fn global() -> Self {
        let room = rayon::current_num_threads() + DEFAULT_QUEUE;
        Self { pool: None, room, cancel_grace: CANCEL_GRACE, runs: Runs::new(CANCEL_GRACE) }
    }

    /// An executor with a pool of its own.
    pub fn builder() -> RayonExecutorBuilder {
        RayonExecutorBuilder { threads: 0, queue: DEFAULT_QUEUE, cancel_grace: CANCEL_GRACE }
    }

    fn cancel_all(&self) {
        let tokens: Vec<CancelToken> = self.runs.lock().tokens.values().cloned().collect();
        tokens.iter().for_each(CancelToken::cancel);
    }
}

impl Executor for RayonExecutor {
    fn submit(&mut self, run: RunRequest, done: Completion) -> Result<(), Refused> {
        {
            let mut state = self.runs.lock();
            if state.closed {
                return Err(Refused { reason: Refusal::ShutDown, done });
            }
            if state.occupied >= self.room {
                return Err(Refused { reason: Refusal::Full, done });
            }
            state.occupied += 1;
            state.tokens.insert(run.run, run.cancel.clone());
        }
        let runs = self.runs.clone();
        let work = move || runs.execute(run, done);
        match &self.pool {
            Some(pool) => pool.spawn_fifo(work),
            None => rayon::spawn_fifo(work),
        }
        Ok(())
    }

    fn shutdown(&mut self, how: Shutdown) -> Vec<RunId> {
        self.runs.lock().closed = true;
        let all_ended = State::is_idle;
        let ended = match how {
            Shutdown::Wait => self.runs.wait(None, all_ended),
            Shutdown::Deadline(time) => self.runs.wait(Instant::now().checked_add(time), all_ended),
            _ => false,
        };
        if !ended {
            self.cancel_all();
            self.runs.wait(Instant::now().checked_add(self.cancel_grace), all_ended);
        }
        // The threads end when they have nothing left to do.
        if self.pool.take().is_some() {
            self.runs.wait(Instant::now().checked_add(self.cancel_grace), |state| {
                state.threads == 0 || !state.tokens.is_empty()
            });
        }
        self.runs.lock().tokens.keys().copied().collect()
    }
}

impl Drop for RayonExecutor {
    /// Cancels what runs, and waits for it as long as [`cancel_grace`](RayonExecutorBuilder::cancel_grace) says.
    fn drop(&mut self) {
        self.shutdown(Shutdown::Now);
    }
}

impl fmt::Debug for RayonExecutor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.runs.lock();
        f.debug_struct("RayonExecutor")
            .field("is_global", &self.pool.is_none())
            .field("room", &self.room)
            .field("runs", &state.tokens.len())
            .finish_non_exhaustive()
    }
}
