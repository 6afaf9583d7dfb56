//! Tasks that do what no task should do: each costs its own run, and nothing else.

mod program;

use std::io::Read;
use std::os::unix::net::UnixListener;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use matins_core::{
    CancelToken, Clock, Completion, CompletionSink, Executor, JobId, NameError, Outcome, RunId, RunReport,
    RunRequest, TaskName, Value,
};
use matins_executor_process::{ProcessExecutor, ProcessExecutorBuilder};
use matins_scheduler::SystemClock;
use serde_json::json;

/// Longer than anything here takes on a machine that is busy with other things.
const GENEROUS: Duration = Duration::from_secs(60);

struct Sink(mpsc::Sender<RunReport>);

impl CompletionSink for Sink {
    fn completed(&self, report: RunReport) {
        self.0.send(report).expect("the test listens");
    }
}

/// An executor and the reports of its runs.
struct Rig {
    executor: ProcessExecutor,
    clock: Arc<dyn Clock>,
    sink: Arc<Sink>,
    reports: mpsc::Receiver<RunReport>,
    runs: u64,
}

impl Rig {
    fn new(builder: ProcessExecutorBuilder) -> Self {
        let executor = builder.workers(1).build().unwrap();
        let (sender, reports) = mpsc::channel();
        Self { executor, clock: Arc::new(SystemClock), sink: Arc::new(Sink(sender)), reports, runs: 0 }
    }

    fn submit(&mut self, task: &str, arguments: Value, time_limit: Option<Duration>) -> CancelToken {
        self.runs += 1;
        let (run, clock) = (RunId(self.runs), self.clock.clone());
        let name = |name: &str| -> Result<_, NameError> { Ok((JobId::new(name)?, TaskName::new(name)?)) };
        let (job, task_name) = name(task).unwrap();
        // The worker has a task of that name; this one is only here to be known.
        let task = matins_task_function::IntoTask::into_task(|| ()).unwrap();
        let mut request = RunRequest::new(run, job, task_name, task, clock.clone());
        (request.arguments, request.time_limit) = (arguments, time_limit);
        let cancel = request.cancel.clone();
        let done = Completion::new(run, clock, self.sink.clone());
        self.executor.submit(request, done).unwrap();
        cancel
    }

    fn report(&self) -> RunReport {
        self.reports.recv_timeout(GENEROUS).expect("a report")
    }

    fn run(&mut self, task: &str, arguments: Value) -> RunReport {
        self.submit(task, arguments, None);
        self.report()
    }

    fn pid(&mut self) -> u64 {
        let report = self.run("pid", Value::Null);
        let pid = report.result.as_ref().and_then(Value::as_u64);
        pid.unwrap_or_else(|| panic!("a process has a number: {report:?}"))
    }
}

#[test]
fn the_runs_of_one_worker_share_its_state_and_the_next_worker_begins_with_its_own() {
    let mut rig = Rig::new(program::builder().runs_per_worker(2));
    let counts: Vec<_> = (0..3).map(|_| rig.run("count", Value::Null).result).collect();
    assert_eq!(counts, [Some(json!(1)), Some(json!(2)), Some(json!(1))]);
}

#[test]
fn a_worker_serves_run_after_run_and_is_replaced_when_it_is_worn() {
    let mut rig = Rig::new(program::builder().runs_per_worker(3));
    let pids: Vec<u64> = (0..7).map(|_| rig.pid()).collect();
    let [a, b, c] = [0, 3, 6].map(|number| pids[number]);
    assert_eq!(pids, [a, a, a, b, b, b, c]);
    assert!(a != b && b != c);
    assert!(!is_alive(a) && !is_alive(b));
}

fn is_alive(pid: u64) -> bool {
    std::path::Path::new(&format!("/proc/{pid}")).exists()
}

