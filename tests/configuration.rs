//! One configuration for all: stores, defaults, groups, crontabs and jobs, in TOML and in JSON, as the command reads it.

mod daemon_process;

use std::fs;
use std::path::Path;

use serde_json::Value;

use rustix::process::Signal;

use daemon_process::{Daemon, daemon, directory_with, done, fails, json_of, wait_until};

const CONFIGURATION: &str = r#"
store = "sqlite:jobs.db"
timezone = "Europe/Berlin"

[stores]
scratch = "memory:"

[job_defaults]
priority = 5
time_limit = "1h"

[groups]
database = 2

[[crontab]]
file = "cron.d/backup"

[jobs.report]
cron = "0 4 * * *"
shell = "echo report"
group = "database"

[jobs.heartbeat]
every = "1h"
shell = "echo alive"
store = "scratch"
priority = 1
"#;

const CRONTAB: &str = "30 2 * * *  /usr/bin/backup\n";

fn ids(directory: &Path) -> Vec<String> {
    let jobs = json_of(directory, &["jobs", "--json"]);
    let mut ids: Vec<String> =
        jobs.as_array().unwrap().iter().map(|job| job["id"].as_str().unwrap().to_owned()).collect();
    ids.sort();
    ids
}

fn job(directory: &Path, id: &str) -> Value {
    json_of(directory, &["job", id, "--json"])
}

/// The same in JSON.
fn as_json(configuration: &str) -> String {
    let table: toml::Table = toml::from_str(configuration).unwrap();
    serde_json::to_string_pretty(&table).unwrap()
}

fn with_files(name: &str, configuration: &str) -> (tempfile::TempDir, Daemon) {
    let directory = directory_with(&[(name, configuration)]);
    fs::create_dir(directory.path().join("cron.d")).unwrap();
    fs::write(directory.path().join("cron.d/backup"), CRONTAB).unwrap();
    let daemon = daemon(directory.path(), &["run", name]);
    (directory, daemon)
}

#[test]
fn a_configuration_says_all_in_toml_and_in_json() {
    for (name, text) in [("matins.toml", CONFIGURATION.to_owned()), ("matins.json", as_json(CONFIGURATION))] {
        let (directory, daemon) = with_files(name, &text);
        let here = directory.path();
        let store = ["--store", "sqlite:jobs.db"];
        let with = |arguments: &[&str]| -> Vec<String> {
            arguments.iter().chain(&store).map(|word| (*word).to_owned()).collect()
        };
        let json = |arguments: &[&str]| {
            let arguments = with(arguments);
            json_of(here, &arguments.iter().map(String::as_str).collect::<Vec<_>>())
        };
        let report = json(&["job", "report", "--json"]);
        assert_eq!(report["policy"]["priority"], 5, "{report}");
        assert_eq!(report["policy"]["group"]["limit"], 2, "{report}");
        assert_eq!(json(&["job", "heartbeat", "--json"])["policy"]["priority"], 1);
        // The lines of a crontab keep the rules of cron.
        assert!(json(&["job", "backup", "--json"])["policy"]["priority"].is_null());

        // A job that is added gets the defaults too.
        done(
            here,
            &[
                "add",
                "extra",
                "--every",
                "2h",
                "--group",
                "database",
                "--store",
                "sqlite:jobs.db",
                "--",
                "true",
            ],
        );
        let extra = json(&["job", "extra", "--json"]);
        assert_eq!(
            (&extra["policy"]["priority"], &extra["policy"]["group"]["limit"]),
            (&5.into(), &2.into())
        );

        done(here, &["now", "heartbeat", "--wait", "--store", "sqlite:jobs.db"]);
        let runs = json(&["runs", "heartbeat", "--json"]);
        assert_eq!(runs[0]["store"], "scratch", "{runs}");
        assert!(daemon.stop().success());

        // What is in memory is gone; what is on disk stays.
        let jobs = json(&["jobs", "--json"]);
        let ids: Vec<&str> = jobs.as_array().unwrap().iter().map(|job| job["id"].as_str().unwrap()).collect();
        assert_eq!(ids, ["backup", "extra", "report"]);
    }
}

