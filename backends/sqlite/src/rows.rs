//! Jobs and runs to rows and back.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use matins_core::json::STORED_DEPTH;
use matins_core::{
    ExecutorName, Job, JobId, JobState, Limits, Outcome, Policy, Run, RunId, SetAside, SetAsideKind,
    StoreError, Stretch, TaskName, Trigger, json,
};
use rusqlite::Row;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Microseconds since 1970.
pub(crate) fn micros(instant: DateTime<Utc>) -> i64 {
    instant.timestamp_micros()
}

pub(crate) fn instant(micros: i64, path: &Path, column: &str) -> Result<DateTime<Utc>, StoreError> {
    DateTime::from_timestamp_micros(micros).ok_or_else(|| damaged(path, column, beyond(micros)))
}

fn beyond(micros: i64) -> String {
    format!("{micros} microseconds lie beyond the years that can be held")
}

fn damaged(path: &Path, place: impl std::fmt::Display, what: impl ToString) -> StoreError {
    StoreError::Damaged {
        place: format!("{}, {place}", path.display()),
        what: what.to_string(),
        cure: MEND_ROW,
    }
}

/// The job as JSON, without what has columns of its own.
#[derive(Serialize)]
struct Body<'a> {
    task: &'a TaskName,
    arguments: &'a Value,
    trigger: &'a Arc<dyn Trigger>,
    state: JobState,
    executor: &'a ExecutorName,
    policy: &'a Policy,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    tags: &'a BTreeSet<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    metadata: &'a BTreeMap<String, Value>,
    created: DateTime<Utc>,
    revision: u64,
}

/// What [`Body`] is read as.
#[derive(Deserialize)]
struct ReadBody {
    task: TaskName,
    #[serde(default)]
    arguments: Value,
    trigger: Arc<dyn Trigger>,
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
}

pub(crate) fn body(job: &Job) -> Result<String, StoreError> {
    let Job {
        id,
        task,
        arguments,
        trigger,
        next_fire: _,
        state,
        executor,
        policy,
        tags,
        metadata,
        created,
        revision,
    } = job;
    let (state, created, revision) = (*state, *created, *revision);
    let body = Body { task, arguments, trigger, state, executor, policy, tags, metadata, created, revision };
    let body = serde_json::to_string(&body).map_err(|source| StoreError::Backend {
        doing: format!("saving job {id:?} as JSON"),
        source: source.into(),
    })?;
    json::check_text(|| format!("job {id:?}"), body.as_bytes())?;
    Ok(body)
}

/// From `JOB_COLUMNS`.
pub(crate) fn job_from_row(row: &Row<'_>, path: &Path) -> Result<Job, SetAside> {
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
        let ReadBody { task, arguments, trigger, state, executor, policy, tags, metadata, created, revision } =
            body;
        let (id, next_fire) = (JobId::new(&id).map_err(|error| error.to_string())?, next_fire.transpose()?);
        Ok(Job {
            id,
            task,
            arguments,
            trigger,
            next_fire,
            state,
            executor,
            policy,
            tags,
            metadata,
            created,
            revision,
        })
    };
    let place = || format!("{}, table jobs, id {id:?}", path.display());
    read().map_err(|what| SetAside { kind: SetAsideKind::Job, place: place(), id: id.clone(), what })
}

/// The error of asking for a job that is set aside.
pub(crate) fn damaged_job(job: &SetAside) -> StoreError {
    StoreError::Damaged { place: job.place.clone(), what: job.what.clone(), cure: MEND_ROW }
}

const MEND_ROW: &str = "mend or delete the row with sqlite3 while no scheduler runs";

/// What the run returned, as JSON text.
pub(crate) fn result_text(run: &Run) -> Option<String> {
    run.result.as_ref().map(Value::to_string)
}

/// Reads what [`result_text`] or somebody with `sqlite3` has written. What nests too deep for the reader stays as text.
fn read_result(text: String) -> Value {
    serde_json::from_str(&text)
        .or_else(|_| serde_json::from_str(&json::shallow(&text, Limits::DEFAULT.depth)))
        .unwrap_or(Value::String(text))
}

/// From `RUN_COLUMNS`.
pub(crate) fn run_from_row(row: &Row<'_>, path: &Path) -> Result<Run, StoreError> {
    let id: i64 = row.get(0).map_err(|error| damaged(path, "table runs", error))?;
    let place = format!("table runs, id {id}");
    let sqlite = |error: rusqlite::Error| damaged(path, &place, error);
    let time = |column: usize| -> Result<Option<DateTime<Utc>>, StoreError> {
        let micros: Option<i64> = row.get(column).map_err(sqlite)?;
        micros.map(|micros| instant(micros, path, &place)).transpose()
    };
    let fire = |column| time(column)?.ok_or_else(|| damaged(path, &place, "a fire time is missing"));
    let job: String = row.get(1).map_err(sqlite)?;
    let count: i64 = row.get(4).map_err(sqlite)?;
    let outcome: Option<String> = row.get(8).map_err(sqlite)?;
    let result: Option<String> = row.get(11).map_err(sqlite)?;
    Ok(Run {
        id: RunId(u64::try_from(id).map_err(|error| damaged(path, &place, error))?),
        job: JobId::new(job).map_err(|error| damaged(path, &place, error))?,
        fires: Stretch {
            first: fire(2)?,
            last: fire(3)?,
            count: u64::try_from(count).map_err(|error| damaged(path, &place, error))?,
        },
        attempt: row.get(5).map_err(sqlite)?,
        started: time(6)?,
        finished: time(7)?,
        outcome: outcome
            .map(|text| text.parse::<Outcome>())
            .transpose()
            .map_err(|error| damaged(path, &place, error))?,
        message: row.get(9).map_err(sqlite)?,
        output: row.get(10).map_err(sqlite)?,
        result: result.map(read_result),
        by_hand: row.get(12).map_err(sqlite)?,
        turn: time(13)?,
    })
}
