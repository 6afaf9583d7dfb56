//! Jobs and runs to rows and back.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use matins_core::json::STORED_DEPTH;
use matins_core::{
    ExecutorName, FireRange, Job, JobCounts, JobId, JobState, Outcome, Policy, QuarantineKind, Quarantined,
    Run, RunId, StoreError, TaskName, Trigger, json,
};
use rusqlite::Row;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Microseconds since 1970.
pub(crate) fn micros(instant: DateTime<Utc>) -> i64 {
    instant.timestamp_micros()
}

fn beyond(micros: i64) -> String {
    format!("{micros} microseconds lie beyond the years that can be held")
}

/// The job as JSON, without what has columns of its own.
#[derive(Serialize)]
struct Body<'a> {
    task: &'a TaskName,
    arguments: &'a Value,
    #[serde(serialize_with = "json::trigger")]
    trigger: &'a Arc<dyn Trigger>,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_fire: Option<DateTime<Utc>>,
    state: JobState,
    executor: &'a ExecutorName,
    policy: &'a Policy,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    tags: &'a BTreeSet<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    metadata: &'a BTreeMap<String, Value>,
    created: DateTime<Utc>,
    revision: u64,
    counts: JobCounts,
}

/// What [`Body`] is read as.
#[derive(Deserialize)]
struct ReadBody {
    task: TaskName,
    #[serde(default)]
    arguments: Value,
    trigger: Arc<dyn Trigger>,
    #[serde(default)]
    first_fire: Option<DateTime<Utc>>,
    #[serde(default)]
    state: JobState,
    #[serde(default)]
    executor: ExecutorName,
    #[serde(default)]
    policy: Policy,
    #[serde(default)]
    tags: BTreeSet<String>,
    #[serde(default)]
    metadata: BTreeMap<String, Value>,
    created: DateTime<Utc>,
    #[serde(default)]
    revision: u64,
    #[serde(default)]
    counts: JobCounts,
}

pub(crate) fn body(job: &Job) -> Result<String, StoreError> {
    let Job {
        id,
        task,
        arguments,
        trigger,
        next_fire: _,
        first_fire,
        state,
        executor,
        policy,
        tags,
        metadata,
        created,
        revision,
        counts,
        ..
    } = job;
    let (first_fire, state, created) = (*first_fire, *state, *created);
    let (revision, counts) = (*revision, *counts);
    let body = Body {
        task,
        arguments,
        trigger,
        first_fire,
        state,
        executor,
        policy,
        tags,
        metadata,
        created,
        revision,
        counts,
    };
    let mut text = Vec::new();
    json::write_job(id, &body, &mut text)?;
    String::from_utf8(text).map_err(|source| StoreError::Backend {
        doing: format!("saving job {id:?} as JSON"),
        source: source.into(),
    })
}

/// From `JOB_COLUMNS`.
pub(crate) fn job_from_row(row: &Row<'_>, path: &Path) -> Result<Job, Quarantined> {
    let id: String = row.get(0).unwrap_or_default();
    let read = || -> Result<Job, String> {
        let text = |error: rusqlite::Error| error.to_string();
        let body: String = row.get(2).map_err(text)?;
        let body: ReadBody =
            serde_json::from_str(&body).map_err(|error| match json::depth(body.as_bytes()) {
                depth if depth > STORED_DEPTH => {
                    format!("it nests {depth} levels deep, and {STORED_DEPTH} can be read")
                }
                _ => format!("the body is no job: {error}"),
            })?;
        let next_fire: Option<i64> = row.get(1).map_err(text)?;
        let next_fire =
            next_fire.map(|micros| DateTime::from_timestamp_micros(micros).ok_or_else(|| beyond(micros)));
        let ReadBody {
            task,
            arguments,
            trigger,
            first_fire,
            state,
            executor,
            policy,
            tags,
            metadata,
            created,
            revision,
            counts,
        } = body;
        let (id, next_fire) = (JobId::new(&id).map_err(|error| error.to_string())?, next_fire.transpose()?);
        let mut job = Job::new(id, task, trigger, next_fire, created);
        job.first_fire = first_fire;
        (job.arguments, job.state, job.executor, job.policy) = (arguments, state, executor, policy);
        (job.tags, job.metadata) = (tags, metadata);
        (job.revision, job.counts) = (revision, counts);
        Ok(job)
    };
    let place = || format!("{}, table jobs, id {id:?}", path.display());
    read().map_err(|what| Quarantined { kind: QuarantineKind::Job, place: place(), id: id.clone(), what })
}

/// The error of asking for a job that is quarantined.
pub(crate) fn damaged_job(job: &Quarantined) -> StoreError {
    StoreError::Damaged { place: job.place.clone(), what: job.what.clone(), cure: MEND_ROW, source: None }
}

const MEND_ROW: &str = "fix or delete the row with sqlite3 while no scheduler runs";

/// What the run returned, as JSON text.
pub(crate) fn result_text(run: &Run) -> Option<String> {
    run.result.as_ref().map(Value::to_string)
}

/// From `RUN_COLUMNS`.
pub(crate) fn run_from_row(row: &Row<'_>, path: &Path) -> Result<Run, (i64, Quarantined)> {
    let id: i64 = row.get(0).unwrap_or_default();
    read_run(row, id).map_err(|what| {
        let place = format!("{}, table runs, id {id}", path.display());
        (id, Quarantined { kind: QuarantineKind::Run, id: id.to_string(), place, what })
    })
}

fn read_run(row: &Row<'_>, id: i64) -> Result<Run, String> {
    let sqlite = |error: rusqlite::Error| error.to_string();
    let number = |number: i64, what: &str| {
        u64::try_from(number).map_err(|_| format!("{what} is {number}, and cannot be negative"))
    };
    let time = |column: usize| -> Result<Option<DateTime<Utc>>, String> {
        let micros: Option<i64> = row.get(column).map_err(sqlite)?;
        micros.map(|micros| DateTime::from_timestamp_micros(micros).ok_or_else(|| beyond(micros))).transpose()
    };
    let fire = |column| time(column)?.ok_or_else(|| "a fire time is missing".to_owned());
    let job: String = row.get(1).map_err(sqlite)?;
    let outcome: Option<String> = row.get(8).map_err(sqlite)?;
    let result: Option<String> = row.get(11).map_err(sqlite)?;
    let (number_of_run, first) = (RunId(number(id, "its number")?), fire(2)?);
    let mut run = Run::waiting(number_of_run, JobId::new(job).map_err(|error| error.to_string())?, first);
    let count = number(row.get(4).map_err(sqlite)?, "its count of fire times")?;
    run.fires = FireRange { first, last: fire(3)?, count };
    run.attempt = row.get(5).map_err(sqlite)?;
    (run.started, run.finished) = (time(6)?, time(7)?);
    run.outcome =
        outcome.map(|text| text.parse::<Outcome>()).transpose().map_err(|error| error.to_string())?;
    run.message = row.get(9).map_err(sqlite)?;
    run.output = row.get(10).map_err(sqlite)?;
    run.result = result.map(|text| json::read_result(&text));
    run.manual = row.get(12).map_err(sqlite)?;
    run.turn = time(13)?;
    let cause: Option<i64> = row.get(14).map_err(sqlite)?;
    run.cause = cause.map(|cause| number(cause, "the number of its cause").map(RunId)).transpose()?;
    Ok(run)
}
