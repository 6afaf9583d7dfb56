//! Lists and counts of jobs and runs. A page is found by an index: it costs what is in it, and not what the file holds.

use matins_core::{
    Job, JobId, JobOrder, JobQuery, JobState, Run, RunId, RunOrder, RunQuery, StoreError, TaskName,
};
use matins_store_query::{JobQueryExt, RunQueryExt};
use rusqlite::{ToSql, params_from_iter};

use crate::rows::{job_from_row, micros, run_from_row};
use crate::{JOB_COLUMNS, RUN_COLUMNS, SqliteStore, failed_at};

/// A part of a list: the jobs that meet conditions, in the order of columns that an index has.
struct Part {
    conditions: Vec<&'static str>,
    order: &'static str,
    parameters: Vec<Box<dyn ToSql>>,
}

impl Part {
    fn new(query: &JobQuery, order: &'static str) -> Self {
        let mut part = Self { conditions: Vec::new(), order, parameters: Vec::new() };
        if let Some(prefix) = &query.id_prefix {
            part.holds("id >= ?", prefix.clone());
            // The next text that does not begin so: 0xff is in no UTF-8.
            let end = [prefix.as_bytes(), b"\xff"].concat();
            part.holds("id < CAST(? AS TEXT)", end);
        }
        if let Some(task) = &query.task {
            part.holds("task = ?", task.as_str().to_owned());
        }
        if query.follows {
            part.conditions.push("follows IS NOT NULL");
        }
        if let Some(before) = query.due_before {
            part.holds("next_fire < ?", micros(before));
        }
        // Bodies without these words need not be read.
        for word in [&query.tag, &query.metadata_key].into_iter().flatten() {
            if is_plain(word) {
                part.holds("instr(body, ?) > 0", format!("\"{word}\""));
            }
        }
        part
    }

    fn holds(&mut self, condition: &'static str, parameter: impl ToSql + 'static) {
        self.conditions.push(condition);
        self.parameters.push(Box::new(parameter));
    }
}

/// Whether JSON has a word as it is.
fn is_plain(word: &str) -> bool {
    word.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b' '))
}

/// The parts that make up a list, in order.
fn parts(query: &JobQuery) -> Vec<Part> {
    let after = query.after.as_ref();
    if query.order == JobOrder::Id {
        let mut part = Part::new(query, "id");
        if let Some(after) = after {
            part.holds("id > ?", after.id.as_str().to_owned());
        }
        return vec![part];
    }
    let mut parts = Vec::new();
    if after.is_none_or(|after| after.next_fire.is_some()) {
        let mut due = Part::new(query, "next_fire, id");
        due.conditions.push("next_fire IS NOT NULL");
        if let Some((after, fire)) = after.and_then(|after| Some((after, after.next_fire?))) {
            due.conditions.push("(next_fire, id) > (?, ?)");
            due.parameters.push(Box::new(micros(fire)));
            due.parameters.push(Box::new(after.id.as_str().to_owned()));
        }
        parts.push(due);
    }
    if query.due_before.is_none() {
        let mut idle = Part::new(query, "id");
        idle.conditions.push("next_fire IS NULL");
        if let Some(after) = after.filter(|after| after.next_fire.is_none()) {
            idle.holds("id > ?", after.id.as_str().to_owned());
        }
        parts.push(idle);
    }
    parts
}

impl SqliteStore {
    pub(crate) fn listed(&mut self, query: &JobQuery) -> Result<Vec<Job>, StoreError> {
        let limit = query.limit.unwrap_or(usize::MAX);
        let mut jobs = Vec::new();
        for part in parts(query) {
            self.read_part(&part, query, limit, &mut jobs)?;
        }
        Ok(jobs)
    }

    fn read_part(
        &mut self,
        part: &Part,
        query: &JobQuery,
        limit: usize,
        jobs: &mut Vec<Job>,
    ) -> Result<(), StoreError> {
        if jobs.len() >= limit {
            return Ok(());
        }
        let failed = failed_at(&self.path, "listing jobs");
        let conditions =
            if part.conditions.is_empty() { "TRUE".to_owned() } else { part.conditions.join(" AND ") };
        let sql = format!("SELECT {JOB_COLUMNS}, key FROM jobs WHERE {conditions} ORDER BY {}", part.order);
        let mut unreadable = Vec::new();
        {
            let mut statement = self.connection.prepare_cached(&sql).map_err(&failed)?;
            let mut rows = statement.query(params_from_iter(&part.parameters)).map_err(&failed)?;
            while jobs.len() < limit
                && let Some(row) = rows.next().map_err(&failed)?
            {
                match job_from_row(row, &self.path) {
                    Ok(job) if query.matches(&job) => jobs.push(job),
                    Ok(_) => {}
                    Err(job) => unreadable.push((row.get(3).map_err(&failed)?, job)),
                }
            }
        }
        self.quarantine(unreadable);
        Ok(())
    }

    /// Reads the rows with these keys again, and quarantines those that cannot be read.
    pub(crate) fn look_at(&mut self, keys: &[i64]) -> Result<(), StoreError> {
        let failed = failed_at(&self.path, "reading jobs that were quarantined");
        let mut unreadable = Vec::new();
        for key in keys {
            let sql = format!("SELECT {JOB_COLUMNS} FROM jobs WHERE key = ?1");
            let mut statement = self.connection.prepare_cached(&sql).map_err(&failed)?;
            let mut rows = statement.query([key]).map_err(&failed)?;
            if let Some(row) = rows.next().map_err(&failed)?
                && let Err(job) = job_from_row(row, &self.path)
            {
                unreadable.push((*key, job));
            }
        }
        self.quarantine(unreadable);
        Ok(())
    }

