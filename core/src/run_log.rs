//! What a run says while it is in progress: lines, and how far it has come.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::run_state::RunState;
use crate::{CancelToken, Clock, LiveTail, Tail};

/// A clock that differs from the elapsed time by less than this was not set.
const NOT_SET_MICROS: u64 = 100_000;

/// How much of what a run logs is kept, in bytes.
const KEPT: usize = 8 * 1024;

/// What a run says while it is in progress: its last 8 KiB of lines, and how far it has come. Both end in the ledger as the run's
/// output. Clones are one log.
///
/// It also has when the work began, so that a scheduler can tell a run that is waiting in its executor's queue from one that is
/// running: [`RunRequest::context`](crate::RunRequest::context) notes that.
///
/// ```
/// use matins_core::{Progress, RunLog};
///
/// let log = RunLog::default();
/// log.line("copying");
/// log.progress(Progress { done: 3, total: 10 });
/// assert_eq!(log.text_before(None).unwrap(), "copying\nprogress: 3 of 10");
/// ```
#[derive(Clone, Default)]
pub struct RunLog(Arc<RunState>);

#[derive(Default)]
pub(crate) struct Log {
    /// Made with the first note: most runs say nothing.
    state: Mutex<Option<Box<State>>>,
    began: OnceLock<Began>,
    forward: Option<Box<Forward>>,
}

type Forward = Box<dyn Fn(RunNote) + Send + Sync>;

#[derive(Default)]
struct State {
    lines: Option<Tail>,
    progress: Option<Progress>,
    printed: Option<LiveTail>,
}

/// When the work of a run began.
struct Began {
    at: DateTime<Utc>,
    /// By [`Clock::monotonic`], if that is known.
    monotonic: Option<Duration>,
}

/// One thing that a run says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RunNote {
    /// A line of text.
    Line(String),
    /// How far it has come.
    Progress(Progress),
}

/// How far a run has come, in whatever it counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// So much is done.
    pub done: u64,
    /// Of so much in all.
    pub total: u64,
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.done, self.total)
    }
}

impl RunLog {
    /// The log of the run that `cancel` belongs to. Token and log share their memory.
    ///
    /// ```
    /// use matins_core::{CancelToken, RunLog};
    ///
    /// let cancel = CancelToken::new();
    /// RunLog::of_run(&cancel).line("one line");
    /// assert_eq!(RunLog::of_run(&cancel).text_before(None).as_deref(), Some("one line"));
    /// ```
    pub fn of_run(cancel: &CancelToken) -> Self {
        Self(cancel.0.clone())
    }

    /// Returns a log that keeps nothing and passes each note on, for a run whose ledger is elsewhere.
    ///
    /// ```
    /// use std::sync::mpsc;
    /// use matins_core::{RunLog, RunNote};
    ///
    /// let (sender, notes) = mpsc::channel();
    /// let log = RunLog::forwarding(move |note| drop(sender.send(note)));
    /// log.line("copying");
    /// assert_eq!(notes.try_recv(), Ok(RunNote::Line("copying".to_owned())));
    /// assert_eq!(log.text_before(None), None);
    /// ```
    pub fn forwarding(to: impl Fn(RunNote) + Send + Sync + 'static) -> Self {
        let log = Log { forward: Some(Box::new(Box::new(to))), ..Log::default() };
        Self(Arc::new(RunState { log, ..RunState::default() }))
    }

    /// Notes that the work began at this time. The first call counts.
    ///
    /// ```
    /// use matins_core::RunLog;
    ///
    /// let log = RunLog::default();
    /// assert_eq!(log.began(), None);
    /// log.begin(chrono::DateTime::UNIX_EPOCH);
    /// assert_eq!(log.began(), Some(chrono::DateTime::UNIX_EPOCH));
    /// ```
    pub fn begin(&self, at: DateTime<Utc>) {
        self.begin_with(at, None);
    }

