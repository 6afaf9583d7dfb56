//! The work itself: tasks, what they are told about their run, and what they give back.

use std::fmt;
use std::pin::Pin;

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::{ArgumentsError, CancelToken, Cancelled, JobId, Progress, RunId, RunLog, TaskError};

/// Work that has a name and takes arguments as JSON.
///
/// Most tasks are functions or closures: the crate `matins-task-function` makes tasks of them.
///
/// ```
/// # let context = TaskContext::new(JobId::new("backup")?, RunId::FIRST, chrono::DateTime::UNIX_EPOCH);
/// use matins_core::{ArgumentsError, JobId, RunId, Task, TaskContext, TaskFuture, TaskOutput, TaskResult, Value};
///
/// /// Greets the person that the arguments name.
/// struct Greet;
///
/// impl Task for Greet {
///     fn run(&self, arguments: &Value, context: &TaskContext) -> TaskResult {
///         let greeting = format!("hello {}", arguments.as_str().unwrap_or("world"));
///         context.log(&greeting);
///         Ok(TaskOutput::default().with_result(greeting))
///     }
///
///     fn check(&self, arguments: &Value) -> Result<(), ArgumentsError> {
///         let is_name = arguments.is_string() || arguments.is_null();
///         is_name.then_some(()).ok_or_else(|| ArgumentsError::new("a name is a text"))
///     }
/// }
///
/// assert_eq!(Greet.run(&"Ada".into(), &context).unwrap().result, Some("hello Ada".into()));
/// assert!(Greet.check(&7.into()).is_err());
/// assert!(Greet.future(&Value::Null, &context).is_none(), "it blocks");
/// # Ok::<(), matins_core::NameError>(())
/// ```
pub trait Task: Send + Sync {
    /// Does the work. It may block; it may panic, which is recorded as a failure.
    ///
    /// # Errors
    /// What the task says went wrong. The message and all causes go into the ledger.
    fn run(&self, arguments: &Value, context: &TaskContext) -> TaskResult;

    /// The work as a future, where the task is an async one; `None`, the default, where it blocks. An executor that can
    /// run futures asks for it first; with any other, [`run`](Self::run) drives the future on the executor's thread. A scheduler
    /// that is built inside a tokio runtime (with its feature `tokio`) enters it there. Without one, I/O and timers of tokio panic: a job
    /// with such a task needs the tokio executor.
    fn future(&self, arguments: &Value, context: &TaskContext) -> Option<TaskFuture> {
        let _ = (arguments, context);
        None
    }

    /// Whether `arguments` are ones that the task can take. Called when a job is added. The default takes anything.
    ///
    /// # Errors
    /// If the task cannot take them. The error says what is wrong with them.
    fn check(&self, arguments: &Value) -> Result<(), ArgumentsError> {
        let _ = arguments;
        Ok(())
    }
}

/// What a run is told about itself.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct TaskContext {
    /// The job.
    pub job: JobId,
    /// The run's number in the ledger.
    pub run: RunId,
    /// The fire time that it is for.
    pub scheduled: DateTime<Utc>,
    /// When it really began.
    pub started: DateTime<Utc>,
    /// 1 for the first attempt at this fire time.
    pub attempt: u32,
    /// The run of another job that it follows: see [`After`](crate::After).
    pub cause: Option<RunId>,
    /// Set when the run should stop: look at it from time to time in long work.
    pub cancel: CancelToken,
    /// Where it can say what it is doing.
    pub log: RunLog,
}

impl TaskContext {
    /// Returns what the first attempt of a run is told that begins at its fire time: for tests of tasks.
    ///
    /// ```
    /// use chrono::DateTime;
    /// use matins_core::{JobId, RunId, TaskContext};
    ///
    /// let context = TaskContext::new(JobId::new("backup")?, RunId::FIRST, DateTime::UNIX_EPOCH);
    /// assert_eq!((context.attempt, context.is_cancelled()), (1, false));
    /// # Ok::<(), matins_core::NameError>(())
    /// ```
    pub fn new(job: JobId, run: RunId, scheduled: DateTime<Utc>) -> Self {
        let cancel = CancelToken::new();
        let log = RunLog::of_run(&cancel);
        Self { job, run, scheduled, started: scheduled, attempt: 1, cause: None, cancel, log }
    }

    /// Adds a line to the run's output in the ledger. The last 8 KiB are kept.
    ///
    /// ```
    /// # use matins_core::{JobId, RunId, TaskContext};
    /// # let context = TaskContext::new(JobId::new("backup")?, RunId::FIRST, chrono::DateTime::UNIX_EPOCH);
    /// context.log("copying");
    /// context.log(format_args!("{} files", 7));
    /// assert_eq!(context.log.text_before(None).as_deref(), Some("copying\n7 files"));
    /// # Ok::<(), matins_core::NameError>(())
    /// ```
    pub fn log(&self, line: impl fmt::Display) {
        self.log.line(line);
    }