#[test]
fn a_worker_that_dies_costs_one_run_and_is_replaced() {
    let mut rig = Rig::new(program::builder());
    for (task, arguments, expected) in [
        ("exit", json!(7), "exited with status 7"),
        ("abort", Value::Null, "killed by signal 6"),
        ("kill itself", Value::Null, "killed by signal 9"),
        ("write garbage", Value::Null, "wrote garbage"),
        ("close its pipes", Value::Null, "closed its pipe"),
    ] {
        let before = rig.pid();
        let report = rig.run(task, arguments);
        assert_eq!(report.outcome, Outcome::Failed, "{task}");
        let message = report.message.unwrap();
        assert!(message.contains(expected), "{task}: {message}");
        assert_ne!(rig.pid(), before, "{task}");
        assert!(!is_alive(before), "{task}");
    }
}

#[test]
fn all_causes_of_an_error_cross_the_pipe_of_the_worker() {
    let mut rig = Rig::new(program::builder());
    let report = rig.run("fail with causes", Value::Null);
    assert_eq!(report.outcome, Outcome::Failed);
    assert_eq!(report.message.as_deref(), Some("cannot send the report: cannot connect: connection refused"));
}

#[test]
fn a_worker_that_dies_while_it_is_idle_costs_nothing() {
    let mut rig = Rig::new(program::builder());
    for _ in 0..5 {
        let pid = rig.pid();
        let process = rustix::process::Pid::from_raw(pid as i32).unwrap();
        rustix::process::kill_process(process, rustix::process::Signal::KILL).unwrap();
        // Until it is a zombie and the last of its threads, so that its pipes are closed.
        let stat = || std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let threads = || std::fs::read_dir(format!("/proc/{pid}/task")).map_or(0, Iterator::count);
        while !stat().contains(") Z ") || threads() > 1 {
            std::thread::yield_now();
        }
        assert_ne!(rig.pid(), pid);
    }
}

#[test]
fn a_hundred_megabytes_of_output_cost_no_more_than_their_tail() {
    let mut rig = Rig::new(program::builder().output_limit(1_000));
    let report = rig.run("print", json!(100_000_000));
    assert_eq!(report.outcome, Outcome::Succeeded);
    let output = report.output.unwrap();
    assert!(output.len() < 1_100 && output.ends_with("the end\n"), "{output}");
    assert!(output.starts_with("[the first 999990"), "{output}");
    assert_eq!(rig.run("print", json!(200)).output.unwrap().lines().count(), 3, "the next run has its own");
}

#[test]
fn the_time_limit_ends_a_run_with_all_that_it_has_started() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("held");
    let listener = UnixListener::bind(&path).unwrap();
    let mut rig = Rig::new(program::builder());
    rig.submit("hang with a grandchild", json!(path), Some(Duration::from_millis(300)));
    let (mut stream, _) = listener.accept().unwrap();
    let report = rig.report();
    assert_eq!(report.outcome, Outcome::TimedOut);
    // The task and the process that it started both hold the other end, and both are gone.
    stream.set_read_timeout(Some(GENEROUS)).unwrap();
    let mut said = Vec::new();
    stream.read_to_end(&mut said).unwrap();
    assert_eq!(said, b"!");
}

#[test]
fn cancelling_ends_a_run_that_does_not_heed_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("held");
    let listener = UnixListener::bind(&path).unwrap();
    let mut rig = Rig::new(program::builder());
    let cancel = rig.submit("hang with a grandchild", json!(path), None);
    let (mut stream, _) = listener.accept().unwrap();
    stream.read_exact(&mut [0]).unwrap();
    cancel.cancel();
    let report = rig.report();
    assert_eq!(report.outcome, Outcome::Cancelled);
    assert!(report.message.unwrap().contains("killed"));
    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
}

#[test]
fn a_run_that_needs_too_much_memory_or_processor_ends() {
    let mut rig = Rig::new(program::builder().memory_limit(2 << 30).cpu_time_limit(Duration::from_secs(1)));
    let report = rig.run("need memory", json!(4_u64 << 30));
    assert_eq!(report.outcome, Outcome::Failed);
    assert!(report.message.unwrap().contains("killed by signal 6"));
    assert!(report.output.unwrap().contains("memory allocation"));
    assert_eq!(rig.run("need memory", json!(1_000)).result, Some(json!(1_000)));
    let report = rig.run("burn", Value::Null);
    assert!(report.message.unwrap().contains("killed by signal 24"), "SIGXCPU");
}

