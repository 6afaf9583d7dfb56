//! Commands that change and remove jobs. Each accounts for the fires that are due before it takes effect.

use std::collections::BTreeMap;
use std::sync::Arc;

use foldhash::{HashMap, HashMapExt};
use matins_core::{
    After, Job, JobId, JobOrder, JobPosition, JobQuery, JobState, Limits, MissedReason, StoreError,
    StoreName, json,
};

use crate::decide::plan::next_after;
use crate::engine::{Engine, State};
use crate::lane::OpenLane;
use crate::new_job::seeded;
use crate::{Event, SchedulerError};

/// How often a change is tried at most, of a job that others change meanwhile.
const MOST_TRIES: u32 = 100;

/// How many jobs are removed in one commit, so that other work on the store waits for a moment only.
pub(crate) const REMOVED_AT_ONCE: usize = 1_000;

#[expect(
    clippy::redundant_closure_for_method_calls,
    reason = "a method of an open lane is one of a single lifetime, and what is called takes any"
)]
impl Engine {
    pub(crate) fn remove(&self, id: &JobId) -> Result<Job, SchedulerError> {
        self.change_job(id, |lane, job| lane.remove(&job).map(|()| job))
    }

    pub(crate) fn remove_all(&self, store: &StoreName) -> Result<usize, SchedulerError> {
        let lane = self.lane(store)?;
        let count = self.open(&lane, |lane| lane.remove_all());
        lane.inbox.wake();
        count
    }

    /// Removes those of `ids` that a store has, in one commit for each store, and returns the jobs in the order of `ids`.
    ///
    /// A store that fails to be read is an error only where others do not have all jobs.
    pub(crate) fn remove_many(&self, ids: &[JobId]) -> Result<Vec<Job>, SchedulerError> {
        self.check_not_stopped()?;
        let mut places: HashMap<&JobId, usize> = HashMap::with_capacity(ids.len());
        for (place, id) in ids.iter().enumerate() {
            places.entry(id).or_insert(place);
        }
        let (mut removed, mut fault) = (BTreeMap::new(), None);
        for lane in self.lanes().iter().filter(|lane| !lane.is_leaving()) {
            if places.is_empty() {
                break;
            }
            let of_store = self.open(lane, |lane| match lane.find(places.keys().copied()) {
                Ok(jobs) => {
                    lane.remove_together(&jobs)?;
                    Ok(jobs)
                }
                Err(error) => {
                    fault = fault.take().or(Some(error));
                    Ok(Vec::new())
                }
            });
            lane.inbox.wake();
            match of_store {
                Ok(jobs) => {
                    let placed = |job: Job| Some((places.remove(&job.id)?, job));
                    removed.extend(jobs.into_iter().filter_map(placed));
                }
                // The store was given back meanwhile.
                Err(SchedulerError::ShutDown) if self.state() != State::Stopped => {}
                Err(error) => return Err(error),
            }
        }
        match fault {
            Some(fault) if !places.is_empty() => Err(fault),
            _ => Ok(removed.into_values().collect()),
        }
    }

    /// Removes the jobs that meet the conditions of `query`, in a commit for each page of them, and returns how many.
    pub(crate) fn remove_matching(&self, query: &JobQuery) -> Result<usize, SchedulerError> {
        self.check_not_stopped()?;
        let mut count = 0;
        for lane in self.lanes().iter().filter(|lane| !lane.is_leaving()) {
            let mut query = query.clone().limit(REMOVED_AT_ONCE);
            (query.order, query.after) = (JobOrder::Id, None);
            loop {
                let page = self.open(lane, |lane| {
                    let page = lane.work.store.list(&query)?;
                    lane.remove_together(&page)?;
                    Ok(page)
                });
                lane.inbox.wake();
                let page = page?;
                count += page.len();
                let Some(last) = page.last() else { break };
                query.after = Some(JobPosition::of(last));
            }
        }
        Ok(count)
    }

