//! One owner at a time: what a store in files needs so that no two schedulers write it, and that it writes no file which
//! lies there no more.
//!
//! The owner holds an advisory lock (`flock`) on a file that holds its name. The system frees the lock however the owner
//! ends, so that the next one needs no help.
//!
//! | what happens | what the next one gets |
//! | --- | --- |
//! | the owner is alive | an error with its process, host and since when |
//! | it is alive, and ends while it is [waited for](wait_for_owner) | the lock |
//! | it ended, was killed, or lost its power | the lock |
//! | the store's file was moved or replaced under it | [`FileId`] tells the owner, so that it writes no more |
//! | the owner forked | an error: the lock stays with the process that took it, whatever its child drops or closes |
//!
//! ```
//! use matins_store_owner::Owner;
//!
//! let directory = tempfile::tempdir().unwrap();
//! let (store, file) = (directory.path().join("jobs"), directory.path().join("jobs-owner"));
//! let first = Owner::take(&store, &file).unwrap();
//! let refused = Owner::take(&store, &file).unwrap_err().to_string();
//! assert!(refused.contains(&format!("process {} ", std::process::id())), "{refused}");
//! drop(first);
//! Owner::take(&store, &file).unwrap();
//! ```

#[cfg(not(unix))]
compile_error!(
    "matins-store-owner needs Unix: it locks files with its processes. Elsewhere, keep jobs in memory (matins-store-memory)."
);

mod waiting;

