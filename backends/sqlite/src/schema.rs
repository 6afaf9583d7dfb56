//! The tables, and what a file must be before they are used.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use matins_core::StoreError;
use rusqlite::{Connection, ErrorCode};

use crate::{Durability, failed_at};

/// `MTNS`: tells our files from other programs' databases.
const APPLICATION_ID: i64 = 0x4d54_4e53;

/// The format that this version reads and writes, kept in `user_version`.
pub(crate) const FORMAT: i64 = MIGRATIONS.len() as i64;

/// What leads from each format to the next; the first one makes the tables. None is ever changed once it was published.
const MIGRATIONS: [&str; 5] = [TABLES, RUNS_BY_HAND, IDLE_JOBS, RUN_TURNS, FOLLOWING];

/// What every SQLite file begins with, <https://sqlite.org/fileformat.html>.
const MAGIC: &[u8] = b"SQLite format 3\0";

const TABLES: &str = "
CREATE TABLE jobs (
    key INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    task TEXT NOT NULL,
    -- Microseconds since 1970-01-01 00:00 UTC, as all times here; NULL while paused, and when the trigger is exhausted.
    next_fire INTEGER,
    -- The whole job as JSON, its id and next fire time quarantined.
    body TEXT NOT NULL
) STRICT;
CREATE INDEX jobs_due ON jobs (next_fire, id) WHERE next_fire IS NOT NULL;

CREATE TABLE runs (
    -- AUTOINCREMENT, so that the number of a pruned run is never used again.
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    -- Not a foreign key: runs outlive their job.
    job TEXT NOT NULL,
    first_fire INTEGER NOT NULL,
    last_fire INTEGER NOT NULL,
    fires INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    started INTEGER,
    finished INTEGER,
    outcome TEXT,
    message TEXT,
    output TEXT,
    result TEXT
) STRICT;
CREATE INDEX runs_of_job ON runs (job, id);
CREATE INDEX runs_unfinished ON runs (id) WHERE outcome IS NULL;

CREATE VIEW jobs_readable AS
SELECT id, task,
       strftime('%Y-%m-%d %H:%M:%S', next_fire / 1000000, 'unixepoch') || printf('.%06d', next_fire % 1000000) AS next_fire_utc,
       json_extract(body, '$.state') AS state,
       body
FROM jobs ORDER BY next_fire IS NULL, next_fire, id;

CREATE VIEW runs_readable AS
SELECT id, job,
       strftime('%Y-%m-%d %H:%M:%S', first_fire / 1000000, 'unixepoch') AS first_fire_utc,
       strftime('%Y-%m-%d %H:%M:%S', last_fire / 1000000, 'unixepoch') AS last_fire_utc,
       fires, attempt,
       round((started - first_fire) / 1000.0, 3) AS late_ms,
       round((finished - started) / 1000.0, 3) AS took_ms,
       coalesce(outcome, CASE WHEN started IS NULL THEN 'waiting' ELSE 'running' END) AS outcome,
       message, output, result
FROM runs ORDER BY id;
";

const RUNS_BY_HAND: &str = "
-- 1 for a run that somebody asked for, beside the job's schedule.
ALTER TABLE runs ADD COLUMN by_hand INTEGER NOT NULL DEFAULT 0;
DROP VIEW runs_readable;
CREATE VIEW runs_readable AS
SELECT id, job,
       strftime('%Y-%m-%d %H:%M:%S', first_fire / 1000000, 'unixepoch') AS first_fire_utc,
       strftime('%Y-%m-%d %H:%M:%S', last_fire / 1000000, 'unixepoch') AS last_fire_utc,
       fires, attempt, by_hand,
       round((started - first_fire) / 1000.0, 3) AS late_ms,
       round((finished - started) / 1000.0, 3) AS took_ms,
       coalesce(outcome, CASE WHEN started IS NULL THEN 'waiting' ELSE 'running' END) AS outcome,
       message, output, result
FROM runs ORDER BY id;
";

const IDLE_JOBS: &str = "
-- With jobs_due, all jobs in the order of their next fire times: a page of them is found without reading the others.
CREATE INDEX jobs_idle ON jobs (id) WHERE next_fire IS NULL;
";

const RUN_TURNS: &str = "
-- When a further attempt, or a run that could not begin, is to begin.
ALTER TABLE runs ADD COLUMN turn INTEGER;
";

