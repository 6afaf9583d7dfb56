//! Text, and the functions that make others' text harmless.

use std::borrow::Cow;
use std::fmt::Display;
use std::io::{self, IsTerminal, Write};

use anstyle::Style;
use serde_json::Value;

use crate::secrets;

/// Text that is safe to print: see the module.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Text(String);

impl Text {
    /// No text.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends text on the current line.
    #[must_use]
    pub fn and(mut self, text: impl Display) -> Self {
        self.0.push_str(&one_line(&text.to_string()));
        self
    }

    /// Appends text in a style.
    #[must_use]
    pub fn styled(mut self, style: Style, text: impl Display) -> Self {
        self.0.push_str(&format!("{style}{}{style:#}", one_line(&text.to_string())));
        self
    }

    /// Appends text of many lines: newlines and tabs in it stay.
    #[must_use]
    pub fn lines(mut self, text: impl Display) -> Self {
        self.0.push_str(&many_lines(&text.to_string()));
        self
    }

    /// Appends text of many lines, of which all but the first are indented: only a line of this program begins at the margin.
    #[must_use]
    pub fn indented(mut self, text: impl Display) -> Self {
        self.0.push_str(&many_lines(&text.to_string()).replace('\n', "\n  "));
        self
    }

    /// Appends another text.
    #[must_use]
    pub fn text(mut self, text: &Self) -> Self {
        self.0.push_str(&text.0);
        self
    }

    /// Returns whether there is no text.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns its length in bytes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Ends the line.
    #[must_use]
    pub fn end_line(mut self) -> Self {
        self.0.push('\n');
        self
    }

    /// Returns rows in aligned columns, two spaces apart and before; the first row is the heading.
    pub fn table(rows: &[Vec<String>]) -> Self {
        Self::table_page(rows, &mut Vec::new())
    }

    /// Returns a page of a long table. `widths` are the columns' so far: each page may make them wider, and none narrower.
    pub fn table_page(rows: &[Vec<String>], widths: &mut Vec<usize>) -> Self {
        let rows: Vec<Vec<String>> =
            rows.iter().map(|row| row.iter().map(|cell| one_line(cell)).collect()).collect();
        for row in &rows {
            widths.resize(widths.len().max(row.len()), 0);
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        let line = |row: &Vec<String>| {
            let cells = row.iter().zip(&*widths).map(|(cell, width)| format!("  {cell:width$}"));
            format!("{}\n", cells.collect::<String>().trim_end())
        };
        Self(rows.iter().map(line).collect())
    }

    /// Returns rows as lines with tabs between the cells, for programs.
    pub fn tabbed(rows: &[Vec<String>]) -> Self {
        let line =
            |row: &Vec<String>| row.iter().map(|cell| one_line(cell)).collect::<Vec<_>>().join("\t") + "\n";
        Self(rows.iter().map(line).collect())
    }

    /// Returns JSON on one line. It is exact: characters that could do something to a terminal are written as `\u009b`.
    pub fn json(value: &Value) -> Self {
        Self(escaped_json(&value.to_string()).into_owned())
    }

    /// Returns JSON as people read it, as exact as [`json`](Self::json).
    pub fn pretty_json(value: &Value) -> Self {
        Self(escaped_json(&format!("{value:#}")).into_owned())
    }

    /// Appends an item of an array that is printed as it comes: all items together, and `]` on a line, are as
    /// [`pretty_json`](Self::pretty_json) of the array.
    #[must_use]
    pub fn json_item(mut self, value: &Value, is_first: bool) -> Self {
        self.0.push(if is_first { '[' } else { ',' });
        // Texts have no line breaks in JSON: each line begins with the white space of the layout.
        for line in escaped_json(&format!("{value:#}")).lines() {
            self.0.push_str("\n  ");
            self.0.push_str(line);
        }
        self
    }

    /// Prints it to standard output.
    ///
    /// # Errors
    /// If that cannot be written.
    pub fn print(&self) -> io::Result<()> {
        #[allow(clippy::disallowed_methods, reason = "this is the one place")]
        let mut out = anstream::stdout().lock();
        out.write_all(self.0.as_bytes()).and_then(|()| out.flush())
    }

    /// Prints it to standard error.
    ///
    /// # Errors
    /// If that cannot be written.
    pub fn print_to_stderr(&self) -> io::Result<()> {
        #[allow(clippy::disallowed_methods, reason = "this is the one place")]
        let mut out = anstream::stderr().lock();
        out.write_all(self.0.as_bytes())
    }
}

impl<T: Display> From<T> for Text {
    fn from(text: T) -> Self {
        Self::new().and(text)
    }
}

/// Writes bytes to standard output as they are: what a job printed, where `--raw` asks for it, and files for programs.
///
/// # Errors
/// If that cannot be written.
pub fn print_raw(bytes: &[u8]) -> io::Result<()> {
    #[allow(clippy::disallowed_methods, reason = "this is the one place")]
    let mut out = io::stdout().lock();
    out.write_all(bytes).and_then(|()| out.flush())
}

/// Returns whether standard output is a terminal.
pub fn stdout_is_terminal() -> bool {
    #[allow(clippy::disallowed_methods, reason = "nothing is written")]
    io::stdout().is_terminal()
}

/// Returns whether standard error is a terminal.
pub fn stderr_is_terminal() -> bool {
    #[allow(clippy::disallowed_methods, reason = "nothing is written")]
    io::stderr().is_terminal()
}

/// Standard error for libraries that write lines of their own: each write is made harmless.
#[derive(Debug, Clone, Copy)]
pub struct LibraryLog {
    /// Whether what is written is JSON.
    pub is_json: bool,
}

impl Write for LibraryLog {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let line = String::from_utf8_lossy(bytes);
        let text = match serde_json::from_str::<Value>(&line) {
            Ok(mut value) if self.is_json => {
                secrets::hide_unless_shown(&mut value);
                Text::json(&value).end_line()
            }
            _ => Text::new().indented(line.trim_end_matches('\n')).end_line(),
        };
        text.print_to_stderr().map(|()| bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Makes a text harmless, and shows its newlines and tabs: for what has its place on one line.
pub fn one_line(text: &str) -> String {
    visible(&secrets::hidden_in_text(text), |_| false)
}

/// Makes a text harmless that has lines.
fn many_lines(text: &str) -> String {
    visible(&secrets::hidden_in_text(text), |c| matches!(c, '\n' | '\t'))
}

fn visible(text: &str, stays: impl Fn(char) -> bool) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            c if !is_harmful(c) || stays(c) => shown.push(c),
            // `\n`, `\t`, `\r`, `\u{1b}`.
            c => shown.extend(c.escape_default()),
        }
    }
    shown
}

