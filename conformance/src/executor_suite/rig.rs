//! What the suite tries an executor with: runs, where their reports go, and a gate at which they wait.

use std::collections::BTreeMap;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use matins_core::{
    CancelToken, Clock, Completion, CompletionSink, Executor, JobId, Layers, Refusal, RunId, RunReport,
    RunRequest, TaskName,
};
use matins_task_function::TaskRegistry;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::tasks::register;

/// Longer than anything here may take on a machine that is busy with other things.
pub(crate) const GENEROUS: Duration = Duration::from_secs(60);

/// A clock that stands still: the suite looks at outcomes, not at times.
#[derive(Debug)]
struct Stopped;

impl Clock for Stopped {
    fn now(&self) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH
    }

    fn sleep_until(&self, _until: DateTime<Utc>) -> Option<Duration> {
        None
    }
}

/// Collects reports, and waits for them.
#[derive(Default)]
pub(crate) struct Reports {
    /// In the order in which they came.
    order: Mutex<Vec<u64>>,
    of_runs: Mutex<BTreeMap<RunId, Vec<RunReport>>>,
    /// Runs that were left behind, and whether their work has ended.
    left: Mutex<BTreeMap<RunId, bool>>,
    arrived: Condvar,
}

impl CompletionSink for Reports {
    fn completed(&self, report: RunReport) {
        self.order.lock().unwrap_or_else(PoisonError::into_inner).push(report.run.0);
        self.of_runs
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .entry(report.run)
            .or_default()
            .push(report);
        self.arrived.notify_all();
    }

    fn left_behind(&self, report: RunReport) {
        self.left.lock().unwrap_or_else(PoisonError::into_inner).insert(report.run, false);
        self.completed(report);
    }

    fn work_ended(&self, run: RunId) {
        let before = self.left.lock().unwrap_or_else(PoisonError::into_inner).insert(run, true);
        assert_eq!(before, Some(false), "the work of run {run} ends once, after it was left behind");
        self.arrived.notify_all();
    }
}

impl Reports {
    /// The runs, in the order in which they have reported.
    pub(super) fn in_order(&self) -> Vec<u64> {
        self.order.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until no run is left behind. Returns those that have been.
    pub(super) fn wait_for_left(&self) -> Vec<u64> {
        let left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        let go_on = |left: &mut BTreeMap<RunId, bool>| left.values().any(|has_ended| !has_ended);
        let waited = self.arrived.wait_timeout_while(left, GENEROUS, go_on);
        let (left, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        assert!(!timeout.timed_out(), "the end of what was left behind is reported: {left:?}");
        left.keys().map(|run| run.0).collect()
    }

    /// Waits until `count` runs or more have reported.
    pub(super) fn wait_for_at_least(&self, count: usize) {
        drop(self.at_least(count));
    }

    fn at_least(&self, count: usize) -> MutexGuard<'_, BTreeMap<RunId, Vec<RunReport>>> {
        let give_up = Instant::now() + GENEROUS;
        let mut reports = self.of_runs.lock().unwrap_or_else(PoisonError::into_inner);
        while reports.len() < count {
            let rest = give_up.saturating_duration_since(Instant::now());
            assert!(!rest.is_zero(), "{} of {count} runs have completed", reports.len());
            reports = self.arrived.wait_timeout(reports, rest).unwrap_or_else(PoisonError::into_inner).0;
        }
        reports
    }

    /// Waits until `count` runs have reported, and gives their reports; panics where one reported twice.
    pub(crate) fn wait_for(&self, count: usize) -> BTreeMap<u64, RunReport> {
        let reports = self.at_least(count);
        assert_eq!(reports.len(), count, "no more runs complete than were taken");
        let single = |(id, reports): (&RunId, &Vec<RunReport>)| {
            assert_eq!(reports.len(), 1, "run {id} completes exactly once");
            (id.0, reports[0].clone())
        };
        reports.iter().map(single).collect()
    }
}

/// A gate that tasks wait at until it is opened, and that counts who has come. It is a socket, so that they may be in
/// other processes.
pub(super) struct Gate {
    directory: TempDir,
    state: Arc<(Mutex<Waiting>, Condvar)>,
}

#[derive(Default)]
struct Waiting {
    come: usize,
    /// Those that stand at the gate.
    streams: Vec<UnixStream>,
    is_open: bool,
}

impl Gate {
    pub(super) fn new() -> Self {
        let directory = TempDir::new().expect("a directory");
        let listener = UnixListener::bind(directory.path().join("gate")).expect("a socket");
        let state = Arc::<(Mutex<Waiting>, Condvar)>::default();
        let porter = Arc::downgrade(&state);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let Some(state) = porter.upgrade() else { return };
                let mut waiting = state.0.lock().unwrap_or_else(PoisonError::into_inner);
                waiting.come += 1;
                if !waiting.is_open {
                    waiting.streams.push(stream);
                }
                state.1.notify_all();
            }
        });
        Self { directory, state }
    }

    /// The arguments of a task that stops at this gate.
    pub(super) fn arguments(&self) -> Value {
        json!({"do": "pass", "gate": self.directory.path().join("gate")})
    }

    pub(super) fn open(&self) {
        let mut waiting = self.state.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.is_open = true;
        waiting.streams.clear();
    }

    /// Waits until `count` tasks stand at the gate or have passed it.
    pub(super) fn wait_for(&self, count: usize) {
        let waiting = self.state.0.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.state.1.wait_timeout_while(waiting, GENEROUS, |waiting| waiting.come < count);
        let timeout = waited.unwrap_or_else(PoisonError::into_inner).1;
        assert!(!timeout.timed_out(), "{count} tasks begin");
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.open();
        // Somebody has to knock, so that the porter sees that there is no gate any more.
        self.state = Arc::default();
        drop(UnixStream::connect(self.directory.path().join("gate")));
    }
}

