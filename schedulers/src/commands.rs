//! What handles ask of the engine: which lane it is for, and what concerns the whole scheduler.

use std::collections::BTreeMap;
use std::sync::{Arc, MutexGuard};

use chrono::{DateTime, Utc};
use matins_core::{
    CancelToken, ExecutorName, Job, JobId, OnConflict, Progress, Quarantined, RunId, StoreName, Task,
    TaskName,
};

use crate::engine::{Engine, State};
use crate::lane::{Lane, OpenLane, Work};
use crate::outcomes::PendingOutcome;
use crate::stats::Stats;
use crate::{Event, SchedulerError};

/// Who tells a run to stop.
#[derive(Debug)]
pub(crate) enum Cancelling {
    /// This scheduler, by its token.
    Here(CancelToken),
    /// The scheduler that has it, which hears of it with its next sign of life.
    Elsewhere,
    /// Nobody: it is not in progress.
    Nothing,
}

impl Engine {
    pub(crate) fn pause(&self) -> Result<(), SchedulerError> {
        self.check_not_stopped()?;
        let mut hub = self.hub();
        match &mut hub.state {
            State::Waiting { is_paused } => *is_paused = true,
            State::Running => {
                hub.state = State::Paused;
                hub.listeners.tell(|| Event::SchedulerPaused);
            }
            _ => {}
        }
        drop(hub);
        self.ring_all();
        Ok(())
    }

    pub(crate) fn resume(&self) -> Result<(), SchedulerError> {
        self.check_not_stopped()?;
        let mut hub = self.hub();
        match &mut hub.state {
            State::Waiting { is_paused } => *is_paused = false,
            State::Paused => {
                hub.state = State::Running;
                hub.listeners.tell(|| Event::SchedulerResumed);
            }
            _ => {}
        }
        drop(hub);
        self.ring_all();
        Ok(())
    }

    pub(crate) fn check_not_stopped(&self) -> Result<(), SchedulerError> {
        if self.state() == State::Stopped { Err(SchedulerError::ShutDown) } else { Ok(()) }
    }

    /// The names of the stores that stay.
    pub(crate) fn stores(&self) -> Result<Vec<StoreName>, SchedulerError> {
        self.check_not_stopped()?;
        let lanes = self.lanes();
        Ok(lanes.iter().filter(|lane| !lane.is_leaving()).map(|lane| lane.name.clone()).collect())
    }

    /// The lane of a store.
    pub(crate) fn lane(&self, name: &StoreName) -> Result<Arc<Lane>, SchedulerError> {
        self.check_not_stopped()?;
        let lanes = self.lanes();
        let is_it = |lane: &&Arc<Lane>| lane.name == *name && !lane.is_leaving();
        lanes.iter().find(is_it).cloned().ok_or_else(|| SchedulerError::NoStore {
            name: name.clone(),
            known: lanes.iter().map(|lane| lane.name.clone()).collect(),
        })
    }

