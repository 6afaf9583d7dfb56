//! An application with a scheduler in it that the command `matins` operates: it
//! lists, pauses, runs, cancels and explains jobs.
//!
//! ```text
//! cargo run --example operated -- app.control
//! matins jobs --socket app.control
//! ```

// ANCHOR: program
use std::error::Error;
use std::path::Path;
use std::thread;
use std::time::Duration;

use matins::control::Server;
use matins::prelude::*;

// ANCHOR: serve
/// Starts the scheduler of this application, and serves it on a socket for as
/// long as the server is kept.
pub(crate) fn start(
    socket: &Path,
) -> Result<(BackgroundScheduler, Server), Box<dyn Error>> {
    let mut scheduler = matins::scheduler().background()?;
    scheduler.add(
        cron("0 9 * * MON-FRI")
            .run(|| println!("the report is sent"))
            .id("report"),
    )?;
    scheduler.add(cron("30 2 * * *").run(tidy).id("tidy").tag("slow"))?;
    scheduler.start()?;
    let control = matins::control::serve(&scheduler.handle(), socket)?;
    Ok((scheduler, control))
}
// ANCHOR_END: serve

/// Work that takes until it is cancelled.
fn tidy(context: &TaskContext) -> Result<(), &'static str> {
    while !context.is_cancelled() {
        thread::sleep(Duration::from_millis(20));
    }
    Err("stopped before all was tidy")
}

fn main() -> Result<(), Box<dyn Error>> {
    let socket =
        std::env::args().nth(1).unwrap_or_else(|| "app.control".to_owned());
    let (scheduler, control) = start(Path::new(&socket))?;
    println!("operate it with: matins jobs --socket {socket}");
    let handle = scheduler.handle();
    handle.shutdown_on_signals(Shutdown::Now)?;
    handle.wait_until_shut_down();
    drop(control);
    Ok(())
}
// ANCHOR_END: program
