//! The same ten jobs under six schedulers, for two days on which a clock change, a restart and two steps of the clock happen.
//!
//! ```text
//! bash benches/one_day/run.sh                                     # runs both days and writes the page's record and tables
//! cargo run -p matins-benches --bin one-day -- redraw             # makes the tables from the record
//! ```
//!
//! `run.sh` says how. This program is two of the schedulers, reads the logs of all six, and makes the tables.

mod events;
mod jobs;
mod page;
mod peers;
mod record;
mod rows;
mod take;

use std::error::Error;
use std::path::PathBuf;

use clap::{Parser, Subcommand};

type Failure = Box<dyn Error + Send + Sync>;

/// Runs two of the six schedulers, and makes the tables of all.
#[derive(Debug, Parser)]
#[command(name = "one-day", version)]
enum Command {
    /// Runs the ten jobs under a scheduler that is a Rust library, inside the virtual machine.
    #[command(subcommand)]
    Peer(Peer),
    /// Makes the record and the tables from the logs of both days.
    Take {
        /// Where `run.sh` has put them.
        directory: PathBuf,
    },
    /// Makes the tables from the record.
    Redraw,
}

#[derive(Debug, Subcommand)]
enum Peer {
    TokioCronScheduler {
        /// The day: 2030-03-31.
        date: chrono::NaiveDate,
    },
    ApalisCron {
        /// The day: 2030-03-31.
        date: chrono::NaiveDate,
    },
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    match Command::parse() {
        Command::Peer(Peer::TokioCronScheduler { date }) => peers::tokio_cron_scheduler(date).await?,
        Command::Peer(Peer::ApalisCron { date }) => peers::apalis_cron(date).await?,
        Command::Take { directory } => {
            let record = take::take(&directory)?;
            record.write()?;
            page::write(&record)?;
        }
        Command::Redraw => page::write(&record::Record::read()?)?,
    }
    Ok(())
}
