//! A chain: a report after each backup that has succeeded, and an alarm after
//! one that has not.
//!
//! ```text
//! cargo run --example chain
//! ```

// ANCHOR: program
use matins::prelude::*;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut scheduler = matins::scheduler().background()?;
    let ended = scheduler
        .subscribe_to(|event| matches!(event, Event::RunFinished { .. }));
    scheduler.start()?;

    // ANCHOR: chain
    let backup = scheduler
        .add(cron("30 2 * * *").run(|| println!("backed up")).id("backup"))?;
    let report = |(), context: &TaskContext| {
        let cause = context
            .cause
            .map_or_else(|| "nothing".to_owned(), |run| format!("run {run}"));
        println!("a report, because of {cause}");
    };
    scheduler.add(after("backup").run(report).id("report"))?;
    let alarm = after("backup").outcome(AfterOutcome::Failed);
    scheduler.add(alarm.run(|| println!("no backup!")).id("alarm"))?;
    // ANCHOR_END: chain

    backup.run_now()?.wait()?;
    for event in ended {
        let Event::RunFinished { run, .. } = event else { continue };
        println!("{} {}", run.job, run.outcome.map_or("", Outcome::as_str));
        if run.job.as_str() == "report" {
            break;
        }
    }
    scheduler.shutdown_and_wait(Shutdown::Wait);
    Ok(())
}
// ANCHOR_END: program
