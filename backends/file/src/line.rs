//! A line: one JSON object that carries its own checksum.
//!
//! `{"crc":"1c291ca3","job":{...}}`: the CRC-32 (ISO 3309, as in gzip) of all bytes behind that first field, the newline
//! quarantined. So `jq` reads it, and a changed bit shows.
//!
//! The lines of a log say how long they are as well: `{"crc":"1c291ca3","len":"00000000012f-5e6f7081","n":1,...}`, the
//! number of bytes without the newline, in hexadecimal, and the CRC-32 of these twelve digits. So a last line that was not
//! written to its end (*torn*) can be told from one that was changed later.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// How each line begins, up to the checksum's eight digits.
const START: &[u8] = b"{\"crc\":\"";
/// The bytes before those that are summed: `{"crc":"00000000",`.
const SUMMED_FROM: usize = START.len() + 8 + 2;

/// What follows the checksum in a line that says how long it is, up to the length.
const LENGTH: &[u8] = b"\",\"len\":\"";
const LENGTH_AT: usize = START.len() + 8 + LENGTH.len();
const LENGTH_DIGITS: usize = 12;
/// The bytes up to the first field of a line that says how long it is: its frame.
const FRAME: usize = LENGTH_AT + LENGTH_DIGITS + 1 + 8 + 2;

/// The smallest piece of a file that a disk writes as a whole, in bytes.
const SECTOR: usize = 512;

/// A line that is being written: its checksum comes at the end, and goes to the beginning.
pub(crate) struct Open {
    start: usize,
    is_framed: bool,
}

impl Open {
    /// Appends the beginning, the comma before the first field included.
    pub(crate) fn begin(into: &mut Vec<u8>) -> Self {
        let start = into.len();
        into.extend_from_slice(b"{\"crc\":\"00000000\",");
        Self { start, is_framed: false }
    }

    /// As [`begin`](Self::begin), for a line that says how long it is.
    pub(crate) fn begin_framed(into: &mut Vec<u8>) -> Self {
        let start = into.len();
        into.extend_from_slice(b"{\"crc\":\"00000000\",\"len\":\"000000000000-00000000\",");
        Self { start, is_framed: true }
    }

    /// Sums what was appended since, the closing brace included, and appends the newline.
    pub(crate) fn end(self, into: &mut Vec<u8>) {
        let line = &mut into[self.start..];
        if self.is_framed {
            let length = length_field(line.len());
            line[LENGTH_AT..LENGTH_AT + length.len()].copy_from_slice(length.as_bytes());
        }
        let sum = format!("{:08x}", crc32fast::hash(&line[SUMMED_FROM..]));
        line[START.len()..START.len() + 8].copy_from_slice(sum.as_bytes());
        into.push(b'\n');
    }

    /// Appends the fields of `value`, which must be a JSON object with at least one, and ends the line.
    fn end_with(self, into: &mut Vec<u8>, value: &impl Serialize) -> serde_json::Result<()> {
        // The comma gives way to the object's opening brace, and takes its place.
        let object = into.len() - 1;
        into.truncate(object);
        serde_json::to_writer(&mut *into, value)?;
        into[object] = b',';
        self.end(into);
        Ok(())
    }
}

fn length_field(length: usize) -> String {
    let digits = format!("{length:012x}");
    let sum = crc32fast::hash(digits.as_bytes());
    format!("{digits}-{sum:08x}")
}

/// Appends `value`, which must be a JSON object with at least one field, as a line with its newline.
pub(crate) fn write(into: &mut Vec<u8>, value: &impl Serialize) -> serde_json::Result<()> {
    Open::begin(into).end_with(into, value)
}

/// As [`write`], for a line that says how long it is.
pub(crate) fn write_framed(into: &mut Vec<u8>, value: &impl Serialize) -> serde_json::Result<()> {
    Open::begin_framed(into).end_with(into, value)
}

/// The length that a line says it has, without its newline; `None` if its frame is not as it was written.
fn length(line: &[u8]) -> Option<usize> {
    let frame = line.get(..FRAME)?;
    let digits = std::str::from_utf8(&frame[LENGTH_AT..LENGTH_AT + LENGTH_DIGITS]).ok()?;
    let length = usize::from_str_radix(digits, 16).ok()?;
    let is_whole = frame.starts_with(START)
        && frame[START.len() + 8..].starts_with(LENGTH)
        && frame[LENGTH_AT..FRAME - 2] == *length_field(length).as_bytes()
        && frame.ends_with(b"\",");
    is_whole.then_some(length)
}

/// Whether the line at `start`, which is not sound and the last one, was not written to its end.
///
/// A process that ends in the middle of a write leaves the beginning of a line, and a power cut leaves some of its
/// sectors. What is missing reads as the newlines that were laid out there, as zeros, or as the end of the file. A line
/// has neither newlines nor zeros, and a changed bit makes neither of its first or last byte.
pub(crate) fn is_torn(bytes: &[u8], start: usize) -> bool {
    let is_missing = |byte: &u8| matches!(byte, b'\n' | 0);
    let tail = &bytes[start..];
    // Where the frame itself is torn, it is what counts.
    let Some(line) = tail.get(..length(tail).unwrap_or(FRAME)) else { return true };
    let (first_sector, others) = line.split_at((SECTOR - start % SECTOR).min(line.len()));
    line.first().is_none_or(is_missing)
        || line.last().is_none_or(is_missing)
        || first_sector.iter().all(is_missing)
        || others.chunks(SECTOR).any(|sector| sector.iter().all(is_missing))
}

/// Whether a line, without its newline, is as it was written.
pub(crate) fn is_sound(line: &[u8]) -> bool {
    let Some(summed) = line.get(SUMMED_FROM..) else { return false };
    line.starts_with(START)
        && line[START.len() + 8..SUMMED_FROM] == *b"\","
        && line[START.len()..START.len() + 8] == *format!("{:08x}", crc32fast::hash(summed)).as_bytes()
}

/// The value of a sound line.
pub(crate) fn read<T: DeserializeOwned>(line: &[u8]) -> serde_json::Result<T> {
    // An unknown field to those who read it: the checksum is passed over.
    serde_json::from_slice(line)
}

/// The first sound line that begins anywhere in `bytes`, as an offset.
pub(crate) fn find(bytes: &[u8]) -> Option<usize> {
    let starts = bytes.windows(START.len()).enumerate().filter(|(_, window)| *window == START);
    starts.map(|(start, _)| start).find(|start| {
        let rest = &bytes[*start..];
        is_sound(rest.split(|byte| *byte == b'\n').next().unwrap_or(rest))
    })
}

/// The beginning of a line, for showing it.
pub(crate) fn excerpt(line: &[u8]) -> String {
    let text: String = String::from_utf8_lossy(line).chars().take(60).collect();
    format!("{text:?}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn a_line_reads_back_and_every_changed_bit_shows() {
        let mut bytes = Vec::new();
        let value = json!({"job": {"id": "näme", "text": "{\"crc\":\"00000000\",\n"}});
        write(&mut bytes, &value).unwrap();
        let line = bytes.strip_suffix(b"\n").unwrap();
        assert!(is_sound(line) && !line.contains(&b'\n'));
        assert_eq!(read::<Value>(line).unwrap()["job"], value["job"]);
        assert_eq!(find(&bytes), Some(0));
        for bit in 0..line.len() * 8 {
            let mut changed = line.to_vec();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(!is_sound(&changed), "bit {bit}");
        }
        for end in 0..line.len() {
            assert!(!is_sound(&line[..end]));
        }
    }
}
