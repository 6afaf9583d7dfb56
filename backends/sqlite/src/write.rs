//! What is written, statement by statement, within a transaction.

use std::ptr;

use chrono::{DateTime, Utc};
use matins_core::{Job, JobId, Outcome, Run, StoreError, Transition, json};
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, OptionalExtension, Transaction};

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

const JOB_EXISTS: &str = "SELECT 1 FROM jobs WHERE id = ?1";

const PUT_JOB: &str = "INSERT INTO jobs (id, task, next_fire, body, follows) VALUES (?1, ?2, ?3, ?4, ?5) \
                       ON CONFLICT (id) DO UPDATE SET task = excluded.task, next_fire = excluded.next_fire, \
                       body = excluded.body, follows = excluded.follows";

const UPDATE_JOB: &str = "UPDATE jobs SET task = ?2, next_fire = ?3, body = ?4, follows = ?5 WHERE id = ?1";

const ADVANCE_BY_KEY: &str = "UPDATE jobs SET next_fire = ?3 WHERE key = ?1 AND next_fire IS ?2";

const ADVANCE_BY_ID: &str = "UPDATE jobs SET next_fire = ?3 WHERE id = ?1 AND next_fire IS ?2";

const REMOVE_JOB: &str = "DELETE FROM jobs WHERE id = ?1";

const RECORD: &str = "INSERT INTO runs (id, job, first_fire, last_fire, fires, attempt, started, finished, outcome, \
                      message, output, result, by_hand, turn, cause) \
                      VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15) \
                      ON CONFLICT (id) DO NOTHING";

const START: &str = "UPDATE runs SET started = ?2, first_fire = ?3, last_fire = ?3, fires = 1 WHERE id = ?1";

const EXTEND: &str = "UPDATE runs SET first_fire = ?2, last_fire = ?3, fires = ?4 WHERE id = ?1";

const FINISH: &str = "UPDATE runs SET started = ?2, finished = ?3, outcome = ?4, message = ?5, output = ?6, \
                      result = ?7, turn = ?8 WHERE id = ?1";

const PRUNE_JOB: &str = "DELETE FROM runs WHERE job = ?1 AND outcome IS NOT NULL AND id <= \
                         (SELECT id FROM runs WHERE job = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)";

const PRUNE_BEFORE: &str = "DELETE FROM runs WHERE outcome IS NOT NULL AND finished < ?1";

/// Writes rows within one transaction. A statement is looked up once, however many rows it is for.
pub(crate) struct Writer<'t> {
    transaction: &'t Transaction<'t>,
    statements: Vec<(&'static str, CachedStatement<'t>)>,
}

impl<'t> Writer<'t> {
    pub(crate) fn new(transaction: &'t Transaction<'t>) -> Self {
        Self { transaction, statements: Vec::new() }
    }

    fn statement(&mut self, sql: &'static str) -> rusqlite::Result<&mut CachedStatement<'t>> {
        let known = self.statements.iter().position(|(known, _)| ptr::eq(*known, sql));
        let place = known.unwrap_or(self.statements.len());
        if known.is_none() {
            self.statements.push((sql, self.transaction.prepare_cached(sql)?));
        }
        Ok(&mut self.statements[place].1)
    }

    /// Executes a statement with these values for its parameters. Answers with the number of rows that it has changed.
    fn execute(&mut self, sql: &'static str, values: &[ValueRef<'_>]) -> rusqlite::Result<usize> {
        let statement = self.statement(sql)?;
        // What is not bound is NULL, as most columns of a run are.
        statement.clear_bindings();
        let those_there = values.iter().enumerate().filter(|(_, value)| **value != ValueRef::Null);
        for (place, value) in those_there {
            statement.raw_bind_parameter(place + 1, ToSqlOutput::Borrowed(*value))?;
        }
        statement.raw_execute()
    }

    pub(crate) fn job_exists(&mut self, id: &JobId) -> rusqlite::Result<bool> {
        self.statement(JOB_EXISTS)?.exists([id.as_str()])
    }

