//! Lists and counts of jobs and runs.

use chrono::{DateTime, Utc};
use matins_core::{Job, JobOrder, JobQuery, JobState, Run, RunId, RunOrder, RunQuery, StoreError};
use matins_store_query::JobQueryExt;
use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};

use crate::PostgresStore;
use crate::connection::{Parameter, parameter};
use crate::rows::{self, LIVE_COLUMNS, RUN_COLUMNS};

/// So many jobs are read at a time.
const PAGE: usize = 1_000;

/// Conditions of a statement, with their values.
#[derive(Default)]
struct Conditions {
    texts: Vec<String>,
    values: Vec<Parameter>,
}

impl Conditions {
    /// Adds a condition. `?` stands for the value.
    fn add(&mut self, condition: &str, value: impl ToSql + Sync + Send + 'static, kind: Type) {
        self.values.push(parameter(value, kind));
        self.texts.push(condition.replace('?', &format!("${}", self.values.len())));
    }

    fn plain(&mut self, condition: &str) {
        self.texts.push(condition.to_owned());
    }

    fn text(&self) -> String {
        if self.texts.is_empty() { "true".to_owned() } else { self.texts.join(" AND ") }
    }
}

fn job_conditions(query: &JobQuery) -> Conditions {
    let mut all = Conditions::default();
    if let Some(prefix) = &query.id_prefix {
        let pattern = prefix.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
        all.add("j.id LIKE ?", format!("{pattern}%"), Type::TEXT);
    }
    if let Some(task) = &query.task {
        let lanes = "j.lane IN (SELECT id FROM {s}.lanes WHERE task = ?)";
        all.add(lanes, task.as_str().to_owned(), Type::TEXT);
    }
    match query.state {
        Some(JobState::Active) => all.plain("NOT d.paused"),
        Some(JobState::Paused) => all.plain("d.paused"),
        _ => {}
    }
    if let Some(before) = query.due_before {
        all.add("d.next_fire < ?", before, Type::TIMESTAMPTZ);
    }
    all
}

/// Whether the conditions of the statement are all of the query's.
fn is_whole(query: &JobQuery) -> bool {
    query.tag.is_none() && query.metadata_key.is_none() && !query.follows
}

/// A time after all others.
const NEVER: &str = "coalesce(d.next_fire, 'infinity')";

impl PostgresStore {
    pub(crate) fn listed(&mut self, query: &JobQuery) -> Result<Vec<Job>, StoreError> {
        let limit = query.limit.unwrap_or(usize::MAX);
        let mut jobs = Vec::new();
        let mut after: Option<(Option<DateTime<Utc>>, String)> =
            query.after.as_ref().map(|after| (after.next_fire, after.id.as_str().to_owned()));
        while jobs.len() < limit {
            let mut conditions = job_conditions(query);
            let order = match query.order {
                JobOrder::NextFire => format!("{NEVER}, j.id"),
                _ => "j.id".to_owned(),
            };
            if let Some((fire, id)) = after.take() {
                if query.order == JobOrder::NextFire {
                    let place = conditions.values.len() + 1;
                    conditions.values.push(parameter(fire, Type::TIMESTAMPTZ));
                    let later = format!("({NEVER}, j.id) > (coalesce(${place}, 'infinity'), ?)");
                    conditions.add(&later, id, Type::TEXT);
                } else {
                    conditions.add("j.id > ?", id, Type::TEXT);
                }
            }
            let page = PAGE.min(limit - jobs.len()).max(1);
            let sql = format!(
                "SELECT j.key, j.version, j.id, j.body::text, d.next_fire FROM {{s}}.jobs j JOIN {{s}}.due d USING (key) \
                 WHERE {} ORDER BY {order} LIMIT {page}",
                conditions.text()
            );
            let rows = self.read("listing jobs", &sql, conditions.values)?;
            after = rows.last().map(|row| (row.get(4), row.get(2)));
            for row in &rows {
                jobs.extend(self.job_of(row).filter(|job| query.matches(job)));
            }
            if rows.len() < page {
                break;
            }
        }
        Ok(jobs)
    }

    /// The job of a row; `None` for one that is quarantined.
    fn job_of(&mut self, row: &Row) -> Option<Job> {
        match rows::job(row.get(3), row.get(4)) {
            Ok(job) => Some(job),
            Err(what) => {
                self.quarantine(row.get(0), row.get(1), row.get(2), what);
                None
            }
        }
    }

