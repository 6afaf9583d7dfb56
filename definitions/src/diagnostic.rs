//! What is wrong in a file, and where.

use std::fmt::{self, Display};
use std::path::Path;

/// A fault in a file's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
    /// What is wrong, and what to write.
    pub message: String,
}

impl Diagnostic {
    /// A fault at a byte of a text.
    ///
    /// ```
    /// use matins_definitions::Diagnostic;
    ///
    /// let fault = Diagnostic::at("first\nsecond", 8, "no such word");
    /// assert_eq!(fault.to_string(), "2:3: no such word");
    /// ```
    pub fn at(text: &str, offset: usize, message: impl Display) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Self {
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            message: message.to_string(),
        }
    }
}

/// Returns all faults of a file as one message, which ends by saying that nothing was changed.
///
/// ```
/// use std::path::Path;
///
/// use matins_definitions::{Diagnostic, report};
///
/// let fault = Diagnostic::at("first\nsecond", 8, "no such word");
/// assert_eq!(report(Path::new("jobs.toml"), &[fault]), "jobs.toml:2:3: no such word\nnothing was changed");
/// ```
pub fn report(path: &Path, diagnostics: &[Diagnostic]) -> String {
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
