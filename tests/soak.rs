//! A crontab of thirty lines under the daemon, while a second process adds, pauses, edits, resumes and removes jobs twenty times
//! a second: each change is seen at once, nothing is lost, the ledger is complete.
//!
//! `MATINS_SOAK_SECONDS` says how long (default: 15): `MATINS_SOAK_SECONDS=600 cargo test --release --test soak`.

mod daemon_process;
mod ledger_tally;

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, RandomState};
use std::path::Path;
use std::time::{Duration, Instant};

use matins::{JobQuery, JobState, JobStore, Run, RunQuery, SqliteStore};
use serde_json::Value;

use daemon_process::{Daemon, directory_with, output, text};
use ledger_tally::Tally;

const CHANGES_A_SECOND: u32 = 20;

/// Thirty lines as a server has them; some are due each minute, and some not for months.
fn crontab() -> String {
    let mut lines = "SHELL=/bin/sh\nMAILTO=\"\"\nCRON_TZ=Europe/Berlin\n".to_owned();
    for number in 0..15 {
        lines += &format!("* * * * * echo minute {number}\n");
    }
    for number in 0..5 {
        lines += &format!("*/{} * * * * A{number}=b /bin/true\n", number + 2);
    }
    lines += "30 2 * * * backup --all\n0 9 * * mon-fri report\n@hourly /usr/bin/rotate\n@daily clean\n0 0 1 1 * /bin/party\n";
    lines += "15 14 1 * * mail -s 'it is the first' bob%dear bob,%it is\n0 22 * * 1-5 tea\n5 4 * * sun sunday\n0 0 13 * fri superstition\n@reboot echo up\n";
    lines
}

fn steady() -> String {
    let job = |number| format!("[jobs.steady-{number}]\nevery = \"1s\"\ncommand = [\"echo\", \"steady\"]\n");
    format!("[ledger]\nruns_per_job = \"all\"\ndays = \"all\"\n{}", (0..5).map(job).collect::<String>())
}

/// What a job that is changed should be.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Expected {
    paused: bool,
    words: String,
}

#[track_caller]
fn ask(directory: &Path, arguments: &[&str]) -> Value {
    let output = output(directory, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap_or(Value::Null)
}

/// Does one change, and looks at once whether it is seen.
fn change(directory: &Path, expected: &mut BTreeMap<String, Expected>, number: u64, random: u64) {
    let id = format!("changing-{}", random % 12);
    let words = format!("words {number}");
    match (expected.get_mut(&id), random >> 8 & 3) {
        (None, _) => {
            ask(directory, &["add", &id, "--every", "300ms", "--json", "--", "echo", &words]);
            expected.insert(id.clone(), Expected { paused: false, words });
        }
        (Some(job), 0) if job.paused => {
            ask(directory, &["resume", &id]);
            job.paused = false;
        }
        (Some(job), 0) => {
            ask(directory, &["pause", &id]);
            job.paused = true;
        }
        (Some(job), 1 | 2) => {
            ask(directory, &["edit", &id, "--json", "--", "echo", &words]);
            job.words = words;
        }
        (Some(_), _) => {
            ask(directory, &["remove", &id]);
            expected.remove(&id);
        }
    }
    let found: BTreeMap<String, Expected> = ask(directory, &["jobs", "changing-", "--json"])
        .as_array()
        .unwrap()
        .iter()
        .map(|job| {
            let words = job["arguments"]["arguments"][0].as_str().unwrap().to_owned();
            (job["id"].as_str().unwrap().to_owned(), Expected { paused: job["state"] == "paused", words })
        })
        .collect();
    assert_eq!(found, *expected, "after change {number}, of {id}");
}

#[test]
fn a_crontab_runs_while_jobs_are_changed_from_elsewhere() {
    let seconds =
        std::env::var("MATINS_SOAK_SECONDS").map_or(15, |text| text.parse().expect("a number of seconds"));
    let directory = directory_with(&[("crontab", &crontab()), ("steady.toml", &steady())]);
    let here = directory.path();
    let daemon = Daemon::start(here, &["run", "steady.toml", "--crontab", "crontab"]);
    daemon.wait_for("Ctrl-C");

    let mut expected = BTreeMap::new();
    let start = Instant::now();
    let mut number = 0;
    while start.elapsed() < Duration::from_secs(seconds) {
        let random = RandomState::new().hash_one(number);
        change(here, &mut expected, number, random);
        number += 1;
        // So many a second, and not as many as there could be; meanwhile what the daemon prints is read.
        daemon.read_until(start + Duration::from_secs(1) * number as u32 / CHANGES_A_SECOND);
    }
    println!("{number} changes in {seconds} s; {} jobs are left of them", expected.len());
    assert!(daemon.stop().success());

    let mut store = SqliteStore::open(here.join("matins.db")).unwrap();
    let jobs = store.list(&JobQuery::default()).unwrap();
    let runs = store.runs(&RunQuery::default()).unwrap();
    assert_eq!(jobs.len(), 35 + expected.len());
    let unended: Vec<&Run> = runs.iter().filter(|run| run.outcome.is_none()).collect();
    assert!(unended.is_empty(), "{unended:#?}");
    let mut tally = Tally::default();
    for job in jobs.iter().filter(|job| !job.id.as_str().starts_with("changing-")) {
        // What fires once at each start has its only fire before it was added.
        if job.id != "echo-16" {
            tally.check(job, runs.iter().filter(|run| run.job == job.id).cloned().collect());
        }
    }
    println!("{} fires, {} faults; {:?}", tally.fires, tally.faults.len(), tally.outcomes);
    assert!(tally.faults.is_empty(), "{:#?}", tally.faults);
    assert!(tally.fires >= 5 * (seconds - 1), "{} fires", tally.fires);
    assert!(!tally.outcomes.contains_key("missed: executor full"));
    // A job that is paused, resumed and changed fires when it should, and never twice for one time.
    let mut times = BTreeSet::new();
    for run in runs.iter().filter(|run| run.job.as_str().starts_with("changing-")) {
        assert!(times.insert((run.job.clone(), run.fires.first)), "twice: {run:?}");
    }
    assert!(times.len() > 10, "{}", times.len());
    for (id, job) in &expected {
        let found = jobs.iter().find(|found| found.id == *id.as_str()).unwrap();
        assert_eq!(found.state == JobState::Paused, job.paused, "{id}");
    }
}
