//! What a claim takes of a store with one owner.

use std::collections::BTreeMap;
use std::sync::Arc;

use foldhash::{HashMap, HashMapExt};
use matins_core::{Claim, Claimed, GroupName, JobId, JobRuns, RunId, StoreError, Want};

use super::Exclusive;

impl Exclusive {
    /// Claims a job that is not due, if it was not claimed yet.
    fn claim_one(&mut self, id: &JobId, reads: bool, claim: &mut Claim) -> Result<(), StoreError> {
        let number = self.number;
        let abandoned = self.abandoned.get(id).cloned().unwrap_or_default();
        let (runs, is_claimed) = if let Some(known) = self.runs.get_mut(id) {
            let is_claimed = std::mem::replace(&mut known.claimed, number) == number;
            (if is_claimed { JobRuns::default() } else { known.runs.clone() }, is_claimed)
        } else {
            // Jobs that are to be changed are each named once.
            let among = if reads { &claim.jobs[..claim.due] } else { &claim.jobs[..] };
            (JobRuns::default(), among.iter().any(|claimed| claimed.id == *id))
        };
        if is_claimed {
            return Ok(());
        }
        let is_needed = reads
            || !abandoned.is_empty()
            || runs.waiting.is_some()
            || !runs.ready.is_empty()
            || runs.ends.is_none();
        let job = if is_needed { self.store.get(id)?.map(Arc::new) } else { None };
        let followers = self.followers.of_job(id);
        claim.jobs.push(Claimed { id: id.clone(), job, runs, abandoned, followers });
        Ok(())
    }

    pub(super) fn claimed(&mut self, want: &Want<'_>) -> Result<Claim, StoreError> {
        self.look()?;
        self.number += 1;
        self.at = want.at;
        self.groups.count_outside(want.outside);
        let due = if want.limit == 0 { Vec::new() } else { self.store.due(want.at, want.limit)? };
        let mut claim = Claim {
            now: want.at,
            jobs: Vec::with_capacity(due.len() + want.ended.len()),
            due: due.len(),
            first_run: self.next_run,
            groups: BTreeMap::new(),
        };
        for job in due {
            let runs = match self.runs.get_mut(&job.id) {
                Some(known) => {
                    known.claimed = self.number;
                    known.runs.clone()
                }
                None => JobRuns::default(),
            };
            let abandoned = self.abandoned.get(&job.id).cloned().unwrap_or_default();
            let followers = self.followers.of_job(&job.id);
            claim.jobs.push(Claimed { id: job.id.clone(), job: Some(job), runs, abandoned, followers });
        }
        for id in want.jobs {
            self.claim_one(id, true, &mut claim)?;
        }
        for id in want.ended {
            self.claim_one(id, false, &mut claim)?;
        }
        if want.takes_over && !self.abandoned.is_empty() {
            for id in self.abandoned.keys().cloned().collect::<Vec<_>>() {
                self.claim_one(&id, true, &mut claim)?;
            }
        }
        if want.starts && !self.vacant.is_empty() {
            for id in self.vacant.clone() {
                self.claim_one(&id, true, &mut claim)?;
            }
        }
        if want.starts && !self.turns.is_empty() {
            let come: Vec<JobId> =
                self.turns.range(..=(want.at, RunId(u64::MAX))).map(|(_, job)| job.clone()).collect();
            for id in come {
                self.claim_one(&id, true, &mut claim)?;
            }
        }
        if want.starts && self.groups.has_waiting() {
            for id in self.groups.next(&self.ending(want, &claim)) {
                self.claim_one(&id, true, &mut claim)?;
            }
        }
        let follow: Vec<JobId> =
            claim.jobs.iter().flat_map(|claimed| &claimed.followers).map(|(job, _)| job.clone()).collect();
        for id in follow {
            self.claim_one(&id, true, &mut claim)?;
        }
        self.tell_groups(&mut claim);
        Ok(claim)
    }

    /// How many runs of each group may end by this claim.
    fn ending(&self, want: &Want<'_>, claim: &Claim) -> HashMap<GroupName, usize> {
        let named = want.ended.iter().chain(want.jobs).filter_map(|id| self.runs.get(id));
        let running = named.flat_map(|known| known.runs.running.iter().copied());
        let abandoned = claim.jobs.iter().flat_map(|claimed| claimed.abandoned.iter().map(|run| run.id));
        let mut ending = HashMap::new();
        for group in running.chain(abandoned).filter_map(|run| self.groups.of_run(run)) {
            *ending.entry(group.clone()).or_default() += 1;
        }
        ending
    }

    /// Says how much of the groups of the claimed jobs is in progress.
    fn tell_groups(&self, claim: &mut Claim) {
        let Claim { jobs, groups, .. } = claim;
        for group in jobs.iter().filter_map(|claimed| claimed.job.as_ref()?.policy.group.as_ref()) {
            if !groups.contains_key(&group.name) {
                groups.insert(group.name.clone(), self.groups.in_progress(&group.name));
            }
        }
        if groups.is_empty() {
            return;
        }
        for run in jobs.iter().flat_map(|claimed| &claimed.abandoned) {
            if let Some(running) = self.groups.of_run(run.id).and_then(|group| groups.get_mut(group)) {
                *running = running.saturating_sub(1);
            }
        }
    }
}
