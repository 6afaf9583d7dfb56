//! What the book's chapters on operations have one type is typed, and what they show is what comes.
//!
//! A block of the kind `console` is a session: `$ ` begins a command, `> ` continues it, all else is what it prints. All
//! blocks of a page are one session, in a directory of their own. In what is printed `...` stands for anything, in a line or for
//! lines; blanks are alike however many there are; and headings of tables are left out, which are for terminals.
//!
//! A page about a store that daemons share has a PostgreSQL server of its own. What it asks is asked until it is as the page shows: what one
//! daemon does, another one sees a moment later.

mod daemon_process;

use std::fs;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use matins_conformance::servers::Postgres;

use daemon_process::{GENEROUS, output, text, wait_until};

struct Step {
    command: String,
    printed: Vec<String>,
}

fn steps(page: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for block in page.split("```console\n").skip(1) {
        let block = block.split("\n```").next().unwrap_or_default();
        for line in block.lines() {
            if let Some(command) = line.strip_prefix("$ ") {
                steps.push(Step { command: command.to_owned(), printed: Vec::new() });
                continue;
            }
            let step = steps.last_mut().expect("a session begins with a command");
            match line.strip_prefix('>') {
                Some(more) if step.printed.is_empty() => {
                    step.command += &format!("\n{}", more.strip_prefix(' ').unwrap_or(more));
                }
                _ => step.printed.push(line.to_owned()),
            }
        }
    }
    steps
}

fn words(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether a line is what a pattern says, `...` being anything.
fn is_like(line: &str, pattern: &str) -> bool {
    let mut parts = pattern.split("...");
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = line.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        let Some((_, after)) = rest.split_once(part) else { return false };
        rest = after;
    }
    rest.ends_with(last)
}

fn matches(printed: &[String], patterns: &[String]) -> bool {
    match (patterns.split_first(), printed.split_first()) {
        (None, None) => true,
        (Some((pattern, patterns)), _) if pattern == "..." => {
            (0..=printed.len()).any(|skipped| matches(&printed[skipped..], patterns))
        }
        (Some((pattern, patterns)), Some((line, printed))) => {
            is_like(line, pattern) && matches(printed, patterns)
        }
        _ => false,
    }
}

/// Without headings of tables, and with blanks alike.
fn patterns(printed: &[String]) -> Vec<String> {
    let headings = ["JOB NEXT FIRE", "RUN JOB", "NODE LABEL"];
    let lines = printed.iter().map(|line| words(line));
    lines.filter(|line| !headings.iter().any(|heading| line.starts_with(heading))).collect()
}

fn play(name: &str) {
    let pages = Path::new(env!("CARGO_MANIFEST_DIR")).join("../book/src/how-to");
    let page = fs::read_to_string(pages.join(name)).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path();
    fs::copy(pages.join("../../../examples/timeline.toml"), here.join("timeline.toml")).unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_matins")).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap_or_default());
    let steps = steps(&page);
    assert!(!steps.is_empty(), "{name} has sessions");
    // Other daemons may have the port that the page shows.
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    for Step { command, printed: patterns } in steps {
        let command = command.replace("127.0.0.1:8080", &address);
        let mut shell = Command::new("sh");
        shell
            .args(["-c", &command])
            .current_dir(here)
            .env("PATH", &path)
            .env("TZ", "Europe/Berlin")
            .env("MATINS_TZDATA", "bundled")
            .stdin(Stdio::null());
        if command.ends_with('&') {
            assert!(
                shell.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success(),
                "{command}"
            );
            wait_until(|| output(here, &["status"]).status.success());
            wait_until(|| !command.contains("--http") || TcpStream::connect(&address).is_ok());
            continue;
        }
        let mut run = || {
            let output = shell.output().unwrap();
            let printed = text(&[output.stdout, output.stderr].concat());
            printed.lines().map(words).collect::<Vec<_>>()
        };
        let mut printed = run();
        // A run that was started a moment ago has ended a moment later.
        let until = Instant::now() + GENEROUS;
        while command.contains("/api/v1/runs?")
            && !matches(&printed, &self::patterns(&patterns))
            && Instant::now() < until
        {
            printed = run();
        }
        let is_by_next_fire = patterns.first().is_some_and(|line| words(line).starts_with("JOB NEXT FIRE"));
        let mut patterns = self::patterns(&patterns);
        if is_by_next_fire {
            // Which job fires first depends on the hour of the day.
            printed.sort();
            patterns.sort();
        }
        assert!(
            matches(&printed, &patterns),
            "{name}: $ {command}\n{}\nis not\n{}",
            printed.join("\n"),
            patterns.join("\n")
        );
    }
    // Where the page has left a daemon behind.
    let _ = output(here, &["stop", "--now"]);
}

