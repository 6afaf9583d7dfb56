//! A program that forks with an open store: the child neither writes with it nor cleans up after its parent. This is a
//! program without threads of its own, because only one thread survives a fork.

use std::fs;
use std::path::Path;
use std::process;
use std::thread;
use std::time::{Duration, Instant};

use daemonize::{Daemonize, Outcome};
use matins::{FileStore, Job, JobQuery, JobStore, OnConflict, SqliteStore, StoreError};
use matins_conformance::store_suite::job;

fn main() {
    fork("the file store", |path| FileStore::open(path));
    fork("the SQLite store", |path| SqliteStore::open(path));
}

/// Reported: a child that dropped its store freed the lock of its parent, and cut the end off its log.
fn fork<S: JobStore>(what: &str, open: impl Fn(&Path) -> Result<S, StoreError>) {
    let directory = tempfile::tempdir().unwrap();
    let (path, goes, done) =
        (directory.path().join("jobs"), directory.path().join("goes"), directory.path().join("done"));
    let mut store = open(&path).unwrap();
    add(&mut store, "before").unwrap();
    match Daemonize::new().working_directory(directory.path()).execute() {
        Outcome::Parent(forked) => drop(forked.unwrap()),
        Outcome::Child(forked) => {
            forked.unwrap();
            // Its parent has written more.
            wait_for(&goes);
            let said = add(&mut store, "of the child").map_err(|error| error.to_string());
            drop(store);
            let beside = done.with_extension("new");
            fs::write(&beside, format!("{said:?}")).unwrap();
            fs::rename(beside, done).unwrap();
            process::exit(0);
        }
    }
    add(&mut store, "meanwhile").unwrap();
    fs::write(&goes, "").unwrap();
    wait_for(&done);
    let said = fs::read_to_string(&done).unwrap();
    assert!(said.contains("from which this process was forked"), "{what}: {said}");
    let second = open(&path).map(drop);
    assert!(matches!(second, Err(StoreError::Owned { .. })), "{what}: {second:?}");
    add(&mut store, "after").unwrap();
    drop(store);
    let jobs = open(&path).unwrap().list(&JobQuery::default()).unwrap();
    let ids: Vec<&str> = jobs.iter().map(|job: &Job| job.id.as_str()).collect();
    assert_eq!(ids, ["after", "before", "meanwhile"], "{what}");
}

fn add(store: &mut impl JobStore, id: &str) -> Result<(), StoreError> {
    store.add(job(id, Some(1)), OnConflict::Refuse)
}

fn wait_for(path: &Path) {
    let until = Instant::now() + Duration::from_secs(60);
    while !path.exists() {
        assert!(Instant::now() < until, "{} never came", path.display());
        thread::yield_now();
    }
}
