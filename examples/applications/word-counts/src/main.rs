//! Counts the words of each text file that appears in a directory.
//!
//! ```text
//! cargo run -p word-counts -- DIRECTORY counts.db
//! ```
//!
//! Looking for files is I/O: an async job does that, on tokio. It is a closure,
//! and its job is in memory. Counting is work for the processors: a job for
//! each file does that, on rayon. These jobs are in SQLite, so a count that is
//! interrupted by a crash is repeated at the next start. The words of `a.txt`
//! are written to `a.count`.

use std::error::Error;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fs, io};

use matins::OnInterrupt;
use matins::prelude::*;
use rayon::prelude::*;

/// Counts the words of a file, and writes their number next to it.
fn count(file: PathBuf) -> io::Result<usize> {
    let text = fs::read_to_string(&file)?;
    let words =
        text.par_lines().map(|line| line.split_whitespace().count()).sum();
    fs::write(file.with_extension("count"), format!("{words}\n"))?;
    Ok(words)
}

/// Adds a job for each text file that has none.
async fn find(
    directory: &Path,
    scheduler: &AsyncHandle,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    let mut entries = tokio::fs::read_dir(directory).await?;
    while let Some(entry) = entries.next_entry().await? {
        let file = entry.path();
        if file.extension() != Some(OsStr::new("txt"))
            || file.with_extension("count").exists()
        {
            continue;
        }
        let job = after(0.seconds())
            .task("count")
            .id(file.to_string_lossy())
            .arguments(&file)
            .store("durable")
            .executor("processors")
            .on_interrupt(OnInterrupt::RunAgain);
        scheduler.add(job.on_conflict(OnConflict::Keep)).await?;
    }
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(directory), Some(database)) =
        (arguments.next(), arguments.next())
    else {
        return Err("usage: word-counts DIRECTORY DATABASE".into());
    };

    let scheduler = matins::async_scheduler()?
        .store("durable", SqliteStore::open(database)?)
        .executor("processors", RayonExecutor::builder().build()?)
        .asynchronous()?;
    let handle = scheduler.handle();
    handle.register("count", count).await?;
    handle.shutdown_on_signals(Shutdown::Deadline(Duration::from_secs(60)))?;

    let (directory, finder) = (PathBuf::from(directory), handle.clone());
    let look = move || {
        let (directory, scheduler) = (directory.clone(), finder.clone());
        async move { find(&directory, &scheduler).await }
    };
    handle.add(every(200.milliseconds()).run(look).id("look")).await?;
    scheduler.run().await?;
    Ok(())
}
