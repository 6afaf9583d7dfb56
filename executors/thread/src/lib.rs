//! An executor that runs tasks on a pool of threads.
//!
//! Threads are started on need, up to a limit, and end when they have been idle for a while. Runs that find all of
//! them busy wait in a queue with a limit of its own; beyond that they are refused, and the scheduler records them as
//! missed. A panic ends the run, not the thread.
//!
//! A thread cannot be stopped from outside. Cancelling a run, or the end of its time limit, sets its [`CancelToken`](matins_core::CancelToken), which
//! long work should look at; shutting down waits for it only as long as asked. A run that does not respond when its time limit has
//! passed is reported as timed out after a grace, and left behind. Its thread is busy until the task returns. Another thread is
//! started in its place, up to a [limit](ThreadExecutorBuilder::replacements), so that runs that hang do not take the pool from
//! all others.
//!
//! | | |
//! | --- | --- |
//! | for tasks that | block, on a disk, a server, a child process |
//! | at once | as many as threads: 10, where nobody says otherwise |
//! | waiting | in a queue with a limit |
//! | a run over its time limit | is told by its token; left behind after a grace |
//! | a panic | ends the run, not the thread |
//!
//! Async tasks run here too if they need no runtime: the thread drives the future. The I/O and timers of tokio panic outside a
//! runtime, so a job with such a task belongs on the tokio executor.
//!
//! ```
//! use matins_executor_thread::ThreadExecutor;
//!
//! let executor = ThreadExecutor::builder().workers(4).queue(1000).build();
//! # drop(executor);
//! ```

#[cfg(all(test, shuttle))]
mod interleavings;
mod sync;

use std::collections::HashMap;
use std::fmt;
use std::sync::PoisonError;
use std::time::Duration;

use matins_core::{Completion, Executor, IntoDuration, Refusal, Refused, RunId, RunRequest, Shutdown};
use matins_executor_inflight::{InFlight, PriorityQueue, Ticket};

use sync::{
    Arc, AtomicUsize, Builder, JoinHandle, Mutex, MutexGuard, Ordering, Receiver, RecvTimeoutError, Sender,
    unbounded,
};

/// Runs tasks on a pool of threads. See the [crate's page](crate).
pub struct ThreadExecutor {
    pool: Arc<Pool>,
    /// `None` once it is shut down.
    queue: Option<Sender<OneWaits>>,
}

type Admitted = (Ticket, RunRequest, Completion);

/// Has a thread take what is most urgent of what waits.
struct OneWaits;

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
    replacements: usize,
    idle: Duration,
    cancel_grace: Duration,
}

impl Default for ThreadExecutorBuilder {
    fn default() -> Self {
        let settings = Settings {
            workers: 10,
            queue: 100_000,
            replacements: 10,
            idle: Duration::from_secs(10),
            cancel_grace: Duration::from_secs(5),
        };
        Self { settings }
    }
}

impl ThreadExecutorBuilder {
    /// Sets how many threads there are at most, and so how many runs are in progress at once; 0 counts as 1. Default: 10.
    ///
    /// ```
    /// # use std::sync::Mutex;
    /// # use matins_core::Outcome;
    /// # use matins_executor_thread::ThreadExecutor;
    /// # use matins_scheduler::{Schedule, SchedulerBuilder};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::{TimeUnits, every};
    /// // One run at a time.
    /// let executor = ThreadExecutor::builder().workers(1).build();
    /// # let mut scheduler = SchedulerBuilder::new()
    /// #     .store("default", MemoryStore::new())
    /// #     .executor("default", executor)
    /// #     .background()?;
    /// # scheduler.start()?;
    /// static DATABASE: Mutex<()> = Mutex::new(());
    /// let work = || drop(DATABASE.try_lock().expect("no other run is in progress"));
    /// let (one, other) = (scheduler.add(every(1.hours()).run(work))?, scheduler.add(every(1.hours()).run(work))?);
    /// let outcomes = [one.run_now()?, other.run_now()?];
    /// for outcome in outcomes {
    ///     assert_eq!(outcome.wait()?.outcome, Some(Outcome::Succeeded));
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn workers(mut self, workers: usize) -> Self {
        self.settings.workers = workers.max(1);
        self
    }

