//! A store on a disk: a log, to which each commit appends one line.

use super::{Change, Disk, State, Store, StoreError, decode, encode};

// ANCHOR: log
/// Remembers on a disk. A line of the log is a commit: a checksum, a space,
/// and the changes as text.
#[derive(Debug)]
pub struct LogStore<D> {
    disk: D,
    state: State,
    /// Whether a commit has failed, so that it is unknown what is on the disk.
    is_unknown: bool,
}
// ANCHOR_END: log

// ANCHOR: crc
/// Returns the CRC-32 of some bytes: the remainder of a division, in which
/// each single wrong bit shows.
fn checksum(bytes: &[u8]) -> u32 {
    let step = |rest: u32, _| match rest & 1 {
        1 => rest >> 1 ^ 0xEDB8_8320,
        _ => rest >> 1,
    };
    let add = |rest: u32, byte: &u8| (0..8).fold(rest ^ u32::from(*byte), step);
    !bytes.iter().fold(!0, add)
}
// ANCHOR_END: crc

// ANCHOR: line
fn encode_line(changes: &[Change]) -> String {
    let text = encode(changes);
    format!("{:08x} {text}\n", checksum(text.as_bytes()))
}

/// Reads a line without its end. `None` if it is damaged.
fn decode_line(line: &[u8]) -> Option<Vec<Change>> {
    let line = str::from_utf8(line).ok()?;
    let (sum, text) = line.split_at_checked(8)?;
    let text = text.strip_prefix(' ')?;
    if u32::from_str_radix(sum, 16).ok()? != checksum(text.as_bytes()) {
        return None;
    }
    decode(text)
}
// ANCHOR_END: line

impl<D: Disk> LogStore<D> {
    // ANCHOR: open
    /// Opens the store that is on a disk. If the last commit is torn, because
    /// the power failed during it, it is removed.
    ///
    /// # Errors
    /// If the disk fails, or if the log is damaged before its last line.
    pub fn open(mut disk: D) -> Result<Self, StoreError> {
        let bytes = disk.read()?;
        let mut state = State::default();
        let mut good = 0;
        let mut damaged = None;
        for (index, line) in
            bytes.split_inclusive(|it| *it == b'\n').enumerate()
        {
            let changes = line.strip_suffix(b"\n").and_then(decode_line);
            match (changes, damaged) {
                (Some(_), Some(line)) => {
                    return Err(StoreError::Damaged { line });
                }
                (Some(changes), None) => {
                    changes.iter().for_each(|change| state.apply(change));
                    good += line.len();
                }
                (None, _) => damaged = damaged.or(Some(index + 1)),
            }
        }
        if good < bytes.len() {
            disk.truncate(good as u64)?;
            disk.sync()?;
        }
        Ok(Self { disk, state, is_unknown: false })
    }
    // ANCHOR_END: open
}

// ANCHOR: commit
impl<D: Disk> Store for LogStore<D> {
    fn state(&self) -> &State {
        &self.state
    }

    fn commit(&mut self, changes: &[Change]) -> Result<(), StoreError> {
        if self.is_unknown {
            return Err(StoreError::Unknown);
        }
        let line = encode_line(changes);
        self.is_unknown = true;
        self.disk.append(line.as_bytes())?;
        self.disk.sync()?;
        self.is_unknown = false;
        changes.iter().for_each(|change| self.state.apply(change));
        Ok(())
    }
}
// ANCHOR_END: commit