/// Returns whether a character does something to a terminal or to the text around it, or takes no place though it differs:
/// controls (Unicode's category Cc), line and paragraph separators, and the format and filler characters that nobody sees.
pub fn is_harmful(c: char) -> bool {
    c.is_control()
        || (!c.is_ascii()
            && matches!(c,
                '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
                | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
                | '\u{3164}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}'
                | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}'))
}

/// Writes the harmful characters of serialized JSON as escapes. They are in strings only: newlines are between its values.
pub fn escaped_json(text: &str) -> Cow<'_, str> {
    let is_escaped = |c: char| is_harmful(c) && c != '\n';
    if !text.contains(is_escaped) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len());
    let mut units = [0; 2];
    for c in text.chars() {
        if is_escaped(c) {
            for unit in c.encode_utf16(&mut units) {
                escaped.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            escaped.push(c);
        }
    }
    Cow::Owned(escaped)
}

#[cfg(test)]
mod tests {
    use anstyle::AnsiColor;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    /// Characters that a terminal obeys, or that nobody sees.
    const HARMFUL: &str = "\0\u{7}\u{8}\r\u{b}\u{c}\u{1b}\u{7f}\u{80}\u{84}\u{85}\u{90}\u{9b}\u{9c}\u{9d}\u{9f}\u{61c}\u{200b}\
                           \u{200c}\u{200d}\u{200e}\u{200f}\u{2028}\u{2029}\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}\u{2060}\u{2066}\
                           \u{2067}\u{2068}\u{2069}\u{feff}\u{ad}\u{e0041}";

    #[test]
    fn harmful_characters_are_shown_as_escapes() {
        let text = Text::new().and("a\x1b]0;x\x07\nb\tc\u{202e}é ⚠\u{fe0f}");
        assert_eq!(text.0, "a\\u{1b}]0;x\\u{7}\\nb\\tc\\u{202e}é ⚠\u{fe0f}");
        assert_eq!(Text::new().lines("a\n\tb\r\n").0, "a\n\tb\\r\n");
        assert_eq!(Text::new().and("error: ").indented("a\nerror: b").0, "error: a\n  error: b");
        for c in HARMFUL.chars() {
            assert!(is_harmful(c), "{c:?}");
            assert!(Text::from(c).0.is_ascii(), "{c:?}");
        }
        let red = AnsiColor::Red.on_default();
        assert_eq!(Text::new().styled(red, "\x1b[0m").0, "\u{1b}[31m\\u{1b}[0m\u{1b}[0m");
    }

    #[test]
    fn cells_of_a_table_are_one_line_each() {
        let rows = [vec!["A".to_owned(), "B".to_owned()], vec!["x\ny".to_owned(), "\t".to_owned()]];
        assert_eq!(Text::table(&rows).0, "  A     B\n  x\\ny  \\t\n");
        assert_eq!(Text::tabbed(&rows).0, "A\tB\nx\\ny\t\\t\n");
    }

    proptest! {
        #[test]
        fn no_text_has_a_harmful_character(text in "(?s:.){0,40}", harmful in prop::collection::vec(prop::sample::select(HARMFUL.chars().collect::<Vec<_>>()), 0..6)) {
            let text = harmful.into_iter().chain(text.chars()).collect::<String>();
            let shown = Text::new().and(&text).lines(&text).indented(&text).text(&Text::tabbed(&[vec![text.clone()]]));
            prop_assert!(!shown.0.contains(|c| is_harmful(c) && c != '\n' && c != '\t'), "{shown:?}");
            let value = json!({"a": [text]});
            for json in [Text::json(&value), Text::pretty_json(&value)] {
                prop_assert!(!json.0.contains(|c| is_harmful(c) && c != '\n'), "{json:?}");
                prop_assert_eq!(serde_json::from_str::<Value>(&json.0).unwrap(), value.clone());
            }
        }
    }
}
