//! The SQLite store passes the suite of job stores.

use std::path::PathBuf;

use matins_conformance::store_suite::StoreFactory;
use matins_core::JobStore;
use matins_store_sqlite::{Durability, SqliteStore};
use tempfile::TempDir;

/// Opens databases in a directory of its own.
struct Files {
    directory: TempDir,
    count: usize,
}

impl Files {
    fn new() -> Self {
        Self { directory: TempDir::new().unwrap(), count: 0 }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join(format!("{}.db", self.count))
    }

    fn open(&self) -> Box<dyn JobStore> {
        // The suite reopens files, and kills nothing: it need not wait for the disk.
        Box::new(SqliteStore::open_with(self.path(), Durability::Normal).unwrap())
    }
}

impl StoreFactory for Files {
    fn create(&mut self) -> Box<dyn JobStore> {
        self.count += 1;
        self.open()
    }

    fn reopen(&mut self, store: Box<dyn JobStore>) -> Option<Box<dyn JobStore>> {
        drop(store);
        Some(self.open())
    }

    fn crash(&mut self, store: Box<dyn JobStore>) -> Option<Box<dyn JobStore>> {
        let left = self.path();
        self.count += 1;
        for ending in ["", "-wal"] {
            let file = |path: &PathBuf| PathBuf::from(format!("{}{ending}", path.display()));
            std::fs::copy(file(&left), file(&self.path())).unwrap();
        }
        drop(store);
        Some(self.open())
    }
}

matins_conformance::store_suite!(Files::new());
