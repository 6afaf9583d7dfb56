//! Commands that change and remove jobs. Each accounts for the fires that are due before it takes effect.

use std::sync::Arc;

use matins_core::{Job, JobId, JobQuery, JobState, Limits, MissedReason, OnExhausted, StoreName, json};

use crate::decide::plan::next_after;
use crate::engine::Engine;
use crate::lane::OpenLane;
use crate::new_job::seeded;
use crate::{Event, SchedulerError};

/// How often a change is tried at most, of a job that others change meanwhile.
const MOST_TRIES: u32 = 100;

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
        lane.inbox.ring();
        count
    }

    /// Has `change` change the job, and puts it back if it is still right. It is called under no lock: if the job is changed
    /// by others meanwhile, it is called again with the job as it is then.
    pub(crate) fn modify(&self, id: &JobId, mut change: impl FnMut(&mut Job)) -> Result<Job, SchedulerError> {
        for _ in 0..MOST_TRIES {
            let before = self.with_job(id, |_, job| Ok(job))?;
            let mut changed = before.clone();
            change(&mut changed);
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
            })?;
            if let Some(job) = modified {
                return Ok(job);
            }
        }
        Err(SchedulerError::Contended { id: id.clone(), tries: MOST_TRIES })
    }

    pub(crate) fn pause_job(&self, id: &JobId) -> Result<(), SchedulerError> {
        self.change_job(id, |lane, job| lane.pause(&job))
    }

    pub(crate) fn resume_job(&self, id: &JobId) -> Result<(), SchedulerError> {
        self.change_job(id, |lane, job| lane.resume(&job))
    }
}

impl OpenLane<'_> {
    /// Puts a changed job in the place of `old`, whose due fires are missed if a reason is given.
    pub(crate) fn put_in_place(
        &mut self,
        old: &Job,
        job: Job,
        misses: Option<MissedReason>,
    ) -> Result<(), SchedulerError> {
        let job = Job { revision: old.revision + 1, ..job };
        self.decide(&old.id, |tick, at| {
            if let Some(reason) = misses {
                tick.miss_due(at, old, reason);
            }
            tick.update(at, job);
        })
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
        let query = JobQuery::default().limit(1_000);
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

    /// Removes jobs in one commit.
    fn remove_together(&mut self, jobs: &[Job]) -> Result<(), SchedulerError> {
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
        self.forget_closure(id);
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
        if !Arc::ptr_eq(&job.trigger, &before.trigger) {
            json::check_trigger(&format!("the trigger of job {:?}", job.id), &*job.trigger)?;
            job.trigger = seeded(job.trigger, &job.id);
        }
        self.engine.check_executor(&job.executor)?;
        Limits::DEFAULT.check_change(before, &job)?;
        let work = self.engine.task(&job.task)?;
        work.check(&job.arguments)
            .map_err(|what| SchedulerError::Arguments { task: job.task.clone(), what })?;
        if job.state == JobState::Paused {
            job.next_fire = None;
        } else if job.next_fire.is_none()
            || (*job.trigger != *before.trigger && job.next_fire == before.next_fire)
        {
            let now = self.now();
            job.next_fire = next_after(&*job.trigger, now);
            if job.next_fire.is_none() && (before.next_fire.is_some() || *job.trigger != *before.trigger) {
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

    /// Puts a changed job back, and tells of it. The due fires of the one before are missed if a reason is given.
    fn put_back(
        &mut self,
        before: &Job,
        job: Job,
        misses: Option<MissedReason>,
        event: impl FnOnce(StoreName, JobId) -> Event,
    ) -> Result<(), SchedulerError> {
        let id = job.id.clone();
        self.put_in_place(before, job, misses)?;
        let store = self.lane.name.clone();
        self.engine.hub().listeners.tell(|| event(store, id));
        Ok(())
    }

    fn pause(&mut self, before: &Job) -> Result<(), SchedulerError> {
        let job = Job { state: JobState::Paused, next_fire: None, ..before.clone() };
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
        (job.state, job.next_fire) = (JobState::Active, next_after(&*job.trigger, now));
        if job.is_exhausted() && job.policy.on_exhausted == OnExhausted::Remove {
            return self.remove(before);
        }
        self.put_back(before, job, None, |store, job| Event::JobResumed { store, job })
    }
}
