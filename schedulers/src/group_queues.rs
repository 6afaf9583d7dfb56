//! What is in progress of each concurrency group of a store with one owner, and what waits for it.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use foldhash::HashMap;
use matins_core::{GroupName, GroupTurn, JobId, JobRuns, RunId};

/// The groups of a store.
#[derive(Default)]
pub(crate) struct GroupQueues {
    /// The group of each run that is in progress in one.
    of_runs: HashMap<RunId, GroupName>,
    /// How many there are of each.
    running: HashMap<GroupName, usize>,
    /// The jobs that wait for each group, by their limits.
    waiting: BTreeMap<GroupName, BTreeMap<usize, BTreeSet<Turn>>>,
    /// Work that no row tells of, as it was at the last claim.
    outside: Vec<(GroupName, usize)>,
}

/// Those that begin first are the least.
type Turn = (Reverse<i32>, DateTime<Utc>, JobId);

fn turn_of(id: &JobId, turn: &GroupTurn) -> Turn {
    (Reverse(turn.priority), turn.fire, id.clone())
}

impl GroupQueues {
    /// From now on these are the runs that are in progress.
    pub(crate) fn restart(&mut self, runs: impl IntoIterator<Item = (RunId, GroupName)>) {
        (self.of_runs, self.running, self.waiting) = Default::default();
        for (run, group) in runs {
            self.begin(run, group);
        }
    }

    /// The group of a run that is in progress.
    pub(crate) fn of_run(&self, run: RunId) -> Option<&GroupName> {
        if self.of_runs.is_empty() { None } else { self.of_runs.get(&run) }
    }

    /// A run is in progress in a group. One that was before counts once.
    pub(crate) fn begin(&mut self, run: RunId, group: GroupName) {
        self.end(run);
        *self.running.entry(group.clone()).or_default() += 1;
        self.of_runs.insert(run, group);
    }

    /// A run is in progress no more.
    pub(crate) fn end(&mut self, run: RunId) {
        if self.of_runs.is_empty() {
            return;
        }
        let Some(group) = self.of_runs.remove(&run) else { return };
        if let Some(running) = self.running.get_mut(&group) {
            *running -= 1;
            if *running == 0 {
                self.running.remove(&group);
            }
        }
    }

    /// The runs of a job wait for its group, if they say so.
    pub(crate) fn wait(&mut self, id: &JobId, runs: &JobRuns) {
        if let Some(turn) = &runs.group {
            let limits = self.waiting.entry(turn.name.clone()).or_default();
            limits.entry(turn.limit).or_default().insert(turn_of(id, turn));
        }
    }

    /// They wait no more, or not as they did.
    pub(crate) fn wait_no_more(&mut self, id: &JobId, runs: &JobRuns) {
        let Some(turn) = &runs.group else { return };
        let Some(limits) = self.waiting.get_mut(&turn.name) else { return };
        if let Some(turns) = limits.get_mut(&turn.limit) {
            turns.remove(&turn_of(id, turn));
            if turns.is_empty() {
                limits.remove(&turn.limit);
            }
        }
        if limits.is_empty() {
            self.waiting.remove(&turn.name);
        }
    }

    /// Work that no row tells of.
    pub(crate) fn count_outside(&mut self, outside: &[(GroupName, usize)]) {
        self.outside.clear();
        self.outside.extend_from_slice(outside);
    }

    /// How much of a group is in progress.
    pub(crate) fn in_progress(&self, group: &GroupName) -> usize {
        let outside = self.outside.iter().find(|(name, _)| name == group).map_or(0, |(_, count)| *count);
        self.running.get(group).copied().unwrap_or(0) + outside
    }

    /// Whether a job waits for a group.
    pub(crate) fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// The jobs whose turn comes if so many runs of their groups end now.
    pub(crate) fn next(&self, ending: &HashMap<GroupName, usize>) -> Vec<JobId> {
        let mut next = Vec::new();
        for (group, limits) in &self.waiting {
            let running = self.in_progress(group).saturating_sub(ending.get(group).copied().unwrap_or(0));
            for (limit, turns) in limits {
                let room = limit.saturating_sub(running);
                next.extend(turns.iter().take(room).map(|(_, _, id)| id.clone()));
            }
        }
        next
    }

    /// Whether a job waits for a group that has room for it.
    pub(crate) fn is_vacant(&self) -> bool {
        self.waiting.iter().any(|(group, limits)| {
            limits.last_key_value().is_some_and(|(limit, _)| *limit > self.in_progress(group))
        })
    }
}