    pub(crate) fn put_job(&mut self, job: &Job) -> Result<(), WriteError> {
        self.write_job(PUT_JOB, job)
    }

    pub(crate) fn remove_job(&mut self, id: &JobId) -> rusqlite::Result<()> {
        self.execute(REMOVE_JOB, &[id.as_str().into()]).map(drop)
    }

    fn write_job(&mut self, sql: &'static str, job: &Job) -> Result<(), WriteError> {
        let body = rows::body(job)?;
        // The job that it runs after.
        let follows = job.trigger.after().map(|after| after.job.as_str());
        let (id, task) = (job.id.as_str(), job.task.as_str());
        self.execute(
            sql,
            &[id.into(), task.into(), instant(job.next_fire), body.as_str().into(), follows.into()],
        )?;
        Ok(())
    }

    pub(crate) fn record(&mut self, run: &Run) -> Result<(), WriteError> {
        json::check_run(run).map_err(StoreError::from)?;
        let result = rows::result_text(run);
        let recorded = self.execute(
            RECORD,
            &[
                number(run.id.0),
                run.job.as_str().into(),
                instant(Some(run.fires.first)),
                instant(Some(run.fires.last)),
                number(run.fires.count),
                number(u64::from(run.attempt)),
                instant(run.started),
                instant(run.finished),
                run.outcome.map(Outcome::as_str).into(),
                run.message.as_deref().into(),
                run.output.as_deref().into(),
                result.as_deref().into(),
                number(u64::from(run.manual)),
                instant(run.turn),
                run.cause.map_or(ValueRef::Null, |cause| number(cause.0)),
            ],
        )?;
        if recorded == 0 { Err(StoreError::RunExists { run: run.id }.into()) } else { Ok(()) }
    }

    fn finish(&mut self, run: &Run) -> Result<(), WriteError> {
        json::check_run(run).map_err(StoreError::from)?;
        let result = rows::result_text(run);
        self.execute(
            FINISH,
            &[
                number(run.id.0),
                instant(run.started),
                instant(run.finished),
                run.outcome.map(Outcome::as_str).into(),
                run.message.as_deref().into(),
                run.output.as_deref().into(),
                result.as_deref().into(),
                instant(run.turn),
            ],
        )?;
        Ok(())
    }

    pub(crate) fn apply(&mut self, transition: &Transition, read: &ReadJobs) -> Result<(), WriteError> {
        match transition {
            Transition::Advance { job, from, to } => {
                let (before, after) = (instant(*from), instant(*to));
                let moved = match read.key(job) {
                    Some(key) => self.execute(ADVANCE_BY_KEY, &[ValueRef::Integer(key), before, after])?,
                    None => self.execute(ADVANCE_BY_ID, &[job.as_str().into(), before, after])?,
                };
                if moved == 0 {
                    return Err(stale(self.transaction, job, *from)?.into());
                }
            }
            Transition::Record(run) => self.record(run)?,
            Transition::Start { run, started, scheduled } => {
                self.execute(START, &[number(run.0), instant(*started), instant(Some(*scheduled))])?;
            }
            Transition::Extend { run, fires } => {
                let (first, last) = (instant(Some(fires.first)), instant(Some(fires.last)));
                self.execute(EXTEND, &[number(run.0), first, last, number(fires.count)])?;
            }
            Transition::Finish(run) => self.finish(run)?,
            Transition::Update(job) => self.write_job(UPDATE_JOB, job)?,
            Transition::End { job } => self.remove_job(job)?,
            Transition::PruneJob { job, keep } => {
                self.execute(PRUNE_JOB, &[job.as_str().into(), number(u64::from(*keep))])?;
            }
            Transition::PruneBefore { before } => {
                self.execute(PRUNE_BEFORE, &[instant(Some(*before))])?;
            }
        }
        Ok(())
    }
}

fn instant<'v>(instant: Option<DateTime<Utc>>) -> ValueRef<'v> {
    instant.map_or(ValueRef::Null, |instant| ValueRef::Integer(micros(instant)))
}

fn number<'v>(number: u64) -> ValueRef<'v> {
    ValueRef::Integer(number as i64)
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
