//! Settling: the statements that apply a batch, and the end of the transaction.

use std::time::{Duration, Instant};

use matins_core::{Job, JobState, Outcome, Run, Settled, Settlement, StoreError};
use tokio_postgres::types::{ToSql, Type};

use crate::PostgresStore;
use crate::batch::{Batch, LiveRow, Moved, Started};
use crate::connection::{Parameter, Pipeline, RunError, parameter};
use crate::found::{Mine, Open};
use crate::look::Look;
use crate::rows::{self, Traits};
use crate::statements::Statements;

/// So long a call may drop old rows: others wait for its lane meanwhile, and its lease has to be renewed.
const LONGEST_PRUNE: Duration = Duration::from_secs(1);

/// An id is taken.
const UNIQUE_VIOLATION: &str = "23505";

/// Where the answers of a batch are.
#[derive(Default)]
struct Answers {
    /// The runs that were ended or put off, if any were to be.
    done: Vec<usize>,
    look: Option<usize>,
}

impl PostgresStore {
    pub(crate) fn settled(&mut self, settlement: Settlement) -> Result<Settled, StoreError> {
        let result = self.settle_open(settlement);
        // Whatever has failed, the claim is over.
        self.end_transaction();
        result
    }

    fn settle_open(&mut self, settlement: Settlement) -> Result<Settled, StoreError> {
        let open = self.open.take().unwrap_or_default();
        let batch = match Batch::of(settlement, &open) {
            Ok(batch) => batch,
            Err(error) => {
                self.open = Some(open);
                return Err(error);
            }
        };
        if batch.is_empty() {
            let waiting = self.seen.as_ref().map_or(self.waiting, |look| look.waiting);
            // What was claimed may not begin yet, for a reason that no row shows: it is not asked for at once.
            self.found_nothing |= self.transaction.is_some();
            self.open = Some(open).filter(|_| self.transaction.is_some());
            self.end_transaction();
            self.prune(&batch);
            return Ok(Settled::waiting(waiting));
        }
        if self.transaction.is_none() {
            self.begin()?;
        }
        let (pipeline, answers) = self.statements(&batch, &open)?;
        let rows = match self.run_more(pipeline) {
            Ok(rows) => rows,
            Err(failed) => return Err(self.not_settled(failed, &batch)),
        };
        self.transaction = None;
        self.found_nothing = false;
        let done: Vec<i64> = answers.done.iter().flat_map(|at| &rows[*at]).map(|row| row.get(0)).collect();
        self.remember(&batch);
        self.seen = answers.look.and_then(|look| Look::of(&rows[look]));
        self.waiting = self.seen.as_ref().map_or(self.waiting, |look| look.waiting);
        let mut settled = Settled::waiting(self.waiting);
        let ended = batch.finished.iter().chain(&batch.postponed).map(|run| run.id);
        settled.lost = ended.filter(|run| !done.contains(&(run.0 as i64))).collect();
        self.prune(&batch);
        Ok(settled)
    }

    /// Why a batch was not applied, as far as is known.
    fn not_settled(&mut self, failed: RunError, batch: &Batch) -> StoreError {
        if failed.code() == Some(UNIQUE_VIOLATION)
            && let Some(run) = failed.conflicting_key()
            && (batch.live.iter().map(|row| &row.run).chain(&batch.ended)).any(|known| known.id == run)
        {
            return StoreError::RunExists { run };
        }
        if failed.is_lost() && matches!(self.check_membership(), Err(StoreError::Fenced)) {
            return StoreError::Fenced;
        }
        self.link.failed("settling a claim", failed)
    }

