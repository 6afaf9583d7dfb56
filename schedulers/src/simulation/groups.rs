//! Concurrency groups in the simulation: no more runs in progress than a limit, and none that waits for a group with room.

use chrono::DateTime;
use matins_core::{Group, GroupName, JobState, JobStore, RunQuery};

use super::Simulation;
use crate::engine::Submission;
use crate::occupied::WHEN_IT_ENDS;

/// The limits of the groups.
const LIMITS: [u32; 2] = [1, 2];

pub(super) fn group(limit: u32) -> Group {
    Group::new(format!("group of {limit}"), limit).unwrap()
}

impl Simulation {
    pub(super) fn note_group(&mut self, submission: &Submission) {
        let run = submission.request.run;
        let group =
            self.engine.lanes()[0].in_flight.lock().get(&run).and_then(|running| running.group.clone());
        if let Some(group) = group {
            self.groups.insert(run, group);
        }
    }

    fn held_of(&self, group: &GroupName) -> usize {
        self.held.iter().filter(|held| self.groups.get(&held.request.run) == Some(group)).count()
    }

    pub(super) fn check_limits(&self) {
        for limit in LIMITS {
            let held = self.held_of(&group(limit).name);
            assert!(held <= limit as usize, "{held} of the group of {limit} are in progress");
        }
    }

    /// What waits for its group alone waits only while that is full.
    pub(super) fn check_waiting(&mut self) {
        // What an earlier process left has its turn at the epoch.
        if self.now() < DateTime::UNIX_EPOCH {
            return;
        }
        let rows = self.disk.clone().runs(&RunQuery::default().unfinished()).unwrap();
        let jobs = self.disk.jobs();
        for run in &rows {
            let job = jobs.iter().find(|job| job.id == run.job && job.state == JobState::Active);
            let Some(group) = job.and_then(|job| job.policy.group.as_ref()) else { continue };
            let is_alone = rows.iter().filter(|row| row.job == run.job).count() == 1;
            let waits =
                run.started.is_none() && (run.turn == Some(WHEN_IT_ENDS) || (run.turn.is_none() && is_alone));
            let is_full = self.held_of(&group.name) >= group.limit();
            assert!(!waits || is_full, "{run:?} waits for {group}, which has room");
        }
    }
}
