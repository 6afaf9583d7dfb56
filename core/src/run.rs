//! The ledger's rows: each fire time of each job, and what happened to it.

use std::error::Error;
use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{FireRange, JobId};

/// The number of a run, unique in its store and rising with time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(pub u64);

impl RunId {
    /// The first id of an empty ledger.
    pub const FIRST: Self = Self(1);

    /// Returns the id after this one.
    ///
    /// ```
    /// use matins_core::RunId;
    ///
    /// assert_eq!(RunId::FIRST.next(), RunId(2));
    /// ```
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One row of the ledger: a fire that ran, runs, or waits to run; or a range of fires that were missed together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Run {
    /// Its number.
    pub id: RunId,
    /// The job.
    pub job: JobId,
    /// The fire times that it stands for: one, unless they were missed.
    #[serde(flatten)]
    pub fires: FireRange,
    /// 1 for the first attempt at a fire time, 2 for the second.
    pub attempt: u32,
    /// Somebody asked for it, beside the job's schedule; the fire time is when.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[serde(rename = "by_hand")]
    pub manual: bool,
    /// The run of another job that it follows; the fire time is when that ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<RunId>,
    /// When its turn comes: that of a further attempt, and of a run that could not begin and is tried again. It stays when the run
    /// has begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn: Option<DateTime<Utc>>,
    /// When it was handed to its executor; `None` while it waits for an earlier run to end, and when it was missed.
    pub started: Option<DateTime<Utc>>,
    /// When it ended, or when it was found to be missed.
    pub finished: Option<DateTime<Utc>>,
    /// Its outcome; `None` while it waits or runs.
    pub outcome: Option<Outcome>,
    /// Why, in words: an error's message, a panic's, a reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The tail of what it printed, where the task captures that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
    /// What the task returned, where it returned something.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "crate::json::some")]
    pub result: Option<Value>,
}

impl Run {
    /// Returns a run of one fire time that waits to be started.
    ///
    /// ```
    /// # use chrono::DateTime;
    /// # use matins_core::{JobId, Run, RunId};
    /// let run = Run::waiting(RunId::FIRST, JobId::new("backup")?, DateTime::UNIX_EPOCH);
    /// assert_eq!((run.started, run.outcome, run.attempt), (None, None, 1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn waiting(id: RunId, job: JobId, scheduled: DateTime<Utc>) -> Self {
        Self {
            id,
            job,
            fires: FireRange::single(scheduled),
            attempt: 1,
            manual: false,
            cause: None,
            turn: None,
            started: None,
            finished: None,
            outcome: None,
            message: None,
            output: None,
            result: None,
        }
    }

    /// Returns a run of one fire time that starts at `now`.
    ///
    /// ```
    /// # use chrono::{DateTime, TimeDelta};
    /// # use matins_core::{JobId, Run, RunId};
    /// let fire = DateTime::UNIX_EPOCH;
    /// let late = Run::started(RunId::FIRST, JobId::new("backup")?, fire, fire + TimeDelta::seconds(3));
    /// assert_eq!(late.started, Some(fire + TimeDelta::seconds(3)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn started(id: RunId, job: JobId, scheduled: DateTime<Utc>, now: DateTime<Utc>) -> Self {
        Self { started: Some(now), ..Self::waiting(id, job, scheduled) }
    }

    /// Returns the row of fires that were missed, which was found at `now`.
    ///
    /// ```
    /// # use chrono::{DateTime, TimeDelta};
    /// # use matins_core::{JobId, MissedReason, Run, RunId, FireRange};
    /// let (epoch, hour) = (DateTime::UNIX_EPOCH, TimeDelta::hours(1));
    /// let fires = FireRange { first: epoch, last: epoch + hour * 23, count: 24 };
    /// let row = Run::missed(RunId::FIRST, JobId::new("backup")?, fires, MissedReason::TooLate, epoch + hour * 24);
    /// assert_eq!(row.fires.count, 24);
    /// assert_eq!(row.outcome.unwrap().to_string(), "missed: too late");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn missed(id: RunId, job: JobId, fires: FireRange, reason: MissedReason, now: DateTime<Utc>) -> Self {
        Self {
            fires,
            finished: Some(now),
            outcome: Some(Outcome::Missed(reason)),
            ..Self::waiting(id, job, fires.first)
        }
    }

    /// Returns it with a change.
    ///
    /// ```
    /// use chrono::DateTime;
    /// use matins_core::{JobId, Run, RunId};
    ///
    /// let waiting = Run::waiting(RunId::FIRST, JobId::new("a")?, DateTime::UNIX_EPOCH);
    /// let again = waiting.with(|run| run.attempt = 2);
    /// assert_eq!(again.attempt, 2);
    /// # Ok::<(), matins_core::NameError>(())
    /// ```
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    /// Does what [`Transition::Finish`](crate::Transition::Finish) says: the row takes the outcome, the times, the turn and the words
    /// of `finish`, and keeps the rest.
    ///
    /// ```
    /// use chrono::DateTime;
    /// use matins_core::{JobId, Outcome, Run, RunId};
    ///
    /// let epoch = DateTime::UNIX_EPOCH;
    /// let mut row = Run::started(RunId::FIRST, JobId::new("a")?, epoch, epoch);
    /// let mut finish = row.clone();
    /// (finish.outcome, finish.finished, finish.attempt) = (Some(Outcome::Failed), Some(epoch), 7);
    /// row.finish(finish);
    /// assert_eq!((row.outcome, row.attempt), (Some(Outcome::Failed), 1));
    /// # Ok::<(), matins_core::NameError>(())
    /// ```
    pub fn finish(&mut self, finish: Self) {
        self.turn = finish.turn;
        self.started = finish.started;
        self.finished = finish.finished;
        self.outcome = finish.outcome;
        self.message = finish.message;
        self.output = finish.output;
        self.result = finish.result;
    }

    /// Returns the fire time that the run is for: the first one, if it stands for several.
    ///
    /// ```
    /// # use chrono::DateTime;
    /// # use matins_core::{JobId, Run, RunId};
    /// let run = Run::waiting(RunId::FIRST, JobId::new("backup")?, DateTime::UNIX_EPOCH);
    /// assert_eq!(run.scheduled(), DateTime::UNIX_EPOCH);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn scheduled(&self) -> DateTime<Utc> {
        self.fires.first
    }
}

