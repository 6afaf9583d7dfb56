//! Who takes the daemon's file descriptors: clients that connect and ask nothing. Its commands keep theirs.

mod daemon_process;

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use daemon_process::{GENEROUS, Launched, QUIET, directory_with, done, json_of, wait_until};

/// Starts a daemon that may have so many files open: it begins with the soft limit, and may raise it to the hard one.
fn daemon_with(here: &Path, soft: u64, hard: u64, arguments: &str) -> Launched {
    let program = env!("CARGO_BIN_EXE_matins");
    let line = format!("ulimit -Sn {soft} && ulimit -Hn {hard} && exec {program} run jobs.toml {arguments}");
    let mut shell = Command::new("sh");
    shell.args(["-c", &line]).current_dir(here).env("TZ", "UTC").env("MATINS_TZDATA", "bundled");
    let log = fs::File::create(here.join("log")).unwrap();
    let errors = fs::File::create(here.join("errors")).unwrap();
    Launched(shell.stdin(Stdio::null()).stdout(log).stderr(errors).spawn().unwrap())
}

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// This process holds as many connections as the attack has, as far as the system lets it; returns how many it may have.
fn may_open(many: usize) -> usize {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let wanted = (many + ROOM) as u64;
    let current = maximum.map_or(wanted, |most| most.min(wanted));
    setrlimit(Resource::Nofile, Rlimit { current: Some(current), maximum }).unwrap();
    many.min(usize::try_from(current).unwrap() - ROOM)
}

/// What the tests of this process need beside the attack.
const ROOM: usize = 4_000;

