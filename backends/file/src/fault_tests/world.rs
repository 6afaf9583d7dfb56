//! A store on a simulated disk, and what it must hold.

use std::collections::HashSet;
use std::io;
use std::path::Path;
use std::sync::Mutex;

use chrono::{DateTime, TimeDelta, Utc};
use matins_conformance::causes::cause;
use matins_conformance::store_suite::job;
use matins_core::{
    Job, JobId, JobQuery, JobStore, OnConflict, Outcome, Run, RunQuery, StoreError, Transition,
};
use matins_store_memory::MemoryStore;

use crate::FileStore;
use crate::disk::Disk;
use crate::disk::image::Image;
use crate::disk::simulated::SimulatedDisk;

/// Neither it nor its parent exist at the start.
pub(super) const DIRECTORY: &str = "/var/jobs";

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Step {
    /// Closes the store if it is open, and opens it.
    Open,
    Add(&'static str),
    /// Three jobs and a run at once, which are put into memory while the disk is flushed.
    Import,
    /// A tick: each job moves on and has a run.
    Commit,
    Remove(&'static str),
}

/// Creates a store, changes it in each way, folds its log twice, and opens it again.
pub(super) const SCRIPT: &[Step] = &[
    Step::Open,
    Step::Add("a"),
    Step::Add("b"),
    Step::Commit,
    Step::Import,
    Step::Commit,
    Step::Remove("a"),
    Step::Commit,
    Step::Open,
    Step::Commit,
    Step::Add("c"),
];

/// What happens after a change that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum After {
    /// The same change is made again.
    Retry,
    /// The next change is made.
    Continue,
}

/// What a process may leave is looked at once, although many faults leave it: what is on the disk, which changes were
/// acknowledged, and which failed since.
pub(super) type LookedAt = Mutex<HashSet<(Image, Vec<Step>, Vec<Step>)>>;

pub(super) struct World<'a> {
    pub(super) disk: SimulatedDisk,
    pub(super) store: Option<FileStore>,
    /// What was acknowledged: the changes, and what they lead to.
    acknowledged: Vec<Step>,
    model: MemoryStore,
    /// What the files may hold in addition: one of the changes that failed since.
    failed: Vec<Step>,
    looked_at: &'a LookedAt,
    /// For messages: what happened so far.
    past: Vec<String>,
}

pub(super) type Holdings = (Vec<Job>, Vec<Run>);

pub(super) fn holdings(store: &mut dyn JobStore) -> Holdings {
    (store.list(&JobQuery::default()).unwrap(), store.runs(&RunQuery::default()).unwrap())
}

fn big(id: &str) -> Job {
    let mut job = job(id, Some(1));
    // Each line lies in several sectors.
    job.arguments = "x".repeat(700).into();
    job
}

/// The same change to any store that holds the same.
pub(super) fn perform(store: &mut dyn JobStore, step: Step) -> Result<(), StoreError> {
    let run = |store: &mut dyn JobStore, id: &JobId, at: DateTime<Utc>| {
        Run::started(store.next_run_id().unwrap(), id.clone(), at, at)
    };
    match step {
        Step::Open => Ok(()),
        Step::Add(id) => store.add(big(id), OnConflict::Replace),
        Step::Import => {
            let jobs: Vec<Job> = ["x", "y", "z"].map(big).into();
            let run = run(store, &jobs[0].id, jobs[0].created);
            store.import(jobs, vec![run], OnConflict::Replace)
        }
        Step::Commit => {
            let mut id = store.next_run_id()?;
            let mut batch = Vec::new();
            for job in store.list(&JobQuery::default())? {
                let Some(at) = job.next_fire else { continue };
                let (from, to) = (job.next_fire, Some(at + TimeDelta::seconds(10)));
                let run = run(store, &job.id, at).with(|run| run.id = id);
                id = id.next();
                batch.push(Transition::Advance { job: job.id, from, to });
                batch.push(Transition::Record(run.clone().into()));
                batch.push(Transition::Finish(
                    run.with(|run| {
                        run.finished = to;
                        run.outcome = Some(Outcome::Succeeded);
                        run.message = Some("y".repeat(200));
                    })
                    .into(),
                ));
            }
            store.commit(batch)
        }
        Step::Remove(id) => {
            let id = JobId::new(id).unwrap();
            // A program that continues after errors may not have added it.
            if store.get(&id)?.is_some() { store.remove(&id).map(drop) } else { Ok(()) }
        }
    }
}

impl<'a> World<'a> {
    pub(super) fn new(disk: SimulatedDisk, looked_at: &'a LookedAt) -> Self {
        Self {
            disk,
            store: None,
            acknowledged: Vec::new(),
            model: MemoryStore::new(),
            failed: Vec::new(),
            looked_at,
            past: Vec::new(),
        }
    }

