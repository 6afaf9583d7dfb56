//! Whom commands ask, and how what they answer is shown.

use clap::Args;
use matins::triggers::Zone;
use matins_daemon::{Failure, system_zone};
pub(crate) use matins_terminal::answer::{json, json_line, line, print, property, raw, rows, tz_database};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::target::Target;

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

/// What a daemon has answered, as this program knows it.
pub(crate) fn read<T: DeserializeOwned>(value: Value) -> Result<T, Failure> {
    serde_json::from_value(value).map_err(|error| {
        Failure::NotDone(format!("the daemon answers in a way that is not known here: {error}"))
    })
}