#[test]
fn a_fault_in_json_is_told_with_its_place() {
    let text = as_json(CONFIGURATION).replace("0 4 * * *", "0 24 * * *");
    let directory = directory_with(&[("matins.json", &text)]);
    let line = text.lines().position(|line| line.contains("0 24")).unwrap() + 1;
    for command in ["run", "check"] {
        fails(directory.path(), &[command, "matins.json"], 2, &format!("matins.json:{line}:"));
    }
}

const ONE_STORE: &str =
    "[[crontab]]\nfile = \"cron.d/backup\"\n\n[jobs.report]\ncron = \"0 4 * * *\"\nshell = \"echo report\"\n";

#[test]
fn a_crontab_of_the_configuration_is_watched_and_its_jobs_go_with_its_name() {
    let (directory, daemon) = with_files("matins.toml", ONE_STORE);
    let here = directory.path();
    assert_eq!(ids(here), ["backup", "report"]);
    // Edited: read at once.
    fs::write(here.join("cron.d/backup"), format!("{CRONTAB}0 5 * * *  /usr/bin/tidy\n")).unwrap();
    wait_until(|| ids(here) == ["backup", "report", "tidy"]);

    // Another one is named: read at the reload, and watched from then on.
    fs::write(here.join("cron.d/other"), "0 6 * * *  /usr/bin/backup\n").unwrap();
    let two = format!("[[crontab]]\nfile = \"cron.d/other\"\n{ONE_STORE}");
    fs::write(here.join("matins.toml"), &two).unwrap();
    done(here, &["reload"]);
    // Each line has an id of its own.
    assert_eq!(ids(here), ["backup", "backup-2", "report", "tidy"]);
    fs::write(here.join("cron.d/other"), "0 6 * * *  /usr/bin/sweep\n").unwrap();
    wait_until(|| ids(here) == ["backup", "report", "sweep", "tidy"]);

    // One is not named any more: what it brought goes, at a reload.
    fs::write(here.join("matins.toml"), two.replace("[[crontab]]\nfile = \"cron.d/backup\"\n", "")).unwrap();
    done(here, &["reload"]);
    assert_eq!(ids(here), ["report", "sweep"]);
    assert!(daemon.stop().success());

    // And at a start.
    fs::write(here.join("matins.toml"), "[jobs.report]\ncron = \"0 4 * * *\"\nshell = \"echo report\"\n")
        .unwrap();
    let daemon = self::daemon(here, &["run", "matins.toml"]);
    assert_eq!(ids(here), ["report"]);
    assert!(daemon.stop().success());
}

#[test]
fn a_crontab_that_is_named_twice_is_refused() {
    let directory =
        directory_with(&[("a.toml", "[[crontab]]\nfile = \"a.crontab\"\n"), ("a.crontab", CRONTAB)]);
    let arguments = ["run", "a.toml", "--crontab", "a.crontab"];
    fails(directory.path(), &arguments, 2, "a.crontab is named twice");
}

#[test]
fn a_job_that_changes_its_store_keeps_its_next_fire_time() {
    let both = |store: &str| {
        format!(
            "store = \"sqlite:matins.db\"\nstores.other = \"file:other\"\n[jobs.a]\nevery = \"1h\"\nshell = \"true\"\nstore = {store:?}\n"
        )
    };
    let directory = directory_with(&[("matins.toml", &both("default"))]);
    let here = directory.path();
    let daemon = daemon(here, &["run", "matins.toml"]);
    let next = job(here, "a")["next_fire"].clone();
    assert!(next.is_string(), "{next}");
    fs::write(here.join("matins.toml"), both("other")).unwrap();
    done(here, &["reload"]);
    let moved = job(here, "a");
    assert_eq!((&moved["store"], &moved["next_fire"]), (&"other".into(), &next), "{moved}");
    assert_eq!(ids(here), ["a"]);
    assert!(daemon.stop().success());
    // The next daemon finds it there.
    let daemon = self::daemon(here, &["run", "matins.toml"]);
    assert_eq!(job(here, "a")["next_fire"], next);
    // A store that is new needs a start.
    fs::write(here.join("matins.toml"), both("third").replace("stores.other", "stores.third")).unwrap();
    fails(here, &["reload"], 2, "restart the daemon, which opens its stores");
    assert!(daemon.stop().success());
}

