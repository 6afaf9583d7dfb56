//! A custom job store: jobs and ledger in one JSON document, which is
//! written again at each change.
//!
//! ```text
//! cargo run --example one_document -- jobs.json   # start it again: it continues
//! ```

// ANCHOR: program
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use matins::prelude::*;
use matins::{
    FireRange, Job, JobId, JobQueryExt, JobStore, Run, RunId, RunOrder,
    RunQueryExt, StoreError, Transition, json,
};
use matins_store_owner::Owner;
use serde::{Deserialize, Serialize};

// ANCHOR: type
/// Jobs and ledger in one JSON document.
#[derive(Debug)]
pub struct OneDocument {
    path: PathBuf,
    document: Document,
    /// Nobody else has it open.
    _owner: Owner,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Document {
    jobs: BTreeMap<JobId, Job>,
    runs: BTreeMap<RunId, Run>,
    /// The highest number that a run ever had.
    last_run: u64,
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
        let document = match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map_err(|error| failed("reading", &path, error.into()))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Document::default()
            }
            Err(error) => return Err(failed("reading", &path, error)),
        };
        Ok(Self { path, document, _owner: owner })
    }

    /// Changes a copy, writes it, and only then takes it for the truth: a
    /// change that cannot be written has not happened.
    fn change<T>(
        &mut self,
        change: impl FnOnce(&mut Document) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut changed = self.document.clone();
        let answer = change(&mut changed)?;
        changed.check()?;
        save(&changed, &self.path)
            .map_err(|error| failed("writing", &self.path, error))?;
        self.document = changed;
        Ok(answer)
    }
}

/// A new file is flushed before it takes the old one's place, and the directory
/// after: whenever the power fails, one of them is there, whole.
fn save(document: &Document, path: &Path) -> io::Result<()> {
    let new = path.with_extension("new");
    fs::write(&new, serde_json::to_vec_pretty(document)?)?;
    File::open(&new)?.sync_all()?;
    fs::rename(&new, path)?;
    let directory =
        path.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
}
// ANCHOR_END: change

fn failed(doing: &str, path: &Path, error: io::Error) -> StoreError {
    StoreError::Backend {
        doing: format!("{doing} {}", path.display()),
        source: error.into(),
    }
}

// ANCHOR: apply
impl Document {
    /// What a JSON reader would not take is refused: it could not be read back.
    fn check(&self) -> Result<(), StoreError> {
        self.jobs.values().try_for_each(json::check_job)?;
        Ok(self.runs.values().try_for_each(json::check_run)?)
    }

    fn record(&mut self, run: Run) -> Result<(), StoreError> {
        if self.runs.contains_key(&run.id) {
            return Err(StoreError::RunExists { run: run.id });
        }
        self.last_run = self.last_run.max(run.id.0);
        self.runs.insert(run.id, run);
        Ok(())
    }

    /// Makes one step of a batch. A step on a job or a run that is not there
    /// does nothing, unless the job was to move on.
    fn apply(&mut self, step: Transition) -> Result<(), StoreError> {
        match step {
            Transition::Advance { job: id, from, to } => {
                let job = self
                    .jobs
                    .get_mut(&id)
                    .ok_or_else(|| StoreError::NotFound { id: id.clone() })?;
                if job.next_fire != from {
                    return Err(StoreError::Stale {
                        id,
                        expected: from,
                        found: job.next_fire,
                    });
                }
                job.next_fire = to;
            }
            Transition::Update(job) if self.jobs.contains_key(&job.id) => {
                self.jobs.insert(job.id.clone(), *job);
            }
            Transition::Update(_) => {}
            Transition::End { job } => drop(self.jobs.remove(&job)),
            Transition::Record(run) => {
                self.record(Arc::unwrap_or_clone(run))?;
            }
            Transition::Start { run, started, scheduled } => {
                if let Some(run) = self.runs.get_mut(&run) {
                    (run.started, run.fires) =
                        (started, FireRange::single(scheduled));
                }
            }
            Transition::Extend { run, fires } => {
                if let Some(run) = self.runs.get_mut(&run) {
                    run.fires = fires;
                }
            }
            Transition::Finish(ended) => {
                if let Some(run) = self.runs.get_mut(&ended.id) {
                    run.finish(Arc::unwrap_or_clone(ended));
                }
            }
            Transition::PruneJob { job, keep } => {
                let rows = self
                    .runs
                    .values()
                    .rev()
                    .filter(|run| run.job == job)
                    .skip(keep as usize);
                let old: Vec<RunId> = rows
                    .filter(|run| run.outcome.is_some())
                    .map(|run| run.id)
                    .collect();
                self.runs.retain(|id, _| !old.contains(id));
            }
            Transition::PruneBefore { before } => self.runs.retain(|_, run| {
                run.outcome.is_none()
                    || run.finished.is_none_or(|end| end >= before)
            }),
        }
        Ok(())
    }
}
// ANCHOR_END: apply

