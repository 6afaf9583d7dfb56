//! Rows and steps as the lines have them: what can be told from the rest, or is as it mostly is, is left out.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use matins_core::{FireRange, JobId, Outcome, Run, RunId, Transition};
use matins_store_memory::MemoryStore;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::instant;

/// A row of the ledger.
#[derive(Serialize, Deserialize)]
pub(crate) struct Row {
    id: RunId,
    job: JobId,
    /// The fire time; the first where there are several.
    #[serde(serialize_with = "instant::serialize")]
    fire: DateTime<Utc>,
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "instant::serialize_option")]
    last: Option<DateTime<Utc>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    count: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    attempt: Option<u32>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    by_hand: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cause: Option<RunId>,
    #[serde(flatten)]
    course: Course,
}

/// The outcome of a run.
#[derive(Serialize, Deserialize)]
pub(crate) struct Course {
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "instant::serialize_option")]
    turn: Option<DateTime<Utc>>,
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "instant::serialize_option")]
    started: Option<DateTime<Utc>>,
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "instant::serialize_option")]
    finished: Option<DateTime<Utc>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    outcome: Option<Outcome>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    output: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "matins_core::json::some")]
    result: Option<Value>,
}

impl From<&Run> for Course {
    fn from(run: &Run) -> Self {
        let Run { turn, started, finished, outcome, message, output, result, .. } = run;
        let (message, output, result) = (message.clone(), output.clone(), result.clone());
        Self {
            turn: *turn,
            started: *started,
            finished: *finished,
            outcome: *outcome,
            message,
            output,
            result,
        }
    }
}

impl From<&Run> for Row {
    fn from(run: &Run) -> Self {
        let FireRange { first, last, count } = run.fires;
        Self {
            id: run.id,
            job: run.job.clone(),
            fire: first,
            last: (last != first).then_some(last),
            count: (count != 1).then_some(count),
            attempt: (run.attempt != 1).then_some(run.attempt),
            by_hand: run.manual,
            cause: run.cause,
            course: Course::from(run),
        }
    }
}

impl From<Row> for Run {
    fn from(row: Row) -> Self {
        let Row { id, job, fire, last, count, attempt, by_hand, cause, course } = row;
        let Course { turn, started, finished, outcome, message, output, result } = course;
        let fires = FireRange { first: fire, last: last.unwrap_or(fire), count: count.unwrap_or(1) };
        let mut run = Self::waiting(id, job, fire);
        (run.fires, run.attempt, run.manual, run.cause) = (fires, attempt.unwrap_or(1), by_hand, cause);
        (run.turn, run.started, run.finished, run.outcome) = (turn, started, finished, outcome);
        (run.message, run.output, run.result) = (message, output, result);
        run
    }
}

/// A [`Transition`] that was checked before it was written: an advance need not say what it leaves.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Step {
    Advance {
        job: JobId,
        #[serde(
            default,
            skip_serializing_if = "Option::is_none",
            serialize_with = "instant::serialize_option"
        )]
        to: Option<DateTime<Utc>>,
    },
    Record(Row),
    Start {
        run: RunId,
        started: Option<DateTime<Utc>>,
        scheduled: DateTime<Utc>,
    },
    Extend {
        run: RunId,
        fires: FireRange,
    },
    Finish {
        run: RunId,
        #[serde(flatten)]
        course: Course,
    },
    /// The job, as the line has it.
    Update {
        job: Box<RawValue>,
    },
    End {
        job: JobId,
    },
    PruneJob {
        job: JobId,
        keep: u32,
    },
    PruneBefore {
        before: DateTime<Utc>,
    },
}

impl Step {
    /// `None` for [`Transition::Update`], whose job is written as it is.
    pub(crate) fn of(transition: &Transition) -> Option<Self> {
        Some(match transition {
            Transition::Update(_) => return None,
            Transition::Advance { job, to, .. } => Self::Advance { job: job.clone(), to: *to },
            Transition::Record(run) => Self::Record((&**run).into()),
            Transition::Start { run, started, scheduled } => {
                Self::Start { run: *run, started: *started, scheduled: *scheduled }
            }
            Transition::Extend { run, fires } => Self::Extend { run: *run, fires: *fires },
            Transition::Finish(run) => Self::Finish { run: run.id, course: (&**run).into() },
            Transition::End { job } => Self::End { job: job.clone() },
            Transition::PruneJob { job, keep } => Self::PruneJob { job: job.clone(), keep: *keep },
            Transition::PruneBefore { before } => Self::PruneBefore { before: *before },
        })
    }

    /// The transition that it was, for a store that is where it was then; `None` where it has nothing to do.
    pub(crate) fn into_transition(self, store: &MemoryStore) -> Option<Transition> {
        Some(match self {
            Self::Advance { job, to } => Transition::Advance { from: store.next_fire(&job), job, to },
            Self::Record(row) => Transition::Record(Arc::new(row.into())),
            Self::Start { run, started, scheduled } => Transition::Start { run, started, scheduled },
            Self::Extend { run, fires } => Transition::Extend { run, fires },
            Self::Finish { run, course } => {
                let Course { turn, started, finished, outcome, message, output, result } = course;
                let run = store.run(run)?.clone();
                let run = run.with(|run| {
                    run.turn = turn;
                    run.started = started;
                    run.finished = finished;
                    run.outcome = outcome;
                    run.message = message;
                    run.output = output;
                    run.result = result;
                });
                Transition::Finish(Arc::new(run))
            }
            // Taken in by whoever knows the jobs that cannot be read.
            Self::Update { .. } => return None,
            Self::End { job } => Transition::End { job },
            Self::PruneJob { job, keep } => Transition::PruneJob { job, keep },
            Self::PruneBefore { before } => Transition::PruneBefore { before },
        })
    }
}
