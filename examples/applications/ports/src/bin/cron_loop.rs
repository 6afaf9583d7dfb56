//! Two jobs by cron expressions: from a loop around the crate `cron`.

// ANCHOR: program
use std::error::Error;
use std::thread;
use std::time::Duration;

use matins::prelude::*;

fn backup() {
    println!("backup");
}

fn report() -> Result<(), &'static str> {
    Err("there is nothing to report")
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut scheduler =
        matins::scheduler().time_zone("Europe/Berlin").background()?;
    scheduler.add(cron("* * * * * *").run(backup).id("backup"))?;
    scheduler.add(cron("*/2 * * * * *").run(report).id("report"))?;
    let has_failed = |event: &Event| match event {
        Event::RunFinished { run, .. } => run.outcome == Some(Outcome::Failed),
        _ => false,
    };
    scheduler.on_event(has_failed, |event| {
        if let Event::RunFinished { run, .. } = event {
            println!(
                "{} failed: {}",
                run.job,
                run.message.as_deref().unwrap_or_default()
            );
        }
    })?;
    scheduler.start()?;
    thread::sleep(Duration::from_millis(2500));
    scheduler.shutdown_and_wait(Shutdown::Wait);
    Ok(())
}
// ANCHOR_END: program
