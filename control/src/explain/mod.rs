//! Explains what happened, or will happen, to a job at a time, and why.
//!
//! The trigger says whether the job fires then, and what the clocks do. The ledger has the outcome of the fire. The history says
//! who paused the job, and when the scheduler was down.

mod chain;
mod fire_before;
mod group;
mod local_time;
mod past;
mod question;
mod said;
mod several;
mod sharing;

use chrono::{DateTime, TimeDelta, Utc};
use matins_core::{JobId, error_chain};
use serde::{Deserialize, Serialize};

use crate::display::zone_of;
use crate::operator::no_job;
use crate::{Operator, Problem, instant};

use chain::Followed;
use past::Past;
use question::Question;

/// What happened, or will happen, to a job at a time, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Explanation {
    /// What kind of explanation it is.
    pub kind: ExplanationKind,
    /// Sentences for people, with times in the job's zone.
    pub answer: String,
    /// The same, sentence by sentence: a message in it may have a full stop of its own.
    #[serde(default)]
    pub sentences: Vec<String>,
    /// The job's id.
    pub job: String,
    /// The fire time that the answer is about, or the instant asked for.
    pub at: DateTime<Utc>,
    /// The run that came of it.
    pub run: Option<u64>,
    /// The run of another job that it followed, or that it did not follow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<u64>,
    /// The last fire before it, if there is no fire at it.
    pub fire_before: Option<DateTime<Utc>>,
    /// The first fire after it, if there is no fire at it.
    pub fire_after: Option<DateTime<Utc>>,
    /// The label of the scheduler that has begun the run, where several share the store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
}

/// What kind of explanation it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ExplanationKind {
    /// The trigger has no fire at that time.
    NotInTrigger,
    /// It runs after another job, whose run ended otherwise, was missed, or has not ended.
    NotFollowed,
    /// The time is in a gap: the clocks skip it.
    InGap,
    /// The clocks show the time for the second time, and the job is at fixed times.
    SecondPass,
    /// The job was paused, or is.
    Paused,
    /// The fire was later than its grace allows.
    TooLate,
    /// The fire was coalesced into another.
    Coalesced,
    /// An earlier run was in progress.
    Overlap,
    /// The executor was full.
    ExecutorFull,
    /// The scheduler was down.
    SchedulerDown,
    /// The job was added later.
    NotYetAdded,
    /// The job was removed before.
    Removed,
    /// The job was given another schedule while the fire was due.
    Changed,
    /// It ran, with any outcome.
    Ran,
    /// It is in progress, or waits for an earlier run or for its next attempt.
    Running,
    /// It waits for a free thread of the executor.
    Queued,
    /// It will fire.
    WillFire,
    /// No scheduler is running that shares the store and has what the job needs.
    NotServed,
    /// Nothing is recorded of it.
    NotRecorded,
}

/// A microsecond is the least that stores keep.
const TICK: TimeDelta = TimeDelta::microseconds(1);

/// Explains a time, given as text.
pub(crate) fn explain(operator: &Operator, id: &str, at: &str) -> Result<Explanation, Problem> {
    let job_id = JobId::new(id).map_err(|error| Problem::bad(error_chain(&error)))?;
    let job = operator.handle().get(&job_id)?;
    let past = Past::of(operator, &job_id, job.as_ref())?;
    if job.is_none() && past.is_empty() {
        return Err(no_job(id));
    }
    let zone = job.as_ref().and_then(|job| zone_of(&*job.trigger)).unwrap_or(operator.time_zone());
    let now = operator.now();
    let typed = instant::typed(at, zone, now)?;
    // Who names no second means any of the minute: an interval fires at whatever second it was added.
    let within = if typed.names_second { TimeDelta::seconds(1) } else { TimeDelta::minutes(1) };
    let after = job.as_ref().and_then(|job| job.trigger.after());
    let followed = after.map(|after| Followed::of(operator, after)).transpose()?;
    let question = Question { job, past, followed, zone, now, id: id.to_owned(), within };
    let why = match typed.local {
        Some(local) => question.about_local(local, typed.instant),
        None => question.about_instant(typed.instant),
    };
    Ok(question.with_sharing(question.with_clock_correction(why)))
}

#[cfg(test)]
mod tests;