use std::fs::{File, Metadata, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use matins_core::StoreError;
use matins_files::OpenOptions;

pub use waiting::{wait_for_owner, wait_for_owner_while};

/// The lock, held until it is dropped, or the process ends in whatever way.
#[derive(Debug)]
pub struct Owner {
    file: File,
    path: PathBuf,
    is_new: bool,
    process: Process,
}

impl Owner {
    /// Takes the lock on `file`, which is made where it is missing, for the store at `store`, and writes who took it.
    ///
    /// # Errors
    /// [`StoreError::Owned`] where another holds it; and when the file cannot be made or written, or is not this process's own,
    /// as the crate `matins-files` says.
    pub fn take(store: &Path, file: &Path) -> Result<Self, StoreError> {
        let failed = |source: io::Error| StoreError::Backend {
            doing: format!("taking ownership of the store by the file {}", file.display()),
            source: source.into(),
        };
        matins_files::refuse_shared_directory(file).map_err(failed)?;
        loop {
            let (opened, is_new) = open(file).map_err(failed)?;
            let owner = Self { file: opened, path: file.to_owned(), is_new, process: Process::this() };
            match owner.file.try_lock() {
                // Another may have discarded the file between opening and locking it.
                Ok(()) if !owner.is_in_place().map_err(failed)? => {}
                Ok(()) => {
                    owner.sign().map_err(failed)?;
                    return Ok(owner);
                }
                Err(TryLockError::WouldBlock) => {
                    let name = owner.name().map_err(failed)?;
                    return Err(StoreError::Owned { path: store.to_owned(), owner: name, waited: None });
                }
                Err(TryLockError::Error(source)) => return Err(failed(source)),
            }
        }
    }

    /// Gives the lock up, and takes its file away where this owner made it.
    pub fn discard(self) {
        if self.is_new && self.process.is_this() {
            // What is left is an empty promise, not a fault: the next owner takes it over.
            let _ = std::fs::remove_file(&self.path);
        }
    }

    /// Whether the path still leads to the file that was opened.
    fn is_in_place(&self) -> io::Result<bool> {
        let own = FileId::from(&self.file.metadata()?);
        match std::fs::metadata(&self.path) {
            Ok(found) => Ok(FileId::from(&found) == own),
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
        if name.is_empty() {
            return Ok("it has not written its name yet".to_owned());
        }
        // The file was last written when it was signed.
        let since = self.file.metadata()?.modified()?;
        let since = DateTime::<Utc>::from(since).format("%Y-%m-%d %H:%M:%S UTC");
        Ok(format!("{}, since {since}", name.trim()))
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        // A forked child shares the lock with the process that took it, and would free it for both.
        if self.process.is_this() {
            // Closing the file is not enough: a process that another thread is just starting holds it too until it begins.
            let _ = self.file.unlock();
        }
    }
}

/// The process that opened a store. A child that it forks has a copy of the store, and must neither write with it nor
/// clean up after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Process(u32);

impl Process {
    /// Returns the process that this code runs in.
    pub fn this() -> Self {
        Self(std::process::id())
    }

    /// Returns whether this code runs in that process, and not in a child that was forked from it.
    ///
    /// ```
    /// assert!(matins_store_owner::Process::this().is_this());
    /// ```
    pub fn is_this(self) -> bool {
        self == Self::this()
    }

    /// Checks that this code runs in the process that opened `store`.
    ///
    /// # Errors
    /// [`StoreError::Owned`] if it runs in a forked child.
    pub fn check(self, store: &Path) -> Result<(), StoreError> {
        if self.is_this() {
            return Ok(());
        }
        let owner = format!(
            "process {}, from which this process was forked; open a store after forking, in the process that uses it",
            self.0
        );
        Err(StoreError::Owned { path: store.to_owned(), owner, waited: None })
    }
}

/// Which file it is, whatever its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileId {
    device: u64,
    inode: u64,
}

impl From<&Metadata> for FileId {
    fn from(metadata: &Metadata) -> Self {
        Self { device: metadata.dev(), inode: metadata.ino() }
    }
}

impl FileId {
    /// Returns which file is at `path`.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] if no file is there, and [`StoreError::Backend`] if the disk cannot be read.
    pub fn of(path: &Path) -> Result<Self, StoreError> {
        match std::fs::metadata(path) {
            Ok(metadata) => Ok(Self::from(&metadata)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(lost(path, "there is no file")),
            Err(source) => Err(StoreError::Backend {
                doing: format!("looking for the file {}", path.display()),
                source: source.into(),
            }),
        }
    }

    /// Checks that `path` still leads to this file. What is written into a file that is not at its path any more is lost.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] if the file is missing or was replaced, and [`StoreError::Backend`] if the disk cannot be read: that
    /// may be different the next time.
    pub fn check(self, path: &Path) -> Result<(), StoreError> {
        if Self::of(path)? == self { Ok(()) } else { Err(lost(path, "another file was put in its place")) }
    }
}

fn lost(path: &Path, what: &str) -> StoreError {
    StoreError::Damaged {
        place: path.display().to_string(),
        what: format!("the file that was opened is not there any more: {what}"),
        cure: "put it back, or stop the scheduler and start it on the file that is there now",
        source: None,
    }
}

/// Opens the lock's file, or makes it; and whether it was made.
fn open(path: &Path) -> io::Result<(File, bool)> {
    let options = OpenOptions::new().read(true).write(true);
    match options.open(path) {
        Ok(file) => Ok((file, false)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            match options.clone().create_new(true).open(path) {
                Ok(file) => Ok((file, true)),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => open(path),
                Err(error) => Err(error),
            }
        }
        Err(error) => Err(error),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Reported: a forked child that dropped its store freed the parent's lock, and a second scheduler opened the store.
    #[test]
    fn an_owner_that_is_dropped_in_a_forked_child_leaves_the_lock_and_its_file() {
        let directory = tempfile::tempdir().unwrap();
        let (store, file) = (directory.path().join("jobs"), directory.path().join("jobs-owner"));
        let owner = Owner::take(&store, &file).unwrap();
        let in_a_child = || Owner {
            // Both have the lock, as after a fork.
            file: owner.file.try_clone().unwrap(),
            path: file.clone(),
            is_new: true,
            process: Process(std::process::id() + 1),
        };
        let error = in_a_child().process.check(&store).unwrap_err();
        assert!(error.to_string().contains("from which this process was forked"), "{error}");
        drop(in_a_child());
        in_a_child().discard();
        assert!(matches!(Owner::take(&store, &file), Err(StoreError::Owned { .. })));
        drop(owner);
        Owner::take(&store, &file).unwrap();
    }
}
