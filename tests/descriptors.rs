//! Who takes the daemon's file descriptors: clients that connect and ask nothing. Its commands keep theirs.

mod daemon_process;

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use daemon_process::{GENEROUS, Launched, QUIET, directory_with, done, json_of, wait_until};

/// Starts a daemon that may have so many files open: it begins with the soft limit, and may raise it to the hard one.
fn daemon_with(here: &Path, soft: u64, hard: u64, arguments: &str) -> Launched {
    let program = env!("CARGO_BIN_EXE_matins");
    let line = format!("ulimit -Sn {soft} && ulimit -Hn {hard} && exec {program} run jobs.toml {arguments}");
    let mut shell = Command::new("sh");
    shell.args(["-c", &line]).current_dir(here).env("TZ", "UTC").env("MATINS_TZDATA", "bundled");
    let errors = fs::File::create(here.join("errors")).unwrap();
    Launched(shell.stdin(Stdio::null()).stdout(Stdio::null()).stderr(errors).spawn().unwrap())
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

fn succeeded(here: &Path) -> u64 {
    let status = json_of(here, &["status", "--json"]);
    status["outcomes"]["succeeded"].as_u64().unwrap_or_default()
}

/// 600 connections with half a request to the metrics port, which any local user can make, and to the control socket: the daemon
/// may have 256 descriptors, and still starts a command ten times a second. A port does not know users, so that the connections
/// of this process are as good as those of another user.
#[test]
fn half_open_connections_leave_commands_their_descriptors() {
    may_open(5_000);
    let directory =
        directory_with(&[("jobs.toml", "[jobs.beat]\nevery = \"100ms\"\nshell = \"echo >> beats\"\n")]);
    let here = directory.path();
    let address = free_address();
    let daemon = daemon_with(here, 64, 256, &format!("--metrics {address}"));
    wait_until(|| get(address, "/health").is_some_and(|answer| answer.ends_with("running\n")));
    wait_until(|| here.join("matins.db-control").exists() && succeeded(here) > 0);

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
    wait_until(|| daemon_process::output(here, &["status"]).status.success());
    let before = succeeded(here);
    wait_until(|| succeeded(here) > before + 10);
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
    wait_until(|| daemon_process::output(here, &["status"]).status.success());
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
    wait_until(|| daemon_process::output(here, &["status"]).status.success());
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
