//! What the system says is among the causes of an error, and is shown once.

use std::fs;
use std::io;

use matins_conformance::causes::{cause, causes};
use matins_core::StoreError;
use matins_store_file::{FileStore, examine, repair};

#[test]
fn a_place_where_no_directory_can_be_tells_the_error_of_the_system() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("file"), "").unwrap();
    let path = directory.path().join("file/jobs");
    assert_eq!(cause::<io::Error>(&FileStore::open(&path).unwrap_err()).kind(), io::ErrorKind::NotADirectory);
}

#[test]
fn a_file_that_cannot_be_read_tells_the_error_of_the_system() {
    let directory = tempfile::tempdir().unwrap();
    drop(FileStore::open(directory.path()).unwrap());
    let snapshot = directory.path().join("snapshot.jsonl");
    fs::remove_file(&snapshot).unwrap();
    fs::create_dir(&snapshot).unwrap();
    let errors = [
        FileStore::open(directory.path()).map(drop),
        examine(directory.path()).map(drop),
        repair(directory.path()).map(drop),
    ];
    for error in errors {
        let error = error.unwrap_err();
        assert!(matches!(error, StoreError::Backend { .. }), "{error}");
        cause::<io::Error>(&error);
    }
}

#[test]
fn a_damaged_file_is_described_once() {
    let directory = tempfile::tempdir().unwrap();
    drop(FileStore::open(directory.path()).unwrap());
    fs::write(directory.path().join("snapshot.jsonl"), "what is this?\n").unwrap();
    let error = FileStore::open(directory.path()).unwrap_err();
    assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
    assert_eq!(causes(&error).len(), 1);
}
