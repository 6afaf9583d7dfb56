//! How lists and times are shown: tables on a terminal, lines with tabs elsewhere, JSON on request.

use std::fmt::Display;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::process;

use clap::Args;
use matins::triggers::Zone;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::control::client::Target;
use crate::failure::Failure;
use crate::zone_rules::system_zone;
use crate::{notice, show};

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
    if io::stdout().is_terminal() {
        let all: Vec<Vec<String>> = std::iter::once(heading).chain(rows).collect();
        print(&show::table(&all));
    } else {
        let lines: Vec<String> = rows.iter().map(|row| row.join("\t") + "\n").collect();
        print(&lines.concat());
    }
}

/// Prints an answer, or a part of one. Whoever reads it may have read enough (`matins runs | head`): then it is over.
pub(crate) fn print(text: &str) {
    let mut out = anstream::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).unwrap_or_else(|error| unwritten(&error));
}

/// Ends the command whose answer could not be written.
pub(crate) fn unwritten(error: &io::Error) -> ! {
    if error.kind() == ErrorKind::BrokenPipe {
        process::exit(0);
    }
    notice::error(format_args!("cannot write the answer: {error}"));
    process::exit(1)
}

pub(crate) fn line(text: impl Display) {
    print(&format!("{text}\n"));
}

/// Prints a line of what something is.
pub(crate) fn property(name: &str, text: impl Display) {
    line(format_args!("  {name:<12} {text}"));
}

/// Prints which tz database is used, and what is wrong with it.
pub(crate) fn tz_database(version: &str, problems: &[String]) {
    property("tz database", version);
    for problem in problems {
        property("", problem);
    }
}

/// Prints JSON as people read it.
pub(crate) fn json(value: &Value) {
    line(format_args!("{value:#}"));
}

/// What a daemon has answered, as this program knows it.
pub(crate) fn read<T: DeserializeOwned>(value: Value) -> Result<T, Failure> {
    serde_json::from_value(value).map_err(|error| {
        Failure::NotDone(format!("the daemon answers in a way that is not known here: {error}"))
    })
}
