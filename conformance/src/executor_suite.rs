//! The suite of executors: what each of them owes, as functions, and [`executor_suite!`](crate::executor_suite!) which
//! makes a test of each.

mod layers;

use std::collections::BTreeMap;
use std::io::Read;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::{Arc, Condvar, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use matins_core::{
    CancelToken, Clock, Completion, CompletionSink, Executor, JobId, Layers, NameError, Outcome, Refusal,
    RunId, RunReport, RunRequest, Shutdown, TaskContext, TaskError, TaskName, TaskOutput, TaskResult,
};
use matins_task_function::{IntoTaskResult, TaskRegistry};
use serde_json::{Value, json};
use tempfile::TempDir;

pub use layers::{
    a_layer_may_end_a_run_before_its_task_begins, a_panic_of_a_layer_fails_that_run_alone,
    layers_are_around_every_run,
};

/// Longer than anything here may take on a machine that is busy with other things.
pub(crate) const GENEROUS: Duration = Duration::from_secs(60);

/// How large an executor the suite asks for.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Runs at once.
    pub at_once: usize,
    /// Runs that wait beyond those.
    pub waiting: usize,
}

/// Makes a test of each function of the suite; the argument is a closure from [`Limits`] to an executor.
#[macro_export]
macro_rules! executor_suite {
    ($make:expr) => {
        $crate::executor_suite!(@tests $make,
            every_run_completes_exactly_once,
            each_end_has_its_outcome,
            a_full_executor_refuses_and_recovers,
            an_executor_that_is_shut_down_refuses,
            shutdown_waits_for_what_runs_and_what_waits,
            shutdown_cancels_at_its_deadline,
            dropping_an_executor_ends_its_runs,
            a_run_over_its_time_limit_has_timed_out,
            a_run_that_does_not_stop_has_timed_out_all_the_same,
            a_run_that_was_left_behind_is_reported_when_it_ends,
            a_panic_of_what_a_task_has_registered_stops_no_time_limit,
            what_a_task_has_registered_may_wait_for_the_executor,
            what_a_run_logs_is_in_its_report,
            an_async_task_runs,
            layers_are_around_every_run,
            a_panic_of_a_layer_fails_that_run_alone,
            a_layer_may_end_a_run_before_its_task_begins
        );
    };
    (@tests $make:expr, $($name:ident),*) => {
        $(
            #[test]
            fn $name() {
                let make: fn($crate::executor_suite::Limits) -> _ = $make;
                $crate::executor_suite::$name(&mut |limits| Box::new(make(limits)));
            }
        )*
    };
}

/// Makes an executor of the size asked for.
pub type Make<'a> = &'a mut dyn FnMut(Limits) -> Box<dyn Executor>;

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
    of_runs: Mutex<BTreeMap<RunId, Vec<RunReport>>>,
    /// Runs that were left behind, and whether their work has ended.
    left: Mutex<BTreeMap<RunId, bool>>,
    arrived: Condvar,
}

