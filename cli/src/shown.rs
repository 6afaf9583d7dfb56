//! How lists and times are shown: tables on a terminal, lines with tabs elsewhere, JSON on request.

use std::io::{self, ErrorKind};
use std::process;

use clap::Args;
use matins::triggers::Zone;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::target::Target;
use matins_daemon::Failure;
use matins_daemon::system_zone;
use matins_terminal::{self as terminal, Text};
use matins_terminal::{notice, secrets};

/// In which zone times are shown.
#[derive(Debug, Clone, Args)]
pub(crate) struct Times {
    /// Shows times in UTC.
    #[arg(long, conflicts_with = "tz")]
    pub(crate) utc: bool,
    /// Shows times in this zone, and reads them in it [default: this machine's]
    #[arg(long, value_name = "ZONE")]
    pub(crate) tz: Option<Zone>,
}

impl Times {
    /// Returns that zone.
    ///
    /// # Errors
    /// If none is named and this machine's cannot be told.
    pub(crate) fn zone(&self) -> Result<Zone, String> {
        if self.utc { Ok(Zone::utc()) } else { self.tz.map_or_else(system_zone, Ok) }
    }
}

/// Whom to ask, and how the answer is shown.
#[derive(Debug, Clone, Args)]
pub(crate) struct AskArguments {
    #[command(flatten)]
    pub(crate) times: Times,
    /// As JSON; of `watch`, a line for each event.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) target: Target,
}

/// Prints rows under a heading: a table on a terminal; elsewhere a line each, without the heading, with tabs between.
pub(crate) fn rows(heading: &[&str], rows: Vec<Vec<String>>) {
    let heading: Vec<String> = heading.iter().map(|word| (*word).to_owned()).collect();
    if terminal::stdout_is_terminal() {
        let all: Vec<Vec<String>> = std::iter::once(heading).chain(rows).collect();
        print(&Text::table(&all));
    } else {
        print(&Text::tabbed(&rows));
    }
}

/// Prints an answer, or a part of one. Whoever reads it may have read enough (`matins runs | head`): then it is over.
pub(crate) fn print(text: &Text) {
    text.print().unwrap_or_else(|error| unwritten(&error));
}

/// Prints bytes as they are, whatever they do to a terminal.
pub(crate) fn raw(bytes: &[u8]) {
    terminal::print_raw(bytes).unwrap_or_else(|error| unwritten(&error));
}

/// Ends the command whose answer could not be written.
pub(crate) fn unwritten(error: &io::Error) -> ! {
    if error.kind() == ErrorKind::BrokenPipe {
        process::exit(0);
    }
    notice::error(format_args!("cannot write the answer: {error}"));
    process::exit(1)
}

/// Prints a line. What is not a [`Text`] becomes one: its newlines are shown, and begin no line.
pub(crate) fn line(text: impl Into<Text>) {
    print(&text.into().end_line());
}

/// Prints a line of what something is.
pub(crate) fn property(name: &str, text: impl Into<Text>) {
    line(Text::from(format_args!("  {name:<12} ")).text(&text.into()));
}

/// Prints which tz database is used, and what is wrong with it.
pub(crate) fn tz_database(version: &str, problems: &[String]) {
    property("tz database", version);
    for problem in problems {
        property("", problem);
    }
}

/// Prints JSON as people read it, without its secrets unless `--show-secrets` was given.
pub(crate) fn json(mut value: Value) {
    secrets::hide_unless_shown(&mut value);
    line(Text::pretty_json(&value));
}

/// Prints JSON on a line, as [`json`] does.
pub(crate) fn json_line(mut value: Value) {
    secrets::hide_unless_shown(&mut value);
    line(Text::json(&value));
}

/// What a daemon has answered, as this program knows it.
pub(crate) fn read<T: DeserializeOwned>(value: Value) -> Result<T, Failure> {
    serde_json::from_value(value).map_err(|error| {
        Failure::NotDone(format!("the daemon answers in a way that is not known here: {error}"))
    })
}