    fn statements(&mut self, batch: &Batch, open: &Open) -> Result<(Pipeline, Answers), StoreError> {
        let me = self.member()?;
        let sql = self.sql.clone();
        let (mut pipeline, mut answers) = (Pipeline::new(), Answers::default());
        if !batch.updates.is_empty() {
            put_jobs(&mut pipeline, &sql, &batch.updates, true)?;
        }
        if !batch.moved.is_empty() {
            pipeline.query(&sql.move_on, moved(&batch.moved));
        }
        if !batch.live.is_empty() {
            pipeline.query(&sql.record_live, live(&batch.live, me));
        }
        if !batch.ended.is_empty() {
            pipeline.query(&sql.record_ended, ended(&batch.ended));
        }
        if !batch.starts.is_empty() {
            pipeline.query(&sql.start, starts(&batch.starts, me));
        }
        if !batch.postponed.is_empty() {
            answers.done.push(pipeline.query(&sql.postpone, postponed(&batch.postponed, me, &open.given)));
        }
        if !batch.finished.is_empty() {
            answers.done.push(pipeline.query(&sql.finish, finished(&batch.finished, me, &open.given)));
        }
        if !batch.extended.is_empty() {
            let of = &batch.extended;
            let parameters = vec![
                column(of, |(run, _)| run.0 as i64, Type::INT8_ARRAY),
                column(of, |(_, fires)| fires.first, Type::TIMESTAMPTZ_ARRAY),
                column(of, |(_, fires)| fires.last, Type::TIMESTAMPTZ_ARRAY),
                column(of, |(_, fires)| fires.count as i64, Type::INT8_ARRAY),
            ];
            pipeline.query(&sql.extend, parameters);
        }
        if !batch.removed.is_empty() {
            let ids = column(&batch.removed, |(id, _)| id.as_str().to_owned(), Type::TEXT_ARRAY);
            pipeline.query(&sql.remove_jobs, vec![ids]);
            let keys: Vec<i64> = batch.removed.iter().filter_map(|(_, key)| *key).collect();
            pipeline.query(&sql.miss_removed, vec![parameter(keys, Type::INT8_ARRAY)]);
        }
        if let Some((first, last)) = open.numbers {
            let used = batch.last_number.unwrap_or(first - 1);
            pipeline.batch(&sql.lock_numbers);
            pipeline
                .query(&sql.return_numbers, vec![parameter(used, Type::INT8), parameter(last, Type::INT8)]);
            pipeline.batch(&sql.unlock_numbers);
        }
        if open.is_command || batch.leaves_runs {
            pipeline.query(&sql.notify, vec![parameter(me.to_string(), Type::TEXT)]);
        }
        // After a full claim there is more to claim.
        answers.look = (!self.was_full).then(|| pipeline.query(&sql.look, self.look_parameters()));
        pipeline.batch(&"COMMIT".into());
        Ok((pipeline, answers))
    }

    /// Notes which runs are in progress here.
    fn remember(&mut self, batch: &Batch) {
        let begun = batch.live.iter().filter(|row| row.run.started.is_some());
        let begun = begun.map(|row| (&row.run.job, row.key, row.run.id, &row.group));
        let started = batch.starts.iter().filter(|run| run.at.is_some());
        let started = started.map(|run| (&run.job, run.key, run.run, &run.group));
        let taken_up = batch.taken_up.iter().map(|(run, job, key, group)| (job, *key, *run, group));
        for (job, key, run, group) in begun.chain(started).chain(taken_up) {
            let mine = self.mine.entry(job.clone()).or_insert_with(|| Mine { key, runs: Vec::new() });
            mine.runs.push((run.0 as i64, group.clone()));
        }
        let not_begun = batch.postponed.iter().filter(|run| run.started.is_none());
        for run in batch.finished.iter().chain(not_begun) {
            if let Some(mine) = self.mine.get_mut(&run.job) {
                mine.runs.retain(|(known, _)| *known != run.id.0 as i64);
                if mine.runs.is_empty() {
                    self.mine.remove(&run.job);
                }
            }
        }
        for (job, _) in &batch.removed {
            self.cache.forget(job);
        }
    }

    /// Old rows go after the commit, in transactions of their own: they may be many. What is committed stays so where that fails, and what
    /// is not done within some time waits for the next call.
    fn prune(&mut self, batch: &Batch) {
        let _ = self.try_prune(batch);
    }

    fn try_prune(&mut self, batch: &Batch) -> Result<(), StoreError> {
        let began = Instant::now();
        for (job, keep) in &batch.prune_jobs {
            if began.elapsed() > LONGEST_PRUNE {
                return Ok(());
            }
            let parameters =
                vec![parameter(job.as_str().to_owned(), Type::TEXT), parameter(i64::from(*keep), Type::INT8)];
            self.link.query("pruning the ledger", &self.sql.prune_job.clone(), parameters)?;
        }
        let Some(before) = batch.prune_before else { return Ok(()) };
        while began.elapsed() <= LONGEST_PRUNE {
            let parameters = vec![parameter(before, Type::TIMESTAMPTZ)];
            let rows = self.link.query("pruning the ledger", &self.sql.prune_before.clone(), parameters)?;
            if rows.first().is_none_or(|row| row.get::<_, i64>(0) == 0) {
                break;
            }
        }
        Ok(())
    }
}

