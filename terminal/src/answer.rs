//! The answer of a command, on standard output: tables on a terminal, lines with tabs elsewhere, JSON on request.

use std::io::{self, ErrorKind};
use std::process;

use serde_json::Value;

use crate::{Text, notice, print_raw, secrets, stdout_is_terminal};

/// Prints rows under a heading: a table on a terminal; elsewhere a line each, without the heading, with tabs between.
pub fn rows(heading: &[&str], rows: Vec<Vec<String>>) {
    let heading: Vec<String> = heading.iter().map(|word| (*word).to_owned()).collect();
    if stdout_is_terminal() {
        let all: Vec<Vec<String>> = std::iter::once(heading).chain(rows).collect();
        print(&Text::table(&all));
    } else {
        print(&Text::tabbed(&rows));
    }
}

/// Prints an answer, or a part of one. Whoever reads it may have read enough (`matins runs | head`): then it is over.
pub fn print(text: &Text) {
    text.print().unwrap_or_else(|error| unwritten(&error));
}

/// Prints bytes as they are, whatever they do to a terminal.
pub fn raw(bytes: &[u8]) {
    print_raw(bytes).unwrap_or_else(|error| unwritten(&error));
}

/// Ends the command whose answer could not be written.
pub fn unwritten(error: &io::Error) -> ! {
    if error.kind() == ErrorKind::BrokenPipe {
        process::exit(0);
    }
    notice::error(format_args!("cannot write the answer: {error}"));
    process::exit(1)
}

/// Prints a line. What is not a [`Text`] becomes one: its newlines are shown, and begin no line.
pub fn line(text: impl Into<Text>) {
    print(&text.into().end_line());
}

/// Prints a line of what something is.
pub fn property(name: &str, text: impl Into<Text>) {
    line(Text::from(format_args!("  {name:<12} ")).text(&text.into()));
}

/// Prints which tz database is used, and what is wrong with it.
pub fn tz_database(version: &str, problems: &[String]) {
    property("tz database", version);
    for problem in problems {
        property("", problem);
    }
}

/// Prints JSON as people read it, without its secrets unless `--show-secrets` was given.
pub fn json(mut value: Value) {
    secrets::hide_unless_shown(&mut value);
    line(Text::pretty_json(&value));
}

/// Prints JSON on a line, as [`json`] does.
pub fn json_line(mut value: Value) {
    secrets::hide_unless_shown(&mut value);
    line(Text::json(&value));
}
