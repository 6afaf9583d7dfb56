//! Who does the work: the contract of an executor, and how a run is handed over and comes back.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::{Clock, Limits, Outcome, RunId, RunReport, RunRequest};

/// Runs what a scheduler hands it.
///
/// # Contract
/// * [`submit`](Self::submit) does not wait for the work, nor for room: it takes the run or refuses it at once;
/// * every run that was taken completes exactly once, whatever happens to it: [`Completion`] sees to that even
///   where the work is lost;
/// * the work of a run begins with [`RunRequest::execute`] or [`RunRequest::context`]: until then the run is queued;
/// * a panic of a task is that run's failure, and never the executor's;
/// * a run whose [`time_limit`](RunRequest::time_limit) has passed since it began is ended as far as the executor can end
///   it, and reported as [`Outcome::TimedOut`] even where the work goes on;
/// * dropping an executor leaves no thread or process behind.
///
/// The smallest executor runs everything on the caller's thread:
///
/// ```
/// use matins_core::{Completion, Executor, Refused, RunId, RunRequest, Shutdown};
///
/// struct Inline;
///
/// impl Executor for Inline {
///     fn submit(&mut self, run: RunRequest, done: Completion) -> Result<(), Refused> {
///         done.finish(run.execute());
///         Ok(())
///     }
///
///     fn shutdown(&mut self, _how: Shutdown) -> Vec<RunId> {
///         Vec::new()
///     }
/// }
/// ```
pub trait Executor: Send {
    /// Takes a run, or gives it back with the reason.
    ///
    /// # Errors
    /// [`Refusal::Full`] when there is no room, [`Refusal::OutOfResources`] when the system lets it start nothing, and
    /// [`Refusal::ShutDown`] after [`shutdown`](Self::shutdown).
    fn submit(&mut self, run: RunRequest, done: Completion) -> Result<(), Refused>;

    /// Takes no more runs, and ends; answers with the runs that would not end and were left behind. Calling it again
    /// does nothing.
    fn shutdown(&mut self, how: Shutdown) -> Vec<RunId>;
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

    /// Reports the outcome of the run. What is over a [limit](crate::Limits) is made to fit first.
    pub fn finish(mut self, mut report: RunReport) {
        if let Some(sink) = self.sink.take() {
            Limits::DEFAULT.fit(&mut report);
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
                not_started: false,
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
    /// The system, or a limit of this process or its user, let it start no thread or process. The scheduler tries the run again.
    OutOfResources,
    /// It was shut down.
    ShutDown,
}
