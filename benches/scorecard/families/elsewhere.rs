//! Workers in other processes, which take their runs from a server.

use std::error::Error;

use matins::{ProcessExecutor, Value};
use matins_benches::contest::{Contest, seconds};
use matins_benches::elsewhere::{Redis, Theirs, ours};
use matins_benches::executors::{Ours, THREADS};
use matins_conformance::{nats, servers};

use super::Measuring;
use crate::card::{Family, MICROS};
use crate::child::NatsWorker;

const OF_PROCESSES: &str = "the process executor";
const APALIS: &str = "apalis-redis";

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
                "the same runs in two worker processes at the ends of pipes: no server, other machines cannot take part",
            ),
            (
                APALIS,
                "as many tasks pushed to a Redis server at once, and done by a worker process, which looks for tasks every 10 ms (its heartbeat, 30 s by default); Redis appends to its file and flushes it each second; the worker tells of each task, and nobody waits for its result",
            ),
        ],
    );
    let Some(url) = nats::nats() else {
        measuring.leave_out("workers elsewhere; install nats-server");
        return Ok(family);
    };
    let namespace = servers::schema("bench");
    let mut remote = ours(&url, &namespace);
    let _worker = NatsWorker::start(&url, &namespace);
    let mut processes = Ours::new(ProcessExecutor::builder().workers(THREADS).build()?);
    let redis = Redis::start();
    let mut theirs = redis.as_ref().map(|redis| Theirs::start(&redis.url(), &["redis-worker", &redis.url()]));
    if theirs.is_none() {
        measuring.leave_out("apalis-redis; install redis-server");
    }
    let few = measuring.either(50, 200);
    for (work, at_once, times) in [("1,000 at once, per run", 1_000, 1), ("one at a time, each", 1, few)] {
        let count = (at_once * times) as f64;
        let in_turn = |executor: &mut Ours| {
            let all: Vec<_> = (0..times).map(|_| executor.runs(at_once, "empty", &Value::Null)).collect();
            seconds(|| all.into_iter().for_each(|runs| executor.run(runs))) * 1e6 / count
        };
        let mut contest = Contest::new()
            .with("matins", || in_turn(&mut remote))
            .with(OF_PROCESSES, || in_turn(&mut processes));
        if let Some(theirs) = &mut theirs {
            contest = contest
                .with(APALIS, || seconds(|| (0..times).for_each(|_| theirs.run(at_once))) * 1e6 / count);
        }
        let measured = contest.run(measuring.either(3, 7));
        family.contest(work, MICROS, &measured, &[(APALIS, 1.0)]);
    }
    for row in &mut family.rows {
        row.because = Some("each run is claimed in the server, so that no other worker begins it too, and its result is kept there and read here".into());
    }
    Ok(family)
}
