//! Who does the work: the contract of an executor, and how a run is handed over and comes back.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::{Clock, IntoDuration, Limits, Outcome, RunId, RunReport, RunRequest};

/// Runs what a scheduler hands it.
///
/// # Contract
/// * [`submit`](Self::submit) does not wait for the work, nor for room: it takes the run or refuses it at once;
/// * every run that was taken completes exactly once, whatever happens to it: [`Completion`] sees to that even
///   where the work is lost;
/// * the work of a run begins with [`RunRequest::execute`] or [`RunRequest::context`]: until then the run is queued;
/// * a panic of a task is that run's failure, and never the executor's;
/// * a run whose [`time_limit`](RunRequest::time_limit) has passed since it began is ended as far as the executor can end
///   it, and reported as [`Outcome::TimedOut`]; where its work continues, by [`Completion::leave_behind`];
/// * what a task registers with [`CancelToken::on_cancel`](crate::CancelToken::on_cancel) is called neither under a lock nor on
///   a thread that other runs depend on: [`CancelToken::set`](crate::CancelToken::set) is for that;
/// * dropping an executor leaves no thread or process behind.
///
/// The smallest executor runs everything in `submit`, on the caller's thread. The scheduler waits meanwhile, so it is for tests only:
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
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an executor",
    label = "this does not implement `Executor`",
    note = "the executors of Matins are `ThreadExecutor`, `TokioExecutor`, `RayonExecutor`, `ProcessExecutor` and `nats::NatsExecutor`; each needs the feature of its name",
    note = "a `Result` is not an executor: add `?`",
    note = "an executor that is chosen at run time is a `Box<dyn Executor>`"
)]
pub trait Executor: Send {
    /// Takes a run, or gives it back with the reason. Of the runs that wait for a place, the one with the highest
    /// [priority](RunRequest::priority) begins first, and of those with the same priority the one that came first.
    ///
    /// # Errors
    /// [`Refusal::Full`] when there is no room, [`Refusal::OutOfResources`] when the system lets it start nothing, and
    /// [`Refusal::ShutDown`] after [`shutdown`](Self::shutdown).
    fn submit(&mut self, run: RunRequest, done: Completion) -> Result<(), Refused>;

    /// Takes no more runs, and ends; answers with the runs that would not end and were left behind. Calling it again
    /// does nothing.
    fn shutdown(&mut self, how: Shutdown) -> Vec<RunId>;

    /// Returns how the calling thread may wait for the end of this executor's runs. By default it blocks.
    ///
    /// An executor whose runs can be done only by certain threads (an event loop) says so here. A scheduler then never makes
    /// such a thread wait for the very runs that it has to do.
    fn wait_mode(&self) -> WaitMode {
        WaitMode::Block
    }

    /// Returns whether its runs continue when this process ends. By default they do not.
    ///
    /// A scheduler does not record such a run as interrupted because it, or another scheduler, has died: it calls
    /// [`reattach`](Self::reattach). Then *interrupted* means that the worker of the run was lost.
    fn survives(&self) -> bool {
        false
    }

    /// Takes up a run that an earlier process has submitted, and completes it once, as if it had been submitted here. If the run has
    /// ended meanwhile, it completes at once. If it was never handed over, it is handed over now.
    ///
    /// Called only if the executor [`survives`](Self::survives). By default it takes up nothing.
    ///
    /// # Errors
    /// [`Refusal::NotAttachable`] if its runs end with their process, and [`Refusal::ShutDown`] after [`shutdown`](Self::shutdown).
    fn reattach(&mut self, run: RunRequest, done: Completion) -> Result<(), Refused> {
        let _ = run;
        Err(Refused { reason: Refusal::NotAttachable, done })
    }
}

