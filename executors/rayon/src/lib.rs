//! An executor that runs tasks on a rayon pool, for work that keeps a processor busy.
//!
//! A task that uses `par_iter`, `join` or `scope` shares the pool with all others: its parts are stolen by threads that have
//! nothing else to do, and no more threads than processors compete. For tasks that mostly wait (for a disk, a server, a
//! child process) the thread executor is the better one: here a task that waits keeps a processor's thread.
//!
//! A thread cannot be stopped from outside. Cancelling a run, or the end of its time limit, sets its [`CancelToken`](matins_core::CancelToken),
//! which long work should look at; shutting down waits for it only as long as asked. A run that ignores its time limit is
//! reported as timed out after a grace, and left behind: it keeps a thread of the pool until it returns.
//!
//! | | |
//! | --- | --- |
//! | for tasks that | compute, alone or in parts |
//! | at once | as many as processors |
//! | waiting | in a queue with a limit |
//! | a run over its time limit | is told by its token; left behind after a grace |
//! | a panic | ends the run, not the thread |
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

use std::error::Error;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use matins_core::{Completion, Executor, IntoDuration, Refused, RunId, RunRequest, Shutdown};
use matins_executor_inflight::{InFlight, PriorityQueue, Ticket};
use rayon::{ThreadPool, ThreadPoolBuilder};

/// Runs that wait for a thread, where nobody says otherwise.
const DEFAULT_QUEUE: usize = 100_000;

/// How long cancelled runs, and the threads of an own pool, have to end.
const CANCEL_GRACE: Duration = Duration::from_secs(5);

/// Runs tasks on a rayon pool. See the [crate's page](crate).
pub struct RayonExecutor {
    pool: Pool,
    runs: Arc<InFlight>,
    waiting: Arc<PriorityQueue<(Ticket, RunRequest, Completion)>>,
}

enum Pool {
    Global,
    Own {
        pool: ThreadPool,
        threads: Arc<Threads>,
        grace: Duration,
    },
    /// An own one that has been shut down.
    Ended,
}

/// How many threads of an own pool have not ended.
struct Threads {
    count: Mutex<usize>,
    ended: Condvar,
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
    /// Sets how many threads the pool has, and so how many runs are in progress at once. 0, the default, is one for each processor.
    ///
    /// ```
    /// # use matins_executor_rayon::RayonExecutor;
    /// # use matins_scheduler::{Schedule, SchedulerBuilder};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::{TimeUnits, every};
    /// let executor = RayonExecutor::builder().threads(2).build()?;
    /// # let mut scheduler = SchedulerBuilder::new()
    /// #     .store("default", MemoryStore::new())
    /// #     .executor("default", executor)
    /// #     .background()?;
    /// # scheduler.start()?;
    /// let job = scheduler.add(every(1.hours()).run(|| rayon::current_num_threads()))?;
    /// assert_eq!(job.run_now()?.wait()?.result, Some(2.into()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = threads;
        self
    }

    /// Sets how many runs may wait for a thread. With 0, a run that finds no free thread is refused, and recorded as missed. With
    /// `usize::MAX`, the queue has no limit. Default: 100,000.
    ///
    /// ```
    /// # use std::sync::{Mutex, mpsc};
    /// # use matins_core::{MissedReason, Outcome};
    /// # use matins_executor_rayon::RayonExecutor;
    /// # use matins_scheduler::{Schedule, SchedulerBuilder};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::{TimeUnits, every};
    /// let executor = RayonExecutor::builder().threads(1).queue(0).build()?;
    /// # let mut scheduler = SchedulerBuilder::new()
    /// #     .store("default", MemoryStore::new())
    /// #     .executor("default", executor)
    /// #     .background()?;
    /// # scheduler.start()?;
    /// let (go, gate) = mpsc::channel::<()>();
    /// let gate = Mutex::new(gate);
    /// let slow = scheduler.add(every(1.hours()).run(move || drop(gate.lock().unwrap().recv())))?;
    /// let quick = scheduler.add(every(1.hours()).run(|| ()))?;
    ///
    /// let (in_progress, refused) = (slow.run_now()?, quick.run_now()?);
    /// assert_eq!(refused.wait()?.outcome, Some(Outcome::Missed(MissedReason::ExecutorFull)));
    /// drop(go);
    /// assert_eq!(in_progress.wait()?.outcome, Some(Outcome::Succeeded));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn queue(mut self, queue: usize) -> Self {
        self.queue = queue;
        self
    }

    /// Sets how long runs that were cancelled, or are over their time limit, have to return before they are left behind.
    /// Default: 5 seconds.
    /// A negative duration counts as zero.
    ///
    /// ```
    /// # use std::sync::{Mutex, mpsc};
    /// # use std::time::Duration;
    /// # use matins_core::Outcome;
    /// # use matins_executor_rayon::RayonExecutor;
    /// # use matins_scheduler::{Schedule, SchedulerBuilder};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::{TimeUnits, every};
    /// let executor = RayonExecutor::builder().cancel_grace(Duration::from_millis(10)).build()?;
    /// # let mut scheduler = SchedulerBuilder::new()
    /// #     .store("default", MemoryStore::new())
    /// #     .executor("default", executor)
    /// #     .background()?;
    /// # scheduler.start()?;
    /// let (go, gate) = mpsc::channel::<()>();
    /// let gate = Mutex::new(gate);
    /// // It does not look at its cancel token.
    /// let stuck = every(1.hours()).run(move || drop(gate.lock().unwrap().recv())).time_limit(10.milliseconds());
    /// let run = scheduler.add(stuck)?.run_now()?.wait()?;
    /// assert_eq!(run.outcome, Some(Outcome::TimedOut));
    /// drop(go);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn cancel_grace(mut self, grace: impl IntoDuration) -> Self {
        self.cancel_grace = grace.into_duration().unwrap_or_default();
        self
    }

    /// Builds the executor and starts its threads.
    ///
    /// ```
    /// # use matins_core::{Executor, Shutdown};
    /// # use matins_executor_rayon::RayonExecutor;
    /// let mut executor = RayonExecutor::builder().threads(2).build()?;
    /// assert!(executor.shutdown(Shutdown::Wait).is_empty(), "no run was left behind");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If the system cannot start threads.
    pub fn build(self) -> Result<RayonExecutor, RayonExecutorError> {
        let threads = Arc::new(Threads { count: Mutex::new(0), ended: Condvar::new() });
        let exits = threads.clone();
        let pool = ThreadPoolBuilder::new()
            .num_threads(self.threads)
            .thread_name(|number| format!("matins-rayon-{number}"))
            .exit_handler(move |_| exits.one_ended())
            .build()
            .map_err(|error| RayonExecutorError { source: error.into() })?;
        *threads.count.lock().unwrap_or_else(PoisonError::into_inner) = pool.current_num_threads();
        let room = pool.current_num_threads().saturating_add(self.queue);
        let runs = InFlight::new(room, self.cancel_grace);
        let pool = Pool::Own { pool, threads, grace: self.cancel_grace };
        Ok(RayonExecutor { pool, runs, waiting: Arc::default() })
    }
}

