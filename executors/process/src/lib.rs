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
//! ```no_run
//! use matins_executor_process::{ProcessExecutor, serve_if_worker};
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     serve_if_worker(|tasks| tasks.register("greet", |name: String| println!("good morning, {name}")));
//!     let executor = ProcessExecutor::builder().workers(4).runs_per_worker(1_000).build()?;
//!     # drop(executor);
//!     Ok(())
//! }
//! ```

#[cfg(not(unix))]
compile_error!(
    "matins-executor-process needs Unix: its workers are process groups that signals end. Elsewhere, use matins-executor-thread."
);

mod child;
mod frame;
mod signal;
mod worker;

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use matins_core::{
    Completion, Executor, Refused, RunId, RunRequest, Shutdown, Task, TaskContext, TaskError, TaskName,
    TaskResult, Value, WaitMode, is_out_of_resources,
};
use matins_executor_thread::ThreadExecutor;
use thiserror::Error;

use child::{Exchange, Terms, Worker};
use frame::RunFrame;
use worker::Orders;

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
    /// At most this many workers, and so runs at once; 0 counts as 1. Default: one for each processor.
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = workers.max(1);
        self
    }

    /// At most this many runs that wait for a worker: 0 refuses whatever finds none, `usize::MAX` is a waiting room
    /// without end. Default: 100,000.
    pub fn queue(mut self, queue: usize) -> Self {
        self.queue = queue;
        self
    }

    /// A worker is replaced after so many runs, so that what tasks leak does not add up; 0 counts as 1. Default: never.
    pub fn runs_per_worker(mut self, runs: u64) -> Self {
        self.runs_per_worker = runs.max(1);
        self
    }

    /// The program that workers run, in place of this one.
    pub fn program(mut self, program: impl Into<PathBuf>) -> Self {
        self.program = Some(program.into());
        self
    }

    /// The arguments that it is started with. Default: none.
    pub fn arguments<A: Into<OsString>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.arguments = arguments.into_iter().map(Into::into).collect();
        self
    }

    /// How long a worker has to say that it is one. Default: 10 seconds.
    pub fn start_timeout(mut self, timeout: Duration) -> Self {
        self.start_timeout = timeout;
        self
    }

    /// How long a run has to return after it was told to stop; then its worker is killed. Default: 1 second.
    pub fn kill_grace(mut self, grace: Duration) -> Self {
        self.kill_grace = grace;
        self
    }

    /// How much address space each worker may have, in bytes (`RLIMIT_AS`): what needs more ends it. Default: no limit.
    pub fn memory_limit(mut self, bytes: u64) -> Self {
        self.memory = Some(bytes);
        self
    }

    /// How much processor time each run may have, in whole seconds (`RLIMIT_CPU`): more ends its worker. Default: no limit.
    pub fn cpu_time_limit(mut self, time: Duration) -> Self {
        self.cpu_time = Some(time);
        self
    }

    /// How much of what a run prints is kept, in bytes, from its end. Default: 8 KiB.
    pub fn output_limit(mut self, bytes: usize) -> Self {
        self.output = bytes;
        self
    }

    /// The executor. Workers are started when runs come.
    ///
    /// # Errors
    /// In a process that was started as a worker and did not call [`serve_if_worker`]; and when the path of this program is
    /// not known.
    pub fn build(self) -> Result<ProcessExecutor, ProcessExecutorError> {
        if Orders::of_this_process().is_some() {
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
        let terms = Terms {
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
    /// An executor with the default limits: a worker for each processor, 100,000 runs that wait.
    ///
    /// # Errors
    /// See [`build`](ProcessExecutorBuilder::build).
    pub fn new() -> Result<Self, ProcessExecutorError> {
        Self::builder().build()
    }

    /// An executor with limits of one's own.
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
}

impl Drop for ProcessExecutor {
    /// Cancels what runs, kills what does not heed it, and ends all workers.
    fn drop(&mut self) {
        self.shutdown(Shutdown::Now);
    }
}

/// The workers that have nothing to do, and how to start others.
struct Workers {
    idle: Mutex<Vec<Worker>>,
    terms: Terms,
    runs_per_worker: u64,
}

impl Workers {
    fn idle(&self) -> MutexGuard<'_, Vec<Worker>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> Result<Worker, TaskError> {
        let idle = self.idle().pop();
        match idle {
            Some(worker) => Ok(worker),
            None => Worker::start(&self.terms).map_err(|error| {
                let message = "no worker could be started";
                let failed = if is_out_of_resources(&error) {
                    TaskError::not_started(message)
                } else {
                    TaskError::new(message)
                };
                failed.with_source(error)
            }),
        }
    }
}

impl fmt::Debug for Workers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Workers")
            .field("idle", &self.idle().len())
            .field("terms", &self.terms)
            .finish_non_exhaustive()
    }
}

/// A task as its run's thread has it: it has a worker do it.
struct Remote {
    workers: Arc<Workers>,
    name: TaskName,
    time_limit: Option<Duration>,
}

impl Task for Remote {
    fn run(&self, arguments: &Value, context: &TaskContext) -> TaskResult {
        let run = RunFrame {
            run: context.run,
            job: context.job.clone(),
            task: self.name.clone(),
            arguments: arguments.clone(),
            scheduled: context.scheduled,
            started: context.started,
            attempt: context.attempt,
            cause: context.cause,
        };
        loop {
            let mut worker = self.workers.take()?;
            let is_fresh = worker.runs == 0;
            match worker.exchange(&run, context, self.time_limit, &self.workers.terms) {
                Exchange::Over(result) => {
                    if worker.runs < self.workers.runs_per_worker {
                        self.workers.idle().push(worker);
                    }
                    return result;
                }
                Exchange::Lost(error) => return Err(error),
                // It had ended while it was idle.
                Exchange::NotBegun if !is_fresh => {}
                Exchange::NotBegun => return Err(TaskError::new("the worker ended before it could begin")),
            }
        }
    }
}
