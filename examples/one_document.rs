//! A job store of one's own: jobs and ledger in one JSON document, which is written anew at each change.
//!
//! ```text
//! cargo run --example one_document -- jobs.json   # start it again, and it goes on
//! ```

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use matins::core::json;
use matins::prelude::*;
use matins::{Job, JobId, JobStore, Run, RunId, StoreError, Transition};
use matins_store_owner::Owner;
use serde::{Deserialize, Serialize};

// ANCHOR: type
/// Jobs and ledger in one JSON document.
#[derive(Debug)]
pub struct OneDocument {
    path: PathBuf,
    /// What the document says. Order, queries and refusals are the memory store's.
    memory: MemoryStore,
    /// Nobody else has it open.
    _owner: Owner,
}

#[derive(Default, Serialize, Deserialize)]
struct Document {
    jobs: Vec<Job>,
    runs: Vec<Run>,
    last_run: Option<RunId>,
}
// ANCHOR_END: type

// ANCHOR: change
impl OneDocument {
    /// The document at this path, or a new one.
    ///
    /// # Errors
    /// When another owns it, and when it cannot be read.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, StoreError> {
        let path = path.into();
        let owner = Owner::take(&path, &path.with_extension("owner"))?;
        let document: Document = match fs::read(&path) {
            Ok(bytes) => {
                serde_json::from_slice(&bytes).map_err(|error| failed("reading", &path, error.into()))?
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Document::default(),
            Err(error) => return Err(failed("reading", &path, error)),
        };
        let mut memory = MemoryStore::new();
        memory.load(document.jobs, document.runs, OnConflict::Refuse)?;
        memory.reserve_run_numbers(document.last_run.unwrap_or(RunId(0)));
        Ok(Self { path, memory, _owner: owner })
    }

    /// Changes a copy, writes it, and only then takes it for the truth: a change that cannot be written has not happened.
    fn change<T>(
        &mut self,
        change: impl FnOnce(&mut MemoryStore) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut changed = self.memory.clone();
        let answer = change(&mut changed)?;
        save(&changed, &self.path).map_err(|error| failed("writing", &self.path, error))?;
        self.memory = changed;
        Ok(answer)
    }
}

/// A new file is flushed before it takes the old one's place, and the directory after: whenever the power fails, one of them is
/// there, whole.
fn save(memory: &MemoryStore, path: &Path) -> io::Result<()> {
    let (jobs, runs) = (memory.jobs().cloned().collect(), memory.ledger().cloned().collect());
    let bytes = serde_json::to_vec_pretty(&Document { jobs, runs, last_run: memory.last_run() })?;
    let new = path.with_extension("new");
    fs::write(&new, bytes)?;
    File::open(&new)?.sync_all()?;
    fs::rename(&new, path)?;
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
}
// ANCHOR_END: change

fn failed(doing: &str, path: &Path, error: io::Error) -> StoreError {
    StoreError::Backend { doing: format!("{doing} {}", path.display()), source: error.into() }
}

// ANCHOR: store
impl JobStore for OneDocument {
    fn is_persistent(&self) -> bool {
        true
    }

    fn import(&mut self, jobs: Vec<Job>, runs: Vec<Run>, on_conflict: OnConflict) -> Result<(), StoreError> {
        // What could not be read back is refused; the memory store does the same with runs.
        jobs.iter().try_for_each(json::check_job)?;
        self.change(|memory| memory.import(jobs, runs, on_conflict))
    }

    fn update(&mut self, job: Job) -> Result<(), StoreError> {
        json::check_job(&job)?;
        self.change(|memory| memory.update(job))
    }

    fn remove(&mut self, id: &JobId) -> Result<Job, StoreError> {
        self.change(|memory| memory.remove(id))
    }

    fn commit(&mut self, batch: &[Transition]) -> Result<(), StoreError> {
        self.change(|memory| memory.commit(batch))
    }

    fn get(&mut self, id: &JobId) -> Result<Option<Job>, StoreError> {
        self.memory.get(id)
    }

    fn list(&mut self, query: &JobQuery) -> Result<Vec<Job>, StoreError> {
        self.memory.list(query)
    }

    fn next_due(&mut self) -> Result<Option<DateTime<Utc>>, StoreError> {
        self.memory.next_due()
    }

    fn due(&mut self, now: DateTime<Utc>, limit: usize) -> Result<Vec<Job>, StoreError> {
        self.memory.due(now, limit)
    }

    fn runs(&mut self, query: &RunQuery) -> Result<Vec<Run>, StoreError> {
        self.memory.runs(query)
    }

    fn next_run_id(&mut self) -> Result<RunId, StoreError> {
        self.memory.next_run_id()
    }
}
// ANCHOR_END: store

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).ok_or("say where the document is: one_document FILE.json")?;
    let scheduler = matins::scheduler().store("default", OneDocument::open(path)?).blocking()?;
    scheduler.register("tick", || println!("tick"))?;
    scheduler.add(every(1.seconds()).task("tick").id("tick").on_conflict(OnConflict::Keep))?;
    scheduler.run();
    Ok(())
}
