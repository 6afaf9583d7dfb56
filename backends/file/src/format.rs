//! What the lines say. A snapshot holds jobs and runs, a line each; a log holds what was changed since, a line each commit.

use std::collections::BTreeMap;

use matins_core::{Job, JobId, JobStore, OnConflict, Run, RunId, StoreError};
use matins_store_memory::MemoryStore;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::step::{Row, Step};

/// The format that this version reads and writes.
pub(crate) const FORMAT: i64 = 1;

/// The first line of either file.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Head {
    /// `snapshot` or `log`.
    pub(crate) matins: String,
    pub(crate) format: i64,
    /// A log belongs to the snapshot of its generation; one that is a generation older is contained in it.
    pub(crate) generation: u64,
    /// In a snapshot: the lines that follow, so that a file that was cut shows.
    #[serde(default)]
    pub(crate) jobs: usize,
    #[serde(default)]
    pub(crate) runs: usize,
    #[serde(default)]
    pub(crate) last_run: u64,
}

#[derive(Serialize)]
pub(crate) struct HeadLine<'a> {
    pub(crate) head: &'a Head,
}

#[derive(Serialize)]
pub(crate) struct JobLine<'a, T> {
    pub(crate) job: &'a T,
}

#[derive(Serialize)]
pub(crate) struct RunLine {
    pub(crate) run: Row,
}

/// Any line of a snapshot: one of the three.
#[derive(Deserialize)]
pub(crate) struct SnapshotLine<J> {
    pub(crate) head: Option<Head>,
    pub(crate) job: Option<J>,
    pub(crate) run: Option<Row>,
}

/// A line of a log: one of the three. Its number tells a line that is missing, or that stands there twice.
#[derive(Default, Serialize)]
pub(crate) struct Change<'a> {
    pub(crate) n: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    put: Option<PutOut<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    remove: Option<&'a JobId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    commit: Option<Vec<Step>>,
}

#[derive(Serialize)]
struct PutOut<'a> {
    jobs: &'a [Job],
    runs: Vec<Row>,
}

impl<'a> Change<'a> {
    pub(crate) fn put(jobs: &'a [Job], runs: &[Run]) -> Self {
        let runs = runs.iter().map(Row::from).collect();
        Self { put: Some(PutOut { jobs, runs }), ..Self::default() }
    }

    pub(crate) fn remove(id: &'a JobId) -> Self {
        Self { remove: Some(id), ..Self::default() }
    }

    pub(crate) fn commit(steps: Vec<Step>) -> Self {
        Self { commit: Some(steps), ..Self::default() }
    }
}

/// Any line of a log behind its head: a number and one of the three.
#[derive(Deserialize)]
pub(crate) struct LogLine<J> {
    pub(crate) n: u64,
    pub(crate) put: Option<Put<J>>,
    pub(crate) remove: Option<JobId>,
    pub(crate) commit: Option<Vec<Step>>,
}

#[derive(Deserialize)]
pub(crate) struct Put<J> {
    pub(crate) jobs: Vec<J>,
    pub(crate) runs: Vec<Row>,
}

/// What the files say: all that can be read, and the jobs that cannot, as they stand there.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) memory: MemoryStore,
    pub(crate) unreadable: BTreeMap<String, Unreadable>,
}

/// A job that this program cannot read: a sound line, of another kind of trigger perhaps.
#[derive(Debug)]
pub(crate) struct Unreadable {
    pub(crate) json: Value,
    pub(crate) why: String,
}

impl State {
    pub(crate) fn put(&mut self, jobs: Vec<Value>, runs: Vec<Run>) -> Result<(), StoreError> {
        let mut readable = Vec::new();
        for json in jobs {
            match serde_json::from_value::<Job>(json.clone()) {
                Ok(job) => readable.push(job),
                Err(error) => {
                    let id = json["id"].as_str().unwrap_or_default().to_owned();
                    if let Ok(id) = JobId::new(&id) {
                        // One that could be read until it was replaced.
                        let _ = self.memory.remove(&id);
                    }
                    self.unreadable.insert(id, Unreadable { json, why: error.to_string() });
                }
            }
        }
        self.put_read(readable, runs)
    }

    pub(crate) fn put_read(&mut self, jobs: Vec<Job>, runs: Vec<Run>) -> Result<(), StoreError> {
        for job in &jobs {
            self.unreadable.remove(job.id.as_str());
        }
        self.memory.import(jobs, runs, OnConflict::Replace)
    }

    pub(crate) fn remove(&mut self, id: &JobId) -> Result<(), StoreError> {
        match self.unreadable.remove(id.as_str()) {
            Some(_) => Ok(()),
            None => self.memory.remove(id).map(drop),
        }
    }

    /// Steps one after the other, each on what the one before has left.
    pub(crate) fn commit(&mut self, steps: Vec<Step>) -> Result<(), StoreError> {
        for step in steps {
            match &step {
                // A program that could read it moved it on.
                Step::Advance { job, to } if self.unreadable.contains_key(job.as_str()) => {
                    if let Some(job) = self.unreadable.get_mut(job.as_str()) {
                        job.json["next_fire"] = serde_json::to_value(to).unwrap_or_default();
                    }
                }
                Step::End { job } if self.unreadable.remove(job.as_str()).is_some() => {}
                _ => {
                    if let Some(transition) = step.into_transition(&self.memory) {
                        self.memory.commit(&[transition])?;
                    }
                }
            }
        }
        Ok(())
    }

    pub(crate) fn head(&self, generation: u64) -> Head {
        let (jobs, runs) = self.memory.counts();
        Head {
            matins: "snapshot".to_owned(),
            format: FORMAT,
            generation,
            jobs: jobs + self.unreadable.len(),
            runs,
            last_run: self.memory.last_run().map_or(0, |RunId(last)| last),
        }
    }
}
