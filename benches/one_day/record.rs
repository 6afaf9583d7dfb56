//! What happened on both days, as the book keeps it: `one-day.json`.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::Failure;

/// The schedulers, in the order of the columns: the name in logs, and the heading.
pub(crate) const SCHEDULERS: [(&str, &str); 6] = [
    ("cron", "cron"),
    ("systemd", "systemd timers"),
    ("apscheduler", "APScheduler"),
    ("tokio-cron-scheduler", "tokio-cron-scheduler"),
    ("apalis-cron", "apalis-cron"),
    ("matins", "Matins"),
];

const RECORD: &str = "one-day.json";

/// Both days, and the versions of what ran.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) versions: BTreeMap<String, String>,
    pub(crate) days: Vec<Day>,
}

/// A day of the plan, and what happened.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Day {
    pub(crate) plan: Plan,
    /// The stretches in which the clock was not set: until the machine is turned off, until the first step, until the second, to the end.
    pub(crate) spans: Vec<Span>,
    pub(crate) missed: Vec<Missed>,
    pub(crate) fires: Vec<Fire>,
}

/// When what is to happen, by the clock of the machine.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Plan {
    pub(crate) name: String,
    pub(crate) date: NaiveDate,
    pub(crate) on: DateTime<Utc>,
    pub(crate) off: DateTime<Utc>,
    pub(crate) on_again: DateTime<Utc>,
    pub(crate) forwards: DateTime<Utc>,
    pub(crate) backwards: DateTime<Utc>,
    pub(crate) end: DateTime<Utc>,
}

/// A span in which the clock was not set.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Span {
    pub(crate) from: DateTime<Utc>,
    pub(crate) to: DateTime<Utc>,
    /// By how many seconds the clock is ahead of the time that has really passed.
    pub(crate) ahead: i64,
}

/// A run that began: scheduler, job, span, the clock when it began, and the fire time if the scheduler says it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Fire(
    pub(crate) String,
    pub(crate) String,
    pub(crate) usize,
    pub(crate) DateTime<Utc>,
    pub(crate) Option<DateTime<Utc>>,
);

/// Fire times that a scheduler itself says it has missed, and why: scheduler, job, first, last, how many, reason.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Missed(
    pub(crate) String,
    pub(crate) String,
    pub(crate) DateTime<Utc>,
    pub(crate) DateTime<Utc>,
    pub(crate) u64,
    pub(crate) String,
);

impl Day {
    /// The time that has really passed, as the clock would show it without the steps.
    pub(crate) fn elapsed(&self, span: usize, at: DateTime<Utc>) -> DateTime<Utc> {
        at - TimeDelta::seconds(self.spans[span].ahead)
    }
}

impl Record {
    /// Reads the record in the book.
    pub(crate) fn read() -> Result<Self, Failure> {
        Ok(serde_json::from_str(&fs::read_to_string(directory().join(RECORD))?)?)
    }

    /// Writes it into the book, with a line for each fire.
    pub(crate) fn write(&self) -> Result<(), Failure> {
        let mut text =
            format!("{{\n\"versions\": {},\n\"days\": [", serde_json::to_string_pretty(&self.versions)?);
        for (number, day) in self.days.iter().enumerate() {
            let comma = if number == 0 { "" } else { "," };
            write!(text, "{comma}\n{{\n\"plan\": {},", serde_json::to_string_pretty(&day.plan)?)?;
            write!(text, "\n\"spans\": {},", lines(&day.spans)?)?;
            write!(text, "\n\"missed\": {},", lines(&day.missed)?)?;
            write!(text, "\n\"fires\": {}\n}}", lines(&day.fires)?)?;
        }
        text.push_str("\n]\n}\n");
        fs::write(directory().join(RECORD), text)?;
        Ok(())
    }
}

pub(crate) fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../book/src/benchmarks")
}

fn lines<T: Serialize>(items: &[T]) -> serde_json::Result<String> {
    let lines = items.iter().map(serde_json::to_string).collect::<serde_json::Result<Vec<_>>>()?;
    Ok(format!("[\n{}\n]", lines.join(",\n")))
}
