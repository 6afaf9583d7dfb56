//! What is wrong in a file, and where.

use std::fmt::{self, Display};
use std::path::Path;

/// A fault in a file's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Diagnostic {
    /// From 1.
    pub(crate) line: usize,
    /// In characters, from 1.
    pub(crate) column: usize,
    pub(crate) message: String,
}

impl Diagnostic {
    /// At a byte of the text.
    pub(crate) fn at(text: &str, offset: usize, message: impl Display) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Self {
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            message: message.to_string(),
        }
    }
}

/// All faults of a file as one message.
pub(crate) fn report(path: &Path, diagnostics: &[Diagnostic]) -> String {
    let lines: Vec<String> = diagnostics.iter().map(|fault| format!("{}:{fault}", path.display())).collect();
    let count = match diagnostics.len() {
        1 => "nothing was changed".to_owned(),
        count => format!("{count} faults; nothing was changed"),
    };
    format!("{}\n{count}", lines.join("\n"))
}

impl Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.line, self.column, self.message)
    }
}
