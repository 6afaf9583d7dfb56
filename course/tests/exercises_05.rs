//! The tests of the exercises of chapter 5.

use std::fs;
use std::path::Path;

use chrono::DateTime;
use scheduler::store::{
    Change, FileDisk, Job, LogStore, MemoryStore, Outcome, Run, State, Store,
};

use super::{compact, pruned, snapshot};

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