    pub(crate) fn counted(&mut self, query: &JobQuery) -> Result<usize, StoreError> {
        if !is_whole(query) {
            return Ok(self.listed(&query.clone().after(None).limit(None))?.len());
        }
        let conditions = job_conditions(query);
        let sql = format!(
            "SELECT count(*) FROM {{s}}.jobs j JOIN {{s}}.due d USING (key) WHERE {}",
            conditions.text()
        );
        let rows = self.read("counting jobs", &sql, conditions.values)?;
        let all = rows.first().map_or(0, |row| row.get::<_, i64>(0));
        Ok(usize::try_from(all).unwrap_or(0))
    }

    pub(crate) fn listed_runs(&mut self, query: &RunQuery) -> Result<Vec<Run>, StoreError> {
        let (mut runs, mut query) = (Vec::new(), query.clone());
        loop {
            let rows = self.rows_of_runs(&query)?;
            let mut unreadable = 0;
            for row in &rows {
                match rows::run(row) {
                    Ok(run) => runs.push(run),
                    Err(what) => {
                        unreadable += 1;
                        self.quarantine_run(row.get(0), what);
                    }
                }
            }
            // Further rows take the place of those that cannot be read: a page with fewer rows is the last one.
            let last = rows.last().and_then(|row| u64::try_from(row.get::<_, i64>(0)).ok());
            match (query.limit, last) {
                (Some(limit), Some(last)) if unreadable > 0 && rows.len() == limit => {
                    query = query.after(RunId(last)).limit(unreadable);
                }
                _ => return Ok(runs),
            }
        }
    }

    fn rows_of_runs(&mut self, query: &RunQuery) -> Result<Vec<Row>, StoreError> {
        let (from, values) = runs_of(query);
        let order = if query.order == RunOrder::NewestFirst { "DESC" } else { "ASC" };
        let limit = query.limit.map_or(String::new(), |limit| format!("LIMIT {limit}"));
        let part = |part: &String| format!("({part} ORDER BY l.id {order} {limit})");
        let parts: Vec<String> = from.iter().map(part).collect();
        if parts.is_empty() {
            return Ok(Vec::new());
        }
        let sql = format!("SELECT * FROM ({}) l ORDER BY l.id {order} {limit}", parts.join(" UNION ALL "));
        self.read("listing runs", &sql, values)
    }

    pub(crate) fn counted_runs(&mut self, query: &RunQuery) -> Result<usize, StoreError> {
        let (from, values) = runs_of(&query.clone().after(None));
        if from.is_empty() {
            return Ok(0);
        }
        let sql = format!("SELECT count(*) FROM ({}) l", from.join(" UNION ALL "));
        let rows = self.read("counting runs", &sql, values)?;
        let all = rows.first().map_or(0, |row| row.get::<_, i64>(0));
        Ok(usize::try_from(all).unwrap_or(0))
    }

    pub(crate) fn read(
        &mut self,
        doing: &str,
        sql: &str,
        values: Vec<Parameter>,
    ) -> Result<Vec<Row>, StoreError> {
        self.link.query(doing, &sql.replace("{s}", &self.options.schema).into(), values)
    }
}

/// The statements whose rows make up a list of runs: of those that have not ended, and of the ledger.
fn runs_of(query: &RunQuery) -> (Vec<String>, Vec<Parameter>) {
    let mut all = Conditions::default();
    if let Some(job) = &query.job {
        all.add("l.job = ?", job.as_str().to_owned(), Type::TEXT);
    }
    if let Some(since) = query.since {
        all.add("l.first_fire >= ?", since, Type::TIMESTAMPTZ);
    }
    if let Some(until) = query.until {
        all.add("l.first_fire < ?", until, Type::TIMESTAMPTZ);
    }
    if let Some(after) = query.after {
        let number = i64::try_from(after.0).unwrap_or(i64::MAX);
        let later = if query.order == RunOrder::NewestFirst { "l.id < ?" } else { "l.id > ?" };
        all.add(later, number, Type::INT8);
    }
    let (mut from, common) = (Vec::new(), all.text());
    if query.outcome.is_none() {
        from.push(format!("SELECT {LIVE_COLUMNS} FROM {{s}}.live l WHERE {common}"));
    }
    if !query.unfinished {
        let mut ledger = all;
        if let Some(outcome) = query.outcome {
            ledger.add("l.outcome = ?", outcome.as_str(), Type::TEXT);
        }
        from.push(format!("SELECT {RUN_COLUMNS} FROM {{s}}.runs l WHERE {}", ledger.text()));
        return (from, ledger.values);
    }
    (from, all.values)
}
