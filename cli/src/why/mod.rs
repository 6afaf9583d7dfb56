//! `matins why JOB TIME`: what happened, or will happen, at that time, and why.
//!
//! The trigger says whether the job fires then, and what the clocks do; the ledger says what became of the fire; the
//! history says who paused the job, and when the scheduler was down.

mod chain;
mod fire_before;
mod group;
mod past;
mod question;
mod said;
mod several;

use chrono::{DateTime, TimeDelta, Utc};
use clap::Args;
use serde::{Deserialize, Serialize};

use crate::control::client::Target;
use crate::control::operator::{Operator, no_job};
use crate::control::protocol::{Problem, Request};
use crate::edit::zone_of;
use crate::failure::Failure;
use crate::{instant, shown};

use chain::Followed;
use past::Past;
use question::Question;

#[derive(Debug, Args)]
pub(crate) struct WhyArguments {
    /// The job's id.
    job: String,
    /// 2026-03-29T02:30 in the job's zone, or with Z or an offset; 02:30 is today's.
    time: String,
    /// As JSON, with the kind of the answer.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: Target,
}

pub(crate) fn print(arguments: WhyArguments) -> Result<(), Failure> {
    let request = Request::Why { job: arguments.job, at: arguments.time };
    let value = arguments.target.client()?.ask(request)?;
    if arguments.json {
        shown::json(value);
    } else {
        let why: Why = shown::read(value)?;
        // A sentence a line. A daemon of an earlier version sends the answer alone.
        let sentences = if why.sentences.is_empty() { vec![why.answer] } else { why.sentences };
        sentences.into_iter().for_each(shown::line);
    }
    Ok(())
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Why {
    pub(crate) kind: Kind,
    /// Sentences for people, with times in the job's zone.
    pub(crate) answer: String,
    /// The same, sentence by sentence: a message in it may have a full stop of its own.
    #[serde(default)]
    pub(crate) sentences: Vec<String>,
    pub(crate) job: String,
    /// The fire time that the answer is about, or the instant asked for.
    pub(crate) at: DateTime<Utc>,
    /// The run that came of it.
    pub(crate) run: Option<u64>,
    /// The run of another job that it followed, or that it did not follow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cause: Option<u64>,
    /// The fires next to it, where it is none itself.
    pub(crate) fire_before: Option<DateTime<Utc>>,
    pub(crate) fire_after: Option<DateTime<Utc>>,
}

/// What kind of answer it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// The trigger has no such instant.
    NotInTrigger,
    /// It runs after another job, whose run ended otherwise, was missed, or has not ended.
    NotFollowed,
    /// The clocks skip it.
    InGap,
    /// The clocks show it for the second time, and the job is at fixed times.
    SecondPass,
    /// The job was paused, or is.
    Paused,
    /// The fire was later than its grace allows.
    TooLate,
    /// The fire was folded into another.
    Coalesced,
    /// An earlier run was going.
    Overlap,
    /// The executor had no room.
    ExecutorFull,
    /// Nobody was there to fire it.
    SchedulerDown,
    /// The job was added later.
    NotYetAdded,
    /// The job was removed before.
    Removed,
    /// The job was given another schedule while the fire was due.
    Changed,
    /// It ran, however that ended.
    Ran,
    /// It runs, or waits for an earlier run or for its next attempt.
    Running,
    /// It waits for a free thread of the executor.
    Queued,
    /// It will fire.
    WillFire,
    /// Nothing is known of it any more.
    NotRecorded,
}

/// A microsecond is the least that stores keep.
const TICK: TimeDelta = TimeDelta::microseconds(1);

/// Explains a time, given as text.
pub(crate) fn why(operator: &Operator, id: &str, at: &str) -> Result<Why, Problem> {
    let job = operator.handle.get(id)?;
    let past = Past::of(operator, id)?;
    if job.is_none() && past.is_empty() {
        return Err(no_job(id));
    }
    let zone = job.as_ref().and_then(|job| zone_of(&*job.trigger)).unwrap_or(operator.zone);
    let now = operator.clock.now();
    let typed = instant::typed(at, zone, now).map_err(Problem::bad)?;
    // Who names no second means any of the minute: an interval fires at whatever second it was added.
    let within = if typed.names_second { TimeDelta::seconds(1) } else { TimeDelta::minutes(1) };
    let after = job.as_ref().and_then(|job| job.trigger.after());
    let followed = after.map(|after| Followed::of(operator, after)).transpose()?;
    let question = Question { job, past, followed, zone, now, id: id.to_owned(), within };
    let why = match typed.local {
        Some(local) => question.about_local(local, typed.instant),
        None => question.about_instant(typed.instant),
    };
    Ok(question.with_clock_correction(why))
}

#[cfg(test)]
mod tests;
