//! Jobs and runs to values of the database, and back.

use chrono::{DateTime, Utc};
use matins_core::json::{self, STORED_DEPTH};
use matins_core::{
    AfterOutcome, FireRange, Job, JobId, OnExhausted, Outcome, Overlap, Run, RunId, StoreError, ValueError,
};
use tokio_postgres::Row;

/// What a job needs of its lane and its rules, beside the body.
#[derive(Debug, Clone)]
pub(crate) struct Traits {
    pub(crate) gate: bool,
    pub(crate) removes: bool,
    pub(crate) follows: Option<(String, &'static str)>,
    pub(crate) group: Option<String>,
}

impl Traits {
    pub(crate) fn of(job: &Job) -> Self {
        let policy = &job.policy;
        let after = job.trigger.after().filter(|_| job.state == matins_core::JobState::Active);
        Self {
            gate: policy.overlap == Overlap::QueueOne || policy.counts_runs() || policy.group.is_some(),
            removes: job.clone().with(|job| job.next_fire = None).is_exhausted()
                && policy.on_exhausted == OnExhausted::Remove,
            follows: after.map(|after| (after.job.as_str().to_owned(), outcome_text(after.outcome))),
            group: policy.group.as_ref().map(|group| group.name.as_str().to_owned()),
        }
    }
}

fn outcome_text(outcome: AfterOutcome) -> &'static str {
    match outcome {
        AfterOutcome::Failed => "failed",
        AfterOutcome::Any => "any",
        _ => "succeeded",
    }
}

pub(crate) fn after_outcome(text: &str) -> AfterOutcome {
    match text {
        "failed" => AfterOutcome::Failed,
        "any" => AfterOutcome::Any,
        _ => AfterOutcome::Succeeded,
    }
}

/// The instants that PostgreSQL can hold begin with this year, and end beyond those of chrono.
const FIRST_YEAR: i32 = -4712;

/// Refuses an instant that the database cannot hold.
pub(crate) fn check_instant(what: &str, instant: Option<DateTime<Utc>>) -> Result<(), StoreError> {
    use chrono::Datelike as _;
    match instant {
        Some(instant) if instant.year() < FIRST_YEAR => {
            let why = format!("{instant} is before the year {FIRST_YEAR}, where PostgreSQL begins");
            Err(ValueError::OutOfRange { what: what.to_owned(), why }.into())
        }
        _ => Ok(()),
    }
}

/// Room for the numbers of later runs.
const HIGHEST_NUMBER: u64 = i64::MAX as u64 - (1 << 40);

/// Refuses a run that could not be read back.
pub(crate) fn check_run(run: &Run) -> Result<(), StoreError> {
    json::check_run(run)?;
    if run.id.0 > HIGHEST_NUMBER {
        let what = format!("run {} of job {:?}", run.id, run.job);
        let why = format!("its number leaves no room for later ones, which it does up to {HIGHEST_NUMBER}");
        return Err(ValueError::OutOfRange { what, why }.into());
    }
    Ok(())
}

/// The job as JSON.
pub(crate) fn body(job: &Job) -> Result<String, StoreError> {
    check_instant(&format!("the next fire time of job {:?}", job.id), job.next_fire)?;
    let mut text = Vec::new();
    json::write_job(&job.id, job, &mut text)?;
    String::from_utf8(text).map_err(|source| StoreError::Backend {
        doing: format!("saving job {:?} as JSON", job.id),
        source: source.into(),
    })
}

/// Reads what [`body`] wrote. The next fire time is that of the table.
pub(crate) fn job(text: &str, next_fire: Option<DateTime<Utc>>) -> Result<Job, String> {
    let job: Job = serde_json::from_str(text).map_err(|error| match json::depth(text.as_bytes()) {
        depth if depth > STORED_DEPTH => {
            format!("it nests {depth} levels deep, and {STORED_DEPTH} can be read")
        }
        _ => format!("the body is no job: {error}"),
    })?;
    Ok(job.with(|job| job.next_fire = next_fire))
}

