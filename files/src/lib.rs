//! Opens the files that lie beside a job store without following what another user has placed there.
//!
//! A scheduler that runs as root opens files under names that everybody can guess: `jobs.db-owner` beside `jobs.db`. In a
//! directory that others can write to, such as `/tmp`, another user can create these names first, as links to files of root.
//! Everything that belongs to a store is therefore opened by [`OpenOptions`] and [`read`], never by the standard library.
//!
//! | what is found under the name | the result |
//! | --- | --- |
//! | nothing | the file is created, if that is asked for |
//! | a regular file of this process's user, or of root | it is opened |
//! | a symbolic link | refused: it is not followed |
//! | a FIFO, device, socket or directory | refused: it is not opened, so that nothing blocks |
//! | a file of another user | refused |
//! | a file with a second name (a hard link), in a directory that others can write to | refused |
//!
//! [`refuse_shared_directory`] refuses a directory in which others can replace files, [`check_store`] does so for the store
//! itself, and [`warning`] says which directory is open to a group.
//!
//! A refusal is an [`io::Error`] with a [`Refused`] in it, whose text names the file, the problem and what to do.
//!
//! ```
//! use std::io::Write;
//!
//! use matins_files::OpenOptions;
//!
//! let directory = tempfile::tempdir().unwrap();
//! let path = directory.path().join("jobs.db-history");
//! let mut file = OpenOptions::new().append(true).create(true).open(&path).unwrap();
//! writeln!(file, "started").unwrap();
//! assert_eq!(matins_files::read(&path).unwrap(), b"started\n");
//!
//! let link = directory.path().join("jobs.db-owner");
//! std::os::unix::fs::symlink(&path, &link).unwrap();
//! let error = OpenOptions::new().write(true).create(true).open(&link).unwrap_err();
//! assert!(error.to_string().contains("is a symbolic link"), "{error}");
//! ```

#[cfg(not(unix))]
compile_error!(
    "matins-files needs Unix: it opens files without following links. Elsewhere, keep jobs in memory (matins-store-memory)."
);

mod directory;
mod open;

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

pub use directory::{check_own_directory, check_store, refuse_shared_directory, use_own_directory, warning};
pub use open::{OpenOptions, check, read};

/// Why a file or directory is not used. It is the source of the [`io::Error`] that the functions of this crate return.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{} {what}; {cure}", path.display())]
#[non_exhaustive]
pub struct Refused {
    /// The file or directory.
    pub path: PathBuf,
    /// What is wrong with it.
    pub what: String,
    /// What to do.
    pub cure: String,
}

fn refused(path: &Path, what: impl Into<String>, cure: impl Into<String>) -> io::Error {
    let refused = Refused { path: path.to_owned(), what: what.into(), cure: cure.into() };
    io::Error::new(io::ErrorKind::PermissionDenied, refused)
}
