//! The history: when the scheduler was running, and who paused, changed, started or removed which job.
//!
//! The ledger of a store has the outcome of each fire; the history says why there was no fire. It is kept in memory, or in a
//! file of JSON lines that is private to its owner. Only explanations depend on it: a line that is torn is skipped.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Utc};
use matins_core::{Clock, JobId, StoreName};
use matins_files::OpenOptions;
use matins_scheduler::{Event, Handle, SchedulerError, SystemClock};
use serde::{Deserialize, Serialize};

use crate::display;

/// If the file is longer than this, its older half is removed.
const LONGEST: u64 = 4 * 1024 * 1024;

/// The same for a history in memory, in entries.
const MOST_IN_MEMORY: usize = 20_000;

/// An entry of the history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryEntry {
    /// When it happened.
    pub at: DateTime<Utc>,
    /// What happened.
    #[serde(flatten)]
    pub what: HistoryEvent,
    /// Who did it, or which file.
    pub by: String,
}

/// What happened.
///
/// ```
/// use matins_control::HistoryEvent;
///
/// assert_eq!(HistoryEvent::Paused { job: "backup".to_owned() }.job(), Some("backup"));
/// assert_eq!(HistoryEvent::Started.job(), None);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
#[non_exhaustive]
pub enum HistoryEvent {
    /// The scheduler began to fire jobs.
    Started,
    /// It was shut down.
    Stopped,
    /// The next fire times follow this version of the tz database from now on.
    ZoneRules {
        /// The version.
        version: String,
    },
    /// The system's clock was ahead by this or more, and was set back.
    ClockCorrected {
        /// By how much, in seconds.
        by_seconds: i64,
        /// How many jobs have another next fire time.
        jobs: u64,
    },
    /// A job was added.
    Added {
        /// The job's id.
        job: String,
    },
    /// A job was changed.
    Edited {
        /// The job's id.
        job: String,
    },
    /// A job was paused.
    Paused {
        /// The job's id.
        job: String,
    },
    /// A job was resumed.
    Resumed {
        /// The job's id.
        job: String,
    },
    /// A job was removed.
    Removed {
        /// The job's id.
        job: String,
    },
    /// A job was run now, beside its schedule.
    RunNow {
        /// The job's id.
        job: String,
    },
    /// A run was cancelled.
    Cancelled {
        /// The job's id.
        job: String,
        /// The run's number.
        run: u64,
    },
}

impl HistoryEvent {
    /// Returns the id of the job that it concerns, or `None` if it concerns the scheduler.
    pub fn job(&self) -> Option<&str> {
        match self {
            Self::Started | Self::Stopped | Self::ZoneRules { .. } | Self::ClockCorrected { .. } => None,
            Self::Added { job }
            | Self::Edited { job }
            | Self::Paused { job }
            | Self::Resumed { job }
            | Self::Removed { job }
            | Self::RunNow { job }
            | Self::Cancelled { job, .. } => Some(job),
        }
    }
}

/// What is done with an error of the history.
type OnError = Box<dyn Fn(String) + Send + Sync>;

/// The history of a scheduler.
///
/// ```
/// use chrono::Utc;
/// use matins_control::{History, HistoryEvent};
///
/// let history = History::in_memory();
/// history.note(Utc::now(), HistoryEvent::Paused { job: "backup".to_owned() }, "ada");
/// assert_eq!(history.entries()[0].by, "ada");
/// ```
pub struct History {
    kept: Mutex<Kept>,
    on_error: Option<OnError>,
}

impl fmt::Debug for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("History").field("kept", &self.kept).finish_non_exhaustive()
    }
}

#[derive(Debug)]
enum Kept {
    File(Lines),
    Memory(Vec<HistoryEntry>),
    /// In a store that schedulers share.
    Shared(Handle, StoreName),
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
    /// Returns a history that ends with the process.
    pub fn in_memory() -> Self {
        Self { kept: Mutex::new(Kept::Memory(Vec::new())), on_error: None }
    }

