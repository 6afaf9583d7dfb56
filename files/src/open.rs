//! Opening a file that must be this process's own.

use std::fs::{self, File, FileType, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;
use rustix::process::geteuid;

use crate::directory::others_can_write;
use crate::refused;

/// How to open a file beside a store. The names are those of [`std::fs::OpenOptions`].
///
/// A file that is created is readable and writable for its owner only. Nothing is truncated before the file has been checked.
///
/// ```
/// use matins_files::OpenOptions;
///
/// let directory = tempfile::tempdir().unwrap();
/// let path = directory.path().join("jobs.db-owner");
/// OpenOptions::new().read(true).write(true).create(true).open(&path).unwrap();
/// let again = OpenOptions::new().write(true).create_new(true).open(&path).unwrap_err();
/// assert_eq!(again.kind(), std::io::ErrorKind::AlreadyExists);
/// ```
#[derive(Debug, Clone, Default)]
#[must_use]
#[allow(clippy::struct_excessive_bools)] // As the standard library's.
pub struct OpenOptions {
    read: bool,
    write: bool,
    append: bool,
    create: bool,
    create_new: bool,
    truncate: bool,
}

impl OpenOptions {
    /// Returns options that allow nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets whether the file can be read.
    pub fn read(mut self, read: bool) -> Self {
        self.read = read;
        self
    }

    /// Sets whether the file can be written.
    pub fn write(mut self, write: bool) -> Self {
        self.write = write;
        self
    }

    /// Sets whether each write goes to the end of the file.
    pub fn append(mut self, append: bool) -> Self {
        self.append = append;
        self
    }

    /// Sets whether a missing file is created.
    pub fn create(mut self, create: bool) -> Self {
        self.create = create;
        self
    }

    /// Sets whether the file must be created: it is an error if there is anything under its name.
    pub fn create_new(mut self, create_new: bool) -> Self {
        self.create_new = create_new;
        self
    }

    /// Sets whether an existing file is emptied, after it has been checked.
    pub fn truncate(mut self, truncate: bool) -> Self {
        self.truncate = truncate;
        self
    }

    /// Opens the file.
    ///
    /// # Errors
    /// With a [`Refused`](crate::Refused) if what is there is not a regular file of this process's user or of root, as the
    /// [crate's page](crate) says; otherwise as [`std::fs::OpenOptions::open`].
    pub fn open(&self, path: &Path) -> io::Result<File> {
        // Before it is opened: opening a device can have effects.
        check(path)?;
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
        let opened = fs::OpenOptions::new()
            .read(self.read)
            .write(self.write)
            .append(self.append)
            .create(self.create)
            .create_new(self.create_new)
            .mode(0o600)
            .custom_flags(flags.bits().cast_signed())
            .open(path);
        let file = match opened {
            Ok(file) => file,
            // Something else was put there meanwhile: the second look says what.
            Err(error) => return check(path).and(Err(error)),
        };
        judge(path, &file.metadata()?)?;
        if self.truncate {
            file.set_len(0)?;
        }
        Ok(file)
    }
}

/// Returns the content of a file, which is opened as [`OpenOptions::open`] does.
///
/// # Errors
/// As [`OpenOptions::open`], and when the file cannot be read.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = OpenOptions::new().read(true).open(path)?;
    let mut content = Vec::with_capacity(usize::try_from(file.metadata()?.len()).unwrap_or_default());
    file.read_to_end(&mut content)?;
    Ok(content)
}

/// Checks what is under a name that another library opens, such as SQLite. A missing file is no error.
///
/// ```
/// let directory = tempfile::tempdir().unwrap();
/// matins_files::check(&directory.path().join("jobs.db-wal")).unwrap();
/// assert!(matins_files::check(directory.path()).is_err(), "a directory is no file");
/// ```
///
/// # Errors
/// With a [`Refused`](crate::Refused) as for [`OpenOptions::open`], and when the directory cannot be read.
pub fn check(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(metadata) => judge(path, &metadata),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

fn judge(path: &Path, metadata: &Metadata) -> io::Result<()> {
    const CURE: &str = "remove it, or put the store into a directory of its own";
    if !metadata.is_file() {
        return Err(refused(path, format!("is {}, not a regular file", kind(metadata.file_type())), CURE));
    }
    let own = geteuid().as_raw();
    if metadata.uid() != own && metadata.uid() != 0 {
        let what = format!("belongs to the user with id {}, and this process runs as {own}", metadata.uid());
        return Err(refused(path, what, "remove it, chown it, or run as its owner"));
    }
    // In a directory of one's own, the second name is one's own too: a copy made by `cp -l`.
    if metadata.nlink() > 1 && others_can_write(path.parent()) {
        let what = "has a second name (a hard link), in a directory that others can write to";
        return Err(refused(path, what, CURE));
    }
    Ok(())
}

fn kind(file: FileType) -> &'static str {
    if file.is_symlink() {
        "a symbolic link"
    } else if file.is_dir() {
        "a directory"
    } else if file.is_fifo() {
        "a FIFO"
    } else if file.is_socket() {
        "a socket"
    } else {
        "a device"
    }
}
