//! The command finds the zone of the machine as tzset(3) does, and follows a tz database that is updated.

mod daemon_process;

use std::fs;
use std::path::Path;
use std::process::Output;

use daemon_process::{Daemon, daemon, json_of, matins, text, wait_until};
use matins_conformance::zone_files::tzif;
use serde_json::Value;

const HOUR: i32 = 3600;

fn next(variables: &[(&str, &str)], more: &[&str]) -> Output {
    let directory = tempfile::tempdir().unwrap();
    let arguments = ["next", "0 9 * * *", "--from", "2026-12-24T12:00Z", "-n", "1"];
    let mut command = matins(directory.path(), &[&arguments, more].concat());
    command.envs(variables.iter().copied()).output().unwrap()
}

fn fire(variables: &[(&str, &str)], more: &[&str]) -> String {
    let output = next(variables, &[more, &["--json"]].concat());
    let json: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", text(&output.stderr)));
    json["fires"][0]["local"].as_str().unwrap().to_owned()
}

/// Each silently gave the zone of the machine.
#[test]
fn the_variable_tz_is_what_tzset_makes_of_it() {
    for (variable, expected) in [
        ("Europe/Berlin", "2026-12-25T09:00:00+01:00"),
        (":Europe/Berlin", "2026-12-25T09:00:00+01:00"),
        ("posix/Europe/Berlin", "2026-12-25T09:00:00+01:00"),
        (":/usr/share/zoneinfo/Europe/Berlin", "2026-12-25T09:00:00+01:00"),
        ("CET-1CEST,M3.5.0,M10.5.0/3", "2026-12-25T09:00:00+01:00"),
        ("UTC-3", "2026-12-25T09:00:00+03:00"),
        ("", "2026-12-25T09:00:00+00:00"),
    ] {
        assert_eq!(fire(&[("TZ", variable)], &[]), expected, "TZ={variable}");
    }
    for variable in ["Mars/Olympus", "CET-1CEST", "right/Europe/Berlin", "/no/file"] {
        let output = next(&[("TZ", variable)], &[]);
        assert_eq!(output.status.code(), Some(2));
        let error = text(&output.stderr);
        assert!(error.contains(&format!("environment variable TZ is {variable:?}: ")), "{error}");
    }
    // Nothing is done before a wrong one is found, and one that is not needed does no harm.
    let directory = tempfile::tempdir().unwrap();
    let add = ["add", "hello", "--every", "1h", "--", "true"];
    let output = matins(directory.path(), &add).env("TZ", "Mars").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    assert_eq!(fire(&[("TZ", "Mars")], &["--tz", "Asia/Tokyo"]), "2026-12-25T09:00:00+09:00");
}

/// As British Columbia had it up to 2026, and has it since.
fn write(directory: &Path, release: &str, offset: i32) {
    fs::create_dir_all(directory.join("America")).unwrap();
    fs::write(directory.join("America/Vancouver"), tzif(offset, &[], "")).unwrap();
    fs::write(directory.join("tzdata.zi"), format!("# version {release}\n")).unwrap();
}

#[test]
fn a_directory_of_rules_is_read_and_its_release_told() {
    let directory = tempfile::tempdir().unwrap();
    write(directory.path(), "2025b", -8 * HOUR);
    let path = directory.path().to_str().unwrap();
    let vancouver = ["--tz", "America/Vancouver"];
    assert_eq!(fire(&[], &vancouver), "2026-12-24T09:00:00-07:00");
    assert_eq!(fire(&[("MATINS_TZDATA", path)], &vancouver), "2026-12-24T09:00:00-08:00");
    assert_eq!(fire(&[("MATINS_TZDATA", ""), ("TZDIR", path)], &vancouver), "2026-12-24T09:00:00-08:00");
    let told = text(&next(&[("MATINS_TZDATA", path)], &[&vancouver[..], &["--verbose"]].concat()).stdout);
    assert!(told.contains(&format!("2025b, {path}")) && told.contains("older than the bundled"), "{told}");
    let told = text(&next(&[], &["--verbose"]).stdout);
    assert!(told.contains(", bundled"), "{told}");
    let refused = next(&[("MATINS_TZDATA", "/no/such/directory")], &vancouver);
    assert_eq!(refused.status.code(), Some(2));
    assert!(text(&refused.stderr).contains("MATINS_TZDATA"), "{}", text(&refused.stderr));

    fs::write(directory.path().join("jobs.toml"), "[jobs.a]\ncron = \"0 9 * * *\"\nshell = \"true\"\n")
        .unwrap();
    let check =
        matins(directory.path(), &["check", "jobs.toml"]).env("MATINS_TZDATA", path).output().unwrap();
    assert!(text(&check.stdout).contains(&format!("2025b, {path}")), "{}", text(&check.stdout));
}

