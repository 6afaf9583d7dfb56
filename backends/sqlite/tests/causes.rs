//! What SQLite or the system says is among the causes of an error, and is shown once.

use std::fs;
use std::io;

use matins_conformance::causes::cause;
use matins_conformance::store_suite::job;
use matins_core::{JobQuery, JobStore, OnConflict, RunQuery, StoreError};
use matins_store_sqlite::SqliteStore;
use rusqlite::{Connection, ErrorCode};

#[test]
fn a_file_that_sqlite_cannot_read_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("jobs.db");
    drop(SqliteStore::open(&path).unwrap());
    let mut bytes = fs::read(&path).unwrap();
    // Past the format's name, so that it is not refused before SQLite looks at it.
    bytes[16..200].fill(0xff);
    fs::write(&path, bytes).unwrap();
    let error = SqliteStore::open(&path).unwrap_err();
    assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
    assert_eq!(cause::<rusqlite::Error>(&error).sqlite_error_code(), Some(ErrorCode::NotADatabase));
    let error = SqliteStore::check_file(&path).unwrap_err();
    assert_eq!(cause::<rusqlite::Error>(&error).sqlite_error_code(), Some(ErrorCode::NotADatabase));
}

#[test]
fn every_call_that_fails_tells_the_error_of_sqlite() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("jobs.db");
    let mut store = SqliteStore::open(&path).unwrap();
    store.add(job("a", Some(1)), OnConflict::Refuse).unwrap();
    let other = Connection::open(&path).unwrap();
    other.execute_batch("DROP TABLE jobs; DROP TABLE runs").unwrap();
    let errors = [
        store.add(job("b", None), OnConflict::Replace).unwrap_err(),
        store.update(job("a", None)).unwrap_err(),
        store.remove(&job("a", None).id).unwrap_err(),
        store.get(&job("a", None).id).unwrap_err(),
        store.list(&JobQuery::default()).unwrap_err(),
        store.next_due().unwrap_err(),
        store.due(chrono::DateTime::UNIX_EPOCH, 10).unwrap_err(),
        store.runs(&RunQuery::default()).unwrap_err(),
        store.count_runs(&RunQuery::default()).unwrap_err(),
    ];
    for error in errors {
        assert!(matches!(error, StoreError::Backend { .. }), "{error}");
        let source = cause::<rusqlite::Error>(&error).to_string();
        assert!(source.contains("no such table"), "{error}: {source}");
    }
}

#[test]
fn a_place_where_no_file_can_be_tells_the_error_of_the_system() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("file"), "").unwrap();
    let error = SqliteStore::open(directory.path().join("file/jobs.db")).unwrap_err();
    assert_eq!(cause::<io::Error>(&error).kind(), io::ErrorKind::NotADirectory);
}
