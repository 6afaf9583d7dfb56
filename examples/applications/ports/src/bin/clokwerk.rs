//! Intervals, times of day and weekdays, in the background: from clokwerk.

// ANCHOR: program
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use matins::prelude::*;

fn main() -> Result<(), Box<dyn Error>> {
    let mut scheduler =
        matins::scheduler().time_zone("Europe/Berlin").background()?;
    let ticks = Arc::new(AtomicU32::new(0));
    let counter = ticks.clone();
    scheduler.add(every(1.seconds()).run(move || {
        println!("tick {}", counter.fetch_add(1, Ordering::Relaxed) + 1);
    }))?;
    scheduler.add(after(1.seconds()).run(|| println!("only once")))?;
    scheduler.add(cron("20 15 * * *").run(|| println!("tea")))?;
    scheduler.add(
        cron("0 9 * * MON")
            .or(cron("0 14 * * FRI"))
            .run(|| println!("meeting")),
    )?;

    scheduler.start()?;
    thread::sleep(Duration::from_millis(2500));
    scheduler.shutdown_and_wait(Shutdown::Wait);
    println!("{} ticks", ticks.load(Ordering::Relaxed));
    Ok(())
}
// ANCHOR_END: program
