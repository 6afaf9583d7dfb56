//! A plain model that every store agrees with.

use chrono::{DateTime, Utc};
use matins_core::{Job, JobId, JobStore, OnConflict, Outcome, Run, RunId, Transition};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::ledger::finished;
use super::{StoreFactory, all_jobs, all_runs, due, id, job, second};
use crate::proof;

/// The plainest store that can be: lists that are searched from end to end.
#[derive(Debug, Default)]
pub(super) struct Model {
    jobs: Vec<Job>,
    runs: Vec<Run>,
}

#[derive(Debug, Clone)]
pub(super) enum Operation {
    Add(u8, Option<i64>, OnConflict),
    Update(u8, Option<i64>),
    Remove(u8),
    /// Moves a job on, from where it is or from where it is not, and records a run.
    Tick {
        job: u8,
        stale: bool,
        to: Option<i64>,
    },
    Finish(u64),
    Prune(u8, u32),
    Reopen,
    Crash,
}

pub(super) fn operation() -> impl Strategy<Value = Operation> {
    let name = 0_u8..6;
    let fire = prop::option::weighted(0.8, 0_i64..20);
    let conflict = prop_oneof![Just(OnConflict::Refuse), Just(OnConflict::Replace), Just(OnConflict::Keep)];
    prop_oneof![
        4 => (name.clone(), fire.clone(), conflict).prop_map(|(name, fire, conflict)| Operation::Add(name, fire, conflict)),
        2 => (name.clone(), fire.clone()).prop_map(|(name, fire)| Operation::Update(name, fire)),
        1 => name.clone().prop_map(Operation::Remove),
        6 => (name.clone(), prop::bool::weighted(0.1), fire).prop_map(|(job, stale, to)| Operation::Tick { job, stale, to }),
        3 => (1_u64..20).prop_map(Operation::Finish),
        1 => (name, 0_u32..4).prop_map(|(name, keep)| Operation::Prune(name, keep)),
        1 => Just(Operation::Reopen),
        1 => Just(Operation::Crash),
    ]
}

impl Model {
    fn position(&self, name: &JobId) -> Option<usize> {
        self.jobs.iter().position(|job| job.id == *name)
    }

    fn due(&self) -> Vec<Job> {
        let mut due: Vec<Job> = self.jobs.iter().filter(|job| job.next_fire.is_some()).cloned().collect();
        due.sort_by_key(|job| (job.next_fire, job.id.clone()));
        due
    }

    /// Does the operation here and there; both must agree on whether it went well.
    pub(super) fn apply(&mut self, operation: &Operation, store: &mut dyn JobStore) {
        match operation {
            Operation::Add(name, fire, on_conflict) => {
                let job = job(&format!("job {name}"), *fire);
                let added = store.add(job.clone(), *on_conflict);
                match (self.position(&job.id), on_conflict) {
                    (None, _) => self.jobs.push(job),
                    (Some(at), OnConflict::Replace) => self.jobs[at] = job,
                    (Some(_), OnConflict::Keep) => {}
                    _ => return assert!(added.is_err()),
                }
                added.expect("add");
            }
            Operation::Update(name, fire) => {
                let job = job(&format!("job {name}"), *fire);
                let updated = store.update(job.clone());
                match self.position(&job.id) {
                    Some(at) => self.jobs[at] = job,
                    None => return assert!(updated.is_err()),
                }
                updated.expect("update");
            }
            Operation::Remove(name) => {
                let id = id(&format!("job {name}"));
                let removed = store.remove(&id);
                match self.position(&id) {
                    Some(at) => assert_eq!(removed.expect("remove"), self.jobs.remove(at)),
                    None => assert!(removed.is_err()),
                }
            }
            Operation::Tick { job: name, stale, to } => {
                let id = id(&format!("job {name}"));
                let position = self.position(&id);
                let from = position.and_then(|at| self.jobs[at].next_fire);
                let named = if *stale { Some(second(-1)) } else { from };
                let run =
                    Run::started(store.next_run_id().expect("next run id"), id.clone(), second(0), second(1));
                let to = to.map(second);
                let batch = vec![
                    Transition::Record(run.clone().into()),
                    Transition::Advance { job: id, from: named, to },
                ];
                let committed = store.commit(batch);
                match position {
                    Some(at) if named == from => {
                        self.jobs[at].next_fire = to;
                        self.runs.push(run);
                        committed.expect("commit");
                    }
                    _ => assert!(committed.is_err()),
                }
            }
            Operation::Finish(number) => {
                let Some(run) = self.runs.iter_mut().find(|run| run.id.0 == *number) else { return };
                *run = finished(run, Outcome::Succeeded, 3);
                store.commit(vec![Transition::Finish(run.clone().into())]).expect("commit");
            }
            Operation::Prune(name, keep) => {
                let job = id(&format!("job {name}"));
                let newest: Vec<RunId> = self
                    .runs
                    .iter()
                    .rev()
                    .filter(|run| run.job == job)
                    .take(*keep as usize)
                    .map(|run| run.id)
                    .collect();
                self.runs.retain(|run| run.job != job || run.outcome.is_none() || newest.contains(&run.id));
                store.commit(vec![Transition::PruneJob { job, keep: *keep }]).expect("prune");
            }
            Operation::Reopen | Operation::Crash => {}
        }
    }

    fn compare(&mut self, store: &mut dyn JobStore) {
        self.jobs.sort_by(|a, b| a.id.cmp(&b.id));
        assert_eq!(all_jobs(store), self.jobs);
        assert_eq!(all_runs(store), self.runs);
        assert_eq!(due(store, DateTime::<Utc>::MAX_UTC, 100), self.due());
        assert_eq!(store.next_due().expect("next due"), self.due().first().and_then(|job| job.next_fire));
    }
}

/// Random operations, reopenings and crashes, compared with a plain model after each; see [`proof`].
pub fn random_operations_agree_with_a_plain_model(factory: &mut dyn StoreFactory) {
    let factory = std::cell::RefCell::new(factory);
    TestRunner::new(proof::config(64))
        .run(&vec(operation(), 1..40), |operations| {
            let mut factory = factory.borrow_mut();
            let mut store = factory.create();
            let mut model = Model::default();
            for operation in operations {
                match operation {
                    Operation::Reopen if store.is_persistent() => {
                        store = factory.reopen(store).expect("a persistent store reopens");
                    }
                    Operation::Crash if store.is_persistent() => {
                        store = factory.crash(store).expect("a persistent store opens after a crash");
                    }
                    _ => model.apply(&operation, &mut *store),
                }
                model.compare(&mut *store);
            }
            Ok(())
        })
        .unwrap_or_else(|failure| panic!("{failure}"));
}