    /// Returns the history that the schedulers which share a store keep in it together. When each of them was running is not in it: the
    /// store has their leases.
    ///
    /// ```
    /// use matins_control::History;
    /// use matins_core::StoreName;
    /// # use matins_scheduler::SchedulerBuilder;
    /// # let scheduler = SchedulerBuilder::new().background()?;
    /// let history = History::shared(&scheduler.handle(), StoreName::default());
    /// assert!(history.entries().is_empty(), "there is no such store");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn shared(scheduler: &Handle, store: StoreName) -> Self {
        Self { kept: Mutex::new(Kept::Shared(scheduler.clone(), store)), on_error: None }
    }

    /// Opens the history in the file at `path`, which is created if it does not exist.
    ///
    /// ```
    /// use chrono::Utc;
    /// use matins_control::{History, HistoryEvent};
    ///
    /// let directory = tempfile::tempdir()?;
    /// let path = directory.path().join("history");
    /// History::open(&path)?.note(Utc::now(), HistoryEvent::Started, "ada");
    /// assert_eq!(History::open(&path)?.entries()[0].what, HistoryEvent::Started);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the file cannot be opened, or is not private to this process's user (see the crate `matins-files`).
    pub fn open(path: &Path) -> io::Result<Self> {
        let lines = Lines::open(path, LONGEST)?;
        Ok(Self { kept: Mutex::new(Kept::File(lines)), on_error: None })
    }

    /// Calls `report` with a sentence if an entry cannot be written. Without it, such an error is ignored: it costs an
    /// explanation, and no work.
    ///
    /// ```
    /// use matins_control::History;
    ///
    /// let directory = tempfile::tempdir()?;
    /// let history = History::open(&directory.path().join("history"))?;
    /// let history = history.on_error(|sentence| eprintln!("{sentence}"));
    /// # drop(history);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn on_error(self, report: impl Fn(String) + Send + Sync + 'static) -> Self {
        Self { on_error: Some(Box::new(report)), ..self }
    }

    /// Adds an entry.
    ///
    /// ```
    /// use matins_control::{History, HistoryEvent};
    ///
    /// let history = History::in_memory();
    /// history.note("2026-11-24T12:00:00Z".parse()?, HistoryEvent::Removed { job: "backup".to_owned() }, "ada");
    /// assert_eq!(history.entries()[0].what.job(), Some("backup"));
    /// # Ok::<(), chrono::ParseError>(())
    /// ```
    pub fn note(&self, at: DateTime<Utc>, what: HistoryEvent, by: &str) {
        let entry = HistoryEntry { at, what, by: by.to_owned() };
        match &mut *self.kept.lock().unwrap_or_else(PoisonError::into_inner) {
            Kept::Memory(entries) => {
                if entries.len() >= MOST_IN_MEMORY {
                    entries.drain(..MOST_IN_MEMORY / 2);
                }
                entries.push(entry);
            }
            Kept::File(lines) => {
                if let (Err(error), Some(report)) = (lines.write(&entry), &self.on_error) {
                    report(format!("cannot write the history {}: {error}", lines.path.display()));
                }
            }
            Kept::Shared(..) if matches!(entry.what, HistoryEvent::Started | HistoryEvent::Stopped) => {}
            Kept::Shared(scheduler, store) => {
                let line = serde_json::json!(entry).to_string();
                let noted = scheduler.with_shared_store(&*store, |store| store.note(&line));
                let failed = match noted {
                    Err(error) => Some(matins_core::error_chain(&error)),
                    Ok(Some(Err(error))) => Some(matins_core::error_chain(&error)),
                    Ok(_) => None,
                };
                if let (Some(error), Some(report)) = (failed, &self.on_error) {
                    report(format!("cannot write the history of the store {store}: {error}"));
                }
            }
        }
    }

    /// Returns all entries, the oldest first.
    pub fn entries(&self) -> Vec<HistoryEntry> {
        match &*self.kept.lock().unwrap_or_else(PoisonError::into_inner) {
            Kept::Memory(entries) => entries.clone(),
            Kept::File(lines) => {
                let text = matins_files::read(&lines.path).unwrap_or_default();
                read(&String::from_utf8_lossy(&text))
            }
            Kept::Shared(scheduler, store) => {
                let notes = scheduler.with_shared_store(store, |store| store.notes());
                notes
                    .ok()
                    .flatten()
                    .and_then(Result::ok)
                    .map(|lines| read(&lines.join("\n")))
                    .unwrap_or_default()
            }
        }
    }

    /// Adds an entry whenever the scheduler corrects its clock or pauses a job by itself, until the history is dropped.
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use matins_control::{History, HistoryEvent};
    /// # use matins_executor_thread::ThreadExecutor;
    /// # use matins_scheduler::{Schedule, SchedulerBuilder};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::{TimeUnits, every};
    /// # let mut scheduler = SchedulerBuilder::new()
    /// #     .store("default", MemoryStore::new())
    /// #     .executor("default", ThreadExecutor::new())
    /// #     .background()?;
    /// # scheduler.start()?;
    /// let history = Arc::new(History::in_memory());
    /// history.follow(&scheduler.handle())?;
    /// let fails = every(1.hours()).run(|| Err::<(), _>("disk full")).max_failures(1);
    /// scheduler.add(fails.id("backup"))?.run_now()?.wait()?;
    /// while history.entries().is_empty() {
    ///     std::thread::yield_now();
    /// }
    /// assert_eq!(history.entries()[0].what, HistoryEvent::Paused { job: "backup".to_owned() });
    /// assert_eq!(history.entries()[0].by, "matins, after 1 failure");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If the system starts no thread.
    pub fn follow(self: &Arc<Self>, scheduler: &Handle) -> Result<(), SchedulerError> {
        let history = Arc::downgrade(self);
        let wants = |event: &Event| {
            matches!(
                event,
                Event::ClockCorrected { .. } | Event::JobDisabled { .. } | Event::TriggerFailed { .. }
            )
        };
        scheduler.on_event(wants, move |event| {
            let Some(history) = history.upgrade() else { return };
            let paused = |job: JobId, why: String| (HistoryEvent::Paused { job: job.to_string() }, why);
            let (what, by) = match event {
                Event::ClockCorrected { by, jobs, .. } => {
                    (HistoryEvent::ClockCorrected { by_seconds: by.num_seconds(), jobs }, "matins".to_owned())
                }
                Event::JobDisabled { job, failures, .. } => {
                    paused(job, format!("matins, after {}", display::failures_in_a_row(failures)))
                }
                Event::TriggerFailed { job, .. } => {
                    paused(job, "matins, since its trigger failed".to_owned())
                }
                _ => return,
            };
            history.note(SystemClock.now(), what, &by);
        })
    }
}

