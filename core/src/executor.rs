//! Who does the work: the contract of an executor, and how a run is handed over and comes back.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::{Clock, JobId, Outcome, RunId, Task, TaskContext, TaskError, TaskName, TaskOutput};

/// Runs what a scheduler hands it.
///
/// # Contract
/// * [`submit`](Self::submit) does not wait for the work, nor for room: it takes the run or refuses it at once;
/// * every run that was taken completes exactly once, whatever happens to it: [`Completion`] sees to that even
///   where the work is lost;
/// * a panic of a task is that run's failure, and never the executor's;
/// * dropping an executor leaves no thread or process behind.
///
/// The smallest executor runs everything on the caller's thread:
///
/// ```
/// use matins_core::{Completion, Executor, Refused, RunRequest, Shutdown};
///
/// struct Inline;
///
/// impl Executor for Inline {
///     fn submit(&mut self, run: RunRequest, done: Completion) -> Result<(), Refused> {
///         done.finish(run.execute());
///         Ok(())
///     }
///
///     fn shutdown(&mut self, _how: Shutdown) {}
/// }
/// ```
pub trait Executor: Send {
    /// Takes a run, or gives it back with the reason.
    ///
    /// # Errors
    /// [`Refusal::Full`] when there is no room, [`Refusal::ShutDown`] after [`shutdown`](Self::shutdown).
    fn submit(&mut self, run: RunRequest, done: Completion) -> Result<(), Refused>;

    /// Takes no more runs, and ends. Calling it again does nothing.
    fn shutdown(&mut self, how: Shutdown);
}

/// How to end what is still running.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Shutdown {
    /// Wait until every run has ended by itself.
    Wait,
    /// Wait that long, then cancel what is left.
    Deadline(Duration),
    /// Cancel at once.
    Now,
}

/// A run as an executor gets it.
pub struct RunRequest {
    /// The run's number in the ledger.
    pub run: RunId,
    /// The job.
    pub job: JobId,
    /// The name of the task.
    pub task_name: TaskName,
    /// The task.
    pub task: Arc<dyn Task>,
    /// Its arguments.
    pub arguments: Value,
    /// The fire time that the run is for.
    pub scheduled: DateTime<Utc>,
    /// 1 for the first attempt at this fire time.
    pub attempt: u32,
    /// Set when the run should stop.
    pub cancel: CancelToken,
    /// The clock that stamps its beginning and end.
    pub clock: Arc<dyn Clock>,
}

impl RunRequest {
    /// Does the work on this thread, a panic caught, and reports what came of it. A run that was cancelled before
    /// it began does not begin.
    pub fn execute(self) -> RunReport {
        let started = self.clock.now();
        let report = |outcome, message, output, result| RunReport {
            run: self.run,
            started: Some(started),
            finished: self.clock.now(),
            outcome,
            message,
            output,
            result,
        };
        if self.cancel.is_cancelled() {
            return report(Outcome::Cancelled, Some("cancelled before it began".to_owned()), None, None);
        }
        let context = TaskContext {
            job: self.job.clone(),
            run: self.run,
            scheduled: self.scheduled,
            started,
            attempt: self.attempt,
            cancel: self.cancel.clone(),
        };
        match catch_unwind(AssertUnwindSafe(|| self.task.run(&self.arguments, &context))) {
            Ok(Ok(TaskOutput { result, output })) => report(Outcome::Succeeded, None, output, result),
            Ok(Err(TaskError { message, output })) => {
                let outcome = if self.cancel.is_cancelled() { Outcome::Cancelled } else { Outcome::Failed };
                report(outcome, Some(message), output, None)
            }
            Err(panic) => {
                report(Outcome::Failed, Some(format!("panicked: {}", panic_message(&*panic))), None, None)
            }
        }
    }
}

fn panic_message(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("(a value that is not text)")
}

