//! An executor that runs tasks in worker processes, for tasks that may crash, leak, hang or be stopped in the middle.
//!
//! Workers are the same program, started again; the first line of `main` turns such a process into a worker
//! ([`serve_if_worker`]). They stay for further runs, and take arguments and give results as JSON over pipes. A worker that
//! dies, hangs, or writes what it should not costs one run, and another takes its place.
//!
//! A run that is cancelled, or over its time limit, is told so by its [`CancelToken`](matins_core::CancelToken), with the reason; so
//! is one whose scheduler begins to shut down. What has not
//! returned within a grace is killed, with the whole process group: whatever the task has started goes with it. However
//! the scheduler ends, its workers end too.
//!
//! Tasks are found by name, among those that the worker has registered: closures given to a job directly are in the
//! scheduler's process alone, and fail here with a message that says so.
//!
//! | | |
//! | --- | --- |
//! | for tasks that | may crash, leak, hang, or need to be stopped |
//! | at once | as many as workers |
//! | waiting | in a queue with a limit |
//! | a run over its time limit | is killed after a grace, with what it started |
//! | a panic | or a crash of its process ends the run; another worker takes its place |
//!
//! ```standalone_crate
//! use matins_executor_process::{ProcessExecutor, serve_if_worker};
//! # use matins_scheduler::{Schedule, SchedulerBuilder};
//! # use matins_store_memory::MemoryStore;
//! # use matins_triggers::{TimeUnits, every};
//!
//! fn greet(name: String) {
//!     println!("good morning, {name}");
//! }
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     // A worker does not get beyond this line.
//!     serve_if_worker(|tasks| tasks.register("greet", greet));
//!
//!     let executor = ProcessExecutor::builder().workers(4).runs_per_worker(1_000).build()?;
//!     let mut scheduler = SchedulerBuilder::new()
//!         .store("default", MemoryStore::new())
//!         .executor("default", executor)
//!         .background()?;
//!     scheduler.register("greet", greet)?;
//!     scheduler.start()?;
//!     let job = scheduler.add(every(1.hours()).task("greet").arguments("Ada"))?;
//!     let run = job.run_now()?.wait()?;
//!     assert_eq!(run.output.as_deref(), Some("good morning, Ada\n"));
//!     Ok(())
//! }
//! ```

#[cfg(not(unix))]
compile_error!(
    "matins-executor-process needs Unix: its workers are process groups that signals end. Elsewhere, use matins-executor-thread."
);

mod child;
mod frame;
mod remote;
mod signal;
mod worker;

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use matins_core::{Completion, Executor, IntoDuration, Refused, RunId, RunRequest, Shutdown, WaitMode};
use matins_executor_thread::ThreadExecutor;
use thiserror::Error;

use child::WorkerLimits;
use remote::{Remote, Workers};
use worker::WorkerConfig;

pub use worker::serve_if_worker;

/// Runs tasks in worker processes. See the [crate's page](crate).
#[derive(Debug)]
pub struct ProcessExecutor {
    /// Each run has a thread that tells its worker what to do, and waits for it.
    threads: ThreadExecutor,
    workers: Arc<Workers>,
}

/// Why there is no executor.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ProcessExecutorError {
    /// This process is a worker, and did not say so.
    #[error(
        "this process was started as a worker, and is about to start workers of its own: call \
         matins_executor_process::serve_if_worker first in main"
    )]
    IsWorker,
    /// The program that is to be started again is not known.
    #[error("the path of this program is not known; name it with ProcessExecutorBuilder::program")]
    NoProgram(#[source] io::Error),
}

/// What a [`ProcessExecutor`] is like.
#[derive(Debug, Clone)]
#[must_use]
pub struct ProcessExecutorBuilder {
    workers: usize,
    queue: usize,
    runs_per_worker: u64,
    program: Option<PathBuf>,
    arguments: Vec<OsString>,
    start_timeout: Duration,
    kill_grace: Duration,
    memory: Option<u64>,
    cpu_time: Option<Duration>,
    output: usize,
}