/// Processes in the background, which end with the test.
struct Jobs(Vec<Child>);

impl Drop for Jobs {
    fn drop(&mut self) {
        for job in &mut self.0 {
            // It may have ended already.
            let _ = job.kill();
            let _ = job.wait();
        }
    }
}

/// Runs a command, and again if it only asks, until it prints what the page shows.
fn until_it_prints(patterns: &[String], command: &str, mut shell: Command) {
    let asks = ["matins status", "matins runs", "matins run 1"].iter().any(|asks| command.starts_with(asks));
    let until = Instant::now() + GENEROUS;
    loop {
        let output = shell.output().unwrap();
        let printed = text(&output.stdout) + &text(&output.stderr);
        let lines: Vec<String> = printed.lines().map(words).collect();
        if matches(&lines, patterns) {
            return;
        }
        let is_over = !asks || Instant::now() > until;
        assert!(!is_over, "$ {command}\n{printed}\nis not\n{}", patterns.join("\n"));
    }
}

/// A session on a database that daemons share.
fn play_shared(page: &str) {
    let Some(server) = Postgres::start(&["fsync=off"]) else { return };
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path();
    fs::create_dir(here.join("examples")).unwrap();
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/matins.toml");
    fs::copy(example, here.join("examples/matins.toml")).unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_matins")).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap_or_default());
    let shell = |command: &str| {
        let mut shell = Command::new("sh");
        shell.args(["-c", command]).current_dir(here).stdin(Stdio::null());
        shell.env("PATH", &path).env("TZ", "Europe/Berlin").env("MATINS_TZDATA", "bundled");
        // As they are for whoever has just installed it: the server of this machine, and a role of one's own name.
        shell.env("PGHOST", server.socket()).env("PGUSER", "matins");
        shell
    };
    let status = "matins status --json --store postgres:///jobs";
    let up = || text(&shell(status).output().unwrap().stdout).matches("\"state\": \"up\"").count();
    let mut jobs = Jobs(Vec::new());
    for Step { command, printed } in steps(page) {
        if let Some(command) = command.strip_suffix('&') {
            let mut job = shell(&format!("exec {command}"));
            jobs.0.push(job.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
            wait_until(|| up() == jobs.0.len());
            continue;
        }
        let first = jobs.0.first().map_or(String::new(), |job| job.id().to_string());
        let (command, patterns) = (command.replace("%1", &first), patterns(&printed));
        until_it_prints(&patterns, &command, shell(&command));
    }
    assert_eq!(jobs.0.len(), 2, "two daemons");
}

#[test]
fn many_machines_and_one_store() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../book/src/how-to/shared.md");
    play_shared(&fs::read_to_string(page).unwrap());
}

/// The second step of the README.
#[test]
fn one_machine_is_not_enough() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md")).unwrap();
    let (_, step) = page.split_once("## When one machine is not enough").expect("the step");
    play_shared(step.split("\n## ").next().unwrap_or_default());
}

