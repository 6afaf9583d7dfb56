//! The daemon as a service: hooks, logs, metrics, what the service manager is told, and who may read and write what.

mod daemon_process;

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use daemon_process::{
    GENEROUS, QUIET, daemon, directory_with, done, fails, json_of, matins, output, text, wait_until,
};

#[test]
fn hooks_are_told_what_failed() {
    let directory = directory_with(&[(
        "jobs.toml",
        "[[hook]]\non = [\"failed\"]\nshell = 'echo \"$MATINS_JOB $MATINS_OUTCOME $MATINS_MESSAGE: $MATINS_OUTPUT\" > told'\n\
         [jobs.broken]\nin = \"1ms\"\nshell = \"echo no moon; exit 3\"\n[jobs.fine]\nin = \"1ms\"\ncommand = [\"true\"]\n",
    )]);
    let daemon = daemon(directory.path(), &["run", "jobs.toml"]);
    let told = directory.path().join("told");
    wait_until(|| std::fs::read_to_string(&told).is_ok_and(|told| told.ends_with('\n')));
    assert_eq!(std::fs::read_to_string(&told).unwrap().trim(), "broken failed exited with status 3: no moon");
    daemon.stop();
}

/// What a service manager, a log collector and Prometheus see.
#[test]
fn it_runs_as_a_service() {
    let directory = directory_with(&[("jobs.toml", "[jobs.beat]\nevery = \"50ms\"\ncommand = [\"true\"]\n")]);
    let here = directory.path();
    let notified = UnixDatagram::bind(here.join("notify")).unwrap();
    notified.set_read_timeout(Some(GENEROUS)).unwrap();
    // A port that is free now, and hardly taken in between.
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let mut child = matins(here, &["run", "jobs.toml", "--log", "json", "--http", &address])
        .env("NOTIFY_SOCKET", here.join("notify"))
        .env("WATCHDOG_USEC", "300000")
        .env("MATINS_LOG", "debug")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let wait_for = |what: &str| {
        let mut buffer = [0; 1024];
        loop {
            let count = notified.recv(&mut buffer).unwrap_or_else(|error| panic!("{what}: {error}"));
            if text(&buffer[..count]).contains(what) {
                return;
            }
        }
    };
    wait_for("READY=1");
    wait_for("WATCHDOG=1");
    wait_for("WATCHDOG=1");
    let mut events = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = || -> Value { serde_json::from_str(&events.next().unwrap().unwrap()).unwrap() };
    let started = next();
    assert_eq!((&started["event"], &started["store"]), (&json!("started"), &json!("sqlite:matins.db")));
    while next()["event"] != "run_finished" {}

    let mut page = std::net::TcpStream::connect(&address).unwrap();
    page.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").unwrap();
    let mut metrics = String::new();
    page.read_to_string(&mut metrics).unwrap();
    assert!(
        metrics.contains("matins_runs_finished_total{store=\"default\",outcome=\"succeeded\"}"),
        "{metrics}"
    );
    assert!(metrics.contains("matins_lateness_seconds_bucket"), "{metrics}");

    let mut stop = matins(here, &["stop"]).spawn().unwrap();
    wait_for("STOPPING=1");
    let rest: Vec<Value> = events.map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect();
    assert_eq!(rest.last().unwrap()["event"], "scheduler_shut_down");
    assert!(stop.wait().unwrap().success() && child.wait().unwrap().success());
    let mut traced = String::new();
    child.stderr.take().unwrap().read_to_string(&mut traced).unwrap();
    let line: Value = serde_json::from_str(traced.lines().next().unwrap()).unwrap();
    assert!(line["level"].is_string() && line["target"].as_str().unwrap().starts_with("matins"), "{line}");
}

