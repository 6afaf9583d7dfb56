//! What a shared store holds, in memory, and what each step does to it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use chrono::{DateTime, TimeDelta, Utc};
use matins_core::{
    AfterOutcome, Clock, FireRange, Job, JobId, JobRuns, JobState, Run, RunId, Served, StoreError,
    Transition, Wake, Want,
};

use super::Member;
use super::groups::Groups;

/// A store in memory that several schedulers share, as a model of those in databases: the same claims, leases and refusals, without
/// their speed. Clones are one store.
///
/// ```
/// use matins_conformance::shared::SharedModel;
/// use matins_core::{ClaimStore, Node, Want};
/// use matins_scheduler::VirtualClock;
/// # use std::{sync::Arc, time::Duration};
///
/// let clock = VirtualClock::new("2026-01-01T00:00:00Z".parse().unwrap());
/// let store = SharedModel::new(Arc::new(clock));
/// let (mut one, mut other) = (store.member(), store.member());
/// one.join(&Node::new("one", Duration::from_secs(15))).unwrap();
/// other.join(&Node::new("other", Duration::from_secs(15))).unwrap();
/// assert!(one.claim(&Want::default().limit(10)).unwrap().jobs.is_empty());
/// ```
#[derive(Clone)]
pub struct SharedModel {
    truth: Arc<Mutex<Truth>>,
    clock: Arc<dyn Clock>,
}

/// What is in the store.
#[derive(Clone, Default)]
pub(super) struct Truth {
    pub(super) jobs: BTreeMap<JobId, Job>,
    pub(super) rows: BTreeMap<RunId, Run>,
    /// Who has begun the runs that have begun and not ended.
    owners: BTreeMap<RunId, u64>,
    /// Who has claimed a job.
    claims: BTreeMap<JobId, u64>,
    pub(super) groups: Groups,
    /// To whom the runs of dead owners were given, as long as the claim is open.
    given: BTreeMap<RunId, u64>,
    pub(super) members: BTreeMap<u64, Lease>,
    /// What each member can start.
    pub(super) served: BTreeMap<u64, Served>,
    last_member: u64,
    last_run: u64,
    pub(super) to_cancel: BTreeSet<RunId>,
    pub(super) wakes: Vec<(u64, Weak<Wake>)>,
}

/// The lease of a member. One that has ended is not over before somebody takes the runs over.
#[derive(Clone, Copy)]
pub(super) struct Lease {
    pub(super) until: DateTime<Utc>,
    pub(super) length: TimeDelta,
    pub(super) is_over: bool,
}

