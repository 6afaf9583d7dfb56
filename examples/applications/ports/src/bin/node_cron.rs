//! Async jobs that do not overlap, one of which is paused and resumed: from
//! node-cron.

// ANCHOR: program
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use matins::State;
use matins::prelude::*;
use tokio::time::sleep;

async fn poll(State(polls): State<Arc<AtomicU32>>) {
    println!("poll {}", polls.fetch_add(1, Ordering::Relaxed) + 1);
    sleep(Duration::from_millis(100)).await;
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let polls = Arc::new(AtomicU32::new(0));
    let scheduler = matins::async_scheduler()?
        .state(polls.clone())
        .time_zone("Europe/Berlin")
        .asynchronous()?;
    let handle = scheduler.handle();
    let poll = handle.add(cron("* * * * * *").run(poll).id("poll")).await?;
    let has_failed = |event: &Event| match event {
        Event::RunFinished { run, .. } => run.outcome == Some(Outcome::Failed),
        _ => false,
    };
    handle
        .on_event(has_failed, |event| println!("a job failed: {event:?}"))
        .await?;
    let morning = handle
        .add(
            cron("0 9 * * 1-5")
                .run(async || println!("good morning"))
                .id("morning"),
        )
        .await?;
    println!(
        "next morning: {:?}",
        morning.get().await?.and_then(|job| job.next_fire)
    );

    let running = tokio::spawn(scheduler.run());
    sleep(Duration::from_millis(1500)).await;
    poll.pause().await?;
    sleep(Duration::from_millis(1000)).await;
    poll.resume().await?;
    sleep(Duration::from_millis(1500)).await;
    handle.shutdown(Shutdown::Wait).await;
    running.await??;
    println!("{} polls", polls.load(Ordering::Relaxed));
    Ok(())
}
// ANCHOR_END: program
