//! Crontabs under the command: what cron's users meet when they edit, move and deploy them.

mod daemon_process;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use matins::JobStore;
use matins::{JobId, RunQuery, SqliteStore};
use rustix::process::Signal;

use daemon_process::{Daemon, daemon, directory_with, done, fails, json_of, output, text, wait_until};

fn write(directory: &Path, name: &str, content: impl AsRef<[u8]>) {
    fs::write(directory.join(name), content).unwrap();
}

/// The ids of the jobs whose command contains `words`.
fn ids(directory: &Path, words: &str) -> Vec<String> {
    let jobs = json_of(directory, &["jobs", "--json"]);
    let jobs = jobs.as_array().unwrap().iter();
    let has = |job: &&serde_json::Value| job["arguments"]["arguments"][1].as_str().unwrap().contains(words);
    jobs.filter(has).map(|job| job["id"].as_str().unwrap().to_owned()).collect()
}

fn store(directory: &Path) -> SqliteStore {
    SqliteStore::open(directory.join("matins.db")).unwrap()
}

/// systemd-cron#178, systemd-cron#164: a line that is inserted above must not make a running command another job's.
#[test]
fn a_running_command_stays_its_line_s_when_a_line_is_inserted_above() {
    let directory = directory_with(&[("t.crontab", "0 4 * * * /bin/sleep 60 # one\n")]);
    let path = directory.path();
    let daemon = daemon(path, &["run", "--crontab", "t.crontab", "--no-watch"]);
    let now = matins_in_background(path, &["now", "sleep", "--wait"]);
    wait_until(|| json_of(path, &["runs", "--json"]).as_array().unwrap().len() == 1);
    write(path, "t.crontab", "0 4 * * * /bin/sleep 61 # two\n0 4 * * * /bin/sleep 60 # one\n");
    let changes = done(path, &["reload"]);
    assert!(changes.contains("added sleep-2"), "{changes}");
    assert!(changes.contains("1 as before"), "{changes}");
    assert_eq!(ids(path, "# one"), ["sleep"]);
    assert_eq!(ids(path, "# two"), ["sleep-2"]);
    let runs = json_of(path, &["runs", "--json"]);
    assert_eq!((runs[0]["job"].as_str(), &runs[0]["outcome"]), (Some("sleep"), &serde_json::Value::Null));
    daemon.signal(Signal::TERM);
    daemon.signal(Signal::TERM);
    drop(now);
    drop(daemon);
}

fn matins_in_background(directory: &Path, arguments: &[&str]) -> Background {
    Background(daemon_process::matins(directory, arguments).spawn().unwrap())
}

struct Background(std::process::Child);

impl Drop for Background {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_line_keeps_its_next_fire_when_the_file_is_edited_while_the_daemon_is_down() {
    let directory = directory_with(&[("t.crontab", "0 4 * * * echo one\n")]);
    let path = directory.path();
    assert!(daemon(path, &["run", "--crontab", "t.crontab"]).stop().success());
    let id = JobId::new("echo").unwrap();
    let due: chrono::DateTime<chrono::Utc> = "2026-01-01T04:00:00Z".parse().unwrap();
    let make_due = || {
        let mut store = store(path);
        let mut job = store.get(&id).unwrap().unwrap();
        job.next_fire = Some(due);
        store.update(job).unwrap();
    };
    // A line above, and another environment: the fire that came while the daemon was down runs.
    make_due();
    write(path, "t.crontab", "A=b\n0 5 * * * echo two\n0 4 * * * echo one\n");
    let second = Daemon::start(path, &["run", "--crontab", "t.crontab"]);
    second.wait_for("echo             succeeded");
    assert!(second.stop().success());
    // Another schedule: what was due before runs by the misfire policy, and then the new times count.
    make_due();
    write(path, "t.crontab", "A=b\n0 5 * * * echo two\n30 4 * * * echo one\n");
    let third = Daemon::start(path, &["run", "--crontab", "t.crontab"]);
    third.wait_for("echo             succeeded");
    assert!(third.stop().success());
    // Removed: the ledger says so.
    make_due();
    write(path, "t.crontab", "0 5 * * * echo two\n");
    assert!(daemon(path, &["run", "--crontab", "t.crontab"]).stop().success());
    let runs = store(path).runs(&RunQuery::of_job(&id)).unwrap();
    let outcomes: Vec<&str> =
        runs.iter().filter_map(|run| run.outcome).map(matins::Outcome::as_str).collect();
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == "succeeded").count(), 2, "{outcomes:?}");
    assert_eq!(outcomes.last(), Some(&"missed: job removed"), "{outcomes:?}");
}

