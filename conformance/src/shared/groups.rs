//! What the model of a shared store knows of concurrency groups.

use std::collections::BTreeMap;

use matins_core::{Claim, GroupName, GroupTurn, JobId, JobRuns, Run, RunId, Settlement};

use super::model::Truth;

/// The groups of a shared store.
#[derive(Clone, Default)]
pub(super) struct Groups {
    /// The group of each run that has begun in one and not ended.
    of_runs: BTreeMap<RunId, GroupName>,
    /// Who has claimed a group.
    claims: BTreeMap<GroupName, u64>,
    /// The jobs whose runs wait for their group.
    turns: BTreeMap<JobId, GroupTurn>,
    /// Nobody looks at the claims: a fault, for tests.
    pub(super) ignores_claims: bool,
}

type Outside<'a> = &'a [(GroupName, usize)];

impl Groups {
    /// Claims a group; whether that was possible.
    pub(super) fn claim(&mut self, group: Option<&GroupName>, member: u64) -> bool {
        let Some(group) = group.filter(|_| !self.ignores_claims) else { return true };
        *self.claims.entry(group.clone()).or_insert(member) == member
    }

    pub(super) fn release(&mut self, member: u64) {
        self.claims.retain(|_, owner| *owner != member);
    }

    pub(super) fn turn_of(&self, job: &JobId) -> Option<&GroupTurn> {
        self.turns.get(job)
    }

    /// A run is as a batch leaves it.
    pub(super) fn changed(&mut self, run: &Run) {
        if run.outcome.is_some() || run.started.is_none() {
            self.of_runs.remove(&run.id);
        }
    }

    /// What a batch that was applied says of groups. Only of `claimed` jobs is it known whether they wait.
    pub(super) fn settle(&mut self, settlement: &Settlement, claimed: impl Fn(&JobId) -> bool) {
        self.of_runs.extend(settlement.groups.iter().cloned());
        for (id, JobRuns { group, .. }) in settlement.runs.iter().filter(|(id, _)| claimed(id)) {
            match group {
                Some(turn) => drop(self.turns.insert(id.clone(), (**turn).clone())),
                None => drop(self.turns.remove(id)),
            }
        }
    }

    fn in_progress(&self, group: &GroupName, outside: Outside<'_>) -> usize {
        let outside = outside.iter().find(|(name, _)| name == group).map_or(0, |(_, count)| *count);
        self.of_runs.values().filter(|of_run| *of_run == group).count() + outside
    }
}

impl Truth {
    /// Whether a job waits for a group that has room for it, once these runs have ended.
    pub(super) fn has_room(&self, turn: &GroupTurn, outside: Outside<'_>, ending: &[RunId]) -> bool {
        let is_of_group = |run: &&RunId| self.groups.of_runs.get(run) == Some(&turn.name);
        let ending = ending.iter().filter(is_of_group).count();
        self.groups.in_progress(&turn.name, outside).saturating_sub(ending) < turn.limit
    }

    /// Whether any of these jobs waits for a group that has room for it.
    pub(super) fn has_room_for_any(&self, outside: Outside<'_>, of_these: impl Fn(&JobId) -> bool) -> bool {
        self.groups.turns.iter().any(|(job, turn)| of_these(job) && self.has_room(turn, outside, &[]))
    }

    /// Says in a claim how much of the groups of its jobs is in progress.
    pub(super) fn tell_groups(&self, claim: &mut Claim, outside: Outside<'_>) {
        let Claim { jobs, groups, .. } = claim;
        for group in jobs.iter().filter_map(|claimed| claimed.job.as_ref()?.policy.group.as_ref()) {
            groups.insert(group.name.clone(), self.groups.in_progress(&group.name, outside));
        }
        for run in jobs.iter().flat_map(|claimed| &claimed.abandoned) {
            if let Some(running) = self.groups.of_runs.get(&run.id).and_then(|group| groups.get_mut(group)) {
                *running -= 1;
            }
        }
    }
}
