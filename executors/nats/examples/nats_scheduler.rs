//! A scheduler whose runs are done by workers, for the tests: it is killed and started again. Its jobs run every 200 milliseconds for some
//! seconds; with 0 jobs there is the job `long`, which runs once. When its standard input ends, it waits until all jobs are over and no run is
//! in progress, and prints its ledger: a line for each row, with the job, the run, the first fire time in microseconds, how many fires the row
//! stands for, the attempt and the outcome.
//!
//! `nats_scheduler NATS_URL NAMESPACE ACK_WAIT_MILLISECONDS STORE JOBS SECONDS FILE MILLISECONDS`
//!
//! STORE is the path of a SQLite file, or the URL of a PostgreSQL database. FILE is where the runs note that they have begun; each takes
//! so many milliseconds.

use std::io::Read;
use std::time::Duration;

use chrono::{SubsecRound, TimeDelta, Utc};
use matins_core::{JobQuery, OnConflict, OnExhausted, OnInterrupt, Overlap, RunQuery, Shutdown};
use matins_executor_nats::{NatsExecutor, NatsServer};
use matins_scheduler::{Retention, Schedule, SchedulerBuilder};
use matins_store_postgres::PostgresStore;
use matins_store_sqlite::SqliteStore;
use matins_triggers::{TimeUnits, at, every};
use serde_json::json;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, namespace, ack_wait, store, jobs, seconds, file, milliseconds] = arguments.as_slice() else {
        return Err("eight arguments are needed".into());
    };
    let server = NatsServer::new(url.as_str()).namespace(namespace.as_str());
    let server = server.ack_wait(Duration::from_millis(ack_wait.parse()?));
    // The server may have been killed too.
    let executor = loop {
        match NatsExecutor::builder(server.clone()).build() {
            Ok(executor) => break executor,
            Err(error) => eprintln!("{}", matins_core::error_chain(&error)),
        }
    };
    let builder = SchedulerBuilder::new().executor("default", executor).retention(Retention::EVERYTHING);
    let builder = if store.starts_with("postgres") {
        builder.shared_store("default", PostgresStore::open(store)?)
    } else {
        builder.store("default", SqliteStore::open(store)?)
    };
    let mut scheduler = builder.background()?;
    scheduler.register("note", |_: (String, u64)| -> () { panic!("a worker does it") })?;
    scheduler.start()?;
    let jobs: usize = jobs.parse()?;
    let (milliseconds, now): (u64, _) = (milliseconds.parse()?, Utc::now().trunc_subsecs(0));
    if jobs == 0 {
        let long =
            at(now + TimeDelta::seconds(2)).task("note").id("long").arguments(json!([file, milliseconds]));
        let long = long.on_conflict(OnConflict::Keep).on_exhausted(OnExhausted::Keep);
        scheduler.add(long.on_interrupt(OnInterrupt::RunAgain))?;
    }
    let end = now + TimeDelta::seconds(seconds.parse()?);
    for number in 0..jobs {
        let job = every(200.milliseconds()).starting(now).until(end).task("note").id(format!("job-{number}"));
        let job = job.arguments(json!([file, milliseconds])).on_conflict(OnConflict::Keep);
        let job = job.overlap(if number % 2 == 0 { Overlap::Skip } else { Overlap::Allow(3) });
        let again = if number % 3 == 0 { OnInterrupt::RunAgain } else { OnInterrupt::Leave };
        scheduler.add(job.on_interrupt(again).on_exhausted(OnExhausted::Keep))?;
    }
    std::io::stdin().read_to_end(&mut Vec::new())?;
    // What a dead scheduler has left is taken up within its lease.
    while scheduler.list(&JobQuery::default())?.iter().any(|(_, job)| job.next_fire.is_some())
        || scheduler.count_runs(&RunQuery::default().unfinished())? > 0
    {
        std::thread::sleep(Duration::from_millis(50));
    }
    for run in scheduler.runs_in("default", &RunQuery::default())? {
        let outcome = run.outcome.map_or("none", |outcome| outcome.as_str());
        println!(
            "{} {} {} {} {} {}",
            run.job,
            run.id,
            run.fires.first.timestamp_micros(),
            run.fires.count,
            run.attempt,
            outcome.replace(' ', "_")
        );
    }
    scheduler.shutdown_and_wait(Shutdown::Now);
    Ok(())
}
