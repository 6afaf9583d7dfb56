//! Whole schedulers that share a PostgreSQL database, beside those of other projects: fires, idling, and takeover after a kill.

use std::error::Error;
use std::thread;
use std::time::{Duration, Instant};

use matins_benches::cluster::Database;
use matins_benches::contest::{Contest, Spread};
use matins_benches::shared::{Due, prepare};
use matins_conformance::servers::Postgres;

use super::Measuring;
use crate::card::{COUNT, FIRES_A_SECOND, Family, LEASES};
use crate::child::{Holding, shared_runs};
use crate::peers::Peer;

/// Before each measurement, for a Java virtual machine to become warm.
const BEFORE: u64 = 5;

pub(crate) fn shared(measuring: &mut Measuring, name: &'static str) -> Result<Family, Box<dyn Error>> {
    let mut family = Family::new(
        name,
        &[
            (
                "matins",
                "a process for each scheduler, thread executor; more jobs are due every second than it can run, and each run is recorded before and after",
            ),
            (
                "Quartz",
                "2.3.2, clustered JobStoreTX; acquires 1 or 100 jobs at once; keeps no ledger of runs",
            ),
            ("APScheduler 4", "4.0.0a6, asyncpg; the schedules are made anew before each measurement"),
            (
                "statements",
                "what the server counts in a minute of one scheduler with 1,000 jobs of next year. The limit is two every five seconds: a renewal of the lease, and a look for due jobs",
            ),
            (
                "takeover",
                "from `kill -9` of a scheduler until another one has ended its run as interrupted; with a lease of 2 seconds",
            ),
        ],
    );
    let settings = ["max_connections=200", "shared_preload_libraries=pg_stat_statements"];
    let Some(server) = Postgres::start_on_loopback(&settings) else {
        measuring.leave_out("whole schedulers on PostgreSQL: it is not installed");
        return Ok(family);
    };
    let port = server.address().expect("an address").port();
    server.query("CREATE EXTENSION pg_stat_statements")?;
    let mut peers: Vec<(&'static str, Peer)> = Vec::new();
    for (name, batch) in [("Quartz, 1 at once", 1), ("Quartz, 100 at once", 100)] {
        match Peer::quartz(batch) {
            Some(peer) => peers.push((name, peer)),
            None => measuring
                .leave_out(format!("{name}; install libquartz2-java, libpostgresql-jdbc-java and a JDK")),
        }
    }
    if let Some(interpreter) = measuring.python_4.clone() {
        peers.push(("APScheduler 4", Peer::apscheduler_4(interpreter)?));
    } else {
        measuring.leave_out("APScheduler 4; name an interpreter that has it with --python4 PATH");
    }
    let url = format!("postgres://matins@127.0.0.1:{port}/postgres");
    fires(measuring, &mut family, &server, &url, port, &peers);
    idle(measuring, &mut family, &server, &url, port, &peers)?;
    takeover(measuring, &mut family, &url);
    Ok(family)
}

fn fires(
    measuring: &Measuring,
    family: &mut Family,
    server: &Postgres,
    url: &str,
    port: u16,
    peers: &[(&'static str, Peer)],
) {
    let (rounds, time) = measuring.either((1, 3), (1, 8));
    for schedulers in measuring.either(vec![1, 2], vec![1, 2, 4]) {
        let mut contest = Contest::new().with("matins", || {
            Database::new(url, "matins").run("CHECKPOINT");
            prepare(url, 20_000, Due::EverySecond);
            shared_runs(url, schedulers, BEFORE, time) / time as f64
        });
        for (name, peer) in peers {
            contest = contest.with(name, || {
                empty(server, peer.database()).expect("an empty database");
                peer.prepare(port, peer.enough());
                peer.run(port, schedulers, BEFORE, time) / time as f64
            });
        }
        let measured = contest.run_cold(rounds);
        let work =
            if schedulers == 1 { "1 scheduler".to_owned() } else { format!("{schedulers} schedulers") };
        let goals: Vec<(&str, f64)> = peers.iter().map(|(name, _)| (*name, 5.0)).collect();
        family.contest(&work, FIRES_A_SECOND, &measured, &goals);
        if measured.len() == 1 {
            family.alone(&work, FIRES_A_SECOND, measured[0].1);
        }
    }
}

fn empty(server: &Postgres, database: &str) -> Result<(), String> {
    server.query(&format!("DROP DATABASE IF EXISTS {database} WITH (FORCE)"))?;
    server.query(&format!("CREATE DATABASE {database}"))?;
    Ok(())
}

fn idle(
    measuring: &Measuring,
    family: &mut Family,
    server: &Postgres,
    url: &str,
    port: u16,
    peers: &[(&'static str, Peer)],
) -> Result<(), Box<dyn Error>> {
    const WORK: &str = "statements a minute of an idle scheduler";
    let time = measuring.either(10, 60);
    let calls = |database: &str| -> Result<f64, Box<dyn Error>> {
        let sql = format!(
            "SELECT coalesce(sum(calls), 0) FROM pg_stat_statements s JOIN pg_database d ON d.oid = s.dbid \
             WHERE d.datname = '{database}'"
        );
        Ok(server.query(&sql)?[0][0].parse()?)
    };
    // How often this very look, a statement each, is counted in: twice in the database that it is sent to.
    let idled = |database: &str, run: &dyn Fn(u64)| -> Result<f64, Box<dyn Error>> {
        let before = calls(database)?;
        run(0);
        let start_and_end = calls(database)? - before;
        run(time);
        let all = calls(database)? - before - start_and_end;
        Ok((all - start_and_end) * 60.0 / time as f64)
    };
    Database::new(url, "matins").run("CHECKPOINT");
    prepare(url, 1_000, Due::NextYear);
    let ours = idled("postgres", &|seconds| {
        shared_runs(url, 1, BEFORE, seconds);
    })?;
    family.at_most(WORK, COUNT, Spread::exactly(ours), 24.0);
    for (name, peer) in peers {
        empty(server, peer.database())?;
        peer.prepare(port, -1_000);
        let theirs = idled(peer.database(), &|seconds| {
            peer.run(port, 1, BEFORE, seconds);
        })?;
        family.versus(WORK, COUNT, Spread::exactly(ours), name, Spread::exactly(theirs), None);
    }
    Ok(())
}

/// Kills schedulers, and looks until another one has taken over.
fn takeover(measuring: &Measuring, family: &mut Family, url: &str) {
    const LEASE: f64 = 2.0;
    let mut leases = Vec::new();
    for _ in 0..measuring.either(2, 11) {
        let database = Database::new(url, "matins");
        let url = &format!("{url}?lease=2s");
        prepare(url, 1, Due::Now);
        let first = Holding::start(url);
        wait_until(&database, "SELECT count(*)::float8 FROM {s}.live WHERE started IS NOT NULL", 1.0);
        let second = Holding::start(url);
        wait_until(&database, "SELECT count(*)::float8 FROM {s}.nodes WHERE state = 'up'", 2.0);
        first.kill();
        let killed = Instant::now();
        wait_until(&database, "SELECT count(*)::float8 FROM {s}.runs", 1.0);
        leases.push(killed.elapsed().as_secs_f64() / LEASE);
        second.kill();
    }
    let spread = Spread::of(leases);
    family.at_most("takeover, median", LEASES, spread, 1.25);
    family.at_most("takeover, longest", LEASES, Spread::exactly(spread.max), 2.0);
}

fn wait_until(database: &Database, sql: &str, number: f64) {
    let give_up = Instant::now() + Duration::from_secs(60);
    while database.number(sql) < number {
        assert!(Instant::now() < give_up, "{sql} stays below {number}");
        thread::sleep(Duration::from_millis(10));
    }
}
