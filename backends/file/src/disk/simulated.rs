//! A disk in memory whose calls can be made to fail, each by its number, and which knows what a power cut would leave.

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use matins_core::StoreError;

use super::Id;
use super::image::{Image, Left};

/// How a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It does nothing: EIO. A flush that fails so leaves data that no later flush writes.
    Refused,
    /// It does nothing: ENOSPC.
    Full,
    /// A write is made in part: ENOSPC.
    Short,
    /// It is made, and the answer is an error: EIO.
    Made,
    /// It does nothing, and the process ends: no later call does anything.
    End,
}

/// What a call does, as far as it matters to how it can fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Read,
    Write,
    Change,
    Sync,
}

impl Kind {
    /// How such a call can fail, the end of the process quarantined.
    pub(crate) fn faults(self) -> &'static [Fault] {
        match self {
            Self::Read => &[Fault::Refused],
            Self::Write => &[Fault::Refused, Fault::Full, Fault::Short, Fault::Made],
            Self::Change => &[Fault::Refused, Fault::Full, Fault::Made],
            Self::Sync => &[Fault::Refused, Fault::Made],
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct SimulatedDisk(Arc<Mutex<Inner>>);

#[derive(Debug)]
struct Inner {
    image: Image,
    calls: Vec<(Kind, String)>,
    faults: Vec<(usize, Fault)>,
    fired: usize,
    has_ended: bool,
    is_locked: bool,
}

#[derive(Debug)]
pub(crate) struct SimulatedFile {
    disk: SimulatedDisk,
    number: u64,
    name: String,
}

#[derive(Debug)]
pub(crate) struct SimulatedLock(SimulatedDisk);

impl SimulatedDisk {
    /// A disk with an empty root, whose calls with these numbers, from 0, fail.
    pub(crate) fn new(faults: &[(usize, Fault)]) -> Self {
        Self::with(Image::new(), faults)
    }

    fn with(image: Image, faults: &[(usize, Fault)]) -> Self {
        let faults = faults.to_vec();
        let inner = Inner { image, calls: Vec::new(), faults, fired: 0, has_ended: false, is_locked: false };
        Self(Arc::new(Mutex::new(inner)))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The calls so far.
    pub(crate) fn calls(&self) -> Vec<(Kind, String)> {
        self.inner().calls.clone()
    }

    /// How many calls there have been.
    pub(crate) fn count(&self) -> usize {
        self.inner().calls.len()
    }

    /// How many faults there have been.
    pub(crate) fn fired(&self) -> usize {
        self.inner().fired
    }

    /// Whether a fault was the end of the process.
    pub(crate) fn has_ended(&self) -> bool {
        self.inner().has_ended
    }

    /// What is on it.
    pub(crate) fn image(&self) -> Image {
        self.inner().image.clone()
    }

    /// The disk as the next process finds it: everything that was written can be read.
    pub(crate) fn after_end(&self) -> Self {
        self.after_end_with(&[])
    }

    /// The disk after a power cut that leaves nothing of what was not flushed.
    pub(crate) fn after_power_cut(&self) -> Self {
        Self::with(self.inner().image.after_power_cut(Left::Nothing, Left::Nothing), &[])
    }

    /// The disk after each kind of power cut that makes a difference, and a description of it.
    pub(crate) fn after_power_cuts(&self) -> Vec<(String, Self)> {
        let describe = |(content, entries, image): (Left, Left, Image)| {
            let what = format!("power cut; left of the content: {content:?}, of the directory: {entries:?}");
            (what, Self::with(image, &[]))
        };
        self.inner().image.after_power_cuts().into_iter().map(describe).collect()
    }

    /// The disk as the next process finds it, whose calls with these numbers fail.
    pub(crate) fn after_end_with(&self, faults: &[(usize, Fault)]) -> Self {
        Self::with(self.inner().image.clone(), faults)
    }

    /// The content of a file, for looking at it: no call.
    pub(crate) fn content(&self, path: &Path) -> Vec<u8> {
        let inner = self.inner();
        inner.image.content(inner.image.find(path).expect("a file")).to_owned()
    }

    /// Puts a file there, durably: no call.
    pub(crate) fn put(&self, path: &Path, bytes: &[u8]) {
        let image = &mut self.inner().image;
        let directory = path.parent().expect("a file is in a directory");
        image.create_directory(directory).expect("directories can be created");
        let file = image.create(path).expect("there is a directory");
        image.write(file, 0, bytes);
        image.sync(file, true);
        for directory in directory.ancestors() {
            image.sync_directory(directory).expect("it was created");
        }
    }

    /// The files in a directory, for looking at them: no call.
    pub(crate) fn files(&self, directory: &Path) -> Vec<(OsString, Vec<u8>)> {
        let names = self.inner().image.names(directory).expect("a directory");
        names.into_iter().map(|name| (name.clone(), self.content(&directory.join(name)))).collect()
    }

    /// Makes a call, or fails as the plan says. `make` is told whether it is made as a whole; `refuse` says what is left
    /// behind if it is refused.
    fn call<T>(
        &self,
        kind: Kind,
        name: impl FnOnce() -> String,
        make: impl FnOnce(&mut Image, bool) -> io::Result<T>,
        refuse: impl FnOnce(&mut Image),
    ) -> io::Result<T> {
        const EIO: i32 = 5;
        const ENOSPC: i32 = 28;
        let mut inner = self.inner();
        let inner = &mut *inner;
        if inner.has_ended {
            return Err(io::Error::from_raw_os_error(EIO));
        }
        let number = inner.calls.len();
        inner.calls.push((kind, name()));
        let fault = inner.faults.iter().find(|(at, _)| *at == number).map(|(_, fault)| *fault);
        inner.fired += usize::from(fault.is_some());
        let errno = match fault {
            None => return make(&mut inner.image, true),
            Some(Fault::Refused) => {
                refuse(&mut inner.image);
                EIO
            }
            Some(Fault::Full) => ENOSPC,
            Some(Fault::Short) => {
                make(&mut inner.image, false)?;
                ENOSPC
            }
            Some(Fault::Made) => {
                make(&mut inner.image, true)?;
                EIO
            }
            Some(Fault::End) => {
                inner.has_ended = true;
                EIO
            }
        };
        Err(io::Error::from_raw_os_error(errno))
    }

    pub(crate) fn create_directory(&self, path: &Path) -> io::Result<()> {
        let name = || format!("mkdir {}", path.display());
        self.call(Kind::Change, name, |image, _| image.create_directory(path), |_| ())
    }

    pub(crate) fn names(&self, directory: &Path) -> io::Result<Vec<OsString>> {
        let name = || format!("list {}", directory.display());
        self.call(Kind::Read, name, |image, _| image.names(directory), |_| ())
    }

    pub(crate) fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let name = || format!("read {}", path.display());
        self.call(Kind::Read, name, |image, _| Ok(image.content(image.find(path)?).to_owned()), |_| ())
    }

    pub(crate) fn id(&self, path: &Path) -> io::Result<Id> {
        let name = || format!("stat {}", path.display());
        let make = |image: &mut Image, _| Ok(Id { device: 0, inode: image.find(path)? });
        self.call(Kind::Read, name, make, |_| ())
    }

    pub(crate) fn create(&self, path: &Path) -> io::Result<SimulatedFile> {
        let name = || format!("create {}", path.display());
        let number = self.call(Kind::Change, name, |image, _| image.create(path), |_| ())?;
        Ok(SimulatedFile { disk: self.clone(), number, name: path.display().to_string() })
    }

    pub(crate) fn open(&self, path: &Path) -> io::Result<SimulatedFile> {
        let name = || format!("open {}", path.display());
        let number = self.call(Kind::Read, name, |image, _| image.find(path), |_| ())?;
        Ok(SimulatedFile { disk: self.clone(), number, name: path.display().to_string() })
    }

    pub(crate) fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let name = || format!("rename to {}", to.display());
        self.call(Kind::Change, name, |image, _| image.rename(from, to), |_| ())
    }

    pub(crate) fn sync_directory(&self, directory: &Path) -> io::Result<()> {
        let name = || format!("fsync directory {}", directory.display());
        self.call(Kind::Sync, name, |image, _| image.sync_directory(directory), |_| ())
    }

    pub(crate) fn lock(&self, directory: &Path) -> Result<SimulatedLock, StoreError> {
        self.call(Kind::Read, || "lock".to_owned(), |_, _| Ok(()), |_| ())
            .map_err(|source| StoreError::Backend { doing: "locking".to_owned(), source: source.into() })?;
        if std::mem::replace(&mut self.inner().is_locked, true) {
            return Err(StoreError::Owned {
                path: directory.to_owned(),
                owner: "another".to_owned(),
                waited: None,
            });
        }
        Ok(SimulatedLock(self.clone()))
    }
}

impl Drop for SimulatedLock {
    fn drop(&mut self) {
        self.0.inner().is_locked = false;
    }
}

impl SimulatedFile {
    fn call<T>(
        &self,
        kind: Kind,
        what: &str,
        make: impl FnOnce(&mut Image, bool) -> io::Result<T>,
        refuse: impl FnOnce(&mut Image),
    ) -> io::Result<T> {
        self.disk.call(kind, || format!("{what} {}", self.name), make, refuse)
    }

    pub(crate) fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let make = |image: &mut Image, is_whole| {
            // Half of the line, whatever is laid out behind it.
            let half = bytes.trim_ascii_end().len() / 2;
            image.write(self.number, offset, if is_whole { bytes } else { &bytes[..half] });
            Ok(())
        };
        self.call(Kind::Write, "write", make, |_| ())
    }

    pub(crate) fn set_len(&self, length: u64) -> io::Result<()> {
        let make = |image: &mut Image, _| {
            image.set_len(self.number, length);
            Ok(())
        };
        self.call(Kind::Change, "truncate", make, |_| ())
    }

    pub(crate) fn sync(&self, what: &str) -> io::Result<()> {
        let make = |image: &mut Image, _| {
            image.sync(self.number, true);
            Ok(())
        };
        self.call(Kind::Sync, what, make, |image| image.sync(self.number, false))
    }

    pub(crate) fn id(&self) -> io::Result<Id> {
        self.call(Kind::Read, "stat", |_, _| Ok(Id { device: 0, inode: self.number }), |_| ())
    }
}
