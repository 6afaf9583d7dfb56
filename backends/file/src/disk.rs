//! The file operations of the store.
//!
//! Every access to a file goes through this module, so that tests can let each of them fail, and can simulate what is on
//! the disk after a power cut. Outside of tests, each function is the call to the standard library that it names; files are
//! opened by the crate `matins-files`, which follows no links.

#[cfg(test)]
pub(crate) mod image;
#[cfg(test)]
pub(crate) mod simulated;

use std::ffi::OsString;
use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt};
use std::path::Path;

use matins_core::StoreError;
use matins_files::OpenOptions;
use matins_store_owner::Owner;

#[cfg(test)]
use simulated::{SimulatedDisk, SimulatedFile, SimulatedLock};

/// Where the files are.
#[derive(Debug, Clone)]
pub(crate) enum Disk {
    System,
    #[cfg(test)]
    Simulated(SimulatedDisk),
}

/// An open file.
#[derive(Debug)]
pub(crate) enum Handle {
    System(File),
    #[cfg(test)]
    Simulated(SimulatedFile),
}

/// The lock on the store, held until it is dropped.
#[derive(Debug)]
pub(crate) enum Lock {
    System(Owner),
    #[cfg(test)]
    Simulated(SimulatedLock),
}

/// Identifies a file independently of its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Id {
    device: u64,
    inode: u64,
}

impl From<Metadata> for Id {
    fn from(metadata: Metadata) -> Self {
        Self { device: metadata.dev(), inode: metadata.ino() }
    }
}

impl Disk {
    /// Creates a directory and its missing ancestors, accessible to their owner only.
    pub(crate) fn create_directory(&self, path: &Path) -> io::Result<()> {
        match self {
            Self::System => {
                matins_files::check_store(path)?;
                fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
            }
            #[cfg(test)]
            Self::Simulated(disk) => disk.create_directory(path),
        }
    }

    /// Returns the names in a directory.
    pub(crate) fn names(&self, directory: &Path) -> io::Result<Vec<OsString>> {
        match self {
            Self::System => fs::read_dir(directory)?.map(|entry| Ok(entry?.file_name())).collect(),
            #[cfg(test)]
            Self::Simulated(disk) => disk.names(directory),
        }
    }

    /// Returns the content of a file.
    pub(crate) fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        match self {
            Self::System => matins_files::read(path),
            #[cfg(test)]
            Self::Simulated(disk) => disk.read(path),
        }
    }

    /// Returns which file is at `path`.
    pub(crate) fn id(&self, path: &Path) -> io::Result<Id> {
        match self {
            Self::System => fs::metadata(path).map(Id::from),
            #[cfg(test)]
            Self::Simulated(disk) => disk.id(path),
        }
    }

    /// Creates an empty file, accessible to its owner only, or empties the one that is there.
    pub(crate) fn create(&self, path: &Path) -> io::Result<Handle> {
        match self {
            Self::System => {
                let options = OpenOptions::new().read(true).write(true).create(true).truncate(true);
                options.open(path).map(Handle::System)
            }
            #[cfg(test)]
            Self::Simulated(disk) => disk.create(path).map(Handle::Simulated),
        }
    }

    /// Opens an existing file for writing.
    pub(crate) fn open(&self, path: &Path) -> io::Result<Handle> {
        match self {
            Self::System => OpenOptions::new().read(true).write(true).open(path).map(Handle::System),
            #[cfg(test)]
            Self::Simulated(disk) => disk.open(path).map(Handle::Simulated),
        }
    }

    pub(crate) fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        match self {
            Self::System => fs::rename(from, to),
            #[cfg(test)]
            Self::Simulated(disk) => disk.rename(from, to),
        }
    }

    /// Makes the entries of a directory durable.
    pub(crate) fn sync_directory(&self, directory: &Path) -> io::Result<()> {
        match self {
            Self::System => File::open(directory)?.sync_all(),
            #[cfg(test)]
            Self::Simulated(disk) => disk.sync_directory(directory),
        }
    }

    /// Makes durable that `directory` and its ancestors exist, as far as a call of
    /// [`create_directory`](Self::create_directory) may have created them.
    pub(crate) fn sync_ancestors(&self, directory: &Path) -> io::Result<()> {
        match self {
            Self::System => sync_ancestors(directory),
            #[cfg(test)]
            Self::Simulated(disk) => {
                directory.ancestors().skip(1).try_for_each(|ancestor| disk.sync_directory(ancestor))
            }
        }
    }

    /// Takes the lock `file` for the store in `directory`.
    pub(crate) fn lock(&self, directory: &Path, file: &Path) -> Result<Lock, StoreError> {
        match self {
            Self::System => Owner::take(directory, file).map(Lock::System),
            #[cfg(test)]
            Self::Simulated(disk) => disk.lock(directory).map(Lock::Simulated),
        }
    }
}

fn sync_ancestors(directory: &Path) -> io::Result<()> {
    let directory = fs::canonicalize(directory)?;
    let device = fs::metadata(&directory)?.dev();
    for ancestor in directory.ancestors().skip(1) {
        if fs::metadata(ancestor)?.dev() != device {
            // A mount point existed before.
            break;
        }
        match Disk::System.sync_directory(ancestor) {
            // One that cannot be read was not created here; not every file system has directories that can be flushed.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::PermissionDenied
                        | io::ErrorKind::InvalidInput
                        | io::ErrorKind::Unsupported
                ) => {}
            synced => synced?,
        }
    }
    Ok(())
}

impl Handle {
    pub(crate) fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        match self {
            Self::System(file) => file.write_all_at(bytes, offset),
            #[cfg(test)]
            Self::Simulated(file) => file.write_all_at(bytes, offset),
        }
    }

    pub(crate) fn set_len(&self, length: u64) -> io::Result<()> {
        match self {
            Self::System(file) => file.set_len(length),
            #[cfg(test)]
            Self::Simulated(file) => file.set_len(length),
        }
    }

    /// Flushes the content, and of the metadata what reading it back needs.
    pub(crate) fn sync_data(&self) -> io::Result<()> {
        match self {
            Self::System(file) => file.sync_data(),
            #[cfg(test)]
            Self::Simulated(file) => file.sync("fdatasync"),
        }
    }

    /// Flushes the content and all metadata.
    pub(crate) fn sync_all(&self) -> io::Result<()> {
        match self {
            Self::System(file) => file.sync_all(),
            #[cfg(test)]
            Self::Simulated(file) => file.sync("fsync"),
        }
    }

    pub(crate) fn id(&self) -> io::Result<Id> {
        match self {
            Self::System(file) => file.metadata().map(Id::from),
            #[cfg(test)]
            Self::Simulated(file) => file.id(),
        }
    }
}

impl Lock {
    /// Gives up the lock, and removes its file if this lock created it.
    pub(crate) fn discard(self) {
        match self {
            Self::System(owner) => owner.discard(),
            #[cfg(test)]
            Self::Simulated(lock) => drop(lock),
        }
    }
}