impl SharedModel {
    /// An empty store with a clock of its own.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { truth: Arc::default(), clock }
    }

    /// A model with a fault, for tests of the laws: it lets several schedulers decide about jobs of one group at once.
    #[must_use]
    pub fn without_claims_of_groups(self) -> Self {
        self.truth().groups.ignores_claims = true;
        self
    }

    /// A way to it for one more scheduler, which joins by [`join`](matins_core::ClaimStore::join).
    pub fn member(&self) -> Member {
        Member::new(self.clone())
    }

    /// Lets the lease of a member end now, by the store's clock.
    pub fn expire(&self, member: u64) {
        let now = self.now();
        if let Some(lease) = self.truth().members.get_mut(&member) {
            lease.until = lease.until.min(now - TimeDelta::seconds(1));
        }
    }

    /// Returns all rows of the ledger, by number.
    pub fn rows(&self) -> Vec<Run> {
        self.truth().rows.values().cloned().collect()
    }

    /// Returns all jobs, by id.
    pub fn jobs(&self) -> Vec<Job> {
        self.truth().jobs.values().cloned().collect()
    }

    pub(super) fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    pub(super) fn truth(&self) -> MutexGuard<'_, Truth> {
        self.truth.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Truth {
    pub(super) fn next_member(&mut self) -> u64 {
        self.last_member += 1;
        self.last_member
    }

    pub(super) fn next_run(&self) -> RunId {
        RunId(self.last_run + 1)
    }

    /// A scheduler that plans with numbers from here on may use so many: others begin above them.
    pub(super) fn reserve_runs(&mut self, count: u64) {
        self.last_run += count;
    }

    pub(super) fn is_member(&self, member: u64) -> bool {
        self.members.get(&member).is_some_and(|lease| !lease.is_over)
    }

    /// Whether a member can start this job. What is left of a job that is gone anybody can end.
    pub(super) fn serves(&self, member: u64, job: &JobId) -> bool {
        let Some(job) = self.jobs.get(job) else { return true };
        self.served.get(&member).is_some_and(|served| served.includes(&job.task, &job.executor))
    }

    /// The jobs that were due before `late`, and that no member can start whose lease has not ended.
    pub(super) fn unserved(&self, late: DateTime<Utc>, now: DateTime<Utc>) -> Vec<JobId> {
        let alive: Vec<u64> = self
            .members
            .iter()
            .filter(|(_, lease)| !lease.is_over && lease.until >= now)
            .map(|(member, _)| *member)
            .collect();
        let is_late = |job: &&Job| job.next_fire.is_some_and(|fire| fire < late);
        let is_served = |job: &Job| alive.iter().any(|member| self.serves(*member, &job.id));
        let unserved = self.jobs.values().filter(is_late).filter(|job| !is_served(job));
        unserved.map(|job| job.id.clone()).take(100).collect()
    }

    /// Declares those members dead whose lease has ended, and voids their claims.
    pub(super) fn take_over(&mut self, now: DateTime<Utc>) {
        for (member, lease) in &mut self.members {
            if !lease.is_over && lease.until < now {
                lease.is_over = true;
                self.claims.retain(|_, owner| owner != member);
                self.given.retain(|_, owner| owner != member);
                self.groups.release(*member);
            }
        }
    }

    /// Claims a job; whether that was possible.
    pub(super) fn claim(&mut self, job: &JobId, member: u64) -> bool {
        if self.claims.get(job).is_some_and(|owner| *owner != member) {
            return false;
        }
        let group = self.jobs.get(job).and_then(|job| job.policy.group.as_ref());
        if !self.groups.claim(group.map(|group| &group.name), member) {
            return false;
        }
        self.claims.insert(job.clone(), member);
        let (_, abandoned) = self.runs_of(job);
        self.given.extend(abandoned.into_iter().map(|run| (run.id, member)));
        true
    }

    /// Ends the claim of a member.
    pub(super) fn release(&mut self, member: u64) {
        self.claims.retain(|_, owner| *owner != member);
        self.given.retain(|_, owner| *owner != member);
        self.groups.release(member);
    }

    /// Whether a member has claimed a job.
    pub(super) fn is_claimed_by(&self, job: &JobId, member: u64) -> bool {
        self.claims.get(job) == Some(&member)
    }

    /// How many runs were recorded and have not begun.
    pub(super) fn waiting(&self) -> usize {
        self.rows.values().filter(|run| run.outcome.is_none() && run.started.is_none()).count()
    }

    fn is_abandoned(&self, run: &Run) -> bool {
        run.started.is_some() && self.owners.get(&run.id).is_none_or(|owner| !self.is_member(*owner))
    }

    fn unfinished<'a>(&'a self, job: &'a JobId) -> impl Iterator<Item = &'a Run> {
        self.rows.values().filter(move |run| run.outcome.is_none() && run.job == *job)
    }

    /// The runs of a job that have not ended, and those whose owner is gone.
    pub(super) fn runs_of(&self, job: &JobId) -> (JobRuns, Vec<Run>) {
        let (mut runs, mut abandoned) = (JobRuns::default(), Vec::new());
        for run in self.unfinished(job) {
            if self.is_abandoned(run) {
                abandoned.push(run.clone());
            } else if run.started.is_some() {
                runs.running.push(run.id);
            } else if run.turn.is_some() {
                runs.ready.push(run.clone());
            } else {
                runs.waiting = Some(Box::new(run.clone()));
            }
        }
        runs.group = self.groups.turn_of(job).cloned().map(Box::new);
        (runs, abandoned)
    }

    /// The active jobs that run after this one.
    pub(super) fn followers_of(&self, id: &JobId) -> Vec<(JobId, AfterOutcome)> {
        let active = self.jobs.values().filter(|job| job.state == JobState::Active);
        active
            .filter_map(|job| {
                let after = job.trigger.after().filter(|after| after.job == *id)?;
                Some((job.id.clone(), after.outcome))
            })
            .collect()
    }

    /// The jobs that have something to do beside their fires: runs to take over, runs that may start, or an end.
    pub(super) fn jobs_with_work(&self, want: &Want<'_>, now: DateTime<Utc>, member: u64) -> Vec<JobId> {
        let Want { starts, takes_over, .. } = *want;
        // They may end now.
        let ending: Vec<RunId> =
            want.ended.iter().flat_map(|job| self.runs_of(job).0.running.into_iter()).collect();
        let busy: BTreeSet<&JobId> =
            self.rows.values().filter(|run| run.outcome.is_none()).map(|run| &run.job).collect();
        let over = self.jobs.values().filter(|job| job.is_exhausted()).map(|job| &job.id);
        let of_interest: BTreeSet<&JobId> = busy.into_iter().chain(over).collect();
        let has_work = |id: &&&JobId| {
            let (runs, abandoned) = self.runs_of(id);
            let is_ready = runs.ready.iter().any(|run| run.turn.is_some_and(|turn| turn <= now));
            let is_vacant = match &runs.group {
                Some(turn) => self.has_room(turn, want.outside, &ending),
                None => runs.occupied() == 0,
            };
            (takes_over && !abandoned.is_empty())
                || (starts && abandoned.is_empty() && (is_ready || is_vacant) && self.serves(member, id))
        };
        of_interest.iter().filter(has_work).map(|id| (*id).clone()).collect()
    }

    /// Applies one step for a member; the run that it was to end, if that belongs to somebody else by now.
    pub(super) fn apply(&mut self, step: &Transition, member: u64) -> Result<Option<RunId>, StoreError> {
        match step {
            Transition::Advance { job: id, from, to } => {
                let is_claimed = self.claims.get(id) == Some(&member);
                let job = self.jobs.get_mut(id).ok_or_else(|| StoreError::NotFound { id: id.clone() })?;
                if job.next_fire != *from || !is_claimed {
                    let (id, expected, found) = (id.clone(), *from, job.next_fire);
                    return Err(StoreError::Stale { id, expected, found });
                }
                job.next_fire = *to;
            }
            Transition::Update(job) => {
                if let Some(place) = self.jobs.get_mut(&job.id) {
                    if place.revision + 1 != job.revision {
                        let (id, found) = (job.id.clone(), place.revision);
                        return Err(StoreError::Revised { id, expected: job.revision - 1, found });
                    }
                    *place = (**job).clone();
                }
            }
            Transition::End { job } => drop(self.jobs.remove(job)),
            Transition::Record(run) => {
                if self.rows.contains_key(&run.id) {
                    return Err(StoreError::RunExists { run: run.id });
                }
                if run.started.is_some() && run.outcome.is_none() {
                    self.owners.insert(run.id, member);
                }
                self.last_run = self.last_run.max(run.id.0);
                self.rows.insert(run.id, Run::clone(run));
            }
            Transition::Start { run: id, started, scheduled } => {
                if let Some(run) = self.rows.get_mut(id) {
                    (run.started, run.fires) = (*started, FireRange::single(*scheduled));
                    if started.is_some() {
                        self.owners.insert(*id, member);
                    }
                }
            }
            Transition::Extend { run, fires } => {
                if let Some(run) = self.rows.get_mut(run) {
                    run.fires = *fires;
                }
            }
            Transition::Finish(ended) => return Ok(self.finish(ended, member)),
            Transition::PruneJob { .. } | Transition::PruneBefore { .. } => {}
        }
        Ok(None)
    }

    /// Whether the ledger has none of these rows yet, and each of them is there once.
    pub(super) fn check_new(&self, runs: &[Run]) -> Result<(), StoreError> {
        let mut ids = BTreeSet::new();
        let taken = runs.iter().find(|run| self.rows.contains_key(&run.id) || !ids.insert(run.id));
        taken.map_or(Ok(()), |run| Err(StoreError::RunExists { run: run.id }))
    }

    fn finish(&mut self, ended: &Run, member: u64) -> Option<RunId> {
        let run = self.rows.get(&ended.id)?;
        let is_taken_over = self.is_abandoned(run) && self.given.get(&run.id) == Some(&member);
        let is_ours = self.owners.get(&run.id) == Some(&member) || run.started.is_none();
        if run.outcome.is_some() || !(is_ours || is_taken_over) {
            return Some(ended.id);
        }
        let mut row = run.clone();
        row.finish(ended.clone());
        self.groups.changed(&row);
        self.rows.insert(ended.id, row);
        self.owners.remove(&ended.id);
        if ended.outcome.is_none() && ended.started.is_some() {
            self.owners.insert(ended.id, member);
        }
        None
    }

    /// The runs that a member has begun and not ended.
    pub(super) fn held_by(&self, member: u64) -> Vec<Run> {
        let is_held = |run: &&Run| run.outcome.is_none() && self.owners.get(&run.id) == Some(&member);
        self.rows.values().filter(is_held).cloned().collect()
    }
}

impl fmt::Debug for SharedModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let truth = self.truth();
        f.debug_struct("SharedModel")
            .field("jobs", &truth.jobs.len())
            .field("rows", &truth.rows.len())
            .finish_non_exhaustive()
    }
}
