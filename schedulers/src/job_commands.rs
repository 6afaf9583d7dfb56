//! Commands that add, change and remove jobs. Each accounts for the fires that are due before it takes effect.

use std::sync::Arc;

use ahash::AHashSet as HashSet;
use chrono::{DateTime, Utc};
use matins_core::{
    Event, Job, JobId, JobPosition, JobQuery, JobState, MissedReason, OnConflict, OnExhausted, StoreError,
    StoreName, Task, TaskName,
};

use crate::SchedulerError;
use crate::engine::Engine;
use crate::new_job::{NewJob, Work};
use crate::plan::next_after;

/// What [`Handle::add`](crate::Handle::add) did with a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum AddOutcome {
    /// No job had its id: it was added.
    Added,
    /// A job had its id, and was replaced: [`OnConflict::Replace`].
    Replaced,
    /// A job had its id, and stays as it is: [`OnConflict::Keep`].
    Kept,
    /// A job had its id, and took over what differed: [`OnConflict::Update`].
    Updated,
    /// A job had its id, and nothing differed: [`OnConflict::Update`].
    Unchanged,
}

/// The answer of [`Engine::add`].
pub(crate) struct Added {
    pub(crate) id: JobId,
    pub(crate) outcome: AddOutcome,
    /// It is due before all that the driver waits for.
    pub(crate) is_next: bool,
}

/// A job that can be put into its store.
struct Prepared {
    index: usize,
    job: Job,
    /// The job that has its id.
    old: Option<Job>,
    on_conflict: OnConflict,
    closure: Option<Arc<dyn Task>>,
}

impl Prepared {
    /// What the store does with a job of its id that was not found there, or was not looked for.
    fn conflict_in_store(&self) -> OnConflict {
        match self.on_conflict {
            OnConflict::Update | OnConflict::Replace => OnConflict::Replace,
            _ => OnConflict::Refuse,
        }
    }
}

impl Engine {
    pub(crate) fn add(&mut self, new: NewJob) -> Result<Added, SchedulerError> {
        let prepared = self.prepare(new)?;
        self.put_in(prepared)
    }

    /// Adds jobs one after the other. New ones that follow each other are put into their store together.
    pub(crate) fn add_many(&mut self, jobs: Vec<NewJob>) -> Result<Vec<Added>, SchedulerError> {
        let mut added = Vec::with_capacity(jobs.len());
        let mut together: Vec<Prepared> = Vec::new();
        let mut ids: HashSet<JobId> = HashSet::new();
        for new in jobs {
            // One that finds its id, or the job that has it, in the store has to find those before it there too.
            if new.id.as_ref().is_none_or(|id| ids.contains(id)) {
                self.put_in_together(&mut together, &mut added)?;
                ids.clear();
            }
            let prepared = match self.prepare(new) {
                Ok(prepared) => prepared,
                Err(error) => {
                    self.put_in_together(&mut together, &mut added)?;
                    return Err(error);
                }
            };
            let is_alike = together.first().is_none_or(|first| {
                first.index == prepared.index && first.conflict_in_store() == prepared.conflict_in_store()
            });
            if prepared.old.is_none() && prepared.closure.is_none() && is_alike {
                ids.insert(prepared.job.id.clone());
                together.push(prepared);
                continue;
            }
            self.put_in_together(&mut together, &mut added)?;
            ids.clear();
            added.push(self.put_in(prepared)?);
        }
        self.put_in_together(&mut together, &mut added)?;
        Ok(added)
    }

