//! What is on a simulated disk: what programs see, and what a power cut leaves of it.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};

/// The unit in which the disk writes, in bytes.
const SECTOR: u64 = 512;

/// All files and directories.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Image {
    files: BTreeMap<u64, Content>,
    directories: BTreeMap<PathBuf, Entries>,
}

/// A file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
struct Content {
    seen: Vec<u8>,
    /// What was on the disk before all of `changes`.
    before: Vec<u8>,
    changes: Vec<(Change, Flushed)>,
}

/// Whether a change of a file is on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Flushed {
    Yes,
    /// The next flush writes it.
    NotYet,
    /// Its flush failed. It can be read, and no later flush writes it.
    Dropped,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Change {
    Write { at: u64, bytes: Vec<u8> },
    Length(u64),
}

/// A directory. File systems keep its changes after a flush that failed, and the next flush writes them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
struct Entries {
    seen: BTreeMap<OsString, Entry>,
    durable: BTreeMap<OsString, Entry>,
    dirty: Vec<EntryChange>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Entry {
    File(u64),
    Directory,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct EntryChange {
    /// The name that disappears.
    from: Option<OsString>,
    to: OsString,
    entry: Entry,
}

/// Which of the changes that were not flushed a power cut leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Left {
    Nothing,
    All,
    /// The first third of each write, or of the changes of a directory the first one.
    Beginning,
    /// Every other sector of each write, or of the changes of a directory the last one.
    OddSectors,
    EvenSectors,
}

impl Image {
    /// An empty root.
    pub(super) fn new() -> Self {
        let directories = [(PathBuf::from("/"), Entries::default())].into();
        Self { files: BTreeMap::new(), directories }
    }

    /// What there may be after a power cut: each possibility once, and how it comes about.
    pub(super) fn after_power_cuts(&self) -> Vec<(Left, Left, Self)> {
        const CONTENT: [Left; 5] =
            [Left::Nothing, Left::All, Left::Beginning, Left::OddSectors, Left::EvenSectors];
        const ENTRIES: [Left; 4] = [Left::Nothing, Left::All, Left::Beginning, Left::OddSectors];
        let has_content = self.files.values().any(|file| !file.changes.is_empty());
        let has_entries = self.directories.values().any(|directory| !directory.dirty.is_empty());
        let mut possible: Vec<(Left, Left, Self)> = Vec::new();
        for content in &CONTENT[..if has_content { CONTENT.len() } else { 1 }] {
            for entries in &ENTRIES[..if has_entries { ENTRIES.len() } else { 1 }] {
                let (content, entries) = (*content, *entries);
                let image = self.after_power_cut(content, entries);
                if possible.iter().all(|(_, _, other)| *other != image) {
                    possible.push((content, entries, image));
                }
            }
        }
        possible
    }

    /// What is there after a power cut.
    pub(super) fn after_power_cut(&self, content: Left, entries: Left) -> Self {
        let mut left = Self { files: BTreeMap::new(), directories: BTreeMap::new() };
        let mut outstanding = vec![PathBuf::from("/")];
        while let Some(path) = outstanding.pop() {
            let directory = &self.directories[&path];
            let mut durable = directory.durable.clone();
            let (count, mut changes) = (directory.dirty.len(), directory.dirty.clone());
            match entries {
                Left::Nothing => changes.clear(),
                Left::All => {}
                Left::Beginning => changes.truncate(1),
                Left::OddSectors | Left::EvenSectors => drop(changes.drain(..count.saturating_sub(1))),
            }
            for change in changes {
                change.apply(&mut durable);
            }
            for (name, entry) in &durable {
                match entry {
                    Entry::File(number) => {
                        // What is written beside, and not in place yet, is never read.
                        let is_read = !name.to_string_lossy().ends_with(".new");
                        let content = if is_read { content } else { Left::Nothing };
                        let bytes = self.files[number].after_power_cut(content);
                        let file = Content { seen: bytes.clone(), before: bytes, changes: Vec::new() };
                        left.files.insert(*number, file);
                    }
                    Entry::Directory => outstanding.push(path.join(name)),
                }
            }
            left.directories.insert(path, Entries { seen: durable.clone(), durable, dirty: Vec::new() });
        }
        left
    }

