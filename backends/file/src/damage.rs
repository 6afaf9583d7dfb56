//! What is wrong with a file, and where.

use std::path::{Path, PathBuf};

use matins_core::StoreError;

use crate::format::{FORMAT, Head};
use crate::line::excerpt;

/// The bytes of a file, read line by line.
pub(crate) struct Reader<'a> {
    pub(crate) path: &'a Path,
    pub(crate) bytes: &'a [u8],
}

/// A line of a file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FileLine<'a> {
    /// From 1.
    pub(crate) number: usize,
    /// In bytes, from 0.
    pub(crate) offset: usize,
    /// Without its newline.
    pub(crate) bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    /// The lines that are not empty.
    pub(crate) fn lines(&self) -> impl Iterator<Item = FileLine<'a>> {
        let mut offset = 0;
        let lines = self.bytes.split(|byte| *byte == b'\n').enumerate().map(move |(index, bytes)| {
            let line = FileLine { number: index + 1, offset, bytes };
            offset += bytes.len() + 1;
            line
        });
        lines.filter(|line| !line.bytes.is_empty())
    }

    /// The first line, as far as there is one.
    pub(crate) fn start(&self) -> FileLine<'a> {
        self.lines().next().unwrap_or_else(|| self.end())
    }

    /// Behind the last line.
    pub(crate) fn end(&self) -> FileLine<'a> {
        let number = self.lines().last().map_or(1, |line| line.number + 1);
        FileLine { number, offset: self.bytes.len(), bytes: &[] }
    }

    /// Whether a head is that of our file, in a format that we know.
    pub(crate) fn check(&self, head: &Head, kind: &str) -> Result<(), StoreError> {
        if head.matins != kind {
            return Err(
                self.error_at_start(&format!("it is a {:?}, and a {kind} belongs there", head.matins))
            );
        }
        if head.format > FORMAT {
            let (path, found) = (self.path.to_owned(), head.format);
            return Err(StoreError::TooNew { path, found, known: FORMAT });
        }
        Ok(())
    }

    pub(crate) fn error_at_start(&self, what: &str) -> StoreError {
        damaged(self.path, "line 1, byte 0", what)
    }
}

pub(crate) fn damaged(path: &Path, place: &str, what: &str) -> StoreError {
    StoreError::Damaged {
        place: format!("{}, {place}", path.display()),
        what: what.to_owned(),
        cure: "nothing was changed; see what `matins store repair` would drop, or restore the directory from a backup",
        source: None,
    }
}

/// A line that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DamagedLine {
    /// The file.
    pub path: PathBuf,
    /// Its number, from 1.
    pub line: usize,
    /// Where it begins, in bytes from 0.
    pub offset: usize,
    /// How it begins.
    pub text: String,
    /// What is wrong with it.
    pub what: String,
}

impl std::fmt::Display for DamagedLine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { path, line, offset, text, what } = self;
        write!(f, "{}, line {line}, byte {offset}: {what}; it begins {text}", path.display())
    }
}

/// What to do with a line that cannot be used: to open a store, refuse; to repair one, note it and continue.
pub(crate) enum Damage<'a> {
    Refuse(&'a Path),
    Note { path: &'a Path, lines: &'a mut Vec<DamagedLine> },
}

impl Damage<'_> {
    pub(crate) fn is_noted(&self) -> bool {
        matches!(self, Self::Note { .. })
    }

    pub(crate) fn found(&mut self, line: &FileLine<'_>, what: &str) -> Result<(), StoreError> {
        match self {
            Self::Refuse(path) => {
                let place = format!("line {}, byte {}", line.number, line.offset);
                Err(damaged(path, &place, &format!("{what} ({})", excerpt(line.bytes))))
            }
            Self::Note { path, lines } => {
                lines.push(DamagedLine {
                    path: (*path).to_owned(),
                    line: line.number,
                    offset: line.offset,
                    text: excerpt(line.bytes),
                    what: what.to_owned(),
                });
                Ok(())
            }
        }
    }
}
