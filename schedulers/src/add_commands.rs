//! Commands that add jobs, or take a definition over into the job that has its id.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use foldhash::{HashSet, HashSetExt};
use matins_core::{
    Job, JobCounts, JobId, JobState, Limits, MissedReason, OnConflict, StoreError, Task, TaskName, json,
};

use crate::callbacks::JobCallbacks;
use crate::decide::plan::next_after;
use crate::engine::Engine;
use crate::job_commands::Overwrites;
use crate::lane::OpenLane;
use crate::new_job::{NewJob, Work, seeded};
use crate::{Event, SchedulerError};

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
}

impl Engine {
    /// Adds a job, and wakes the driver of its lane where it is due before all that the driver waits for.
    pub(crate) fn add(&self, new: NewJob) -> Result<Added, SchedulerError> {
        self.check_not_stopped()?;
        let new = self.checked(new);
        if let Some(fault) = new.fault {
            return Err(fault);
        }
        let lane = self.lane(&new.store)?;
        // Of a job that is refused, they are dropped when no lock is held.
        let _closure = new.closure();
        let _callbacks = new.callbacks.clone();
        self.open(&lane, |lane| {
            let prepared = lane.prepare(new)?;
            lane.put_in(prepared)
        })
    }

    /// Makes the task of a closure, and notes as a fault what it says against the arguments of the job. Both are foreign code, which is
    /// called under no lock.
    fn checked(&self, mut new: NewJob) -> NewJob {
        new.work = match new.work {
            Work::Function(make) => match make(&self.tasks.states()) {
                Ok(task) => Work::Closure(task),
                Err(missing) => {
                    new.fault.get_or_insert(missing.into());
                    Work::Named(TaskName::new("closure"))
                }
            },
            work => work,
        };
        if new.fault.is_none() {
            new.fault = self.check_arguments(&new).err();
        }
        new
    }

    fn check_arguments(&self, new: &NewJob) -> Result<(), SchedulerError> {
        Limits::DEFAULT.check_parts(new.id.as_ref(), &new.arguments, &new.metadata, &new.tags)?;
        let (name, task) = match &new.work {
            Work::Named(Ok(name)) => (name.clone(), self.task(name)?),
            Work::Closure(task) => (TaskName::new("closure")?, task.clone()),
            // That is refused when the job is made.
            Work::Named(Err(_)) | Work::Function(_) => return Ok(()),
        };
        task.check(&new.arguments).map_err(|what| SchedulerError::Arguments { task: name, what })
    }

    /// Adds jobs one after the other. New ones of a store that follow each other are put into it together.
    pub(crate) fn add_many(&self, jobs: Vec<NewJob>) -> Result<Vec<Added>, SchedulerError> {
        let mut added = Vec::with_capacity(jobs.len());
        let mut jobs = jobs.into_iter().map(|new| self.checked(new)).peekable();
        while let Some(first) = jobs.next() {
            let mut of_store = vec![first];
            while let Some(next) = jobs.next_if(|job| job.store == of_store[0].store) {
                of_store.push(next);
            }
            if let Some(fault) = of_store[0].fault.take() {
                return Err(fault);
            }
            let lane = self.lane(&of_store[0].store)?;
            let _closures: Vec<Arc<dyn Task>> = of_store.iter().filter_map(NewJob::closure).collect();
            let _callbacks: Vec<_> = of_store.iter().filter_map(|new| new.callbacks.clone()).collect();
            let outcome = self.open(&lane, |lane| lane.add_many(of_store, &mut added));
            // Also after an error: those before it were added.
            lane.inbox.wake();
            outcome?;
        }
        Ok(added)
    }
}

/// A job that can be put into its store.
struct Prepared {
    job: Job,
    /// The job that has its id.
    old: Option<Job>,
    on_conflict: OnConflict,
    /// What the store does with a job of its id that was not found there, or was not looked for.
    if_taken: OnConflict,
    closure: Option<Arc<dyn Task>>,
    callbacks: Option<Arc<JobCallbacks>>,
}

