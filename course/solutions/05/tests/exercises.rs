//! Exercises 1 and 2 of chapter 5: solutions, and tests below them. To test
//! your own, copy this file to `starter/tests` and replace what is above the
//! line.

use std::fs::{self, File};
use std::path::Path;

use chrono::DateTime;
use scheduler::store::{
    Change, FileDisk, Job, LogStore, MemoryStore, Outcome, Run, State, Store,
    StoreError,
};

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

// ---------------------------------------------------------------------------

fn some_state() -> State {
    let fire = DateTime::UNIX_EPOCH;
    let mut store = MemoryStore::default();
    for id in 1..=3 {
        let job = Job {
            id,
            schedule: "* * * * *".to_owned(),
            command: format!("echo {id}"),
            next_fire: (id > 1).then_some(fire),
        };
        store.commit(&[Change::PutJob(job)]).unwrap();
    }
    for id in 0..30 {
        let outcome = match id % 10 {
            3 => Outcome::Running,
            _ => Outcome::Succeeded,
        };
        let run = Run { id, job: 1 + id % 3, fire, outcome };
        store.commit(&[Change::Record(run)]).unwrap();
    }
    store.state().clone()
}

#[test]
fn a_compacted_log_has_the_same_state_and_can_be_continued() {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let path = directory.join(format!("compact-{}.log", std::process::id()));
    let _ = fs::remove_file(&path);
    let mut store = LogStore::open(FileDisk::open(&path).unwrap()).unwrap();
    for change in snapshot(&some_state()) {
        store.commit(std::slice::from_ref(&change)).unwrap();
        store.commit(&[change]).unwrap();
    }
    drop(store);
    // What a compaction that was interrupted has left.
    fs::write(path.with_extension("new"), "0badc0de rest").unwrap();
    let before = fs::metadata(&path).unwrap().len();

    let mut store = compact(&path).unwrap();
    assert_eq!(*store.state(), some_state());
    assert!(fs::metadata(&path).unwrap().len() < before);
    store.commit(&[Change::RemoveJob(2)]).unwrap();
    let again = LogStore::open(FileDisk::open(&path).unwrap()).unwrap();
    assert_eq!(again.state(), store.state());
    assert!(!path.with_extension("new").exists());
    fs::remove_file(path).unwrap();
}

#[test]
fn pruning_keeps_the_last_rows_and_those_that_are_running() {
    let pruned = pruned(&some_state(), 2);
    let ids: Vec<u64> = pruned.runs.keys().copied().collect();
    assert_eq!(ids, [3, 13, 23, 24, 25, 26, 27, 28, 29]);
}
