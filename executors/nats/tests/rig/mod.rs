//! A server that the tests of this process share, and an executor that has a worker with it.

#![allow(dead_code, reason = "not every test uses all of it")]

use std::collections::BTreeMap;
use std::env;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use chrono::{DateTime, Utc};
use matins_conformance::executor_suite::{self, Limits};
use matins_conformance::{nats, servers};
use matins_core::{
    Clock, Completion, CompletionSink, Executor, JobId, Refused, RunId, RunReport, RunRequest, Shutdown,
    Task, TaskContext, TaskName, TaskResult, Value,
};
use matins_executor_nats::{NatsExecutor, NatsServer, Worker};
use matins_task_function::TaskRegistry;

/// The server's address; `None`, with a line that says so, where there is no server.
pub(crate) fn server() -> Option<String> {
    nats::nats()
}

/// A namespace that no other test has, where workers count as lost soon.
pub(crate) fn namespace(url: &str, test: &str) -> NatsServer {
    NatsServer::new(url).namespace(servers::schema(test)).ack_wait(Duration::from_secs(2))
}

/// The tasks of the suite.
pub(crate) fn tasks() -> TaskRegistry {
    let tasks = TaskRegistry::default();
    executor_suite::register(&tasks).expect("names");
    tasks
}

/// An executor, and the one worker that it has.
pub(crate) struct WithWorker {
    // Dropped first: it waits for the worker.
    executor: NatsExecutor,
    _worker: Worker,
}

impl WithWorker {
    pub(crate) fn new(limits: Limits) -> Self {
        let server = namespace(&server().expect("a server"), "suite");
        let executor = NatsExecutor::builder(server.clone()).at_once(limits.at_once).queue(limits.waiting);
        let executor = executor.keep_runs(false).build().expect("an executor");
        let worker = Worker::builder(server).at_once(limits.at_once).cancel_grace(Duration::from_secs(1));
        Self { executor, _worker: worker.start(tasks()).expect("a worker") }
    }
}

impl Executor for WithWorker {
    fn submit(&mut self, run: RunRequest, done: Completion) -> Result<(), Refused> {
        self.executor.submit(run, done)
    }

    fn shutdown(&mut self, how: Shutdown) -> Vec<RunId> {
        self.executor.shutdown(how)
    }
}

/// Longer than anything here takes on a machine that is busy with other things.
pub(crate) const GENEROUS: Duration = Duration::from_secs(60);

/// A task that only workers have.
struct Elsewhere;

impl Task for Elsewhere {
    fn run(&self, _arguments: &Value, _context: &TaskContext) -> TaskResult {
        panic!("it is done by a worker");
    }
}

#[derive(Debug)]
struct WallClock;

impl Clock for WallClock {
    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }

    fn sleep_until(&self, _until: DateTime<Utc>) -> Option<Duration> {
        None
    }
}

/// When all runs were recorded, so that another request is for the same run.
static RECORDED: LazyLock<DateTime<Utc>> = LazyLock::new(Utc::now);

/// A run of a task that workers have.
pub(crate) fn run(number: u64, task: &str, arguments: Value) -> RunRequest {
    let (job, name) = (JobId::new("job").expect("an id"), TaskName::new(task).expect("a name"));
    let mut run = RunRequest::new(RunId(number), job, name, Arc::new(Elsewhere), Arc::new(WallClock));
    run.arguments = arguments;
    run.recorded = *RECORDED;
    run
}

/// Where reports come.
pub(crate) struct Reports {
    sender: Arc<Sink>,
    reports: Receiver<RunReport>,
}

struct Sink(Mutex<Sender<RunReport>>);

impl CompletionSink for Sink {
    fn completed(&self, report: RunReport) {
        // A test that has seen enough hears no more.
        let _ = self.0.lock().expect("no panic").send(report);
    }
}

impl Reports {
    pub(crate) fn new() -> Self {
        let (sender, reports) = channel();
        Self { sender: Arc::new(Sink(Mutex::new(sender))), reports }
    }

    pub(crate) fn completion(&self, run: RunId) -> Completion {
        Completion::new(run, Arc::new(WallClock), self.sender.clone())
    }

    pub(crate) fn next(&self) -> RunReport {
        self.reports.recv_timeout(GENEROUS).expect("a run is reported")
    }

    /// The reports of so many runs; of each there is one.
    pub(crate) fn of(&self, count: usize) -> BTreeMap<u64, RunReport> {
        let mut all = BTreeMap::new();
        while all.len() < count {
            let report = self.next();
            let before = all.insert(report.run.0, report);
            assert_eq!(before, None, "reported twice");
        }
        all
    }

    /// How many have come since it was asked last.
    pub(crate) fn arrived(&self) -> usize {
        self.reports.try_iter().count()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.reports.try_recv().is_err()
    }
}

/// A program in `examples/`, which `cargo test` builds beside the tests.
fn program(name: &str) -> PathBuf {
    let test = env::current_exe().expect("the test's path");
    let program = test.ancestors().nth(2).expect("its directory").join("examples").join(name);
    assert!(program.exists(), "build {} first: cargo build --examples", program.display());
    program
}

/// A worker, or a scheduler, that is a process of its own. It is killed when this is dropped.
pub(crate) struct Process(pub(crate) Child);

impl Process {
    pub(crate) fn start(url: &str, namespace: &str, at_once: usize, ack_wait: Duration) -> Self {
        let mut command = Command::new(program("nats_worker"));
        command.args([url, namespace, &at_once.to_string(), &ack_wait.as_millis().to_string()]);
        Self(command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().expect("a worker"))
    }

    /// A scheduler: see `examples/nats_scheduler.rs`.
    pub(crate) fn scheduler(url: &str, namespace: &str, ack_wait: Duration, more: &[&str]) -> Self {
        let mut command = Command::new(program("nats_scheduler"));
        command.args([url, namespace, &ack_wait.as_millis().to_string()]).args(more);
        Self(command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a scheduler"))
    }

    /// Lets a scheduler come to its end, and returns its ledger.
    pub(crate) fn ledger(mut self) -> Vec<Row> {
        drop(self.0.stdin.take());
        let mut text = String::new();
        let mut stdout = self.0.stdout.take().expect("it is piped");
        std::io::Read::read_to_string(&mut stdout, &mut text).expect("it is read");
        assert!(self.0.wait().is_ok_and(|status| status.success()), "the scheduler ends well");
        text.lines().map(Row::read).collect()
    }

    /// Kills it as `kill -9` does.
    pub(crate) fn kill(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }

    pub(crate) fn signal(&self, signal: &str) {
        let status = Command::new("kill").args([signal, &self.0.id().to_string()]).status();
        assert!(status.is_ok_and(|status| status.success()), "kill {signal}");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A row of a ledger.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    pub(crate) job: String,
    pub(crate) run: u64,
    /// In microseconds since 1970.
    pub(crate) fire: i64,
    pub(crate) fires: i64,
    pub(crate) attempt: u32,
    pub(crate) outcome: String,
}

impl Row {
    fn read(line: &str) -> Self {
        let parts: Vec<&str> = line.split(' ').collect();
        let [job, run, fire, fires, attempt, outcome] = parts.as_slice() else { panic!("{line:?}") };
        let number = |text: &str| text.parse::<i64>().expect("a number");
        Self {
            job: (*job).to_owned(),
            run: number(run) as u64,
            fire: number(fire),
            fires: number(fires),
            attempt: number(attempt) as u32,
            outcome: outcome.replace('_', " "),
        }
    }
}
