//! One scheduler's way to the model of a shared store.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Weak};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use matins_core::json;
use matins_core::{
    Capabilities, Claim, ClaimStore, Claimed, GroupName, Heartbeat, Job, JobId, JobQuery, JobRuns, JobStore,
    Joined, Node, OnConflict, Quarantined, Run, RunId, RunOrder, RunQuery, Served, Settled, Settlement,
    StoreError, Transition, Wake, WakeUp, Want,
};
use matins_store_query::{JobQueryExt, RunQueryExt};

use super::SharedModel;
use super::model::{Lease, Truth};

/// One scheduler's way to a [`SharedModel`].
#[derive(Debug)]
pub struct Member {
    store: SharedModel,
    number: u64,
    /// Work that no row tells of, as it was at the last claim.
    outside: Vec<(GroupName, usize)>,
}

impl Member {
    pub(super) fn new(store: SharedModel) -> Self {
        Self { store, number: 0, outside: Vec::new() }
    }

    /// Does something to what the store holds, if this is a member still.
    fn with<T>(&self, work: impl FnOnce(&mut Truth) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let mut truth = self.store.truth();
        if truth.is_member(self.number) { work(&mut truth) } else { Err(StoreError::Fenced) }
    }

    /// Tells the others of a change; called without the store's lock.
    fn wake_others(&self) {
        let wakes: Vec<Weak<Wake>> = self
            .store
            .truth()
            .wakes
            .iter()
            .filter(|(member, _)| *member != self.number)
            .map(|(_, wake)| wake.clone())
            .collect();
        wakes.iter().filter_map(Weak::upgrade).for_each(|wake| wake());
    }
}

/// Claims a job with its runs, if it was not claimed yet; whether it is ours.
fn claim_one(truth: &mut Truth, member: u64, id: &JobId, claim: &mut Claim) -> bool {
    if claim.jobs.iter().any(|job| job.id == *id) {
        return true;
    }
    if !truth.claim(id, member) {
        return false;
    }
    let (runs, abandoned) = truth.runs_of(id);
    let job = truth.jobs.get(id).cloned().map(Arc::new);
    let followers = truth.followers_of(id);
    claim.jobs.push(Claimed { id: id.clone(), job, runs, abandoned, followers });
    true
}

/// So many numbers are kept for the runs of one claim.
const NUMBERS: u64 = 1_000_000;

impl ClaimStore for Member {
    fn capabilities(&self) -> Capabilities {
        Capabilities::SHARED
    }

    fn join(&mut self, node: &Node) -> Result<Joined, StoreError> {
        let now = self.store.now();
        let length = TimeDelta::from_std(node.lease).unwrap_or(TimeDelta::MAX);
        let mut truth = self.store.truth();
        truth.release(self.number);
        self.number = truth.next_member();
        truth.members.insert(self.number, Lease { until: now + length, length, is_over: false });
        Ok(Joined::new(self.number))
    }

    fn serve(&mut self, served: &Served) -> Result<(), StoreError> {
        self.with(|truth| {
            truth.served.insert(self.number, served.clone());
            Ok(())
        })
    }

    fn heartbeat(&mut self) -> Result<Heartbeat, StoreError> {
        let now = self.store.now();
        self.with(|truth| {
            let mut late = now;
            if let Some(lease) = truth.members.get_mut(&self.number) {
                lease.until = now + lease.length;
                late = now - lease.length;
            }
            let asked = truth.held_by(self.number).into_iter().map(|run| run.id);
            let asked = asked.filter(|run| truth.to_cancel.contains(run)).collect();
            let mut heartbeat = Heartbeat::cancelling(asked);
            heartbeat.unserved = truth.unserved(late, now);
            Ok(heartbeat)
        })
    }

    fn claim(&mut self, want: &Want<'_>) -> Result<Claim, StoreError> {
        let (now, member) = (self.store.now(), self.number);
        self.outside = want.outside.to_vec();
        self.with(|truth| {
            // One claim at a time.
            truth.release(member);
            if want.takes_over {
                truth.take_over(now);
            }
            // That may have been its own end.
            if !truth.is_member(member) {
                return Err(StoreError::Fenced);
            }
            let mut claim =
                Claim { now, jobs: Vec::new(), due: 0, first_run: truth.next_run(), groups: BTreeMap::new() };
            let mut due: Vec<(DateTime<Utc>, JobId)> = truth
                .jobs
                .values()
                .filter(|job| truth.serves(member, &job.id))
                .filter_map(|job| Some((job.next_fire.filter(|fire| *fire <= now)?, job.id.clone())))
                .collect();
            due.sort_unstable();
            for (_, id) in due {
                if claim.jobs.len() < want.limit {
                    claim_one(truth, member, &id, &mut claim);
                }
            }
            claim.due = claim.jobs.len();
            for id in want.jobs {
                if !claim_one(truth, member, id, &mut claim) {
                    truth.release(member);
                    let doing = format!("claiming job {id:?}: another scheduler is about to change it");
                    return Err(StoreError::Backend { doing, source: "try again".into() });
                }
            }
            for id in want.ended {
                if !claim_one(truth, member, id, &mut claim) {
                    // Its runs can be ended without the job. What waits for them starts once it can be claimed.
                    let (all, _) = truth.runs_of(id);
                    let runs = JobRuns { running: all.running, ends: Some(false), ..JobRuns::default() };
                    let (job, abandoned, followers) = (None, Vec::new(), truth.followers_of(id));
                    claim.jobs.push(Claimed { id: id.clone(), job, runs, abandoned, followers });
                }
            }
            for id in truth.jobs_with_work(want, now, member) {
                claim_one(truth, member, &id, &mut claim);
            }
            // As the contract has it, no more is told of jobs whose runs do not end now.
            for claimed in &mut claim.jobs {
                let is_named = want.ended.contains(&claimed.id) || want.jobs.contains(&claimed.id);
                if !is_named && claimed.abandoned.is_empty() {
                    claimed.followers.clear();
                }
            }
            truth.tell_groups(&mut claim, want.outside);
            if !claim.jobs.is_empty() {
                truth.reserve_runs(NUMBERS);
            }
            Ok(claim)
        })
    }

