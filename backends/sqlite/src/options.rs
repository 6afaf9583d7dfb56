//! How a store is opened.

use std::path::Path;

use chrono::TimeDelta;
use matins_core::{IntoDuration, StoreError};
use matins_store_owner::wait_for_owner;

use crate::{Durability, SqliteStore};

/// How a store is opened, from [`SqliteStore::options`].
///
/// ```
/// use std::time::Duration;
/// use matins_store_sqlite::{Durability, SqliteStore};
///
/// let directory = tempfile::tempdir().unwrap();
/// let options = SqliteStore::options().durability(Durability::Normal).wait_for_owner(Duration::from_secs(30));
/// let store = options.open(directory.path().join("jobs.db")).unwrap();
/// # drop(store);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[must_use = "it opens nothing until `open` is called"]
pub struct SqliteStoreOptions {
    durability: Durability,
    wait_for_owner: TimeDelta,
}

impl SqliteStoreOptions {
    /// Sets what a commit waits for. Default: [`Durability::Full`].
    ///
    /// ```
    /// use matins_store_sqlite::{Durability, SqliteStore};
    ///
    /// let directory = tempfile::tempdir().unwrap();
    /// let options = SqliteStore::options().durability(Durability::Normal);
    /// let store = options.open(directory.path().join("jobs.db")).unwrap();
    /// # drop(store);
    /// ```
    pub fn durability(self, durability: Durability) -> Self {
        Self { durability, ..self }
    }

    /// Sets how long [`open`](Self::open) waits for another process that owns the store, such as the previous one in a deployment.
    /// Default: zero, which refuses at once. See [`matins_store_owner::wait_for_owner`].
    ///
    /// ```
    /// use std::time::Duration;
    /// use matins_store_sqlite::SqliteStore;
    ///
    /// let directory = tempfile::tempdir().unwrap();
    /// let path = directory.path().join("jobs.db");
    /// let previous = SqliteStore::open(&path).unwrap();
    /// let options = SqliteStore::options().wait_for_owner(Duration::from_millis(10));
    /// assert!(options.open(&path).unwrap_err().to_string().contains("waited 10ms"));
    /// drop(previous);
    /// options.open(&path).unwrap();
    /// ```
    pub fn wait_for_owner(self, limit: impl IntoDuration) -> Self {
        Self { wait_for_owner: limit.into_time_delta(), ..self }
    }

    /// Opens the store, or creates it. The calling thread sleeps while it waits for an owner.
    ///
    /// # Errors
    /// As [`SqliteStore::open`]. If the store is still owned after the wait, [`StoreError::Owned`] says by which process, and how
    /// long was waited. [`StoreError::Backend`] if that time is negative.
    ///
    /// ```
    /// use matins_store_sqlite::SqliteStore;
    ///
    /// let directory = tempfile::tempdir().unwrap();
    /// let store = SqliteStore::options().open(directory.path().join("jobs.db")).unwrap();
    /// # drop(store);
    /// ```
    pub fn open(self, path: impl AsRef<Path>) -> Result<SqliteStore, StoreError> {
        let path = path.as_ref();
        wait_for_owner(self.wait_for_owner, || SqliteStore::open_now(path, self.durability))
    }
}