    fn directory(&mut self, path: &Path) -> io::Result<&mut Entries> {
        self.directories.get_mut(path).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn change(&mut self, directory: &Path, change: EntryChange) -> io::Result<()> {
        let directory = self.directory(directory)?;
        change.clone().apply(&mut directory.seen);
        directory.dirty.push(change);
        Ok(())
    }

    /// The number of the file at `path`.
    pub(super) fn find(&self, path: &Path) -> io::Result<u64> {
        let (directory, name) = split(path);
        match self.directories.get(directory).and_then(|directory| directory.seen.get(name)) {
            Some(Entry::File(number)) => Ok(*number),
            Some(Entry::Directory) => Err(io::ErrorKind::IsADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    pub(super) fn create_directory(&mut self, path: &Path) -> io::Result<()> {
        if self.directories.contains_key(path) {
            return Ok(());
        }
        let (parent, name) = split(path);
        self.create_directory(parent)?;
        self.change(parent, EntryChange { from: None, to: name.to_owned(), entry: Entry::Directory })?;
        self.directories.insert(path.to_owned(), Entries::default());
        Ok(())
    }

    pub(super) fn names(&mut self, directory: &Path) -> io::Result<Vec<OsString>> {
        Ok(self.directory(directory)?.seen.keys().cloned().collect())
    }

    pub(super) fn create(&mut self, path: &Path) -> io::Result<u64> {
        if let Ok(number) = self.find(path) {
            self.set_len(number, 0);
            return Ok(number);
        }
        let number = self.files.last_key_value().map_or(1, |(last, _)| last + 1);
        let (directory, name) = split(path);
        self.change(directory, EntryChange { from: None, to: name.to_owned(), entry: Entry::File(number) })?;
        self.files.insert(number, Content::default());
        Ok(number)
    }

    pub(super) fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let number = self.find(from)?;
        let ((directory, from), (_, to)) = (split(from), split(to));
        let (from, to) = (Some(from.to_owned()), to.to_owned());
        self.change(directory, EntryChange { from, to, entry: Entry::File(number) })
    }

    pub(super) fn sync_directory(&mut self, path: &Path) -> io::Result<()> {
        let directory = self.directory(path)?;
        directory.durable = directory.seen.clone();
        directory.dirty.clear();
        Ok(())
    }

    pub(super) fn content(&self, file: u64) -> &[u8] {
        &self.files[&file].seen
    }

    fn apply(&mut self, file: u64, change: Change) {
        let file = self.files.get_mut(&file).expect("files are not removed");
        change.apply(&mut file.seen);
        file.changes.push((change, Flushed::NotYet));
    }

    pub(super) fn write(&mut self, file: u64, at: u64, bytes: &[u8]) {
        self.apply(file, Change::Write { at, bytes: bytes.to_owned() });
    }

    pub(super) fn set_len(&mut self, file: u64, length: u64) {
        self.apply(file, Change::Length(length));
    }

    pub(super) fn sync(&mut self, file: u64, succeeds: bool) {
        let file = self.files.get_mut(&file).expect("files are not removed");
        let flushed = if succeeds { Flushed::Yes } else { Flushed::Dropped };
        for (_, state) in &mut file.changes {
            if *state == Flushed::NotYet {
                *state = flushed;
            }
        }
        if file.changes.iter().all(|(_, state)| *state == Flushed::Yes) {
            for (change, _) in file.changes.drain(..) {
                change.apply(&mut file.before);
            }
        }
    }
}

impl Content {
    fn after_power_cut(&self, left: Left) -> Vec<u8> {
        let mut bytes = self.before.clone();
        for (change, flushed) in &self.changes {
            if *flushed == Flushed::Yes {
                change.apply(&mut bytes);
                continue;
            }
            match (left, change) {
                (Left::Nothing, _) => {}
                (Left::All, _) | (_, Change::Length(_)) => change.apply(&mut bytes),
                (Left::Beginning, Change::Write { at, bytes: written }) => {
                    // A third of the line, whatever is laid out behind it.
                    let third = written.trim_ascii_end().len() / 3;
                    Change::Write { at: *at, bytes: written[..third].to_owned() }.apply(&mut bytes);
                }
                (_, Change::Write { at, bytes: written }) => {
                    let parity = u64::from(left == Left::OddSectors);
                    let mut at = *at;
                    let mut written = &written[..];
                    while !written.is_empty() {
                        let (sector, rest) =
                            written.split_at(written.len().min((SECTOR - at % SECTOR) as usize));
                        if at / SECTOR % 2 == parity {
                            Change::Write { at, bytes: sector.to_owned() }.apply(&mut bytes);
                        }
                        at += sector.len() as u64;
                        written = rest;
                    }
                }
            }
        }
        bytes
    }
}

impl Change {
    fn apply(&self, to: &mut Vec<u8>) {
        match self {
            Self::Length(length) => to.resize(*length as usize, 0),
            Self::Write { at, bytes } => {
                let (start, end) = (*at as usize, *at as usize + bytes.len());
                to.resize(to.len().max(end), 0);
                to[start..end].copy_from_slice(bytes);
            }
        }
    }
}

impl EntryChange {
    fn apply(self, to: &mut BTreeMap<OsString, Entry>) {
        if let Some(from) = self.from
            && to.get(&from) == Some(&self.entry)
        {
            to.remove(&from);
        }
        to.insert(self.to, self.entry);
    }
}

fn split(path: &Path) -> (&Path, &OsStr) {
    (path.parent().expect("the root is no file"), path.file_name().expect("paths are absolute"))
}