/// How a thread may wait for the end of runs: see [`Executor::wait_mode`].
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum WaitMode {
    /// It blocks: other threads do the runs.
    Block,
    /// It blocks inside a call of this function, which lets other threads do meanwhile what this one would have done, and calls
    /// its argument.
    BlockWithin(fn(&mut dyn FnMut())),
    /// It must not wait: the runs end only if this thread continues.
    Never,
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

impl Shutdown {
    /// Waits at most this long, then cancels what is left: [`Deadline`](Self::Deadline), with any of the usual types of durations. A
    /// negative one counts as zero.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use chrono::TimeDelta;
    /// use matins_core::Shutdown;
    ///
    /// assert_eq!(Shutdown::within(TimeDelta::seconds(30)), Shutdown::Deadline(Duration::from_secs(30)));
    /// ```
    #[must_use]
    pub fn within(time: impl IntoDuration) -> Self {
        Self::Deadline(time.into_duration().unwrap_or_default())
    }
}

/// Where reports go.
pub trait CompletionSink: Send + Sync {
    /// Takes the report of a run. It must not block.
    fn completed(&self, report: RunReport);

    /// Takes the report of a run whose work continues, because it does not respond to its [`CancelToken`](crate::CancelToken) and
    /// cannot be ended from outside. [`work_ended`](Self::work_ended) follows when the work has really ended. It must not
    /// block.
    ///
    /// By default the run has completed, and its work is forgotten.
    fn left_behind(&self, report: RunReport) {
        self.completed(report);
    }

    /// The work of a run that was [left behind](Self::left_behind) has ended: its thread is free. It must not block.
    fn work_ended(&self, run: RunId) {
        let _ = run;
    }
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

    /// Reports a run whose work continues, because it cannot be ended from outside. The returned guard is to be dropped when
    /// the work has ended, so that the scheduler can count it until then.
    ///
    /// ```
    /// use std::sync::{Arc, Mutex};
    ///
    /// use matins_core::{Completion, CompletionSink, RunId, RunReport};
    /// # use matins_core::{Clock, JobId, Outcome, RunRequest, Task, TaskContext, TaskName, TaskOutput, TaskResult, Value};
    /// # #[derive(Debug)]
    /// # struct Stopped;
    /// # impl Clock for Stopped {
    /// #     fn now(&self) -> chrono::DateTime<chrono::Utc> { chrono::DateTime::UNIX_EPOCH }
    /// #     fn sleep_until(&self, _: chrono::DateTime<chrono::Utc>) -> Option<std::time::Duration> { None }
    /// # }
    /// # struct Nothing;
    /// # impl Task for Nothing {
    /// #     fn run(&self, _: &Value, _: &TaskContext) -> TaskResult { Ok(TaskOutput::default()) }
    /// # }
    /// # let (clock, task) = (Arc::new(Stopped), Arc::new(Nothing));
    /// # let (job, name) = (JobId::new("job").unwrap(), TaskName::new("task").unwrap());
    /// # let run = RunRequest::new(RunId(1), job, name, task, clock.clone());
    ///
    /// #[derive(Default)]
    /// struct Notices(Mutex<Vec<&'static str>>);
    ///
    /// impl CompletionSink for Notices {
    ///     fn completed(&self, _: RunReport) {
    ///         self.0.lock().unwrap().push("completed");
    ///     }
    ///     fn left_behind(&self, _: RunReport) {
    ///         self.0.lock().unwrap().push("left behind");
    ///     }
    ///     fn work_ended(&self, _: RunId) {
    ///         self.0.lock().unwrap().push("work ended");
    ///     }
    /// }
    ///
    /// let notices = Arc::new(Notices::default());
    /// let done = Completion::new(run.run, clock, notices.clone());
    /// let left = done.leave_behind(run.ended(None, Outcome::TimedOut, None));
    /// assert_eq!(*notices.0.lock().unwrap(), ["left behind"]);
    /// drop(left);
    /// assert_eq!(*notices.0.lock().unwrap(), ["left behind", "work ended"]);
    /// ```
    pub fn leave_behind(mut self, mut report: RunReport) -> LeftBehind {
        let sink = self.sink.take();
        if let Some(sink) = &sink {
            Limits::DEFAULT.fit(&mut report);
            sink.left_behind(report);
        }
        LeftBehind { run: self.run, sink }
    }

    /// Gives the promise up without a report, for a run that continues when this process ends: the next scheduler
    /// [reattaches](Executor::reattach) it. See [`Executor::survives`].
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use matins_core::{Clock, CompletionSink, RunReport};
    /// use matins_core::{Completion, RunId};
    /// # #[derive(Debug)]
    /// # struct Stopped;
    /// # impl Clock for Stopped {
    /// #     fn now(&self) -> chrono::DateTime<chrono::Utc> { chrono::DateTime::UNIX_EPOCH }
    /// #     fn sleep_until(&self, _: chrono::DateTime<chrono::Utc>) -> Option<std::time::Duration> { None }
    /// # }
    ///
    /// struct NoReports;
    ///
    /// impl CompletionSink for NoReports {
    ///     fn completed(&self, report: RunReport) {
    ///         panic!("it continues elsewhere: {report:?}");
    ///     }
    /// }
    ///
    /// let done = Completion::new(RunId(1), Arc::new(Stopped), Arc::new(NoReports));
    /// done.leave();
    /// ```
    pub fn leave(self) {
        self.forget();
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

/// The work of a run that was left behind: see [`Completion::leave_behind`]. Dropping it says that the work has ended.
#[must_use = "dropping it says that the work has ended"]
pub struct LeftBehind {
    run: RunId,
    sink: Option<Arc<dyn CompletionSink>>,
}

impl Drop for LeftBehind {
    fn drop(&mut self) {
        if let Some(sink) = self.sink.take() {
            sink.work_ended(self.run);
        }
    }
}

impl fmt::Debug for LeftBehind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LeftBehind").field("run", &self.run).finish_non_exhaustive()
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
    /// Its runs end with the process that has submitted them: see [`Executor::reattach`].
    NotAttachable,
}
