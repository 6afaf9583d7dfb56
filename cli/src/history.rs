//! What happened to a store's jobs beside their runs: when the scheduler was up, and who paused, changed or removed what.
//!
//! The ledger says what became of each fire; this says why there was none. It is a file of JSON lines beside the store,
//! `jobs.db-history`, private to its owner. Nothing depends on it but explanations: a line that is torn or gone is passed
//! over.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Utc};
use matins::Handle;
use matins::prelude::*;
use matins::{Clock, JobId, SystemClock};
use matins_files::OpenOptions;
use serde::{Deserialize, Serialize};

use crate::notice;

/// When the file has become longer than this, its older half goes.
const LONGEST: u64 = 4 * 1024 * 1024;

/// That of a store in memory, in lines.
const MOST_IN_MEMORY: usize = 20_000;

/// A line of the history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) at: DateTime<Utc>,
    #[serde(flatten)]
    pub(crate) what: Happening,
    /// Who did it, or which file.
    pub(crate) by: String,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub(crate) enum Happening {
    /// The daemon began to fire jobs.
    Started,
    /// It ended in order.
    Stopped,
    /// The next fire times follow this version of the tz database from now on.
    ZoneRules {
        version: String,
    },
    /// The system's clock was ahead by this or more, and was set back: so many jobs have another next fire time.
    ClockCorrected {
        by_seconds: i64,
        jobs: u64,
    },
    Added {
        job: String,
    },
    Edited {
        job: String,
    },
    Paused {
        job: String,
    },
    Resumed {
        job: String,
    },
    Removed {
        job: String,
    },
}

impl Happening {
    /// The job that it happened to.
    pub(crate) fn job(&self) -> Option<&str> {
        match self {
            Self::Started | Self::Stopped | Self::ZoneRules { .. } | Self::ClockCorrected { .. } => None,
            Self::Added { job }
            | Self::Edited { job }
            | Self::Paused { job }
            | Self::Resumed { job }
            | Self::Removed { job } => Some(job),
        }
    }
}

/// The history of a store; that of a store in memory ends with the process, as the store does.
#[derive(Debug)]
pub(crate) struct History {
    kept: Mutex<Kept>,
}

#[derive(Debug)]
enum Kept {
    File(Lines),
    Memory(Vec<Entry>),
}

#[derive(Debug)]
struct Lines {
    path: PathBuf,
    file: File,
    length: u64,
    longest: u64,
    /// Whether the last line has no end: the disk was full, or the process was killed.
    is_torn: bool,
}

impl History {
    /// The history in the file at `path`, which is made where it is missing.
    pub(crate) fn open(path: Option<&Path>) -> Result<Self, String> {
        let kept = match path {
            None => Kept::Memory(Vec::new()),
            Some(path) => Kept::File(
                Lines::open(path, LONGEST)
                    .map_err(|error| format!("cannot open the history {}: {error}", path.display()))?,
            ),
        };
        Ok(Self { kept: Mutex::new(kept) })
    }

    /// Notes what happened. A line that cannot be written costs an explanation, not the work: it is told on standard error.
    pub(crate) fn note(&self, at: DateTime<Utc>, what: Happening, by: &str) {
        let entry = Entry { at, what, by: by.to_owned() };
        match &mut *self.kept.lock().unwrap_or_else(PoisonError::into_inner) {
            Kept::Memory(entries) => {
                if entries.len() >= MOST_IN_MEMORY {
                    entries.drain(..MOST_IN_MEMORY / 2);
                }
                entries.push(entry);
            }
            Kept::File(lines) => {
                if let Err(error) = lines.write(&entry) {
                    notice::tell(format_args!("cannot write the history {}: {error}", lines.path.display()));
                }
            }
        }
    }

    /// All of it, the oldest first.
    pub(crate) fn entries(&self) -> Vec<Entry> {
        match &*self.kept.lock().unwrap_or_else(PoisonError::into_inner) {
            Kept::Memory(entries) => entries.clone(),
            Kept::File(lines) => {
                let text = matins_files::read(&lines.path).unwrap_or_default();
                read(&String::from_utf8_lossy(&text))
            }
        }
    }
}

