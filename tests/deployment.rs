//! A daemon that is started before the previous one has ended waits for its store, socket and port.

mod daemon_process;

use std::os::unix::net::UnixDatagram;

use rustix::process::Signal;

use daemon_process::{Daemon, GENEROUS, QUIET, daemon, directory_with, done, fails, text};

const WAIT: &str = "waiting 60s for it to end";

#[test]
fn a_daemon_takes_over_from_one_that_stops_or_is_killed() {
    let directory = directory_with(&[("jobs.toml", &format!("wait_for_owner = \"1m\"\n{QUIET}"))]);
    let here = directory.path();
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let arguments = ["run", "jobs.toml", "--http", &address];
    for signal in [Signal::TERM, Signal::KILL] {
        let mut first = daemon(here, &arguments);
        let second = Daemon::start(here, &arguments);
        let waiting = second.wait_for(WAIT);
        assert!(waiting.contains(&format!("process {} ", first.child.id())), "{waiting}");
        first.signal(signal);
        first.child.wait().unwrap();
        second.wait_for("Ctrl-C");
        // Its own socket is there, whenever the first took its away.
        assert!(done(here, &["status"]).contains(&second.child.id().to_string()));
        assert!(second.stop().success());
    }
}

#[test]
fn a_daemon_that_waited_in_vain_says_for_whom_and_how_long() {
    let directory = directory_with(&[("jobs.toml", &format!("wait_for_owner = \"1m\"\n{QUIET}"))]);
    let here = directory.path();
    let first = daemon(here, &["run", "jobs.toml"]);
    let owner = format!("process {} ", first.child.id());
    // The option before the parameter before the key.
    let url = "sqlite:matins.db?wait_for_owner=50s";
    let waited = "waited 300ms for it to end";
    let arguments = ["run", "jobs.toml", "--store", url, "--wait-for-owner", "300ms"];
    fails(here, &arguments, 2, waited);
    fails(here, &arguments, 2, &owner);
    // Commands take the same name for the store.
    assert!(done(here, &["status", "--store", url]).contains(&first.child.id().to_string()));
    assert!(first.stop().success());
}

/// A deployment may be called off, or a container stopped, while it waits.
#[test]
fn a_daemon_that_waits_can_be_stopped() {
    let directory = directory_with(&[("jobs.toml", QUIET)]);
    let here = directory.path();
    let first = daemon(here, &["run", "jobs.toml"]);
    let notified = UnixDatagram::bind(here.join("notify")).unwrap();
    notified.set_read_timeout(Some(GENEROUS)).unwrap();
    let socket = here.join("notify");
    let variables = [("NOTIFY_SOCKET", socket.to_str().unwrap())];
    let arguments = ["run", "jobs.toml", "--store", "sqlite:matins.db?wait_for_owner=1m"];
    let second = Daemon::start_with(here, &arguments, &variables);
    second.wait_for(WAIT);
    // The service manager is told not to lose patience.
    let mut buffer = [0; 1024];
    let count = notified.recv(&mut buffer).unwrap();
    assert!(text(&buffer[..count]).contains("EXTEND_TIMEOUT_USEC=70000000"), "{}", text(&buffer[..count]));
    assert!(second.stop().success());
    assert!(first.stop().success());
}
