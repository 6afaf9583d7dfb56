//! `kill -9` of the daemon at random moments under load, again and again: at the end each fire time of each job is in
//! the ledger exactly once, with an outcome.
//!
//! `MATINS_CRASH_CYCLES` sets how often (default: 5):
//! `MATINS_CRASH_CYCLES=50 cargo test --release --test crash -- --nocapture`.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use matins::{Job, JobQuery, JobStore, Run, RunQuery, SqliteStore};
use rustix::process::{Pid, Signal, kill_process};

const GENEROUS: Duration = Duration::from_secs(60);

/// Twenty jobs, each five times a second: a hundred fires a second. Some run long enough to be hit by the kill.
fn configuration() -> String {
    let job = |number| {
        let command = if number % 4 == 0 { r#"["sleep", "0.15"]"# } else { r#"["true"]"# };
        format!("[jobs.job-{number:02}]\nevery = \"200ms\"\ncommand = {command}\n")
    };
    let jobs: String = (0..20).map(job).collect();
    format!("store = \"sqlite:jobs.db\"\n[ledger]\nruns_per_job = \"all\"\ndays = \"all\"\n{jobs}")
}

struct Daemon {
    child: Child,
    lines: Receiver<String>,
}

impl Daemon {
    fn start(directory: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_matins"))
            .args(["run", "load.toml"])
            .current_dir(directory)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the daemon starts");
        let (sender, lines) = mpsc::channel();
        let output = BufReader::new(child.stdout.take().expect("its output"));
        thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Self { child, lines }
    }

    /// Waits for so many fires' lines.
    fn wait_for_fires(&mut self, count: u64) {
        let mut seen = 0;
        while seen < count {
            let line = self.lines.recv_timeout(GENEROUS).expect("the daemon fires");
            // The lines of fires begin with a time.
            seen +=
                u64::from(line.contains("  job-") && line.starts_with(|first: char| first.is_ascii_digit()));
        }
    }

    /// Kills it in the middle of what it does, somewhere within the next 20 milliseconds.
    fn kill_at_random(mut self, random: u64) {
        let moment = Instant::now() + Duration::from_micros(random % 20_000);
        while let Ok(_) | Err(RecvTimeoutError::Disconnected) =
            self.lines.recv_timeout(moment.saturating_duration_since(Instant::now()))
        {
            assert!(self.child.try_wait().expect("its status").is_none(), "the daemon ended by itself");
        }
        self.child.kill().expect("it runs");
        self.child.wait().expect("it has ended");
    }

    fn stop(mut self) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, Signal::TERM).expect("it runs");
        assert!(self.child.wait().expect("it has ended").success(), "it stops in order");
    }
}

#[test]
fn every_fire_is_in_the_ledger_exactly_once() {
    let cycles: u32 = std::env::var("MATINS_CRASH_CYCLES").map_or(5, |text| text.parse().expect("a number"));
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("load.toml"), configuration()).unwrap();

    for _cycle in 0..cycles {
        let random = RandomState::new().hash_one(0);
        let mut daemon = Daemon::start(directory.path());
        daemon.wait_for_fires(random >> 32 & 0x7f);
        daemon.kill_at_random(random);
    }
    let mut daemon = Daemon::start(directory.path());
    daemon.wait_for_fires(100);
    daemon.stop();

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

#[derive(Default)]
struct Tally {
    fires: u64,
    outcomes: BTreeMap<&'static str, u64>,
    faults: Vec<String>,
}

impl Tally {
    /// Walks the fire times of a job from its first to the one before its next, along with its rows.
    fn check(&mut self, job: &Job, mut rows: Vec<Run>) {
        rows.sort_by_key(|row| (row.fires.first, row.id));
        let mut last = job.created;
        for row in &rows {
            let Some(outcome) = row.outcome else {
                self.faults.push(format!("without an outcome: {row:?}"));
                continue;
            };
            *self.outcomes.entry(outcome.as_str()).or_default() += row.fires.count;
            self.fires += row.fires.count;
            if job.trigger.next_after(last) != Some(row.fires.first) {
                self.faults.push(format!(
                    "after {last} of {} there is a gap or a repetition before {row:?}",
                    job.id
                ));
            }
            last = row.fires.first;
            for _further in 1..row.fires.count {
                last = job.trigger.next_after(last).expect("an interval never ends");
            }
            if last != row.fires.last {
                self.faults.push(format!("it does not hold the fires that it says: {row:?}"));
            }
        }
        if job.trigger.next_after(last) != job.next_fire {
            self.faults
                .push(format!("{} goes on at {:?}, and the ledger ends at {last}", job.id, job.next_fire));
        }
    }
}
