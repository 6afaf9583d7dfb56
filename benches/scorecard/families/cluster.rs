//! Many schedulers on one PostgreSQL database, beside the same written by hand.

use std::error::Error;
use std::time::Duration;

use matins_benches::cluster::{Database, by_hand, ours, prepare_by_hand, prepare_ours};
use matins_benches::contest::{Contest, Spread};
use matins_conformance::servers::Postgres;

use super::Measuring;
use crate::card::{BYTES, FIRES_A_SECOND, Family};

const BY_HAND: &str = "by hand";

pub(crate) fn cluster(measuring: &mut Measuring, name: &'static str) -> Result<Family, Box<dyn Error>> {
    let mut family = Family::new(
        name,
        &[
            (
                "matins",
                "each scheduler claims due jobs, moves each on, records a run of it, and ends the runs of its last tick, in one commit",
            ),
            (
                BY_HAND,
                "the same with tokio-postgres: row locks, arrays, prepared statements that are sent together; one kind of job, bodies not read, no overlap, no groups, no lease",
            ),
        ],
    );
    let Some(server) = Postgres::start(&["max_connections=100"]) else {
        measuring.leave_out("schedulers on PostgreSQL: it is not installed");
        return Ok(family);
    };
    let url = server.url("postgres");
    let (rounds, time) = measuring.either((2, 1), (7, 3));
    let time = Duration::from_secs(time);
    let nodes = measuring
        .either(vec![(1, 100), (4, 100)], vec![(1, 100), (2, 100), (4, 100), (8, 100), (1, 1), (4, 1)]);
    let mut best = Spread::exactly(0.0);
    for (nodes, batch) in nodes {
        let (hand, matins) = (Database::new(&url, "by_hand"), Database::new(&url, "matins"));
        prepare_by_hand(&hand);
        prepare_ours(&matins);
        // What is read once is read.
        ours(&matins, nodes, 100, time);
        let measured = Contest::new()
            .with("matins", || {
                matins.run("VACUUM");
                ours(&matins, nodes, batch, time)
            })
            .with(BY_HAND, || {
                hand.run("VACUUM");
                by_hand(&hand, nodes, batch, time)
            })
            .run(rounds);
        let goal = match (nodes, batch) {
            (1, 100) => Some(0.8),
            (4, 100) => Some(0.9),
            _ => None,
        };
        let schedulers = if nodes == 1 { "1 scheduler".to_owned() } else { format!("{nodes} schedulers") };
        let goals: Vec<(&str, f64)> = goal.map(|goal| (BY_HAND, goal)).into_iter().collect();
        family.contest(&format!("{schedulers}, {batch} a commit"), FIRES_A_SECOND, &measured, &goals);
        let rate = measured[0].1;
        if batch == 100 {
            if nodes == 8 {
                family.versus(
                    "8 schedulers, beside the best number of them",
                    FIRES_A_SECOND,
                    rate,
                    "the best",
                    best,
                    Some(0.9),
                );
            }
            if rate.median > best.median {
                best = rate;
            }
        }
        if (nodes, batch) == (1, 100) {
            let wal = |database: &Database, work: &dyn Fn() -> f64| {
                let before = database.wal();
                let fires = work() * time.as_secs_f64();
                Spread::exactly((database.wal() - before) / fires)
            };
            let our_wal = wal(&matins, &|| ours(&matins, 1, 100, time));
            let their_wal = wal(&hand, &|| by_hand(&hand, 1, 100, time));
            family.versus("write-ahead log a fire", BYTES, our_wal, BY_HAND, their_wal, Some(0.8));
        }
    }
    held_snapshot(measuring, &mut family, &url);
    Ok(family)
}

/// What another session that holds a transaction open costs: dead rows cannot be removed meanwhile.
fn held_snapshot(measuring: &Measuring, family: &mut Family, url: &str) {
    let fires = measuring.either(20_000.0, 300_000.0);
    let (matins, other) = (Database::new(url, "held"), Database::new(url, "other"));
    prepare_ours(&matins);
    let time = Duration::from_secs(2);
    ours(&matins, 2, 100, time);
    let fresh = ours(&matins, 2, 100, time);
    other.run("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT FROM pg_class");
    let mut done = 0.0;
    while done < fires {
        done += ours(&matins, 2, 100, time) * time.as_secs_f64();
    }
    let held = ours(&matins, 2, 100, time);
    other.run("ROLLBACK");
    let work = format!("2 schedulers, after {fires:.0} fires beside an open transaction");
    family.versus(
        work,
        FIRES_A_SECOND,
        Spread::exactly(held),
        "without it",
        Spread::exactly(fresh),
        Some(0.5),
    );
}
