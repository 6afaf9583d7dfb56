//! The one way to a terminal: what is printed for people is a [`Text`], and no character in a `Text` can do anything to the
//! terminal that shows it.
//!
//! Job ids, messages, output, file names and error messages come from elsewhere. In a terminal, their control characters
//! clear the screen, set the title of the window or the clipboard, or write over other lines; characters that nobody sees
//! (U+200B) or that turn the direction of a line (U+202E) make one text look like another. All of them are shown as
//! `\u{1b}` here, and a newline or a tab in what has one line as `\n` and `\t`. Secrets are hidden at the same place. Colours
//! and line breaks are those that this program puts in itself.
//!
//! Nothing else in the command and its daemon may write to standard output or standard error: `clippy.toml` sees to that.
//!
//! This is a part of the command: its items are for the command and its daemon alone, and change with them.

// `clippy.toml` names the functions that nothing else may call.
#![warn(clippy::print_stdout, clippy::print_stderr, clippy::dbg_macro)]

pub mod answer;
pub mod notice;
pub mod secrets;
mod text;

pub use text::{
    LibraryLog, Text, escaped_json, is_harmful, one_line, print_raw, stderr_is_terminal, stdout_is_terminal,
};
