//! Polls, a reminder and its notification: tokio-cron-scheduler 0.15.

// ANCHOR: program
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio_cron_scheduler::{Job, JobScheduler};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut scheduler = JobScheduler::new().await?;
    let polls = Arc::new(AtomicU32::new(0));

    let counter = polls.clone();
    let mut poll = Job::new_async("* * * * * *", move |id, mut scheduler| {
        let counter = counter.clone();
        Box::pin(async move {
            let number = counter.fetch_add(1, Ordering::Relaxed) + 1;
            let next = scheduler.next_tick_for_job(id).await.ok().flatten();
            println!("poll {number}, the next at {next:?}");
        })
    })?;
    poll.on_done_notification_add(
        &scheduler,
        Box::new(|_job, _notification, _state| {
            Box::pin(async { println!("a poll has ended") })
        }),
    )
    .await?;
    let poll = scheduler.add(poll).await?;

    let reminder =
        Job::new_one_shot_async(Duration::from_secs(1), |_id, _scheduler| {
            Box::pin(async { println!("one second has passed") })
        })?;
    scheduler.add(reminder).await?;

    let morning = Job::new_async_tz(
        "0 0 9 * * Mon-Fri",
        chrono_tz::Europe::Berlin,
        |_id, _scheduler| Box::pin(async { println!("good morning") }),
    )?;
    scheduler.add(morning).await?;

    scheduler.start().await?;
    tokio::time::sleep(Duration::from_millis(2500)).await;
    scheduler.remove(&poll).await?;
    scheduler.shutdown().await?;
    println!("{} polls", polls.load(Ordering::Relaxed));
    Ok(())
}
// ANCHOR_END: program
