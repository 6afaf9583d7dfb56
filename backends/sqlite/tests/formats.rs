//! Files that earlier versions wrote are read as they were meant. One of each format is kept in `formats/`.

use std::fs;
use std::path::{Path, PathBuf};

use matins_conformance::store_suite::{holds_the_sample, sample, sample_runs};
use matins_core::{JobStore, OnConflict};
use matins_store_sqlite::SqliteStore;

fn kept(format: u32) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/formats/{format}.db"))
}

#[test]
fn every_earlier_format_is_read() {
    let directory = tempfile::tempdir().unwrap();
    for format in 1..=SqliteStore::FORMAT {
        let path = directory.path().join(format!("{format}.db"));
        fs::copy(kept(format as u32), &path).unwrap();
        let mut store = SqliteStore::open(&path).unwrap();
        holds_the_sample(&mut store);
    }
}

/// Writes the file to keep when a format is new: `cargo test -p matins-store-sqlite --test formats -- --ignored`.
#[test]
#[ignore = "writes into the sources"]
fn keep_the_present_format() {
    let path = kept(SqliteStore::FORMAT as u32);
    assert!(!path.exists(), "a kept file is never written over");
    let mut store = SqliteStore::open(&path).unwrap();
    store.import(sample(), sample_runs(), OnConflict::Refuse).unwrap();
    drop(store);
    fs::remove_file(path.with_extension("db-owner")).unwrap();
}