impl Default for ProcessExecutorBuilder {
    fn default() -> Self {
        Self {
            workers: thread::available_parallelism().map_or(1, usize::from),
            queue: 100_000,
            runs_per_worker: u64::MAX,
            program: None,
            arguments: Vec::new(),
            start_timeout: Duration::from_secs(10),
            kill_grace: Duration::from_secs(1),
            memory: None,
            cpu_time: None,
            output: 8 * 1024,
        }
    }
}

impl ProcessExecutorBuilder {
    /// Sets how many workers there are at most, and so how many runs are in progress at once; 0 counts as 1. Default: one for each processor.
    ///
    /// ```
    /// # use matins_executor_process::ProcessExecutor;
    /// let executor = ProcessExecutor::builder().workers(4).build()?;
    /// # drop(executor);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = workers.max(1);
        self
    }

    /// Sets how many runs may wait for a worker. With 0, a run that finds no free worker is refused, and recorded as missed. With
    /// `usize::MAX`, the queue has no limit. Default: 100,000.
    ///
    /// ```
    /// # use matins_executor_process::ProcessExecutor;
    /// // What cannot begin at once is not run at all.
    /// let executor = ProcessExecutor::builder().queue(0).build()?;
    /// # drop(executor);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn queue(mut self, queue: usize) -> Self {
        self.queue = queue;
        self
    }

    /// Sets after how many runs a worker is replaced, so that what tasks leak does not add up; 0 counts as 1. Default: never.
    ///
    /// ```
    /// # use matins_executor_process::ProcessExecutor;
    /// // Each run has a fresh process.
    /// let executor = ProcessExecutor::builder().runs_per_worker(1).build()?;
    /// # drop(executor);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn runs_per_worker(mut self, runs: u64) -> Self {
        self.runs_per_worker = runs.max(1);
        self
    }

    /// Sets the program that workers run, instead of this one. It calls [`serve_if_worker`] too.
    ///
    /// ```
    /// # use matins_executor_process::ProcessExecutor;
    /// let executor = ProcessExecutor::builder().program("/usr/lib/my-app/worker").build()?;
    /// # drop(executor);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn program(mut self, program: impl Into<PathBuf>) -> Self {
        self.program = Some(program.into());
        self
    }

    /// Sets the arguments that the program is started with. Default: none.
    ///
    /// ```
    /// # use matins_executor_process::ProcessExecutor;
    /// let executor = ProcessExecutor::builder().arguments(["--log", "worker.log"]).build()?;
    /// # drop(executor);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn arguments<A: Into<OsString>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.arguments = arguments.into_iter().map(Into::into).collect();
        self
    }

    /// Sets how long a worker has to start, until it calls [`serve_if_worker`]. Default: 10 seconds.
    /// A negative duration counts as zero.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use matins_executor_process::ProcessExecutor;
    /// let executor = ProcessExecutor::builder().start_timeout(Duration::from_secs(60)).build()?;
    /// # drop(executor);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn start_timeout(mut self, timeout: impl IntoDuration) -> Self {
        self.start_timeout = timeout.into_duration().unwrap_or_default();
        self
    }

    /// Sets how long a run has to return after it was told to stop. Then its worker is killed. Default: 1 second.
    /// A negative duration counts as zero.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use matins_executor_process::ProcessExecutor;
    /// let executor = ProcessExecutor::builder().kill_grace(Duration::from_secs(10)).build()?;
    /// # drop(executor);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn kill_grace(mut self, grace: impl IntoDuration) -> Self {
        self.kill_grace = grace.into_duration().unwrap_or_default();
        self
    }

    /// Sets how much address space each worker may have, in bytes (`RLIMIT_AS`). A worker that needs more ends. Default: no limit.
    ///
    /// ```
    /// # use matins_executor_process::ProcessExecutor;
    /// let executor = ProcessExecutor::builder().memory_limit(2 << 30).build()?;
    /// # drop(executor);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn memory_limit(mut self, bytes: u64) -> Self {
        self.memory = Some(bytes);
        self
    }

    /// Sets how much processor time each run may have, in whole seconds (`RLIMIT_CPU`). A worker that needs more is killed. Default: no limit.
    /// A negative duration counts as zero.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use matins_executor_process::ProcessExecutor;
    /// let executor = ProcessExecutor::builder().cpu_time_limit(Duration::from_secs(60)).build()?;
    /// # drop(executor);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn cpu_time_limit(mut self, time: impl IntoDuration) -> Self {
        self.cpu_time = Some(time.into_duration().unwrap_or_default());
        self
    }

    /// Sets how much of what a run prints is kept, in bytes, from its end. Default: 8 KiB.
    ///
    /// ```
    /// # use matins_executor_process::ProcessExecutor;
    /// let executor = ProcessExecutor::builder().output_limit(64 * 1024).build()?;
    /// # drop(executor);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn output_limit(mut self, bytes: usize) -> Self {
        self.output = bytes;
        self
    }

    /// Builds the executor. Workers are started when runs come.
    ///
    /// ```
    /// # use matins_core::{Executor, Shutdown};
    /// # use matins_executor_process::ProcessExecutor;
    /// let mut executor = ProcessExecutor::builder().workers(2).build()?;
    /// assert!(executor.shutdown(Shutdown::Wait).is_empty(), "no run was left behind");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// In a process that was started as a worker and did not call [`serve_if_worker`], and if the path of this program is not known.
    pub fn build(self) -> Result<ProcessExecutor, ProcessExecutorError> {
        if WorkerConfig::of_this_process().is_some() {
            return Err(ProcessExecutorError::IsWorker);
        }
        let program = match self.program {
            Some(program) => program,
            None => std::env::current_exe().map_err(ProcessExecutorError::NoProgram)?,
        };
        // A killed run ends soon after the grace; its thread is waited for.
        let patience = self.kill_grace.saturating_add(Duration::from_secs(5));
        let threads =
            ThreadExecutor::builder().workers(self.workers).queue(self.queue).cancel_grace(patience).build();
        let terms = WorkerLimits {
            program,
            arguments: self.arguments,
            start_timeout: self.start_timeout,
            kill_grace: self.kill_grace,
            memory: self.memory,
            cpu_time: self.cpu_time,
            output: self.output,
        };
        let workers = Workers { idle: Mutex::default(), terms, runs_per_worker: self.runs_per_worker };
        Ok(ProcessExecutor { threads, workers: Arc::new(workers) })
    }
}

