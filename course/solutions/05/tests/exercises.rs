//! Exercises of chapter 5: our solutions.
//!
//! Exercise 3, one owner: `FileDisk::open` calls `file.try_lock()` and returns
//! an error if another process has the lock. The operating system frees it
//! when the process ends, however it ends. A file that says "locked" would
//! still be there after a SIGKILL.

use std::fs::{self, File};
use std::path::Path;

use scheduler::store::{
    Change, FileDisk, LogStore, Outcome, State, Store, StoreError,
};

#[path = "../../../tests/exercises_05.rs"]
mod tests;

/// Exercise 1: the changes that build a state from nothing.
fn snapshot(state: &State) -> Vec<Change> {
    let jobs = state.jobs.values().cloned().map(Change::PutJob);
    let runs = state.runs.values().cloned().map(Change::Record);
    jobs.chain(runs).collect()
}

/// Exercise 1: replaces a log by one with a single commit.
///
/// 1. Write the new log beside the old one, and sync it. If the power fails
///    now, the old log is there as before, and the new one is in the way of
///    nobody: it is written from its beginning the next time.
/// 2. Rename it over the old one. The name now means the new file or the old
///    one, and nothing in between.
/// 3. Sync the directory, in which the name is. Without this, the old file may
///    be there again after a power cut. That is safe here, but not if a commit
///    has been appended to the new one meanwhile.
fn compact(path: &Path) -> Result<LogStore<FileDisk>, StoreError> {
    let old = LogStore::open(FileDisk::open(path)?)?;
    let beside = path.with_extension("new");
    File::create(&beside)?;
    let mut new = LogStore::open(FileDisk::open(&beside)?)?;
    new.commit(&snapshot(old.state()))?;
    drop(old);
    fs::rename(&beside, path)?;
    let directory = path.parent().filter(|it| !it.as_os_str().is_empty());
    File::open(directory.unwrap_or(Path::new(".")))?.sync_all()?;
    Ok(new)
}

/// Exercise 2: a snapshot without all but the last `keep` ended rows of each
/// job. Rows that are running are always kept.
fn pruned(state: &State, keep: usize) -> State {
    let mut pruned = state.clone();
    pruned.runs.retain(|id, run| {
        let later = state.runs.range(id + 1..).map(|(_, run)| run);
        let ended = later.filter(|later| {
            later.job == run.job && later.outcome != Outcome::Running
        });
        run.outcome == Outcome::Running || ended.count() < keep
    });
    pruned
}
