//! What handles ask of the engine.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use matins_core::{
    CancelToken, Event, ExecutorName, Job, JobId, JobQuery, OnConflict, Progress, Run, RunId, RunQuery,
    SetAside, StoreName, Task, TaskName,
};

use crate::SchedulerError;
use crate::engine::{Engine, State};
use crate::outcomes::PendingOutcome;
use crate::stats::Stats;
use crate::store_slot::StoreSlot;

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
        self.take_out(from, id)?;
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
        let run = self.commit_decision(index, |tick| tick.start_by_hand(&Arc::new(job)))?;
        let outcome = self.waiters.for_run(self.stores[index].number, run);
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

    pub(crate) fn count(&mut self, query: &JobQuery) -> Result<usize, SchedulerError> {
        self.check_not_stopped()?;
        self.stores.iter_mut().try_fold(0, |count, slot| Ok(count + slot.store.count(query)?))
    }

    pub(crate) fn count_runs(
        &mut self,
        store: &StoreName,
        query: &RunQuery,
    ) -> Result<usize, SchedulerError> {
        self.check_not_stopped()?;
        let index = self.store_index(store)?;
        Ok(self.stores[index].store.count_runs(query)?)
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

    pub(crate) fn check_executor(&self, name: &ExecutorName) -> Result<(), SchedulerError> {
        if self.executors.contains(name) {
            return Ok(());
        }
        let known = self.executors.iter().cloned().collect();
        Err(SchedulerError::NoExecutor { name: name.clone(), known })
    }

    pub(crate) fn task(&self, name: &TaskName) -> Result<Arc<dyn Task>, SchedulerError> {
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
    pub(crate) fn free_id(&mut self, prefix: &str) -> Result<JobId, SchedulerError> {
        loop {
            let id = JobId::new(format!("{prefix}-{}", self.next_job_number))?;
            if self.store.get(&id)?.is_none() {
                return Ok(id);
            }
            self.next_job_number += 1;
        }
    }

    pub(crate) fn changed_by_hand(&mut self, id: &JobId) {
        self.live.close_missed(id);
        if let Some(runs) = self.live.jobs.get_mut(id) {
            runs.last_one = false;
        }
    }
}
