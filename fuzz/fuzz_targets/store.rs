//! Whatever bytes a file store's snapshot and log hold, and whatever the rows of a SQLite store: opening it, looking through
//! it and moving on what is due either goes well or is an error, and never a panic.
#![no_main]

use std::fs;
use std::path::Path;

use arbitrary::Arbitrary;
use chrono::{DateTime, Utc};
use libfuzzer_sys::fuzz_target;
use matins_core::{JobQuery, JobStore, RunQuery, Transition};
use matins_store_file::{FileStore, examine, repair};
use matins_store_sqlite::{Durability, SqliteStore};

#[derive(Debug, Arbitrary)]
struct Content<'a> {
    snapshot: &'a [u8],
    /// Lines, which get the checksum that they need to be looked into.
    lines: Vec<&'a str>,
    log: &'a [u8],
    body: &'a str,
    fire: i64,
    outcome: &'a str,
    number: i64,
}

fn lines(lines: &[&str], rest: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for line in lines {
        let line = line.replace('\n', " ");
        let sum = crc32fast::hash(line.as_bytes());
        bytes.extend_from_slice(format!("{{\"crc\":\"{sum:08x}\",{line}\n").as_bytes());
    }
    bytes.extend_from_slice(rest);
    bytes
}

fn look_through(store: &mut dyn JobStore) {
    let _ = store.list(&JobQuery::default());
    let _ = store.runs(&RunQuery::default());
    let _ = store.next_due();
    for job in store.due(DateTime::<Utc>::MAX_UTC, 10).unwrap_or_default() {
        let to = job.next_fire.and_then(|fire| job.trigger.next_after(fire));
        let _ = store.commit(vec![Transition::Advance { job: job.id.clone(), from: job.next_fire, to }]);
    }
    for job in store.quarantined() {
        let _ = job.to_string();
    }
}

fn files(directory: &Path, content: &Content<'_>) {
    let path = directory.join("file");
    drop(FileStore::open(&path).expect("a new store"));
    let head = |name: &str| {
        let text = fs::read(path.join(name)).expect("a file");
        [&text[..], &lines(&content.lines, content.log)].concat()
    };
    fs::write(path.join("log.jsonl"), head("log.jsonl")).expect("the log");
    if !content.snapshot.is_empty() {
        fs::write(path.join("snapshot.jsonl"), lines(&[], content.snapshot)).expect("the snapshot");
    }
    if let Ok(mut store) = FileStore::open(&path) {
        look_through(&mut store);
    }
    if examine(&path).is_ok() && repair(&path).is_ok() {
        FileStore::open(&path).expect("a repaired store opens");
    }
}

fn rows(directory: &Path, content: &Content<'_>) {
    let path = directory.join("rows.db");
    drop(SqliteStore::open_with(&path, Durability::Normal).expect("a new store"));
    let person = rusqlite::Connection::open(&path).expect("the file");
    let job = "INSERT INTO jobs (id, task, next_fire, body) VALUES (?1, ?2, ?3, ?4)";
    let _ = person.execute(job, rusqlite::params![content.outcome, "task", content.fire, content.body]);
    let run = "INSERT INTO runs (id, job, first_fire, last_fire, fires, attempt, outcome, result) \
               VALUES (?1, ?2, ?3, ?3, ?1, ?1, ?4, ?5)";
    let parameters =
        rusqlite::params![content.number, content.body, content.fire, content.outcome, content.body];
    let _ = person.execute(run, parameters);
    drop(person);
    if let Ok(mut store) = SqliteStore::open_with(&path, Durability::Normal) {
        look_through(&mut store);
    }
}

fuzz_target!(|content: Content<'_>| {
    let directory = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a directory");
    files(directory.path(), &content);
    rows(directory.path(), &content);
});