/// A column of an array statement.
fn column<R, T>(rows: &[R], of: impl FnMut(&R) -> T, kind: Type) -> Parameter
where
    Vec<T>: ToSql + Sync + Send + 'static,
{
    parameter(rows.iter().map(of).collect::<Vec<T>>(), kind)
}

/// Writes jobs with their lanes and groups. The last answer has the ids of those that were written: those that are there already are
/// replaced, or left as they are.
pub(crate) fn put_jobs(
    pipeline: &mut Pipeline,
    sql: &Statements,
    jobs: &[Job],
    replaces: bool,
) -> Result<(), StoreError> {
    let task = |job: &Job| job.task.as_str().to_owned();
    let executor = |job: &Job| job.executor.as_str().to_owned();
    let (tasks, executors) =
        (|| column(jobs, task, Type::TEXT_ARRAY), || column(jobs, executor, Type::TEXT_ARRAY));
    pipeline.query(&sql.make_lanes, vec![tasks(), executors()]);
    let traits: Vec<Traits> = jobs.iter().map(Traits::of).collect();
    if traits.iter().any(|of| of.group.is_some()) {
        let groups: Vec<String> = traits.iter().filter_map(|of| of.group.clone()).collect();
        pipeline.query(&sql.make_groups, vec![parameter(groups, Type::TEXT_ARRAY)]);
    }
    let bodies: Result<Vec<String>, StoreError> = jobs.iter().map(rows::body).collect();
    let parameters = vec![
        column(jobs, |job| job.id.as_str().to_owned(), Type::TEXT_ARRAY),
        tasks(),
        executors(),
        parameter(bodies?, Type::TEXT_ARRAY),
        column(jobs, |job| job.next_fire, Type::TIMESTAMPTZ_ARRAY),
        column(jobs, |job| job.state == JobState::Paused, Type::BOOL_ARRAY),
        column(&traits, |of| of.gate, Type::BOOL_ARRAY),
        column(&traits, |of| of.removes, Type::BOOL_ARRAY),
        column(&traits, |of| of.follows.as_ref().map(|(job, _)| job.clone()), Type::TEXT_ARRAY),
        column(&traits, |of| of.follows.as_ref().map(|(_, outcome)| (*outcome).to_owned()), Type::TEXT_ARRAY),
        column(&traits, |of| of.group.clone(), Type::TEXT_ARRAY),
    ];
    pipeline.query(if replaces { &sql.put_jobs } else { &sql.add_jobs }, parameters);
    Ok(())
}

fn moved(jobs: &[Moved]) -> Vec<Parameter> {
    let open = |moved: &Moved| {
        let runs: Vec<String> = moved.running.iter().map(i64::to_string).collect();
        format!("{{{}}}", runs.join(","))
    };
    let limit = |moved: &Moved| moved.turn.as_ref().map(|turn| i32::try_from(turn.limit).unwrap_or(i32::MAX));
    vec![
        column(jobs, |moved| moved.key, Type::INT8_ARRAY),
        column(jobs, |moved| moved.next_fire, Type::TIMESTAMPTZ_ARRAY),
        column(jobs, open, Type::TEXT_ARRAY),
        column(jobs, limit, Type::INT4_ARRAY),
        column(jobs, |moved| moved.turn.as_ref().map(|turn| turn.priority), Type::INT4_ARRAY),
        column(jobs, |moved| moved.turn.as_ref().map(|turn| turn.fire), Type::TIMESTAMPTZ_ARRAY),
    ]
}

pub(crate) fn live(rows: &[LiveRow], me: i64) -> Vec<Parameter> {
    vec![
        column(rows, |row| row.run.id.0 as i64, Type::INT8_ARRAY),
        column(rows, |row| row.key, Type::INT8_ARRAY),
        column(rows, |row| row.run.job.as_str().to_owned(), Type::TEXT_ARRAY),
        column(rows, |row| row.lane, Type::INT4_ARRAY),
        column(rows, |row| row.run.fires.first, Type::TIMESTAMPTZ_ARRAY),
        column(rows, |row| row.run.fires.last, Type::TIMESTAMPTZ_ARRAY),
        column(rows, |row| row.run.fires.count as i64, Type::INT8_ARRAY),
        column(rows, |row| attempt(&row.run), Type::INT4_ARRAY),
        column(rows, |row| row.run.manual, Type::BOOL_ARRAY),
        column(rows, |row| cause(&row.run), Type::INT8_ARRAY),
        column(rows, |row| row.run.turn, Type::TIMESTAMPTZ_ARRAY),
        column(rows, |row| row.run.started, Type::TIMESTAMPTZ_ARRAY),
        column(rows, |row| row.run.message.as_deref().map(rows::text), Type::TEXT_ARRAY),
        column(rows, |row| row.run.started.map(|_| me), Type::INT8_ARRAY),
        column(rows, |row| row.group.as_ref().map(|group| group.as_str().to_owned()), Type::TEXT_ARRAY),
    ]
}

