//! What handles ask of the engine.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use matins_core::{
    CancelToken, Event, ExecutorName, Job, JobId, JobQuery, JobState, OnConflict, OnExhausted, Progress, Run,
    RunId, RunQuery, SetAside, StoreName, Task, TaskName,
};

use crate::SchedulerError;
use crate::engine::{Engine, State};
use crate::new_job::{NewJob, Work};
use crate::outcomes::PendingOutcome;
use crate::plan::next_after;
use crate::stats::Stats;
use crate::store_slot::StoreSlot;
use crate::tick::Tick;

/// A job that was added, or was there.
pub(crate) struct Added {
    pub(crate) id: JobId,
    /// It is due before all that the driver waits for.
    pub(crate) is_next: bool,
}

impl Engine {
    pub(crate) fn pause(&mut self) -> Result<(), SchedulerError> {
        self.check_not_stopped()?;
        match &mut self.state {
            State::Waiting { is_paused } => *is_paused = true,
            State::Running => {
                self.state = State::Paused;
                self.listeners.tell(|| Event::SchedulerPaused);
            }
            _ => {}
        }
        Ok(())
    }

    pub(crate) fn resume(&mut self) -> Result<(), SchedulerError> {
        self.check_not_stopped()?;
        match &mut self.state {
            State::Waiting { is_paused } => *is_paused = false,
            State::Paused => {
                self.state = State::Running;
                self.listeners.tell(|| Event::SchedulerResumed);
            }
            _ => {}
        }
        Ok(())
    }

    pub(crate) fn check_not_stopped(&self) -> Result<(), SchedulerError> {
        if self.state == State::Stopped { Err(SchedulerError::ShutDown) } else { Ok(()) }
    }

