//! Real schedulers, workers and a real server that are killed and stopped at random: each fire has one outcome, and no run begins twice.
//!
//! `MATINS_TEST_NATS_CHAOS_SECONDS` says how long they are killed; 20 seconds by default.

mod rig;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use matins_conformance::nats::Nats;

use rig::{Process, Row};

/// Numbers that look random, from a seed.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        // The generator of Marsaglia, "Xorshift RNGs".
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

const ACK_WAIT: Duration = Duration::from_secs(1);
const WORKERS: usize = 3;
const JOBS: usize = 6;

#[test]
fn processes_that_are_killed_at_random_leave_one_outcome_for_each_fire() {
    let Some(mut nats) = Nats::start("") else { return };
    let seconds = std::env::var("MATINS_TEST_NATS_CHAOS_SECONDS").ok();
    let seconds: u64 = seconds.and_then(|seconds| seconds.parse().ok()).unwrap_or(20);
    let seed = u64::from(std::process::id()) << 20 | 1;
    let mut random = Random(seed);
    let directory = tempfile::tempdir().unwrap();
    let (store, file) = (directory.path().join("jobs.db"), directory.path().join("begun"));
    let url = nats.url();
    let scheduler = || {
        let (store, file) = (store.to_str().unwrap(), file.to_str().unwrap());
        let (jobs, seconds) = (JOBS.to_string(), seconds.to_string());
        Process::scheduler(&url, "chaos", ACK_WAIT, &[store, &jobs, &seconds, file, "300"])
    };
    let worker = || Process::start(&url, "chaos", 4, ACK_WAIT);
    let mut current = scheduler();
    let mut workers: Vec<Process> = (0..WORKERS).map(|_| worker()).collect();
    let mut counts = BTreeMap::<&str, u32>::new();
    let end = Instant::now() + Duration::from_secs(seconds);
    while Instant::now() < end {
        // Not to wait for anything: processes die after random times.
        thread::sleep(Duration::from_millis(200 + random.below(800)));
        let which = random.below(WORKERS as u64) as usize;
        let what = match random.below(10) {
            0..=4 => {
                workers[which].kill();
                workers[which] = worker();
                "workers killed"
            }
            5 | 6 => {
                workers[which].signal("-STOP");
                thread::sleep(Duration::from_millis(random.below(4_000)));
                workers[which].signal("-CONT");
                "workers stopped"
            }
            7 | 8 => {
                current.kill();
                current = scheduler();
                "schedulers killed"
            }
            _ => {
                nats.kill();
                nats.run();
                "servers killed"
            }
        };
        *counts.entry(what).or_default() += 1;
    }
    let rows = current.ledger();
    let text = fs::read_to_string(&file).unwrap_or_default();
    let begun: Vec<&str> = text.lines().collect();
    let outcomes = rows.iter().fold(BTreeMap::<&str, usize>::new(), |mut counts, row| {
        *counts.entry(&row.outcome).or_default() += 1;
        counts
    });
    eprintln!("seed {seed}: {counts:?}, {} begun, rows: {outcomes:?}", begun.len());
    check(&rows, &begun, seed);
    assert!(outcomes.get("succeeded").is_some_and(|count| *count > JOBS), "seed {seed}: {outcomes:?}");
}

/// Each fire has one row, each row has an outcome, and each run has begun once at most.
fn check(rows: &[Row], begun: &[&str], seed: u64) {
    let once: BTreeSet<&&str> = begun.iter().collect();
    assert_eq!(once.len(), begun.len(), "seed {seed}: a run has begun twice");
    for job in 0..JOBS {
        let job = format!("job-{job}");
        let mut fires: Vec<(i64, i64)> = (rows.iter())
            .filter(|row| row.job == job && row.attempt == 1)
            .map(|row| (row.fire, row.fires))
            .collect();
        fires.sort_unstable();
        for pair in fires.windows(2) {
            let (fire, count) = pair[0];
            let next = fire + count * 200_000;
            assert_eq!(pair[1].0, next, "seed {seed}: {job} has no gap and no fire twice: {pair:?}");
        }
    }
    for row in rows {
        assert_ne!(row.outcome, "none", "seed {seed}: {row:?}");
        let has_begun = begun.contains(&format!("{} {} {}", row.job, row.run, row.attempt).as_str());
        assert!(row.outcome != "succeeded" || has_begun, "seed {seed}: {row:?} has never begun");
    }
}
