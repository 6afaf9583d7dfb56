//! Workers in other processes, which take their runs from a server.

use std::error::Error;

use matins::{ProcessExecutor, Value};
use matins_benches::contest::{Contest, seconds};
use matins_benches::elsewhere::ours;
use matins_benches::executors::{Ours, THREADS};
use matins_conformance::{nats, servers};

use super::Measuring;
use crate::card::{Family, MICROS};
use crate::child::NatsWorker;

const OF_PROCESSES: &str = "the process executor";

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
    let (many, few) = (measuring.either(1_000, 5_000), measuring.either(50, 200));
    for (work, at_once, times) in [("many at once, per run", many, 1), ("one at a time, each", 1, few)] {
        let count = (at_once * times) as f64;
        let in_turn = |executor: &mut Ours| {
            let all: Vec<_> = (0..times).map(|_| executor.runs(at_once, "empty", &Value::Null)).collect();
            seconds(|| all.into_iter().for_each(|runs| executor.run(runs))) * 1e6 / count
        };
        let measured = Contest::new()
            .with("matins", || in_turn(&mut remote))
            .with(OF_PROCESSES, || in_turn(&mut processes))
            .run(measuring.either(3, 7));
        family.contest(work, MICROS, &measured, &[]);
    }
    Ok(family)
}