#[test]
fn what_others_could_write_or_read_is_seen_to() {
    let secret =
        "[jobs.a]\nevery = \"1h\"\ncommand = [\"true\"]\nenvironment = { API_TOKEN = \"hunter2\" }\n";
    let directory = directory_with(&[("jobs.toml", secret), ("crontab", "@daily true\n")]);
    let here = directory.path();
    let chmod = |name: &str, mode| {
        std::fs::set_permissions(here.join(name), std::fs::Permissions::from_mode(mode)).unwrap();
    };
    chmod("jobs.toml", 0o664);
    fails(here, &["run", "jobs.toml"], 2, "chmod go-w");
    fails(here, &["check", "jobs.toml"], 2, "can be written by its group");
    chmod("jobs.toml", 0o600);
    chmod("crontab", 0o666);
    fails(here, &["run", "--crontab", "crontab"], 2, "can be written by everybody");

    let daemon = daemon(here, &["run", "jobs.toml"]);
    for name in [
        "matins.db",
        "matins.db-wal",
        "matins.db-shm",
        "matins.db-owner",
        "matins.db-history",
        "matins.db-control",
    ] {
        let mode = std::fs::metadata(here.join(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{name}");
    }
    for arguments in
        [&["job", "a"][..], &["job", "a", "--json"], &["jobs", "--json"], &["check", "jobs.toml"]]
    {
        assert!(!done(here, arguments).contains("hunter2"), "{arguments:?}");
    }
    assert!(done(here, &["export"]).contains("hunter2"), "a backup is whole");
    daemon.stop();
    chmod("matins.db", 0o666);
    fails(here, &["run", "jobs.toml"], 2, "can be written by everybody");
    fails(here, &["jobs"], 2, "can be written by everybody");
    fails(here, &["run", "crontab-that-is-not-there", "--http", "0.0.0.0:9"], 2, "crontab-that-is-not-there");
    chmod("matins.db", 0o600);
    fails(here, &["run", "jobs.toml", "--http", "0.0.0.0:9"], 2, "can be reached by others: give a token");
}

/// What cannot be written to: a full device, and a pipe that nobody reads any more.
fn unwritable(is_pipe: bool) -> Stdio {
    if is_pipe {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        writer.into()
    } else {
        std::fs::File::options().write(true).open("/dev/full").unwrap().into()
    }
}

#[test]
fn a_daemon_that_nobody_listens_to_goes_on_and_stops_in_order() {
    let hooked = format!(
        "{QUIET}[jobs.often]\nevery = \"100ms\"\nshell = \"exit 1\"\n[[hook]]\non = [\"failed\"]\ncommand = [\"/no/such/program\"]\n"
    );
    for (is_pipe, form) in [(true, "text"), (false, "text"), (false, "json")] {
        let directory = directory_with(&[("jobs.toml", &hooked)]);
        let mut child = matins(directory.path(), &["run", "jobs.toml", "--log", form])
            .stdout(unwritable(is_pipe))
            .stderr(unwritable(is_pipe))
            .env("MATINS_LOG", "debug")
            .spawn()
            .unwrap();
        let signal = |signal| kill_process(Pid::from_child(&child), signal).unwrap();
        let answers = |arguments: &[&str]| output(directory.path(), arguments).status.success();
        wait_until(|| answers(&["status"]));
        let failed = || json_of(directory.path(), &["status", "--json"])["outcomes"]["failed"].as_u64();
        wait_until(|| failed() >= Some(3));
        std::fs::write(directory.path().join("jobs.toml"), format!("{hooked}paused = true\n")).unwrap();
        signal(Signal::HUP);
        std::fs::write(directory.path().join("jobs.toml"), QUIET).unwrap();
        signal(Signal::HUP);
        wait_until(|| !answers(&["job", "often"]));
        signal(Signal::TERM);
        assert!(child.wait().unwrap().success(), "{form}");
    }
}

#[test]
fn a_command_whose_answer_nobody_reads_does_not_panic() {
    let directory = directory_with(&[("jobs.toml", QUIET)]);
    let daemon = daemon(directory.path(), &["run", "jobs.toml"]);
    done(directory.path(), &["now", "quiet", "--wait"]);
    let commands: &[&[&str]] = &[
        &["status"],
        &["jobs"],
        &["job", "quiet"],
        &["runs"],
        &["run", "1"],
        &["why", "quiet", "04:00"],
        &["reload", "--dry-run"],
        &["store", "info"],
        &["store", "check", "sqlite:matins.db"],
        &["next", "0 4 * * *"],
        &["check", "jobs.toml"],
        &["simulate", "jobs.toml", "--for", "1d"],
        &["plot", "jobs.toml", "--for", "1d"],
        &["export", "backup.jsonl"],
        &["export"],
        &["completions", "bash"],
        &["now", "quiet"],
        &["pause", "quiet"],
        &["edit", "quiet", "--nice", "3"],
        &["--help"],
        &["--version"],
    ];
    for arguments in commands {
        for (is_pipe, status) in [(true, 0), (false, 1)] {
            let run = matins(directory.path(), arguments).stdout(unwritable(is_pipe)).output().unwrap();
            let errors = text(&run.stderr);
            assert!(!errors.contains("panicked"), "{arguments:?}: {errors}");
            let is_own = !["--help", "--version"].contains(&arguments[0]);
            assert!(!is_own || run.status.code() == Some(status), "{arguments:?}, {}: {errors}", run.status);
        }
    }
    let run = matins(directory.path(), &["job", "nobody"]).stderr(unwritable(true)).output().unwrap();
    assert_eq!(run.status.code(), Some(1), "an error that nobody reads is one still");
    drop(daemon);
}
