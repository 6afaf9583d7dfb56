//! A file that a command looks at.

use std::path::PathBuf;

use clap::Args;
use matins::definitions::crontab::Form;
use matins::triggers::Zone;
use matins_daemon::Sources;

/// A file that a command looks at.
#[derive(Debug, Args)]
pub(crate) struct FileArguments {
    /// A configuration if its name ends in .toml or .json, else a crontab.
    pub(crate) file: PathBuf,
    /// The crontab has a user between the times and the command, as /etc/crontab and the files of /etc/cron.d have.
    #[arg(long)]
    system: bool,
}

impl FileArguments {
    pub(crate) fn sources(&self, zone: Option<Zone>) -> Sources {
        let form = if self.system { Form::System } else { Form::User };
        let file = Some(self.file.clone());
        if self.file.extension().is_some_and(|ending| ending == "toml" || ending == "json") {
            Sources { config: file, crontab: None, form, zone }
        } else {
            Sources { config: None, crontab: file, form, zone }
        }
    }
}