/// Notes in the history what the scheduler does of its own accord: it found the system's clock wrong, or paused a job.
pub(crate) fn note_what_the_scheduler_does(
    scheduler: &Handle,
    history: &Arc<History>,
) -> Result<(), SchedulerError> {
    let history = history.clone();
    let wants = |event: &Event| {
        matches!(
            event,
            Event::ClockCorrected { .. } | Event::JobDisabled { .. } | Event::TriggerFailed { .. }
        )
    };
    scheduler.on_event(wants, move |event| {
        let paused = |job: JobId, why: String| (Happening::Paused { job: job.to_string() }, why);
        let (what, by) = match event {
            Event::ClockCorrected { by, jobs, .. } => {
                (Happening::ClockCorrected { by_seconds: by.num_seconds(), jobs }, "matins".to_owned())
            }
            Event::JobDisabled { job, failures, .. } => {
                paused(job, format!("matins, after {}", shown_failures(failures)))
            }
            Event::TriggerFailed { job, .. } => paused(job, "matins, since its trigger failed".to_owned()),
            _ => return,
        };
        history.note(SystemClock.now(), what, &by);
    })
}

/// How many failures in a row, in words.
pub(crate) fn shown_failures(failures: u32) -> String {
    if failures == 1 { "1 failure".to_owned() } else { format!("{failures} failures in a row") }
}

fn read(text: &str) -> Vec<Entry> {
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

impl Lines {
    fn open(path: &Path, longest: u64) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
        let length = file.metadata()?.len();
        let mut last = [b'\n'];
        if length > 0 {
            file.read_exact_at(&mut last, length - 1)?;
        }
        Ok(Self { path: path.to_owned(), file, length, longest, is_torn: last != [b'\n'] })
    }

    fn write(&mut self, entry: &Entry) -> io::Result<()> {
        if self.length > self.longest {
            shorten(&self.path)?;
            *self = Self::open(&self.path, self.longest)?;
        }
        let start = if self.is_torn { "\n" } else { "" };
        let line = format!("{start}{}\n", serde_json::json!(entry));
        self.length += line.len() as u64;
        let written = self.file.write_all(line.as_bytes());
        self.is_torn = written.is_err();
        written
    }
}

/// Drops the older half. The new file takes the old one's place whole.
fn shorten(path: &Path) -> io::Result<()> {
    let bytes = matins_files::read(path)?;
    let half = bytes.len() / 2;
    let from = bytes[half..].iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |at| half + at + 1);
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = Path::new(&beside);
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).open(beside)?;
    file.write_all(&bytes[from..])?;
    file.sync_all()?;
    fs::rename(beside, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_noted_is_read_back_and_torn_lines_are_passed_over() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("history");
        let at: DateTime<Utc> = "2026-11-25T10:00:00Z".parse().unwrap();
        let history = History::open(Some(&path)).unwrap();
        history.note(at, Happening::Started, "daemon");
        fs::write(&path, format!("{}{{\"at\":\"2026-", fs::read_to_string(&path).unwrap())).unwrap();
        let history = History::open(Some(&path)).unwrap();
        history.note(at, Happening::Paused { job: "a".into() }, "ada");
        let what: Vec<Happening> = history.entries().into_iter().map(|entry| entry.what).collect();
        assert_eq!(what, [Happening::Started, Happening::Paused { job: "a".into() }]);
    }

    #[test]
    fn a_long_history_loses_its_older_half_at_a_line_and_goes_on() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("jobs.db-history");
        let other = directory.path().join("jobs.new");
        fs::write(&other, "of somebody else").unwrap();
        let at: DateTime<Utc> = "2026-11-25T10:00:00Z".parse().unwrap();
        let mut lines = Lines::open(&path, 10_000).unwrap();
        for number in 0..1000 {
            lines
                .write(&Entry { at, what: Happening::Added { job: number.to_string() }, by: "ada".into() })
                .unwrap();
            assert!(fs::metadata(&path).unwrap().len() < 10_200);
        }
        let kept = History::open(Some(&path)).unwrap().entries();
        let numbers: Vec<u64> = kept.iter().map(|entry| entry.what.job().unwrap().parse().unwrap()).collect();
        assert!((60..150).contains(&numbers.len()), "{}", numbers.len());
        assert_eq!(numbers.last(), Some(&999));
        assert_eq!(fs::read_to_string(other).unwrap(), "of somebody else");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2, "nothing else is left");
        assert!(numbers.windows(2).all(|pair| pair[0] + 1 == pair[1]), "none is missing in between");
    }
}