    pub(crate) fn begin_with(&self, at: DateTime<Utc>, monotonic: Option<Duration>) {
        // Begun twice is begun.
        let _ = self.0.log.began.set(Began { at, monotonic });
    }

    /// Returns when the work began, or `None` if it has not: the run is queued.
    ///
    /// ```
    /// use matins_core::RunLog;
    ///
    /// let log = RunLog::default();
    /// assert_eq!(log.began(), None, "it is queued");
    /// log.begin(chrono::DateTime::UNIX_EPOCH);
    /// assert_eq!(log.began(), Some(chrono::DateTime::UNIX_EPOCH));
    /// ```
    pub fn began(&self) -> Option<DateTime<Utc>> {
        self.0.log.began.get().map(|began| began.at)
    }

    /// Returns when the work began by the clock as it is set now, or `None` if it has not begun.
    ///
    /// If the clock was set meanwhile, this differs from [`began`](Self::began), so that the time from here to the clock's `now` is
    /// the time that has really passed.
    ///
    /// ```
    /// # use matins_core::{Clock, RunLog};
    /// # use std::time::Duration;
    /// # use chrono::{DateTime, Utc};
    /// # #[derive(Debug)]
    /// # struct Stopped;
    /// # impl Clock for Stopped {
    /// #     fn now(&self) -> DateTime<Utc> { DateTime::UNIX_EPOCH + Duration::from_secs(3_600) }
    /// #     fn sleep_until(&self, _: DateTime<Utc>) -> Option<Duration> { None }
    /// # }
    /// # let clock = Stopped;
    /// let log = RunLog::default();
    /// assert_eq!(log.began_by(&clock), None);
    /// log.begin(clock.now());
    /// assert_eq!(log.began_by(&clock), Some(clock.now()));
    /// ```
    pub fn began_by(&self, clock: &dyn Clock) -> Option<DateTime<Utc>> {
        self.began_before(clock.now(), clock)
    }

    /// As [`began_by`](Self::began_by), for a clock that was just read.
    pub(crate) fn began_before(&self, now: DateTime<Utc>, clock: &dyn Clock) -> Option<DateTime<Utc>> {
        let Began { at, monotonic } = self.0.log.began.get()?;
        let Some(monotonic) = monotonic else { return Some(*at) };
        let passed = clock.monotonic().saturating_sub(*monotonic);
        let micros = i64::try_from(passed.as_micros()).unwrap_or(i64::MAX);
        let by_clock = now.timestamp_micros().saturating_sub(at.timestamp_micros());
        if by_clock.saturating_sub(micros).unsigned_abs() < NOT_SET_MICROS {
            return Some(*at);
        }
        let passed = TimeDelta::from_std(passed).ok();
        Some(passed.and_then(|passed| now.checked_sub_signed(passed)).unwrap_or(*at))
    }

    /// Takes a note of either kind.
    ///
    /// ```
    /// use matins_core::{Progress, RunLog, RunNote};
    ///
    /// let log = RunLog::default();
    /// log.note(RunNote::Line("copying".to_owned()));
    /// log.note(RunNote::Progress(Progress { done: 3, total: 10 }));
    /// assert_eq!(log.text_before(None).as_deref(), Some("copying\nprogress: 3 of 10"));
    /// ```
    pub fn note(&self, note: RunNote) {
        if let Some(forward) = &self.0.log.forward {
            return forward(note);
        }
        let mut state = self.lock();
        let state = state.get_or_insert_default();
        match note {
            RunNote::Line(line) => {
                let lines = state.lines.get_or_insert_with(|| Tail::new(KEPT));
                lines.push(line.as_bytes());
                lines.push(b"\n");
            }
            RunNote::Progress(progress) => state.progress = Some(progress),
        }
    }

