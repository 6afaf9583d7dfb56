//! What is written, statement by statement, within a transaction.

use chrono::{DateTime, Utc};
use matins_core::{Job, JobId, Run, StoreError, Transition, json};
use rusqlite::{OptionalExtension, Transaction, params};

use crate::read_jobs::ReadJobs;
use crate::rows::{self, micros};

/// Why a transaction is rolled back.
pub(crate) enum WriteError {
    Refused(StoreError),
    Sqlite(rusqlite::Error),
}

impl From<rusqlite::Error> for WriteError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<StoreError> for WriteError {
    fn from(error: StoreError) -> Self {
        Self::Refused(error)
    }
}

pub(crate) fn job_exists(transaction: &Transaction<'_>, id: &JobId) -> rusqlite::Result<bool> {
    transaction.prepare_cached("SELECT 1 FROM jobs WHERE id = ?1")?.exists([id.as_str()])
}

pub(crate) fn put_job(transaction: &Transaction<'_>, job: &Job) -> Result<(), WriteError> {
    let body = rows::body(job)?;
    transaction
        .prepare_cached(
            "INSERT INTO jobs (id, task, next_fire, body, follows) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (id) DO UPDATE SET task = excluded.task, next_fire = excluded.next_fire, \
             body = excluded.body, follows = excluded.follows",
        )?
        .execute(params![
            job.id.as_str(),
            job.task.as_str(),
            job.next_fire.map(micros),
            body,
            followed(job)
        ])?;
    Ok(())
}

/// The job that it runs after.
fn followed(job: &Job) -> Option<&str> {
    job.trigger.after().map(|after| after.job.as_str())
}

pub(crate) fn record(transaction: &Transaction<'_>, run: &Run) -> Result<(), WriteError> {
    json::check_run(run).map_err(StoreError::from)?;
    let recorded = transaction
        .prepare_cached(
            "INSERT INTO runs (id, job, first_fire, last_fire, fires, attempt, started, finished, outcome, \
             message, output, result, by_hand, turn, cause) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15) \
             ON CONFLICT (id) DO NOTHING",
        )?
        .execute(params![
            run.id.0 as i64,
            run.job.as_str(),
            micros(run.fires.first),
            micros(run.fires.last),
            run.fires.count as i64,
            run.attempt,
            run.started.map(micros),
            run.finished.map(micros),
            run.outcome.map(matins_core::Outcome::as_str),
            run.message,
            run.output,
            rows::result_text(run),
            run.manual,
            run.turn.map(micros),
            run.cause.map(|cause| cause.0 as i64),
        ])?;
    if recorded == 0 { Err(StoreError::RunExists { run: run.id }.into()) } else { Ok(()) }
}

pub(crate) fn apply(
    transaction: &Transaction<'_>,
    transition: &Transition,
    read: &ReadJobs,
) -> Result<(), WriteError> {
    match transition {
        Transition::Advance { job, from, to } => {
            let (from_micros, to) = (from.map(micros), to.map(micros));
            let moved = if let Some(key) = read.key(job) {
                transaction
                    .prepare_cached("UPDATE jobs SET next_fire = ?3 WHERE key = ?1 AND next_fire IS ?2")?
                    .execute(params![key, from_micros, to])?
            } else {
                transaction
                    .prepare_cached("UPDATE jobs SET next_fire = ?3 WHERE id = ?1 AND next_fire IS ?2")?
                    .execute(params![job.as_str(), from_micros, to])?
            };
            if moved == 0 {
                return Err(stale(transaction, job, *from)?.into());
            }
        }
        Transition::Record(run) => record(transaction, run)?,
        Transition::Start { run, started, scheduled } => {
            transaction
                .prepare_cached(
                    "UPDATE runs SET started = ?2, first_fire = ?3, last_fire = ?3, fires = 1 WHERE id = ?1",
                )?
                .execute(params![run.0 as i64, started.map(micros), micros(*scheduled)])?;
        }
        Transition::Extend { run, fires } => {
            transaction
                .prepare_cached("UPDATE runs SET first_fire = ?2, last_fire = ?3, fires = ?4 WHERE id = ?1")?
                .execute(params![
                    run.0 as i64,
                    micros(fires.first),
                    micros(fires.last),
                    fires.count as i64
                ])?;
        }
        Transition::Finish(run) => {
            json::check_run(run).map_err(StoreError::from)?;
            transaction
                .prepare_cached(
                    "UPDATE runs SET started = ?2, finished = ?3, outcome = ?4, message = ?5, output = ?6, \
                     result = ?7, turn = ?8 WHERE id = ?1",
                )?
                .execute(params![
                    run.id.0 as i64,
                    run.started.map(micros),
                    run.finished.map(micros),
                    run.outcome.map(matins_core::Outcome::as_str),
                    run.message,
                    run.output,
                    rows::result_text(run),
                    run.turn.map(micros),
                ])?;
        }
        Transition::Update(job) => {
            transaction
                .prepare_cached(
                    "UPDATE jobs SET task = ?2, next_fire = ?3, body = ?4, follows = ?5 WHERE id = ?1",
                )?
                .execute(params![
                    job.id.as_str(),
                    job.task.as_str(),
                    job.next_fire.map(micros),
                    rows::body(job)?,
                    followed(job),
                ])?;
        }
        Transition::End { job } => {
            transaction.prepare_cached("DELETE FROM jobs WHERE id = ?1")?.execute([job.as_str()])?;
        }
        Transition::PruneJob { job, keep } => {
            transaction
                .prepare_cached(
                    "DELETE FROM runs WHERE job = ?1 AND outcome IS NOT NULL AND id <= \
                     (SELECT id FROM runs WHERE job = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)",
                )?
                .execute(params![job.as_str(), keep])?;
        }
        Transition::PruneBefore { before } => {
            transaction
                .prepare_cached("DELETE FROM runs WHERE outcome IS NOT NULL AND finished < ?1")?
                .execute([micros(*before)])?;
        }
    }
    Ok(())
}

fn stale(
    transaction: &Transaction<'_>,
    id: &JobId,
    expected: Option<DateTime<Utc>>,
) -> rusqlite::Result<StoreError> {
    let found: Option<Option<i64>> = transaction
        .query_row("SELECT next_fire FROM jobs WHERE id = ?1", [id.as_str()], |row| row.get(0))
        .optional()?;
    Ok(match found {
        None => StoreError::NotFound { id: id.clone() },
        Some(found) => StoreError::Stale {
            id: id.clone(),
            expected,
            found: found.and_then(DateTime::from_timestamp_micros),
        },
    })
}