/// A session with a NATS server, a worker and a daemon.
fn play_workers(page: &str) {
    let Some(program) = matins_conformance::nats::nats().and_then(|_| matins_conformance::nats::program())
    else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path();
    fs::create_dir(here.join("examples")).unwrap();
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    // Other servers may have the port that the page shows.
    let moved = |text: &str| {
        text.replace("127.0.0.1:4333", &address.to_string())
            .replace("--port 4333", &format!("--port {}", address.port()))
    };
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/workers.toml");
    fs::write(here.join("examples/workers.toml"), moved(&fs::read_to_string(example).unwrap())).unwrap();
    let matins = Path::new(env!("CARGO_BIN_EXE_matins")).parent().unwrap();
    let of_system = std::env::var("PATH").unwrap_or_default();
    let path = format!("{}:{}:{of_system}", matins.display(), program.parent().unwrap().display());
    let shell = |command: &str| {
        let mut shell = Command::new("sh");
        shell.args(["-c", command]).current_dir(here).stdin(Stdio::null()).env("PATH", &path);
        shell
    };
    let mut jobs = Jobs(Vec::new());
    for Step { command, printed } in steps(page) {
        let (command, patterns) = (moved(&command), patterns(&printed));
        if let Some(command) = command.strip_suffix('&') {
            let mut job = shell(&format!("exec {command}"));
            jobs.0.push(job.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
            if command.starts_with("nats-server") {
                wait_until(|| TcpStream::connect(address).is_ok());
            } else if command.starts_with("matins run") {
                wait_until(|| output(here, &["status"]).status.success());
            }
            continue;
        }
        until_it_prints(&patterns, &command, shell(&command));
    }
    assert_eq!(jobs.0.len(), 3, "a server, a worker and a daemon");
}

#[test]
fn workers() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../book/src/how-to/workers.md");
    play_workers(&fs::read_to_string(page).unwrap());
}

/// The third step of the README.
#[test]
fn workers_elsewhere() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md")).unwrap();
    let (_, step) = page.split_once("## Workers elsewhere").expect("the step");
    play_workers(step.split("\n## ").next().unwrap_or_default());
}

#[test]
fn the_daemon() {
    play("daemon.md");
}

#[test]
fn control() {
    play("control.md");
}

/// Each request that the page of the HTTP API shows.
#[test]
fn page() {
    play("page.md");
}

#[test]
fn why() {
    play("why.md");
}

/// And the picture in the book is the one that comes.
#[test]
fn simulate() {
    play("simulate.md");
    let directory = tempfile::tempdir().unwrap();
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/timeline.toml");
    fs::copy(examples, directory.path().join("timeline.toml")).unwrap();
    let arguments = ["plot", "timeline.toml", "--for", "14h", "--from", "2026-10-24T18:00"];
    assert!(output(directory.path(), &arguments).status.success());
    let drawn = fs::read_to_string(directory.path().join("timeline.svg")).unwrap();
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("../book/src/how-to/timeline.svg");
    assert!(
        fs::read_to_string(kept).unwrap_or_default() == drawn,
        "draw it anew: cd book/src/how-to && matins {} (with examples/timeline.toml there)",
        arguments.join(" ")
    );
}

#[test]
fn safety() {
    play("safety.md");
}

/// Every configuration that these pages show is one.
#[test]
fn the_configurations_of_the_pages_are_sound() {
    let pages = Path::new(env!("CARGO_MANIFEST_DIR")).join("../book/src/how-to");
    let directory = tempfile::tempdir().unwrap();
    let mut found = 0;
    for page in fs::read_dir(pages).unwrap().map(|entry| entry.unwrap().path()) {
        if page.extension().is_none_or(|extension| extension != "md") {
            continue;
        }
        let text = fs::read_to_string(&page).unwrap();
        for block in text.split("```toml\n").skip(1) {
            let block = block.split("```").next().unwrap_or_default();
            // The manifest of a program.
            if block.contains("[dependencies]") {
                continue;
            }
            let path = directory.path().join("jobs.toml");
            fs::write(&path, block).unwrap();
            for crontab in block.lines().filter_map(|line| line.strip_prefix("file = \"")) {
                let crontab = directory.path().join(crontab.trim_end_matches('"'));
                fs::create_dir_all(crontab.parent().unwrap()).unwrap();
                fs::write(crontab, "").unwrap();
            }
            let output = output(directory.path(), &["check", "jobs.toml"]);
            assert!(
                output.status.success(),
                "{}: {}",
                page.display(),
                String::from_utf8_lossy(&output.stderr)
            );
            found += 1;
        }
    }
    assert!(found >= 2, "{found}");
}