fn read(text: &str) -> Vec<HistoryEntry> {
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

    fn write(&mut self, entry: &HistoryEntry) -> io::Result<()> {
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
        let history = History::open(&path).unwrap();
        history.note(at, HistoryEvent::Started, "daemon");
        fs::write(&path, format!("{}{{\"at\":\"2026-", fs::read_to_string(&path).unwrap())).unwrap();
        let history = History::open(&path).unwrap();
        history.note(at, HistoryEvent::Paused { job: "a".into() }, "ada");
        let what: Vec<HistoryEvent> = history.entries().into_iter().map(|entry| entry.what).collect();
        assert_eq!(what, [HistoryEvent::Started, HistoryEvent::Paused { job: "a".into() }]);
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
                .write(&HistoryEntry {
                    at,
                    what: HistoryEvent::Added { job: number.to_string() },
                    by: "ada".into(),
                })
                .unwrap();
            assert!(fs::metadata(&path).unwrap().len() < 10_200);
        }
        let kept = History::open(&path).unwrap().entries();
        let numbers: Vec<u64> = kept.iter().map(|entry| entry.what.job().unwrap().parse().unwrap()).collect();
        assert!((60..150).contains(&numbers.len()), "{}", numbers.len());
        assert_eq!(numbers.last(), Some(&999));
        assert_eq!(fs::read_to_string(other).unwrap(), "of somebody else");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2, "nothing else is left");
        assert!(numbers.windows(2).all(|pair| pair[0] + 1 == pair[1]), "none is missing in between");
    }
}
