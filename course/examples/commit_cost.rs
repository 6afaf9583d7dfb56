//! What a commit costs, with fsync and without:
//! `cargo run --release --example commit_cost`.

use std::fs;
use std::io;
use std::time::{Duration, Instant};

use scheduler::store::{Change, Disk, FileDisk, LogStore, Store};

// ANCHOR: unsynced
/// A file that says it is on the disk before it is.
struct Unsynced(FileDisk);

impl Disk for Unsynced {
    fn read(&mut self) -> io::Result<Vec<u8>> {
        self.0.read()
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.append(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.0.truncate(length)
    }
}
// ANCHOR_END: unsynced

/// Commits batches of changes for a while. Returns changes in a second.
fn measure(
    disk: impl Disk,
    batch: usize,
) -> Result<f64, Box<dyn std::error::Error>> {
    let mut store = LogStore::open(disk)?;
    let changes = vec![Change::MoveOn(1, None); batch];
    let (begun, mut count) = (Instant::now(), 0);
    while begun.elapsed() < Duration::from_millis(500) {
        store.commit(&changes)?;
        count += batch;
    }
    Ok(count as f64 / begun.elapsed().as_secs_f64())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let file = std::env::args().nth(1).unwrap_or("commit-cost.log".into());
    let file = std::path::PathBuf::from(file);
    println!("changes in a commit    with fsync    without");
    for batch in [1, 10, 100] {
        let synced = measure(FileDisk::open(&file)?, batch)?;
        fs::remove_file(&file)?;
        let unsynced = measure(Unsynced(FileDisk::open(&file)?), batch)?;
        fs::remove_file(&file)?;
        println!("{batch:>19} {synced:>11.0}/s {unsynced:>8.0}/s");
    }
    Ok(())
}