    /// Puts in jobs of one store that has none of their ids, all of them or none.
    fn put_in_together(
        &mut self,
        together: &mut Vec<Prepared>,
        added: &mut Vec<Added>,
    ) -> Result<(), SchedulerError> {
        let Some(first) = together.first() else { return Ok(()) };
        let (index, on_conflict) = (first.index, first.conflict_in_store());
        let placed: Vec<(JobId, Option<DateTime<Utc>>)> =
            together.iter().map(|prepared| (prepared.job.id.clone(), prepared.job.next_fire)).collect();
        let jobs = together.drain(..).map(|prepared| prepared.job).collect();
        self.stores[index].store.import(jobs, Vec::new(), on_conflict)?;
        for (id, fire) in placed {
            added.push(self.announce(index, id, fire, AddOutcome::Added, None)?);
        }
        Ok(())
    }

    /// Makes a job of a new one, or refuses it.
    fn prepare(&mut self, new: NewJob) -> Result<Prepared, SchedulerError> {
        self.check_not_stopped()?;
        let now = self.clock.now();
        if let Some(fault) = new.fault {
            return Err(fault);
        }
        let index = self.store_index(&new.store)?;
        self.check_executor(&new.executor)?;
        let old = match &new.id {
            Some(id) if new.on_conflict != OnConflict::Refuse => match self.stores[index].store.get(id) {
                // Nothing of a damaged job can be kept: the new one takes its place.
                Err(StoreError::Damaged { .. }) if new.on_conflict != OnConflict::Keep => None,
                found => found?,
            },
            _ => None,
        };
        let updated = old.as_ref().filter(|_| new.on_conflict == OnConflict::Update);
        // An interval without a start counts from when its job was added, so that the same definition makes the same trigger.
        let anchor = updated.map_or(now, |old| old.created);
        let trigger = (new.trigger)(anchor).map_err(SchedulerError::Trigger)?;
        let keeps_trigger = updated.is_some_and(|old| *old.trigger == *trigger);
        let next_fire = match updated.filter(|_| keeps_trigger) {
            Some(old) => old.next_fire,
            None => new
                .first_fire
                .map(matins_core::round_up_to_microsecond)
                .or_else(|| next_after(&*trigger, now)),
        };
        if next_fire.is_none() && !keeps_trigger && new.state == JobState::Active {
            return Err(SchedulerError::NeverFires { trigger: trigger.describe(), now });
        }
        let (task, closure) = match new.work {
            Work::Named(name) => (name?, None),
            Work::Closure(_) if self.stores[index].store.is_persistent() => {
                return Err(SchedulerError::ClosureInPersistentStore { store: new.store });
            }
            Work::Closure(task) => {
                self.closures += 1;
                (TaskName::new(format!("closure {}", self.closures))?, Some(task))
            }
        };
        let work = match &closure {
            Some(task) => task.clone(),
            None => self.task(&task)?,
        };
        work.check(&new.arguments).map_err(|what| SchedulerError::Arguments { task: task.clone(), what })?;
        let slot = &mut self.stores[index];
        let id = match new.id {
            Some(id) => id,
            None => slot.free_id(if closure.is_some() { "job" } else { task.as_str() })?,
        };
        slot.next_job_number += 1;
        // A job that was paused by hand stays so, whatever its definition says besides.
        let state = updated.map_or(new.state, |old| {
            if old.state == JobState::Paused { JobState::Paused } else { new.state }
        });
        let job = Job {
            id: id.clone(),
            task: task.clone(),
            arguments: new.arguments,
            trigger,
            next_fire: next_fire.filter(|_| state == JobState::Active),
            state,
            executor: new.executor,
            policy: new.policy.over(&self.job_defaults),
            tags: new.tags,
            metadata: new.metadata,
            created: anchor,
        };
        Ok(Prepared { index, job, old, on_conflict: new.on_conflict, closure })
    }

    fn put_in(&mut self, prepared: Prepared) -> Result<Added, SchedulerError> {
        let Prepared { index, job, old, on_conflict, closure } = prepared;
        let (id, task, fire) = (job.id.clone(), job.task.clone(), job.next_fire);
        let outcome = self.place(index, job, old, on_conflict)?;
        self.announce(index, id, fire, outcome, closure.map(|closure| (task, closure)))
    }