/// The system could not start the threads of a pool. The [source](Error::source) says why.
///
/// ```
/// use std::error::Error;
///
/// use matins_executor_rayon::{RayonExecutor, RayonExecutorError};
///
/// fn executor() -> Result<RayonExecutor, RayonExecutorError> {
///     RayonExecutor::builder().threads(2).build()
/// }
/// if let Err(error) = executor() {
///     eprintln!("{error}: {:?}", error.source());
/// }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct RayonExecutorError {
    source: Box<dyn Error + Send + Sync>,
}

impl fmt::Display for RayonExecutorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cannot start the threads of a rayon pool; ask for fewer, or raise the system's limit")
    }
}

impl Error for RayonExecutorError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.source)
    }
}

impl Threads {
    fn one_ended(&self) {
        let mut count = self.count.lock().unwrap_or_else(PoisonError::into_inner);
        // Where not all could be started, the others end before they were counted.
        *count = count.saturating_sub(1);
        drop(count);
        self.ended.notify_all();
    }

    fn wait_for_the_last(&self, at_most: Duration) {
        let count = self.count.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.ended.wait_timeout_while(count, at_most, |count| *count > 0));
    }
}

impl RayonExecutor {
    /// Returns an executor on rayon's global pool, with room for 100,000 runs that wait. Dropping it leaves the pool alone.
    ///
    /// ```
    /// # use matins_executor_rayon::RayonExecutor;
    /// # use matins_scheduler::{Schedule, SchedulerBuilder};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::{TimeUnits, every};
    /// let executor = RayonExecutor::global();
    /// # let mut scheduler = SchedulerBuilder::new()
    /// #     .store("default", MemoryStore::new())
    /// #     .executor("default", executor)
    /// #     .background()?;
    /// # scheduler.start()?;
    /// use rayon::prelude::*;
    ///
    /// // The parts of a run are spread over the pool.
    /// let sum = || (1..=1_000_u64).into_par_iter().sum::<u64>();
    /// let job = scheduler.add(every(1.hours()).run(sum))?;
    /// assert_eq!(job.run_now()?.wait()?.result, Some(500_500.into()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn global() -> Self {
        let room = rayon::current_num_threads() + DEFAULT_QUEUE;
        Self { pool: Pool::Global, runs: InFlight::new(room, CANCEL_GRACE), waiting: Arc::default() }
    }

    /// Returns the builder of an executor with a pool of its own.
    ///
    /// ```
    /// # use matins_executor_rayon::RayonExecutor;
    /// let executor = RayonExecutor::builder().threads(2).queue(1_000).build()?;
    /// # drop(executor);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn builder() -> RayonExecutorBuilder {
        RayonExecutorBuilder { threads: 0, queue: DEFAULT_QUEUE, cancel_grace: CANCEL_GRACE }
    }
}

impl Executor for RayonExecutor {
    fn submit(&mut self, run: RunRequest, done: Completion) -> Result<(), Refused> {
        let ticket = match self.runs.admit(&run) {
            Ok(ticket) => ticket,
            Err(reason) => return Err(Refused { reason, done }),
        };
        self.waiting.push(run.priority, (ticket, run, done));
        let (runs, waiting) = (self.runs.clone(), self.waiting.clone());
        let work = move || {
            if let Some((ticket, run, done)) = waiting.pop() {
                runs.execute(ticket, run, done);
            }
        };
        match &self.pool {
            Pool::Own { pool, .. } => pool.spawn_fifo(work),
            _ => rayon::spawn_fifo(work),
        }
        Ok(())
    }

    fn shutdown(&mut self, how: Shutdown) -> Vec<RunId> {
        let left = self.runs.shut_down(how);
        if matches!(self.pool, Pool::Own { .. })
            && let Pool::Own { pool, threads, grace } = std::mem::replace(&mut self.pool, Pool::Ended)
        {
            // The threads end when they have nothing left to do.
            drop(pool);
            if left.is_empty() {
                threads.wait_for_the_last(grace);
            }
        }
        left
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
        f.debug_struct("RayonExecutor")
            .field("is_global", &matches!(self.pool, Pool::Global))
            .field("runs", &self.runs)
            .finish_non_exhaustive()
    }
}
