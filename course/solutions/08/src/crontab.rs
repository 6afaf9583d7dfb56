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

// ANCHOR: parse
/// Reads a crontab: lines of five fields and a command, comments that begin
/// with `#`, empty lines, and `CRON_TZ=` for the lines that follow it. The
/// number of a job is that of its line.
///
/// # Errors
/// If a line is wrong.
pub fn parse(text: &str) -> Result<Vec<Definition>, CrontabError> {
    let mut zone = Zone::fixed(chrono::TimeDelta::zero());
    let mut jobs = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let fail = |problem| CrontabError { line: number, problem };
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(name) = line.strip_prefix("CRON_TZ=") {
            zone = match name {
                "UTC" => Zone::fixed(chrono::TimeDelta::zero()),
                "Europe/Berlin" => Zone::berlin(),
                _ => return Err(fail(Problem::Zone(name.to_owned()))),
            };
            continue;
        }
        let (fields, command) =
            split_fields(line).ok_or(fail(Problem::NoCommand))?;
        let cron = LocalCron::new(fields, zone.clone(), Rule::Debian);
        jobs.push(Definition {
            id: number as JobId,
            schedule: fields.to_owned(),
            command: command.to_owned(),
            trigger: Box::new(cron.map_err(|it| fail(Problem::Cron(it)))?),
            policy: Policy {
                grace: None,
                coalesce: Coalesce::Latest,
                overlap: Overlap::Skip,
            },
        });
    }
    Ok(jobs)
}

/// Splits a line behind its fifth field.
fn split_fields(line: &str) -> Option<(&str, &str)> {
    let mut rest = line;
    for _ in 0..5 {
        let end = rest.find(char::is_whitespace)?;
        rest = rest[end..].trim_start();
    }
    let fields = line[..line.len() - rest.len()].trim_end();
    (!rest.is_empty()).then_some((fields, rest))
}
// ANCHOR_END: parse

// ANCHOR: rehearse
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
    let (mut now, mut reports) = (from, Vec::new());
    loop {
        let turn = engine.turn(now, &reports)?;
        reports.clear();
        for (run, command) in turn.start {
            let end = match task(&command)(&Cancel::default()) {
                Ok(()) => End::Succeeded,
                Err(error) => End::Failed(error),
            };
            reports.push((run.id, end));
        }
        match turn.next {
            _ if !reports.is_empty() => {}
            Some(next) if next <= until => now = next,
            _ => return Ok(()),
        }
    }
}
// ANCHOR_END: rehearse
