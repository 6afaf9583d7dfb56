//! Workers in other processes, which take their runs from a server.

use std::collections::HashMap;
use std::error::Error;
use std::time::{Duration, Instant};

use matins::{Outcome, ProcessExecutor, Value};
use matins_benches::contest::{Contest, Spread, seconds};
use matins_benches::elsewhere::{Redis, TELL_AND_PAUSE, Theirs, Told, Workers, ours};
use matins_benches::executors::{Ours, THREADS};
use matins_conformance::{nats, servers};

use super::Measuring;
use crate::card::{COUNT, Family, MICROS};

const OF_PROCESSES: &str = "the process executor";
const APALIS: &str = "apalis-redis";

/// How long a run takes whose worker may be killed.
const PAUSE_MILLIS: u64 = 20;
/// What has not come by then is lost.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) fn elsewhere(measuring: &mut Measuring, name: &'static str) -> Result<Family, Box<dyn Error>> {
    let mut family = Family::new(
        name,
        &[
            (
                "matins",
                "empty runs handed to a worker process by way of a NATS server, until each is reported; the server keeps runs, claims and results on disk",
            ),
            (
                OF_PROCESSES,
                "the same runs in two worker processes at the ends of pipes: without a server, and on this machine only",
            ),
            (
                APALIS,
                "1.0.0; as many tasks pushed at once to a Redis server, and done by a worker process, which looks for tasks every 10 ms and says of each that it is done; Redis appends to its file, and flushes it each second",
            ),
            (
                "kills",
                "`kill -9` of the worker, and another one in its place; runs of 20 ms; a worker that is silent for 3 seconds is lost. Matins ends its runs as interrupted, and their jobs say whether to try again; apalis does them again",
            ),
        ],
    );
    let Some(url) = nats::nats() else {
        measuring.leave_out("workers elsewhere; install nats-server");
        return Ok(family);
    };
    let namespace = servers::schema("bench");
    let mut remote = ours(&url, &namespace);
    let mut workers = Workers::start(&["nats-worker", &url, &namespace]);
    let mut processes = Ours::new(ProcessExecutor::builder().workers(THREADS).build()?);
    let redis = Redis::start();
    let mut theirs = redis.as_ref().map(|redis| Theirs::start(&redis.url(), &["redis-worker", &redis.url()]));
    if theirs.is_none() {
        measuring.leave_out("apalis-redis; install redis-server");
    }
    let (many, few) = (measuring.either(1_000, 5_000), measuring.either(50, 200));
    for (work, at_once, times) in [("many at once, per run", many, 1), ("one at a time, each", 1, few)] {
        let count = (at_once * times) as f64;
        let in_turn = |executor: &mut Ours| {
            let all: Vec<_> = (0..times).map(|_| executor.runs(at_once, "empty", &Value::Null)).collect();
            seconds(|| all.into_iter().for_each(|runs| executor.run(runs))) * 1e6 / count
        };
        let mut contest = Contest::new()
            .with("matins", || in_turn(&mut remote))
            .with(OF_PROCESSES, || in_turn(&mut processes));
        if let Some(theirs) = &mut theirs {
            let in_turn = || seconds(|| (0..times).for_each(|_| theirs.run(at_once))) * 1e6 / count;
            contest = contest.with(APALIS, in_turn);
        }
        family.contest(work, MICROS, &contest.run(measuring.either(3, 7)), &[]);
    }

    let (runs, kills) = (measuring.either(500, 5_000), measuring.either(5, 50));
    let after_kills = after_kills_of_ours(&mut remote, &mut workers, runs, kills);
    let beside = theirs.as_mut().map(|theirs| after_kills_of_theirs(theirs, runs, kills));
    for (what, count) in [
        ("runs without an outcome", AfterKills::without_outcome as fn(&AfterKills) -> usize),
        ("runs that were interrupted", AfterKills::interrupted),
        ("runs begun twice", AfterKills::begun_twice),
    ] {
        let work = format!("{what}, of {runs} through {kills} kills");
        let number = |after: &AfterKills| Spread::exactly(count(after) as f64);
        match &beside {
            Some(beside) => family.versus(work, COUNT, number(&after_kills), APALIS, number(beside), None),
            None => family.alone(work, COUNT, number(&after_kills)),
        }
    }
    Ok(family)
}

/// What is known of runs whose workers were killed.
#[derive(Debug, Default)]
struct AfterKills {
    runs: usize,
    begun: HashMap<u64, usize>,
    outcomes: HashMap<u64, Outcome>,
}

impl AfterKills {
    fn of(runs: usize) -> Self {
        Self { runs, ..Self::default() }
    }

    fn without_outcome(&self) -> usize {
        self.runs - self.outcomes.len()
    }

    fn interrupted(&self) -> usize {
        self.outcomes.values().filter(|&&outcome| outcome == Outcome::Interrupted).count()
    }

    fn begun_twice(&self) -> usize {
        self.begun.values().filter(|&&times| times > 1).count()
    }

    /// Kills the worker evenly spread over the runs, until all have an outcome or none is to be expected. `outcomes` are those that are known
    /// without the worker's word.
    fn watch(
        &mut self,
        workers: &mut Workers,
        kills: usize,
        mut outcomes: impl FnMut() -> Vec<(u64, Outcome)>,
    ) {
        let between = self.runs / (kills + 1);
        let (mut begun, mut killed, mut news) = (0, 0, Instant::now());
        while self.without_outcome() > 0 && news.elapsed() < PATIENCE {
            if let Ok(told) = workers.told().recv_timeout(Duration::from_millis(10)) {
                news = Instant::now();
                match told {
                    Told::Begun(number) => {
                        begun += 1;
                        *self.begun.entry(number).or_default() += 1;
                    }
                    Told::Ended(number) => {
                        self.outcomes.insert(number, Outcome::Succeeded);
                    }
                }
            }
            let ended = outcomes();
            if !ended.is_empty() {
                news = Instant::now();
                self.outcomes.extend(ended);
            }
            if killed < kills && begun >= (killed + 1) * between {
                workers.kill_and_replace();
                killed += 1;
            }
        }
    }
}

fn after_kills_of_ours(executor: &mut Ours, workers: &mut Workers, runs: usize, kills: usize) -> AfterKills {
    let mut after = AfterKills::of(runs);
    executor.submit(executor.runs(runs, TELL_AND_PAUSE, &Value::from(PAUSE_MILLIS)));
    after.watch(workers, kills, || {
        executor.reports().try_iter().map(|report| (report.run.0, report.outcome)).collect()
    });
    after
}

fn after_kills_of_theirs(theirs: &mut Theirs, runs: usize, kills: usize) -> AfterKills {
    let mut after = AfterKills::of(runs);
    theirs.push(runs, PAUSE_MILLIS);
    after.watch(&mut theirs.workers, kills, Vec::new);
    after
}
