//! A program with work of its own: `start` returns at once, and jobs run beside
//! it. It follows what happens by events.

use matins::prelude::*;

fn main() -> Result<(), SchedulerError> {
    let mut scheduler = matins::scheduler().background()?;
    let events = scheduler.subscribe();
    scheduler.start()?;

    scheduler.add(
        every(300.milliseconds())
            .run(|| println!("hello from the background"))
            .id("hello"),
    )?;
    scheduler.add(
        every(400.milliseconds())
            .run(|| Err::<(), _>("no luck today"))
            .id("unlucky"),
    )?;

    for event in events
        .filter(|event| matches!(event, Event::RunFinished { .. }))
        .take(4)
    {
        if let Event::RunFinished { run, .. } = event {
            println!(
                "{}: {}",
                run.job,
                run.message.as_deref().unwrap_or("succeeded")
            );
        }
    }

    scheduler.shutdown_and_wait(Shutdown::Wait);
    Ok(())
}
