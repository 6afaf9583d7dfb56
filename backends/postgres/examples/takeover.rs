//! Two nodes share a PostgreSQL database. One stops in the middle of a run, the
//! other one takes the run over, and then the first one continues.
//!
//! Takes the URL of a database, such as `postgres:///jobs?schema=takeover`, and
//! the seconds of a lease, by default 1.

use std::error::Error;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use chrono::{SubsecRound, TimeDelta, Utc};
use matins_core::{
    ClaimStore, ExecutorName, Job, JobId, Node, OnConflict, Outcome, Run,
    RunQuery, Served, Settlement, StoreError, TaskName, Transition, Want,
};
use matins_store_postgres::PostgresStore;
use matins_triggers::DateTrigger;

fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::args().nth(1).ok_or("give the URL of a database")?;
    let seconds = std::env::args().nth(2).map_or(Ok(1), |text| text.parse())?;
    let lease = Duration::from_secs(seconds);

    // ANCHOR: join
    let (mut a, mut b) = (join(&url, lease)?, join(&url, lease)?);
    a.import(vec![job()?], Vec::new(), OnConflict::Replace)?;
    // ANCHOR_END: join

    // ANCHOR: claim
    let claim = a.claim(&Want::at(Utc::now()).limit(10))?;
    let job = claim.jobs[0].job.clone().ok_or("a job that is due")?;
    let fire = job.next_fire.ok_or("a fire time")?;
    println!("A claims {} job", claim.due);
    let other = b.claim(&Want::at(Utc::now()).limit(10))?;
    println!("B claims {} jobs, as A has this one", other.due);
    b.release();

    let id = job.id.clone();
    let mut run = Run::started(claim.first_run, id.clone(), fire, claim.now);
    let advance = Transition::Advance { job: id, from: Some(fire), to: None };
    settle(&mut a, vec![advance, Transition::Record(run.clone().into())])?;
    println!("A begins run {}", run.id);
    // ANCHOR_END: claim

    // ANCHOR: takeover
    // A renews its lease no more. B renews its own one, and looks.
    let abandoned = loop {
        b.heartbeat()?;
        let want = Want::at(Utc::now()).takes_over();
        let mut claim = b.claim(&want)?;
        if let Some(mut job) = claim.jobs.pop() {
            break job.abandoned.pop().ok_or("an abandoned run")?;
        }
        b.release();
        thread::sleep(Duration::from_millis(50));
    };
    println!("B takes run {} over", abandoned.id);
    settle(&mut b, vec![end(abandoned, Outcome::Interrupted)])?;
    // ANCHOR_END: takeover

    // ANCHOR: fence
    run = end_of(run, Outcome::Succeeded);
    match a.heartbeat() {
        Err(StoreError::Fenced) => println!("A is fenced"),
        other => println!("A has a heartbeat: {other:?}"),
    }
    let report = settle(&mut a, vec![Transition::Finish(run.into())]);
    println!("A's report is refused: {}", report.is_err());
    // ANCHOR_END: fence

    for run in b.runs(&RunQuery::default())? {
        let outcome = run.outcome.map(|outcome| outcome.to_string());
        println!("in the ledger: run {}, {outcome:?}", run.id);
    }
    b.leave()?;
    Ok(())
}

/// A member with a lease.
fn join(url: &str, lease: Duration) -> Result<PostgresStore, Box<dyn Error>> {
    let mut store = PostgresStore::open(url)?;
    store.join(&Node::new("takeover", lease))?;
    let task = TaskName::new("report")?;
    store.serve(&Served::new([task], [ExecutorName::default()]))?;
    Ok(store)
}

/// A job that has been due for a minute.
fn job() -> Result<Job, Box<dyn Error>> {
    let due = Utc::now().trunc_subsecs(6) - TimeDelta::minutes(1);
    let (id, task) = (JobId::new("report")?, TaskName::new("report")?);
    let trigger = Arc::new(DateTrigger::new(due));
    Ok(Job::new(id, task, trigger, Some(due), due))
}

fn end(run: Run, outcome: Outcome) -> Transition {
    Transition::Finish(end_of(run, outcome).into())
}

fn end_of(run: Run, outcome: Outcome) -> Run {
    run.with(|run| {
        run.outcome = Some(outcome);
        run.finished = Some(Utc::now().trunc_subsecs(6));
    })
}

fn settle(
    store: &mut PostgresStore,
    batch: Vec<Transition>,
) -> Result<(), StoreError> {
    store.settle(Settlement { batch, ..Settlement::default() }).map(drop)
}