    /// Adds a line.
    ///
    /// ```
    /// use matins_core::RunLog;
    ///
    /// let log = RunLog::default();
    /// log.line(format_args!("copied {} files", 7));
    /// assert_eq!(log.text_before(None).as_deref(), Some("copied 7 files"));
    /// ```
    pub fn line(&self, line: impl fmt::Display) {
        self.note(RunNote::Line(line.to_string()));
    }

    /// Reports how far the run has come. The last report counts.
    ///
    /// ```
    /// use matins_core::{Progress, RunLog};
    ///
    /// let log = RunLog::default();
    /// log.progress(Progress { done: 3, total: 10 });
    /// log.progress(Progress { done: 4, total: 10 });
    /// assert_eq!(log.last_progress(), Some(Progress { done: 4, total: 10 }));
    /// ```
    pub fn progress(&self, progress: Progress) {
        self.note(RunNote::Progress(progress));
    }

    /// Returns how far the run has come, or `None` if it has not reported any progress.
    ///
    /// ```
    /// use matins_core::{Progress, RunLog};
    ///
    /// let log = RunLog::default();
    /// assert_eq!(log.last_progress(), None);
    /// log.progress(Progress { done: 3, total: 10 });
    /// assert_eq!(log.last_progress().unwrap().to_string(), "3 of 10");
    /// ```
    pub fn last_progress(&self) -> Option<Progress> {
        self.lock().as_ref()?.progress
    }

    /// Returns all that is kept, with `output` after it, or `None` if there is nothing.
    ///
    /// ```
    /// use matins_core::RunLog;
    ///
    /// let log = RunLog::default();
    /// assert_eq!(log.text_before(None), None);
    /// log.line("started");
    /// assert_eq!(log.text_before(Some("printed".to_owned())).as_deref(), Some("started\nprinted"));
    /// ```
    pub fn text_before(&self, output: Option<String>) -> Option<String> {
        let mut state = self.lock();
        let Some(state) = &mut *state else { return output };
        let lines = state.lines.as_mut().and_then(Tail::to_text);
        let progress = state.progress.map(|progress| format!("progress: {progress}"));
        if lines.is_none() && progress.is_none() {
            return output;
        }
        let parts = [lines.map(|lines| lines.trim_end().to_owned()), progress, output];
        Some(parts.into_iter().flatten().collect::<Vec<_>>().join("\n"))
    }

    /// Returns a tail for what a program prints, of which the last `limit` bytes are kept. Others can read it while the run is in
    /// progress; the task returns it as its output at the end. A second call begins with an empty tail.
    ///
    /// ```
    /// use matins_core::RunLog;
    ///
    /// let log = RunLog::default();
    /// log.line("starting a copy");
    /// let tail = log.live_tail(1024);
    /// tail.push(b"copied a.txt\n");
    /// assert_eq!(log.text().as_deref(), Some("starting a copy\ncopied a.txt\n"));
    /// assert_eq!(tail.to_text().as_deref(), Some("copied a.txt\n"));
    /// ```
    pub fn live_tail(&self, limit: usize) -> LiveTail {
        let tail = LiveTail::new(limit);
        self.lock().get_or_insert_default().printed = Some(tail.clone());
        tail
    }

    /// Returns all that the run has logged, reported and printed so far, or `None` if there is nothing.
    ///
    /// ```
    /// use matins_core::RunLog;
    ///
    /// let log = RunLog::default();
    /// assert_eq!(log.text(), None);
    /// log.line("starting a copy");
    /// log.live_tail(1024).push(b"copied a.txt\n");
    /// assert_eq!(log.text().as_deref(), Some("starting a copy\ncopied a.txt\n"));
    /// ```
    pub fn text(&self) -> Option<String> {
        let printed = self.lock().as_ref().and_then(|state| state.printed.clone());
        self.text_before(printed.and_then(|tail| tail.to_text()))
    }

    fn lock(&self) -> MutexGuard<'_, Option<Box<State>>> {
        self.0.log.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for RunLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunLog").field("progress", &self.last_progress()).finish_non_exhaustive()
    }
}