    /// Reports how much is done, and of how much. Others can ask for it while the task runs, and the last report is in the ledger.
    ///
    /// ```
    /// # use matins_core::{JobId, RunId, TaskContext};
    /// # let context = TaskContext::new(JobId::new("backup")?, RunId::FIRST, chrono::DateTime::UNIX_EPOCH);
    /// for file in 0..10 {
    ///     context.progress(file + 1, 10);
    /// }
    /// assert_eq!(context.log.last_progress().unwrap().to_string(), "10 of 10");
    /// # Ok::<(), matins_core::NameError>(())
    /// ```
    pub fn progress(&self, done: u64, total: u64) {
        self.log.progress(Progress { done, total });
    }

    /// Returns whether the run should stop, because it was cancelled or its time limit has passed.
    ///
    /// ```
    /// # use matins_core::{JobId, RunId, TaskContext};
    /// # let context = TaskContext::new(JobId::new("backup")?, RunId::FIRST, chrono::DateTime::UNIX_EPOCH);
    /// let copy = |context: &TaskContext| {
    ///     for _file in 0..1_000 {
    ///         if context.is_cancelled() {
    ///             return Err("cancelled");
    ///         }
    ///     }
    ///     Ok(())
    /// };
    /// assert_eq!(copy(&context), Ok(()));
    /// context.cancel.cancel();
    /// assert_eq!(copy(&context), Err("cancelled"));
    /// # Ok::<(), matins_core::NameError>(())
    /// ```
    pub fn is_cancelled(&self) -> bool {
        self.cancel.is_cancelled()
    }

    /// Waits until the run should stop. An async task that has awaited this has time to end by itself: see
    /// [`CancelToken::cancelled`].
    ///
    /// ```
    /// use matins_core::TaskContext;
    ///
    /// async fn serve(context: TaskContext) -> &'static str {
    ///     // Most runtimes have a macro that waits for one of several futures.
    ///     context.cancelled().await;
    ///     "put away"
    /// }
    /// ```
    pub fn cancelled(&self) -> Cancelled {
        self.cancel.cancelled()
    }

    /// Whether the scheduler has begun to shut down. The run may continue to its end, or to the deadline of the shutdown, at which it
    /// is cancelled: a task that takes long can come to a good place before. A task in a worker process is told too.
    ///
    /// ```
    /// # use matins_core::{JobId, RunId, TaskContext};
    /// # let context = TaskContext::new(JobId::new("backup")?, RunId::FIRST, chrono::DateTime::UNIX_EPOCH);
    /// assert!(!context.is_shutting_down());
    /// // A scheduler does this.
    /// context.cancel.note_shutdown().call();
    /// assert!(context.is_shutting_down() && !context.is_cancelled());
    /// # Ok::<(), matins_core::NameError>(())
    /// ```
    pub fn is_shutting_down(&self) -> bool {
        self.cancel.is_shutting_down()
    }
}

/// The work of an async task.
pub type TaskFuture = Pin<Box<dyn Future<Output = TaskResult> + Send>>;

/// What a task gives back.
pub type TaskResult = Result<TaskOutput, TaskError>;

/// What a task that went well gives to the ledger.
///
/// ```
/// use matins_core::TaskOutput;
///
/// let output = TaskOutput::default().with_result(3).with_output("three files");
/// assert_eq!(output.result, Some(3.into()));
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct TaskOutput {
    /// What it returned.
    pub result: Option<Value>,
    /// The tail of what it printed.
    pub output: Option<String>,
}

impl TaskOutput {
    /// Adds what the task returned.
    ///
    /// ```
    /// use matins_core::TaskOutput;
    ///
    /// let output = TaskOutput::default().with_result("42 rows");
    /// assert_eq!(output.result, Some("42 rows".into()));
    /// ```
    #[must_use]
    pub fn with_result(self, result: impl Into<Value>) -> Self {
        Self { result: Some(result.into()), ..self }
    }

    /// Adds the tail of what the task printed.
    ///
    /// ```
    /// use matins_core::TaskOutput;
    ///
    /// let output = TaskOutput::default().with_output("copied 7 files");
    /// assert_eq!(output.output.as_deref(), Some("copied 7 files"));
    /// ```
    #[must_use]
    pub fn with_output(self, output: impl Into<String>) -> Self {
        Self { output: Some(output.into()), ..self }
    }
}