    /// Sets how many runs may wait for a thread. With 0, a run that finds no free thread is refused, and recorded as missed. With
    /// `usize::MAX`, the queue has no limit. Default: 100,000.
    ///
    /// ```
    /// # use std::sync::{Mutex, mpsc};
    /// # use matins_core::{MissedReason, Outcome};
    /// # use matins_executor_thread::ThreadExecutor;
    /// # use matins_scheduler::{Schedule, SchedulerBuilder};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::{TimeUnits, every};
    /// let executor = ThreadExecutor::builder().workers(1).queue(0).build();
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
        self.settings.queue = queue;
        self
    }

    /// At most this many threads are started in place of threads that are busy with runs that were left behind. When there are
    /// more such runs, each keeps one of the [`workers`](Self::workers) until it returns. Default: 10.
    ///
    /// ```
    /// use matins_executor_thread::ThreadExecutor;
    ///
    /// // Up to 4 threads that work, and up to 20 more that are stuck.
    /// let executor = ThreadExecutor::builder().workers(4).replacements(20).build();
    /// # drop(executor);
    /// ```
    pub fn replacements(mut self, replacements: usize) -> Self {
        self.settings.replacements = replacements;
        self
    }

    /// Sets how long a thread that has nothing to do waits for the next run before it ends. Default: 10 seconds.
    /// A negative duration counts as zero.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use matins_executor_thread::ThreadExecutor;
    /// // Jobs fire every minute, and the threads stay.
    /// let executor = ThreadExecutor::builder().idle_timeout(Duration::from_secs(90)).build();
    /// # drop(executor);
    /// ```
    pub fn idle_timeout(mut self, idle: impl IntoDuration) -> Self {
        self.settings.idle = idle.into_duration().unwrap_or_default();
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
    /// # use matins_executor_thread::ThreadExecutor;
    /// # use matins_scheduler::{Schedule, SchedulerBuilder};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::{TimeUnits, every};
    /// let executor = ThreadExecutor::builder().cancel_grace(Duration::from_millis(10)).build();
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
        self.settings.cancel_grace = grace.into_duration().unwrap_or_default();
        self
    }

    /// Builds the executor. Its threads are started when runs come.
    ///
    /// ```
    /// # use matins_core::{Executor, Shutdown};
    /// # use matins_executor_thread::ThreadExecutor;
    /// let mut executor = ThreadExecutor::builder().workers(4).build();
    /// let left_behind = executor.shutdown(Shutdown::Wait);
    /// assert!(left_behind.is_empty());
    /// ```
    pub fn build(self) -> ThreadExecutor {
        let Settings { workers, queue, cancel_grace, .. } = self.settings;
        let (sender, receiver) = unbounded();
        let pool = Pool {
            runs: InFlight::new(workers.saturating_add(queue), cancel_grace),
            waiting: PriorityQueue::default(),
            queue: receiver,
            idle: AtomicUsize::new(0),
            threads: Mutex::default(),
            settings: self.settings,
        };
        ThreadExecutor { pool: Arc::new(pool), queue: Some(sender) }
    }
}

struct Pool {
    runs: std::sync::Arc<InFlight>,
    waiting: PriorityQueue<Admitted>,
    /// For each run that waits.
    queue: Receiver<OneWaits>,
    /// Threads that wait for a run.
    idle: AtomicUsize,
    /// Held while a run is queued, and while a thread decides to end: no run is left without a thread.
    threads: Mutex<Threads>,
    settings: Settings,
}

#[derive(Default)]
struct Threads {
    /// Those that work or wait for a run; not those that were replaced.
    count: usize,
    /// Those that are busy with runs that were left behind, and that others have been started for.
    replaced: usize,
    /// By number.
    handles: HashMap<usize, JoinHandle<()>>,
    next: usize,
    /// The numbers of those that have ended since one was last started.
    ended: Vec<usize>,
}

/// What a thread of the pool does after a run.
#[derive(PartialEq)]
enum After {
    TheNext,
    /// Another thread has taken its place.
    End,
}

impl Pool {
    fn threads(&self) -> MutexGuard<'_, Threads> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts a thread in the place of those that have ended, where the system lets us.
    fn start_thread(self: &Arc<Self>, threads: &mut Threads) -> bool {
        for number in std::mem::take(&mut threads.ended) {
            threads.handles.remove(&number);
        }
        let (pool, number, idle) = (self.clone(), threads.next, self.settings.idle);
        threads.next += 1;
        let thread = Builder::new().name("matins-worker".to_owned());
        let Ok(thread) = thread.spawn(move || pool.work(number, idle)) else { return false };
        threads.handles.insert(number, thread);
        threads.count += 1;
        true
    }

