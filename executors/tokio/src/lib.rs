//! An executor on a tokio runtime: async tasks as tokio tasks, blocking ones on its blocking pool.
//!
//! Thousands of runs may wait at once, for a server, a timer, a lock: a run that waits costs its future's memory, and no thread.
//!
//! A run that is cancelled, or is over its time limit, is dropped where it awaits next; what its future holds is dropped
//! with it. A blocking task cannot be dropped: its [`CancelToken`] is set, and it is left behind if it does not heed it,
//! as on the thread executor.
//!
//! The runtime stays its owner's. When it ends first, the runs that it drops are reported as lost. Time limits need the
//! runtime's timer (`enable_time`, or `enable_all`).
//!
//! ```
//! use matins_executor_tokio::TokioExecutor;
//!
//! let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
//! let executor = TokioExecutor::builder(runtime.handle().clone()).at_once(500).build();
//! # drop(executor);
//! ```

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::thread;
use std::time::{Duration, Instant};

use matins_core::{
    CancelReason, CancelToken, Completion, Executor, Refusal, Refused, RunId, RunReport, RunRequest,
    Shutdown, TaskFuture, TaskResult,
};
use matins_executor_limit::TimeLimits;
use tokio::runtime::{Handle, TryCurrentError};
use tokio::sync::Semaphore;
use tokio::sync::oneshot;

/// Runs tasks on a tokio runtime. See the [crate's page](crate).
pub struct TokioExecutor {
    runtime: Handle,
    room: usize,
    cancel_grace: Duration,
    runs: Arc<Runs>,
}

/// What a [`TokioExecutor`] is like.
#[derive(Debug, Clone)]
#[must_use]
pub struct TokioExecutorBuilder {
    runtime: Handle,
    at_once: usize,
    queue: usize,
    cancel_grace: Duration,
}

impl TokioExecutorBuilder {
    /// At most this many runs at once; 0 counts as 1. Of blocking tasks, no more than the runtime's blocking pool has
    /// threads. Default: 10,000.
    pub fn at_once(mut self, at_once: usize) -> Self {
        self.at_once = at_once.clamp(1, Semaphore::MAX_PERMITS);
        self
    }

    /// At most this many runs that wait beyond those: 0 refuses whatever finds no place, `usize::MAX` is a waiting room
    /// without end. Default: 100,000.
    pub fn queue(mut self, queue: usize) -> Self {
        self.queue = queue;
        self
    }

    /// How long blocking tasks that were cancelled, or are over their time limit, have to return before they are left
    /// behind. Default: 5 seconds.
    pub fn cancel_grace(mut self, grace: Duration) -> Self {
        self.cancel_grace = grace;
        self
    }

    /// The executor.
    pub fn build(self) -> TokioExecutor {
        let Self { runtime, at_once, queue, cancel_grace } = self;
        let runs = Runs {
            state: Mutex::default(),
            ended: Condvar::new(),
            places: Semaphore::new(at_once),
            limits: TimeLimits::new(cancel_grace),
        };
        TokioExecutor { runtime, room: at_once.saturating_add(queue), cancel_grace, runs: Arc::new(runs) }
    }
}

/// The runs that were taken and have not ended.
struct Runs {
    state: Mutex<State>,
    /// A run ended, or was left behind.
    ended: Condvar,
    places: Semaphore,
    limits: TimeLimits,
}

#[derive(Default)]
struct State {
    tokens: HashMap<RunId, CancelToken>,
    /// Places taken. A run leaves its place before it reports, so that whoever hears of it finds room.
    occupied: usize,
    /// Blocking runs over their time limit that have been reported, and still keep a thread busy.
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
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the runtime does with a run. The entry is dropped with this future, however that ends.
    async fn execute(self: Arc<Self>, run: RunRequest, done: Completion) {
        let entry = Entry { runs: self.clone(), run: run.run, is_reported: false };
        let Ok(_place) = self.places.acquire().await else { return };
        if run.cancel.is_cancelled() {
            return entry.report(run.not_begun(), done);
        }
        let started = run.clock.now();
        let context = run.context(started);
        match catch_unwind(AssertUnwindSafe(|| run.task.future(&run.arguments, &context))) {
            Ok(Some(work)) => {
                let ended = to_its_end(&run, work).await;
                let report = ended.map_or_else(|| run.stopped(started), |result| run.report(started, result));
                entry.report(report, done);
            }
            Ok(None) => self.execute_blocking(entry, run, done).await,
            Err(panic) => entry.report(run.report(started, Err(panic)), done),
        }
    }

    async fn execute_blocking(self: &Arc<Self>, entry: Entry, run: RunRequest, done: Completion) {
        let runs = self.clone();
        // Its place is kept until it has returned, and the entry too.
        let work = move || {
            let (id, left) = (run.run, Arc::downgrade(&runs));
            let leave = move || left.upgrade().into_iter().for_each(|runs| runs.leave(id));
            if let Some((report, done)) = runs.limits.execute(run, done, leave) {
                entry.report(report, done);
            }
        };
        // An error is a task that the runtime dropped at its end: its promise says so.
        let _ = tokio::task::spawn_blocking(work).await;
    }