    /// Has `change` change the job, and puts it back if it is still right. It is called under no lock: if the job is changed
    /// by others meanwhile, it is called again with the changed job.
    pub(crate) fn modify(&self, id: &JobId, mut change: impl FnMut(&mut Job)) -> Result<Job, SchedulerError> {
        for _ in 0..MOST_TRIES {
            let before = self.with_job(id, |_, job| Ok(job))?;
            let mut changed = before.clone();
            change(&mut changed);
            Limits::DEFAULT.check_change(&before, &changed)?;
            let work = self.task(&changed.task)?;
            work.check(&changed.arguments)
                .map_err(|what| SchedulerError::Arguments { task: changed.task.clone(), what })?;
            let modified = self.change_job(id, |lane, now| {
                // A fire in between is no change by others, unless the next fire time is what was changed.
                let is_same = now.revision == before.revision && now.created == before.created;
                let sets_next_fire = changed.next_fire != before.next_fire;
                if !is_same || (sets_next_fire && now.next_fire != before.next_fire) {
                    return Ok(None);
                }
                if !sets_next_fire {
                    changed.next_fire = now.next_fire;
                }
                lane.put_modified(&now, changed).map(Some)
            });
            match modified {
                Ok(Some(job)) => return Ok(job),
                // Another scheduler has changed it.
                Ok(None) | Err(SchedulerError::Store(StoreError::Revised { .. })) => {}
                Err(error) => return Err(error),
            }
        }
        Err(SchedulerError::Contended { id: id.clone(), tries: MOST_TRIES })
    }

    pub(crate) fn pause_job(&self, id: &JobId) -> Result<(), SchedulerError> {
        self.change_again(id, |lane, job| lane.pause(job))
    }

    pub(crate) fn resume_job(&self, id: &JobId) -> Result<(), SchedulerError> {
        self.change_again(id, |lane, job| lane.resume(job))
    }

    /// Has `change` change the job, and change it again if another scheduler has changed it meanwhile.
    fn change_again(
        &self,
        id: &JobId,
        mut change: impl FnMut(&mut OpenLane<'_>, &Job) -> Result<(), SchedulerError>,
    ) -> Result<(), SchedulerError> {
        for _ in 0..MOST_TRIES {
            match self.change_job(id, |lane, job| change(lane, &job)) {
                Err(SchedulerError::Store(StoreError::Revised { .. })) => {}
                done => return done,
            }
        }
        Err(SchedulerError::Contended { id: id.clone(), tries: MOST_TRIES })
    }
}

/// Whether a change of a job takes the place of what others have changed since it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Overwrites {
    /// A definition: what it says holds.
    Anything,
    /// A change: it is made again, to the job that another one has changed.
    NothingElse,
}

fn is_same_but_for_its_fires(now: &Job, old: &Job) -> bool {
    let (next_fire, first_fire, counts, revision) = (old.next_fire, old.first_fire, old.counts, old.revision);
    let now = now.clone().with(|job| {
        (job.next_fire, job.first_fire, job.counts, job.revision) = (next_fire, first_fire, counts, revision);
    });
    now == *old
}