// ANCHOR: store
impl JobStore for OneDocument {
    fn is_persistent(&self) -> bool {
        true
    }

    fn import(
        &mut self,
        jobs: Vec<Job>,
        runs: Vec<Run>,
        on_conflict: OnConflict,
    ) -> Result<(), StoreError> {
        self.change(|document| {
            for job in jobs {
                match on_conflict {
                    OnConflict::Replace => {}
                    _ if !document.jobs.contains_key(&job.id) => {}
                    OnConflict::Keep => continue,
                    _ => return Err(StoreError::Conflict { id: job.id }),
                }
                document.jobs.insert(job.id.clone(), job);
            }
            runs.into_iter().try_for_each(|run| document.record(run))
        })
    }

    fn update(&mut self, job: Job) -> Result<(), StoreError> {
        self.change(|document| match document.jobs.get_mut(&job.id) {
            Some(place) => {
                *place = job;
                Ok(())
            }
            None => Err(StoreError::NotFound { id: job.id }),
        })
    }

    fn remove(&mut self, id: &JobId) -> Result<Job, StoreError> {
        self.change(|document| {
            document
                .jobs
                .remove(id)
                .ok_or_else(|| StoreError::NotFound { id: id.clone() })
        })
    }

    fn commit(&mut self, batch: Vec<Transition>) -> Result<(), StoreError> {
        self.change(|document| {
            batch.into_iter().try_for_each(|step| document.apply(step))
        })
    }

    fn get(&mut self, id: &JobId) -> Result<Option<Job>, StoreError> {
        Ok(self.document.jobs.get(id).cloned())
    }

    fn list(&mut self, query: &JobQuery) -> Result<Vec<Job>, StoreError> {
        Ok(query.select(self.document.jobs.values().cloned()))
    }

    fn next_due(&mut self) -> Result<Option<DateTime<Utc>>, StoreError> {
        Ok(self.document.jobs.values().filter_map(|job| job.next_fire).min())
    }

    fn due(
        &mut self,
        now: DateTime<Utc>,
        limit: usize,
    ) -> Result<Vec<Arc<Job>>, StoreError> {
        let is_due = |job: &&Job| job.next_fire.is_some_and(|fire| fire <= now);
        let mut due: Vec<Job> =
            self.document.jobs.values().filter(is_due).cloned().collect();
        due.sort_by_key(|job| job.next_fire);
        due.truncate(limit);
        Ok(due.into_iter().map(Arc::new).collect())
    }

    fn runs(&mut self, query: &RunQuery) -> Result<Vec<Run>, StoreError> {
        let rows = self
            .document
            .runs
            .values()
            .filter(|run| query.matches(run))
            .cloned();
        let mut rows: Vec<Run> = rows.collect();
        if query.order == RunOrder::NewestFirst {
            rows.reverse();
        }
        rows.truncate(query.limit.unwrap_or(usize::MAX));
        Ok(rows)
    }

    fn next_run_id(&mut self) -> Result<RunId, StoreError> {
        Ok(RunId(self.document.last_run.saturating_add(1)))
    }
}
// ANCHOR_END: store

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).unwrap_or("jobs.json".to_owned());
    let scheduler = matins::scheduler()
        .store("default", OneDocument::open(path)?)
        .blocking()?;
    scheduler.register("tick", || println!("tick"))?;
    scheduler.add(
        every(1.seconds())
            .task("tick")
            .id("tick")
            .on_conflict(OnConflict::Keep),
    )?;
    scheduler.run();
    Ok(())
}
// ANCHOR_END: program