#[test]
fn a_file_is_the_same_however_it_is_named_and_one_that_moved_is_adopted() {
    let directory = directory_with(&[("t.crontab", "0 4 * * * echo one\n")]);
    let path = directory.path();
    let started = |arguments: &[&str], words: &str| {
        let daemon = Daemon::start(path, &[&["run"], arguments].concat());
        daemon.wait_for(words);
        assert!(daemon.stop().success(), "{arguments:?}");
    };
    started(&["--crontab", "t.crontab"], "added echo");
    started(&["--crontab", "./t.crontab"], "1 as before");
    let absolute = path.join("t.crontab");
    let absolute = absolute.to_str().unwrap();
    started(&["--crontab", absolute], "1 as before");
    fs::create_dir(path.join("releases")).unwrap();
    fs::rename(path.join("t.crontab"), path.join("releases/t.crontab")).unwrap();
    fails(path, &["run", "--crontab", "releases/t.crontab"], 2, &format!("--adopt {absolute}"));
    started(&["--crontab", "releases/t.crontab", "--adopt", "t.crontab"], "1 as before");
    started(&["--crontab", "releases/t.crontab"], "1 as before");
    // Behind a link that is switched, as deployments do, nothing is to be adopted.
    symlink("releases", path.join("current")).unwrap();
    started(&["--crontab", "current/t.crontab"], "1 as before");
    fs::rename(path.join("releases"), path.join("releases-2")).unwrap();
    fs::remove_file(path.join("current")).unwrap();
    symlink("releases-2", path.join("current")).unwrap();
    started(&["--crontab", "current/t.crontab"], "1 as before");
}

/// supercronic#73, supercronic#33; and a `ConfigMap` of Kubernetes, which switches a link.
#[test]
fn an_edited_crontab_is_taken_up_and_a_broken_one_is_told_and_changes_nothing() {
    let directory = directory_with(&[]);
    let path = directory.path();
    for (version, text) in
        [("..v1", "0 4 * * * echo one\n"), ("..v2", "0 4 * * * echo one\n0 5 * * * date\n")]
    {
        fs::create_dir(path.join(version)).unwrap();
        write(path, &format!("{version}/t.crontab"), text);
    }
    symlink("..v1", path.join("..data")).unwrap();
    symlink("..data/t.crontab", path.join("t.crontab")).unwrap();
    let daemon = daemon(path, &["run", "--crontab", "t.crontab"]);
    symlink("..v2", path.join("..data_tmp")).unwrap();
    fs::rename(path.join("..data_tmp"), path.join("..data")).unwrap();
    daemon.wait_for("added date; 1 as before");
    write(path, "..v2/t.crontab", "0 25 * * * echo one\n");
    daemon.wait_for("and it was refused; the jobs stay as they are");
    wait_until(|| json_of(path, &["status", "--json"])["files_refused"].is_string());
    assert_eq!(json_of(path, &["jobs", "--json"]).as_array().unwrap().len(), 2);
    write(path, "..v2/t.crontab", "0 4 * * * echo one\n");
    daemon.wait_for("removed date; 1 as before");
    wait_until(|| json_of(path, &["status", "--json"])["files_refused"].is_null());
    assert!(daemon.stop().success());
}

/// systemd-cron#30: `@reboot` is once after a boot, and not at each start of the daemon.
#[test]
fn reboot_fires_once_after_each_boot() {
    let directory = directory_with(&[("t.crontab", "@reboot echo booted\n")]);
    let path = directory.path();
    let fires = |count: usize| {
        wait_until(|| {
            json_of(path, &["runs", "--outcome", "succeeded", "--json"]).as_array().unwrap().len() == count
        });
    };
    let first = daemon(path, &["run", "--crontab", "t.crontab", "--no-watch"]);
    fires(1);
    // Added to a daemon that is up: it fires after the next boot.
    write(path, "t.crontab", "@reboot echo booted\n@reboot date\n");
    assert!(done(path, &["reload"]).contains("added date"));
    assert!(first.stop().success());
    let second = daemon(path, &["run", "--crontab", "t.crontab"]);
    fires(1);
    assert!(second.stop().success());
    for id in ["echo", "date"] {
        let mut store = store(path);
        let mut job = store.get(&JobId::new(id).unwrap()).unwrap().unwrap();
        assert!(job.next_fire.is_none());
        job.metadata.insert("boot".to_owned(), "an earlier one".into());
        store.update(job).unwrap();
    }
    let third = daemon(path, &["run", "--crontab", "t.crontab"]);
    fires(3);
    assert!(third.stop().success());
}