    /// Brings all beside the store in line with a job that was put in, and tells of it.
    fn announce(
        &mut self,
        index: usize,
        id: JobId,
        fire: Option<DateTime<Utc>>,
        outcome: AddOutcome,
        closure: Option<(TaskName, Arc<dyn Task>)>,
    ) -> Result<Added, SchedulerError> {
        if matches!(outcome, AddOutcome::Kept | AddOutcome::Unchanged) {
            return Ok(Added { id, outcome, is_next: false });
        }
        let slot = &mut self.stores[index];
        slot.changed_by_hand(&id);
        if let Some(replaced) = slot.closures.remove(&id) {
            self.tasks.unregister(replaced.as_str());
        }
        if let Some((task, closure)) = closure {
            self.tasks.register(task.as_str(), closure)?;
            slot.closures.insert(id.clone(), task);
        }
        let (store, job) = (slot.name.clone(), id.clone());
        self.listeners.tell(|| match outcome {
            AddOutcome::Updated => Event::JobModified { store, job },
            _ => Event::JobAdded { store, job },
        });
        let is_next = fire.is_some_and(|fire| self.waits_until.is_none_or(|until| fire < until));
        Ok(Added { id, outcome, is_next })
    }

    /// Puts a job into its store, where `old` may have its id.
    fn place(
        &mut self,
        index: usize,
        job: Job,
        old: Option<Job>,
        on_conflict: OnConflict,
    ) -> Result<AddOutcome, SchedulerError> {
        let store = &mut self.stores[index].store;
        let Some(old) = old else {
            let takes_place = matches!(on_conflict, OnConflict::Update | OnConflict::Replace);
            store.add(job, if takes_place { OnConflict::Replace } else { OnConflict::Refuse })?;
            return Ok(AddOutcome::Added);
        };
        match on_conflict {
            OnConflict::Keep => Ok(AddOutcome::Kept),
            OnConflict::Update if job == old => Ok(AddOutcome::Unchanged),
            OnConflict::Update => {
                if *job.trigger != *old.trigger {
                    self.decide_due(index, &old, &job)?;
                } else if old.state == JobState::Active && job.state == JobState::Paused {
                    self.miss_due(index, &old, MissedReason::JobPaused)?;
                }
                self.stores[index].store.update(job)?;
                Ok(AddOutcome::Updated)
            }
            OnConflict::Replace => {
                self.miss_due(index, &old, MissedReason::JobRemoved)?;
                self.stores[index].store.add(job, OnConflict::Replace)?;
                Ok(AddOutcome::Replaced)
            }
            _ => {
                self.stores[index].store.add(job, OnConflict::Refuse)?;
                Ok(AddOutcome::Added)
            }
        }
    }

    pub(crate) fn remove(&mut self, id: &JobId) -> Result<Job, SchedulerError> {
        let index = self.store_of(id)?.0;
        self.remove_from(index, id)
    }

    fn remove_from(&mut self, index: usize, id: &JobId) -> Result<Job, SchedulerError> {
        if let Some(job) = self.stores[index].store.get(id)? {
            self.miss_due(index, &job, MissedReason::JobRemoved)?;
        }
        self.take_out(index, id)
    }

    /// Takes a job out of a store, whose due fires are accounted for elsewhere.
    pub(crate) fn take_out(&mut self, index: usize, id: &JobId) -> Result<Job, SchedulerError> {
        let waiting = self.stores[index].live.waiting_of(id);
        self.commit_decision(index, |tick| waiting.into_iter().for_each(|run| tick.give_up_waiting(run)))?;
        let slot = &mut self.stores[index];
        slot.live.retries.retain(|_, run| run.job != *id);
        let job = slot.store.remove(id)?;
        slot.changed_by_hand(id);
        if !slot.live.goes_on(id) {
            self.waiters.job_is_gone(slot.number, id);
        }
        if let Some(task) = slot.closures.remove(id) {
            self.tasks.unregister(task.as_str());
        }
        let (store, removed) = (slot.name.clone(), id.clone());
        self.listeners.tell(|| Event::JobRemoved { store, job: removed });
        Ok(job)
    }