fn attempt(run: &Run) -> i32 {
    i32::try_from(run.attempt).unwrap_or(i32::MAX)
}

fn cause(run: &Run) -> Option<i64> {
    run.cause.map(|cause| cause.0 as i64)
}

fn outcome(run: &Run) -> Option<&'static str> {
    run.outcome.map(Outcome::as_str)
}

fn text(text: Option<&String>) -> Option<String> {
    text.map(|text| rows::text(text))
}

fn result(run: &Run) -> Option<String> {
    run.result.as_ref().map(ToString::to_string)
}

pub(crate) fn ended(runs: &[Run]) -> Vec<Parameter> {
    vec![
        column(runs, |run| run.id.0 as i64, Type::INT8_ARRAY),
        column(runs, |run| run.job.as_str().to_owned(), Type::TEXT_ARRAY),
        column(runs, |run| run.fires.first, Type::TIMESTAMPTZ_ARRAY),
        column(runs, |run| run.fires.last, Type::TIMESTAMPTZ_ARRAY),
        column(runs, |run| run.fires.count as i64, Type::INT8_ARRAY),
        column(runs, attempt, Type::INT4_ARRAY),
        column(runs, |run| run.manual, Type::BOOL_ARRAY),
        column(runs, cause, Type::INT8_ARRAY),
        column(runs, |run| run.turn, Type::TIMESTAMPTZ_ARRAY),
        column(runs, |run| run.started, Type::TIMESTAMPTZ_ARRAY),
        column(runs, |run| run.finished, Type::TIMESTAMPTZ_ARRAY),
        column(runs, outcome, Type::TEXT_ARRAY),
        column(runs, |run| text(run.message.as_ref()), Type::TEXT_ARRAY),
        column(runs, |run| text(run.output.as_ref()), Type::TEXT_ARRAY),
        column(runs, result, Type::TEXT_ARRAY),
    ]
}

fn starts(runs: &[Started], me: i64) -> Vec<Parameter> {
    vec![
        column(runs, |run| run.run.0 as i64, Type::INT8_ARRAY),
        column(runs, |run| run.at, Type::TIMESTAMPTZ_ARRAY),
        column(runs, |run| run.fire, Type::TIMESTAMPTZ_ARRAY),
        column(runs, |run| run.at.map(|_| me), Type::INT8_ARRAY),
        column(runs, |run| run.group.as_ref().map(|group| group.as_str().to_owned()), Type::TEXT_ARRAY),
    ]
}

fn postponed(runs: &[Run], me: i64, given: &[i64]) -> Vec<Parameter> {
    vec![
        column(runs, |run| run.id.0 as i64, Type::INT8_ARRAY),
        column(runs, |run| run.started, Type::TIMESTAMPTZ_ARRAY),
        column(runs, |run| run.turn, Type::TIMESTAMPTZ_ARRAY),
        column(runs, |run| text(run.message.as_ref()), Type::TEXT_ARRAY),
        column(runs, |run| run.started.map(|_| me), Type::INT8_ARRAY),
        parameter(me, Type::INT8),
        parameter(given.to_vec(), Type::INT8_ARRAY),
    ]
}

fn finished(runs: &[Run], me: i64, given: &[i64]) -> Vec<Parameter> {
    vec![
        column(runs, |run| run.id.0 as i64, Type::INT8_ARRAY),
        column(runs, |run| run.turn, Type::TIMESTAMPTZ_ARRAY),
        column(runs, |run| run.started, Type::TIMESTAMPTZ_ARRAY),
        column(runs, |run| run.finished, Type::TIMESTAMPTZ_ARRAY),
        column(runs, outcome, Type::TEXT_ARRAY),
        column(runs, |run| text(run.message.as_ref()), Type::TEXT_ARRAY),
        column(runs, |run| text(run.output.as_ref()), Type::TEXT_ARRAY),
        column(runs, result, Type::TEXT_ARRAY),
        parameter(me, Type::INT8),
        parameter(given.to_vec(), Type::INT8_ARRAY),
    ]
}
