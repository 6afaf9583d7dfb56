//! The `matins` command: runs jobs from a configuration or a crontab, says when expressions fire, checks files and stores.

mod check;
mod config;
mod crontab;
mod definition;
mod diagnostic;
mod log;
mod next;
mod run;
mod show;
mod store;
mod sync;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// A job scheduler that remembers: runs commands on time, from a configuration or a crontab, and keeps a ledger of what
/// became of each fire.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Subcommands,
}

#[derive(Debug, Subcommand)]
enum Subcommands {
    /// Runs the jobs of a configuration, a crontab, or the store alone, until it is told to stop.
    ///
    /// Ctrl-C or SIGTERM stops it gracefully: nothing fires any more, and it ends when the running jobs have. A second
    /// one cancels those at once.
    Run(run::RunArguments),
    /// Prints when a cron expression fires next.
    Next(next::NextArguments),
    /// Checks a configuration (FILE.toml) or a crontab, and prints what it understood.
    Check(check::CheckArguments),
    /// Looks into a store, and repairs one.
    Store(store::StoreArguments),
}

/// What could not be read: the exit status of bad input, as of a bad command line.
const BAD_INPUT: u8 = 2;

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Subcommands::Run(arguments) => run::run(arguments),
        Subcommands::Next(arguments) => next::next(&arguments),
        Subcommands::Check(arguments) => check::check(&arguments),
        Subcommands::Store(arguments) => store::store(&arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            let style = anstyle::AnsiColor::Red.on_default().bold();
            anstream::eprintln!("{style}error{style:#}: {message}");
            ExitCode::from(BAD_INPUT)
        }
    }
}

/// Reads a file, with an error that names it.
fn read(path: &PathBuf) -> Result<String, String> {
    std::fs::read_to_string(path)
        .map_err(|error| format!("cannot read {}: {error}; name a file that you may read", path.display()))
}

/// The zone of this machine, or UTC where it has none.
fn system_zone() -> matins::triggers::Zone {
    iana_time_zone::get_timezone().ok().and_then(|name| name.parse().ok()).unwrap_or_default()
}