    fn settle(&mut self, settlement: Settlement) -> Result<Settled, StoreError> {
        let member = self.number;
        let settled = self.with(|truth| {
            let (mut changed, mut lost) = (truth.clone(), Vec::new());
            let applied = settlement.batch.iter().try_for_each(|step| {
                lost.extend(changed.apply(step, member)?);
                Ok(())
            });
            if applied.is_ok() {
                changed.groups.settle(&settlement, |job| truth.is_claimed_by(job, member));
                *truth = changed;
            }
            truth.release(member);
            applied.map(|()| {
                let mut settled = Settled::waiting(truth.waiting());
                settled.lost = lost;
                settled
            })
        })?;
        self.wake_others();
        Ok(settled)
    }

    fn release(&mut self) {
        self.store.truth().release(self.number);
    }

    fn cancel(&mut self, run: RunId) -> Result<bool, StoreError> {
        let is_asked = {
            let mut truth = self.store.truth();
            let goes_on =
                truth.rows.get(&run).is_some_and(|row| row.started.is_some() && row.outcome.is_none());
            if goes_on {
                truth.to_cancel.insert(run);
            }
            goes_on
        };
        if is_asked {
            self.wake_others();
        }
        Ok(is_asked)
    }

    fn held(&mut self) -> Result<Vec<Run>, StoreError> {
        self.with(|truth| Ok(truth.held_by(self.number)))
    }

    fn next(&mut self, fires: bool) -> Result<Option<DateTime<Utc>>, StoreError> {
        self.with(|truth| {
            let serves = |job: &JobId| truth.serves(self.number, job);
            let jobs = truth.jobs.values().filter(|job| fires && serves(&job.id));
            let fire = jobs.filter_map(|job| job.next_fire);
            let turns = truth.rows.values().filter(|run| run.outcome.is_none() && run.started.is_none());
            let turns = turns.filter(|run| serves(&run.job));
            let vacant = Some(self.store.now()).filter(|_| truth.has_room_for_any(&self.outside, serves));
            Ok(fire.chain(turns.filter_map(|run| run.turn)).chain(vacant).min())
        })
    }

    fn on_change(&mut self, wake: &Arc<Wake>) -> WakeUp {
        self.store.truth().wakes.push((self.number, Arc::downgrade(wake)));
        WakeUp::Poll(Duration::from_secs(5))
    }

    fn import(&mut self, jobs: Vec<Job>, runs: Vec<Run>, on_conflict: OnConflict) -> Result<(), StoreError> {
        jobs.iter().try_for_each(json::check_job)?;
        runs.iter().try_for_each(json::check_run)?;
        self.with(|truth| {
            truth.check_new(&runs)?;
            let mut ids = BTreeSet::new();
            let is_taken = |job: &&Job| truth.jobs.contains_key(&job.id) || !ids.insert(job.id.clone());
            if !matches!(on_conflict, OnConflict::Replace | OnConflict::Keep)
                && let Some(job) = jobs.iter().find(is_taken)
            {
                return Err(StoreError::Conflict { id: job.id.clone() });
            }
            for job in jobs {
                if on_conflict != OnConflict::Keep || !truth.jobs.contains_key(&job.id) {
                    truth.jobs.insert(job.id.clone(), job);
                }
            }
            runs.into_iter()
                .try_for_each(|run| truth.apply(&Transition::Record(run.into()), self.number).map(drop))
        })?;
        self.wake_others();
        Ok(())
    }

    fn get(&mut self, id: &JobId) -> Result<Option<Job>, StoreError> {
        Ok(self.store.truth().jobs.get(id).cloned())
    }

    fn list(&mut self, query: &JobQuery) -> Result<Vec<Job>, StoreError> {
        Ok(query.select(self.store.jobs()))
    }

    fn count(&mut self, query: &JobQuery) -> Result<usize, StoreError> {
        Ok(self.store.jobs().iter().filter(|job| query.matches(job)).count())
    }

    fn runs(&mut self, query: &RunQuery) -> Result<Vec<Run>, StoreError> {
        let mut rows: Vec<Run> = self.store.rows().into_iter().filter(|run| query.matches(run)).collect();
        if query.order == RunOrder::NewestFirst {
            rows.reverse();
        }
        rows.truncate(query.limit.unwrap_or(usize::MAX));
        Ok(rows)
    }

    fn count_runs(&mut self, query: &RunQuery) -> Result<usize, StoreError> {
        Ok(self.store.rows().iter().filter(|run| query.matches(run)).count())
    }

    fn quarantined(&self) -> &[Quarantined] {
        &[]
    }

    fn as_job_store(&mut self) -> Option<&mut dyn JobStore> {
        None
    }

    fn into_job_store(self: Box<Self>) -> Option<Box<dyn JobStore>> {
        None
    }

    fn leave(&mut self) -> Result<(), StoreError> {
        let mut truth = self.store.truth();
        if let Some(lease) = truth.members.get_mut(&self.number) {
            lease.is_over = true;
        }
        truth.release(self.number);
        Ok(())
    }
}

impl Drop for Member {
    /// What a process that dies has claimed is free; its runs are its own until the lease ends.
    fn drop(&mut self) {
        self.release();
    }
}
