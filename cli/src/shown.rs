//! Whom commands ask, and how what they answer is shown.

use clap::Args;
use matins::triggers::Zone;
pub(crate) use matins_daemon::read_answer as read;
use matins_daemon::system_zone;
pub(crate) use matins_terminal::answer::{json, json_line, line, print, property, raw, rows, tz_database};

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