impl OpenLane<'_> {
    fn add_many(&mut self, jobs: Vec<NewJob>, added: &mut Vec<Added>) -> Result<(), SchedulerError> {
        let mut together: Vec<Prepared> = Vec::new();
        let mut ids: HashSet<JobId> = HashSet::new();
        for new in jobs {
            // One that finds its id, or the job that has it, in the store has to find those before it there too.
            if new.id.as_ref().is_none_or(|id| ids.contains(id)) {
                self.put_in_together(&mut together, added)?;
                ids.clear();
            }
            let prepared = match self.prepare(new) {
                Ok(prepared) => prepared,
                Err(error) => {
                    self.put_in_together(&mut together, added)?;
                    return Err(error);
                }
            };
            let is_alike = together.first().is_none_or(|first| first.if_taken == prepared.if_taken);
            // One that runs after others is looked for in the store by those after it.
            let is_alone = prepared.closure.is_some() || prepared.job.trigger.after().is_some();
            if prepared.old.is_none() && !is_alone && is_alike {
                ids.insert(prepared.job.id.clone());
                together.push(prepared);
                continue;
            }
            self.put_in_together(&mut together, added)?;
            ids.clear();
            added.push(self.put_in(prepared)?);
        }
        self.put_in_together(&mut together, added)
    }

    /// Puts in jobs of which the store has none, all of them or none.
    fn put_in_together(
        &mut self,
        together: &mut Vec<Prepared>,
        added: &mut Vec<Added>,
    ) -> Result<(), SchedulerError> {
        let Some(first) = together.first() else { return Ok(()) };
        let on_conflict = first.if_taken;
        let placed: Vec<_> = together
            .iter_mut()
            .map(|prepared| (prepared.job.id.clone(), prepared.job.next_fire, prepared.callbacks.take()))
            .collect();
        let jobs = together.drain(..).map(|prepared| prepared.job).collect();
        self.work.store.import(jobs, Vec::new(), on_conflict)?;
        for (id, fire, callbacks) in placed {
            added.push(self.announce(id, fire, AddOutcome::Added, None, callbacks));
        }
        Ok(())
    }

    /// Makes a job of a new one, or refuses it.
    fn prepare(&mut self, new: NewJob) -> Result<Prepared, SchedulerError> {
        if let Some(fault) = new.fault {
            return Err(fault);
        }
        self.engine.check_executor(&new.executor)?;
        let now = self.now();
        let mut is_damaged = false;
        let old = match &new.id {
            Some(id) if new.on_conflict != OnConflict::Refuse => match self.work.store.get(id) {
                // Nothing of a damaged job can be kept: the new one takes its place.
                Err(StoreError::Damaged { .. }) if new.on_conflict != OnConflict::Keep => {
                    is_damaged = true;
                    None
                }
                found => found?,
            },
            _ => None,
        };
        let if_taken = match new.on_conflict {
            // Another scheduler has just added it: that is as if this one had come first. It may have fired already.
            OnConflict::Update | OnConflict::Replace if self.lane.is_shared && !is_damaged => {
                OnConflict::Keep
            }
            OnConflict::Update | OnConflict::Replace => OnConflict::Replace,
            _ => OnConflict::Refuse,
        };
        let updated = old.as_ref().filter(|_| new.on_conflict == OnConflict::Update);
        // An interval without a start counts from when its job was added, so that the same definition makes the same trigger.
        let anchor = updated.map_or(now, |old| old.created);
        let id = match (new.id, &new.work) {
            (Some(id), _) => id,
            (None, Work::Named(Ok(name))) => self.free_id(name.as_str())?,
            (None, _) => self.free_id("job")?,
        };
        let trigger = (new.trigger)(anchor, &self.engine.time_zone)?;
        json::check_trigger(&format!("the trigger of job {id:?}"), &*trigger)?;
        let trigger = seeded(trigger, &id);
        let keeps_trigger = updated.is_some_and(|old| *old.trigger == *trigger);
        let given = new.first_fire.map(matins_core::round_up_to_microsecond);
        // One that had all its runs may get more.
        let (next_fire, first_fire) = match updated.filter(|old| keeps_trigger && !old.has_had_all_runs()) {
            Some(old) => (old.next_fire, old.first_fire),
            None => (given.or_else(|| next_after(&*trigger, now)), given),
        };
        if let Some(after) = trigger.after() {
            self.check_cycle(&id, after)?;
        } else if next_fire.is_none() && !keeps_trigger && new.state == JobState::Active {
            return Err(SchedulerError::NeverFires { trigger: trigger.describe(), now });
        }
        let (task, closure) = match new.work {
            Work::Named(name) => (name?, None),
            Work::Function(_) | Work::Closure(_) if self.lane.is_persistent => {
                return Err(SchedulerError::ClosureInPersistentStore { store: new.store });
            }
            Work::Function(make) => self.named_closure(make(&self.engine.tasks.states())?)?,
            Work::Closure(task) => self.named_closure(task)?,
        };
        self.count_job();
        // A job that was paused by hand stays so, whatever its definition says besides.
        let state = updated.map_or(new.state, |old| {
            if old.state == JobState::Paused { JobState::Paused } else { new.state }
        });
        let next_fire = next_fire.filter(|_| state == JobState::Active);
        let mut job = Job::new(id, task, trigger, next_fire, anchor);
        job.arguments = new.arguments;
        job.state = state;
        job.first_fire = first_fire;
        job.executor = new.executor;
        job.policy = new.policy.over(&self.engine.job_defaults);
        (job.tags, job.metadata) = (new.tags, new.metadata);
        job.revision = old.as_ref().map_or(0, |old| old.revision);
        job.counts = updated.map_or_else(JobCounts::default, |old| old.counts);
        if job.has_had_all_runs() {
            job.next_fire = None;
        }
        Ok(Prepared { job, old, on_conflict: new.on_conflict, if_taken, closure, callbacks: new.callbacks })
    }

    /// Gives a closure a name of its own.
    fn named_closure(
        &self,
        task: Arc<dyn Task>,
    ) -> Result<(TaskName, Option<Arc<dyn Task>>), SchedulerError> {
        let mut hub = self.engine.hub();
        hub.closures += 1;
        Ok((TaskName::new(format!("closure {}", hub.closures))?, Some(task)))
    }

    fn put_in(&mut self, prepared: Prepared) -> Result<Added, SchedulerError> {
        let Prepared { job, old, on_conflict, if_taken, closure, callbacks } = prepared;
        let (id, task, fire) = (job.id.clone(), job.task.clone(), job.next_fire);
        let is_closure = closure.is_some();
        if let Some(closure) = closure {
            // Due fires of a job that is updated may begin with it.
            self.engine.tasks.register(task.as_str(), closure)?;
        }
        let placed = match old {
            Some(old) => self.place(job, old, on_conflict),
            None => match self.work.store.import(vec![job], Vec::new(), if_taken) {
                Ok(()) => Ok(AddOutcome::Added),
                Err(error) => Err(error.into()),
            },
        };
        let is_placed = !matches!(placed, Err(_) | Ok(AddOutcome::Kept | AddOutcome::Unchanged));
        if is_closure && !is_placed {
            let closure = self.engine.tasks.unregister(task.as_str());
            self.engine.hub().discarded.extend(closure);
        }
        Ok(self.announce(id, fire, placed?, Some(task).filter(|_| is_closure), callbacks))
    }

    /// Brings all beside the store in line with a job that was put in, and tells of it.
    fn announce(
        &mut self,
        id: JobId,
        fire: Option<DateTime<Utc>>,
        outcome: AddOutcome,
        closure: Option<TaskName>,
        callbacks: Option<Arc<JobCallbacks>>,
    ) -> Added {
        // A job that is kept keeps those that it has. One that an earlier process has added has none.
        if outcome != AddOutcome::Kept || !self.work.callbacks.contains_key(&id) {
            self.set_callbacks(&id, callbacks);
        }
        if matches!(outcome, AddOutcome::Kept | AddOutcome::Unchanged) {
            return Added { id, outcome };
        }
        self.forget_closure(&id);
        if let Some(task) = closure {
            self.work.closures.insert(id.clone(), task);
        }
        let (store, job) = (self.lane.name.clone(), id.clone());
        self.engine.hub().listeners.tell(|| match outcome {
            AddOutcome::Updated => Event::JobModified { store, job },
            _ => Event::JobAdded { store, job },
        });
        let is_next = fire.is_some_and(|fire| self.work.waits_until.is_none_or(|until| fire < until));
        // The due fires of a job that is updated may have been started, and runs that waited for a pause to end may begin.
        if is_next || matches!(outcome, AddOutcome::Updated | AddOutcome::Replaced) {
            self.lane.inbox.wake();
        }
        Added { id, outcome }
    }

    /// Puts a job into its store, where `old` has its id.
    fn place(&mut self, job: Job, old: Job, on_conflict: OnConflict) -> Result<AddOutcome, SchedulerError> {
        match on_conflict {
            OnConflict::Keep => Ok(AddOutcome::Kept),
            OnConflict::Update if job == old => Ok(AddOutcome::Unchanged),
            OnConflict::Update => {
                if *job.trigger != *old.trigger {
                    self.decide_due(&old, &job)?;
                }
                let is_paused = old.state == JobState::Active && job.state == JobState::Paused;
                self.put_in_place(
                    &old,
                    job,
                    is_paused.then_some(MissedReason::JobPaused),
                    Overwrites::Anything,
                )?;
                Ok(AddOutcome::Updated)
            }
            OnConflict::Replace => {
                self.put_in_place(&old, job, Some(MissedReason::JobRemoved), Overwrites::Anything)?;
                Ok(AddOutcome::Replaced)
            }
            _ => {
                self.work.store.import(vec![job], Vec::new(), OnConflict::Refuse)?;
                Ok(AddOutcome::Added)
            }
        }
    }
}
