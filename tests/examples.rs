//! The example programs do what they say.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

const GENEROUS: Duration = Duration::from_secs(60);

/// An example that runs; killed at the end.
struct Example {
    child: Child,
    lines: Receiver<String>,
}

impl Example {
    fn start(name: &str, arguments: &[&str]) -> Self {
        // Cargo builds the examples before it runs tests, beside the directory of the test's own binary.
        let test = std::env::current_exe().expect("the path of this test");
        let directory: PathBuf = test.ancestors().nth(2).expect("target/PROFILE/deps").join("examples");
        let program = directory.join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
        let mut child = Command::new(&program)
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", program.display()));
        let (sender, lines) = mpsc::channel();
        let output = BufReader::new(child.stdout.take().expect("its output"));
        thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Self { child, lines }
    }

    fn line(&self) -> String {
        self.lines.recv_timeout(GENEROUS).expect("a further line")
    }

    /// All lines up to its end, which is a success.
    fn all(mut self) -> Vec<String> {
        let lines = std::iter::from_fn(|| match self.lines.recv_timeout(GENEROUS) {
            Ok(line) => Some(line),
            Err(mpsc::RecvTimeoutError::Disconnected) => None,
            Err(mpsc::RecvTimeoutError::Timeout) => panic!("it does not end"),
        });
        let lines = lines.collect();
        assert!(self.child.wait().expect("its status").success());
        lines
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_crontab_is_forecast() {
    let lines = Example::start("forecast", &[]).all();
    assert_eq!(lines[0], "2 jobs, 207 fires");
    assert!(lines[1].contains("{\"fetch-orders\": 100}"), "{lines:?}");
}

#[test]
fn tick_ticks_in_memory() {
    let tick = Example::start("tick", &[]);
    assert_eq!([tick.line(), tick.line()], ["tick(1)", "tick(1)"]);
}

#[test]
fn tick_survives_a_restart_in_sqlite() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("jobs.db");
    let path = path.to_str().unwrap();
    for _start in 0..2 {
        let tick = Example::start("tick", &[path]);
        assert_eq!(tick.line(), "tick(1)");
    }
    let mut store = matins::SqliteStore::open(path).unwrap();
    let jobs = matins::JobStore::list(&mut store, &matins::JobQuery::default()).unwrap();
    assert_eq!(
        jobs.iter().map(|job| job.id.as_str()).collect::<Vec<_>>(),
        ["tick"],
        "one job, not one a start"
    );
    let runs = matins::JobStore::runs(&mut store, &matins::RunQuery::default()).unwrap();
    assert!(runs.len() >= 2, "the ledger holds both starts' runs: {runs:?}");
}

#[test]
fn blocking_returns_when_its_job_shuts_it_down() {
    assert_eq!(Example::start("blocking", &[]).all(), ["call 1", "call 2", "call 3", "shut down"]);
}

#[test]
fn background_follows_its_events() {
    let lines = Example::start("background", &[]).all();
    assert_eq!(lines.iter().filter(|line| *line == "hello: succeeded").count(), 2, "{lines:?}");
    assert_eq!(lines.iter().filter(|line| *line == "unlucky: no luck today").count(), 2, "{lines:?}");
}

#[test]
fn a_crash_in_a_worker_costs_its_own_run() {
    let lines = Example::start("process", &[]).all();
    assert!(lines.iter().any(|line| line == "greet: good morning, Ada"), "{lines:?}");
    let crashed = "crash: the worker ended before the run did: it was killed by signal 6";
    assert!(lines.iter().any(|line| line == crashed), "{lines:?}");
}

#[test]
fn layers_are_around_the_work() {
    assert_eq!(Example::start("layers", &[]).all(), ["dear Ada", "letter ended in time"]);
}

#[test]
fn chain_runs_the_report_after_the_backup_and_no_alarm() {
    let lines = Example::start("chain", &[]).all();
    assert_eq!(lines.iter().filter(|line| *line == "a report, because of run 1").count(), 1, "{lines:?}");
    assert_eq!(lines.last().map(String::as_str), Some("report succeeded"));
    assert!(!lines.iter().any(|line| line.contains("no backup")), "{lines:?}");
}

#[test]
fn page_is_served_with_one_line() {
    let page = Example::start("page", &[]);
    let line = page.line();
    let address = line.strip_prefix("open http://").and_then(|rest| rest.strip_suffix(" in a browser"));
    let mut connection = TcpStream::connect(address.expect(&line)).unwrap();
    connection.write_all(b"GET /jobs HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("at 09:00 on weekdays, UTC"), "{answer}");
}
