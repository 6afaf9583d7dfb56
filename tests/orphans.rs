//! Processes whose parents have gone: commands of a daemon that was killed, and, for a daemon that is process 1, all others.

mod daemon_process;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use serde_json::Value;

use daemon_process::{Daemon, Launched, daemon, directory_with, done, json_of, matins, wait_until};

/// A job that writes its process id, and runs until there is a file `go`.
fn job(keys: &str) -> String {
    format!(
        "[jobs.long]\nevery = \"200ms\"\n{keys}\n\
         shell = 'echo $$ > pid.new; mv pid.new pid.$$; while ! test -e go; do sleep 0.02; done; echo $$ >> ended'\n"
    )
}

/// The processes that the job has begun, in the order of their numbers.
fn begun(directory: &Path) -> Vec<i32> {
    let names =
        fs::read_dir(directory).unwrap().filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut pids: Vec<i32> = names.filter_map(|name| name.strip_prefix("pid.")?.parse().ok()).collect();
    pids.sort_unstable();
    pids
}

fn is_running(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    test_kill_process(Pid::from_raw(pid).unwrap()).is_ok() && !stat.contains(") Z ")
}

/// Starts a daemon, waits until its job runs, and kills it as `kill -9` does; the process of the job.
fn killed(directory: &Path) -> i32 {
    killed_after(directory, || true)
}

/// The same, once more has come about.
fn killed_after(directory: &Path, condition: impl FnMut() -> bool) -> i32 {
    let mut daemon = daemon(directory, &["run", "jobs.toml"]);
    wait_until(|| !begun(directory).is_empty());
    wait_until(condition);
    daemon.child.kill().unwrap();
    daemon.child.wait().unwrap();
    let pid = begun(directory)[0];
    assert!(is_running(pid), "it has outlived the daemon");
    pid
}

fn runs(directory: &Path) -> Vec<Value> {
    json_of(directory, &["runs", "long", "-n", "0", "--json"]).as_array().unwrap().clone()
}

/// As reported of another scheduler: <https://github.com/distribworks/dkron/issues/1569>. The run after a restart found the one
/// before it still going, and ran beside it.
#[test]
fn the_job_of_a_command_that_outlived_its_daemon_waits_for_it() {
    let directory = directory_with(&[("jobs.toml", &job(""))]);
    let here = directory.path();
    let pid = killed_after(here, || runs(here).iter().any(|run| run["outcome"] == "missed: overlap"));
    let second = daemon(here, &["run", "jobs.toml"]);
    let reason = format!("started by a daemon that was killed, is still running as process {pid}");
    wait_until(|| {
        runs(here).iter().any(|run| {
            run["outcome"] == "missed: overlap"
                && run["message"].as_str().is_some_and(|why| why.contains(&reason))
        })
    });
    let run = runs(here).iter().find(|run| run["outcome"] == "interrupted").unwrap()["id"].as_u64().unwrap();
    let sentence = format!("the command of run {run}, {reason}");
    assert!(done(here, &["runs", "long"]).contains(&sentence));
    assert!(done(here, &["status"]).contains(&sentence), "{}", done(here, &["status"]));
    let status = json_of(here, &["status", "--json"]);
    assert_eq!(status["orphans"][0]["pid"], pid);
    let missed = runs(here).into_iter().find(|run| run["outcome"] == "missed: overlap").unwrap();
    let why = done(here, &["why", "long", missed["first"].as_str().unwrap()]);
    assert!(
        why.contains(&format!("it was missed, because {sentence}").replacen("it was", "It was", 1)),
        "{why}"
    );
    assert_eq!(begun(here), [pid], "nothing has begun beside it");

    // And with a third daemon it is still the same.
    let mut second = second;
    second.child.kill().unwrap();
    second.child.wait().unwrap();
    let third = daemon(here, &["run", "jobs.toml"]);
    assert_eq!(json_of(here, &["status", "--json"])["orphans"][0]["pid"], pid);
    fs::write(here.join("go"), "").unwrap();
    third.wait_for(&format!("process {pid} of run {run} has ended"));
    wait_until(|| begun(here).len() > 1);
    assert_eq!(json_of(here, &["status", "--json"])["orphans"], Value::Array(Vec::new()));
    assert!(third.stop().success());
    assert_eq!(fs::read_dir(here.join("matins.db-commands")).unwrap().count(), 0, "no record is left");
}

#[test]
fn a_fire_that_is_to_wait_starts_when_the_orphan_has_ended() {
    let directory =
        directory_with(&[("jobs.toml", &job("overlap = \"queue_one\"\non_interrupt = \"run_again\""))]);
    let here = directory.path();
    let pid = killed(here);
    let second = daemon(here, &["run", "jobs.toml"]);
    wait_until(|| runs(here).iter().filter(|run| run["state"] == "waiting").count() == 2);
    assert_eq!(begun(here), [pid]);
    fs::write(here.join("go"), "").unwrap();
    // The interrupted run once more, and the one that has waited.
    wait_until(|| begun(here).len() >= 3);
    let ended = || fs::read_to_string(here.join("ended")).unwrap_or_default();
    wait_until(|| ended().lines().count() >= 3);
    assert!(ended().starts_with(&pid.to_string()), "the orphan was the first: {}", ended());
    assert!(second.stop().success());
}

