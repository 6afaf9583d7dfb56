//! A run on its way: as an executor gets it, and what comes back.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::panics::{drop_caught, text_of_panic};
use crate::{
    CancelReason, CancelToken, Clock, JobId, Layers, MissedReason, Outcome, Run, RunId, RunLog, StoreName,
    Task, TaskContext, TaskError, TaskName, TaskOutput, TaskResult, error_chain,
};

/// A run as an executor gets it.
#[non_exhaustive]
pub struct RunRequest {
    /// The run's number in the ledger.
    pub run: RunId,
    /// The store that has the ledger.
    pub store: StoreName,
    /// When its row says that it was handed to its executor. With the store and the number it tells the run from every other, also
    /// after a restart, and where a store in memory begins with the first number again.
    pub recorded: DateTime<Utc>,
    /// The job.
    pub job: JobId,
    /// The name of the task.
    pub task_name: TaskName,
    /// The task, with its layers around it. An executor that has something else do the work keeps them by
    /// [`with_task`](Self::with_task).
    pub task: Arc<dyn Task>,
    /// Those that are around the task.
    layers: Layers,
    /// Its arguments.
    pub arguments: Value,
    /// The fire time that the run is for.
    pub scheduled: DateTime<Utc>,
    /// 1 for the first attempt at this fire time.
    pub attempt: u32,
    /// The run of another job that it follows.
    pub cause: Option<RunId>,
    /// Among the runs that wait for the executor, those with a higher one begin first. 0 is the default.
    pub priority: i32,
    /// When it has to have begun: one that has waited longer for its place is missed. `None` where that does not matter.
    pub begin_by: Option<DateTime<Utc>>,
    /// How long it may run, from when it begins; `None` is as long as it takes.
    pub time_limit: Option<Duration>,
    /// Set when the run should stop.
    pub cancel: CancelToken,
    /// What it says while it is running.
    pub log: RunLog,
    /// The clock that stamps its beginning and end.
    pub clock: Arc<dyn Clock>,
}

impl RunRequest {
    /// The first attempt of a run that is for now, without arguments and without a limit.
    pub fn new(
        run: RunId,
        job: JobId,
        task_name: TaskName,
        task: Arc<dyn Task>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let (cancel, now) = (CancelToken::new(), clock.now());
        Self {
            run,
            store: StoreName::default(),
            recorded: now,
            job,
            task_name,
            task,
            layers: Layers::new(),
            arguments: Value::Null,
            scheduled: now,
            attempt: 1,
            cause: None,
            priority: 0,
            begin_by: None,
            time_limit: None,
            log: RunLog::of_run(&cancel),
            cancel,
            clock,
        }
    }

