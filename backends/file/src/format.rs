//! What the lines say. A snapshot holds jobs and runs, a line each; a log holds what was changed since, a line each commit.

use std::collections::BTreeMap;
use std::thread;

use matins_core::{Job, JobId, JobStore, OnConflict, Run, RunId, StoreError, Transition};
use matins_store_memory::MemoryStore;
use serde::ser::SerializeSeq;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;

use crate::line;
use crate::step::{Row, Step};

/// The format that this version writes. It reads this one and those before it.
pub(crate) const FORMAT: i64 = 2;
/// The first format in which each change in a log says how long its line is.
pub(crate) const FRAMED_FROM: i64 = 2;

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

/// What a line of a log says. Its number tells a line that is missing, or that stands there twice.
pub(crate) enum Change<'a> {
    Put { jobs: &'a [Job], runs: &'a [Run] },
    Remove(&'a JobId),
    Commit(&'a [Transition]),
}

/// So many jobs in one change are written as JSON by two threads.
const SHARED_FROM: usize = 4_096;

impl Change<'_> {
    /// Appends the line with number `n`.
    pub(crate) fn write(&self, n: u64, into: &mut Vec<u8>) -> serde_json::Result<()> {
        match self {
            Self::Put { jobs, runs } => {
                let line = line::Open::begin_framed(into);
                into.extend_from_slice(format!("\"n\":{n},\"put\":{{\"jobs\":[").as_bytes());
                write_list(jobs, into)?;
                into.extend_from_slice(b"],\"runs\":");
                serde_json::to_writer(&mut *into, &runs.iter().map(Row::from).collect::<Vec<_>>())?;
                into.extend_from_slice(b"}}");
                line.end(into);
                Ok(())
            }
            Self::Remove(remove) => line::write_framed(into, &RemoveLine { n, remove }),
            Self::Commit(batch) => line::write_framed(into, &CommitLine { n, commit: Steps(batch) }),
        }
    }
}

/// Jobs as JSON, with commas between them.
fn write_list(jobs: &[Job], into: &mut Vec<u8>) -> serde_json::Result<()> {
    if jobs.len() >= SHARED_FROM {
        let (first, second) = jobs.split_at(jobs.len() / 2);
        return thread::scope(|scope| {
            let second = scope.spawn(|| {
                let mut bytes = Vec::new();
                write_each(second, &mut bytes).map(|()| bytes)
            });
            write_each(first, into)?;
            into.push(b',');
            let second = second.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
            into.extend_from_slice(&second);
            Ok(())
        });
    }
    write_each(jobs, into)
}

fn write_each(jobs: &[Job], into: &mut Vec<u8>) -> serde_json::Result<()> {
    for (number, job) in jobs.iter().enumerate() {
        if number > 0 {
            into.push(b',');
        }
        let before = into.len();
        serde_json::to_writer(&mut *into, job)?;
        if number == 0 {
            // Room for all, if they are alike.
            into.reserve((into.len() - before + 1) * (jobs.len() - 1));
        }
    }
    Ok(())
}

#[derive(Serialize)]
struct RemoveLine<'a> {
    n: u64,
    remove: &'a JobId,
}

#[derive(Serialize)]
struct CommitLine<'a> {
    n: u64,
    commit: Steps<'a>,
}

/// As [`Step::Update`].
#[derive(Serialize)]
struct UpdateStep<'a> {
    update: JobLine<'a, Job>,
}

/// A batch as a list of [`Step`]s.
struct Steps<'a>(&'a [Transition]);

impl Serialize for Steps<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut steps = to.serialize_seq(Some(self.0.len()))?;
        for transition in self.0 {
            match (transition, Step::of(transition)) {
                (Transition::Update(job), _) => {
                    steps.serialize_element(&UpdateStep { update: JobLine { job: &**job } })?;
                }
                (_, step) => steps.serialize_element(&step)?,
            }
        }
        steps.end()
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

    pub(crate) fn put_one(&mut self, job: Job) -> Result<(), StoreError> {
        self.unreadable.remove(job.id.as_str());
        self.memory.add(job, OnConflict::Replace)
    }

    pub(crate) fn put_read(&mut self, jobs: Vec<Job>, runs: Vec<Run>) -> Result<(), StoreError> {
        for job in &jobs {
            self.unreadable.remove(job.id.as_str());
        }
        self.memory.import(jobs, runs, OnConflict::Replace)
    }

    /// Takes in jobs and runs that are in memory already.
    pub(crate) fn merge(&mut self, added: MemoryStore) {
        self.unreadable.retain(|id, _| !added.contains(id));
        self.memory.merge(added);
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
            match step {
                // A program that could read it moved it on.
                Step::Advance { job, to } if self.unreadable.contains_key(job.as_str()) => {
                    if let Some(job) = self.unreadable.get_mut(job.as_str()) {
                        job.json["next_fire"] = serde_json::to_value(to).unwrap_or_default();
                    }
                }
                Step::Update { job } => {
                    let knows = |id| self.memory.contains(id) || self.unreadable.contains_key(id);
                    if job["id"].as_str().is_some_and(knows) {
                        self.put(vec![job], Vec::new())?;
                    }
                }
                Step::End { job } if self.unreadable.remove(job.as_str()).is_some() => {}
                step => {
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
