//! The suite of executors: what each of them owes, as functions, and [`executor_suite!`](crate::executor_suite!) which
//! makes a test of each.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use matins_core::{
    CancelToken, Clock, Completion, CompletionSink, Executor, IntoTask, JobId, Outcome, Refusal, RunId,
    RunReport, RunRequest, Shutdown, Task, TaskContext, TaskError, TaskName, TaskResult,
};
use serde_json::{Value, json};

/// Longer than anything here may take on a machine that is busy with other things.
const GENEROUS: Duration = Duration::from_secs(60);

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
            dropping_an_executor_ends_its_runs
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
struct Reports {
    reports: Mutex<BTreeMap<RunId, Vec<RunReport>>>,
    arrived: Condvar,
}

impl CompletionSink for Reports {
    fn completed(&self, report: RunReport) {
        self.reports
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .entry(report.run)
            .or_default()
            .push(report);
        self.arrived.notify_all();
    }
}

impl Reports {
    /// Waits until `count` runs have reported, and gives their reports; panics where one reported twice.
    fn wait_for(&self, count: usize) -> BTreeMap<u64, RunReport> {
        let give_up = Instant::now() + GENEROUS;
        let mut reports = self.reports.lock().unwrap_or_else(PoisonError::into_inner);
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

/// A gate that tasks wait at until it is opened, and that counts who has come.
#[derive(Default)]
struct Gate {
    state: Mutex<(usize, bool)>,
    changed: Condvar,
}

impl Gate {
    fn pass(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.0 += 1;
        self.changed.notify_all();
        let waited = self.changed.wait_timeout_while(state, GENEROUS, |(_, open)| !*open);
        let timeout = waited.unwrap_or_else(PoisonError::into_inner).1;
        assert!(!timeout.timed_out(), "the gate was opened");
    }

    fn open(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).1 = true;
        self.changed.notify_all();
    }

    /// Waits until `count` tasks stand at the gate or have passed it.
    fn wait_for(&self, count: usize) {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.changed.wait_timeout_while(state, GENEROUS, |(come, _)| *come < count);
        let timeout = waited.unwrap_or_else(PoisonError::into_inner).1;
        assert!(!timeout.timed_out(), "{count} tasks begin");
    }
}

/// The suite's view of one executor.
struct Bench {
    executor: Box<dyn Executor>,
    reports: Arc<Reports>,
    submitted: u64,
    tokens: Vec<CancelToken>,
}

impl Bench {
    fn new(executor: Box<dyn Executor>) -> Self {
        Self { executor, reports: Arc::default(), submitted: 0, tokens: Vec::new() }
    }

    fn submit(&mut self, task: Arc<dyn Task>, arguments: Value) -> Result<u64, Refusal> {
        let run = RunId(self.submitted + 1);
        let clock: Arc<dyn Clock> = Arc::new(Stopped);
        let cancel = CancelToken::new();
        let request = RunRequest {
            run,
            job: JobId::new("job").expect("a job id"),
            task_name: TaskName::new("task").expect("a task name"),
            task,
            arguments,
            scheduled: clock.now(),
            attempt: 1,
            cancel: cancel.clone(),
            clock: clock.clone(),
        };
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

/// A task of the suite: what it does is its argument.
fn behaviour(arguments: &Value, context: &TaskContext) -> TaskResult {
    match arguments["do"].as_str() {
        Some("fail") => Err(TaskError { message: "no luck".into(), output: Some("tail".into()) }),
        Some("panic") => panic!("out of luck"),
        Some("until cancelled") => {
            let gate = Arc::new(Gate::default());
            let opener = gate.clone();
            context.cancel.on_cancel(move || opener.open());
            gate.pass();
            Err(TaskError::new("cancelled"))
        }
        _ => Ok(matins_core::TaskOutput { result: Some(arguments.clone()), output: None }),
    }
}

struct Behaviour;

impl Task for Behaviour {
    fn run(&self, arguments: &Value, context: &TaskContext) -> TaskResult {
        behaviour(arguments, context)
    }
}

fn gated(gate: &Arc<Gate>) -> Arc<dyn Task> {
    let gate = gate.clone();
    (move || gate.pass()).into_task()
}

/// A thousand of them, a tenth of them panicking.
pub fn every_run_completes_exactly_once(make: Make<'_>) {
    let mut bench = Bench::new(make(Limits { at_once: 4, waiting: 1000 }));
    for n in 0..1000 {
        let what = if n % 10 == 0 { "panic" } else { "return" };
        bench.submit(Arc::new(Behaviour), json!({"do": what, "n": n})).expect("there is room");
    }
    let reports = bench.reports.wait_for(1000);
    let failed = reports.values().filter(|report| report.outcome == Outcome::Failed).count();
    assert_eq!(failed, 100);
}

/// Success, failure, panic, cancellation, each with what there is to say.
pub fn each_end_has_its_outcome(make: Make<'_>) {
    let mut bench = Bench::new(make(Limits { at_once: 4, waiting: 10 }));
    for what in ["return", "fail", "panic", "until cancelled"] {
        bench.submit(Arc::new(Behaviour), json!({"do": what})).expect("there is room");
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
    let gate = Arc::new(Gate::default());
    bench.submit(gated(&gate), Value::Null).expect("there is room");
    gate.wait_for(1);
    for _ in 0..2 {
        bench.submit(gated(&gate), Value::Null).expect("there is room to wait");
    }
    assert_eq!(bench.submit(gated(&gate), Value::Null), Err(Refusal::Full));
    gate.open();
    bench.reports.wait_for(3);
    bench.submit(gated(&gate), Value::Null).expect("there is room again");
    bench.reports.wait_for(4);
}

/// Whatever it is given.
pub fn an_executor_that_is_shut_down_refuses(make: Make<'_>) {
    let mut bench = Bench::new(make(Limits { at_once: 1, waiting: 1 }));
    bench.executor.shutdown(Shutdown::Wait);
    assert_eq!(bench.submit(Arc::new(Behaviour), json!({})), Err(Refusal::ShutDown));
    bench.executor.shutdown(Shutdown::Wait);
}

/// All that was taken completes.
pub fn shutdown_waits_for_what_runs_and_what_waits(make: Make<'_>) {
    let mut bench = Bench::new(make(Limits { at_once: 2, waiting: 100 }));
    let gate = Arc::new(Gate::default());
    for _ in 0..50 {
        bench.submit(gated(&gate), Value::Null).expect("there is room");
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
        bench.submit(Arc::new(Behaviour), json!({"do": "until cancelled"})).expect("there is room");
    }
    bench.executor.shutdown(Shutdown::Deadline(Duration::from_millis(1)));
    let reports = bench.reports.wait_for(5);
    assert!(reports.values().all(|report| report.outcome == Outcome::Cancelled), "{reports:?}");
}

/// None is lost.
pub fn dropping_an_executor_ends_its_runs(make: Make<'_>) {
    let mut bench = Bench::new(make(Limits { at_once: 2, waiting: 10 }));
    for _ in 0..6 {
        bench.submit(Arc::new(Behaviour), json!({"do": "until cancelled"})).expect("there is room");
    }
    let Bench { executor, reports, .. } = bench;
    drop(executor);
    reports.wait_for(6);
}
