//! Directories that earlier versions wrote are read as they were meant. One of each format is kept in `formats/`.

use std::fs;
use std::path::{Path, PathBuf};

use matins_conformance::store_suite::{holds_the_sample, sample, sample_runs};
use matins_core::{JobStore, OnConflict};
use matins_store_file::FileStore;

fn kept(format: i64) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/formats/{format}"))
}

#[test]
fn every_earlier_format_is_read() {
    let directory = tempfile::tempdir().unwrap();
    for format in 1..=FileStore::FORMAT {
        let path = directory.path().join(format.to_string());
        fs::create_dir(&path).unwrap();
        for name in ["snapshot.jsonl", "log.jsonl"] {
            fs::copy(kept(format).join(name), path.join(name)).unwrap();
        }
        let mut store = FileStore::open(&path).unwrap();
        holds_the_sample(&mut store);
        drop(store);
        // It has the present format from then on.
        for name in ["snapshot.jsonl", "log.jsonl"] {
            let text = fs::read_to_string(path.join(name)).unwrap();
            let head = text.lines().next().unwrap();
            assert!(head.contains(&format!("\"format\":{},", FileStore::FORMAT)), "{head}");
        }
        holds_the_sample(&mut FileStore::open(&path).unwrap());
    }
}

/// Writes the directory to keep when a format is new: `cargo test -p matins-store-file --test formats -- --ignored`.
#[test]
#[ignore = "writes into the sources"]
fn keep_the_present_format() {
    let path = kept(FileStore::FORMAT);
    assert!(!path.exists(), "a kept directory is never written over");
    let (jobs, runs) = (sample(), sample_runs());
    let mut store = FileStore::open(&path).unwrap();
    store.import(jobs[..2].to_vec(), runs[..2].to_vec(), OnConflict::Refuse).unwrap();
    drop(store);
    // Half of it into the snapshot, half of it into the log.
    matins_store_file::repair(&path).unwrap();
    let mut store = FileStore::open(&path).unwrap();
    store.import(jobs[2..].to_vec(), runs[2..].to_vec(), OnConflict::Refuse).unwrap();
    drop(store);
    for name in ["owner", "snapshot.jsonl.damaged-1", "log.jsonl.damaged-1"] {
        fs::remove_file(path.join(name)).unwrap();
    }
}