    /// The world of a store that is on the disk already.
    pub(super) fn with_store(disk: SimulatedDisk, looked_at: &'a LookedAt) -> Self {
        let copy = Disk::Simulated(disk.after_end());
        let (jobs, runs) = holdings(&mut FileStore::open_on(copy, Path::new(DIRECTORY)).unwrap());
        let mut world = Self::new(disk, looked_at);
        world.model.import(jobs, runs, OnConflict::Refuse).unwrap();
        world
    }

    /// Runs a script with `faults` faults. Looks at what is left after each of them, and when the store works again.
    pub(super) fn run(&mut self, script: &[Step], faults: usize, after: After) {
        let mut successes = 0;
        for step in script {
            loop {
                let before = self.disk.fired();
                let Err(error) = self.step(*step) else { break };
                successes = 0;
                self.past.push(format!("{step:?}: {error}"));
                assert!(matches!(error, StoreError::Backend { .. }), "{:#?}", self.history());
                cause::<io::Error>(&error);
                assert!(
                    self.disk.fired() > before || self.disk.has_ended(),
                    "an error without a fault: {:#?}",
                    self.history()
                );
                self.crash();
                if self.disk.has_ended() {
                    return;
                }
                if after == After::Continue && *step != Step::Open {
                    break;
                }
            }
            successes += 1;
            if self.disk.fired() == faults && faults > 0 && successes > 2 {
                break;
            }
        }
        self.crash();
    }

    pub(super) fn step(&mut self, step: Step) -> Result<(), StoreError> {
        if step == Step::Open {
            self.store = None;
            return self.open();
        }
        let store = self.store.as_mut().unwrap();
        let before = self.disk.count();
        let result = perform(store, step);
        if self.disk.count() == before && !self.disk.has_ended() {
            // There was nothing to do, and nothing was written.
        } else if result.is_ok() {
            perform(&mut self.model, step).unwrap();
            self.acknowledged.push(step);
            self.failed.clear();
        } else if !self.failed.contains(&step) {
            self.failed.push(step);
        }
        assert_eq!(holdings(store), holdings(&mut self.model), "in memory: {:#?}", self.history());
        result
    }

    fn open(&mut self) -> Result<(), StoreError> {
        let mut store = FileStore::open_on(Disk::Simulated(self.disk.clone()), Path::new(DIRECTORY))?;
        let found = holdings(&mut store);
        if found != holdings(&mut self.model) {
            let with = |step: &Step| {
                let mut model = self.model.clone();
                perform(&mut model, *step).unwrap();
                (holdings(&mut model) == found).then_some((*step, model))
            };
            let Some((step, model)) = self.failed.iter().find_map(with) else {
                panic!("{found:#?}\nwas neither acknowledged nor attempted: {:#?}", self.history())
            };
            self.acknowledged.push(step);
            self.model = model;
        }
        self.failed.clear();
        self.store = Some(store);
        Ok(())
    }

    /// Looks at what the next process finds, and at what it finds after each kind of power cut.
    fn crash(&mut self) {
        let mut left = vec![("the process ends".to_owned(), self.disk.after_end())];
        left.extend(self.disk.after_power_cuts());
        for (what, disk) in left {
            let state = (disk.image(), self.acknowledged.clone(), self.failed.clone());
            if self.looked_at.lock().unwrap().insert(state) {
                self.past.push(what);
                self.next_process(disk);
                self.past.pop();
            }
        }
    }

    /// Opens what is left, changes it, and cuts the power again.
    fn next_process(&self, disk: SimulatedDisk) {
        let mut next = self.on(disk);
        next.must(Step::Open);
        // What it has read once stays.
        next.cut_power();
        next.must(Step::Commit);
        next.must(Step::Add("later"));
        next.cut_power();
    }

    fn on(&self, disk: SimulatedDisk) -> Self {
        Self {
            disk,
            store: None,
            acknowledged: self.acknowledged.clone(),
            model: self.model.clone(),
            failed: self.failed.clone(),
            looked_at: self.looked_at,
            past: self.past.clone(),
        }
    }

    fn must(&mut self, step: Step) {
        if let Err(error) = self.step(step) {
            panic!("{step:?}: {error}: {:#?}", self.history());
        }
    }

    fn cut_power(&mut self) {
        let mut next = self.on(self.disk.after_power_cut());
        next.past.push("power cut".to_owned());
        next.must(Step::Open);
    }

    fn history(&self) -> (&[String], Vec<String>) {
        let calls = self.disk.calls().into_iter().enumerate();
        (&self.past, calls.map(|(number, (_, call))| format!("{number}: {call}")).collect())
    }
}
