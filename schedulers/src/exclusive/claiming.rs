//! What a claim takes of a store with one owner.

use std::collections::BTreeMap;
use std::sync::Arc;

use foldhash::{HashMap, HashMapExt, HashSet};
use matins_core::{Claim, Claimed, GroupName, JobId, JobRuns, RunId, StoreError, Want};

use super::Exclusive;

/// The claimed jobs that have no runs in memory which could say that they are claimed. Mostly nobody asks, and it is not made.
#[derive(Default)]
struct Idle(Option<HashSet<JobId>>);

impl Idle {
    /// Notes a job, unless it is among those that are claimed. Returns whether it was not.
    fn insert(&mut self, id: &JobId, claimed: &[Claimed]) -> bool {
        let ids = || claimed.iter().map(|claimed| claimed.id.clone()).collect();
        self.0.get_or_insert_with(ids).insert(id.clone())
    }
}

impl Exclusive {
    /// Claims a job that is not due, if it was not claimed yet.
    fn claim_one(
        &mut self,
        id: &JobId,
        reads: bool,
        claim: &mut Claim,
        idle: &mut Idle,
    ) -> Result<(), StoreError> {
        let number = self.number;
        let (runs, is_new) = if let Some(known) = self.runs.get_mut(id) {
            let is_new = std::mem::replace(&mut known.claimed, number) != number;
            (if is_new { known.runs.clone() } else { JobRuns::default() }, is_new)
        } else {
            (JobRuns::default(), idle.insert(id, &claim.jobs))
        };
        if !is_new {
            return Ok(());
        }
        let abandoned = self.abandoned.get(id).cloned().unwrap_or_default();
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
        let mut idle = Idle::default();
        for id in want.jobs {
            self.claim_one(id, true, &mut claim, &mut idle)?;
        }
        for id in want.ended {
            self.claim_one(id, false, &mut claim, &mut idle)?;
        }
        if want.takes_over && !self.abandoned.is_empty() {
            for id in self.abandoned.keys().cloned().collect::<Vec<_>>() {
                self.claim_one(&id, true, &mut claim, &mut idle)?;
            }
        }
        if want.starts && !self.vacant.is_empty() {
            for id in self.vacant.clone() {
                self.claim_one(&id, true, &mut claim, &mut idle)?;
            }
        }
        if want.starts && !self.turns.is_empty() {
            let come: Vec<JobId> =
                self.turns.range(..=(want.at, RunId(u64::MAX))).map(|(_, job)| job.clone()).collect();
            for id in come {
                self.claim_one(&id, true, &mut claim, &mut idle)?;
            }
        }
        if want.starts && self.groups.has_waiting() {
            for id in self.groups.next(&self.ending(want, &claim)) {
                self.claim_one(&id, true, &mut claim, &mut idle)?;
            }
        }
        self.claim_followers(&mut claim, &mut idle)?;
        self.tell_groups(&mut claim);
        Ok(claim)
    }

    /// Claims what may follow: the jobs that run after those that are claimed, and after those of them that have runs which may end.
    fn claim_followers(&mut self, claim: &mut Claim, idle: &mut Idle) -> Result<(), StoreError> {
        let (first, mut place) = (claim.jobs.len(), 0);
        while let Some(claimed) = claim.jobs.get(place) {
            let may_end = place < first || claimed.runs.is_busy() || !claimed.abandoned.is_empty();
            let followers = if may_end { claimed.followers.clone() } else { Vec::new() };
            for (job, _) in followers {
                self.claim_one(&job, true, claim, idle)?;
            }
            place += 1;
        }
        Ok(())
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use chrono::{DateTime, Utc};
    use matins_conformance::store_suite::job;
    use matins_core::{AfterOutcome, ClaimStore, Job, JobState, Node, OnConflict, Run};
    use matins_store_memory::MemoryStore;
    use matins_triggers::AfterTrigger;

    use super::*;

    fn id(id: &str) -> JobId {
        JobId::new(id).unwrap()
    }

    /// A second of the suite's jobs.
    fn second(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_700_000_000 + second, 0).unwrap()
    }

    fn after(name: &str, leader: &str) -> Job {
        let trigger = Arc::new(AfterTrigger::new(id(leader), AfterOutcome::Any));
        job(name, None).with(|job| (job.trigger, job.state) = (trigger, JobState::Active))
    }

    fn begun((number, name): &(u64, &str)) -> Run {
        Run::started(RunId(*number), id(name), second(0), second(0))
    }

    /// A store in which the first of three jobs is due, each of the others runs after the one before, and these runs have begun.
    fn chain(runs: &[(u64, &str)]) -> Exclusive {
        let jobs = vec![job("first", Some(0)), after("second", "first"), after("third", "second")];
        let mut store = Exclusive::new(Box::new(MemoryStore::new()));
        store.join(&Node::new("here", Duration::from_secs(15))).unwrap();
        store.import(jobs, runs.iter().map(begun).collect(), OnConflict::Refuse).unwrap();
        store
    }

    fn claimed(store: &mut Exclusive, want: &Want<'_>) -> Vec<(String, usize, usize)> {
        let claim = store.claim(want).unwrap();
        let shown = |job: &Claimed| (job.id.as_str().to_owned(), job.runs.running.len(), job.abandoned.len());
        claim.jobs.iter().map(shown).collect()
    }

    /// Once, a job whose run an earlier process has left was claimed again as one that follows: its run was interrupted twice.
    #[test]
    fn a_job_that_is_wanted_for_several_reasons_is_claimed_once() {
        let named = [id("second"), id("third")];
        for named in [&named[..], &[]] {
            let mut store = chain(&[(1, "second"), (2, "third")]);
            let want = Want::at(second(10)).limit(10).starts().takes_over().jobs(named).ended(&named[..0]);
            let expected = [("first", 0, 0), ("second", 0, 1), ("third", 0, 1)];
            assert_eq!(claimed(&mut store, &want), expected.map(|(id, one, two)| (id.to_owned(), one, two)));
        }
        let mut store = chain(&[]);
        let (named, ended) = ([id("second")], [id("first"), id("second")]);
        let want = Want::at(second(10)).limit(10).starts().takes_over().jobs(&named).ended(&ended);
        let expected = [("first", 0, 0), ("second", 0, 0), ("third", 0, 0)];
        assert_eq!(claimed(&mut store, &want), expected.map(|(id, one, two)| (id.to_owned(), one, two)));
    }

    /// Once, what was known of the third job was overwritten when the run of the second ended in a tick that the first was due in.
    #[test]
    fn a_job_is_claimed_with_all_whose_runs_may_follow_from_it() {
        let mut store = chain(&[]);
        assert_eq!(
            claimed(&mut store, &Want::at(second(10)).limit(10)).len(),
            2,
            "no run of the second may end"
        );
        let runs = [(1, "second"), (2, "third")].iter().map(begun).collect();
        store.import(Vec::new(), runs, OnConflict::Refuse).unwrap();
        let found = claimed(&mut store, &Want::at(second(10)).limit(10));
        let expected = [("first", 0, 0), ("second", 1, 0), ("third", 1, 0)];
        assert_eq!(found, expected.map(|(id, one, two)| (id.to_owned(), one, two)));
    }
}