#[test]
fn a_job_does_not_leave_its_run_or_its_followers_behind() {
    let text = |store: &str| {
        format!(
            "store = \"sqlite:matins.db\"\nstores.other = \"file:other\"\n[jobs.a]\nevery = \"1h\"\n\
             shell = \"until test -e go; do sleep 0.05; done\"\nstore = {store:?}\n"
        )
    };
    let directory = directory_with(&[("matins.toml", &text("default"))]);
    let here = directory.path();
    let daemon = daemon(here, &["run", "matins.toml"]);
    done(here, &["now", "a"]);
    wait_until(|| json_of(here, &["runs", "--json"])[0]["state"] == "running");
    fs::write(here.join("matins.toml"), text("other")).unwrap();
    fails(here, &["reload"], 2, "its run 1 has not ended; reload when it has");
    fs::write(here.join("go"), "").unwrap();
    wait_until(|| json_of(here, &["runs", "--json"])[0]["outcome"] == "succeeded");

    // One that was added by hand follows it: it is in the same store, and stays there.
    done(here, &["add", "b", "--after", "a", "--", "true"]);
    fails(here, &["reload"], 2, "\"b\", which runs after it, stays");
    done(here, &["remove", "b"]);
    done(here, &["reload"]);
    done(here, &["add", "b", "--after", "a", "--", "true"]);
    assert_eq!(job(here, "b")["store"], "other");
    assert!(daemon.stop().success());

    // A store that is left out for a while has the job still, which would run twice.
    fs::write(here.join("matins.toml"), text("default").replace("stores.other = \"file:other\"\n", ""))
        .unwrap();
    assert!(self::daemon(here, &["run", "matins.toml"]).stop().success());
    fs::write(here.join("matins.toml"), text("other")).unwrap();
    let daemon = self::daemon(here, &["run", "matins.toml"]);
    assert_eq!(ids(here), ["a", "b"]);
    assert_eq!(job(here, "a")["store"], "other");
    assert!(daemon.stop().success());
}

#[test]
fn a_crontab_that_is_renamed_keeps_its_jobs() {
    let (directory, daemon) = with_files("matins.toml", ONE_STORE);
    let here = directory.path();
    done(here, &["now", "report", "--wait"]);
    let before = job(here, "backup");
    fs::rename(here.join("cron.d/backup"), here.join("cron.d/nightly")).unwrap();
    fs::write(here.join("matins.toml"), ONE_STORE.replace("cron.d/backup", "cron.d/nightly")).unwrap();
    assert!(done(here, &["reload"]).contains("cron.d/nightly: 1 as before"));
    let after = job(here, "backup");
    assert_eq!((&after["created"], &after["next_fire"]), (&before["created"], &before["next_fire"]));
    assert!(after["metadata"]["source"].as_str().unwrap().ends_with("cron.d/nightly"), "{after}");
    assert_eq!(ids(here), ["backup", "report"]);
    assert!(daemon.stop().success());
}

#[test]
fn what_no_crontab_can_be_is_refused_at_once_where_it_is_named() {
    let directory = directory_with(&[("a.crontab", CRONTAB), ("bad.crontab", "0 9 * * MOM  true\n")]);
    let here = directory.path();
    std::os::unix::fs::symlink("a.crontab", here.join("link")).unwrap();
    let pipe = here.join("pipe");
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    for (file, fault) in [
        ("pipe", "a.toml:4:8: cannot read pipe: it is no regular file"),
        ("/dev/zero", "a.toml:4:8: cannot read /dev/zero: it is no regular file"),
        (".", "it is a directory"),
        ("bad.crontab", "error: bad.crontab:1:9: "),
        ("nowhere", "a.toml:4:8: cannot read nowhere: No such file"),
        ("./a.crontab", "named twice, and its jobs would run twice"),
        ("link", "a.toml:4:8: link is the same file as a.crontab"),
    ] {
        let text = format!("[[crontab]]\nfile = \"a.crontab\"\n[[crontab]]\nfile = {file:?}\n");
        fs::write(here.join("a.toml"), text).unwrap();
        for command in ["check", "run"] {
            fails(here, &[command, "a.toml"], 2, fault);
        }
    }
    for (stores, fault) in [
        (
            "default = \"sqlite:x.db\"\nb = \"sqlite:./x.db\"",
            "the stores `b` and `default` are both sqlite:x.db",
        ),
        ("default = \"file:d\"\nb = \"file:d/\"", "the stores `b` and `default` are both file:d"),
        ("default = \"postgres://u:secret@h:99999/db\"", "port"),
    ] {
        fs::write(here.join("a.toml"), format!("[stores]\n{stores}\n")).unwrap();
        for command in ["check", "run"] {
            fails(here, &[command, "a.toml"], 2, fault);
        }
    }
}

