//! One owner at a time: a lock on a file beside the database, which holds the owner's name.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use matins_core::StoreError;

/// Holds the lock until it is dropped, or the process ends in whatever way.
#[derive(Debug)]
pub(crate) struct Owner {
    file: File,
    path: PathBuf,
    is_new: bool,
}

impl Owner {
    /// Takes the lock of the store at `path`, and writes who took it.
    pub(crate) fn take(path: &Path) -> Result<Self, StoreError> {
        let lock_path = lock_path(path);
        let failed = |source: io::Error| StoreError::Backend {
            doing: format!("taking ownership of the store by the file {}", lock_path.display()),
            source: source.into(),
        };
        loop {
            let (file, is_new) = open(&lock_path).map_err(failed)?;
            let owner = Self { file, path: lock_path.clone(), is_new };
            match owner.file.try_lock() {
                // Another may have discarded the file between opening and locking it.
                Ok(()) if !owner.is_in_place().map_err(failed)? => {}
                Ok(()) => {
                    owner.sign().map_err(failed)?;
                    return Ok(owner);
                }
                Err(TryLockError::WouldBlock) => {
                    let name = owner.name().map_err(failed)?;
                    return Err(StoreError::Owned { path: path.to_owned(), owner: name });
                }
                Err(TryLockError::Error(source)) => return Err(failed(source)),
            }
        }
    }

    /// Gives the lock up, and takes its file away where this owner made it.
    pub(crate) fn discard(self) {
        if self.is_new {
            // What is left is an empty promise, not a fault: the next owner takes it over.
            let _ = std::fs::remove_file(&self.path);
        }
    }

    /// Whether the path still leads to the file that was opened.
    fn is_in_place(&self) -> io::Result<bool> {
        let own = self.file.metadata()?;
        match std::fs::metadata(&self.path) {
            Ok(found) => Ok((found.dev(), found.ino()) == (own.dev(), own.ino())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn sign(&self) -> io::Result<()> {
        self.file.set_len(0)?;
        writeln!(&self.file, "{}", this_process())
    }

    fn name(&self) -> io::Result<String> {
        let mut name = String::new();
        (&self.file).read_to_string(&mut name)?;
        Ok(if name.is_empty() {
            "it has not written its name yet".to_owned()
        } else {
            name.trim().to_owned()
        })
    }
}

/// Opens the lock's file, or makes it; and whether it was made.
fn open(path: &Path) -> io::Result<(File, bool)> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600);
    match options.open(path) {
        Ok(file) => Ok((file, false)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => match options.create_new(true).open(path) {
            Ok(file) => Ok((file, true)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => open(path),
            Err(error) => Err(error),
        },
        Err(error) => Err(error),
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