    /// Does `work` on a lane, once nobody else works on it.
    pub(crate) fn open<T>(
        &self,
        lane: &Lane,
        work: impl FnOnce(&mut OpenLane<'_>) -> Result<T, SchedulerError>,
    ) -> Result<T, SchedulerError> {
        self.work_on(lane, lane.lock(), work)
    }

    fn work_on<T>(
        &self,
        lane: &Lane,
        mut guard: MutexGuard<'_, Option<Work>>,
        work: impl FnOnce(&mut OpenLane<'_>) -> Result<T, SchedulerError>,
    ) -> Result<T, SchedulerError> {
        // A store that was given back while this waited for it.
        let open = guard.as_mut().ok_or(SchedulerError::ShutDown)?;
        let mut open = OpenLane { engine: self, lane, work: open };
        open.follow_clock();
        work(&mut open)
    }

    /// Does `work` on the lane that has a job: the first one, of those whose store is not busy if possible.
    ///
    /// A store that fails is an error only where no other has the job.
    pub(crate) fn with_job<T>(
        &self,
        id: &JobId,
        work: impl FnOnce(&mut OpenLane<'_>, Job) -> Result<T, SchedulerError>,
    ) -> Result<T, SchedulerError> {
        self.check_not_stopped()?;
        let lanes = self.lanes();
        let (mut busy, mut fault) = (Vec::new(), None);
        let stays = |lane: &&Arc<Lane>| !lane.is_leaving();
        let mut found = None;
        for lane in lanes.iter().filter(stays) {
            match lane.try_lock() {
                None => busy.push(lane),
                Some(mut guard) => match job_in(&mut guard, id) {
                    Ok(None) => {}
                    Ok(Some(job)) => {
                        found = Some((lane, guard, job));
                        break;
                    }
                    Err(error) => fault = fault.or(Some(error)),
                },
            }
        }
        if found.is_none() {
            for lane in busy {
                let mut guard = lane.lock();
                match job_in(&mut guard, id) {
                    Ok(None) => {}
                    Ok(Some(job)) => {
                        found = Some((lane, guard, job));
                        break;
                    }
                    Err(error) => fault = fault.or(Some(error)),
                }
            }
        }
        match (found, fault) {
            (Some((lane, guard, job)), _) => self.work_on(lane, guard, |lane| work(lane, job)),
            (None, Some(fault)) => Err(fault),
            (None, None) => Err(SchedulerError::NoJob { id: id.clone() }),
        }
    }

    /// As [`with_job`](Self::with_job), and wakes the lane's driver to look at what has changed.
    pub(crate) fn change_job<T>(
        &self,
        id: &JobId,
        work: impl FnOnce(&mut OpenLane<'_>, Job) -> Result<T, SchedulerError>,
    ) -> Result<T, SchedulerError> {
        self.with_job(id, |lane, job| {
            let result = work(lane, job);
            lane.lane.inbox.wake();
            result
        })
    }

    /// Moves a job to another store, with its next fire time; its rows of the ledger stay where they are.
    pub(crate) fn move_job(&self, id: &JobId, to: &StoreName) -> Result<(), SchedulerError> {
        let from = self.with_job(id, |lane, _| Ok(lane.lane.number))?;
        let target = self.lane(to)?;
        if from == target.number {
            return Ok(());
        }
        let lanes = self.lanes();
        let Some(source) = lanes.iter().find(|lane| lane.number == from) else {
            return Err(SchedulerError::NoJob { id: id.clone() });
        };
        // In the order of their numbers, so that two that move jobs do not wait for each other.
        let (first, second) = if from < target.number { (source, &target) } else { (&target, source) };
        let (mut first, mut second) = (first.lock(), second.lock());
        let (from_work, to_work) =
            if from < target.number { (&mut first, &mut second) } else { (&mut second, &mut first) };
        let (Some(from_work), Some(to_work)) = (from_work.as_mut(), to_work.as_mut()) else {
            return Err(SchedulerError::ShutDown);
        };
        let job = from_work.store.get(id)?.ok_or_else(|| SchedulerError::NoJob { id: id.clone() })?;
        if from_work.closures.contains_key(id) && target.is_persistent {
            return Err(SchedulerError::ClosureInPersistentStore { store: to.clone() });
        }
        let mut from = OpenLane { engine: self, lane: source, work: from_work };
        // The other store would not know of the run, and begin one beside it.
        let (is_running, is_busy) = from.decide(id, |tick, at| (tick.is_running(at), tick.is_busy(at)))?;
        if is_running {
            return Err(SchedulerError::JobIsRunning { id: id.clone(), store: source.name.clone() });
        }
        // In both for a moment, rather than in none.
        to_work.store.import(vec![job], Vec::new(), OnConflict::Refuse)?;
        let task = from.work.closures.remove(id);
        to_work.closures.extend(task.map(|task| (id.clone(), task)));
        let callbacks = from.work.callbacks.get(id).cloned();
        to_work.callbacks.extend(callbacks.map(|callbacks| (id.clone(), callbacks)));
        if !is_busy {
            self.hub().waiters.job_has_moved(source.number, target.number, id);
        }
        from.take_out(id)?;
        let (store, job) = (to.clone(), id.clone());
        self.hub().listeners.tell(|| Event::JobAdded { store, job });
        source.inbox.wake();
        target.inbox.wake();
        Ok(())
    }

    /// Starts a run of the job beside its schedule.
    pub(crate) fn run_now(&self, id: &JobId) -> Result<PendingOutcome, SchedulerError> {
        if !matches!(self.state(), State::Waiting { .. } | State::Running | State::Paused) {
            return Err(SchedulerError::ShutDown);
        }
        self.change_job(id, |lane, job| {
            let gone = || SchedulerError::NoJob { id: id.clone() };
            #[expect(
                clippy::redundant_closure_for_method_calls,
                reason = "the method is one of a single lifetime"
            )]
            let run = lane.decide(&job.id, |tick, at| tick.start_by_hand(at))?;
            let run = run.ok_or_else(gone)?;
            Ok(self.hub().waiters.for_run(lane.lane.number, run))
        })
    }

    pub(crate) fn next_outcome(&self, id: &JobId) -> Result<PendingOutcome, SchedulerError> {
        self.with_job(id, |lane, _| {
            let now = lane.now();
            Ok(self.hub().waiters.for_job(lane.lane.number, id.clone(), now))
        })
    }

    /// What tells a run to stop that is in progress; one of another scheduler is told by the store.
    pub(crate) fn cancel(&self, store: &StoreName, run: RunId) -> Result<Cancelling, SchedulerError> {
        let lane = self.lane(store)?;
        if let Some(token) = lane.in_flight.token(run) {
            return Ok(Cancelling::Here(token));
        }
        if lane.is_shared && self.open(&lane, |open| Ok(open.work.store.cancel(run)?))? {
            return Ok(Cancelling::Elsewhere);
        }
        Ok(Cancelling::Nothing)
    }

    pub(crate) fn progress(&self, store: &StoreName, run: RunId) -> Result<Option<Progress>, SchedulerError> {
        Ok(self.lane(store)?.in_flight.progress(run))
    }

    pub(crate) fn output(&self, store: &StoreName, run: RunId) -> Result<Option<String>, SchedulerError> {
        Ok(self.lane(store)?.in_flight.output(run))
    }

    /// The runs of a store that executors have taken, with when the work began.
    pub(crate) fn in_flight(
        &self,
        store: &StoreName,
    ) -> Result<BTreeMap<RunId, Option<DateTime<Utc>>>, SchedulerError> {
        Ok(self.lane(store)?.in_flight.begun(&*self.clock))
    }

    pub(crate) fn add_executor(&self, name: ExecutorName, survives: bool) -> Result<(), SchedulerError> {
        self.check_not_stopped()?;
        let mut hub = self.hub();
        hub.executors.insert(name.clone());
        if survives {
            hub.surviving.insert(name.clone());
        } else {
            hub.surviving.remove(&name);
        }
        hub.listeners.tell(|| Event::ExecutorAdded { executor: name });
        Ok(())
    }

    pub(crate) fn remove_executor(&self, name: &ExecutorName) -> Result<(), SchedulerError> {
        self.check_not_stopped()?;
        self.check_executor(name)?;
        let mut hub = self.hub();
        hub.executors.remove(name);
        hub.surviving.remove(name);
        hub.listeners.tell(|| Event::ExecutorRemoved { executor: name.clone() });
        Ok(())
    }

    pub(crate) fn stats(&self) -> Stats {
        let mut stats = self.hub().stats.clone();
        for lane in self.lanes() {
            let (running, queued) = lane.in_flight.counts();
            stats.running += running;
            stats.queued += queued;
            stats.waiting += lane.waiting();
        }
        stats
    }

    pub(crate) fn get(&self, id: &JobId) -> Result<Option<Job>, SchedulerError> {
        match self.with_job(id, |_, job| Ok(job)) {
            Ok(job) => Ok(Some(job)),
            Err(SchedulerError::NoJob { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(crate) fn quarantined(&self) -> Result<Vec<(StoreName, Quarantined)>, SchedulerError> {
        self.check_not_stopped()?;
        let mut all = Vec::new();
        for lane in self.lanes() {
            let Some(work) = &*lane.lock() else { continue };
            all.extend(work.store.quarantined().iter().map(|job| (lane.name.clone(), job.clone())));
        }
        Ok(all)
    }

    pub(crate) fn check_executor(&self, name: &ExecutorName) -> Result<(), SchedulerError> {
        let hub = self.hub();
        if hub.executors.contains(name) {
            return Ok(());
        }
        let known = hub.executors.iter().cloned().collect();
        Err(SchedulerError::NoExecutor { name: name.clone(), known })
    }

    pub(crate) fn task(&self, name: &TaskName) -> Result<Arc<dyn Task>, SchedulerError> {
        let task = self.tasks.get(name.as_str());
        task.ok_or_else(|| SchedulerError::NoTask { name: name.clone(), known: self.tasks.names() })
    }
}

fn job_in(guard: &mut MutexGuard<'_, Option<Work>>, id: &JobId) -> Result<Option<Job>, SchedulerError> {
    match guard.as_mut() {
        Some(work) => Ok(work.store.get(id)?),
        None => Ok(None),
    }
}