#[test]
fn jobs_of_several_stores_are_simulated() {
    let directory = directory_with(&[(
        "matins.toml",
        &CONFIGURATION.replace("[[crontab]]\nfile = \"cron.d/backup\"\n", ""),
    )]);
    assert!(done(directory.path(), &["simulate", "matins.toml", "--for", "3h"]).contains("2 jobs"));
}

/// The store of each job, and its next fire time.
fn placed(directory: &Path) -> Vec<(String, Value, Value)> {
    let jobs = json_of(directory, &["jobs", "--json"]);
    let placed = |job: &Value| {
        (job["id"].as_str().unwrap().to_owned(), job["store"].clone(), job["next_fire"].clone())
    };
    let mut placed: Vec<_> = jobs.as_array().unwrap().iter().map(placed).collect();
    placed.sort_by(|a, b| a.0.cmp(&b.0));
    placed
}

#[test]
fn a_kill_while_jobs_move_leaves_each_of_them_once() {
    const JOBS: usize = 60;
    let text = |store: &str| {
        let job = |number: usize| {
            format!("[jobs.j{number:03}]\nevery = \"1000h\"\nshell = \"true\"\nstore = {store:?}\n")
        };
        let jobs: String = (0..JOBS).map(job).collect();
        format!("store = \"sqlite:matins.db\"\nstores.other = \"sqlite:other.db\"\n{jobs}")
    };
    let directory = directory_with(&[("matins.toml", &text("default"))]);
    let here = directory.path();
    let daemon = daemon(here, &["run", "matins.toml"]);
    let before = placed(here);
    assert_eq!(before.len(), JOBS);
    assert!(daemon.stop().success());
    let (mut partly, mut twice, mut store) = (0, 0, "default");
    for cycle in 0..12 {
        let daemon = self::daemon(here, &["run", "matins.toml"]);
        store = if store == "default" { "other" } else { "default" };
        fs::write(here.join("matins.toml"), text(store)).unwrap();
        daemon.signal(Signal::HUP);
        // Somewhere in the middle: when so many have moved.
        wait_until(|| {
            let is_there = |job: &(String, Value, Value)| (job.1 == "other") == (store == "other");
            placed(here).iter().filter(|job| is_there(job)).count() > cycle * JOBS / 14
        });
        daemon.signal(Signal::KILL);
        drop(daemon);
        let in_store =
            |store: &str| json_of(here, &["jobs", "--json", "--store", store]).as_array().unwrap().len();
        let (first, other) = (in_store("sqlite:matins.db"), in_store("sqlite:other.db"));
        partly += usize::from(first > 0 && other > 0);
        twice += usize::from(first + other > JOBS);
        let daemon = self::daemon(here, &["run", "matins.toml"]);
        let after = placed(here);
        let expected = if store == "default" { Value::Null } else { store.into() };
        assert!(after.iter().all(|job| job.1 == expected), "cycle {cycle}, {store}: {after:?}");
        let fires = |jobs: &[(String, Value, Value)]| -> Vec<(String, Value)> {
            jobs.iter().map(|(id, _, fire)| (id.clone(), fire.clone())).collect()
        };
        assert_eq!(fires(&after), fires(&before), "cycle {cycle}");
        assert!(daemon.stop().success());
    }
    println!("12 kills: {partly} when some jobs had moved, {twice} in the middle of a job's move");
    assert!(partly > 0, "no kill came while jobs moved");
}
