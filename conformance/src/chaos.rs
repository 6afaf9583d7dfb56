//! Thousands of runs under everything that can go wrong at once, and what must be left afterwards: nothing.

use std::collections::BTreeMap;
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use matins_core::{Executor, Outcome, RunReport};
use proptest::prelude::Rng;
use proptest::test_runner::{RngAlgorithm, TestRng};
use serde_json::json;

use crate::executor_suite::{BEHAVE, Bench, GENEROUS};

/// What a run is to do, and so what may become of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Return,
    Fail,
    Panic,
    OverItsLimit,
    UntilCancelled,
}

/// Submits so many runs to an executor: a tenth panic, a tenth are over their limit, a tenth are cancelled at some random
/// moment, and `disturb` is called now and then with a random number, to kill workers, say.
///
/// Each completes exactly once with the outcome that it should have; `may_be_lost` tells the message of one that a
/// disturbance has ended. When the executor is dropped, this process has the threads, children and open files that it
/// had before. Answers with the number of runs that were lost.
///
/// Linux only: it looks into `/proc`.
///
/// # Panics
/// When something of this is not so; the seed is in the message.
pub fn survive(
    runs: usize,
    seed: u64,
    make: impl FnOnce() -> Box<dyn Executor>,
    mut disturb: impl FnMut(u64),
    may_be_lost: impl Fn(&str) -> bool,
) -> usize {
    let before = Holdings::now();
    let mut random = Random::new(seed);
    let mut bench = Bench::new(make());
    let mut kinds = BTreeMap::new();
    let mut cancelled = Vec::new();
    for _ in 0..runs {
        let kind = match random.below(10) {
            0 => Kind::Panic,
            1 => Kind::OverItsLimit,
            2 => Kind::UntilCancelled,
            3 => Kind::Fail,
            _ => Kind::Return,
        };
        let what = match kind {
            Kind::Return => "return",
            Kind::Fail => "fail",
            Kind::Panic => "panic",
            Kind::OverItsLimit | Kind::UntilCancelled => "until cancelled",
        };
        bench.time_limit = (kind == Kind::OverItsLimit).then_some(Duration::from_millis(5));
        let run = bench.submit(BEHAVE, json!({"do": what})).expect("there is room");
        kinds.insert(run, kind);
        let is_cancelled = kind == Kind::UntilCancelled || random.below(10) == 0;
        if is_cancelled {
            cancelled.push(run);
        }
        // Somewhere among the runs that go on, wait, and are over.
        if !cancelled.is_empty() && random.below(2) == 0 {
            let number = random.below(cancelled.len() as u64) as usize;
            bench.tokens[cancelled.swap_remove(number) as usize - 1].cancel();
        }
        if random.below(50) == 0 {
            disturb(random.next());
        }
    }
    // What waits to be cancelled would wait for ever.
    for run in cancelled {
        bench.tokens[run as usize - 1].cancel();
        if random.below(10) == 0 {
            disturb(random.next());
        }
    }
    let reports = bench.reports.wait_for(runs);
    for (run, report) in &reports {
        let kind = kinds[run];
        let was_cancelled = bench.tokens[*run as usize - 1].is_cancelled();
        assert!(
            is_right(kind, was_cancelled, report) || is_lost(report, &may_be_lost),
            "seed {seed}, {kind:?}, cancelled: {was_cancelled}: {report:?}"
        );
    }
    for outcome in [Outcome::Succeeded, Outcome::Failed, Outcome::Cancelled, Outcome::TimedOut] {
        let count = reports.values().filter(|report| report.outcome == outcome).count();
        assert!(count > runs / 50, "seed {seed}: only {count} runs {outcome}");
    }
    drop(bench);
    before.wait_until_again(seed);
    reports.values().filter(|report| is_lost(report, &may_be_lost)).count()
}

fn is_right(kind: Kind, was_cancelled: bool, report: &RunReport) -> bool {
    let RunReport { outcome, message, result, .. } = report;
    let message = message.as_deref().unwrap_or_default();
    match (kind, outcome) {
        (_, Outcome::Cancelled) => was_cancelled,
        (Kind::Return, Outcome::Succeeded) => *result == Some(json!({"do": "return"})),
        (Kind::Fail, Outcome::Failed) => message == "no luck",
        (Kind::Panic, Outcome::Failed) => message == "panicked: out of luck",
        (Kind::OverItsLimit, Outcome::TimedOut) => message.contains("5ms"),
        _ => false,
    }
}

fn is_lost(report: &RunReport, may_be_lost: impl Fn(&str) -> bool) -> bool {
    report.outcome == Outcome::Failed && report.message.as_deref().is_some_and(may_be_lost)
}

struct Random(TestRng);

impl Random {
    fn new(seed: u64) -> Self {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        Self(TestRng::from_seed(RngAlgorithm::ChaCha, &bytes))
    }

    fn next(&mut self) -> u64 {
        self.0.next_u64()
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}

/// What this process has of the system's.
#[derive(Debug, PartialEq, Eq)]
struct Holdings {
    threads: usize,
    files: usize,
    /// Zombies too.
    children: usize,
}

impl Holdings {
    fn now() -> Self {
        let count = |path: &str| fs::read_dir(path).map_or(0, Iterator::count);
        Self { threads: count("/proc/self/task"), files: count("/proc/self/fd"), children: children().len() }
    }

    /// What has ended may stay in the lists for a moment.
    fn wait_until_again(&self, seed: u64) {
        let give_up = Instant::now() + GENEROUS;
        while Self::now() != *self {
            assert!(Instant::now() < give_up, "seed {seed}: {self:?} have become {:?}", Self::now());
            thread::yield_now();
        }
    }
}

/// The child processes of this process, zombies included.
pub fn children() -> Vec<u32> {
    let own = std::process::id().to_string();
    let is_child = |pid: &u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // Behind the name, which may hold anything: state, parent.
        let parent = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(1));
        parent == Some(own.as_str())
    };
    let names = fs::read_dir("/proc").into_iter().flatten().flatten();
    names.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter(is_child).collect()
}