impl CompletionSink for Reports {
    fn completed(&self, report: RunReport) {
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
    /// Waits until no run is left behind. Returns those that have been.
    fn wait_for_left(&self) -> Vec<u64> {
        let left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        let go_on = |left: &mut BTreeMap<RunId, bool>| left.values().any(|has_ended| !has_ended);
        let waited = self.arrived.wait_timeout_while(left, GENEROUS, go_on);
        let (left, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        assert!(!timeout.timed_out(), "the end of what was left behind is reported: {left:?}");
        left.keys().map(|run| run.0).collect()
    }

    /// Waits until `count` runs have reported, and gives their reports; panics where one reported twice.
    pub(crate) fn wait_for(&self, count: usize) -> BTreeMap<u64, RunReport> {
        let give_up = Instant::now() + GENEROUS;
        let mut reports = self.of_runs.lock().unwrap_or_else(PoisonError::into_inner);
        while reports.len() < count {
            let rest = give_up.saturating_duration_since(Instant::now());
            assert!(!rest.is_zero(), "{} of {count} runs have completed", reports.len());
            reports = self.arrived.wait_timeout(reports, rest).unwrap_or_else(PoisonError::into_inner).0;
        }
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
struct Gate {
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
    fn new() -> Self {
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
    fn arguments(&self) -> Value {
        json!({"do": "pass", "gate": self.directory.path().join("gate")})
    }

    fn open(&self) {
        let mut waiting = self.state.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.is_open = true;
        waiting.streams.clear();
    }

    /// Waits until `count` tasks stand at the gate or have passed it.
    fn wait_for(&self, count: usize) {
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
    executor: Box<dyn Executor>,
    tasks: TaskRegistry,
    pub(crate) reports: Arc<Reports>,
    submitted: u64,
    pub(crate) tokens: Vec<CancelToken>,
    /// Of the runs that are submitted next.
    pub(crate) time_limit: Option<Duration>,
    /// Of the runs that are submitted next.
    layers: Layers,
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

/// Registers the tasks of the suite, for executors that find tasks by name in other processes.
///
/// # Errors
/// None; it is what registering answers.
pub fn register(tasks: &TaskRegistry) -> Result<(), NameError> {
    tasks.register(BEHAVE, |arguments: Value, context: &TaskContext| behave(&arguments, context))?;
    tasks.register(TWICE, async |n: u32| {
        yield_once().await;
        assert!(n < 10, "{n} is too much");
        Ok::<_, String>(n * 2)
    })
}

/// A task whose argument says what it does.
pub(crate) const BEHAVE: &str = "behave";
/// An async task.
const TWICE: &str = "twice";

fn behave(arguments: &Value, context: &TaskContext) -> Behaved {
    match arguments["do"].as_str() {
        Some("fail") => {
            return Behaved(Err(TaskError::new("no luck").with_output("tail")));
        }
        Some("panic") => panic!("out of luck"),
        Some("log") => {
            context.log("first");
            context.log("second");
            context.progress(3, 10);
            return Behaved(Ok(TaskOutput::default().with_output("printed")));
        }
        Some("until cancelled") => {
            let (stop, stopped) = mpsc::channel();
            context.cancel.on_cancel(move || {
                let _ = stop.send(());
            });
            stopped.recv_timeout(GENEROUS).expect("it is cancelled");
            return Behaved(Err(TaskError::new("cancelled")));
        }
        Some("panic when cancelled") => {
            let (stop, stopped) = mpsc::channel();
            context.cancel.on_cancel(|| panic!("no way to stop"));
            context.cancel.on_cancel(move || {
                let _ = stop.send(());
            });
            stopped.recv_timeout(GENEROUS).expect("it is cancelled");
        }
        Some("wait when cancelled") => {
            let gate = arguments["gate"].as_str().unwrap_or_default().to_owned();
            let (stop, stopped) = mpsc::channel();
            context.cancel.on_cancel(move || {
                let _ = stop.send(());
                pass(&gate);
            });
            stopped.recv_timeout(GENEROUS).expect("it is cancelled");
        }
        Some("pass") => pass(arguments["gate"].as_str().unwrap_or_default()),
        _ => {}
    }
    Behaved(Ok(TaskOutput::default().with_result(arguments.clone())))
}

/// Waits until a gate is opened.
fn pass(gate: &str) {
    let mut stream = UnixStream::connect(gate).expect("there is a gate");
    stream.set_read_timeout(Some(GENEROUS)).expect("a timeout");
    assert_eq!(stream.read(&mut [0]).expect("the gate was opened"), 0);
}

/// A result that has its output with it.
struct Behaved(TaskResult);

impl IntoTaskResult for Behaved {
    fn into_task_result(self) -> TaskResult {
        self.0
    }
}

/// A thousand of them, a tenth of them panicking.
pub fn every_run_completes_exactly_once(make: Make<'_>) {
    let mut bench = Bench::new(make(Limits { at_once: 4, waiting: 1000 }));
    for n in 0..1000 {
        let what = if n % 10 == 0 { "panic" } else { "return" };
        bench.submit(BEHAVE, json!({"do": what, "n": n})).expect("there is room");
    }
    let reports = bench.reports.wait_for(1000);
    let failed = reports.values().filter(|report| report.outcome == Outcome::Failed).count();
    assert_eq!(failed, 100);
}

/// Success, failure, panic, cancellation, each with what there is to say.
pub fn each_end_has_its_outcome(make: Make<'_>) {
    let mut bench = Bench::new(make(Limits { at_once: 4, waiting: 10 }));
    for what in ["return", "fail", "panic", "until cancelled"] {
        bench.submit(BEHAVE, json!({"do": what})).expect("there is room");
    }
    bench.tokens[3].cancel();
    let reports = bench.reports.wait_for(4);
    let ends: Vec<(Outcome, Option<&str>)> =
        reports.values().map(|report| (report.outcome, report.message.as_deref())).collect();
    assert_eq!(ends[0], (Outcome::Succeeded, None));
    assert_eq!(reports[&1].result, Some(json!({"do": "return"})));
    assert_eq!(ends[1], (Outcome::Failed, Some("no luck")));
    assert_eq!(reports[&2].output.as_deref(), Some("tail"));
    assert_eq!(ends[2], (Outcome::Failed, Some("panicked: out of luck")));
    assert_eq!(ends[3].0, Outcome::Cancelled);
}

/// At once, without waiting for room; and takes runs again when there is.
pub fn a_full_executor_refuses_and_recovers(make: Make<'_>) {
    let mut bench = Bench::new(make(Limits { at_once: 1, waiting: 2 }));
    let gate = Gate::new();
    bench.submit(BEHAVE, gate.arguments()).expect("there is room");
    gate.wait_for(1);
    for _ in 0..2 {
        bench.submit(BEHAVE, gate.arguments()).expect("there is room to wait");
    }
    assert_eq!(bench.submit(BEHAVE, gate.arguments()), Err(Refusal::Full));
    gate.open();
    bench.reports.wait_for(3);
    bench.submit(BEHAVE, gate.arguments()).expect("there is room again");
    bench.reports.wait_for(4);
}

/// Whatever it is given.
pub fn an_executor_that_is_shut_down_refuses(make: Make<'_>) {
    let mut bench = Bench::new(make(Limits { at_once: 1, waiting: 1 }));
    bench.executor.shutdown(Shutdown::Wait);
    assert_eq!(bench.submit(BEHAVE, json!({})), Err(Refusal::ShutDown));
    bench.executor.shutdown(Shutdown::Wait);
}

/// All that was taken completes.
pub fn shutdown_waits_for_what_runs_and_what_waits(make: Make<'_>) {
    let mut bench = Bench::new(make(Limits { at_once: 2, waiting: 100 }));
    let gate = Gate::new();
    for _ in 0..50 {
        bench.submit(BEHAVE, gate.arguments()).expect("there is room");
    }
    gate.wait_for(2);
    gate.open();
    bench.executor.shutdown(Shutdown::Wait);
    let reports = bench.reports.wait_for(50);
    assert!(reports.values().all(|report| report.outcome == Outcome::Succeeded));
}

/// What has begun, and what still waits.
pub fn shutdown_cancels_at_its_deadline(make: Make<'_>) {
    let mut bench = Bench::new(make(Limits { at_once: 1, waiting: 10 }));
    for _ in 0..5 {
        bench.submit(BEHAVE, json!({"do": "until cancelled"})).expect("there is room");
    }
    bench.executor.shutdown(Shutdown::Deadline(Duration::from_millis(1)));
    let reports = bench.reports.wait_for(5);
    assert!(reports.values().all(|report| report.outcome == Outcome::Cancelled), "{reports:?}");
}

/// None is lost.
pub fn dropping_an_executor_ends_its_runs(make: Make<'_>) {
    let mut bench = Bench::new(make(Limits { at_once: 2, waiting: 10 }));
    for _ in 0..6 {
        bench.submit(BEHAVE, json!({"do": "until cancelled"})).expect("there is room");
    }
    let Bench { executor, reports, .. } = bench;
    drop(executor);
    reports.wait_for(6);
}

/// Whatever the task says when it is told to stop; one within its limit is not touched.
pub fn a_run_over_its_time_limit_has_timed_out(make: Make<'_>) {
    let mut bench = Bench::new(make(Limits { at_once: 4, waiting: 10 }));
    bench.time_limit = Some(Duration::from_millis(20));
    bench.submit(BEHAVE, json!({"do": "until cancelled"})).expect("there is room");
    bench.time_limit = Some(GENEROUS * 10);
    bench.submit(BEHAVE, json!({"do": "return"})).expect("there is room");
    // As long as one likes.
    bench.time_limit = Some(Duration::MAX);
    bench.submit(BEHAVE, json!({"do": "return"})).expect("there is room");
    let reports = bench.reports.wait_for(3);
    assert_eq!(reports[&1].outcome, Outcome::TimedOut);
    let message = reports[&1].message.as_deref().unwrap_or_default();
    assert!(message.contains("20ms"), "{message}");
    assert_eq!((reports[&2].outcome, reports[&3].outcome), (Outcome::Succeeded, Outcome::Succeeded));
}

/// It is reported, once, and shutting down names it rather than wait for it.
pub fn a_run_that_does_not_stop_has_timed_out_all_the_same(make: Make<'_>) {
    let mut bench = Bench::new(make(Limits { at_once: 2, waiting: 10 }));
    let gate = Gate::new();
    bench.time_limit = Some(Duration::from_millis(20));
    bench.submit(BEHAVE, gate.arguments()).expect("there is room");
    let reports = bench.reports.wait_for(1);
    assert_eq!(reports[&1].outcome, Outcome::TimedOut);
    bench.time_limit = None;
    bench.submit(BEHAVE, json!({"do": "return"})).expect("another place is free");
    bench.reports.wait_for(2);
    let left = bench.executor.shutdown(Shutdown::Wait);
    assert!(left.is_empty() || left == [RunId(1)], "{left:?}");
    gate.open();
    bench.reports.wait_for(2);
}

/// When its thread is free again; an executor that can end its work leaves none behind.
pub fn a_run_that_was_left_behind_is_reported_when_it_ends(make: Make<'_>) {
    let mut bench = Bench::new(make(Limits { at_once: 2, waiting: 10 }));
    let gate = Gate::new();
    bench.time_limit = Some(Duration::from_millis(20));
    bench.submit(BEHAVE, gate.arguments()).expect("there is room");
    bench.reports.wait_for(1);
    gate.open();
    let left = bench.reports.wait_for_left();
    assert!(left.is_empty() || left == [1], "{left:?}");
    // Its place is free by then.
    assert_eq!(bench.executor.shutdown(Shutdown::Wait), []);
    bench.reports.wait_for(1);
}

/// Neither of that run nor of those after it.
pub fn a_panic_of_what_a_task_has_registered_stops_no_time_limit(make: Make<'_>) {
    let mut bench = Bench::new(make(Limits { at_once: 2, waiting: 10 }));
    bench.time_limit = Some(Duration::from_millis(20));
    for (count, what) in (1..).zip(["panic when cancelled", "until cancelled", "until cancelled"]) {
        bench.submit(BEHAVE, json!({"do": what})).expect("there is room");
        let reports = bench.reports.wait_for(count);
        assert_eq!(reports[&(count as u64)].outcome, Outcome::TimedOut, "{what}");
    }
    assert_eq!(bench.executor.shutdown(Shutdown::Now), []);
}

/// Neither other time limits nor the end of the executor wait for it.
pub fn what_a_task_has_registered_may_wait_for_the_executor(make: Make<'_>) {
    let mut bench = Bench::new(make(Limits { at_once: 3, waiting: 10 }));
    let gate = Gate::new();
    let mut waits = gate.arguments();
    waits["do"] = "wait when cancelled".into();
    bench.time_limit = Some(Duration::from_millis(20));
    bench.submit(BEHAVE, waits.clone()).expect("there is room");
    bench.reports.wait_for(1);
    bench.submit(BEHAVE, json!({"do": "until cancelled"})).expect("there is room");
    bench.reports.wait_for(2);
    bench.time_limit = None;
    bench.submit(BEHAVE, waits).expect("there is room");
    assert_eq!(bench.executor.shutdown(Shutdown::Deadline(Duration::from_millis(20))), []);
    let reports = bench.reports.wait_for(3);
    let outcomes = [1, 2].map(|run| reports[&run].outcome);
    assert_eq!(outcomes, [Outcome::TimedOut, Outcome::TimedOut]);
    gate.open();
}

/// Its lines, how far it came, and what it printed.
pub fn what_a_run_logs_is_in_its_report(make: Make<'_>) {
    let mut bench = Bench::new(make(Limits { at_once: 1, waiting: 1 }));
    bench.submit(BEHAVE, json!({"do": "log"})).expect("there is room");
    let reports = bench.reports.wait_for(1);
    assert_eq!(reports[&1].output.as_deref(), Some("first\nsecond\nprogress: 3 of 10\nprinted"));
}

/// On whatever thread; a panic in it is a failure too.
pub fn an_async_task_runs(make: Make<'_>) {
    let mut bench = Bench::new(make(Limits { at_once: 4, waiting: 10 }));
    bench.submit(TWICE, json!(3)).expect("there is room");
    bench.submit(TWICE, json!(11)).expect("there is room");
    let reports = bench.reports.wait_for(2);
    assert_eq!((reports[&1].outcome, reports[&1].result.clone()), (Outcome::Succeeded, Some(json!(6))));
    assert_eq!(reports[&2].message.as_deref(), Some("panicked: 11 is too much"));
}

async fn yield_once() {
    let mut yielded = false;
    std::future::poll_fn(|context| {
        if std::mem::replace(&mut yielded, true) {
            return std::task::Poll::Ready(());
        }
        context.waker().wake_by_ref();
        std::task::Poll::Pending
    })
    .await;
}
