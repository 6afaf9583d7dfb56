//! What others have written (ids, output, messages, file names, rows, another process's answers) does nothing to a terminal that
//! shows it, whatever command shows it.

mod daemon_process;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Output;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use daemon_process::{Daemon, directory_with, done, matins, output, text};

/// A job id may hold all of these, controls alone are refused: directions, characters that nobody sees, line separators.
const ID: &str = "a\u{202e}b\u{200b}c\u{2066}d\u{200f}e\u{61c}f\u{feff}g\u{2060}h\u{2028}i\u{2029}j\u{ad}k";

/// What terminals obey: clear the screen, title, clipboard, DCS, the line above, C1 controls, BEL, BS, CR, DEL; and a line
/// that looks like one of the command's own.
const HOSTILE: &str = "\u{1b}[2J\u{1b}]0;title\u{7}\u{1b}]52;c;cm0=\u{1b}\\\u{1b}P$q\u{1b}\\\u{1b}[1A\u{1b}[2K\u{9b}2J\u{9d}0;t\u{9c}\
                       \u{80}\u{85}\u{8}\u{8}\u{7f}\u{b}\u{c}\r\u{202e}\u{202a}\u{2069}\u{200d}\u{200c}\u{200e}\u{2028}\u{1b}[8m\nFORGED";

/// The commands that the tests below run. A new command is added here, and to a test.
const COMMANDS: [&str; 28] = [
    "run",
    "worker",
    "jobs",
    "job",
    "runs",
    "show-run",
    "why",
    "add",
    "edit",
    "reschedule",
    "remove",
    "pause",
    "resume",
    "now",
    "cancel",
    "status",
    "watch",
    "reload",
    "stop",
    "export",
    "import",
    "next",
    "check",
    "simulate",
    "plot",
    "store",
    "completions",
    "man",
];

