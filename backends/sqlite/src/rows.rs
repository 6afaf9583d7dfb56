//! Jobs and runs to rows and back.

use std::path::Path;

use chrono::{DateTime, Utc};
use matins_core::{Job, JobId, Outcome, Run, RunId, StoreError, Stretch};
use rusqlite::Row;
use serde_json::Value;

/// Microseconds since 1970.
pub(crate) fn micros(instant: DateTime<Utc>) -> i64 {
    instant.timestamp_micros()
}

pub(crate) fn instant(micros: i64, path: &Path, column: &str) -> Result<DateTime<Utc>, StoreError> {
    DateTime::from_timestamp_micros(micros).ok_or_else(|| {
        damaged(path, column, format!("{micros} microseconds lie beyond the years that can be held"))
    })
}

fn damaged(path: &Path, place: impl std::fmt::Display, what: impl ToString) -> StoreError {
    StoreError::Damaged {
        place: format!("{}, {place}", path.display()),
        what: what.to_string(),
        cure: "mend or delete the row with sqlite3 while no scheduler runs",
    }
}

/// The job as JSON, without what has columns of its own.
pub(crate) fn body(job: &Job) -> Result<String, StoreError> {
    let failed = |source: serde_json::Error| StoreError::Backend {
        doing: format!("saving job {:?} as JSON", job.id),
        source: source.into(),
    };
    let mut body = serde_json::to_value(job).map_err(failed)?;
    if let Value::Object(fields) = &mut body {
        fields.remove("id");
        fields.remove("next_fire");
    }
    Ok(body.to_string())
}

/// From `id, next_fire, body`.
pub(crate) fn job_from_row(row: &Row<'_>, path: &Path) -> Result<Job, StoreError> {
    let id: String = row.get(0).map_err(|error| damaged(path, "table jobs", error))?;
    let place = format!("table jobs, id {id:?}");
    let read = || -> Result<Job, String> {
        let body: String = row.get(2).map_err(|error| error.to_string())?;
        let mut fields: serde_json::Map<String, Value> =
            serde_json::from_str(&body).map_err(|error| format!("the body is not JSON: {error}"))?;
        fields.insert("id".to_owned(), id.clone().into());
        fields.insert("next_fire".to_owned(), Value::Null);
        serde_json::from_value(Value::Object(fields)).map_err(|error| format!("the body is no job: {error}"))
    };
    let mut job = read().map_err(|what| damaged(path, &place, what))?;
    let next_fire: Option<i64> = row.get(1).map_err(|error| damaged(path, &place, error))?;
    job.next_fire = next_fire.map(|micros| instant(micros, path, &place)).transpose()?;
    Ok(job)
}

/// What the run returned, as JSON text.
pub(crate) fn result_text(run: &Run) -> Option<String> {
    run.result.as_ref().map(Value::to_string)
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
        result: result
            .map(|text| serde_json::from_str(&text))
            .transpose()
            .map_err(|error| damaged(path, &place, error))?,
    })
}
