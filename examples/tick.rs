//! The first program: every three seconds it calls a function with the
//! argument 1. It runs from memory first; then the same job is kept in a SQLite
//! file, where it survives a restart.
//!
//! ```text
//! cargo run --example tick                   # in memory: each start begins with nothing
//! cargo run --example tick -- jobs.db        # in a file: start it again, and it goes on
//! ```

// ANCHOR: use
use matins::prelude::*;
// ANCHOR_END: use

// ANCHOR: function
fn tick(parameter: u32) {
    println!("tick({parameter})");
}
// ANCHOR_END: function

fn main() -> Result<(), Box<dyn std::error::Error>> {
    match std::env::args().nth(1) {
        None => in_memory()?,
        Some(path) => in_sqlite(&path)?,
    }
    Ok(())
}

// ANCHOR: memory
fn in_memory() -> Result<(), SchedulerError> {
    let scheduler = matins::scheduler().blocking()?;
    scheduler.add(every(3.seconds()).run(tick).arguments(1))?;
    scheduler.run();
    Ok(())
}
// ANCHOR_END: memory

// ANCHOR: sqlite
fn in_sqlite(path: &str) -> Result<(), Box<dyn std::error::Error>> {
    let scheduler = matins::scheduler()
        .store("sqlite", SqliteStore::open(path)?)
        .blocking()?;
    // A file cannot keep a function, so it keeps the function's name.
    scheduler.register("tick", tick)?;
    // On the second start the job is there already. Without `Keep`, its id
    // would be refused as taken.
    let job = every(3.seconds()).task("tick").arguments(1);
    scheduler
        .add(job.id("tick").store("sqlite").on_conflict(OnConflict::Keep))?;
    scheduler.run();
    Ok(())
}
// ANCHOR_END: sqlite