    /// What each thread does.
    fn work(self: Arc<Self>, number: usize, idle_timeout: Duration) {
        loop {
            while let Ok(OneWaits) = self.queue.try_recv() {
                if self.execute_next() == After::End {
                    return self.threads().ended.push(number);
                }
            }
            self.idle.fetch_add(1, Ordering::SeqCst);
            let next = self.queue.recv_timeout(idle_timeout);
            self.idle.fetch_sub(1, Ordering::SeqCst);
            match next {
                Ok(OneWaits) => {
                    if self.execute_next() == After::End {
                        return self.threads().ended.push(number);
                    }
                }
                Err(end) => {
                    let mut threads = self.threads();
                    if end == RecvTimeoutError::Disconnected || self.queue.is_empty() {
                        threads.count -= 1;
                        threads.ended.push(number);
                        return;
                    }
                }
            }
        }
    }

    fn execute_next(self: &Arc<Self>) -> After {
        let Some((ticket, run, done)) = self.waiting.pop() else { return After::TheNext };
        let pool = Arc::downgrade(self);
        let replace = move || pool.upgrade().is_some_and(|pool| pool.replace());
        if !self.runs.execute_or_leave(ticket, run, done, replace) {
            return After::TheNext;
        }
        let mut threads = self.threads();
        threads.replaced -= 1;
        if threads.count < self.settings.workers {
            threads.count += 1;
            After::TheNext
        } else {
            After::End
        }
    }

    /// Another thread takes the place of one that is busy with a run that was left behind. Returns whether it does.
    fn replace(self: &Arc<Self>) -> bool {
        let mut threads = self.threads();
        if threads.replaced >= self.settings.replacements {
            return false;
        }
        threads.count -= 1;
        // Where nothing waits for a thread, the next run that comes starts it.
        if !self.queue.is_empty() && !self.start_thread(&mut threads) {
            threads.count += 1;
            return false;
        }
        threads.replaced += 1;
        true
    }
}

impl ThreadExecutor {
    /// An executor with the default limits: 10 threads, 100,000 runs that wait.
    ///
    /// ```
    /// # use matins_executor_thread::ThreadExecutor;
    /// # use matins_scheduler::{Schedule, SchedulerBuilder};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::{TimeUnits, every};
    /// let executor = ThreadExecutor::new();
    /// # let mut scheduler = SchedulerBuilder::new()
    /// #     .store("default", MemoryStore::new())
    /// #     .executor("default", executor)
    /// #     .background()?;
    /// # scheduler.start()?;
    /// let job = scheduler.add(every(1.hours()).run(|| std::thread::current().name().map(str::to_owned)))?;
    /// let name = job.run_now()?.wait()?.result.unwrap();
    /// assert!(name.as_str().unwrap().starts_with("matins-"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// An executor with limits of one's own.
    ///
    /// ```
    /// # use matins_executor_thread::ThreadExecutor;
    /// let executor = ThreadExecutor::builder().workers(4).queue(1_000).build();
    /// # drop(executor);
    /// ```
    pub fn builder() -> ThreadExecutorBuilder {
        ThreadExecutorBuilder::default()
    }
}

impl Default for ThreadExecutor {
    fn default() -> Self {
        Self::new()
    }
}

impl Executor for ThreadExecutor {
    fn submit(&mut self, run: RunRequest, done: Completion) -> Result<(), Refused> {
        let ticket = match self.pool.runs.admit(&run) {
            Ok(ticket) => ticket,
            Err(reason) => return Err(Refused { reason, done }),
        };
        let pool = self.pool.clone();
        let mut threads = pool.threads();
        if threads.count < pool.settings.workers && pool.idle.load(Ordering::SeqCst) <= pool.queue.len() {
            pool.start_thread(&mut threads);
        }
        match &self.queue {
            Some(queue) if threads.count > 0 => {
                pool.waiting.push(run.priority, (ticket, run, done));
                // The receiver is the pool's, which is here.
                let _ = queue.send(OneWaits);
                Ok(())
            }
            // No thread is there, and none can be started.
            _ => {
                pool.runs.cede(ticket);
                Err(Refused { reason: Refusal::OutOfResources, done })
            }
        }
    }

    fn shutdown(&mut self, how: Shutdown) -> Vec<RunId> {
        let left = self.pool.runs.shut_down(how);
        // The threads end when the queue is empty.
        self.queue = None;
        let threads = std::mem::take(&mut self.pool.threads().handles);
        for thread in threads.into_values() {
            // One that does not respond to its token is left to end by itself; it holds nothing but its run.
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
        f.debug_struct("ThreadExecutor")
            .field("settings", &self.pool.settings)
            .field("threads", &self.pool.threads().count)
            .field("runs", &self.pool.runs.count())
            .finish_non_exhaustive()
    }
}