fn is_harmful(c: char) -> bool {
    (c.is_control() && !matches!(c, '\n' | '\t'))
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[track_caller]
fn is_harmless(what: &str, shown: &str) {
    assert!(!shown.contains(is_harmful), "{what}: {shown:?}");
    assert!(!shown.lines().any(|line| line.starts_with("FORGED")), "{what}: {shown}");
}

/// Runs a command as a pipe and with the colours of a terminal.
#[track_caller]
fn attack(here: &Path, arguments: &[&str]) -> Output {
    let mut coloured = matins(here, arguments);
    let coloured = coloured.env("CLICOLOR_FORCE", "1").output().unwrap();
    let what = format!("{arguments:?}");
    let plain = output(here, arguments);
    for bytes in [&plain.stdout, &plain.stderr] {
        is_harmless(&what, str::from_utf8(bytes).unwrap());
    }
    for bytes in [&coloured.stdout, &coloured.stderr] {
        let mut shown = text(bytes);
        for style in ["0", "1", "2", "4", "31", "32", "33", "34"] {
            shown = shown.replace(&format!("\u{1b}[{style}m"), "");
        }
        is_harmless(&what, &shown);
    }
    plain
}

/// A store with a job whose every text is hostile, and its runs.
fn hostile_store(here: &Path, store: &str) {
    let job = json!({"job": {
        "id": ID, "task": "command", "state": "active", "executor": "default", "created": "2026-11-26T10:00:00Z",
        "arguments": {"program": HOSTILE, "arguments": [HOSTILE], "environment": {HOSTILE: HOSTILE}, "directory": HOSTILE, "user": HOSTILE},
        "trigger": {"type": "interval", "period_micros": 3_600_000_000_i64, "start": "2026-11-26T10:00:00Z"},
        "next_fire": "2126-11-26T11:00:00Z",
        "policy": {"misfire_grace": null, "coalesce": "latest", "overlap": "skip", "on_interrupt": "leave", "on_exhausted": "remove"},
        "metadata": {"source": HOSTILE, "definition": HOSTILE},
    }});
    let run = |id: u64, at: &str, outcome: &str| {
        json!({"run": {
            "id": id, "job": ID, "first": at, "last": at, "count": 1, "attempt": 1, "started": at, "finished": at,
            "outcome": outcome, "message": format!("{HOSTILE}. {HOSTILE}"), "output": HOSTILE.replace("FORGED", "line\tline"), "result": {"a": HOSTILE},
        }})
    };
    let lines = [
        json!({"matins": "export", "format": 1}),
        job,
        run(1, "2026-11-26T11:00:00Z", "failed"),
        run(2, "2026-11-26T12:00:00Z", "missed: overlap"),
    ];
    let lines: Vec<String> = lines.iter().map(Value::to_string).collect();
    fs::write(here.join("in.jsonl"), lines.join("\n") + "\n").unwrap();
    done(here, &["import", "in.jsonl", "--store", store]);
    let history = format!("{}-history", store.split_once(':').unwrap().1);
    let entry =
        |what: &str, at: &str| json!({"at": at, "what": what, "job": ID, "by": HOSTILE}).to_string() + "\n";
    fs::write(
        here.join(history),
        entry("paused", "2026-11-26T12:30:00Z") + &entry("resumed", "2026-11-26T13:30:00Z"),
    )
    .unwrap();
}

#[test]
fn every_command_is_attacked() {
    let directory = directory_with(&[]);
    let script = done(directory.path(), &["completions", "bash"]);
    let commands = script
        .lines()
        .filter_map(|line| line.trim().strip_prefix("opts=\""))
        .find(|opts| opts.contains("jobs "))
        .unwrap();
    let commands: Vec<&str> = commands
        .trim_end_matches('"')
        .split(' ')
        .filter(|word| !word.starts_with('-') && *word != "help")
        .collect();
    assert_eq!(commands, COMMANDS);
}

/// A store's rows are shown, and what is wrong with the command line.
#[test]
fn what_a_store_holds_does_nothing_to_a_terminal() {
    let directory = directory_with(&[]);
    let here = directory.path();
    let store = format!("sqlite:s{}.db", HOSTILE.replace('/', ""));
    hostile_store(here, &store);
    let listed = |arguments: &[&str]| {
        let arguments = [arguments, &["--store", &store]].concat();
        text(&attack(here, &arguments).stdout)
    };
    assert!(listed(&["jobs"]).starts_with("a\\u{202e}b"));
    let job = listed(&["job", ID]);
    assert!(job.contains("runs         ") && job.contains("last runs"), "{job}");
    assert_eq!(listed(&["runs"]).lines().count(), 2);
    let run = listed(&["run", "1"]);
    assert!(
        run.contains("\n\\u{1b}[2J") && run.contains("\nline\tline\n"),
        "lines and tabs of an output stay: {run}"
    );
    for time in ["2026-11-26T11:00Z", "2026-11-26T12:00Z", "2026-11-26T13:00Z", "2026-11-26T11:11Z"] {
        let why = listed(&["why", ID, time]);
        assert!(!why.is_empty(), "{time}");
    }
    listed(&["edit", ID, "--tag", HOSTILE]);
    listed(&["reschedule", ID, "--every", "2h"]);
    listed(&["pause", ID]);
    listed(&["resume", ID]);
    listed(&["now", ID]);
    listed(&["now", ID, "--wait"]);
    listed(&["cancel", "1"]);
    listed(&["store", "info"]);
    attack(here, &["worker", "--nats", HOSTILE]);
    attack(here, &["worker", "--nats", &format!("nats://127.0.0.1:1/{HOSTILE}")]);
    attack(here, &["worker", "--nats", "nats://127.0.0.1:1", "--namespace", HOSTILE]);
    attack(here, &["worker", "--nats", "nats://127.0.0.1:1", "--credentials", &format!("/no/{HOSTILE}")]);
    attack(here, &["store", "check", &store]);
    attack(here, &["store", "migrate", &store]);
    attack(here, &["store", "repair", &store]);
    listed(&["status"]);
    listed(&["stop"]);
    listed(&["watch"]);
    listed(&["reload"]);
    listed(&["simulate", "in.jsonl"]);
    for hostile in [ID, HOSTILE] {
        for command in
            ["job", "edit", "remove", "pause", "resume", "now", "cancel", "run", "show-run", hostile]
        {
            listed(&[command, hostile]);
        }
        listed(&["jobs", hostile, "--tag", hostile]);
        listed(&["runs", hostile, "--outcome", hostile]);
        listed(&["runs", "--since", hostile]);
        listed(&["why", hostile, hostile]);
        listed(&["add", hostile, "--every", hostile, "--", hostile]);
        listed(&["add", "x", "--env", hostile, "--every", "1h", "--", hostile]);
        listed(&["add", "x", "--cron", hostile, "--", hostile]);
        listed(&["add", "x", "--at", hostile, "--timezone", hostile, "--", hostile]);
        listed(&["import", hostile]);
        listed(&["export", &format!("missing/{hostile}")]);
        for command in ["check", "simulate", "plot"] {
            attack(here, &[command, hostile]);
            attack(here, &[command, "x.toml", "--tz", hostile]);
        }
        attack(here, &["next", hostile]);
        attack(here, &["next", "@daily", "--tz", hostile]);
        attack(here, &["next", "@daily", "--from", hostile]);
        attack(here, &["man", &format!("/dev/null/{hostile}")]);
        attack(here, &["completions", hostile]);
        attack(here, &["jobs", "--store", hostile]);
        attack(here, &["jobs", "--socket", hostile]);
        attack(here, &["store", "check", hostile]);
        attack(here, &["store", "check", &format!("file:{hostile}")]);
        attack(here, &["store", "repair", &format!("file:{hostile}")]);
    }
    listed(&["remove", ID]);
    listed(&["export"]);
    let mut command = matins(here, &["next", "@daily"]);
    let zone = command.env("TZ", HOSTILE).output().unwrap();
    is_harmless("TZ", &text(&zone.stderr));
}

/// JSON is exact: what a terminal would obey is written in JSON's own escapes. `--raw` writes an output as it was.
#[test]
fn json_and_raw_output_are_exact() {
    let directory = directory_with(&[]);
    let here = directory.path();
    hostile_store(here, "sqlite:s.db");
    let shown = |arguments: &[&str]| -> Value {
        let answer = attack(here, &[arguments, &["--store", "sqlite:s.db", "--json"]].concat());
        serde_json::from_slice(&answer.stdout).unwrap()
    };
    let jobs = shown(&["jobs"]);
    assert_eq!(jobs[0]["id"], ID);
    assert_eq!(jobs[0]["arguments"]["arguments"][0], HOSTILE);
    assert_eq!(shown(&["job", ID])["arguments"]["environment"][HOSTILE], HOSTILE);
    let printed = HOSTILE.replace("FORGED", "line\tline");
    assert_eq!(shown(&["run", "1"])["output"], printed);
    assert_eq!(shown(&["runs"])[0]["message"], format!("{HOSTILE}. {HOSTILE}"));
    let why = shown(&["why", ID, "2026-11-26T11:00Z"]);
    let last = why["sentences"].as_array().unwrap().last().unwrap();
    assert!(last.as_str().unwrap().contains(HOSTILE.lines().next().unwrap()), "{why}");
    let raw = output(here, &["run", "1", "--raw", "--store", "sqlite:s.db"]);
    assert_eq!(raw.stdout, printed.as_bytes());
    attack(here, &["export", "--store", "sqlite:s.db"]);
    let exported = done(here, &["export", "--store", "sqlite:s.db"]);
    let before = fs::read_to_string(here.join("in.jsonl")).unwrap();
    for (line, before) in exported.lines().zip(before.lines()).skip(1) {
        let value = |line: &str| serde_json::from_str::<Value>(line).unwrap();
        for (name, before) in value(before)["run"].as_object().into_iter().flatten() {
            assert_eq!(value(line)["run"][name], *before, "{name}");
        }
    }
}

/// A file store whose log was written to by others.
#[test]
fn a_damaged_store_does_nothing_to_a_terminal() {
    let directory = directory_with(&[]);
    let here = directory.path();
    done(here, &["add", "a", "--every", "1h", "--store", "file:s", "--", "true"]);
    let log = fs::read_dir(here.join("s")).unwrap().map(|entry| entry.unwrap().path());
    for file in log.filter(|path| path.extension().is_some_and(|ending| ending == "jsonl")) {
        let mut file = fs::OpenOptions::new().append(true).open(file).unwrap();
        write!(file, "{HOSTILE}\n{{\"a\": \"{HOSTILE}\n{HOSTILE}").unwrap();
    }
    for arguments in [
        &["store", "check", "file:s"][..],
        &["store", "repair", "file:s"],
        &["jobs", "--store", "file:s"],
        &["store", "repair", "file:s", "--apply"],
    ] {
        attack(here, arguments);
    }
}

/// Starts runs until somebody who watches sees one.
fn watched(here: &Path, watch: &Daemon, now: &[&str]) -> String {
    loop {
        done(here, now);
        if let Ok(line) = watch.lines.recv_timeout(Duration::from_millis(300)) {
            return line;
        }
    }
}

/// A daemon reads a configuration and a crontab with hostile names in files with hostile names, and its log is harmless, as
/// are the answers that it gives.
#[test]
fn a_daemon_s_log_and_answers_do_nothing_to_a_terminal() {
    let hostile_name = HOSTILE.replace('/', "");
    let (config, crontab) = (format!("{hostile_name}.toml"), format!("{hostile_name}.crontab"));
    let quoted = |text: &str| json!(text).to_string().replace('\u{7f}', "\\u007f");
    let line = "printf '\\033[2J\\033]0;x\\007\\302\\2332J\\r\\nFORGED\\t\\342\\200\\256\\n'; exit 3";
    let toml = format!(
        "[jobs.{}]\nin = \"1s\"\nshell = {}\ntags = [{}]\n[jobs.missing]\nin = \"1s\"\ncommand = [{}]\n\
         [[hook]]\non = [\"failed\"]\ncommand = [{}]\n",
        quoted(ID),
        quoted(line),
        quoted(HOSTILE),
        quoted(HOSTILE),
        quoted(HOSTILE),
    );
    let lines =
        format!("A={}\n* * * * * /x/{ID} {}\n", "\u{1b}[2J\u{202e}", "\u{1b}[2J\u{9b}\u{202e}%\u{1b}");
    let directory = directory_with(&[
        (&config, &toml),
        (&crontab, &lines),
        (
            "fault.toml",
            &format!("[jobs.a]\nevery = {}\nshell = \"x\"\n{}", quoted(HOSTILE), "\"\\u001b\u{202e}\" = 1"),
        ),
    ]);
    let here = directory.path();
    for command in ["check", "simulate", "plot"] {
        assert!(attack(here, &[command, &config]).status.success());
        attack(here, &[command, &crontab, "--crontab"]);
        attack(here, &[command, "fault.toml"]);
    }
    attack(here, &["check", &crontab]);
    attack(here, &["check", &config, "--json"]);
    let picture = fs::read_to_string(here.join("timeline.svg")).unwrap();
    is_harmless("the picture", &picture);

    for log in ["text", "json"] {
        let store = format!("sqlite:{log}.db");
        let arguments = ["run", &config, "--crontab", &crontab, "--store", &store, "--log", log];
        let daemon = Daemon::start_with(here, &arguments, &[("MATINS_LOG", "trace")]);
        let mut seen = Vec::new();
        let mut failed = 0;
        while failed < 2 {
            let line = daemon.lines.recv_timeout(daemon_process::GENEROUS).unwrap();
            failed += usize::from(
                line.contains("failed")
                    && !line.contains("hook")
                    && (line.contains("exited with") || line.contains("missing")),
            );
            is_harmless(log, &line);
            seen.push(line);
        }
        let store = ["--store", &store];
        for arguments in [
            &["status"][..],
            &["jobs"],
            &["runs"],
            &["job", ID],
            &["reload", "--dry-run"],
            &["why", ID, "00:00"],
        ] {
            let answer = attack(here, &[arguments, &store].concat());
            assert!(answer.status.success(), "{arguments:?}: {}", text(&answer.stderr));
        }
        for form in [&[][..], &["--json"]] {
            let watch = Daemon::start(here, &[&["watch"][..], &store, form].concat());
            let line = watched(here, &watch, &[&["now", ID][..], &store].concat());
            is_harmless("watch", &line);
        }
        fs::write(here.join(&config), "[jobs.a]\n\"\\u001b\u{202e}\" = 1\n").unwrap();
        attack(here, &[&["reload"][..], &store].concat());
        attack(here, &[&["status"][..], &store].concat());
        fs::write(here.join(&config), &toml).unwrap();
        attack(here, &[&["stop", "--now"][..], &store].concat());
        while let Ok(line) = daemon.lines.recv_timeout(daemon_process::GENEROUS) {
            is_harmless(log, &line);
        }
    }
}

/// What answers at the socket may be another program.
#[test]
fn the_answers_of_another_process_do_nothing_to_a_terminal() {
    let directory = directory_with(&[]);
    let here = directory.path();
    let listener = UnixListener::bind(here.join("socket")).unwrap();
    let job = json!({"id": ID, "description": HOSTILE});
    let answers = [
        format!("{HOSTILE}\n"),
        json!({"error": {"kind": "failed", "message": HOSTILE}}).to_string() + "\n",
        json!({"error": {"kind": HOSTILE, "message": HOSTILE}}).to_string() + "\n",
        json!({"done": job}).to_string() + "\n",
        json!({"item": job}).to_string() + "\n" + &json!({"done": {HOSTILE: HOSTILE}}).to_string() + "\n",
        json!({"item": {"event": "store_failed", "at": "2026-11-26T11:00:00Z", "store": HOSTILE, "error": HOSTILE}}).to_string()
            + "\n"
            + &json!({"done": null}).to_string()
            + "\n",
        json!({"done": {"kind": "ran", "answer": HOSTILE, "sentences": [HOSTILE], "job": ID, "at": "2026-11-26T11:00:00Z"}}).to_string() + "\n",
    ];
    let all = answers.clone();
    thread::spawn(move || {
        for (stream, answer) in listener.incoming().zip(all.iter().cycle()) {
            let mut stream = stream.unwrap();
            let mut request = String::new();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            if reader.read_line(&mut request).is_ok() {
                // The client may have had enough.
                let _ = stream.write_all(answer.as_bytes());
            }
        }
    });
    let commands: [&[&str]; 10] = [
        &["status"],
        &["jobs"],
        &["job", "a"],
        &["runs"],
        &["run", "1"],
        &["watch"],
        &["why", "a", "00:00"],
        &["now", "a", "--wait"],
        &["reload"],
        &["store", "info"],
    ];
    for arguments in commands {
        for form in [&[][..], &["--json"]] {
            // Each runs the command twice, so that an odd number of answers comes in every order.
            for _ in 0..answers.len() {
                attack(here, &[arguments, form, &["--socket", "socket"]].concat());
            }
        }
    }
}
