//! How a store is opened.

use std::path::Path;

use chrono::TimeDelta;
use matins_core::{IntoDuration, StoreError};
use matins_store_owner::wait_for_owner;

use crate::FileStore;
use crate::disk::Disk;

/// How a store is opened, from [`FileStore::options`].
///
/// ```
/// use std::time::Duration;
/// use matins_store_file::FileStore;
///
/// let directory = tempfile::tempdir().unwrap();
/// let options = FileStore::options().wait_for_owner(Duration::from_secs(30));
/// let store = options.open(directory.path().join("jobs")).unwrap();
/// # drop(store);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[must_use = "it opens nothing until `open` is called"]
pub struct FileStoreOptions {
    wait_for_owner: TimeDelta,
}

impl FileStoreOptions {
    /// Sets how long [`open`](Self::open) waits for another process that owns the store, such as the previous one in a deployment.
    /// Default: zero, which refuses at once. See [`matins_store_owner::wait_for_owner`].
    ///
    /// ```
    /// use std::time::Duration;
    /// use matins_store_file::FileStore;
    ///
    /// let directory = tempfile::tempdir().unwrap();
    /// let path = directory.path().join("jobs");
    /// let previous = FileStore::open(&path).unwrap();
    /// let options = FileStore::options().wait_for_owner(Duration::from_millis(10));
    /// assert!(options.open(&path).unwrap_err().to_string().contains("waited 10ms"));
    /// drop(previous);
    /// options.open(&path).unwrap();
    /// ```
    pub fn wait_for_owner(self, limit: impl IntoDuration) -> Self {
        Self { wait_for_owner: limit.into_time_delta() }
    }

    /// Opens the store in a directory, or creates it there. The calling thread sleeps while it waits for an owner.
    ///
    /// # Errors
    /// As [`FileStore::open`]. If the store is still owned after the wait, [`StoreError::Owned`] says by which process, and how
    /// long was waited. [`StoreError::Backend`] if that time is negative.
    ///
    /// ```
    /// use matins_store_file::FileStore;
    ///
    /// let directory = tempfile::tempdir().unwrap();
    /// let store = FileStore::options().open(directory.path().join("jobs")).unwrap();
    /// # drop(store);
    /// ```
    pub fn open(self, directory: impl AsRef<Path>) -> Result<FileStore, StoreError> {
        let directory = directory.as_ref();
        wait_for_owner(self.wait_for_owner, || FileStore::open_on(Disk::System, directory))
    }
}
