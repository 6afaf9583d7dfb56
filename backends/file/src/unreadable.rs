//! Jobs and rows of the ledger that this program cannot read: they are kept as they are, and are in no other's way.
//!
//! A line that is as it was written may still hold what this program does not know, an outcome of a later version for
//! example, or values that nest deeper than the JSON reader takes. Only that job or row is quarantined.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use matins_core::{Job, Limits, RunId, StoreError, json};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

use crate::format::State;
use crate::log_record::{Row, Step};

/// What cannot be read, as it is in the file, and why.
#[derive(Debug)]
pub(crate) struct Unreadable {
    pub(crate) json: Box<RawValue>,
    pub(crate) why: String,
}

/// The parts of a log line, each of which is read by itself.
#[derive(Deserialize)]
pub(crate) struct RawLine {
    pub(crate) n: u64,
    pub(crate) put: Option<RawPut>,
    pub(crate) commit: Option<Vec<Box<RawValue>>>,
}

#[derive(Deserialize)]
pub(crate) struct RawPut {
    pub(crate) jobs: Vec<Box<RawValue>>,
    pub(crate) runs: Vec<Box<RawValue>>,
}

/// A line of a snapshot that holds a job or a run.
#[derive(Deserialize)]
pub(crate) struct RawSnapshotLine {
    pub(crate) job: Option<Box<RawValue>>,
    pub(crate) run: Option<Box<RawValue>>,
}

/// A step whose row cannot be read.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum RawStep {
    Record(Box<RawValue>),
    Finish(Box<RawValue>),
}

type Fields = BTreeMap<String, Box<RawValue>>;

/// The fields of a row that say how its run went.
const COURSE: [&str; 7] = ["turn", "started", "finished", "outcome", "message", "output", "result"];

fn read_job(raw: &RawValue) -> Result<Job, String> {
    serde_json::from_str(raw.get()).map_err(|error| match json::depth(raw.get().as_bytes()) {
        depth if depth > json::STORED_DEPTH => {
            format!("it nests {depth} levels deep, and {} can be read", json::STORED_DEPTH)
        }
        _ => error.to_string(),
    })
}

/// Reads a row or a step. What nests too deep in a result becomes text.
fn read_shallow<T: DeserializeOwned>(raw: &RawValue) -> Result<T, String> {
    serde_json::from_str(raw.get())
        .or_else(|error| {
            serde_json::from_str(&json::shallow(raw.get(), Limits::DEFAULT.depth)).map_err(|_| error)
        })
        .map_err(|error| error.to_string())
}

/// The id of a job, which may be one that no job can have.
fn id_of_job(json: &RawValue) -> String {
    #[derive(Deserialize)]
    struct Id {
        id: String,
    }
    serde_json::from_str(json.get()).map_or(String::new(), |Id { id }| id)
}

impl State {
    /// Puts in jobs and rows, those quarantined that cannot be read.
    pub(crate) fn put_raw(
        &mut self,
        jobs: Vec<Box<RawValue>>,
        runs: Vec<Box<RawValue>>,
    ) -> Result<(), StoreError> {
        for json in jobs {
            match read_job(&json) {
                Ok(job) => self.put_one(job)?,
                Err(why) => self.quarantine_job(json, why),
            }
        }
        for json in runs {
            self.put_raw_run(json)?;
        }
        Ok(())
    }

