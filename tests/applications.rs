//! The applications in `examples/applications`, built and run as programs of other projects: each has its own manifest, outside of this
//! workspace, and names the features that it needs. Each is built by itself, so that none compiles because of another's features.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::sync::Once;
use std::thread;
use std::time::{Duration, Instant};

use matins::{JobStore, Outcome, RunQuery, SqliteStore};
use serde_json::Value;

const GENEROUS: Duration = Duration::from_secs(120);

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Has cargo do something with one application, without a warning of the compiler. Returns what it printed.
fn cargo(arguments: &[&str]) -> Output {
    static LOCKED: Once = Once::new();
    let directory = root().join("examples/applications");
    // The versions of this workspace, which have been downloaded.
    LOCKED.call_once(|| {
        fs::copy(root().join("Cargo.lock"), directory.join("Cargo.lock")).unwrap();
    });
    let output = Command::new(env!("CARGO"))
        .args(arguments)
        .args(["--quiet", "--offline"])
        .current_dir(directory)
        .env("CARGO_TARGET_DIR", target())
        .output()
        .unwrap();
    let (printed, errors) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success() && errors.is_empty(), "{arguments:?}: {printed}{errors}");
    output
}

/// Shared with `tests/compile_errors.rs`.
fn target() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("outside_target")
}

