//! Looking through stores that no daemon has open, and bringing them up to date.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use matins::config::PostgresUrl;
use matins::prelude::*;
use matins::{
    ClaimStore, Job, JobPosition, JobStore, PostgresOptions, Quarantined, Run, StoreError, error_chain,
};

use crate::open_store::postgres_options;

/// What a store holds.
#[derive(Debug)]
pub struct Looked {
    /// How many jobs can be read.
    pub jobs: usize,
    /// How many runs can be read.
    pub runs: usize,
    /// What cannot be read.
    pub quarantined: Vec<Quarantined>,
}

/// Reads all of a SQLite store, and checks its file.
///
/// # Errors
/// If there is no such file, or it cannot be opened or is damaged.
pub fn look_through_sqlite(path: &Path) -> Result<Looked, String> {
    if !path.exists() {
        return Err(format!("there is no file {}; name one that is there", path.display()));
    }
    let mut store = SqliteStore::open(path).map_err(|error| error_chain(&error))?;
    store.check().map_err(|error| error_chain(&error))?;
    let jobs = count_jobs(|query| store.list(query)).map_err(|error| error_chain(&error))?;
    let runs = count_runs(|query| store.runs(query)).map_err(|error| error_chain(&error))?;
    Ok(Looked { jobs, runs, quarantined: store.quarantined().to_vec() })
}

/// Reads all of a store on PostgreSQL. Schedulers may be running meanwhile.
///
/// # Errors
/// If it cannot be reached.
pub fn look_through_postgres(url: &PostgresUrl) -> Result<Looked, String> {
    let opened = postgres_options(url, true).and_then(PostgresOptions::open);
    let mut store = opened.map_err(|error| error_chain(&error))?;
    let jobs = count_jobs(|query| store.list(query)).map_err(|error| error_chain(&error))?;
    let runs = count_runs(|query| store.runs(query)).map_err(|error| error_chain(&error))?;
    Ok(Looked { jobs, runs, quarantined: store.quarantined().to_vec() })
}

/// How many rows are read at once.
const PAGE: usize = 1_000;

fn count_jobs(mut list: impl FnMut(&JobQuery) -> Result<Vec<Job>, StoreError>) -> Result<usize, StoreError> {
    let mut query = JobQuery::default().limit(PAGE);
    let mut count = 0;
    loop {
        let page = list(&query)?;
        let Some(last) = page.last() else { return Ok(count) };
        query.after = Some(JobPosition::of(last));
        count += page.len();
    }
}

fn count_runs(mut list: impl FnMut(&RunQuery) -> Result<Vec<Run>, StoreError>) -> Result<usize, StoreError> {
    let mut query = RunQuery::default().limit(PAGE);
    let mut count = 0;
    loop {
        let page = list(&query)?;
        let Some(last) = page.last() else { return Ok(count) };
        query.after = Some(last.id);
        count += page.len();
    }
}

/// Where in a SQLite file the number of the format is that its program has given it, 4 bytes, the highest first:
/// <https://www.sqlite.org/fileformat.html#user_version_number>.
const FORMAT_AT: u64 = 60;

/// What bringing a SQLite store up to date has changed.
#[derive(Debug)]
pub struct Migrated {
    /// The format that it had.
    pub from: u32,
    /// The format that it has.
    pub to: u32,
    /// The file with the store as it was, if it has changed.
    pub copy: Option<PathBuf>,
}

/// Brings a SQLite store up to date, and keeps a copy of what it was if that changes it.
///
/// # Errors
/// If it cannot be read, copied or opened; it is as it was then.
pub fn migrate_sqlite(path: &Path) -> Result<Migrated, String> {
    let failed = |error: io::Error| format!("cannot read {}: {error}", path.display());
    let from = sqlite_format(path).map_err(failed)?;
    let copy = PathBuf::from(format!("{}.format-{from}", path.display()));
    copy_of_store(path, &copy).map_err(failed)?;
    let opened = SqliteStore::open(path).map_err(|error| error_chain(&error));
    drop(opened.inspect_err(|_| drop(std::fs::remove_file(&copy)))?);
    let to = sqlite_format(path).map_err(failed)?;
    if from == to {
        std::fs::remove_file(&copy).map_err(failed)?;
    }
    Ok(Migrated { from, to, copy: (from != to).then_some(copy) })
}

/// Copies a store that nobody has open into a file of its own user.
fn copy_of_store(path: &Path, copy: &Path) -> io::Result<()> {
    matins_files::check_store(path)?;
    let mut to = matins_files::OpenOptions::new().write(true).create(true).truncate(true).open(copy)?;
    io::copy(&mut File::open(path)?, &mut to)?;
    to.sync_all()
}

fn sqlite_format(path: &Path) -> io::Result<u32> {
    let mut number = [0; 4];
    File::open(path)?.read_exact_at(&mut number, FORMAT_AT)?;
    Ok(u32::from_be_bytes(number))
}