/// PostgreSQL's texts hold no NUL. It is written as U+001A `@`, and U+001A twice.
pub(crate) fn text(text: &str) -> String {
    if text.contains(['\0', '\u{1a}']) {
        text.replace('\u{1a}', "\u{1a}\u{1a}").replace('\0', "\u{1a}@")
    } else {
        text.to_owned()
    }
}

fn plain(text: String) -> String {
    if !text.contains('\u{1a}') {
        return text;
    }
    let (mut plain, mut rest) = (String::with_capacity(text.len()), text.chars());
    while let Some(next) = rest.next() {
        plain.push(match (next, if next == '\u{1a}' { rest.next() } else { None }) {
            ('\u{1a}', Some('@')) => '\0',
            (next, _) => next,
        });
    }
    plain
}

/// The columns that [`run`] reads, of `live`.
pub(crate) const LIVE_COLUMNS: &str = "l.id, l.job, l.first_fire, l.last_fire, l.fires, l.attempt, l.by_hand, l.cause, l.turn, \
     l.started, NULL::timestamptz AS finished, NULL::text AS outcome, l.message, NULL::text AS output, NULL::text AS result, l.job_key, l.node, l.group_name";

/// The columns that [`run`] reads, of `runs`.
pub(crate) const RUN_COLUMNS: &str = "l.id, l.job, l.first_fire, l.last_fire, l.fires, l.attempt, l.by_hand, l.cause, l.turn, \
     l.started, l.finished, l.outcome, l.message, l.output, l.result::text AS result, NULL::bigint AS job_key, l.node, NULL::text AS group_name";

/// A row with [`LIVE_COLUMNS`] or [`RUN_COLUMNS`].
pub(crate) fn run(row: &Row) -> Result<Run, String> {
    let number = |number: i64, what: &str| {
        u64::try_from(number).map_err(|_| format!("{what} is {number}, and cannot be negative"))
    };
    let (id, job): (i64, &str) = (value(row, 0)?, value(row, 1)?);
    let job = JobId::new(job).map_err(|error| error.to_string())?;
    let first = value(row, 2)?;
    let mut run = Run::waiting(RunId(number(id, "its number")?), job, first);
    let count = number(value(row, 4)?, "its count of fire times")?;
    run.fires = FireRange { first, last: value(row, 3)?, count };
    let attempt: i32 = value(row, 5)?;
    run.attempt = u32::try_from(attempt).map_err(|_| format!("its attempt is {attempt}"))?;
    run.manual = value(row, 6)?;
    let cause: Option<i64> = value(row, 7)?;
    run.cause = cause.map(|cause| number(cause, "the number of its cause").map(RunId)).transpose()?;
    (run.turn, run.started, run.finished) = (value(row, 8)?, value(row, 9)?, value(row, 10)?);
    let outcome: Option<&str> = value(row, 11)?;
    run.outcome = outcome.map(str::parse::<Outcome>).transpose().map_err(|error| error.to_string())?;
    run.message = value::<Option<String>>(row, 12)?.map(plain);
    run.output = value::<Option<String>>(row, 13)?.map(plain);
    run.result = value::<Option<&str>>(row, 14)?.map(json::read_result);
    Ok(run)
}

/// A value of a row, whatever is in it.
pub(crate) fn value<'a, T: tokio_postgres::types::FromSql<'a>>(row: &'a Row, at: usize) -> Result<T, String> {
    row.try_get(at).map_err(|error| matins_core::error_chain(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_with_any_character_come_back() {
        for exact in ["", "plain", "a\0b", "\u{1a}", "\u{1a}@", "\0\u{1a}\0@", "\u{1a}\u{1a}@\0"] {
            let stored = text(exact);
            assert!(!stored.contains('\0'));
            assert_eq!(plain(stored), exact, "{exact:?}");
        }
    }
}