impl OpenLane<'_> {
    /// Puts a changed job in the place of `old`, whose due fires are missed if a reason is given. What has happened to the job since `old`
    /// was read stays: other schedulers may have fired it. Returns whether the job stays, and does not end with this change.
    pub(crate) fn put_in_place(
        &mut self,
        old: &Job,
        job: Job,
        misses: Option<MissedReason>,
        overwrites: Overwrites,
    ) -> Result<bool, SchedulerError> {
        let put = self.decide(&old.id, |tick, at| {
            let mut job = job;
            // Due fires that were decided may have changed what it counts.
            let now = tick.jobs[at].job.as_deref().unwrap_or(old);
            if overwrites == Overwrites::NothingElse && !is_same_but_for_its_fires(now, old) {
                let (id, expected, found) = (old.id.clone(), old.revision, now.revision);
                return Err(StoreError::Revised { id, expected, found });
            }
            job.revision = now.revision + 1;
            if job.counts == old.counts {
                job.counts = now.counts;
            }
            if *job.trigger == *old.trigger && job.next_fire == old.next_fire {
                (job.next_fire, job.first_fire) = (now.next_fire, now.first_fire);
            }
            if let Some(reason) = misses {
                tick.miss_due(at, old, reason);
            }
            tick.update(at, job);
            tick.end_if_over(at);
            Ok(tick.ended.is_empty())
        })?;
        Ok(put?)
    }

    fn remove(&mut self, job: &Job) -> Result<(), SchedulerError> {
        let is_busy = self.decide(&job.id, |tick, at| {
            tick.miss_due(at, job, MissedReason::JobRemoved);
            tick.remove(at)
        })?;
        self.has_gone(&job.id, is_busy);
        Ok(())
    }

    /// Takes a job out of a store, whose due fires are accounted for elsewhere.
    pub(crate) fn take_out(&mut self, id: &JobId) -> Result<(), SchedulerError> {
        #[expect(
            clippy::redundant_closure_for_method_calls,
            reason = "the method is one of a single lifetime"
        )]
        let is_busy = self.decide(id, |tick, at| tick.remove(at))?;
        self.has_gone(id, is_busy);
        Ok(())
    }

    fn remove_all(&mut self) -> Result<usize, SchedulerError> {
        let query = JobQuery::default().limit(REMOVED_AT_ONCE);
        let mut count = 0;
        loop {
            let page = self.work.store.list(&query)?;
            if page.is_empty() {
                break;
            }
            count += page.len();
            self.remove_together(&page)?;
        }
        let store = self.lane.name.clone();
        self.engine.hub().listeners.tell(|| Event::AllJobsRemoved { store });
        Ok(count)
    }

    /// Returns those of these jobs that the store has.
    fn find<'a>(&mut self, ids: impl Iterator<Item = &'a JobId>) -> Result<Vec<Job>, SchedulerError> {
        ids.filter_map(|id| self.work.store.get(id).transpose()).map(|found| Ok(found?)).collect()
    }

    /// Removes jobs in one commit.
    fn remove_together(&mut self, jobs: &[Job]) -> Result<(), SchedulerError> {
        if jobs.is_empty() {
            return Ok(());
        }
        let ids: Vec<JobId> = jobs.iter().map(|job| job.id.clone()).collect();
        let are_busy: Vec<bool> = self.decide_about(&ids, |tick| {
            let remove = |job: &Job| {
                let at = tick.place_of(&job.id);
                tick.miss_due(at, job, MissedReason::JobRemoved);
                tick.remove(at)
            };
            jobs.iter().map(remove).collect()
        })?;
        for (id, is_busy) in ids.iter().zip(are_busy) {
            self.has_gone(id, is_busy);
        }
        Ok(())
    }

    /// Brings all beside the store in line with a job that was taken out, and tells of it. Its runs may be in progress still.
    fn has_gone(&mut self, id: &JobId, is_busy: bool) {
        self.forget_job(id, is_busy);
        let mut hub = self.engine.hub();
        if !is_busy {
            hub.waiters.job_is_gone(self.lane.number, id);
        }
        let (store, job) = (self.lane.name.clone(), id.clone());
        hub.listeners.tell(|| Event::JobRemoved { store, job });
    }

    /// Puts back what a caller has made of `before`, if it is right.
    fn put_modified(&mut self, before: &Job, mut job: Job) -> Result<Job, SchedulerError> {
        // What it is known by, when it came, and whether it is paused are not for changing here.
        (job.id, job.created, job.state) = (before.id.clone(), before.created, before.state);
        job.counts = before.counts;
        if !Arc::ptr_eq(&job.trigger, &before.trigger) {
            json::check_trigger(&format!("the trigger of job {:?}", job.id), &*job.trigger)?;
            job.trigger = seeded(job.trigger, &job.id);
        }
        if let Some(after) = job.trigger.after() {
            self.check_cycle(&job.id, after)?;
        }
        self.engine.check_executor(&job.executor)?;
        Limits::DEFAULT.check_change(before, &job)?;
        if job.state == JobState::Paused || job.has_had_all_runs() {
            job.next_fire = None;
        } else if job.next_fire.is_none()
            || (*job.trigger != *before.trigger && job.next_fire == before.next_fire)
        {
            let now = self.now();
            job.next_fire = next_after(&*job.trigger, now);
            let fires = job.next_fire.is_some() || job.trigger.after().is_some();
            if !fires && (before.next_fire.is_some() || *job.trigger != *before.trigger) {
                return Err(SchedulerError::NeverFires { trigger: job.trigger.describe(), now });
            }
        }
        job.next_fire = job.next_fire.map(matins_core::round_up_to_microsecond);
        // One that the trigger has too is left to it.
        let is_given = job.next_fire != before.next_fire
            && job.next_fire.is_some()
            && job.next_fire != next_after(&*job.trigger, self.now());
        job.first_fire = if is_given { job.next_fire } else { before.first_fire };
        job.revision = before.revision + 1;
        if *job.trigger != *before.trigger || job.next_fire != before.next_fire {
            self.decide_due(before, &job)?;
        }
        self.put_back(before, job.clone(), None, |store, job| Event::JobModified { store, job })?;
        Ok(job)
    }

    /// Refuses a job that would run after itself. Of jobs that are not there yet, nothing is known.
    pub(crate) fn check_cycle(&mut self, id: &JobId, after: &After) -> Result<(), SchedulerError> {
        let mut chain = vec![id.clone()];
        let mut next = Some(after.job.clone());
        while let Some(job) = next {
            if job == *id {
                chain.push(job);
                let chain: Vec<String> = chain.iter().rev().map(|job| format!("{job:?}")).collect();
                return Err(SchedulerError::Cycle { chain: chain.join(", then ") });
            }
            // A cycle of others, which was made beside the scheduler.
            if chain.contains(&job) {
                break;
            }
            let found = self.work.store.get(&job)?;
            next = found.and_then(|job| job.trigger.after().map(|after| after.job.clone()));
            chain.push(job);
        }
        Ok(())
    }

    /// Puts a changed job back, and tells of it. The due fires of the one before are missed if a reason is given.
    fn put_back(
        &mut self,
        before: &Job,
        job: Job,
        misses: Option<MissedReason>,
        event: impl FnOnce(StoreName, JobId) -> Event,
    ) -> Result<(), SchedulerError> {
        let id = job.id.clone();
        self.put_in_place(before, job, misses, Overwrites::NothingElse)?;
        let store = self.lane.name.clone();
        self.engine.hub().listeners.tell(|| event(store, id));
        Ok(())
    }

    fn pause(&mut self, before: &Job) -> Result<(), SchedulerError> {
        let job = before.clone().with(|job| {
            job.state = JobState::Paused;
            job.next_fire = None;
        });
        let event = |store, job| Event::JobPaused { store, job };
        self.put_back(before, job, Some(MissedReason::JobPaused), event)
    }

    fn resume(&mut self, before: &Job) -> Result<(), SchedulerError> {
        if before.state == JobState::Active {
            return Ok(());
        }
        let (now, mut job) = (self.now(), before.clone());
        // It was added, or paused, by a clock that was ahead and has been set back meanwhile.
        if job.created > now
            && let Some(trigger) = job.trigger.added_at(job.created, now)
        {
            (job.trigger, job.created) = (trigger, now);
        }
        job.state = JobState::Active;
        job.counts.failures_in_a_row = 0;
        if !job.has_had_all_runs() {
            job.next_fire = next_after(&*job.trigger, now);
        }
        // One whose trigger has no more fire times goes with its last run, or at once where none is left of it.
        let id = job.id.clone();
        if self.put_in_place(before, job, None, Overwrites::NothingElse)? {
            let store = self.lane.name.clone();
            self.engine.hub().listeners.tell(|| Event::JobResumed { store, job: id });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use matins_triggers::IntervalTrigger;

    use super::*;
    use crate::Schedule;
    use crate::lane::rig::{node, shared, start};

    /// Between reading a job and changing it, another scheduler fires it, and changes it.
    #[test]
    fn what_another_scheduler_does_to_a_job_meanwhile_stays() {
        let (clock, store) = shared();
        let (here, elsewhere) = (node(&clock, &store), node(&clock, &store));
        let every = IntervalTrigger::new(start(), TimeDelta::seconds(1)).unwrap();
        let id = here.add(every.task("report").id("report")).unwrap().id;
        let read = here.with_job(&id, |_, job| Ok(job)).unwrap();
        clock.advance(TimeDelta::seconds(1));
        assert_eq!(elsewhere.turn().0.len(), 1, "it fires elsewhere");

        let changed = read.clone().with(|job| job.arguments = 7.into());
        let put = |old: &Job, job: Job, overwrites| {
            here.change_job(&id, |lane, _| lane.put_in_place(old, job, None, overwrites))
        };
        put(&read, changed.clone(), Overwrites::NothingElse).unwrap();
        let now = elsewhere.with_job(&id, |_, job| Ok(job)).unwrap();
        assert_eq!(now.arguments, 7);
        assert_eq!(
            now.next_fire,
            Some(start() + TimeDelta::seconds(2)),
            "it does not fire again for the same time"
        );

        let lost = put(&read, changed.clone(), Overwrites::NothingElse);
        assert!(matches!(lost, Err(SchedulerError::Store(StoreError::Revised { .. }))), "{lost:?}");
        put(&read, changed, Overwrites::Anything).unwrap();
    }
}
