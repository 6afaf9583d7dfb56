//! A crontab as jobs.

use std::fmt;

use chrono::{DateTime, Utc};

use crate::cron::CronError;
use crate::engine::{Coalesce, Definition, Engine, Overlap, Policy};
use crate::executor::{Cancel, End, Task};
use crate::local_cron::{LocalCron, Rule};
use crate::store::{JobId, Store, StoreError};
use crate::zone::Zone;

/// What is wrong with a crontab.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CrontabError {
    /// The number of the line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// There is no command behind the five fields.
    NoCommand,
    /// The zone is not one that this program knows.
    Zone(String),
    /// The expression is wrong.
    Cron(CronError),
}

impl fmt::Display for CrontabError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: ", self.line)?;
        match &self.problem {
            Problem::NoCommand => {
                write!(f, "write five fields and then a command")
            }
            Problem::Zone(zone) => write!(
                f,
                "the zone {zone:?} is unknown: write UTC or Europe/Berlin"
            ),
            Problem::Cron(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for CrontabError {}

/// Reads a crontab: lines of five fields and a command, comments that begin
/// with `#`, empty lines, and `CRON_TZ=` for the lines that follow it. The
/// number of a job is that of its line.
///
/// # Errors
/// If a line is wrong.
pub fn parse(text: &str) -> Result<Vec<Definition>, CrontabError> {
    unimplemented!("chapter 8: line by line: comments, zones, jobs")
}

/// Does what an engine would do from a time until another one, without
/// waiting: the work is done at once, and takes no time.
///
/// # Errors
/// If the store fails.
pub fn rehearse<S: Store>(
    engine: &mut Engine<S>,
    from: DateTime<Utc>,
    until: DateTime<Utc>,
    task: impl Fn(&str) -> Task,
) -> Result<(), StoreError> {
    unimplemented!("chapter 8: turn, do the work, turn again")
}