    pub(crate) fn add(&mut self, new: NewJob) -> Result<Added, SchedulerError> {
        self.check_not_stopped()?;
        let now = self.clock.now();
        if let Some(fault) = new.fault {
            return Err(fault);
        }
        let index = self.store_index(&new.store)?;
        self.check_executor(&new.executor)?;
        let trigger = (new.trigger)(now).map_err(SchedulerError::Trigger)?;
        let next_fire =
            new.first_fire.map(matins_core::round_up_to_microsecond).or_else(|| next_after(&*trigger, now));
        if next_fire.is_none() {
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
        let job = Job {
            id: id.clone(),
            task: task.clone(),
            arguments: new.arguments,
            trigger,
            next_fire: next_fire.filter(|_| new.state == JobState::Active),
            state: new.state,
            executor: new.executor,
            policy: new.policy.over(&self.job_defaults),
            tags: new.tags,
            metadata: new.metadata,
            created: now,
        };
        if new.on_conflict == OnConflict::Keep && slot.store.get(&id)?.is_some() {
            return Ok(Added { id, is_next: false });
        }
        let fire = job.next_fire;
        slot.store.add(job, new.on_conflict)?;
        slot.changed_by_hand(&id);
        if let Some(replaced) = slot.closures.remove(&id) {
            self.tasks.unregister(replaced.as_str());
        }
        if let Some(closure) = closure {
            self.tasks.register(task.as_str(), closure)?;
            slot.closures.insert(id.clone(), task);
        }
        let (store, job) = (slot.name.clone(), id.clone());
        self.listeners.tell(|| Event::JobAdded { store, job });
        let is_next = fire.is_some_and(|fire| self.waits_until.is_none_or(|until| fire < until));
        Ok(Added { id, is_next })
    }

    pub(crate) fn remove(&mut self, id: &JobId) -> Result<Job, SchedulerError> {
        let index = self.store_of(id)?.0;
        self.remove_from(index, id)
    }

    fn remove_from(&mut self, index: usize, id: &JobId) -> Result<Job, SchedulerError> {
        let now = self.clock.now();
        let slot = &mut self.stores[index];
        let waiting = slot.live.waiting_of(id);
        if !waiting.is_empty() {
            let mut tick = Tick::new(now, &slot.live, &self.retention, &mut slot.unpruned, slot.next_run);
            for run in waiting {
                tick.give_up_waiting(run);
            }
            if let Err(error) = slot.store.commit(&tick.batch) {
                slot.is_known = false;
                return Err(error.into());
            }
            let Tick { jobs, missed, .. } = tick;
            slot.live.replace(jobs);
            slot.live.retries.retain(|_, run| run.job != *id);
            for run in missed {
                self.stats.missed(&run);
                self.waiters.tell(slot.number, &run);
                let store = slot.name.clone();
                self.listeners.tell(|| Event::RunMissed { store, run });
            }
        }
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
        let jobs = self.stores[index].store.list(&JobQuery::default())?;
        for job in &jobs {
            self.remove_from(index, &job.id)?;
        }
        self.listeners.tell(|| Event::AllJobsRemoved { store: store.clone() });
        Ok(jobs.len())
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

    /// Moves a job to another store, with its next fire time; its rows of the ledger stay where they are.
    pub(crate) fn move_job(&mut self, id: &JobId, to: &StoreName) -> Result<(), SchedulerError> {
        let (from, job) = self.store_of(id)?;
        let target = self.store_index(to)?;
        if from == target {
            return Ok(());
        }
        if self.stores[from].closures.contains_key(id) && self.stores[target].store.is_persistent() {
            return Err(SchedulerError::ClosureInPersistentStore { store: to.clone() });
        }
        // In both for a moment, rather than in none.
        self.stores[target].store.add(job, OnConflict::Refuse)?;
        let task = self.stores[from].closures.remove(id);
        self.stores[target].closures.extend(task.map(|task| (id.clone(), task)));
        let (source, target) = (&self.stores[from], self.stores[target].number);
        if !source.live.goes_on(id) {
            self.waiters.job_has_moved(source.number, target, id);
        }
        self.remove_from(from, id)?;
        let (store, job) = (to.clone(), id.clone());
        self.listeners.tell(|| Event::JobAdded { store, job });
        Ok(())
    }

    /// Starts a run of the job beside its schedule.
    pub(crate) fn run_now(&mut self, id: &JobId) -> Result<PendingOutcome, SchedulerError> {
        if !matches!(self.state, State::Waiting { .. } | State::Running | State::Paused) {
            return Err(SchedulerError::ShutDown);
        }
        let (index, job) = self.store_of(id)?;
        let now = self.clock.now();
        let slot = &mut self.stores[index];
        let mut tick = Tick::new(now, &slot.live, &self.retention, &mut slot.unpruned, slot.next_run);
        if !slot.is_known {
            tick.next_run = tick.next_run.max(slot.store.next_run_id()?);
        }
        let run = tick.start_by_hand(&Arc::new(job));
        if let Err(error) = slot.store.commit(&tick.batch) {
            // It may have been made: the next tick looks.
            slot.is_known = false;
            return Err(error.into());
        }
        let Tick { next_run, jobs, starts, .. } = tick;
        slot.next_run = next_run;
        slot.live.replace(jobs);
        let outcome = self.waiters.for_run(slot.number, run);
        for (job, run) in starts {
            let submission = self.submission(index, job, run);
            self.pending.extend(submission);
        }
        Ok(outcome)
    }

    pub(crate) fn next_outcome(&mut self, id: &JobId) -> Result<PendingOutcome, SchedulerError> {
        let (index, _) = self.store_of(id)?;
        Ok(self.waiters.for_job(self.stores[index].number, id.clone()))
    }

    /// Tells a run that goes on to stop; whether it goes on.
    pub(crate) fn cancel(
        &mut self,
        store: &StoreName,
        run: RunId,
    ) -> Result<Option<CancelToken>, SchedulerError> {
        self.check_not_stopped()?;
        let slot = &self.stores[self.store_index(store)?];
        Ok(slot.live.running.get(&run).map(|running| running.cancel.clone()))
    }

    pub(crate) fn pause_job(&mut self, id: &JobId) -> Result<(), SchedulerError> {
        let (index, mut job) = self.store_of(id)?;
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

    pub(crate) fn progress(&self, store: &StoreName, run: RunId) -> Result<Option<Progress>, SchedulerError> {
        self.check_not_stopped()?;
        let slot = &self.stores[self.store_index(store)?];
        Ok(slot.live.running.get(&run).and_then(|running| running.log.last_progress()))
    }

    /// The runs of a store that executors have taken, with when the work began.
    pub(crate) fn in_flight(
        &self,
        store: &StoreName,
    ) -> Result<BTreeMap<RunId, Option<DateTime<Utc>>>, SchedulerError> {
        self.check_not_stopped()?;
        let slot = &self.stores[self.store_index(store)?];
        Ok(slot.live.running.iter().map(|(run, running)| (*run, running.log.began())).collect())
    }

    pub(crate) fn add_executor(&mut self, name: ExecutorName) -> Result<(), SchedulerError> {
        self.check_not_stopped()?;
        self.executors.insert(name.clone());
        self.listeners.tell(|| Event::ExecutorAdded { executor: name });
        Ok(())
    }

    pub(crate) fn remove_executor(&mut self, name: &ExecutorName) -> Result<(), SchedulerError> {
        self.check_not_stopped()?;
        self.check_executor(name)?;
        self.executors.remove(name);
        self.listeners.tell(|| Event::ExecutorRemoved { executor: name.clone() });
        Ok(())
    }

    pub(crate) fn stats(&self) -> Stats {
        let taken = || self.stores.iter().flat_map(|slot| slot.live.running.values());
        let running = taken().filter(|running| running.log.began().is_some()).count();
        Stats {
            running,
            queued: taken().count() - running,
            waiting: self.stores.iter().map(|slot| slot.live.waiting()).sum(),
            ..self.stats.clone()
        }
    }

    pub(crate) fn get(&mut self, id: &JobId) -> Result<Option<Job>, SchedulerError> {
        self.check_not_stopped()?;
        match self.store_of(id) {
            Ok((_, job)) => Ok(Some(job)),
            Err(SchedulerError::NoJob { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(crate) fn list(&mut self, query: &JobQuery) -> Result<Vec<(StoreName, Job)>, SchedulerError> {
        self.check_not_stopped()?;
        let mut jobs = Vec::new();
        for slot in &mut self.stores {
            jobs.extend(slot.store.list(query)?.into_iter().map(|job| (slot.name.clone(), job)));
        }
        Ok(jobs)
    }

    pub(crate) fn set_aside(&self) -> Result<Vec<(StoreName, SetAside)>, SchedulerError> {
        self.check_not_stopped()?;
        let of_store = |slot: &StoreSlot| -> Vec<_> {
            slot.store.set_aside().iter().map(|job| (slot.name.clone(), job.clone())).collect()
        };
        Ok(self.stores.iter().flat_map(of_store).collect())
    }

    pub(crate) fn runs(&mut self, store: &StoreName, query: &RunQuery) -> Result<Vec<Run>, SchedulerError> {
        self.check_not_stopped()?;
        let index = self.store_index(store)?;
        Ok(self.stores[index].store.runs(query)?)
    }

    fn check_executor(&self, name: &ExecutorName) -> Result<(), SchedulerError> {
        if self.executors.contains(name) {
            return Ok(());
        }
        let known = self.executors.iter().cloned().collect();
        Err(SchedulerError::NoExecutor { name: name.clone(), known })
    }

    fn task(&self, name: &TaskName) -> Result<Arc<dyn Task>, SchedulerError> {
        let task = self.tasks.get(name.as_str());
        task.ok_or_else(|| SchedulerError::NoTask { name: name.clone(), known: self.tasks.names() })
    }

    pub(crate) fn store_index(&self, name: &StoreName) -> Result<usize, SchedulerError> {
        let is_it = |slot: &StoreSlot| slot.name == *name && slot.leaving.is_none();
        self.stores.iter().position(is_it).ok_or_else(|| SchedulerError::NoStore {
            name: name.clone(),
            known: self.stores.iter().map(|slot| slot.name.clone()).collect(),
        })
    }

    /// The first store that has the job.
    pub(crate) fn store_of(&mut self, id: &JobId) -> Result<(usize, Job), SchedulerError> {
        self.check_not_stopped()?;
        let stays = |(_, slot): &(usize, &mut StoreSlot)| slot.leaving.is_none();
        for (index, slot) in self.stores.iter_mut().enumerate().filter(stays) {
            if let Some(job) = slot.store.get(id)? {
                return Ok((index, job));
            }
        }
        Err(SchedulerError::NoJob { id: id.clone() })
    }
}

impl StoreSlot {
    fn free_id(&mut self, prefix: &str) -> Result<JobId, SchedulerError> {
        loop {
            let id = JobId::new(format!("{prefix}-{}", self.next_job_number))?;
            if self.store.get(&id)?.is_none() {
                return Ok(id);
            }
            self.next_job_number += 1;
        }
    }

    fn changed_by_hand(&mut self, id: &JobId) {
        self.live.close_missed(id);
        if let Some(runs) = self.live.jobs.get_mut(id) {
            runs.last_one = false;
        }
    }
}