#[test]
fn an_orphan_is_ended_where_its_job_says_so_and_ignored_where_it_says_that() {
    let directory = directory_with(&[("jobs.toml", &job("on_orphan = \"kill\""))]);
    let pid = killed(directory.path());
    let second = Daemon::start(directory.path(), &["run", "jobs.toml"]);
    second.wait_for("it is told to end");
    wait_until(|| !is_running(pid));
    wait_until(|| begun(directory.path()).len() > 1);
    fs::write(directory.path().join("go"), "").unwrap();
    assert!(second.stop().success());

    let directory = directory_with(&[("jobs.toml", &job("on_orphan = \"ignore\""))]);
    let pid = killed(directory.path());
    let second = daemon(directory.path(), &["run", "jobs.toml"]);
    wait_until(|| begun(directory.path()).len() > 1);
    assert!(is_running(pid), "they run beside each other");
    fs::write(directory.path().join("go"), "").unwrap();
    wait_until(|| !is_running(pid));
    assert!(second.stop().success());
}

#[test]
fn the_choice_can_be_made_and_changed_from_the_command_line() {
    let directory = directory_with(&[]);
    let here = directory.path();
    done(here, &["add", "a", "--every", "1h", "--on-orphan", "kill", "--", "true"]);
    assert!(done(here, &["job", "a"]).contains("on_orphan    kill"), "{}", done(here, &["job", "a"]));
    done(here, &["edit", "a", "--on-orphan", "wait"]);
    assert!(!done(here, &["job", "a"]).contains("on_orphan"));
}

/// As process 1 of a container. As reported of others: <https://github.com/aptible/supercronic/issues/88>,
/// <https://github.com/aptible/supercronic/issues/172>.
#[test]
fn as_process_1_it_reaps_orphans_and_its_commands_keep_their_exit_status() {
    // Each run leaves a process behind whose parent ends at once, and which then ends itself.
    let directory = directory_with(&[(
        "jobs.toml",
        "[jobs.litter]\nevery = \"100ms\"\nshell = '(sleep 0.05 & exec true) & wait; exit 7'\n",
    )]);
    let here = directory.path();
    let mut unshare = Command::new("unshare");
    unshare.args([
        "--pid",
        "--fork",
        "--kill-child",
        "--mount-proc",
        env!("CARGO_BIN_EXE_matins"),
        "run",
        "jobs.toml",
    ]);
    unshare.current_dir(here).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let Ok(unshare) = unshare.spawn() else {
        println!("unshare is not installed: nothing is tested");
        return;
    };
    let mut unshare = Launched(unshare);
    let socket = here.join("matins.db-control");
    wait_until(|| socket.exists() || unshare.0.try_wait().unwrap().is_some());
    if !socket.exists() {
        println!("no namespace of processes can be made here: nothing is tested");
        return;
    }
    let all = || json_of(here, &["runs", "-n", "0", "--json"]).as_array().unwrap().clone();
    wait_until(|| all().iter().filter(|run| !run["outcome"].is_null()).count() > 30);
    for run in all().iter().filter(|run| !run["outcome"].is_null()) {
        assert!(run["outcome"] == "missed: overlap" || run["message"] == "exited with status 7", "{run}");
    }
    done(here, &["pause", "litter"]);
    // Seen from outside: the children of the daemon that have ended, by its number out here.
    let children = format!("/proc/{0}/task/{0}/children", unshare.0.id());
    let Ok(daemon) = fs::read_to_string(&children) else {
        println!("this system does not tell the children of a process: nothing more is tested");
        done(here, &["stop", "--now"]);
        unshare.0.wait().unwrap();
        return;
    };
    let daemon = daemon.trim().to_owned();
    let zombies = || {
        let stats = fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path().join("stat"));
        stats
            .filter_map(|path| fs::read_to_string(path).ok())
            .filter(|stat| {
                let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
                fields[0] == "Z" && fields[1] == daemon
            })
            .count()
    };
    wait_until(|| zombies() == 0);
    done(here, &["stop", "--now"]);
    unshare.0.wait().unwrap();
}

/// Signals of one who comes from another scheduler.
#[test]
fn sigusr2_reads_the_files_again_and_sigusr1_does_nothing() {
    let quiet = daemon_process::QUIET;
    let directory = directory_with(&[("jobs.toml", quiet)]);
    let here = directory.path();
    let daemon = daemon(here, &["run", "jobs.toml"]);
    kill_process(Pid::from_child(&daemon.child), Signal::USR1).unwrap();
    for (signal, name) in [(Signal::USR2, "two"), (Signal::HUP, "three")] {
        let more = format!("{quiet}[jobs.{name}]\ncron = \"0 4 * * *\"\ncommand = [\"true\"]\n");
        fs::write(here.join("jobs.toml"), more).unwrap();
        daemon.signal(signal);
        daemon.wait_for(&format!("added {name}"));
    }
    assert!(matins(here, &["status"]).output().unwrap().status.success());
    assert!(daemon.stop().success());
}