fn get(address: SocketAddr, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(GENEROUS)).ok()?;
    write!(stream, "GET {path} HTTP/1.0\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}

/// What the daemon says of itself; `None` while it cannot answer.
fn status(here: &Path) -> Option<serde_json::Value> {
    let output = daemon_process::output(here, &["status", "--json"]);
    output.status.success().then(|| serde_json::from_slice(&output.stdout).unwrap())
}

/// How many runs ended well; `None` while the daemon cannot answer.
fn succeeded(here: &Path) -> Option<u64> {
    Some(status(here)?["outcomes"]["succeeded"].as_u64().unwrap_or_default())
}

/// Waits until so many runs have ended well, and none otherwise.
fn wait_for_success_of(here: &Path, jobs: u64) {
    let mut last = None;
    let limit = Instant::now() + GENEROUS;
    while succeeded(here) != Some(jobs) {
        last = status(here).or(last);
        let log = || fs::read_to_string(here.join("log")).unwrap_or_default();
        assert!(Instant::now() < limit, "{last:#?}\n{}", log());
        thread::sleep(Duration::from_millis(50));
    }
    let status = last.or_else(|| status(here));
    assert!(status.is_none_or(|status| status["outcomes"]["failed"].is_null()), "a run has failed");
}

/// 600 connections with half a request to the HTTP port, which any local user can make, and to the control socket: the daemon
/// may have 256 descriptors, and still starts a command ten times a second. A port does not know users, so that the connections
/// of this process are as good as those of another user.
#[test]
fn half_open_connections_leave_commands_their_descriptors() {
    may_open(5_000);
    let directory =
        directory_with(&[("jobs.toml", "[jobs.beat]\nevery = \"100ms\"\nshell = \"echo >> beats\"\n")]);
    let here = directory.path();
    let address = free_address();
    let daemon = daemon_with(here, 64, 256, &format!("--http {address}"));
    wait_until(|| get(address, "/health").is_some_and(|answer| answer.ends_with("running\n")));
    wait_until(|| here.join("matins.db-control").exists() && succeeded(here) > Some(0));

    let half = b"GET /metrics HTTP/1.1\r\nhost: localhost\r\nx: ";
    let mut clients = Vec::new();
    for _ in 0..600 {
        let mut client = TcpStream::connect(address).unwrap();
        let _ = client.write_all(half);
        clients.push(client);
    }
    let mut askers = Vec::new();
    for _ in 0..600 {
        // Its backlog may be full for a moment.
        let Ok(mut asker) = UnixStream::connect(here.join("matins.db-control")) else { continue };
        let _ = asker.write_all(b"{\"matins\":1,\"comm");
        askers.push(asker);
    }
    assert!(askers.len() > 300, "{}", askers.len());
    let open = fs::read_dir(format!("/proc/{}/fd", daemon.0.id())).unwrap().count();
    assert!(open < 200, "{open} of 256 descriptors are open");
    // While those that were first hold their places.
    let beats = || fs::read(here.join("beats")).unwrap().len();
    let before = beats();
    wait_until(|| beats() > before + 10);
    clients[0].set_nonblocking(true).unwrap();
    assert_eq!(clients[0].read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock, "it is still connected");
    // Those in excess were told, or closed.
    clients.last_mut().unwrap().set_read_timeout(Some(GENEROUS)).unwrap();
    let mut answer = Vec::new();
    match clients.last_mut().unwrap().read_to_end(&mut answer) {
        Ok(_) => assert!(answer.starts_with(b"HTTP/1.1 503 "), "{answer:?}"),
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
    }
    // Whoever holds a place loses it in a while, and then the daemon answers, with the connections still open here.
    wait_until(|| status(here).is_some());
    let before = succeeded(here).unwrap_or_default();
    wait_until(|| succeeded(here) > Some(before + 10));
    wait_until(|| {
        get(address, "/metrics").is_some_and(|answer| answer.contains("matins_runs_finished_total"))
    });
    assert!(get(address, "/elsewhere").unwrap().starts_with("HTTP/1.0 404 "));
    drop((clients, askers));
    let outcomes = &json_of(here, &["status", "--json"])["outcomes"];
    assert!(outcomes["failed"].as_u64().is_none_or(|failed| failed == 0), "{outcomes}");
    daemon.end();
}

/// 5,000 connections that ask nothing: the daemon closes what is too many at once, and answers again when the others have had
/// their time.
#[test]
fn five_thousand_connections_to_the_control_socket_do_no_harm() {
    let many = may_open(5_000);
    let directory = directory_with(&[("jobs.toml", QUIET)]);
    let here = directory.path();
    let daemon = daemon_with(here, 1024, 4_096, "");
    wait_until(|| status(here).is_some());
    let mut connected = Vec::new();
    for _ in 0..many {
        if let Ok(stream) = UnixStream::connect(here.join("matins.db-control")) {
            connected.push(stream);
        }
    }
    let open = fs::read_dir(format!("/proc/{}/fd", daemon.0.id())).unwrap().count();
    assert!(open < 400, "{open} descriptors are open");
    let threads = fs::read_dir(format!("/proc/{}/task", daemon.0.id())).unwrap().count();
    assert!(threads < 400, "{threads} threads");
    wait_until(|| status(here).is_some());
    drop(connected);
    daemon.end();
}

/// The daemon raises its soft limit for itself; a command gets back the one that the daemon was started with, because a program
/// that uses select(2) relies on it.
#[test]
fn a_command_has_the_soft_limit_that_the_daemon_was_started_with() {
    let shell =
        "until [ \"$(ulimit -Sn)\" = 100 ]; do sleep 0.01; done; ulimit -Hn > hard.new; mv hard.new hard";
    let directory =
        directory_with(&[("jobs.toml", &format!("[jobs.look]\nin = \"1ms\"\nshell = '{shell}'\n{QUIET}"))]);
    let here = directory.path();
    let daemon = daemon_with(here, 100, 300, "");
    wait_until(|| here.join("hard").exists());
    assert_eq!(fs::read_to_string(here.join("hard")).unwrap().trim(), "300");
    let limits = fs::read_to_string(format!("/proc/{}/limits", daemon.0.id())).unwrap();
    let own = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    assert_eq!(own.split_whitespace().collect::<Vec<_>>()[3..5], ["300", "300"], "{own}");
    assert!(done(here, &["status"]).contains("running"));
    daemon.end();
}

/// More commands at once than there are descriptors for: those that find none are not started yet, say so, and run when others
/// have ended. None fails.
#[test]
fn a_command_that_finds_no_descriptor_is_started_later() {
    const JOBS: usize = 40;
    let job =
        |number| format!("[jobs.job-{number}]\nin = \"1ms\"\nshell = \"sleep 1; touch done-{number}\"\n");
    let jobs: Vec<String> = (0..JOBS).map(job).collect();
    let jobs = jobs.concat();
    let directory = directory_with(&[("jobs.toml", &format!("{jobs}{QUIET}"))]);
    let here = directory.path();
    let daemon = daemon_with(here, 64, 64, "");
    wait_until(|| (0..JOBS).all(|number| here.join(format!("done-{number}")).exists()));
    wait_for_success_of(here, JOBS as u64);
    daemon.end();
    let log = fs::read_to_string(here.join("log")).unwrap();
    let postponed =
        log.lines().find(|line| line.contains("not started")).expect("some were not started at first");
    assert!(postponed.contains("tried again at") && postponed.contains("Too many open files"), "{postponed}");
}

/// The same for processes and threads, which are limited for each user (`RLIMIT_NPROC`): an ordinary user's daemon.
#[test]
fn a_command_that_finds_no_process_is_started_later() {
    const JOBS: usize = 12;
    /// Nobody else's, so that no other process counts.
    const USER: u32 = 54_321;
    if !rustix::process::geteuid().is_root() {
        println!("only root can be another user: nothing is tested");
        return;
    }
    // Each is one process: a shell that cannot start another is a command that has failed.
    let job = |number| format!("[jobs.job-{number}]\nin = \"1ms\"\ncommand = [\"sleep\", \"0.5\"]\n");
    let jobs: Vec<String> = (0..JOBS).map(job).collect();
    let jobs = jobs.concat();
    let directory = directory_with(&[("jobs.toml", &format!("{jobs}{QUIET}"))]);
    let here = directory.path();
    let program = here.join("matins");
    assert!(Command::new("cp").arg(env!("CARGO_BIN_EXE_matins")).arg(&program).status().unwrap().success());
    for path in [here.to_owned(), here.join("jobs.toml")] {
        std::os::unix::fs::chown(path, Some(USER), Some(USER)).unwrap();
    }
    // The shells do not agree on the letter.
    let line = "{ ulimit -u 26 || ulimit -p 26; } 2> /dev/null; exec ./matins run jobs.toml";
    let mut shell = Command::new("sh");
    shell.args(["-c", line]).current_dir(here).env("TZ", "UTC").env("MATINS_TZDATA", "bundled");
    shell.uid(USER).gid(USER).stdin(Stdio::null());
    shell.stdout(fs::File::create(here.join("log")).unwrap());
    shell.stderr(fs::File::create(here.join("errors")).unwrap());
    let daemon = Launched(shell.spawn().unwrap());
    wait_for_success_of(here, JOBS as u64);
    daemon.end();
    let log = fs::read_to_string(here.join("log")).unwrap();
    let postponed =
        log.lines().find(|line| line.contains("not started")).expect("some were not started at first");
    assert!(postponed.contains("Resource temporarily unavailable"), "{postponed}");
    assert!(!fs::read_to_string(here.join("errors")).unwrap().contains("panicked"));
}

/// What a person sees of such a run while it waits.
#[test]
fn a_command_that_is_not_started_yet_says_why() {
    // Its descriptors go to a command that ends when the test says so.
    let jobs =
        "[jobs.hog]\nin = \"1ms\"\nshell = \"touch hog; until [ -e go ]; do sleep 0.05; done\"\n".to_owned();
    let hogs: String =
        (0..12).map(|number| jobs.replace("jobs.hog", &format!("jobs.hog-{number}"))).collect();
    let directory = directory_with(&[("jobs.toml", &format!("{hogs}{QUIET}"))]);
    let here = directory.path();
    let daemon = daemon_with(here, 40, 40, "");
    wait_until(|| here.join("hog").exists());
    let waiting = || {
        let output = daemon_process::output(here, &["runs", "--json"]);
        let runs: Vec<serde_json::Value> = serde_json::from_slice(&output.stdout).unwrap_or_default();
        runs.into_iter().find(|run| run["message"].is_string() && run["outcome"].is_null())
    };
    let mut found = None;
    wait_until(|| {
        found = found.take().or_else(waiting);
        found.is_some()
    });
    let run = found.unwrap();
    let message = run["message"].as_str().unwrap();
    assert!(message.contains("cannot start") && message.contains("Too many open files"), "{run}");
    fs::write(here.join("go"), "").unwrap();
    wait_for_success_of(here, 12);
    daemon.end();
}