/// The suite's view of one executor.
pub(crate) struct Bench {
    pub(super) executor: Box<dyn Executor>,
    tasks: TaskRegistry,
    pub(crate) reports: Arc<Reports>,
    submitted: u64,
    pub(crate) tokens: Vec<CancelToken>,
    /// Of the runs that are submitted next.
    pub(crate) time_limit: Option<Duration>,
    /// Of the runs that are submitted next.
    pub(super) priority: i32,
    /// Of the runs that are submitted next.
    pub(super) cause: Option<RunId>,
    /// Of the runs that are submitted next.
    pub(super) layers: Layers,
}

impl Bench {
    pub(crate) fn new(executor: Box<dyn Executor>) -> Self {
        let tasks = TaskRegistry::default();
        register(&tasks).expect("names");
        Self {
            executor,
            tasks,
            reports: Arc::default(),
            submitted: 0,
            tokens: Vec::new(),
            time_limit: None,
            priority: 0,
            cause: None,
            layers: Layers::new(),
        }
    }

    pub(crate) fn submit(&mut self, task: &str, arguments: Value) -> Result<u64, Refusal> {
        let run = RunId(self.submitted + 1);
        let clock: Arc<dyn Clock> = Arc::new(Stopped);
        let (job, name) = (JobId::new("job").expect("a job id"), TaskName::new(task).expect("a task name"));
        let task = self.tasks.get(task).expect("a task of the suite");
        let request = RunRequest::new(run, job, name, task, clock.clone());
        let mut request = request.with_layers(self.layers.clone());
        (request.arguments, request.time_limit) = (arguments, self.time_limit);
        (request.priority, request.cause) = (self.priority, self.cause);
        let cancel = request.cancel.clone();
        let done = Completion::new(run, clock, self.reports.clone());
        match self.executor.submit(request, done) {
            Ok(()) => {
                self.submitted += 1;
                self.tokens.push(cancel);
                Ok(run.0)
            }
            Err(refused) => {
                refused.done.forget();
                Err(refused.reason)
            }
        }
    }
}
