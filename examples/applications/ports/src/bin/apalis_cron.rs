//! A job with shared data that stops after three runs: from apalis-cron.

// ANCHOR: program
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use matins::State;
use matins::prelude::*;

async fn feed(State(meals): State<Arc<AtomicU32>>, context: TaskContext) {
    let meal = meals.fetch_add(1, Ordering::Relaxed) + 1;
    println!("meal {meal} at {}", context.scheduled);
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let meals = Arc::new(AtomicU32::new(0));
    let scheduler =
        matins::async_scheduler()?.state(meals.clone()).asynchronous()?;
    let handle = scheduler.handle();
    let each_second = cron("* * * * * *").in_zone("Europe/Berlin");
    handle.add(each_second.run(feed).id("feed").max_runs(3)).await?;
    let over = |event: &Event| matches!(event, Event::JobRemoved { .. });
    let stopping = handle.clone();
    handle
        .on_event(over, move |_event| {
            stopping.blocking().request_shutdown(Shutdown::Wait)
        })
        .await?;
    scheduler.run().await?;
    println!("{} meals", meals.load(Ordering::Relaxed));
    Ok(())
}
// ANCHOR_END: program
