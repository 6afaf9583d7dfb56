//! A program that does nothing but run jobs: `run` returns when somebody shuts
//! the scheduler down. Here a job does.

use std::sync::atomic::{AtomicU32, Ordering};

use matins::prelude::*;

fn main() -> Result<(), SchedulerError> {
    let scheduler = matins::scheduler().blocking()?;

    let count = AtomicU32::new(0);
    let handle = scheduler.handle();
    scheduler.add(every(500.milliseconds()).run(move || {
        let count = count.fetch_add(1, Ordering::Relaxed) + 1;
        println!("call {count}");
        if count == 3 {
            handle.request_shutdown(Shutdown::Wait);
        }
    }))?;

    scheduler.run();
    println!("shut down");
    Ok(())
}
