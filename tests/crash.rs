//! `kill -9` of the daemon at random moments under load, again and again: at the end each fire time of each job is in
//! the ledger exactly once, with an outcome.
//!
//! `MATINS_CRASH_CYCLES` sets how often (default: 5):
//! `MATINS_CRASH_CYCLES=50 cargo test --release --test crash -- --nocapture`.

mod daemon_process;
mod ledger_tally;

use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use matins::{JobQuery, JobStore, RunQuery, SqliteStore};

use daemon_process::{Daemon, GENEROUS};
use ledger_tally::Tally;

/// Twenty jobs, each five times a second: a hundred fires a second. Some run long enough to be hit by the kill.
fn configuration() -> String {
    let job = |number| {
        let command = if number % 4 == 0 { r#"["sleep", "0.15"]"# } else { r#"["true"]"# };
        format!("[jobs.job-{number:02}]\nevery = \"200ms\"\ncommand = {command}\n")
    };
    let jobs: String = (0..20).map(job).collect();
    format!("store = \"sqlite:jobs.db\"\n[ledger]\nruns_per_job = \"all\"\ndays = \"all\"\n{jobs}")
}

/// Waits for so many fires' lines.
fn wait_for_fires(daemon: &Daemon, count: u64) {
    let mut seen = 0;
    while seen < count {
        let line = daemon.lines.recv_timeout(GENEROUS).expect("the daemon fires");
        // The lines of fires begin with a time.
        seen += u64::from(line.contains("  job-") && line.starts_with(|first: char| first.is_ascii_digit()));
    }
}

/// Kills it in the middle of what it does, somewhere within the next 20 milliseconds.
fn kill_at_random(mut daemon: Daemon, random: u64) {
    daemon.read_until(Instant::now() + Duration::from_micros(random % 20_000));
    assert!(daemon.child.try_wait().expect("its status").is_none(), "the daemon ended by itself");
    daemon.child.kill().expect("it runs");
    daemon.child.wait().expect("it has ended");
}

#[test]
fn every_fire_is_in_the_ledger_exactly_once() {
    let cycles: u32 = std::env::var("MATINS_CRASH_CYCLES").map_or(5, |text| text.parse().expect("a number"));
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("load.toml"), configuration()).unwrap();

    for _cycle in 0..cycles {
        let random = RandomState::new().hash_one(0);
        let daemon = Daemon::start(directory.path(), &["run", "load.toml"]);
        wait_for_fires(&daemon, random >> 32 & 0x7f);
        kill_at_random(daemon, random);
    }
    let daemon = Daemon::start(directory.path(), &["run", "load.toml"]);
    wait_for_fires(&daemon, 100);
    assert!(daemon.stop().success(), "it stops in order");

    let mut store = SqliteStore::open(directory.path().join("jobs.db")).unwrap();
    let jobs = store.list(&JobQuery::default()).unwrap();
    assert_eq!(jobs.len(), 20);
    let mut tally = Tally::default();
    for job in &jobs {
        tally.check(job, store.runs(&RunQuery::of_job(&job.id)).unwrap());
    }
    println!("{cycles} cycles, {} fires, {} faults; {:?}", tally.fires, tally.faults.len(), tally.outcomes);
    assert!(tally.faults.is_empty(), "{:#?}", tally.faults);
    assert!(tally.outcomes.contains_key("succeeded"));
}
