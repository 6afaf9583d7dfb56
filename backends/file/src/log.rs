//! The log: the changes since the snapshot, one line and one flush of the disk for each change.
//!
//! The file is laid out in advance with newlines, which lines then overwrite: a write that does not make a file longer
//! saves a flush of the file system's own journal.

use std::io;
use std::path::Path;

use matins_core::{Run, StoreError};
use matins_store_owner::Process;

use crate::damage::{Damage, Reader};
use crate::disk::{Disk, Handle};
use crate::format::{
    Change, FORMAT, FRAMED_FROM, Head, HeadLine, LogLine, Put, SnapshotLine, State, WriteError,
};
use crate::in_place::InPlace;
use crate::unreadable::{RawLine, RawPut};
use crate::{TornTail, line};

/// By how much the file is laid out in advance, in bytes.
const LAID_OUT: usize = if cfg!(test) { 4 << 10 } else { 1 << 20 };

#[derive(Debug)]
pub(crate) struct Log {
    file: Handle,
    /// The snapshot that the log belongs to.
    pub(crate) generation: u64,
    /// Where the next line is written.
    pub(crate) end: u64,
    /// The length of the file.
    laid_out: u64,
    /// The number of the last line.
    last: u64,
    buffer: Vec<u8>,
    process: Process,
}

impl Log {
    /// Puts an empty log in place.
    pub(crate) fn create(disk: &Disk, place: &mut InPlace, generation: u64) -> io::Result<Self> {
        let head =
            Head { matins: "log".to_owned(), format: FORMAT, generation, jobs: 0, runs: 0, last_run: 0 };
        let mut buffer = Vec::new();
        line::write(&mut buffer, &HeadLine { head: &head })?;
        let file = disk.create(&place.beside())?;
        file.write_all_at(&buffer, 0)?;
        place.replace(disk, &file)?;
        let end = buffer.len() as u64;
        Ok(Self { file, generation, end, laid_out: end, last: 0, buffer, process: Process::this() })
    }

    /// Opens a log for appending, whose content was `bytes` and what `replayed` says of it.
    pub(crate) fn resume(
        disk: &Disk,
        path: &Path,
        bytes: &[u8],
        generation: u64,
        replayed: &Replayed,
    ) -> io::Result<(Self, InPlace)> {
        let file = disk.open(path)?;
        let place = InPlace::with(path.to_owned(), file.id()?);
        let mut end = replayed.end;
        file.set_len(end as u64)?;
        if end < bytes.len() || !bytes.ends_with(b"\n") {
            // The process before did not close the log. If its last flush failed, the last line may be in memory only,
            // and no flush would write it: it counts as written already.
            let mut last_line = bytes[replayed.last_line..end].to_vec();
            if !last_line.ends_with(b"\n") {
                last_line.push(b'\n');
            }
            file.write_all_at(&last_line, replayed.last_line as u64)?;
            end = replayed.last_line + last_line.len();
        }
        file.sync_all()?;
        let end = end as u64;
        let (last, buffer) = (replayed.last, Vec::new());
        let log = Self { file, generation, end, laid_out: end, last, buffer, process: Process::this() };
        Ok((log, place))
    }

    /// The process that opened the store.
    pub(crate) fn process(&self) -> Process {
        self.process
    }

    /// Prepares a change as the next line.
    pub(crate) fn prepare(&mut self, change: &Change<'_>) -> Result<(), WriteError> {
        self.buffer.clear();
        change.write(self.last + 1, &mut self.buffer)
    }

    /// Appends the prepared line and flushes the disk. After an error the file may have the line or not.
    pub(crate) fn append(&mut self) -> io::Result<()> {
        let end = self.end + self.buffer.len() as u64;
        // At least one newline is always laid out behind the line: it shows that the log was not closed.
        if end >= self.laid_out {
            // One write for the line and for what is laid out behind it.
            self.buffer.resize(self.buffer.len() + LAID_OUT, b'\n');
            self.laid_out = end + LAID_OUT as u64;
        }
        self.file.write_all_at(&self.buffer, self.end)?;
        self.file.sync_data()?;
        self.end = end;
        self.last += 1;
        // An import may have been large.
        self.buffer.truncate(0);
        self.buffer.shrink_to(LAID_OUT);
        Ok(())
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        // Only this process needs what is laid out. If it stays, it does no harm. A forked child knows an earlier end.
        if self.process.is_this() {
            let _ = self.file.set_len(self.end);
        }
    }
}