fn program(name: &str) -> PathBuf {
    target().join("debug").join(format!("{name}{}", std::env::consts::EXE_SUFFIX))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Builds an application of one program, runs it, and returns the lines that it prints until its end, which is a success.
fn run(name: &str, arguments: &[&str]) -> Vec<String> {
    cargo(&["build", "--package", name]);
    let output = Command::new(program(name)).args(arguments).output().unwrap();
    assert!(output.status.success(), "{name}: {}", text(&output.stderr));
    text(&output.stdout).lines().map(str::to_owned).collect()
}

/// A program that runs until it is told to end; killed if the test fails.
struct Running {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Running {
    fn start(name: &str, arguments: &[&str]) -> Self {
        let mut child = Command::new(program(name)).args(arguments).stdout(Stdio::piped()).spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Self { child, output }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    fn terminate(&self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    }

    /// Waits for the end, which is a success. Returns what was printed and not read yet.
    fn end(mut self) -> String {
        let mut rest = String::new();
        self.output.read_to_string(&mut rest).unwrap();
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{status}: {rest}");
        rest
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It has ended already, unless the test fails.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns the status and the body of the answer to an HTTP request.
fn request(address: &str, method: &str, path: &str, body: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(GENEROUS)).unwrap();
    let head = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n");
    let body = format!("Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    stream.write_all((head + &body).as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, body.to_owned())
}

#[test]
fn an_axum_service_ends_at_sigterm_after_its_last_delivery() {
    cargo(&["build", "--package", "axum-service"]);
    let directory = tempfile::tempdir().unwrap();
    let database = directory.path().join("reminders.db");
    let arguments = [database.to_str().unwrap(), "127.0.0.1:0"];

    let mut service = Running::start("axum-service", &arguments);
    let address = service.line().strip_prefix("listening on ").unwrap().to_owned();
    let recipient = TcpListener::bind("127.0.0.1:0").unwrap();
    let reminder = |text: &str, seconds: u32| {
        let to = recipient.local_addr().unwrap();
        let body = format!(r#"{{"text": "{text}", "to": "{to}", "seconds": {seconds}}}"#);
        let (status, id) = request(&address, "POST", "/reminders", &body);
        assert_eq!(status, 201, "{id}");
        id
    };
    reminder("tea", 0);
    let dinner = reminder("dinner", 3600);
    let (mut delivery, _) = recipient.accept().unwrap();
    let mut line = String::new();
    BufReader::new(&delivery).read_line(&mut line).unwrap();
    assert_eq!(line, "tea\n");

    // The delivery is in progress: its recipient has not answered.
    service.terminate();
    let (status, runs) = request(&address, "GET", "/runs", "");
    assert_eq!(status, 200);
    assert_eq!(serde_json::from_str::<Value>(&runs).unwrap()[0]["outcome"], Value::Null, "{runs}");
    delivery.write_all(b"thanks\n").unwrap();
    assert_eq!(service.end(), "delivered 1 reminders\n");

    let mut service = Running::start("axum-service", &arguments);
    let address = service.line().strip_prefix("listening on ").unwrap().to_owned();
    let (_, runs) = request(&address, "GET", "/runs", "");
    let runs: Value = serde_json::from_str(&runs).unwrap();
    assert_eq!((&runs[0]["outcome"], &runs[0]["result"]), (&"succeeded".into(), &"thanks".into()), "{runs}");
    let (_, jobs) = request(&address, "GET", "/reminders", "");
    let jobs: Value = serde_json::from_str(&jobs).unwrap();
    assert_eq!((jobs.as_array().unwrap().len(), &jobs[0]["id"]), (1, &dinner.as_str().into()), "{jobs}");
    assert_eq!(request(&address, "DELETE", &format!("/reminders/{dinner}"), "").0, 204);
    assert_eq!(request(&address, "DELETE", &format!("/reminders/{dinner}"), "").0, 404);
    service.terminate();
    assert_eq!(service.end(), "delivered 0 reminders\n");
}

#[test]
fn a_command_line_tool_shares_a_table_among_closures() {
    let open = TcpListener::bind("127.0.0.1:0").unwrap();
    let open = (open.local_addr().unwrap().to_string(), open);
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let lines = run("port-watch", &["3", &open.0, &closed]);
    let mut expected =
        [format!("{}: open at 3 of 3 checks", open.0), format!("{closed}: open at 0 of 3 checks")];
    expected.sort();
    let mut lines = lines;
    lines.sort();
    assert_eq!(lines, expected);
}

#[test]
fn rayon_counts_what_tokio_finds_and_two_stores_remember() {
    cargo(&["build", "--package", "word-counts"]);
    let directory = tempfile::tempdir().unwrap();
    let texts = directory.path().join("texts");
    fs::create_dir(&texts).unwrap();
    let database = directory.path().join("counts.db");
    let counts = Running::start("word-counts", &[texts.to_str().unwrap(), database.to_str().unwrap()]);
    for (name, text) in [("a", "to be or\nnot to be\n"), ("b", "that is the question")] {
        fs::write(directory.path().join(name), text).unwrap();
        fs::rename(directory.path().join(name), texts.join(format!("{name}.txt"))).unwrap();
    }
    let begun = Instant::now();
    let count = |name: &str| fs::read_to_string(texts.join(name)).unwrap_or_default();
    while (count("a.count"), count("b.count")) != ("6\n".to_owned(), "4\n".to_owned()) {
        assert!(begun.elapsed() < GENEROUS, "the words are not counted");
        thread::sleep(Duration::from_millis(10));
    }
    counts.terminate();
    counts.end();
    let mut store = SqliteStore::open(&database).unwrap();
    let runs = store.runs(&RunQuery::default()).unwrap();
    assert_eq!(runs.len(), 2, "the job that looks for files is in memory: {runs:?}");
    assert!(runs.iter().all(|run| run.outcome == Some(Outcome::Succeeded)), "{runs:?}");
}

#[test]
fn a_picture_that_needs_too_much_memory_costs_its_own_run() {
    let directory = tempfile::tempdir().unwrap();
    let pictures = directory.path().join("pictures");
    fs::create_dir(&pictures).unwrap();
    let picture = |name: &str, head: &str, pixels: &[u8]| {
        fs::write(pictures.join(name), [head.as_bytes(), pixels].concat()).unwrap();
    };
    picture("fine.pgm", "P5 64 32 255\n", &[7; 64 * 32]);
    picture("bomb.pgm", "P5 100000 100000 255\n", &[7; 10]);
    picture("text.pgm", "once upon a time", &[]);
    let thumbnails = directory.path().join("thumbnails");
    let mut lines = run("thumbnails", &[pictures.to_str().unwrap(), thumbnails.to_str().unwrap()]);
    lines.sort();
    assert!(lines[0].starts_with("bomb.pgm: the worker ended before the run did"), "{lines:?}");
    assert_eq!(lines[1], "fine.pgm: 16 x 8");
    assert!(lines[2].starts_with("text.pgm: ") && lines[2].ends_with("text.pgm is no PGM picture"));
    let made = fs::read(thumbnails.join("fine.pgm")).unwrap();
    assert_eq!(made, [&b"P5 16 8 255\n"[..], &[7; 16 * 8]].concat());
}

#[test]
fn triggers_alone_say_who_is_on_call() {
    assert_eq!(
        run("on-call", &["2026-10-26T07:30:00Z", "ada", "bob", "eve"]),
        [
            "handover every week at 09:00, from 2026-01-05, Europe/Berlin",
            "eve is on call since 2026-10-19 09:00:00 +02:00",
            "ada takes over at 2026-10-26 09:00:00 +01:00",
            "bob takes over at 2026-11-02 09:00:00 +01:00",
            "is there a handover at 2026-10-19 12:00:00 +02:00? false",
            "the same when restored: true",
        ]
    );
}

#[test]
fn a_trigger_a_store_and_an_executor_of_ones_own_pass_the_suites() {
    let output = text(&cargo(&["test", "--package", "own-parts", "--test", "suites"]).stdout);
    let passed = output.split(" passed").next().and_then(|text| text.rsplit(' ').next()).unwrap_or_default();
    assert!(passed.parse::<usize>().unwrap_or_default() > 40, "{output}");
}

#[test]
fn a_month_of_invoices_is_tested_with_the_virtual_clock() {
    let output = text(&cargo(&["test", "--package", "invoices", "--test", "a_month"]).stdout);
    assert!(output.contains("4 passed"), "{output}");
}

#[test]
fn six_programs_of_other_schedulers_are_written_for_matins() {
    cargo(&["build", "--package", "ports"]);
    let directory = tempfile::tempdir().unwrap();
    let database = directory.path().join("jobs.db");
    let names = ["apalis_cron", "apscheduler", "clokwerk", "cron_loop", "node_cron", "tokio_cron_scheduler"];
    let running = names.map(|name| (name, Running::start(name, &[database.to_str().unwrap()])));
    for (name, program) in running {
        let output = program.end();
        let expected: &[&str] = match name {
            "apalis_cron" => &["meal 1 at ", "meal 3 at ", "3 meals"],
            "apscheduler" => &["the report of ada", "sync failed: the server is away", "mornings: "],
            "clokwerk" => &["tick 1", "tick 2", "only once"],
            "cron_loop" => &["backup", "report failed: there is nothing to report"],
            "node_cron" => &["next morning: Some(", "poll 1", "poll 2"],
            _ => &["poll 1, the next at Some(", "a poll has ended", "one second has passed"],
        };
        for line in expected {
            let is_there = output.lines().any(|printed| printed.starts_with(line));
            assert!(is_there, "{name}: {line} is not in {output}");
        }
    }
}

/// Those that were written in Rust are compiled as examples of `matins-benches`.
#[test]
fn programs_in_other_languages_can_be_parsed() {
    let theirs = root().join("examples/applications/ports/theirs");
    let python = "import ast, sys; ast.parse(open(sys.argv[1]).read())";
    for (command, arguments, file) in
        [("python3", &["-c", python][..], "apscheduler_reports.py"), ("node", &["--check"], "node_cron.mjs")]
    {
        match Command::new(command).args(arguments).arg(theirs.join(file)).output() {
            Ok(output) => assert!(output.status.success(), "{file}: {}", text(&output.stderr)),
            Err(error) => eprintln!("{file} is not checked: {command}: {error}"),
        }
    }
}
