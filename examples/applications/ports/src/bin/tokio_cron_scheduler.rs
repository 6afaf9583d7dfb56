//! Polls, a reminder and its notification: from tokio-cron-scheduler.

// ANCHOR: program
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use matins::prelude::*;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let scheduler = matins::async_scheduler()?.asynchronous()?;
    let handle = scheduler.handle();
    let polls = Arc::new(AtomicU32::new(0));

    let (counter, scheduler_of_poll) = (polls.clone(), handle.clone());
    let poll = move |context: TaskContext| {
        let (counter, handle) = (counter.clone(), scheduler_of_poll.clone());
        async move {
            let number = counter.fetch_add(1, Ordering::Relaxed) + 1;
            let next =
                handle.get(&context.job).await?.and_then(|job| job.next_fire);
            println!("poll {number}, the next at {next:?}");
            Ok::<_, SchedulerError>(())
        }
    };
    handle.add(cron("* * * * * *").run(poll).id("poll")).await?;
    let is_poll = |event: &Event| match event {
        Event::RunFinished { run, .. } => run.job == "poll",
        _ => false,
    };
    handle.on_event(is_poll, |_event| println!("a poll has ended")).await?;

    handle
        .add(after(1.seconds()).run(async || println!("one second has passed")))
        .await?;

    let morning = cron("0 0 9 * * MON-FRI").in_zone("Europe/Berlin");
    handle.add(morning.run(async || println!("good morning"))).await?;

    let running = tokio::spawn(scheduler.run());
    tokio::time::sleep(Duration::from_millis(2500)).await;
    handle.remove("poll").await?;
    handle.shutdown(Shutdown::Wait).await;
    running.await??;
    println!("{} polls", polls.load(Ordering::Relaxed));
    Ok(())
}
// ANCHOR_END: program
