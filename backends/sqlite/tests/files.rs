//! Files that are owned, foreign, damaged or new: one clear error each, and nothing changed.

use std::fs;
use std::path::Path;

use matins_conformance::store_suite::job;
use matins_core::{JobQuery, JobStore, OnConflict, StoreError};
use matins_store_sqlite::SqliteStore;
use rusqlite::Connection;
use tempfile::tempdir;

fn files_in(directory: &Path) -> Vec<String> {
    let names =
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

#[test]
fn a_second_owner_is_refused_by_name_and_welcome_once_the_first_is_gone() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("jobs.db");
    let first = SqliteStore::open(&path).unwrap();
    let Err(StoreError::Owned { owner, .. }) = SqliteStore::open(&path) else { panic!("a second owner") };
    assert!(owner.contains(&format!("process {} ", std::process::id())), "{owner}");
    drop(first);
    SqliteStore::open(&path).unwrap();
}

#[test]
fn a_file_that_is_no_database_is_refused_and_left_alone() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("jobs.db");
    fs::write(&path, "name,when\nbackup,daily\n").unwrap();
    let error = SqliteStore::open(&path).unwrap_err();
    assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
    assert!(error.to_string().contains("not a SQLite database"), "{error}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "name,when\nbackup,daily\n");
    assert_eq!(files_in(directory.path()), ["jobs.db"]);
}

#[test]
fn another_programs_database_is_refused_and_left_alone() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("jobs.db");
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE jobs (name TEXT)").unwrap();
    let before = fs::read(&path).unwrap();
    let error = SqliteStore::open(&path).unwrap_err();
    assert!(error.to_string().contains("another program"), "{error}");
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn a_truncated_database_is_refused() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("jobs.db");
    drop(SqliteStore::open(&path).unwrap());
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    let error = SqliteStore::open(&path).unwrap_err();
    assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
}

#[test]
fn a_file_of_a_later_format_is_refused() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("jobs.db");
    drop(SqliteStore::open(&path).unwrap());
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let error = SqliteStore::open(&path).unwrap_err();
    assert!(matches!(error, StoreError::TooNew { found: 99, .. }), "{error}");
}

#[test]
fn a_row_edited_into_nonsense_is_named() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("jobs.db");
    let mut store = SqliteStore::open(&path).unwrap();
    store.add(job("report", Some(1)), OnConflict::Refuse).unwrap();
    let reader = Connection::open(&path).unwrap();
    reader.execute("UPDATE jobs SET body = 'nonsense'", []).unwrap();
    let error = store.list(&JobQuery::default()).unwrap_err().to_string();
    assert!(error.contains("id \"report\"") && error.contains("not JSON"), "{error}");
}

#[test]
fn a_person_can_read_it_while_it_is_open() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("jobs.db");
    let mut store = SqliteStore::open(&path).unwrap();
    store.add(job("report", Some(1)), OnConflict::Refuse).unwrap();
    let reader = Connection::open(&path).unwrap();
    let row: (String, String) = reader
        .query_row("SELECT next_fire_utc, state FROM jobs_readable", [], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap();
    assert_eq!(row, ("2023-11-14 22:13:21.000000".to_owned(), "active".to_owned()));
    reader.query_row("SELECT count(*) FROM runs_readable", [], |row| row.get::<_, i64>(0)).unwrap();
}
