//! A line: one JSON object that carries its own checksum.
//!
//! `{"crc":"1c291ca3","job":{...}}`: the CRC-32 (ISO 3309, as in gzip) of all bytes behind that first field, the newline
//! aside. So `jq` reads it, and a changed bit shows.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// How each line begins, up to the checksum's eight digits.
const START: &[u8] = b"{\"crc\":\"";
/// The bytes before those that are summed: `{"crc":"00000000",`.
const SUMMED_FROM: usize = START.len() + 8 + 2;

/// A line that is being written: its checksum comes at the end, and goes to the beginning.
pub(crate) struct Open {
    start: usize,
}

impl Open {
    /// Appends the beginning, the comma before the first field included.
    pub(crate) fn begin(into: &mut Vec<u8>) -> Self {
        let start = into.len();
        into.extend_from_slice(b"{\"crc\":\"00000000\",");
        Self { start }
    }

    /// Sums what was appended since, the closing brace included, and appends the newline.
    pub(crate) fn end(self, into: &mut Vec<u8>) {
        let Self { start } = self;
        let sum = format!("{:08x}", crc32fast::hash(&into[start + SUMMED_FROM..]));
        into[start + START.len()..start + START.len() + 8].copy_from_slice(sum.as_bytes());
        into.push(b'\n');
    }
}

/// Appends `value`, which must be a JSON object with at least one field, as a line with its newline.
pub(crate) fn write(into: &mut Vec<u8>, value: &impl Serialize) -> serde_json::Result<()> {
    let line = Open::begin(into);
    // The comma gives way to the object's opening brace, and takes its place.
    let object = into.len() - 1;
    into.truncate(object);
    serde_json::to_writer(&mut *into, value)?;
    into[object] = b',';
    line.end(into);
    Ok(())
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
