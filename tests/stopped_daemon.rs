//! A daemon whose process is stopped for a while (SIGSTOP, a debugger, a frozen container), one that is busy, and their clients.

mod daemon_process;

use std::fs;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use daemon_process::{daemon, directory_with, done, fails, json_of, wait_until};

/// A run that ended in time, while nobody could look, has not timed out.
#[test]
fn a_run_that_ended_in_time_while_the_daemon_was_stopped_has_not_timed_out() {
    let line = "echo $$ > pid.new; mv pid.new pid; while ! test -e go; do sleep 0.02; done; echo finished";
    let directory = directory_with(&[(
        "jobs.toml",
        &format!("[jobs.quick]\nin = \"1ms\"\ntime_limit = \"8s\"\nshell = '{line}'\n"),
    )]);
    let here = directory.path();
    let daemon = daemon(here, &["run", "jobs.toml"]);
    wait_until(|| here.join("pid").exists());
    let limit = Instant::now() + Duration::from_secs(8);
    daemon.signal(Signal::STOP);
    fs::write(here.join("go"), "").unwrap();
    let pid = fs::read_to_string(here.join("pid")).unwrap();
    let stat = || fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    wait_until(|| stat().contains(") Z "));
    let was_in_time = Instant::now() < limit;
    wait_until(|| Instant::now() > limit + Duration::from_millis(500));
    daemon.signal(Signal::CONT);
    let ended = daemon.wait_for("quick            ");
    assert!(ended.contains("succeeded") || !was_in_time, "{ended}");
    assert!(done(here, &["run", "1"]).contains("finished"));

    // The limit holds all the same.
    let add = ["add", "slow", "--every", "1h", "--time-limit", "1s", "--", "sleep", "600"];
    done(here, &add);
    done(here, &["now", "slow"]);
    wait_until(|| json_of(here, &["runs", "slow", "--json"])[0]["state"] == "running");
    daemon.signal(Signal::STOP);
    let until = Instant::now() + Duration::from_secs(2);
    wait_until(|| Instant::now() > until);
    daemon.signal(Signal::CONT);
    daemon.wait_for("slow             timed out");
    assert!(daemon.stop().success());
}

/// A client of a daemon that does not answer says so, and does not wait forever.
#[test]
fn a_client_of_a_stopped_daemon_gives_up() {
    let directory =
        directory_with(&[("jobs.toml", "[jobs.slow]\ncron = \"0 4 * * *\"\ncommand = [\"sleep\", \"7\"]\n")]);
    let here = directory.path();
    let mut daemon = daemon(here, &["run", "jobs.toml"]);
    daemon.signal(Signal::STOP);
    for arguments in
        [&["status"][..], &["jobs"], &["runs"], &["stop"], &["reload"], &["why", "slow", "04:00"]]
    {
        let arguments = [arguments, &["--timeout", "300ms"]].concat();
        fails(here, &arguments, 1, "has not answered within 300ms");
    }
    daemon.signal(Signal::CONT);
    assert!(daemon.child.wait().unwrap().success(), "what was asked for is done all the same: it stops");

    // Where a run is waited for, it may take longer than that: the daemon gives a sign of life meanwhile.
    let daemon = daemon_process::daemon(here, &["run", "jobs.toml"]);
    assert!(done(here, &["now", "slow", "--wait", "--timeout", "1s"]).contains("succeeded"));
    assert!(daemon.stop().success());
}

/// More than sixty jobs that take long, at one instant, as a crontab of a busy machine has them.
#[test]
fn a_hundred_commands_run_at_once() {
    let job = |number| format!("[jobs.j{number}]\nin = \"1ms\"\ncommand = [\"sleep\", \"600\"]\n");
    let jobs = (0..100).map(job).collect::<Vec<_>>().concat();
    let directory = directory_with(&[("jobs.toml", &jobs)]);
    let here = directory.path();
    let daemon = daemon(here, &["run", "jobs.toml"]);
    let running = || {
        let status = json_of(here, &["status", "--json"]);
        let runs = status["running"].as_array().unwrap().clone();
        runs.iter().filter(|run| run["state"] == "running" && !run["started"].is_null()).count()
    };
    wait_until(|| running() == 100);
    done(here, &["stop", "--now"]);
    drop(daemon);
}
