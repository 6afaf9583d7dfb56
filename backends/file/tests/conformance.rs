//! The file store passes the suite of job stores.

use std::path::PathBuf;

use matins_conformance::store_suite::StoreFactory;
use matins_core::JobStore;
use matins_store_file::FileStore;
use tempfile::TempDir;

/// Opens stores in a directory of its own.
struct Directories {
    parent: TempDir,
    count: usize,
}

impl Directories {
    fn new() -> Self {
        Self { parent: TempDir::new().unwrap(), count: 0 }
    }

    fn path(&self) -> PathBuf {
        self.parent.path().join(self.count.to_string())
    }
}

impl StoreFactory for Directories {
    fn create(&mut self) -> Box<dyn JobStore> {
        self.count += 1;
        Box::new(FileStore::open(self.path()).unwrap())
    }

    fn reopen(&mut self, store: Box<dyn JobStore>) -> Option<Box<dyn JobStore>> {
        drop(store);
        let store = FileStore::open(self.path()).unwrap();
        assert_eq!(store.torn_tail(), None);
        Some(Box::new(store))
    }

    fn crash(&mut self, store: Box<dyn JobStore>) -> Option<Box<dyn JobStore>> {
        let left = self.path();
        self.count += 1;
        std::fs::create_dir(self.path()).unwrap();
        for name in ["snapshot.jsonl", "log.jsonl"] {
            std::fs::copy(left.join(name), self.path().join(name)).unwrap();
        }
        drop(store);
        Some(Box::new(FileStore::open(self.path()).unwrap()))
    }
}

matins_conformance::store_suite!(Directories::new());