const JOBS: &str = "[jobs.opening]\ncron = \"0 9 * * *\"\ntimezone = \"America/Vancouver\"\ncommand = [\"true\"]\n\
                    [jobs.hourly]\nevery = \"1h\"\ncommand = [\"true\"]\n";

fn hour_of_opening(here: &Path) -> String {
    let job = json_of(here, &["job", "opening", "--json"]);
    job["next_fire"].as_str().unwrap()[11..16].to_owned()
}

/// A change of the system's database is taken up at reload and at start: by jobs of files and by those that were added.
#[test]
fn a_daemon_follows_the_database_at_reload_and_at_start() {
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path();
    let zones = here.join("zoneinfo");
    write(&zones, "2025b", -8 * HOUR);
    fs::write(here.join("jobs.toml"), JOBS).unwrap();
    let start = || -> Daemon {
        let variable = ("MATINS_TZDATA", zones.to_str().unwrap());
        Daemon::start_with(here, &["run", "jobs.toml"], &[variable])
    };
    let first = start();
    first.wait_for("Ctrl-C");
    let add = ["add", "by-hand", "--cron", "30 9 * * *", "--timezone", "America/Vancouver", "--", "true"];
    daemon_process::done(here, &add);
    assert_eq!(hour_of_opening(here), "17:00");
    let hourly = json_of(here, &["job", "hourly", "--json"])["next_fire"].clone();

    write(&zones, "2026f", -7 * HOUR);
    assert_eq!(hour_of_opening(here), "17:00", "not before it is told");
    daemon_process::done(here, &["reload", "--dry-run"]);
    assert_eq!(hour_of_opening(here), "17:00");
    let told = daemon_process::done(here, &["reload"]);
    assert!(
        told.contains("time zone rules 2026f, ") && told.contains("changed by-hand, opening; 1 as before"),
        "{told}"
    );
    assert_eq!(hour_of_opening(here), "16:00");
    let by_hand = json_of(here, &["job", "by-hand", "--json"])["next_fire"].clone();
    assert!(by_hand.as_str().unwrap().contains("T16:30"), "{by_hand}");
    assert_eq!(json_of(here, &["job", "hourly", "--json"])["next_fire"], hourly);
    let status = json_of(here, &["status", "--json"]);
    assert_eq!(status["tz_database"], format!("2026f, {}", zones.display()));
    let told = daemon_process::done(here, &["reload"]);
    assert!(!told.contains("time zone rules"), "{told}");
    daemon_process::done(here, &["stop"]);
    drop(first);

    write(&zones, "2026g", -6 * HOUR);
    let second = start();
    second.wait_for("time zone rules 2026g, ");
    second.wait_for("Ctrl-C");
    assert_eq!(hour_of_opening(here), "15:00");
    daemon_process::done(here, &["stop"]);
}

/// A zone that is given by a rule or a file has a name that a stored job is read by after a restart.
#[test]
fn jobs_in_the_zone_of_a_rule_or_a_file_survive_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path();
    fs::write(here.join("office"), tzif(5 * HOUR, &[], "")).unwrap();
    let office = here.join("office").to_str().unwrap().to_owned();
    for (job, zone) in [("rule", "CET-1CEST,M3.5.0,M10.5.0/3"), ("file", office.as_str())] {
        let add = ["add", job, "--cron", "0 9 * * *", "--", "true"];
        let output = matins(here, &add).env("TZ", zone).output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
    }
    let running = daemon(here, &["run"]);
    let jobs = json_of(here, &["jobs", "--json"]);
    let told = jobs.to_string();
    assert!(told.contains("CET-1CEST,M3.5.0,M10.5.0/3") && told.contains(&office), "{told}");
    assert!(json_of(here, &["job", "file", "--json"])["next_fire"].as_str().unwrap().contains("T04:00"));
    daemon_process::done(here, &["stop"]);
    drop(running);

    // Without its file the job is quarantined, and told of; it comes back with the file.
    fs::remove_file(here.join("office")).unwrap();
    let running = daemon(here, &["run"]);
    let info = json_of(here, &["store", "info", "--json"]);
    let quarantined = info["quarantined"].to_string();
    assert!(quarantined.contains("office") && quarantined.contains("does not exist"), "{info}");
    daemon_process::done(here, &["stop"]);
    drop(running);
    fs::write(here.join("office"), tzif(6 * HOUR, &[], "")).unwrap();
    let running = daemon(here, &["run"]);
    wait_until(|| json_of(here, &["jobs", "--json"]).as_array().unwrap().len() == 2);
    daemon_process::done(here, &["stop"]);
    drop(running);
}
