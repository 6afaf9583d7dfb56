//! Jobs that run after others: what the ledger must say of them, and that no job has more runs in progress than it may.

use std::collections::{BTreeMap, BTreeSet};

use matins_core::{After, AfterOutcome, JobId, JobStore, Outcome, Run, RunId, RunQuery};
use matins_triggers::AfterTrigger;

use super::Simulation;
use crate::schedule::Schedule;

/// What the model knows of chains.
#[derive(Default)]
pub(super) struct Chains {
    /// Jobs that run after another, which neither they nor the other have been changed, with the number of the first run that they may
    /// follow.
    followers: BTreeMap<JobId, (After, RunId)>,
    /// Jobs whose overlap rule has changed: more of their runs may be in progress.
    redefined: BTreeSet<JobId>,
}

impl Chains {
    /// Somebody changes the job, or removes it.
    pub(super) fn touch(&mut self, id: &JobId) {
        self.followers.retain(|follower, (after, _)| follower != id && after.job != *id);
        self.redefined.insert(id.clone());
    }
}

impl Simulation {
    /// Adds a job that runs after another one.
    pub(super) fn add_follower(&mut self, id: &JobId, leader: JobId) {
        let outcome =
            [AfterOutcome::Succeeded, AfterOutcome::Failed, AfterOutcome::Any][self.below(3) as usize];
        let overlap = self.overlap();
        let first = self.disk.next_run_id().unwrap();
        let trigger = AfterTrigger::new(leader.clone(), outcome);
        let new = trigger.clone().task("task").id(id).overlap(overlap).on_interrupt(self.on_interrupt());
        self.engine.add(new).unwrap();
        self.known
            .insert(id.clone(), super::model::Known::new(std::sync::Arc::new(trigger), self.now(), None));
        self.chains.followers.insert(id.clone(), (After::new(leader, outcome), first));
    }

    /// Each run that has ended, with all of its attempts, is followed once by each job that runs after such an outcome.
    pub(super) fn check_chains(&self) {
        let rows = self.disk.clone().runs(&RunQuery::default()).unwrap();
        let is_tried_again = |run: &Run| {
            let again = |other: &Run| {
                (&other.job, other.fires.first, other.attempt) == (&run.job, run.scheduled(), run.attempt + 1)
            };
            rows.iter().any(again)
        };
        for (follower, (after, first)) in &self.chains.followers {
            for run in rows.iter().filter(|run| run.job == after.job && run.id >= *first) {
                let Some(outcome) = run.outcome.filter(|_| run.started.is_some()) else { continue };
                if matches!(outcome, Outcome::Missed(_)) {
                    continue;
                }
                let expected = usize::from(after.outcome.includes(outcome) && !is_tried_again(run));
                let follows =
                    |row: &&Run| row.job == *follower && row.cause == Some(run.id) && row.attempt == 1;
                let found = rows.iter().filter(follows).count();
                assert_eq!(found, expected, "{follower:?} after {run:?}");
            }
        }
    }

    /// No job has more runs in progress than its overlap rule allows, those that somebody asked for aside.
    pub(super) fn check_overlap(&self) {
        let mut in_progress: BTreeMap<JobId, usize> = BTreeMap::new();
        for run in self.disk.clone().runs(&RunQuery::default().unfinished()).unwrap() {
            if run.started.is_some() && !run.manual {
                *in_progress.entry(run.job).or_default() += 1;
            }
        }
        for job in self.disk.jobs() {
            let count = in_progress.get(&job.id).copied().unwrap_or(0);
            let limit = job.policy.overlap.limit();
            assert!(
                count <= limit || self.chains.redefined.contains(&job.id),
                "{:?} has {count} runs in progress, and may have {limit}",
                job.id
            );
        }
    }
}