    pub(crate) fn counted(&mut self, query: &JobQuery) -> Result<usize, StoreError> {
        let failed = failed_at(&self.path, "counting jobs");
        if query.is_all() {
            let version = self.version().map_err(&failed)?;
            if let Some((_, count)) = self.counted.filter(|(counted_at, _)| *counted_at == version) {
                return Ok(count.saturating_sub(self.unreadable.len()));
            }
            let count: i64 = self
                .connection
                .query_row("SELECT count(*) FROM jobs", [], |row| row.get(0))
                .map_err(&failed)?;
            let count = usize::try_from(count).unwrap_or(0);
            self.counted = Some((version, count));
            return Ok(count.saturating_sub(self.unreadable.len()));
        }
        let JobQuery { id_prefix, task, tag, metadata_key, state, due_before, follows, .. } = query;
        let is_told_by_columns = id_prefix.is_none() && tag.is_none() && metadata_key.is_none() && !follows;
        if !is_told_by_columns {
            let all = query.clone().after(None).limit(None);
            return Ok(self.listed(&all)?.len());
        }
        let sql = format!(
            "SELECT count(*) FROM jobs WHERE (?1 IS NULL OR task = ?1) AND (?2 IS NULL OR next_fire < ?2) \
             AND (?3 IS NULL OR iif(json_valid(body), coalesce(json_extract(body, '$.state'), 'active'), '') = ?3){}",
            self.but_those_aside()
        );
        let state = state.map(|state| match state {
            JobState::Paused => "paused",
            _ => "active",
        });
        let task = task.as_ref().map(TaskName::as_str);
        let parameters = (task, due_before.map(micros), state);
        let mut statement = self.connection.prepare_cached(&sql).map_err(&failed)?;
        let count: i64 = statement.query_row(parameters, |row| row.get(0)).map_err(&failed)?;
        Ok(usize::try_from(count).unwrap_or(0))
    }

    pub(crate) fn listed_runs(&mut self, query: &RunQuery) -> Result<Vec<Run>, StoreError> {
        let failed = self.failed("reading runs");
        let newest_first = query.order == RunOrder::NewestFirst;
        // The conditions that have an index; `matches` sees to the others. A limit is safe in SQL only without those.
        let sql = format!(
            "SELECT {RUN_COLUMNS} FROM runs WHERE {} {} {} ORDER BY id {}",
            if query.job.is_some() { "job = ?1" } else { "?1 IS NULL" },
            if query.unfinished { "AND outcome IS NULL" } else { "" },
            if newest_first { "AND id < ?2" } else { "AND id > ?2" },
            if newest_first { "DESC" } else { "ASC" },
        );
        let after = query.after.map_or(if newest_first { i64::MAX } else { -1 }, |RunId(after)| {
            i64::try_from(after).unwrap_or(i64::MAX)
        });
        let limit = query.limit.unwrap_or(usize::MAX);
        let (mut runs, mut unreadable, mut repaired) = (Vec::new(), Vec::new(), Vec::new());
        {
            let mut statement = self.connection.prepare_cached(&sql).map_err(&failed)?;
            let mut rows =
                statement.query((query.job.as_ref().map(JobId::as_str), after)).map_err(&failed)?;
            while runs.len() < limit
                && let Some(row) = rows.next().map_err(&failed)?
            {
                match run_from_row(row, &self.path) {
                    Ok(run) => {
                        let number = run.id.0 as i64;
                        if self.unreadable_runs.contains(&number) {
                            repaired.push(number);
                        }
                        if query.matches(&run) {
                            runs.push(run);
                        }
                    }
                    Err(run) => unreadable.push(run),
                }
            }
        }
        self.quarantine_runs(unreadable);
        if !repaired.is_empty() {
            self.retain_runs_aside(|number| !repaired.contains(&number));
        }
        Ok(runs)
    }

    pub(crate) fn counted_runs(&mut self, query: &RunQuery) -> Result<usize, StoreError> {
        let failed = self.failed("counting runs");
        let RunQuery { job, outcome, unfinished, since, until, .. } = query;
        let outcome = outcome.map(matins_core::Outcome::as_str);
        let sql = format!(
            "SELECT count(*) FROM runs WHERE {} {} AND (?2 IS NULL OR outcome = ?2) \
             AND (?3 IS NULL OR first_fire >= ?3) AND (?4 IS NULL OR first_fire < ?4){}",
            if job.is_some() { "job = ?1" } else { "?1 IS NULL" },
            if *unfinished { "AND outcome IS NULL" } else { "" },
            self.but_runs_aside(),
        );
        let parameters = (job.as_ref().map(JobId::as_str), outcome, since.map(micros), until.map(micros));
        let mut statement = self.connection.prepare_cached(&sql).map_err(&failed)?;
        let count: i64 = statement.query_row(parameters, |row| row.get(0)).map_err(&failed)?;
        Ok(usize::try_from(count).unwrap_or(0))
    }
}