#[test]
fn standard_input_is_empty_and_arguments_and_results_may_be_large() {
    let mut rig = Rig::new(program::builder());
    assert_eq!(rig.run("read", Value::Null).result, Some(json!("")));
    let arguments = json!({"do": "return", "text": "x".repeat(200_000)});
    assert_eq!(rig.run("behave", arguments.clone()).result, Some(arguments));
}

#[test]
fn a_result_that_is_over_a_limit_fails_its_run_and_not_the_worker() {
    let mut rig = Rig::new(program::builder());
    let deep = (0..110).fold(Value::Null, |value, _| json!([value]));
    for (over, said) in
        [(json!(deep), "nested more than 100 levels"), (json!("x".repeat(5_000_000)), "bytes as JSON")]
    {
        let report = rig.run("behave", json!({"do": "return", "text": over}));
        assert_eq!((report.outcome, report.result), (Outcome::Failed, None));
        let message = report.message.unwrap();
        assert!(message.starts_with("the result of the run: ") && message.contains(said), "{message}");
    }
}

#[test]
fn the_layers_of_a_worker_are_around_the_work_there() {
    let mut rig = Rig::new(program::builder());
    let pid = rig.pid();
    let report = rig.run("layered", Value::Null);
    assert_eq!(report.result, Some(json!(pid)));
    let expected = format!("the layer of worker {pid} begins\nthe layer of worker {pid} ends");
    assert_eq!(report.output, Some(expected));
}

#[test]
fn a_task_that_the_worker_does_not_know_has_failed() {
    let mut rig = Rig::new(program::builder());
    let message = rig.run("closure 1", Value::Null).message.unwrap();
    assert!(message.contains("register it in what serve_if_worker is given"), "{message}");
}

#[test]
fn a_program_that_does_not_serve_is_an_error_that_says_what_to_do() {
    let mut rig = Rig::new(program::builder().arguments(["deaf"]));
    let report = rig.run("pid", Value::Null);
    assert_eq!(report.outcome, Outcome::Failed);
    let message = report.message.unwrap();
    assert!(message.contains("Call matins_executor_process::serve_if_worker first in its main"), "{message}");
    let mut rig = Rig::new(program::builder().program("/no/such/program"));
    let message = rig.run("pid", Value::Null).message.unwrap();
    assert!(message.contains("no worker could be started"), "{message}");
}

#[test]
fn workers_end_with_the_executor() {
    let mut rig = Rig::new(program::builder());
    let pid = rig.pid();
    assert!(is_alive(pid));
    drop(rig);
    assert!(!is_alive(pid));
}

#[test]
fn workers_end_when_the_scheduler_is_killed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("held");
    let listener = UnixListener::bind(&path).unwrap();
    let mut master = std::process::Command::new(program::path()).arg("master").arg(&path).spawn().unwrap();
    let (mut stream, _) = listener.accept().unwrap();
    stream.read_exact(&mut [0]).unwrap();
    master.kill().unwrap();
    master.wait().unwrap();
    // The worker's task and the process that it started both hold the other end.
    stream.set_read_timeout(Some(GENEROUS)).unwrap();
    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
}

/// Once, what it wrote kept the executor from looking at the time, and at whether it was cancelled.
#[test]
fn a_run_that_logs_without_a_pause_is_stopped_all_the_same() {
    let mut rig = Rig::new(program::builder());
    rig.submit("log without a pause", Value::Null, Some(Duration::from_millis(50)));
    assert_eq!(rig.report().outcome, Outcome::TimedOut);
    let cancel = rig.submit("log without a pause", Value::Null, None);
    cancel.cancel();
    assert_eq!(rig.report().outcome, Outcome::Cancelled);
}