    fn leave(&self, run: RunId) {
        self.lock().left.insert(run);
        self.ended.notify_all();
    }

    /// Waits until nothing is waited for, at most until `deadline`; whether it came to that.
    fn wait(&self, deadline: Option<Instant>) -> bool {
        let mut state = self.lock();
        while !state.is_idle() {
            state = match deadline.map(|deadline| deadline.saturating_duration_since(Instant::now())) {
                Some(Duration::ZERO) => return false,
                Some(rest) => self.ended.wait_timeout(state, rest).unwrap_or_else(PoisonError::into_inner).0,
                None => self.ended.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
        true
    }
}

/// A run's entry among those that were taken.
struct Entry {
    runs: Arc<Runs>,
    run: RunId,
    is_reported: bool,
}

impl Entry {
    fn report(mut self, report: RunReport, done: Completion) {
        self.is_reported = true;
        self.runs.lock().occupied -= 1;
        done.finish(report);
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let mut state = self.runs.lock();
        if !self.is_reported {
            state.occupied -= 1;
        }
        state.tokens.remove(&self.run);
        state.left.remove(&self.run);
        let is_idle = state.is_idle();
        drop(state);
        if is_idle {
            self.runs.ended.notify_all();
        }
    }
}

/// Drives the work until it returns or panics; `None` when it was told to stop before.
async fn to_its_end(run: &RunRequest, mut work: TaskFuture) -> Option<thread::Result<TaskResult>> {
    // Most of what is short is done at once, and needs nobody to stop it.
    if let Poll::Ready(result) = poll_fn(|context| Poll::Ready(poll_caught(work.as_mut(), context))).await {
        return Some(result);
    }
    let (stop, mut stopped) = oneshot::channel();
    run.cancel.on_cancel(move || {
        // Nobody listens any more where the run has ended.
        let _ = stop.send(());
    });
    let mut limit = pin!(run.time_limit.map(tokio::time::sleep));
    poll_fn(|context| {
        if let Poll::Ready(result) = poll_caught(work.as_mut(), context) {
            return Poll::Ready(Some(result));
        }
        if let (Some(limit), Some(allowed)) = (limit.as_mut().as_pin_mut(), run.time_limit)
            && limit.poll(context).is_ready()
        {
            run.cancel.cancel_because(CancelReason::TimeLimit(allowed));
            return Poll::Ready(None);
        }
        Pin::new(&mut stopped).poll(context).map(|_| None)
    })
    .await
}

fn poll_caught(
    work: Pin<&mut (dyn Future<Output = TaskResult> + Send)>,
    context: &mut Context<'_>,
) -> Poll<thread::Result<TaskResult>> {
    match catch_unwind(AssertUnwindSafe(|| work.poll(context))) {
        Ok(poll) => poll.map(Ok),
        Err(panic) => Poll::Ready(Err(panic)),
    }
}

impl TokioExecutor {
    /// An executor on the runtime that this is called in, with the default limits: 10,000 runs at once, 100,000 that wait.
    ///
    /// # Errors
    /// Outside a runtime.
    pub fn current() -> Result<Self, TryCurrentError> {
        Ok(Self::builder(Handle::try_current()?).build())
    }

    /// An executor on a runtime, with limits of one's own.
    pub fn builder(runtime: Handle) -> TokioExecutorBuilder {
        let cancel_grace = Duration::from_secs(5);
        TokioExecutorBuilder { runtime, at_once: 10_000, queue: 100_000, cancel_grace }
    }
}

impl Executor for TokioExecutor {
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
        self.runtime.spawn(self.runs.clone().execute(run, done));
        Ok(())
    }

    /// Waits on the calling thread, which must not be one of the runtime's workers.
    fn shutdown(&mut self, how: Shutdown) -> Vec<RunId> {
        self.runs.lock().closed = true;
        let ended = match how {
            Shutdown::Wait => self.runs.wait(None),
            Shutdown::Deadline(time) => self.runs.wait(Instant::now().checked_add(time)),
            _ => false,
        };
        if !ended {
            let tokens: Vec<CancelToken> = self.runs.lock().tokens.values().cloned().collect();
            tokens.iter().for_each(CancelToken::cancel);
            self.runs.wait(Instant::now().checked_add(self.cancel_grace));
        }
        self.runs.lock().tokens.keys().copied().collect()
    }
}

impl Drop for TokioExecutor {
    /// Cancels what runs. Blocking tasks are waited for as long as [`cancel_grace`](TokioExecutorBuilder::cancel_grace)
    /// says.
    fn drop(&mut self) {
        self.shutdown(Shutdown::Now);
    }
}

impl fmt::Debug for TokioExecutor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.runs.lock();
        f.debug_struct("TokioExecutor")
            .field("room", &self.room)
            .field("runs", &state.tokens.len())
            .finish_non_exhaustive()
    }
}