    /// Makes the request for a run that starts now, from its row of the ledger: without arguments, a time limit or a priority.
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use matins_core::{CancelToken, Job, JobId, Run, RunId, RunLog, RunRequest, TaskName};
    /// # use chrono::{DateTime, Utc};
    /// # use matins_core::{Clock, Task, TaskContext, TaskOutput, TaskResult, Value};
    /// # #[derive(Debug)]
    /// # struct Stopped;
    /// # impl Clock for Stopped {
    /// #     fn now(&self) -> DateTime<Utc> { DateTime::UNIX_EPOCH }
    /// #     fn sleep_until(&self, _: DateTime<Utc>) -> Option<std::time::Duration> { None }
    /// # }
    /// # #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
    /// # struct Never;
    /// # #[typetag::serde]
    /// # impl matins_core::Trigger for Never {
    /// #     fn next_after(&self, _: DateTime<Utc>) -> Option<DateTime<Utc>> { None }
    /// # }
    /// # struct Nothing;
    /// # impl Task for Nothing {
    /// #     fn run(&self, _: &Value, _: &TaskContext) -> TaskResult { Ok(TaskOutput::default()) }
    /// # }
    /// # let (task, trigger, clock) = (Arc::new(Nothing), Arc::new(Never), Arc::new(Stopped));
    ///
    /// let now = DateTime::UNIX_EPOCH;
    /// let job = Job::new(JobId::new("a")?, TaskName::new("nothing")?, trigger, Some(now), now);
    /// let run = Run::started(RunId::FIRST, job.id.clone(), now, now);
    /// let (cancel, log) = (CancelToken::new(), RunLog::default());
    /// let request = RunRequest::for_run(&run, job.task, task, cancel, log, clock);
    /// assert_eq!((request.run, request.scheduled), (RunId::FIRST, now));
    /// # Ok::<(), matins_core::NameError>(())
    /// ```
    pub fn for_run(
        run: &Run,
        task_name: TaskName,
        task: Arc<dyn Task>,
        cancel: CancelToken,
        log: RunLog,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            run: run.id,
            store: StoreName::default(),
            recorded: run.started.unwrap_or_else(|| clock.now()),
            job: run.job.clone(),
            task_name,
            task,
            layers: Layers::new(),
            arguments: Value::Null,
            scheduled: run.scheduled(),
            attempt: run.attempt,
            cause: run.cause,
            priority: 0,
            begin_by: None,
            time_limit: None,
            cancel,
            log,
            clock,
        }
    }

    /// Returns this run with `layers` around its task, outside of the layers that it has already.
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use matins_core::{JobId, Layers, RunId, RunRequest, TaskError, TaskName, layer_fn};
    /// # use matins_core::{Clock, Outcome, Task, TaskContext, TaskOutput, TaskResult, Value};
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
    /// # let (task, clock) = (Arc::new(Nothing), Arc::new(Stopped));
    ///
    /// let (job, name) = (JobId::new("job").unwrap(), TaskName::new("task").unwrap());
    /// let refuse = layer_fn(|_| |_| Err(TaskError::new("not today")));
    /// let run = RunRequest::new(RunId(1), job, name, task, clock).with_layers(Layers::new().with(refuse));
    /// assert_eq!(run.execute().message.as_deref(), Some("not today"));
    /// ```
    #[must_use]
    pub fn with_layers(self, layers: Layers) -> Self {
        Self { task: layers.around(self.task), layers: layers.outside(&self.layers), ..self }
    }

    /// Returns this run with `task` doing its work, and the same layers around it: for an executor which has the work done
    /// elsewhere, such as in another process.
    #[must_use]
    pub fn with_task(self, task: Arc<dyn Task>) -> Self {
        Self { task: self.layers.around(task), ..self }
    }

    /// Does the work on this thread, a panic caught, and reports what came of it. A run that was cancelled before
    /// it began, or whose time limit has passed, does not begin. Nobody watches the time limit here: that is the executor's.
    pub fn execute(&self) -> RunReport {
        let started = self.clock.now();
        if let Some(report) = self.not_to_begin(started) {
            return report;
        }
        let context = self.context(started);
        let _scope = self.enter();
        let result = catch_unwind(AssertUnwindSafe(|| self.task.run(&self.arguments, &context)));
        self.report(started, result)
    }

    /// Returns what the task is told about its run, and notes in the run's [`log`](Self::log) that the work began at `started`:
    /// until then a scheduler shows the run as queued.
    pub fn context(&self, started: DateTime<Utc>) -> TaskContext {
        self.log.begin_with(started, Some(self.clock.monotonic()));
        TaskContext {
            job: self.job.clone(),
            run: self.run,
            scheduled: self.scheduled,
            started,
            attempt: self.attempt,
            cause: self.cause,
            cancel: self.cancel.clone(),
            log: self.log.clone(),
        }
    }

    /// The report of a task that returned, or panicked. After its time limit it has timed out, whatever it says: it may
    /// have stopped halfway because it was told to.
    pub fn report(&self, started: DateTime<Utc>, result: thread::Result<TaskResult>) -> RunReport {
        let reason = self.cancel.reason();
        if matches!(reason, Some(CancelReason::TimeLimit(_))) {
            let output = match result {
                Ok(Ok(TaskOutput { output, .. }) | Err(TaskError { output, .. })) => output,
                Err(panic) => {
                    drop_caught(panic);
                    None
                }
            };
            return RunReport { output: self.log.text_before(output), ..self.stopped(started) };
        }
        let mut not_started = false;
        let (outcome, message, output, value) = match result {
            Ok(Ok(TaskOutput { result, output })) => (Outcome::Succeeded, None, output, result),
            Ok(Err(error)) => {
                not_started = error.not_started && reason.is_none();
                let outcome = if reason.is_some() { Outcome::Cancelled } else { Outcome::Failed };
                (outcome, Some(error_chain(&error)), error.output, None)
            }
            Err(panic) => {
                let message = format!("panicked: {}", text_of_panic(panic));
                (Outcome::Failed, Some(message), None, None)
            }
        };
        let mut report = self.ended_silently(Some(started), outcome, message);
        report.output = self.log.text_before(output);
        report.result = value;
        report.not_started = not_started;
        report
    }

    /// The report of a run that ends because it was told to: cancelled, or timed out.
    pub fn stopped(&self, started: DateTime<Utc>) -> RunReport {
        match self.cancel.reason() {
            Some(CancelReason::TimeLimit(limit)) => {
                let message = format!("it ran longer than its limit of {limit:?}");
                self.ended(Some(started), Outcome::TimedOut, Some(message))
            }
            _ => self.ended(Some(started), Outcome::Cancelled, Some("cancelled".to_owned())),
        }
    }

    /// Returns the report of a run that is not to begin at `now`: it was [told to stop](Self::not_begun) before, or is later than it may
    /// [begin](Self::begin_by). An executor that does not use [`execute`](Self::execute) asks this first.
    pub fn not_to_begin(&self, now: DateTime<Utc>) -> Option<RunReport> {
        if self.cancel.is_cancelled() {
            return Some(self.not_begun());
        }
        self.begin_by.filter(|begin_by| now > *begin_by).map(|_| {
            let message = "it waited for its executor longer than its misfire grace".to_owned();
            let outcome = Outcome::Missed(MissedReason::TooLate);
            self.ended_silently(None, outcome, Some(message))
        })
    }

    /// The report of a run that was cancelled before it began, or whose time limit had passed by then: its thread may have waited for
    /// a processor for so long.
    pub fn not_begun(&self) -> RunReport {
        let (outcome, message) = match self.cancel.reason() {
            Some(CancelReason::TimeLimit(limit)) => {
                (Outcome::TimedOut, format!("its limit of {limit:?} passed before its work began"))
            }
            _ => (Outcome::Cancelled, "cancelled before it began".to_owned()),
        };
        self.ended_silently(None, outcome, Some(message))
    }

    /// The report of a run that ends now, with what it has said so far.
    ///
    /// If the clock was set while the run was in progress, the report has the beginning by the new time. So the time from the
    /// beginning to the end is the time that has really passed.
    pub fn ended(
        &self,
        started: Option<DateTime<Utc>>,
        outcome: Outcome,
        message: Option<String>,
    ) -> RunReport {
        let report = self.ended_silently(started, outcome, message);
        RunReport { output: self.log.text_before(None), ..report }
    }

    /// As [`ended`](Self::ended), without what the run has said.
    fn ended_silently(
        &self,
        started: Option<DateTime<Utc>>,
        outcome: Outcome,
        message: Option<String>,
    ) -> RunReport {
        let finished = self.clock.now();
        let began = |started| self.log.began_before(finished, &*self.clock).unwrap_or(started);
        let started = started.map(began);
        RunReport {
            started: started.map(|started| started.min(finished)),
            message,
            ..RunReport::new(self.run, finished, outcome)
        }
    }
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
#[non_exhaustive]
pub struct RunReport {
    /// The run.
    pub run: RunId,
    /// When the work really began; `None` when it never did.
    pub started: Option<DateTime<Utc>>,
    /// When it ended.
    pub finished: DateTime<Utc>,
    /// Its outcome.
    pub outcome: Outcome,
    /// Why, where there is something to say.
    pub message: Option<String>,
    /// The tail of what it printed and logged.
    pub output: Option<String>,
    /// What it returned.
    pub result: Option<Value>,
    /// The work has not begun, because the system had nothing left for it: see [`TaskError::not_started`]. The scheduler tries
    /// the run again instead of ending it with [`outcome`](Self::outcome).
    pub not_started: bool,
}

impl RunReport {
    /// Reports that a run ended at `finished`, without a beginning, a message, output or a result.
    pub fn new(run: RunId, finished: DateTime<Utc>, outcome: Outcome) -> Self {
        Self {
            run,
            started: None,
            finished,
            outcome,
            message: None,
            output: None,
            result: None,
            not_started: false,
        }
    }
}
