//! What the lines say. A snapshot holds jobs and runs, a line each; a log holds what was changed since, a line each commit.

use std::collections::BTreeMap;
use std::thread;

use matins_core::{Job, JobId, JobStore, OnConflict, Run, RunId, StoreError, Transition, ValueError, json};
use matins_store_memory::MemoryStore;
use serde::ser::SerializeSeq;
use serde::{Deserialize, Serialize, Serializer};

use crate::line;
use crate::log_record::{Row, Step};
use crate::unreadable::Unreadable;

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
pub(crate) struct RunLine<T> {
    pub(crate) run: T,
}

/// Any line of a snapshot: one of the three.
#[derive(Deserialize)]
pub(crate) struct SnapshotLine {
    pub(crate) head: Option<Head>,
    pub(crate) job: Option<Job>,
    pub(crate) run: Option<Row>,
}

/// What a line of a log says. Its number tells a line that is missing, or that stands there twice.
pub(crate) enum Change<'a> {
    Put { jobs: &'a [Job], runs: &'a [Run] },
    Remove(&'a JobId),
    Commit(&'a [Transition]),
}

/// Why a change is not written.
#[derive(Debug)]
pub(crate) enum WriteError {
    Json(serde_json::Error),
    /// It could not be read back.
    Refused(ValueError),
}

impl From<serde_json::Error> for WriteError {
    fn from(error: serde_json::Error) -> Self {
        Self::Json(error)
    }
}

impl From<ValueError> for WriteError {
    fn from(error: ValueError) -> Self {
        Self::Refused(error)
    }
}

/// So many jobs in one change are written as JSON by two threads.
const SHARED_FROM: usize = 4_096;

impl Change<'_> {
    /// Appends the line with number `n`.
    pub(crate) fn write(&self, n: u64, into: &mut Vec<u8>) -> Result<(), WriteError> {
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
            Self::Remove(remove) => Ok(line::write_framed(into, &RemoveLine { n, remove })?),
            Self::Commit(batch) => Ok(line::write_framed(into, &CommitLine { n, commit: Steps(batch) })?),
        }
    }
}

/// Jobs as JSON, with commas between them.
fn write_list(jobs: &[Job], into: &mut Vec<u8>) -> Result<(), WriteError> {
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

fn write_each(jobs: &[Job], into: &mut Vec<u8>) -> Result<(), WriteError> {
    for (number, job) in jobs.iter().enumerate() {
        if number > 0 {
            into.push(b',');
        }
        let before = into.len();
        json::write_job(&job.id, job, into)?;
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
pub(crate) struct LogLine {
    pub(crate) n: u64,
    pub(crate) put: Option<Put>,
    pub(crate) remove: Option<JobId>,
    pub(crate) commit: Option<Vec<Step>>,
}

#[derive(Deserialize)]
pub(crate) struct Put {
    pub(crate) jobs: Vec<Job>,
    pub(crate) runs: Vec<Row>,
}

/// What the files say: all that can be read, and the jobs that cannot, as they stand there.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) memory: MemoryStore,
    pub(crate) unreadable: BTreeMap<String, Unreadable>,
    pub(crate) unreadable_runs: BTreeMap<RunId, Unreadable>,
}

impl State {
    pub(crate) fn put_one(&mut self, job: Job) -> Result<(), StoreError> {
        self.unreadable.remove(job.id.as_str());
        self.memory.add(job, OnConflict::Replace)
    }

    pub(crate) fn put_read(&mut self, jobs: Vec<Job>, runs: Vec<Run>) -> Result<(), StoreError> {
        for job in &jobs {
            self.unreadable.remove(job.id.as_str());
        }
        self.memory.load(jobs, runs, OnConflict::Replace)
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
    pub(crate) fn commit(&mut self, steps: Vec<Step>) -> Result<(), String> {
        for step in steps {
            match step {
                Step::Advance { job, to } if self.unreadable.contains_key(job.as_str()) => {
                    self.advance_aside(job.as_str(), to);
                }
                Step::Start { run, .. } | Step::Extend { run, .. } | Step::Finish { run, .. }
                    if self.unreadable_runs.contains_key(&run) =>
                {
                    self.step_aside(&step)?;
                }
                Step::Update { job } => self.update_raw(job)?,
                Step::End { job } if self.unreadable.remove(job.as_str()).is_some() => {}
                step => {
                    if let Step::PruneBefore { before } = &step {
                        self.prune_aside(*before);
                    }
                    if let Some(transition) = step.into_transition(&self.memory) {
                        let batch = vec![transition];
                        self.memory.check(&batch).map_err(|error| error.to_string())?;
                        self.memory.apply(batch);
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
            runs: runs + self.unreadable_runs.len(),
            last_run: self.memory.last_run().map_or(0, |RunId(last)| last),
        }
    }
}
