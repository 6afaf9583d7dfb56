//! What a log store needs of a disk: a real one, and one whose power fails.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// A file that grows at its end.
pub trait Disk {
    /// Returns all bytes of the file.
    fn read(&mut self) -> io::Result<Vec<u8>>;

    /// Writes bytes behind the last one. After a power cut, any part of them
    /// may be missing, unless `sync` was called.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Returns when all that was written is on the disk.
    fn sync(&mut self) -> io::Result<()>;

    /// Shortens the file.
    fn truncate(&mut self, length: u64) -> io::Result<()>;
}

/// A file of the operating system.
#[derive(Debug)]
pub struct FileDisk(File);

impl FileDisk {
    /// Opens a file, or creates it.
    ///
    /// # Errors
    /// If the operating system refuses.
    pub fn open(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        let file = options.read(true).append(true).create(true).open(path)?;
        Ok(Self(file))
    }
}

impl Disk for FileDisk {
    fn read(&mut self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.0.seek(SeekFrom::Start(0))?;
        self.0.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.0.set_len(length)
    }
}

/// A disk in memory whose power can fail. Clones are the same disk.
#[derive(Debug, Clone, Default)]
pub struct SimDisk(Arc<Mutex<Simulated>>);

#[derive(Debug, Default)]
struct Simulated {
    /// What survives a power cut.
    durable: Vec<u8>,
    /// What was appended and not synced.
    pending: Vec<u8>,
    /// How many further calls succeed. `None` if all of them do.
    calls_left: Option<usize>,
}

impl SimDisk {
    /// Lets this many further calls succeed. Then the power fails, during the
    /// next call: it and all later ones return an error.
    pub fn fail_after(&self, calls: usize) {
        self.with(|disk| disk.calls_left = Some(calls));
    }

    /// Returns how many bytes would be lost if the power failed now.
    pub fn pending(&self) -> usize {
        self.with(|disk| disk.pending.len())
    }

    /// Returns the disk after a power cut: of the bytes that were not synced,
    /// the first `kept` are on it.
    pub fn reboot(&self, kept: usize) -> Self {
        self.with(|disk| {
            let survived = &disk.pending[..kept.min(disk.pending.len())];
            let durable = [&disk.durable[..], survived].concat();
            let disk = Simulated { durable, ..Simulated::default() };
            Self(Arc::new(Mutex::new(disk)))
        })
    }

    fn with<T>(&self, act: impl FnOnce(&mut Simulated) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn call<T>(&self, act: impl FnOnce(&mut Simulated) -> T) -> io::Result<T> {
        self.with(|disk| match &mut disk.calls_left {
            Some(0) => Err(io::Error::other("the power has failed")),
            left => {
                *left = left.map(|calls| calls - 1);
                Ok(act(disk))
            }
        })
    }
}

impl Disk for SimDisk {
    fn read(&mut self) -> io::Result<Vec<u8>> {
        self.call(|disk| [&disk.durable[..], &disk.pending[..]].concat())
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let appended = self.call(|disk| disk.pending.extend(bytes));
        if appended.is_err() {
            // The power fails during the call, so any part may be written.
            self.with(|disk| disk.pending.extend(bytes));
        }
        appended
    }

    fn sync(&mut self) -> io::Result<()> {
        self.call(|disk| disk.durable.append(&mut disk.pending))
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.call(|disk| {
            let mut all = [&disk.durable[..], &disk.pending[..]].concat();
            all.truncate(length as usize);
            (disk.durable, disk.pending) = (all, Vec::new());
        })
    }
}
