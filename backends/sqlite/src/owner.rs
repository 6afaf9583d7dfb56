//! One owner at a time: a lock on a file beside the database, which holds the owner's name.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use matins_core::StoreError;

/// Holds the lock until it is dropped, or the process ends in whatever way.
#[derive(Debug)]
pub(crate) struct Owner {
    _file: File,
}

impl Owner {
    /// Takes the lock of the store at `path`, and writes who took it.
    pub(crate) fn take(path: &Path) -> Result<Self, StoreError> {
        let lock_path = lock_path(path);
        let failed = |source: io::Error| StoreError::Backend {
            doing: format!("taking ownership of the store by the file {}", lock_path.display()),
            source: source.into(),
        };
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&lock_path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut owner = String::new();
                file.read_to_string(&mut owner).map_err(failed)?;
                let owner = if owner.is_empty() { "it has not written its name yet" } else { owner.trim() };
                return Err(StoreError::Owned { path: path.to_owned(), owner: owner.to_owned() });
            }
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        file.set_len(0).and_then(|()| file.rewind()).map_err(failed)?;
        writeln!(file, "{}", this_process()).map_err(failed)?;
        Ok(Self { _file: file })
    }
}

/// `jobs.db-owner` beside `jobs.db`, as SQLite names its own companions.
fn lock_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-owner");
    name.into()
}

fn this_process() -> String {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let program = std::env::current_exe().ok();
    let program =
        program.as_deref().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
    format!(
        "process {} ({}) on host {host}",
        std::process::id(),
        program.as_deref().unwrap_or("unknown program")
    )
}
