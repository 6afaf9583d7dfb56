//! The log: what was changed since the snapshot, one line and one flush of the disk for each change.
//!
//! The file is laid out in advance with newlines, and written over: a write that does not make a file longer needs one
//! flush less of the file system's own journal.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use matins_core::{Run, StoreError};
use matins_store_owner::FileId;
use serde_json::Value;

use crate::damage::{Damage, Reader};
use crate::format::{Change, FORMAT, Head, HeadLine, LogLine, Put, SnapshotLine, State};
use crate::{TornTail, line, snapshot};

/// By how much the file is laid out in advance, in bytes.
const LAID_OUT: usize = 1 << 20;

#[derive(Debug)]
pub(crate) struct Log {
    file: File,
    pub(crate) id: FileId,
    /// Where the next line goes.
    pub(crate) end: u64,
    /// How long the file is.
    laid_out: u64,
    /// The number of the last line.
    last: u64,
    buffer: Vec<u8>,
}

impl Log {
    /// Makes an empty log in the place of the one before.
    pub(crate) fn create(path: &Path, generation: u64) -> io::Result<Self> {
        let beside = path.with_extension("jsonl.new");
        let head =
            Head { matins: "log".to_owned(), format: FORMAT, generation, jobs: 0, runs: 0, last_run: 0 };
        let mut buffer = Vec::new();
        line::write(&mut buffer, &HeadLine { head: &head })?;
        let options = || OpenOptions::new().read(true).write(true).clone();
        let file = options().create(true).truncate(true).mode(0o600).open(&beside)?;
        file.write_all_at(&buffer, 0)?;
        file.sync_all()?;
        fs::rename(&beside, path)?;
        snapshot::sync_directory(path)?;
        let end = buffer.len() as u64;
        Ok(Self { id: FileId::from(&file.metadata()?), file, end, laid_out: end, last: 0, buffer })
    }

    /// Goes on with a log whose sound lines end at `end`.
    pub(crate) fn resume(path: &Path, end: u64, last: u64) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        file.set_len(end)?;
        let mut log =
            Self { id: FileId::from(&file.metadata()?), file, end, laid_out: end, last, buffer: Vec::new() };
        let mut newline = [0];
        log.file.read_exact_at(&mut newline, end.saturating_sub(1))?;
        if newline != *b"\n" {
            // Cut right behind its last line.
            log.file.write_all_at(b"\n", end)?;
            log.end += 1;
            log.laid_out += 1;
        }
        log.file.sync_all()?;
        Ok(log)
    }

    /// Prepares a change as the next line.
    pub(crate) fn prepare(&mut self, change: &Change<'_>) -> io::Result<()> {
        self.buffer.clear();
        Ok(change.write(self.last + 1, &mut self.buffer)?)
    }

    /// Appends the line that is prepared and flushes the disk. After an error the file may hold it or not.
    pub(crate) fn append(&mut self) -> io::Result<()> {
        let end = self.end + self.buffer.len() as u64;
        if end > self.laid_out {
            // One write for the line and for the room behind it.
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
        // What is laid out and not used is only for this process; left there, it does no harm.
        let _ = self.file.set_len(self.end);
    }
}

/// What a log was found to hold behind its head.
pub(crate) struct Replayed {
    pub(crate) end: u64,
    pub(crate) last: u64,
    pub(crate) torn: Option<TornTail>,
}

/// The head of a log.
pub(crate) fn head(reader: &Reader<'_>) -> Result<Head, StoreError> {
    let first = reader.lines().next().filter(|line| line.number == 1 && line::is_sound(line.bytes));
    let head = first.and_then(|first| line::read::<SnapshotLine<Value>>(first.bytes).ok()?.head);
    let head = head.ok_or_else(|| reader.error_at_start("its first line was cut or changed"))?;
    reader.check(&head, "log")?;
    Ok(head)
}

/// What is wrong with a log that follows neither the snapshot that is there nor the one before it.
pub(crate) fn of_another_snapshot(log: u64, snapshot: u64) -> String {
    format!("it follows snapshot {log}, and the snapshot that is there is {snapshot}")
}

/// Applies the changes of a log to the state that its snapshot holds.
///
/// The process may have died in the middle of the last line, which nobody was told of then: it is left out. Anything else
/// that is not sound goes to `damage`.
pub(crate) fn replay(
    reader: &Reader<'_>,
    state: &mut State,
    damage: &mut Damage<'_>,
) -> Result<Replayed, StoreError> {
    let mut replayed = Replayed { end: 0, last: 0, torn: None };
    let mut end_of_sound = 0;
    for line in reader.lines() {
        if !line::is_sound(line.bytes) {
            if line::find(&reader.bytes[line.offset + 1..]).is_some() {
                damage.found(&line, "its checksum does not fit, and sound lines follow: it was changed")?;
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
        end_of_sound = (line.offset + line.bytes.len() + 1).min(reader.bytes.len());
        if line.number > 1 {
            match apply(line.bytes, state, replayed.last + 1, damage.is_noted()) {
                Ok(number) => replayed.last = number,
                Err(what) => damage.found(&line, &what)?,
            }
        }
    }
    replayed.end = end_of_sound as u64;
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
    let line = match line::read::<LogLine<matins_core::Job>>(bytes) {
        Ok(line) => line,
        // Jobs of a kind that this program does not know are kept as they are.
        Err(error) => {
            let line = line::read::<LogLine<Value>>(bytes).map_err(|_| error.to_string())?;
            let Some(Put { jobs, runs }) = line.put else { return Err(error.to_string()) };
            in_order(line.n)?;
            state.put(jobs, runs.into_iter().map(Run::from).collect()).map_err(text)?;
            return Ok(line.n);
        }
    };
    in_order(line.n)?;
    match line {
        LogLine { put: Some(Put { jobs, runs }), .. } => {
            state.put_read(jobs, runs.into_iter().map(Run::from).collect()).map_err(text)?;
        }
        LogLine { remove: Some(id), .. } => state.remove(&id).map_err(text)?,
        LogLine { commit: Some(batch), .. } => state.commit(batch).map_err(text)?,
        _ => return Err("it says nothing that this program knows".to_owned()),
    }
    Ok(line.n)
}
