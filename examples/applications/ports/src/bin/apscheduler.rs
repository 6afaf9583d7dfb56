//! Reports from a store that survives a restart, and a job that fails: from
//! APScheduler.

// ANCHOR: program
use std::error::Error;
use std::thread;
use std::time::Duration;

use matins::Policy;
use matins::prelude::*;

fn report(name: String) {
    println!("the report of {name}");
}

fn sync() -> Result<(), &'static str> {
    Err("the server is away")
}

fn complain(event: Event) {
    if let Event::RunFinished { run, .. } = event {
        println!(
            "{} failed: {}",
            run.job,
            run.message.as_deref().unwrap_or_default()
        );
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).unwrap_or_else(|| "jobs.db".to_owned());
    let mut scheduler = matins::scheduler()
        .store("default", SqliteStore::open(path)?)
        .executor("default", ThreadExecutor::builder().workers(4).build())
        .job_defaults(Policy::default().with(|policy| {
            policy.misfire_grace = Some(Duration::from_secs(3600))
        }))
        .time_zone("Europe/Berlin")
        .background()?;
    let is_failure = |event: &Event| match event {
        Event::RunFinished { run, .. } => run.outcome == Some(Outcome::Failed),
        _ => false,
    };
    scheduler.on_event(is_failure, complain)?;
    scheduler.register("report", report)?;
    scheduler.register("sync", sync)?;
    let often = every(1.seconds()).task("report").arguments("ada").id("often");
    scheduler.add(often.on_conflict(OnConflict::Replace))?;
    let mornings =
        cron("0 9 * * MON-FRI").task("report").arguments("bob").id("mornings");
    scheduler.add(mornings.on_conflict(OnConflict::Replace))?;
    let sync =
        every(1.seconds()).task("sync").id("sync").overlap(Overlap::Allow(2));
    scheduler.add(sync.on_conflict(OnConflict::Replace))?;
    scheduler.start()?;
    thread::sleep(Duration::from_millis(2500));
    for (_store, job) in scheduler.list(&JobQuery::default())? {
        println!("{}: {}", job.id, job.trigger.describe());
    }
    scheduler.shutdown_and_wait(Shutdown::Wait);
    Ok(())
}
// ANCHOR_END: program
