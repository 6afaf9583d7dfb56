//! The connection to the file: where it may be, how it is opened, and who closes it.

use std::fs::File;
use std::ops::{Deref, DerefMut};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use matins_core::StoreError;
use matins_store_owner::Process;
use rusqlite::Connection;

use crate::{Durability, schema};

/// How long a statement waits for a reader that blocks it.
pub(crate) const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection that only the process that opened it closes. SQLite must not be used in a forked child, and closing it there
/// could fold the write-ahead log and remove it under the parent.
#[derive(Debug)]
pub(crate) struct OwnConnection {
    connection: Option<Connection>,
    pub(crate) process: Process,
}

impl From<Connection> for OwnConnection {
    fn from(connection: Connection) -> Self {
        Self { connection: Some(connection), process: Process::this() }
    }
}

impl Drop for OwnConnection {
    fn drop(&mut self) {
        if !self.process.is_this() {
            std::mem::forget(self.connection.take());
        }
    }
}

impl Deref for OwnConnection {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.connection.as_ref().expect("it is taken only when it is dropped")
    }
}

impl DerefMut for OwnConnection {
    fn deref_mut(&mut self) -> &mut Connection {
        self.connection.as_mut().expect("it is taken only when it is dropped")
    }
}

/// Refuses a file, or a companion that SQLite would open beside it, that another user has placed there. SQLite follows no link
/// at its companions' names; the check finds other kinds of files too, before SQLite would wait for a FIFO.
pub(crate) fn check_place(path: &Path) -> Result<(), StoreError> {
    let failed = |source: std::io::Error| StoreError::Backend {
        doing: format!("opening the store {}", path.display()),
        source: source.into(),
    };
    let real = matins_files::check_store(path).map_err(failed)?;
    if !std::fs::symlink_metadata(&real).is_ok_and(|metadata| metadata.is_symlink()) {
        matins_files::check(&real).map_err(failed)?;
    }
    let companions = ["-wal", "-shm", "-journal"].map(|ending| {
        let mut name = real.as_os_str().to_owned();
        name.push(ending);
        PathBuf::from(name)
    });
    companions.iter().try_for_each(|path| matins_files::check(path)).map_err(failed)
}

/// `jobs.db-owner` beside `jobs.db`, as SQLite names its own companions.
pub(crate) fn owner_file(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-owner");
    name.into()
}

pub(crate) fn connect(path: &Path, durability: Durability) -> Result<Connection, StoreError> {
    let failed = |source: rusqlite::Error| schema::open_error(path, source);
    // Private to its owner from the first moment; SQLite gives the files beside it the same permissions. What keeps the file
    // from being made, SQLite finds out too, and says.
    let _ = File::options().write(true).create_new(true).mode(0o600).open(path);
    let mut connection = Connection::open(path).map_err(failed)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(failed)?;
    connection.set_prepared_statement_cache_capacity(64);
    schema::prepare(&mut connection, path, durability)?;
    // Another user may have created a companion since the first look.
    check_place(path)?;
    Ok(connection)
}