#[test]
fn output_is_mailed_where_mailto_is_set() {
    let directory = directory_with(&[
        (
            "t.crontab",
            "MAILTO=ops@example.org\n0 4 * * * echo hello\n0 4 * * * true\nMAILTO=\"\"\n0 4 * * * date\n",
        ),
        ("sendmail", "#!/bin/sh\n(echo \"arguments: $*\"; cat) > sent.tmp && mv sent.tmp sent.$$\n"),
    ]);
    let path = directory.path();
    let sendmail = path.join("sendmail");
    fs::set_permissions(&sendmail, fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = daemon_process::matins(path, &["run", "--crontab", "t.crontab"]);
    let search = format!("{}:{}", path.display(), std::env::var("PATH").unwrap());
    let mut child = command.env("PATH", search).spawn().unwrap();
    wait_until(|| output(path, &["status"]).status.success());
    for job in ["true", "date", "echo"] {
        done(path, &["now", job, "--wait"]);
    }
    let sent = || -> Vec<_> {
        let files = fs::read_dir(path).unwrap().map(|file| file.unwrap().path());
        files.filter(|file| file.file_name().unwrap().to_string_lossy().starts_with("sent.")).collect()
    };
    wait_until(|| sent().iter().any(|file| file.extension().is_some_and(|extension| extension != "tmp")));
    done(path, &["stop"]);
    assert!(child.wait().unwrap().success());
    let [file] = &sent()[..] else { panic!("one mail: {:?}", sent()) };
    let mail = fs::read_to_string(file).unwrap();
    assert!(mail.starts_with("arguments: -i -FCronDaemon -oem -- ops@example.org\n"), "{mail}");
    assert!(mail.contains("\nSubject: Cron <") && mail.contains("> echo hello\n"), "{mail}");
    assert!(mail.ends_with("\n\nhello\n"), "{mail}");
}

/// systemd-cron#68: cron reads bytes, and hands them over.
#[test]
fn bytes_that_are_not_utf8_reach_the_command() {
    let directory = directory_with(&[]);
    let path = directory.path();
    let mut text = b"# caf\xe9\n0 4 * * * printf '%s' 'na\xefve' > ".to_vec();
    // A percent sign has to be escaped in a crontab.
    let place = text.iter().position(|byte| *byte == b'%').unwrap();
    text.insert(place, b'\\');
    text.extend(path.join("out").to_str().unwrap().bytes().chain(*b"\n"));
    write(path, "t.crontab", &text);
    assert!(output(path, &["check", "t.crontab"]).status.success());
    let daemon = daemon(path, &["run", "--crontab", "t.crontab"]);
    done(path, &["now", "printf", "--wait"]);
    assert_eq!(fs::read(path.join("out")).unwrap(), b"na\xefve");
    assert!(daemon.stop().success());
    // A zero byte is refused by both, at its place.
    write(path, "zero.crontab", b"0 4 * * * echo a\0b\n");
    fails(path, &["check", "zero.crontab"], 2, "zero.crontab:1:17");
    fails(path, &["run", "--crontab", "zero.crontab"], 2, "zero.crontab:1:17");
}

#[test]
fn a_date_that_never_comes_switches_a_line_off_and_is_listed_so() {
    let directory = directory_with(&[("t.crontab", "0 0 31 2 * echo off\n0 4 * * * date\n")]);
    let path = directory.path();
    let checked = done(path, &["check", "t.crontab"]);
    assert!(checked.contains("t.crontab:1: warning: \"0 0 31 2 *\" never fires"), "{checked}");
    let off = daemon(path, &["run", "--crontab", "t.crontab", "--no-watch"]);
    assert!(
        done(path, &["jobs"]).lines().any(|line| line.starts_with("echo\tnever")),
        "{}",
        done(path, &["jobs"])
    );
    // Switched on again, it fires.
    write(path, "t.crontab", "0 3 * * * echo off\n0 4 * * * date\n");
    assert!(done(path, &["reload"]).contains("changed echo"));
    assert!(json_of(path, &["job", "echo", "--json"])["next_fire"].is_string());
    assert!(off.stop().success());
}

#[test]
fn check_says_what_cron_would_do_otherwise() {
    let crontab = "MAILTO=\nCRON_TZ=Europe/Berlin\n0 9 * * MON-FRI echo ok\n0 0 L * * echo last\n0 2 * * * root echo x\n";
    let directory = directory_with(&[("t.crontab", crontab)]);
    let checked = done(directory.path(), &["check", "t.crontab"]);
    for words in [
        "t.crontab:1: other than cron: Debian's cron refuses a name without a value",
        "t.crontab:2: other than cron: Debian's cron ignores CRON_TZ",
        "t.crontab:4: other than cron: Debian's cron does not know \"L\"",
        "t.crontab:5: warning: \"root\" is a user of this machine",
        "a fire that finds its earlier run still going is missed",
        "without a MAILTO it is not mailed",
    ] {
        assert!(checked.contains(words), "{words:?} is not in {checked}");
    }
    let system = output(directory.path(), &["check", "t.crontab", "--system"]);
    assert!(!system.status.success());
    assert!(text(&system.stderr).contains("there is no user \"echo\""), "{}", text(&system.stderr));
}
