//! What the scheduler's process and a worker say to each other: frames of JSON, each behind its length.
//!
//! A frame is four bytes, the length of what follows, little-endian, and a JSON value.

use std::io::{self, Read, Write};

use chrono::serde::ts_microseconds;
use chrono::{DateTime, Utc};
use matins_core::{JobId, Outcome, RunId, RunNote, TaskName, Value};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Longer than any argument or result should be; a longer frame is refused.
pub(crate) const LONGEST: usize = 256 << 20;

/// A run, on its way to a worker.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct RunFrame {
    pub(crate) run: RunId,
    pub(crate) job: JobId,
    pub(crate) task: TaskName,
    pub(crate) arguments: Value,
    /// In microseconds since 1970, which are read and written faster than text.
    #[serde(with = "ts_microseconds")]
    pub(crate) scheduled: DateTime<Utc>,
    #[serde(with = "ts_microseconds")]
    pub(crate) started: DateTime<Utc>,
    pub(crate) attempt: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cause: Option<RunId>,
}

/// What a worker says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FromWorker {
    /// The first word: this is a worker indeed.
    Hello,
    /// This run says something. A thread that it has left behind may do so when the worker is at another.
    Note(RunId, RunNote),
    /// The run has ended.
    Done(Done),
}

/// What came of a run.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Done {
    pub(crate) outcome: Outcome,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) message: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) output: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "matins_core::json::some")]
    pub(crate) result: Option<Value>,
    /// The task has not begun its work: it is to be tried again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) not_started: bool,
}

/// Writes a frame, in one write.
pub(crate) fn write(mut to: impl Write, buffer: &mut Vec<u8>, frame: &impl Serialize) -> io::Result<()> {
    buffer.clear();
    buffer.extend_from_slice(&[0; 4]);
    serde_json::to_writer(&mut *buffer, frame)?;
    let length = buffer.len() - 4;
    if length > LONGEST {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("{length} bytes are too much for a worker"),
        ));
    }
    buffer[..4].copy_from_slice(&(length as u32).to_le_bytes());
    to.write_all(buffer)
}

/// Frames as they come in, in whatever pieces.
#[derive(Debug)]
pub(crate) struct Incoming {
    piece: Box<[u8]>,
    bytes: Vec<u8>,
    /// So far they have been taken.
    taken: usize,
}

impl Default for Incoming {
    fn default() -> Self {
        Self { piece: vec![0; 64 << 10].into_boxed_slice(), bytes: Vec::new(), taken: 0 }
    }
}

impl Incoming {
    /// Reads what is there, once; the number of bytes, 0 at the end.
    pub(crate) fn read_from(&mut self, mut from: impl Read) -> io::Result<usize> {
        self.bytes.drain(..self.taken);
        self.taken = 0;
        loop {
            match from.read(&mut self.piece) {
                Ok(count) => {
                    self.bytes.extend_from_slice(&self.piece[..count]);
                    return Ok(count);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The next whole frame, if there is one.
    pub(crate) fn next<T: DeserializeOwned>(&mut self) -> io::Result<Option<T>> {
        let rest = &self.bytes[self.taken..];
        let Some((head, rest)) = rest.split_first_chunk::<4>() else { return Ok(None) };
        let length = u32::from_le_bytes(*head) as usize;
        if length > LONGEST {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "what it wrote is no frame"));
        }
        let Some(body) = rest.get(..length) else { return Ok(None) };
        let frame = serde_json::from_slice(body)?;
        self.taken += 4 + length;
        Ok(Some(frame))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_in_whole_in_whatever_pieces() {
        let mut sent = Vec::new();
        let mut buffer = Vec::new();
        for n in 0..50 {
            write(&mut sent, &mut buffer, &Value::from("x".repeat(n * 99))).unwrap();
        }
        for piece in [1, 7, 4096, sent.len()] {
            let (mut incoming, mut found) = (Incoming::default(), 0);
            for bytes in sent.chunks(piece) {
                let mut rest = bytes;
                while !rest.is_empty() {
                    incoming.read_from(&mut rest).unwrap();
                    while let Some(frame) = incoming.next::<String>().unwrap() {
                        assert_eq!(frame.len(), found * 99);
                        found += 1;
                    }
                }
            }
            assert_eq!(found, 50);
        }
    }

    #[test]
    fn what_is_no_frame_is_an_error() {
        for bytes in [&b"running 3 tests\n"[..], b"\x02\0\0\0{]"] {
            let mut incoming = Incoming::default();
            incoming.read_from(bytes).unwrap();
            assert!(incoming.next::<FromWorker>().is_err());
        }
    }
}