/// What happened to a fire time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "&'static str", try_from = "String")]
#[non_exhaustive]
pub enum Outcome {
    /// The task returned, and said that it went well.
    Succeeded,
    /// The task said that it failed, or panicked, or there is no such task.
    Failed,
    /// It ran longer than its job allows. Whether the work continued is in the message.
    TimedOut,
    /// It was cancelled while it ran.
    Cancelled,
    /// It did not run.
    Missed(MissedReason),
    /// The process that did it, or the worker, ended while it ran. Whether the work was done is not known.
    Interrupted,
}

/// Why a fire did not run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MissedReason {
    /// It came later than the job's misfire grace allows.
    TooLate,
    /// It was due together with another fire of the job, which stands for it.
    Coalesced,
    /// An earlier run of the job was still going.
    Overlap,
    /// The executor had no room.
    ExecutorFull,
    /// The job was removed or replaced while the fire was due, or waited for an earlier run to end.
    JobRemoved,
    /// The job was given another schedule while the fire was due, and there were too many due fires to run each.
    JobChanged,
    /// The job was paused while the fire was due.
    JobPaused,
}

impl MissedReason {
    /// Returns a few words for people.
    ///
    /// ```
    /// use matins_core::MissedReason;
    ///
    /// assert_eq!(MissedReason::TooLate.describe(), "too late");
    /// ```
    pub const fn describe(self) -> &'static str {
        match self {
            Self::TooLate => "too late",
            Self::Coalesced => "folded into a fire due with it",
            Self::Overlap => "an earlier run was still going",
            Self::ExecutorFull => "the executor was full",
            Self::JobRemoved => "the job was removed",
            Self::JobChanged => "the job was changed",
            Self::JobPaused => "the job was paused",
        }
    }
}

const OUTCOMES: [(Outcome, &str); 12] = [
    (Outcome::Succeeded, "succeeded"),
    (Outcome::Failed, "failed"),
    (Outcome::TimedOut, "timed out"),
    (Outcome::Cancelled, "cancelled"),
    (Outcome::Missed(MissedReason::TooLate), "missed: too late"),
    (Outcome::Missed(MissedReason::Coalesced), "missed: coalesced"),
    (Outcome::Missed(MissedReason::Overlap), "missed: overlap"),
    (Outcome::Missed(MissedReason::ExecutorFull), "missed: executor full"),
    (Outcome::Missed(MissedReason::JobRemoved), "missed: job removed"),
    (Outcome::Missed(MissedReason::JobChanged), "missed: job changed"),
    (Outcome::Missed(MissedReason::JobPaused), "missed: job paused"),
    (Outcome::Interrupted, "interrupted"),
];

impl Outcome {
    /// Returns the outcome as it is saved and shown.
    ///
    /// ```
    /// use matins_core::{MissedReason, Outcome};
    ///
    /// let outcome = Outcome::Missed(MissedReason::Overlap);
    /// assert_eq!(outcome.as_str(), "missed: overlap");
    /// assert_eq!("missed: overlap".parse(), Ok(outcome));
    /// ```
    pub fn as_str(self) -> &'static str {
        OUTCOMES.iter().find(|(outcome, _)| *outcome == self).map_or("unknown", |(_, text)| text)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl From<Outcome> for &'static str {
    fn from(outcome: Outcome) -> Self {
        outcome.as_str()
    }
}

/// A text that names no outcome.
///
/// ```
/// use matins_core::Outcome;
///
/// let error = "later".parse::<Outcome>().unwrap_err();
/// assert_eq!(error.to_string(), "\"later\" is not an outcome");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutcomeError {
    text: String,
}

impl fmt::Display for OutcomeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is not an outcome", self.text)
    }
}

impl Error for OutcomeError {}

impl FromStr for Outcome {
    type Err = OutcomeError;

    fn from_str(text: &str) -> Result<Self, OutcomeError> {
        OUTCOMES
            .iter()
            .find(|(_, name)| *name == text)
            .map(|(outcome, _)| *outcome)
            .ok_or_else(|| OutcomeError { text: text.to_owned() })
    }
}

impl TryFrom<String> for Outcome {
    type Error = OutcomeError;

    fn try_from(text: String) -> Result<Self, OutcomeError> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_reads_back_what_it_writes() {
        for (outcome, text) in OUTCOMES {
            assert_eq!(outcome.as_str(), text);
            assert_eq!(text.parse(), Ok(outcome));
        }
        assert!("later".parse::<Outcome>().is_err());
    }
}