const FOLLOWING: &str = "
-- The job whose runs it follows. Those that follow any are found without reading the others.
ALTER TABLE jobs ADD COLUMN follows TEXT;
CREATE INDEX jobs_following ON jobs (id) WHERE follows IS NOT NULL;
-- The run that it follows.
ALTER TABLE runs ADD COLUMN cause INTEGER;
";

/// Refuses a file that is no SQLite database before anything is made beside it.
pub(crate) fn refuse_foreign_file(path: &Path) -> Result<(), StoreError> {
    let mut start = Vec::new();
    match File::open(path).and_then(|file| file.take(MAGIC.len() as u64).read_to_end(&mut start)) {
        Ok(_) if start.is_empty() || start == MAGIC => Ok(()),
        Ok(_) => Err(damaged(path, "it is not a SQLite database")),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(StoreError::Backend {
            doing: format!("opening the store {}", path.display()),
            source: error.into(),
        }),
    }
}

pub(crate) fn damaged(path: &Path, what: impl Into<String>) -> StoreError {
    damage(path, what.into(), None)
}

/// The same, as SQLite found out.
fn damaged_because(path: &Path, source: rusqlite::Error) -> StoreError {
    damage(path, "SQLite cannot read it".to_owned(), Some(source))
}

fn damage(path: &Path, what: String, source: Option<rusqlite::Error>) -> StoreError {
    StoreError::Damaged {
        place: path.display().to_string(),
        what,
        source: source.map(Into::into),
        cure: "name another file, restore this one from a backup, or see what `sqlite3 FILE .recover` saves; \
               nothing was changed",
    }
}

/// A failure to open, in words that tell what to do where that is known.
pub(crate) fn open_error(path: &Path, source: rusqlite::Error) -> StoreError {
    match source.sqlite_error_code() {
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => damaged_because(path, source),
        _ => failed_at(path, "opening the store")(source),
    }
}

/// Checks that the file is ours and of a format that we know, sets it up, and makes the tables of a new one.
pub(crate) fn prepare(
    connection: &mut Connection,
    path: &Path,
    durability: Durability,
) -> Result<(), StoreError> {
    let failed = |source| open_error(path, source);
    let number = |connection: &Connection, sql: &str| -> Result<i64, StoreError> {
        connection.query_row(sql, [], |row| row.get(0)).map_err(failed)
    };
    let application = number(connection, "PRAGMA application_id")?;
    let format = number(connection, "PRAGMA user_version")?;
    let is_new = number(connection, "SELECT count(*) FROM sqlite_schema")? == 0 && application == 0;
    if !is_new && application != APPLICATION_ID {
        return Err(damaged(path, "it is the database of another program"));
    }
    if format > FORMAT {
        return Err(StoreError::TooNew { path: path.to_owned(), found: format, known: FORMAT });
    }
    if !is_new {
        refuse_damage(connection, path)?;
    }
    let synchronous = match durability {
        Durability::Full => "FULL",
        Durability::Normal => "NORMAL",
    };
    connection.pragma_update(None, "journal_mode", "WAL").map_err(failed)?;
    connection.pragma_update(None, "synchronous", synchronous).map_err(failed)?;
    connection.pragma_update(None, "foreign_keys", "ON").map_err(failed)?;
    if format < FORMAT {
        let transaction = connection.transaction().map_err(failed)?;
        for migration in &MIGRATIONS[format.max(0) as usize..] {
            transaction.execute_batch(migration).map_err(failed)?;
        }
        transaction.pragma_update(None, "application_id", APPLICATION_ID).map_err(failed)?;
        transaction.pragma_update(None, "user_version", FORMAT).map_err(failed)?;
        transaction.commit().map_err(failed)?;
    }
    Ok(())
}

/// A look at the tables' shape; the pages are checked as they are read, so that opening does not grow with the file.
fn refuse_damage(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    for sql in
        ["SELECT key, id, task, next_fire, body FROM jobs LIMIT 1", "SELECT id, outcome FROM runs LIMIT 1"]
    {
        let mut statement = connection.prepare(sql).map_err(|error| damaged_because(path, error))?;
        let mut rows = statement.query([]).map_err(|error| damaged_because(path, error))?;
        rows.next().map_err(|error| damaged_because(path, error))?;
    }
    Ok(())
}