/// What a log holds after its head.
pub(crate) struct Replayed {
    /// Where the last sound line begins and ends, its newline included, in bytes.
    pub(crate) last_line: usize,
    pub(crate) end: usize,
    /// The number of the last change.
    pub(crate) last: u64,
    pub(crate) torn: Option<TornTail>,
}

/// The head of a log.
pub(crate) fn head(reader: &Reader<'_>) -> Result<Head, StoreError> {
    let first = reader.lines().next().filter(|line| line.number == 1 && line::is_sound(line.bytes));
    let head = first.and_then(|first| line::read::<SnapshotLine>(first.bytes).ok()?.head);
    let head = head.ok_or_else(|| reader.error_at_start("its first line was cut or changed"))?;
    reader.check(&head, "log")?;
    Ok(head)
}

/// What is wrong with a log that follows neither the snapshot that is there nor the one before it.
pub(crate) fn of_another_snapshot(log: u64, snapshot: u64) -> String {
    format!("it follows snapshot {log}, and the snapshot that is there is {snapshot}")
}

/// Applies the changes of a log of this `format` to the state that its snapshot holds.
///
/// The process may have ended in the middle of the last line, whose change was not acknowledged: such a line is left out.
/// Anything else that is not sound goes to `damage`.
pub(crate) fn replay(
    reader: &Reader<'_>,
    format: i64,
    state: &mut State,
    damage: &mut Damage<'_>,
) -> Result<Replayed, StoreError> {
    let mut replayed = Replayed { last_line: 0, end: 0, last: 0, torn: None };
    for line in reader.lines() {
        if !line::is_sound(line.bytes) {
            if line::find(&reader.bytes[line.offset + 1..]).is_some() {
                damage.found(&line, "its checksum does not fit, and sound lines follow: it was changed")?;
                continue;
            }
            // Lines of earlier formats do not say how long they are: there, any last line may be torn.
            if format >= FRAMED_FROM && !line::is_torn(reader.bytes, replayed.end) {
                damage.found(
                    &line,
                    "its checksum does not fit, and it was written to its end: it was changed",
                )?;
                continue;
            }
            let tail = &reader.bytes[line.offset..];
            replayed.torn = Some(TornTail {
                path: reader.path.to_owned(),
                line: line.number,
                offset: line.offset,
                length: tail.trim_ascii_end().len(),
                text: line::excerpt(line.bytes),
            });
            break;
        }
        replayed.last_line = line.offset;
        replayed.end = (line.offset + line.bytes.len() + 1).min(reader.bytes.len());
        if line.number > 1 {
            match apply(line.bytes, state, replayed.last + 1, damage.is_noted()) {
                Ok(number) => replayed.last = number,
                Err(what) => damage.found(&line, &what)?,
            }
        }
    }
    Ok(replayed)
}

/// Applies one line; its number. Lines may be missing before it where `gaps` are noted already.
fn apply(bytes: &[u8], state: &mut State, expected: u64, gaps: bool) -> Result<u64, String> {
    let text = |error: StoreError| error.to_string();
    let in_order = |n: u64| match n {
        n if n == expected || (gaps && n > expected) => Ok(n),
        n if n > expected => Err(format!("this is change {n}, and {expected} is missing before it")),
        n => Err(format!("this is change {n} once more; {expected} belongs there")),
    };
    let line = match line::read::<LogLine>(bytes) {
        Ok(line) => line,
        // Jobs and rows of a kind that this program does not know are kept as they are.
        Err(error) => {
            let line = line::read::<RawLine>(bytes).map_err(|_| error.to_string())?;
            in_order(line.n)?;
            match line {
                RawLine { put: Some(RawPut { jobs, runs }), .. } => {
                    state.put_raw(jobs, runs).map_err(text)?;
                }
                RawLine { commit: Some(steps), .. } => state.commit_raw(steps)?,
                _ => return Err(error.to_string()),
            }
            return Ok(line.n);
        }
    };
    in_order(line.n)?;
    match line {
        LogLine { put: Some(Put { jobs, runs }), .. } => {
            state.put_read(jobs, runs.into_iter().map(Run::from).collect()).map_err(text)?;
        }
        LogLine { remove: Some(id), .. } => state.remove(&id).map_err(text)?,
        LogLine { commit: Some(batch), .. } => state.commit(batch)?,
        _ => return Err("it says nothing that this program knows".to_owned()),
    }
    Ok(line.n)
}
