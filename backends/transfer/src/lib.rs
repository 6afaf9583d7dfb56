//! Everything that a store holds, as JSON Lines: out of any store, and into any other.
//!
//! The first line is a head, `{"matins":"export","format":1}`; then comes each job (`{"job":{...}}`) and each row of the
//! ledger (`{"run":{...}}`), in the form in which serde saves them. Times are UTC, ISO 8601.
//!
//! | line | holds |
//! | --- | --- |
//! | `{"matins":"export","format":1}` | the head |
//! | `{"job":{...}}` | a job: its id, trigger, task, arguments, policy, next fire time |
//! | `{"run":{...}}` | a row of the ledger |
//!
//! ```
//! use matins_core::OnConflict;
//! use matins_store_memory::MemoryStore;
//! use matins_store_transfer::{export, import};
//!
//! let (mut from, mut into) = (MemoryStore::new(), MemoryStore::new());
//! let mut lines = Vec::new();
//! export(&mut from, &mut lines).unwrap();
//! assert_eq!(String::from_utf8_lossy(&lines), "{\"matins\":\"export\",\"format\":1}\n");
//! import(&mut into, &lines[..], OnConflict::Refuse).unwrap();
//! ```

use std::collections::HashMap;
use std::io::{self, BufRead, Write};

use chrono::{DateTime, TimeDelta, Utc};
use matins_core::{
    Job, JobId, JobPosition, JobQuery, JobStore, Limits, OnConflict, Run, RunId, RunQuery, StoreError, json,
};
use serde::{Deserialize, Serialize};
use thiserror::Error;

const FORMAT: u32 = 1;

/// Rows of the ledger that are read at once.
const PAGE: usize = 10_000;

/// Jobs that are read at once.
const JOBS: usize = 1_000;

/// How much was carried over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Carried {
    /// Jobs.
    pub jobs: usize,
    /// Rows of the ledger.
    pub runs: usize,
    /// Jobs and rows of the ledger that the store cannot read, and that were left out.
    pub quarantined: usize,
}

/// Why nothing was carried over.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TransferError {
    /// A line that cannot be read. Nothing was changed.
    #[error("line {line}, column {column}: {what}; nothing was imported")]
    Line {
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
        /// What is wrong.
        what: String,
    },
    /// The store refused. Nothing was changed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The text could not be read or written.
    #[error("reading or writing the lines")]
    Io(#[from] io::Error),
}