impl ProcessExecutor {
    /// Returns an executor with the default limits: a worker for each processor, 100,000 runs that wait.
    ///
    /// ```
    /// # use matins_executor_process::ProcessExecutor;
    /// let executor = ProcessExecutor::new()?;
    /// # drop(executor);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// See [`build`](ProcessExecutorBuilder::build).
    pub fn new() -> Result<Self, ProcessExecutorError> {
        Self::builder().build()
    }

    /// Returns the builder of an executor with other limits.
    ///
    /// ```
    /// # use matins_executor_process::ProcessExecutor;
    /// let executor = ProcessExecutor::builder().workers(4).runs_per_worker(1_000).build()?;
    /// # drop(executor);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn builder() -> ProcessExecutorBuilder {
        ProcessExecutorBuilder::default()
    }
}

#[deny(clippy::missing_trait_methods)]
impl Executor for ProcessExecutor {
    fn submit(&mut self, run: RunRequest, done: Completion) -> Result<(), Refused> {
        // The limit is kept here, by killing; the thread that waits has none.
        let task =
            Remote { workers: self.workers.clone(), name: run.task_name.clone(), time_limit: run.time_limit };
        let mut run = run.with_task(Arc::new(task));
        run.time_limit = None;
        self.threads.submit(run, done)
    }

    fn shutdown(&mut self, how: Shutdown) -> Vec<RunId> {
        let left = self.threads.shutdown(how);
        self.workers.idle().clear();
        left
    }

    fn wait_mode(&self) -> WaitMode {
        self.threads.wait_mode()
    }

    fn survives(&self) -> bool {
        false
    }

    fn reattach(&mut self, run: RunRequest, done: Completion) -> Result<(), Refused> {
        self.threads.reattach(run, done)
    }
}

impl Drop for ProcessExecutor {
    /// Cancels what runs, kills what does not respond, and ends all workers.
    fn drop(&mut self) {
        self.shutdown(Shutdown::Now);
    }
}
