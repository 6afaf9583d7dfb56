//! The commands that talk to a daemon, and do without one; the socket, and who means it harm.

mod daemon_process;

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use matins::{JobStore, Outcome, RunQuery, SqliteStore};
use rustix::process::Signal;
use serde_json::{Value, json};

use daemon_process::{Daemon, GENEROUS, directory_with, matins, output, text, wait_until};

const QUIET: &str =
    "[jobs.quiet]\ncron = \"0 4 * * *\"\ntimezone = \"Europe/Berlin\"\ncommand = [\"true\"]\n";

#[track_caller]
fn done(directory: &Path, arguments: &[&str]) -> String {
    let output = output(directory, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

#[track_caller]
fn json_of(directory: &Path, arguments: &[&str]) -> Value {
    serde_json::from_str(&done(directory, arguments)).unwrap()
}

#[track_caller]
fn fails(directory: &Path, arguments: &[&str], status: i32, words: &str) {
    let Output { status: found, stderr, .. } = output(directory, arguments);
    assert_eq!(found.code(), Some(status), "{arguments:?}: {}", text(&stderr));
    assert!(text(&stderr).contains(words), "{arguments:?}: {}", text(&stderr));
}

fn daemon(directory: &Path, arguments: &[&str]) -> Daemon {
    let daemon = Daemon::start(directory, arguments);
    daemon.wait_for("Ctrl-C");
    daemon
}

/// All that can be done to a job: the same whether a daemon is asked, or the store is opened.
#[test]
fn jobs_are_changed_and_explained_with_a_daemon_and_without() {
    for with_daemon in [true, false] {
        let directory = directory_with(&[("quiet.toml", QUIET)]);
        let here = directory.path();
        let first = daemon(here, &["run", "quiet.toml"]);
        let running = if with_daemon {
            Some(first)
        } else {
            assert!(first.stop().success());
            None
        };

        let added =
            ["add", "hello", "--cron", "0 9 * * MON-FRI", "--timezone", "Europe/Berlin", "--env", "WHO=you"];
        done(
            here,
            &[&added[..], &["--time-limit", "1m", "--tag", "polite", "--", "sh", "-c", "echo hello $WHO"]]
                .concat(),
        );
        fails(here, &["add", "hello", "--every", "1h", "--", "true"], 1, "choose another id");
        fails(here, &["add", "wrong", "--cron", "0 25 * * *", "--", "true"], 2, "25 is out of range");
        fails(here, &["add", "wrong", "--every", "1h"], 2, "a job needs `command");
        let jobs = json_of(here, &["jobs", "--json"]);
        let ids: Vec<&str> = jobs.as_array().unwrap().iter().map(|job| job["id"].as_str().unwrap()).collect();
        assert_eq!(ids, ["hello", "quiet"]);
        assert_eq!(done(here, &["jobs", "--tag", "polite"]).lines().count(), 1);

        let job = json_of(here, &["job", "hello", "--json"]);
        assert_eq!(job["arguments"]["environment"]["WHO"], "you");
        assert_eq!(job["policy"]["time_limit"]["secs"], 60);
        let edited = json_of(
            here,
            &["edit", "hello", "--time-limit", "none", "--env", "WHO=all", "--nice", "3", "--json"],
        );
        assert_eq!(edited["arguments"]["environment"]["WHO"], "all");
        assert_eq!(
            edited["arguments"]["arguments"],
            json!(["-c", "echo hello $WHO"]),
            "what is not named stays"
        );
        assert_eq!(edited["policy"].get("time_limit"), None);
        assert_eq!(edited["upcoming"], job["upcoming"], "its next fire too");
        fails(here, &["edit", "hello", "--unset", "colour"], 2, "unknown key `colour`");
        fails(here, &["edit", "hello"], 2, "nothing is to be changed");
        let moved = json_of(here, &["reschedule", "hello", "--cron", "30 2 * * *", "--json"]);
        assert_eq!(moved["trigger"]["zone"], "Europe/Berlin", "in its own zone");

        let ran = json_of(here, &["now", "hello", "--wait", "--json"]);
        assert_eq!((&ran["outcome"], &ran["output"]), (&json!("succeeded"), &json!("hello all\n")));
        let number = ran["id"].to_string();
        assert!(
            done(here, &["run", &number]).contains("hello all"),
            "a number in place of a configuration is a run's"
        );
        let runs = json_of(here, &["runs", "hello", "--outcome", "succeeded", "--since", "1h", "--json"]);
        assert_eq!(runs.as_array().unwrap().len(), 1);
        assert!(json_of(here, &["runs", "--outcome", "failed", "--json"]).as_array().unwrap().is_empty());
        fails(here, &["runs", "--outcome", "splendid"], 2, "there are succeeded, failed");
        done(here, &["edit", "hello", "--shell", "exit 3"]);
        fails(here, &["now", "hello", "--wait"], 1, "failed");

        done(here, &["pause", "hello"]);
        assert_eq!(done(here, &["jobs", "--paused"]).split('\t').next(), Some("hello"));
        let why = json_of(here, &["why", "hello", "2100-03-28T02:30", "--json"]);
        assert_eq!(why["kind"], "paused");
        assert!(why["answer"].as_str().unwrap().contains("was paused at "), "{why}");
        done(here, &["resume", "hello"]);
        assert_eq!(json_of(here, &["why", "hello", "2027-03-28T02:30", "--json"])["kind"], "in_gap");
        assert_eq!(
            json_of(here, &["why", "hello", "2026-03-28T12:00:00", "--json"])["kind"],
            "not_yet_added"
        );

        assert!(done(here, &["store", "check", "sqlite:matins.db"]).contains("2 jobs and 2 runs are whole"));
        assert!(done(here, &["store", "migrate", "sqlite:matins.db"]).contains("is up to date"));
        assert_eq!(json_of(here, &["check", "quiet.toml", "--json"])[0]["id"], "quiet");
        let info = json_of(here, &["store", "info", "--json"]);
        assert_eq!((&info["jobs"], &info["runs"]), (&json!(2), &json!(2)));
        done(here, &["remove", "hello"]);
        fails(here, &["job", "hello"], 1, "there is no job \"hello\"");
        fails(here, &["pause", "hello"], 1, "there is no job");
        fails(here, &["run", "99"], 1, "the ledger has no run 99");
        assert_eq!(json_of(here, &["why", "hello", "2100-01-01T00:00", "--json"])["kind"], "removed");

        if running.is_some() {
            let status = json_of(here, &["status", "--json"]);
            assert_eq!((&status["state"], &status["jobs"]), (&json!("running"), &json!(1)));
            assert!(done(here, &["stop"]).contains("stopped"));
            assert!(!here.join("matins.db-control").exists());
        }
        fails(here, &["status"], 3, "has no daemon");
        fails(here, &["watch"], 3, "has no daemon");
        fails(here, &["stop"], 3, "has no daemon");
        fails(here, &["jobs", "--store", "sqlite:nowhere.db"], 1, "there is no store sqlite:nowhere.db");
        assert!(!here.join("nowhere.db").exists(), "asking makes no store");
    }
}

#[test]
fn a_job_from_another_process_fires_and_is_watched() {
    let directory = directory_with(&[("quiet.toml", QUIET)]);
    let daemon = daemon(directory.path(), &["run", "quiet.toml"]);
    let mut watch = matins(directory.path(), &["watch", "--json"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut events = BufReader::new(watch.stdout.take().unwrap()).lines();
    // Added again until the watch is on.
    let event = |line: Option<std::io::Result<String>>| -> Value {
        serde_json::from_str(&line.unwrap().unwrap()).unwrap()
    };
    let adder = {
        let here = directory.path().to_owned();
        thread::spawn(move || {
            done(&here, &["add", "soon", "--every", "200ms", "--", "echo", "soon"]);
        })
    };
    let mut seen = Vec::new();
    while !seen.contains(&"run_finished".to_owned()) {
        seen.push(event(events.next())["event"].as_str().unwrap().to_owned());
    }
    adder.join().unwrap();
    daemon.wait_for("soon             succeeded");
    daemon.stop();
    assert!(watch.wait().unwrap().success(), "it ends with the daemon");
}

fn connect(directory: &Path) -> UnixStream {
    let stream = UnixStream::connect(directory.join("matins.db-control")).unwrap();
    stream.set_read_timeout(Some(GENEROUS)).unwrap();
    stream
}

fn ask(stream: &mut UnixStream, line: &[u8]) -> Option<Value> {
    // It may have been closed for what was said before.
    stream.write_all(line).ok()?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer).ok().filter(|count| *count > 0)?;
    Some(serde_json::from_str(&answer).expect("an answer is a line of JSON"))
}

/// A thousand messages that are none, a client that says nothing, one that takes no answer, two hundred at once: the daemon
/// answers or closes, and misses no fire.
#[test]
fn hostile_clients_do_no_harm() {
    let directory =
        directory_with(&[("beat.toml", "[jobs.beat]\nevery = \"100ms\"\ncommand = [\"true\"]\n")]);
    let here = directory.path();
    let daemon = daemon(here, &["run", "beat.toml"]);

    let mut stalls = connect(here);
    stalls.write_all(b"{\"matins\":1,\"comm").unwrap();
    let mut deaf = connect(here);
    for _ in 0..2_000 {
        // It never reads: its answers fill what there is to fill.
        if deaf.write_all(b"{\"matins\":1,\"command\":\"jobs\"}\n").is_err() {
            break;
        }
        deaf.set_write_timeout(Some(Duration::from_millis(50))).unwrap();
    }

    let sound = br#"{"matins":1,"command":"pause","job":"beat"}"#;
    let mut bits = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = || {
        bits ^= bits << 13;
        bits ^= bits >> 7;
        bits ^= bits << 17;
        bits
    };
    let mut refused = 0;
    let mut stream = connect(here);
    for number in 0..1_000 {
        let mut message = match number % 10 {
            0 => (0..random() % 200).map(|_| random() as u8).collect(),
            1 => sound[..(random() as usize) % (sound.len() - 1)].to_vec(),
            2 => "[".repeat(1 + random() as usize % 5_000).into_bytes(),
            3 => br#"{"matins":1,"command":"pause","job":{"a":[1,2,3]}}"#.to_vec(),
            4 => format!(r#"{{"matins":{},"command":"stop"}}"#, random() | 2).into_bytes(),
            5 => br#"{"matins":1,"command":"shutdown_everything"}"#.to_vec(),
            6 => br#"{"matins":1,"command":"add","job":"","keys":{"every":"-1s","shell":"x"}}"#.to_vec(),
            7 => br#"{"matins":1,"command":"why","job":"beat","at":"99999999999-99-99T99:99"}"#.to_vec(),
            8 => br#"{"matins":1,"command":"edit","job":"beat","keys":{"overlap":{"allow":-3}}}"#.to_vec(),
            _ => format!(r#"{{"matins":1,"command":"run","run":{}}}"#, u64::MAX).into_bytes(),
        };
        message.retain(|byte| *byte != b'\n');
        message.push(b'\n');
        match ask(&mut stream, &message) {
            Some(answer) => {
                assert!(answer["error"]["message"].is_string(), "{}: {answer}", text(&message));
                refused += 1;
            }
            None => stream = connect(here),
        }
    }
    assert!(refused > 900, "{refused}");
    // Longer than any request may be; then, that it is closed.
    let mut long = connect(here);
    let endless = thread::spawn(move || {
        let filler = vec![b'x'; 64 * 1024];
        while long.write_all(&filler).is_ok() {}
        let mut rest = Vec::new();
        let _ = long.read_to_end(&mut rest);
    });
    endless.join().unwrap();
    let import = json!({"matins": 1, "command": "import", "bytes": u64::MAX});
    let answer = ask(&mut connect(here), format!("{import}\n").as_bytes()).unwrap();
    assert!(answer["error"]["message"].as_str().unwrap().contains("more than"), "{answer}");

    // Two hundred at once, all there before the first is answered.
    let mut clients: Vec<UnixStream> = (0..200).map(|_| connect(here)).collect();
    for client in &mut clients {
        let answer = ask(client, b"{\"matins\":1,\"command\":\"status\"}\n").unwrap();
        assert_eq!(answer["done"]["state"], "running", "{answer}");
    }
    drop((clients, stalls, deaf));

    assert!(done(here, &["jobs"]).starts_with("beat\t"), "it is as it was");
    for _ in 0..5 {
        daemon.wait_for("beat             succeeded");
    }
    assert!(daemon.stop().success());
    let mut store = SqliteStore::open(here.join("matins.db")).unwrap();
    let runs = store.runs(&RunQuery::default()).unwrap();
    assert!(runs.len() > 3, "{}", runs.len());
    assert!(runs.iter().all(|run| run.outcome == Some(Outcome::Succeeded)), "no fire was missed: {runs:#?}");
}

/// The socket is private; and where somebody has opened it to others, they are told to go.
#[test]
fn another_user_is_sent_away() {
    let directory = directory_with(&[("quiet.toml", QUIET)]);
    let here = directory.path();
    let daemon = daemon(here, &["run", "quiet.toml"]);
    let socket = here.join("matins.db-control");
    assert_eq!(std::fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    if !rustix::process::geteuid().is_root() {
        // Only root can be another.
        return;
    }
    for path in [here, &socket] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o777)).unwrap();
    }
    // The binary lies where others may not look; a copy does not. Made by another process: a file that this one writes is held
    // open by whatever another test starts just then, and cannot be run.
    let program = here.join("matins");
    assert!(Command::new("cp").arg(env!("CARGO_BIN_EXE_matins")).arg(&program).status().unwrap().success());
    let output = Command::new(&program).args(["stop", "--socket"]).arg(&socket).uid(65_534).output().unwrap();
    let errors = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(errors.contains("the daemon belongs to root (uid 0), and you are"), "{errors}");
    assert!(done(here, &["status"]).contains("running"));
    daemon.stop();
}

#[test]
fn files_are_read_again_on_request_and_on_sighup() {
    let two = format!("{QUIET}[jobs.gone]\nevery = \"1h\"\ncommand = [\"true\"]\n");
    let directory = directory_with(&[("jobs.toml", &two)]);
    let here = directory.path();
    let daemon = daemon(here, &["run", "jobs.toml"]);
    done(here, &["add", "by-hand", "--every", "1h", "--", "true"]);
    let changed = QUIET
        .replace("0 4", "30 4")
        .replace("jobs.quiet", "jobs.quiet]\nevery = \"1h\"\nshell = \"x\"\n[jobs.quieter");
    std::fs::write(here.join("jobs.toml"), &changed).unwrap();

    let plan = json_of(here, &["reload", "--dry-run", "--json"]);
    let expected = json!({"added": ["quieter"], "changed": ["quiet"], "removed": ["gone"], "untouched": 0});
    for (what, ids) in expected.as_object().unwrap() {
        assert_eq!(plan[0][what], *ids, "{what}: {plan}");
    }
    assert!(done(here, &["jobs"]).contains("gone"), "nothing has changed yet");
    assert!(done(here, &["reload"]).contains("added quieter; changed quiet; removed gone"));
    let ids = |here: &Path| -> Vec<String> {
        let jobs = json_of(here, &["jobs", "--json"]);
        jobs.as_array().unwrap().iter().map(|job| job["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(ids(here), ["by-hand", "quiet", "quieter"]);

    std::fs::write(here.join("jobs.toml"), "[jobs.quiet]\nevrey = \"1h\"\nshell = \"x\"\n").unwrap();
    fails(here, &["reload"], 2, "jobs.toml:2:1: unknown key `evrey`; did you mean `every`?");
    daemon.signal(Signal::HUP);
    daemon.wait_for("nothing was changed");
    assert_eq!(ids(here), ["by-hand", "quiet", "quieter"]);
    std::fs::write(here.join("jobs.toml"), QUIET).unwrap();
    daemon.signal(Signal::HUP);
    daemon.wait_for("changed quiet; removed quieter");
    assert_eq!(ids(here), ["by-hand", "quiet"]);
    daemon.stop();
}

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
    let mut child = matins(here, &["run", "jobs.toml", "--log", "json", "--metrics", &address])
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
    fails(
        here,
        &["run", "crontab-that-is-not-there", "--metrics", "0.0.0.0:9"],
        2,
        "crontab-that-is-not-there",
    );
    chmod("matins.db", 0o600);
    fails(here, &["run", "jobs.toml", "--metrics", "0.0.0.0:9"], 2, "loopback only");
}

#[test]
fn a_store_is_backed_up_restored_and_brought_up_to_date() {
    let directory = directory_with(&[("quiet.toml", QUIET)]);
    let here = directory.path();
    let daemon = daemon(here, &["run", "quiet.toml"]);
    done(here, &["now", "quiet", "--wait"]);
    assert!(done(here, &["export", "backup.jsonl"]).contains("1 jobs and 1 runs"));
    assert_eq!(std::fs::metadata(here.join("backup.jsonl")).unwrap().permissions().mode() & 0o777, 0o600);
    fails(here, &["import", "backup.jsonl"], 1, "--on-conflict");
    daemon.stop();

    for store in ["sqlite:restored.db", "file:restored"] {
        assert!(done(here, &["import", "backup.jsonl", "--store", store]).contains("1 jobs and 1 runs"));
        assert_eq!(done(here, &["jobs", "--store", store]).split('\t').next(), Some("quiet"));
        assert!(done(here, &["store", "check", store]).contains("1 jobs and 1 runs are whole"));
    }
    let broken =
        std::fs::read_to_string(here.join("backup.jsonl")).unwrap().replace("\"run\":{", "\"run\":{{");
    std::fs::write(here.join("broken.jsonl"), broken).unwrap();
    fails(here, &["import", "broken.jsonl", "--store", "sqlite:restored.db"], 2, "line 3, column");

    let old = Path::new(env!("CARGO_MANIFEST_DIR")).join("../backends/sqlite/tests/formats/1.db");
    std::fs::copy(old, here.join("old.db")).unwrap();
    let migrated = done(here, &["store", "migrate", "sqlite:old.db"]);
    assert!(migrated.contains("from format 1 to "), "{migrated}");
    assert!(here.join("old.db.format-1").exists());
    assert!(done(here, &["store", "migrate", "sqlite:old.db"]).contains("is up to date"));
    assert!(done(here, &["store", "check", "sqlite:old.db"]).contains("whole"));
}

/// An import that is interrupted, at whatever moment, leaves all of it or nothing.
#[test]
fn an_import_is_interrupted_without_harm() {
    const JOBS: usize = 5_000;
    let directory = directory_with(&[("quiet.toml", QUIET)]);
    let here = directory.path();
    daemon(here, &["run", "quiet.toml"]).stop();
    let one = done(here, &["export"]);
    let (head, job) = one.split_once('\n').unwrap();
    let many: String = (0..JOBS).fold(format!("{head}\n"), |lines, number| {
        lines + &job.trim_end().replace("\"quiet\"", &format!("\"quiet-{number}\"")) + "\n"
    });
    std::fs::write(here.join("many.jsonl"), many).unwrap();
    for (attempt, kind) in
        ["sqlite", "file"].iter().flat_map(|kind| (0..4).map(move |attempt| (attempt, kind)))
    {
        let name = format!("{kind}-{attempt}");
        let store = format!("{kind}:{name}");
        let mut import = matins(here, &["import", "many.jsonl", "--store", &store])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // At once; when the store is there; when something has been written into it; when it is done.
        let written = |path: &Path| std::fs::metadata(path).is_ok_and(|file| file.len() > 100_000);
        let mut ended = false;
        wait_until(|| {
            ended = import.try_wait().unwrap().is_some();
            ended
                || match attempt {
                    0 => true,
                    1 => here.join(&name).exists(),
                    2 => {
                        written(&here.join(format!("{name}-wal")))
                            || written(&here.join(&name).join("log.jsonl"))
                    }
                    _ => false,
                }
        });
        let _ = rustix::process::kill_process(rustix::process::Pid::from_child(&import), Signal::INT);
        import.wait().unwrap();
        if !here.join(&name).exists() {
            continue;
        }
        let found = json_of(here, &["store", "info", "--json", "--store", &store])["jobs"].as_u64().unwrap();
        assert!([0, JOBS as u64].contains(&found), "{store}: {found}");
        assert!(attempt < 3 || found == JOBS as u64, "{store}: {found}");
    }
}

#[test]
fn completions_and_man_pages_are_made() {
    let directory = directory_with(&[]);
    for shell in ["bash", "zsh", "fish"] {
        assert!(done(directory.path(), &["completions", shell]).contains("reschedule"), "{shell}");
    }
    done(directory.path(), &["man", "pages"]);
    let page = std::fs::read_to_string(directory.path().join("pages/matins-why.1")).unwrap();
    assert!(page.contains(".TH MATINS-WHY") && page.contains("\\-\\-json"), "{page}");
}