#[derive(Serialize, Deserialize)]
struct Head {
    matins: String,
    format: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Written<'a> {
    Job(&'a Job),
    Run(&'a Run),
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Read {
    Job(Box<Job>),
    Run(Box<Run>),
}

/// Writes all jobs, by id, then the ledger, by number.
///
/// ```
/// # use matins_store_memory::MemoryStore;
/// # use matins_store_transfer::export;
/// let mut lines = Vec::new();
/// let exported = export(&mut MemoryStore::new(), &mut lines)?;
/// assert_eq!(exported.jobs, 0);
/// assert_eq!(lines, b"{\"matins\":\"export\",\"format\":1}\n");
/// # Ok::<(), matins_store_transfer::TransferError>(())
/// ```
///
/// # Errors
/// When the store cannot be read, or `out` not written.
pub fn export(store: &mut dyn JobStore, out: &mut impl Write) -> Result<Carried, TransferError> {
    let mut carried = Carried::default();
    let mut put = |line: String| writeln!(out, "{line}");
    put(as_json(&Head { matins: "export".to_owned(), format: FORMAT })?)?;
    let mut query = JobQuery::default().limit(JOBS);
    loop {
        let page = store.list(&query)?;
        let Some(last) = page.last() else { break };
        query.after = Some(JobPosition::of(last));
        for job in &page {
            put(as_json(&Written::Job(job))?)?;
        }
        carried.jobs += page.len();
    }
    each_run(store, RunQuery::default(), |run| {
        carried.runs += 1;
        put(as_json(&Written::Run(run))?).map_err(TransferError::from)
    })?;
    carried.quarantined = store.quarantined().len();
    Ok(carried)
}

/// Reads those rows of the ledger, a page at a time.
fn each_run(
    store: &mut dyn JobStore,
    mut query: RunQuery,
    mut take: impl FnMut(&Run) -> Result<(), TransferError>,
) -> Result<(), TransferError> {
    query.limit = Some(PAGE);
    loop {
        let page = store.runs(&query)?;
        page.iter().try_for_each(&mut take)?;
        query.after = page.last().map(|run| run.id);
        if page.len() < PAGE {
            return Ok(());
        }
    }
}

/// Reads what [`export`] wrote, all of it or nothing. `on_conflict` is for jobs whose id is taken.
///
/// Runs keep their numbers in a store whose ledger never had one, and get new ones, in their order, in any other. The
/// [`cause`](Run::cause) of a run gets the new number too; a cause that is not in the text is left out. A row that
/// the ledger has already, but for its number, is left out: importing the same once more changes nothing there.
///
/// What comes back counts the jobs of the text and the rows that were put in.
///
/// ```
/// # use matins_core::OnConflict;
/// # use matins_store_memory::MemoryStore;
/// # use matins_store_transfer::{export, import};
/// let lines = "{\"matins\":\"export\",\"format\":1}\n";
/// let imported = import(&mut MemoryStore::new(), lines.as_bytes(), OnConflict::Refuse)?;
/// assert_eq!((imported.jobs, imported.runs), (0, 0));
///
/// let error = import(&mut MemoryStore::new(), "{}".as_bytes(), OnConflict::Refuse).unwrap_err();
/// assert!(error.to_string().starts_with("line 1"));
/// # Ok::<(), matins_store_transfer::TransferError>(())
/// ```
///
/// # Errors
/// If a line cannot be read, if a job is over the [limits](Limits), and if the store refuses.
pub fn import(
    store: &mut dyn JobStore,
    lines: impl BufRead,
    on_conflict: OnConflict,
) -> Result<Carried, TransferError> {
    let (mut jobs, mut runs) = (Vec::new(), Vec::new());
    for (index, line) in lines.lines().enumerate() {
        let number = index + 1;
        let line = line?;
        let fault =
            |column: usize, what: String| TransferError::Line { line: number, column: column.max(1), what };
        let unreadable = |error: serde_json::Error| {
            let what = match json::depth(line.as_bytes()) {
                depth if depth > json::STORED_DEPTH => {
                    format!("it nests {depth} levels deep, and {} can be read", json::STORED_DEPTH)
                }
                _ => error.to_string(),
            };
            fault(error.column(), what)
        };
        if number == 1 {
            let head: Head = serde_json::from_str(&line).map_err(unreadable)?;
            if head.matins != "export" || head.format > FORMAT {
                let what = format!(
                    "this is {:?} of format {}, and an export of format {FORMAT} can be read",
                    head.matins, head.format
                );
                return Err(fault(1, what));
            }
        } else if !line.trim().is_empty() {
            match read_line(&line).map_err(unreadable)? {
                Read::Job(job) => {
                    Limits::DEFAULT.check_job(&job).map_err(|error| fault(1, error.to_string()))?;
                    jobs.push(*job);
                }
                Read::Run(run) => runs.push(*run),
            }
        }
    }
    let mut next = store.next_run_id()?;
    if next != RunId::FIRST {
        runs.sort_by_key(|run| run.id);
        let mut numbers;
        (runs, numbers) = without_known(store, runs)?;
        // In their order: a run comes after the one that it follows.
        for run in &mut runs {
            numbers.insert(run.id, next);
            (run.id, next) = (next, next.next());
            // A number that the ledger gave to another run would be wrong.
            run.cause = run.cause.and_then(|cause| numbers.get(&cause).copied());
        }
    }
    let carried = Carried { jobs: jobs.len(), runs: runs.len(), quarantined: 0 };
    store.import(jobs, runs, on_conflict)?;
    Ok(carried)
}

/// Reads a line behind the head. In a row of the ledger, what nests too deep in a result becomes text.
fn read_line(line: &str) -> serde_json::Result<Read> {
    // The line itself, and what is around a result in it, are levels too.
    const LEVELS: usize = 2;
    if json::depth(line.as_bytes()) <= json::STORED_DEPTH + LEVELS {
        return serde_json::from_str(line);
    }
    match serde_json::from_str(&json::shallow(line, Limits::DEFAULT.depth + LEVELS)) {
        Ok(Read::Job(_)) | Err(_) => serde_json::from_str(line),
        row => row,
    }
}

/// Leaves out the rows that the ledger has already, whatever their numbers. Returns the others, and the numbers in the ledger of
/// those that it has.
fn without_known(
    store: &mut dyn JobStore,
    mut runs: Vec<Run>,
) -> Result<(Vec<Run>, HashMap<RunId, RunId>), TransferError> {
    let mut numbers = HashMap::new();
    let mut of_fire: HashMap<(JobId, DateTime<Utc>), Vec<usize>> = HashMap::new();
    for (index, run) in runs.iter().enumerate() {
        of_fire.entry((run.job.clone(), run.scheduled())).or_default().push(index);
    }
    let times = || runs.iter().map(Run::scheduled);
    // Only where they could be: a ledger may be far longer than what is imported.
    let Some((first, last)) = times().min().zip(times().max()) else { return Ok((runs, numbers)) };
    let until = last.checked_add_signed(TimeDelta::microseconds(1));
    let query = RunQuery::default().since(first).until(until);
    let mut is_known = vec![false; runs.len()];
    each_run(store, query, |known| {
        for &index in of_fire.get(&(known.job.clone(), known.scheduled())).into_iter().flatten() {
            let run = &mut runs[index];
            let own = (run.id, run.cause);
            (run.id, run.cause) = (known.id, run.cause.and(known.cause));
            if *run == *known {
                is_known[index] = true;
                numbers.insert(own.0, known.id);
            }
            (run.id, run.cause) = own;
        }
        Ok(())
    })?;
    let mut is_known = is_known.into_iter();
    runs.retain(|_| is_known.next() != Some(true));
    Ok((runs, numbers))
}

fn as_json(value: &impl Serialize) -> io::Result<String> {
    serde_json::to_string(value).map_err(io::Error::from)
}