impl fmt::Debug for RunRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunRequest")
            .field("run", &self.run)
            .field("job", &self.job)
            .field("task_name", &self.task_name)
            .field("scheduled", &self.scheduled)
            .finish_non_exhaustive()
    }
}

/// What came of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct RunReport {
    /// The run.
    pub run: RunId,
    /// When the work really began; `None` when it never did.
    pub started: Option<DateTime<Utc>>,
    /// When it ended.
    pub finished: DateTime<Utc>,
    /// What became of it.
    pub outcome: Outcome,
    /// Why, where there is something to say.
    pub message: Option<String>,
    /// The tail of what it printed.
    pub output: Option<String>,
    /// What it returned.
    pub result: Option<Value>,
}

/// Where reports go.
pub trait CompletionSink: Send + Sync {
    /// Takes the report of a run. It must not block.
    fn completed(&self, report: RunReport);
}

/// The promise that a run completes exactly once. [`finish`](Self::finish) keeps it; dropping it unfinished reports
/// the run as failed, so that no executor can lose one silently.
pub struct Completion {
    run: RunId,
    clock: Arc<dyn Clock>,
    sink: Option<Arc<dyn CompletionSink>>,
}

impl Completion {
    /// A completion of `run` that reports to `sink`.
    pub fn new(run: RunId, clock: Arc<dyn Clock>, sink: Arc<dyn CompletionSink>) -> Self {
        Self { run, clock, sink: Some(sink) }
    }

    /// Reports what came of the run.
    pub fn finish(mut self, report: RunReport) {
        if let Some(sink) = self.sink.take() {
            sink.completed(report);
        }
    }

    /// Gives the promise up, for a run that was refused: its submitter accounts for it.
    pub fn forget(mut self) {
        self.sink = None;
    }
}

impl Drop for Completion {
    fn drop(&mut self) {
        if let Some(sink) = self.sink.take() {
            sink.completed(RunReport {
                run: self.run,
                started: None,
                finished: self.clock.now(),
                outcome: Outcome::Failed,
                message: Some("the executor lost the run: its worker ended without a result".to_owned()),
                output: None,
                result: None,
            });
        }
    }
}

impl fmt::Debug for Completion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Completion").field("run", &self.run).finish_non_exhaustive()
    }
}

/// A run that an executor did not take.
#[derive(Debug)]
pub struct Refused {
    /// Why.
    pub reason: Refusal,
    /// The promise, given back.
    pub done: Completion,
}

/// Why an executor did not take a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// It has no room.
    Full,
    /// It was shut down.
    ShutDown,
}

/// Tells a run that it should stop. Clones are one token.
#[derive(Clone, Default)]
pub struct CancelToken(Arc<CancelState>);

#[derive(Default)]
struct CancelState {
    cancelled: AtomicBool,
    callbacks: Mutex<Vec<Box<dyn FnOnce() + Send>>>,
}

impl CancelToken {
    /// A token that is not set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets it. What was registered with [`on_cancel`](Self::on_cancel) is called now, once.
    pub fn cancel(&self) {
        let callbacks = {
            let mut callbacks = self.0.callbacks.lock().unwrap_or_else(PoisonError::into_inner);
            self.0.cancelled.store(true, Ordering::Release);
            std::mem::take(&mut *callbacks)
        };
        for callback in callbacks {
            callback();
        }
    }

    /// Whether it is set.
    pub fn is_cancelled(&self) -> bool {
        self.0.cancelled.load(Ordering::Acquire)
    }

    /// Calls `callback` when it is set, or now if it is set already. It must not block.
    pub fn on_cancel(&self, callback: impl FnOnce() + Send + 'static) {
        let mut callbacks = self.0.callbacks.lock().unwrap_or_else(PoisonError::into_inner);
        if self.is_cancelled() {
            drop(callbacks);
            callback();
        } else {
            callbacks.push(Box::new(callback));
        }
    }
}

impl fmt::Debug for CancelToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CancelToken").field(&self.is_cancelled()).finish()
    }
}