    /// Puts a job in the place of the one with its id, if there is one.
    pub(crate) fn update_raw(&mut self, json: Box<RawValue>) -> Result<(), String> {
        let id = id_of_job(&json);
        if self.memory.contains(&id) || self.unreadable.contains_key(&id) {
            self.put_raw(vec![json], Vec::new()).map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    fn quarantine_job(&mut self, json: Box<RawValue>, why: String) {
        let id = id_of_job(&json);
        if let Ok(id) = matins_core::JobId::new(&id) {
            // It could be read until it was replaced.
            let _ = matins_core::JobStore::remove(&mut self.memory, &id);
        }
        self.unreadable.insert(id, Unreadable { json, why });
    }

    fn put_raw_run(&mut self, json: Box<RawValue>) -> Result<(), StoreError> {
        #[derive(Deserialize)]
        struct Id {
            id: RunId,
        }
        match read_shallow::<Row>(&json) {
            Ok(row) => self.put_read(Vec::new(), vec![row.into()]),
            Err(why) => {
                // A row without a number is nobody's: number 0 is never given.
                let id = serde_json::from_str(json.get()).map_or(RunId(0), |Id { id }| id);
                self.memory.reserve_run_numbers(id);
                self.unreadable_runs.insert(id, Unreadable { json, why });
                Ok(())
            }
        }
    }

    /// Applies steps, some of which cannot be read.
    ///
    /// # Errors
    /// If what one of them does is not known.
    pub(crate) fn commit_raw(&mut self, steps: Vec<Box<RawValue>>) -> Result<(), String> {
        for raw in steps {
            match read_shallow::<Step>(&raw) {
                Ok(step) => self.commit(vec![step])?,
                Err(why) => match serde_json::from_str(raw.get()).map_err(|_| why)? {
                    RawStep::Record(row) => self.put_raw_run(row).map_err(|error| error.to_string())?,
                    RawStep::Finish(course) => self.finish_raw(&course)?,
                },
            }
        }
        Ok(())
    }

    /// A run that has ended, in a way that cannot be read: its whole row is quarantined.
    fn finish_raw(&mut self, course: &RawValue) -> Result<(), String> {
        let mut course: Fields = serde_json::from_str(course.get()).map_err(|error| error.to_string())?;
        let run = course.remove("run").ok_or("a step names no run")?;
        let run: RunId = serde_json::from_str(run.get()).map_err(|error| error.to_string())?;
        if let Some(row) = self.memory.take_run(run) {
            let json = raw(&Row::from(&row)).ok_or("a row cannot be written")?;
            self.unreadable_runs.insert(run, Unreadable { json, why: String::new() });
        }
        self.change_aside(run, &COURSE, course)
    }

    /// Applies a step to a run that is quarantined. It is taken back if it can be read then.
    pub(crate) fn step_aside(&mut self, step: &Step) -> Result<(), String> {
        match step {
            Step::Start { run, started, scheduled } => {
                let set = [("started", raw(started)), ("fire", raw(scheduled))];
                self.change_aside(*run, &["last", "count"], fields(set))
            }
            Step::Extend { run, fires } => {
                let set =
                    [("fire", raw(&fires.first)), ("last", raw(&fires.last)), ("count", raw(&fires.count))];
                self.change_aside(*run, &[], fields(set))
            }
            Step::Finish { run, course } => {
                let course = raw(course).ok_or("a row cannot be written")?;
                let course = serde_json::from_str(course.get()).map_err(|error| error.to_string())?;
                self.change_aside(*run, &COURSE, course)
            }
            _ => Ok(()),
        }
    }

    fn change_aside(&mut self, run: RunId, removed: &[&str], set: Fields) -> Result<(), String> {
        let Some(Unreadable { json, .. }) = self.unreadable_runs.remove(&run) else { return Ok(()) };
        let mut row: Fields = serde_json::from_str(json.get()).map_err(|error| error.to_string())?;
        row.retain(|field, _| !removed.contains(&field.as_str()));
        row.extend(set);
        let json = raw(&row).ok_or("a row cannot be written")?;
        self.put_raw_run(json).map_err(|error| error.to_string())
    }

    /// A program that could read the job moved it on.
    pub(crate) fn advance_aside(&mut self, job: &str, to: Option<DateTime<Utc>>) {
        let Some(job) = self.unreadable.get_mut(job) else { return };
        let Ok(mut row) = serde_json::from_str::<Fields>(job.json.get()) else { return };
        row.extend(fields([("next_fire", raw(&to))]));
        if let Some(json) = raw(&row) {
            job.json = json;
        }
    }

    /// Forgets rows that are quarantined and ended before this.
    pub(crate) fn prune_aside(&mut self, before: DateTime<Utc>) {
        #[derive(Deserialize)]
        struct Ended {
            finished: DateTime<Utc>,
            #[serde(rename = "outcome")]
            _outcome: serde::de::IgnoredAny,
        }
        self.unreadable_runs.retain(|_, row| {
            serde_json::from_str(row.json.get()).map_or(true, |Ended { finished, .. }| finished >= before)
        });
    }
}

fn raw<T: Serialize>(value: &T) -> Option<Box<RawValue>> {
    to_raw_value(value).ok()
}

fn fields<const N: usize>(set: [(&str, Option<Box<RawValue>>); N]) -> Fields {
    set.into_iter().filter_map(|(field, value)| Some((field.to_owned(), value?))).collect()
}