    pub(crate) fn remove_all(&mut self, store: &StoreName) -> Result<usize, SchedulerError> {
        let index = self.store_index(store)?;
        let mut query = JobQuery { limit: Some(1_000), ..JobQuery::default() };
        let mut count = 0;
        loop {
            let page = self.stores[index].store.list(&query)?;
            let Some(last) = page.last() else { break };
            query.after = Some(JobPosition::of(last));
            for job in &page {
                self.remove_from(index, &job.id)?;
            }
            count += page.len();
        }
        self.listeners.tell(|| Event::AllJobsRemoved { store: store.clone() });
        Ok(count)
    }

    /// Has `change` change the job, and puts it back if it is still right.
    pub(crate) fn modify(
        &mut self,
        id: &JobId,
        change: impl FnOnce(&mut Job),
    ) -> Result<Job, SchedulerError> {
        let (index, before) = self.store_of(id)?;
        let mut job = before.clone();
        change(&mut job);
        // What it is known by, when it came, and whether it is paused are not for changing here.
        (job.id, job.created, job.state) = (before.id.clone(), before.created, before.state);
        self.check_executor(&job.executor)?;
        let work = self.task(&job.task)?;
        work.check(&job.arguments)
            .map_err(|what| SchedulerError::Arguments { task: job.task.clone(), what })?;
        if job.state == JobState::Paused {
            job.next_fire = None;
        } else if job.next_fire.is_none()
            || (*job.trigger != *before.trigger && job.next_fire == before.next_fire)
        {
            let now = self.clock.now();
            job.next_fire = next_after(&*job.trigger, now);
            if job.next_fire.is_none() && (before.next_fire.is_some() || *job.trigger != *before.trigger) {
                return Err(SchedulerError::NeverFires { trigger: job.trigger.describe(), now });
            }
        }
        job.next_fire = job.next_fire.map(matins_core::round_up_to_microsecond);
        if *job.trigger != *before.trigger || job.next_fire != before.next_fire {
            self.decide_due(index, &before, &job)?;
        }
        let (store, id) = (self.put_back(index, job.clone())?, id.clone());
        self.listeners.tell(|| Event::JobModified { store, job: id });
        Ok(job)
    }

    /// Puts a changed job back; the name of its store.
    fn put_back(&mut self, index: usize, job: Job) -> Result<StoreName, SchedulerError> {
        let slot = &mut self.stores[index];
        let id = job.id.clone();
        slot.store.update(job)?;
        slot.changed_by_hand(&id);
        Ok(slot.name.clone())
    }

    pub(crate) fn pause_job(&mut self, id: &JobId) -> Result<(), SchedulerError> {
        let (index, mut job) = self.store_of(id)?;
        self.miss_due(index, &job, MissedReason::JobPaused)?;
        job.state = JobState::Paused;
        job.next_fire = None;
        let (store, job) = (self.put_back(index, job)?, id.clone());
        self.listeners.tell(|| Event::JobPaused { store, job });
        Ok(())
    }

    pub(crate) fn resume_job(&mut self, id: &JobId) -> Result<(), SchedulerError> {
        let (index, mut job) = self.store_of(id)?;
        if job.state == JobState::Active {
            return Ok(());
        }
        job.state = JobState::Active;
        job.next_fire = next_after(&*job.trigger, self.clock.now());
        if job.is_exhausted() && job.policy.on_exhausted == OnExhausted::Remove {
            return self.remove(id).map(drop);
        }
        let (store, job) = (self.put_back(index, job)?, id.clone());
        self.listeners.tell(|| Event::JobResumed { store, job });
        Ok(())
    }
}
