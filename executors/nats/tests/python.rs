//! The worker in Python of `examples/nats-python` does runs beside those in Rust.

mod rig;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use matins_conformance::nats::Nats;
use matins_conformance::servers;
use matins_core::{Executor, Outcome};
use matins_executor_nats::{NatsExecutor, NatsServer};
use serde_json::{Value, json};

use rig::{Process, Reports, run};

/// A Python that has nats-py: the one that `MATINS_TEST_PYTHON` names, or `python3`.
fn python() -> Option<PathBuf> {
    let python =
        std::env::var_os("MATINS_TEST_PYTHON").map_or_else(|| PathBuf::from("python3"), PathBuf::from);
    let has_library = Command::new(&python).args(["-c", "import nats"]).stderr(Stdio::null()).status();
    if has_library.is_ok_and(|status| status.success()) {
        return Some(python);
    }
    servers::skipped("nats-py is not installed for the Python of MATINS_TEST_PYTHON, or python3");
    None
}

fn worker(python: &Path, server: &Nats) -> Process {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/nats-python/worker.py");
    Process(Command::new(python).arg(program).args([&server.url(), "python"]).spawn().expect("a worker"))
}

#[test]
fn a_worker_in_python_does_runs_and_is_cancelled_and_killed() {
    let (Some(python), Some(server)) = (python(), Nats::start("")) else { return };
    let to = NatsServer::new(server.url()).namespace("python").ack_wait(Duration::from_secs(2));
    let (mut executor, reports) = (NatsExecutor::builder(to).build().unwrap(), Reports::new());
    let mut number = 0;
    let mut submit = |task: &str, arguments: Value, limit: Option<Duration>| {
        number += 1;
        let mut run = run(number, task, arguments);
        run.time_limit = limit;
        let (cancel, log) = (run.cancel.clone(), run.log.clone());
        let done = reports.completion(run.run);
        executor.submit(run, done).expect("there is room");
        (cancel, log)
    };
    let mut first = worker(&python, &server);
    let (_, log) = submit("double", json!(21), None);
    let report = reports.next();
    assert_eq!((report.outcome, report.result), (Outcome::Succeeded, Some(json!(42))));
    assert_eq!(report.output.as_deref(), Some("doubling 21"));
    assert!(log.began().is_some());
    submit("double", Value::Null, None);
    let report = reports.next();
    let message = report.message.unwrap_or_default();
    assert!(report.outcome == Outcome::Failed && message.contains("unsupported operand"), "{message}");
    submit("sleep", json!(600), Some(Duration::from_millis(500)));
    assert_eq!(reports.next().outcome, Outcome::TimedOut);
    let (cancel, _) = submit("sleep", json!(600), None);
    // One that takes longer than a worker may be silent.
    submit("sleep", json!(5), None);
    let report = reports.next();
    assert_eq!((report.run.0, report.outcome), (5, Outcome::Succeeded), "{report:?}");
    cancel.cancel();
    let report = reports.next();
    assert_eq!((report.run.0, report.outcome), (4, Outcome::Cancelled), "{report:?}");
    assert!(report.started.is_some(), "it had begun");

    let (_, log) = submit("sleep", json!(600), None);
    let until = Instant::now() + rig::GENEROUS;
    while log.text_before(None).is_none() {
        assert!(Instant::now() < until, "it begins");
        std::thread::yield_now();
    }
    let _second = worker(&python, &server);
    first.kill();
    let report = reports.next();
    assert_eq!(report.outcome, Outcome::Interrupted, "{report:?}");
    submit("double", json!(5), None);
    assert_eq!(reports.next().result, Some(json!(10)), "the other worker continues");
}
