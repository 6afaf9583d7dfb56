//! The engine: stores, what is going on, and what to do next. It waits for nothing and asks no clock but its own.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use matins_core::{
    Clock, Completion, CompletionSink, Event, ExecutorName, Job, JobId, JobQuery, JobState, JobStore,
    MissedReason, OnConflict, OnExhausted, Outcome, Progress, Run, RunId, RunQuery, RunReport, RunRequest,
    SetAside, Shutdown, StoreError, StoreName, TaskName, TaskRegistry, Transition,
};

use crate::SchedulerError;
use crate::events::Listeners;
use crate::live::{Live, Running};
use crate::new_job::{NewJob, Work};
use crate::plan::next_after;
use crate::retention::Retention;
use crate::tick::{MayStart, Tick};

/// At most so many jobs of a store in one tick, so that neither memory nor delay grows with a backlog.
const JOBS_PER_TICK: usize = 1000;

/// The first wait after a store has failed; it doubles with each failure up to the second.
const RETRY_FIRST: TimeDelta = TimeDelta::seconds(1);
const RETRY_LONGEST: TimeDelta = TimeDelta::seconds(60);

/// How long cancelled runs have to end at shutdown, before they are left behind.
const CANCEL_GRACE: TimeDelta = TimeDelta::seconds(6);

const PRUNE_BY_AGE_EVERY: TimeDelta = TimeDelta::hours(1);

pub(crate) struct Engine {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) tasks: TaskRegistry,
    pub(crate) listeners: Listeners,
    stores: Vec<StoreSlot>,
    executors: BTreeSet<ExecutorName>,
    retention: Retention,
    state: State,
    /// How many closures have been added: their names are numbered, over all stores.
    closures: u64,
}

struct StoreSlot {
    name: StoreName,
    store: Box<dyn JobStore>,
    sink: Arc<dyn CompletionSink>,
    live: Live,
    next_run: RunId,
    /// Reports that are not committed yet.
    reports: Vec<RunReport>,
    unpruned: HashMap<JobId, u32>,
    prune_by_age_at: DateTime<Utc>,
    failing: Option<Failing>,
    /// What the store holds as unfinished was compared with what goes on here: at the start, and after a failure, since a
    /// commit may have been done and its answer lost.
    is_known: bool,
    /// The tasks of jobs that were added as closures.
    closures: HashMap<JobId, TaskName>,
    next_job_number: u64,
    /// The jobs that are set aside, as the listeners have been told.
    set_aside: Vec<SetAside>,
}

struct Failing {
    retry_at: DateTime<Utc>,
    delay: TimeDelta,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Not driven yet: jobs can be added.
    Waiting,
    Running,
    Paused,
    Stopping {
        cancel_at: Option<DateTime<Utc>>,
    },
    Cancelling {
        leave_at: DateTime<Utc>,
    },
    Stopped,
}

/// A run to hand to an executor, once the engine is free.
pub(crate) struct Submission {
    pub(crate) executor: ExecutorName,
    pub(crate) request: RunRequest,
    pub(crate) done: Completion,
}

/// What a driver does after a turn.
pub(crate) enum Next {
    /// Wait until then, or until woken.
    WaitUntil(Option<DateTime<Utc>>),
    Again,
    Stop,
}

/// A store under its name, and where the runs of its jobs report.
pub(crate) type StorePart = (StoreName, Box<dyn JobStore>, Arc<dyn CompletionSink>);

/// What the engine is made of.
pub(crate) struct Parts {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) tasks: TaskRegistry,
    pub(crate) stores: Vec<StorePart>,
    pub(crate) executors: BTreeSet<ExecutorName>,
    pub(crate) retention: Retention,
}

impl Engine {
    pub(crate) fn new(parts: Parts) -> Result<Self, StoreError> {
        let now = parts.clock.now();
        let slot = |(name, mut store, sink): StorePart| {
            Ok(StoreSlot {
                next_run: store.next_run_id()?,
                name,
                store,
                sink,
                live: Live::default(),
                reports: Vec::new(),
                unpruned: HashMap::new(),
                prune_by_age_at: now,
                failing: None,
                is_known: false,
                closures: HashMap::new(),
                next_job_number: 1,
                set_aside: Vec::new(),
            })
        };
        Ok(Self {
            stores: parts.stores.into_iter().map(slot).collect::<Result<_, StoreError>>()?,
            clock: parts.clock,
            tasks: parts.tasks,
            listeners: Listeners::default(),
            executors: parts.executors,
            retention: parts.retention,
            state: State::Waiting,
            closures: 0,
        })
    }

    pub(crate) fn start(&mut self) {
        if self.state == State::Waiting {
            self.state = State::Running;
            self.listeners.tell(|| Event::SchedulerStarted);
        }
    }

    pub(crate) fn take_reports(&mut self, reports: Vec<(usize, RunReport)>) {
        for (store, report) in reports {
            if let Some(slot) = self.stores.get_mut(store) {
                slot.reports.push(report);
            }
        }
    }

    /// Does all that is due now, one batch of each store.
    pub(crate) fn turn(&mut self) -> (Vec<Submission>, Next) {
        let mut submissions = Vec::new();
        if self.state == State::Stopped || self.state == State::Waiting {
            return (submissions, Next::Stop);
        }
        let now = self.clock.now();
        self.advance_shutdown(now);
        for index in 0..self.stores.len() {
            if self.stores[index].failing.as_ref().is_some_and(|failing| failing.retry_at > now) {
                continue;
            }
            match self.tick(index, now) {
                Ok(started) => {
                    submissions.extend(started);
                    self.store_works(index);
                    self.tell_of_set_aside(index);
                }
                Err(error) => self.store_failed(index, now, &error),
            }
        }
        let next = self.next(now);
        (submissions, next)
    }

    fn next(&mut self, now: DateTime<Utc>) -> Next {
        let is_idle = |slot: &StoreSlot| slot.live.running.is_empty() && slot.reports.is_empty();
        let stops_at = match self.state {
            State::Stopping { .. } | State::Cancelling { .. } if self.stores.iter().all(is_idle) => {
                self.stop();
                return Next::Stop;
            }
            State::Stopped => return Next::Stop,
            // Where even the last commit failed, the store has these runs as started, and the next start finds them.
            State::Cancelling { leave_at } if leave_at <= now => {
                self.stop();
                return Next::Stop;
            }
            State::Stopping { cancel_at } => cancel_at,
            State::Cancelling { leave_at } => Some(leave_at),
            _ => None,
        };
        let fires = self.state == State::Running;
        let may_start = fires || self.state == State::Paused;
        let mut wake_at = stops_at;
        let mut earlier = |instant: Option<DateTime<Utc>>| {
            wake_at = wake_at.into_iter().chain(instant).min();
        };
        for slot in &mut self.stores {
            if let Some(failing) = &slot.failing {
                earlier(Some(failing.retry_at));
                continue;
            }
            if may_start {
                earlier(slot.live.retries.keys().next().map(|(turn, _)| *turn));
            }
            if fires {
                match slot.store.next_due() {
                    Ok(due) => earlier(due),
                    // The next tick meets the fault too, and announces it.
                    Err(_) => earlier(Some(now)),
                }
            }
        }
        match wake_at {
            Some(wake_at) if wake_at <= now => Next::Again,
            wake_at => Next::WaitUntil(wake_at),
        }
    }

    fn tick(&mut self, index: usize, now: DateTime<Utc>) -> Result<Vec<Submission>, StoreError> {
        let slot = &mut self.stores[index];
        let fires = self.state == State::Running;
        let may_start = match self.state {
            State::Running | State::Paused => MayStart::Yes,
            _ => MayStart::No,
        };
        let store = &mut *slot.store;
        let mut tick = Tick::new(now, &slot.live, &self.retention, &mut slot.unpruned, slot.next_run);
        if !slot.is_known {
            tick.next_run = tick.next_run.max(store.next_run_id()?);
            tick.recover(store)?;
        }
        for report in &slot.reports {
            tick.report(report, store, may_start)?;
        }
        if may_start == MayStart::Yes {
            tick.start_retries(store)?;
        }
        if fires {
            for job in store.due(now, JOBS_PER_TICK)? {
                tick.due(job);
            }
        }
        let prunes = now >= slot.prune_by_age_at;
        if prunes && let Some(age) = self.retention.age.and_then(|age| TimeDelta::from_std(age).ok()) {
            tick.batch.push(Transition::PruneBefore { before: now - age });
        }
        if !tick.batch.is_empty() {
            store.commit(&tick.batch)?;
        }

        let Tick { next_run, jobs, retries, begun_retries, starts, finished, missed, ended, .. } = tick;
        slot.next_run = next_run;
        slot.is_known = true;
        slot.reports.clear();
        if prunes {
            slot.prune_by_age_at = now + PRUNE_BY_AGE_EVERY;
        }
        slot.live.replace(jobs);
        slot.live.begin_retries(&begun_retries);
        slot.live.retries.extend(retries);
        for run in &finished {
            slot.live.running.remove(&run.id);
        }
        for job in &ended {
            if let Some(task) = slot.closures.remove(job) {
                self.tasks.unregister(task.as_str());
            }
        }
        let store = slot.name.clone();
        for run in finished {
            self.listeners.tell(|| Event::RunFinished { store: store.clone(), run });
        }
        for run in missed {
            self.listeners.tell(|| Event::RunMissed { store: store.clone(), run });
        }
        for job in ended {
            self.listeners.tell(|| Event::JobRemoved { store: store.clone(), job });
        }
        Ok(starts.into_iter().filter_map(|(job, run)| self.submission(index, job, run)).collect())
    }

    /// A run whose task is not registered has failed; any other is for its executor.
    fn submission(&mut self, index: usize, job: Job, run: Run) -> Option<Submission> {
        let slot = &mut self.stores[index];
        let running = Running::new(run.clone(), &job);
        let (cancel, log) = (running.cancel.clone(), running.log.clone());
        slot.live.running.insert(run.id, running);
        let store = slot.name.clone();
        let started = run.clone();
        self.listeners.tell(|| Event::RunStarted { store, run: started });
        let done = Completion::new(run.id, self.clock.clone(), slot.sink.clone());
        let Some(task) = self.tasks.get(job.task.as_str()) else {
            let message =
                format!("no task is registered as {:?}; register it before the scheduler starts", job.task);
            done.finish(not_run(&run, self.clock.now(), Outcome::Failed, message));
            return None;
        };
        let request = RunRequest {
            run: run.id,
            job: job.id,
            task_name: job.task,
            task,
            arguments: job.arguments,
            scheduled: run.fires.first,
            attempt: run.attempt,
            time_limit: job.policy.time_limit,
            cancel,
            log,
            clock: self.clock.clone(),
        };
        Some(Submission { executor: job.executor, request, done })
    }

    fn store_works(&mut self, index: usize) {
        let slot = &mut self.stores[index];
        if slot.failing.take().is_some() {
            let store = slot.name.clone();
            self.listeners.tell(|| Event::StoreRecovered { store });
        }
    }

    /// Announces the jobs that the store has met and cannot read, each once.
    fn tell_of_set_aside(&mut self, index: usize) {
        let slot = &mut self.stores[index];
        let met = slot.store.set_aside();
        if met != slot.set_aside {
            let new: Vec<SetAside> =
                met.iter().filter(|job| !slot.set_aside.contains(job)).cloned().collect();
            slot.set_aside = met.to_vec();
            let store = slot.name.clone();
            for job in new {
                self.listeners.tell(|| Event::JobSetAside { store: store.clone(), job });
            }
        }
    }

    fn store_failed(&mut self, index: usize, now: DateTime<Utc>, error: &StoreError) {
        let slot = &mut self.stores[index];
        let delay =
            slot.failing.as_ref().map_or(RETRY_FIRST, |failing| (failing.delay * 2).min(RETRY_LONGEST));
        slot.failing = Some(Failing { retry_at: now + delay, delay });
        slot.is_known = false;
        let store = slot.name.clone();
        self.listeners.tell(|| Event::StoreFailed { store, error: error.to_string() });
    }

    // ---- shutting down ----

    pub(crate) fn shutdown(&mut self, how: Shutdown) {
        let now = self.clock.now();
        let after = |time| TimeDelta::from_std(time).ok().and_then(|time| now.checked_add_signed(time));
        let (is_stopping, until) = match self.state {
            State::Waiting => return self.stop(),
            State::Stopped | State::Cancelling { .. } => return,
            State::Stopping { cancel_at } => (true, cancel_at),
            _ => (false, None),
        };
        let cancel_at = match how {
            Shutdown::Wait if is_stopping => until,
            Shutdown::Wait => None,
            Shutdown::Deadline(time) => until.into_iter().chain(after(time)).min(),
            _ => Some(now),
        };
        self.state = State::Stopping { cancel_at };
    }

    fn advance_shutdown(&mut self, now: DateTime<Utc>) {
        match self.state {
            State::Stopping { cancel_at: Some(cancel_at) } if cancel_at <= now => {
                let tokens = self.stores.iter().flat_map(|slot| slot.live.running.values());
                for token in tokens.map(|running| running.cancel.clone()).collect::<Vec<_>>() {
                    token.cancel();
                }
                self.state = State::Cancelling { leave_at: now + CANCEL_GRACE };
            }
            State::Cancelling { leave_at } if leave_at <= now => {
                for slot in &mut self.stores {
                    let message = "left running when the scheduler was shut down".to_owned();
                    let left = slot.live.running.values();
                    let left =
                        left.map(|left| not_run(&left.run, now, Outcome::Interrupted, message.clone()));
                    slot.reports.extend(left);
                }
            }
            _ => {}
        }
    }

    /// Lets go of the stores, so that others can open them while handles are still about.
    fn stop(&mut self) {
        self.state = State::Stopped;
        self.stores.clear();
        self.listeners.tell(|| Event::SchedulerShutDown);
        self.listeners = Listeners::default();
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.state == State::Stopped
    }

    /// The report of a run that no executor took.
    pub(crate) fn not_taken(&self, run: RunId, outcome: Outcome, message: String) -> RunReport {
        let finished = self.clock.now();
        RunReport {
            run,
            started: None,
            finished,
            outcome,
            message: Some(message),
            output: None,
            result: None,
        }
    }

    // ---- what handles ask for ----

    pub(crate) fn pause(&mut self) -> Result<(), SchedulerError> {
        self.check_not_stopped()?;
        if matches!(self.state, State::Running) {
            self.state = State::Paused;
            self.listeners.tell(|| Event::SchedulerPaused);
        }
        Ok(())
    }

    pub(crate) fn resume(&mut self) -> Result<(), SchedulerError> {
        self.check_not_stopped()?;
        if matches!(self.state, State::Paused) {
            self.state = State::Running;
            self.listeners.tell(|| Event::SchedulerResumed);
        }
        Ok(())
    }

    fn check_not_stopped(&self) -> Result<(), SchedulerError> {
        if self.state == State::Stopped { Err(SchedulerError::ShutDown) } else { Ok(()) }
    }

    pub(crate) fn add(&mut self, new: NewJob) -> Result<JobId, SchedulerError> {
        self.check_not_stopped()?;
        let now = self.clock.now();
        if let Some(fault) = new.fault {
            return Err(fault);
        }
        let index = self.store_index(&new.store)?;
        if !self.executors.contains(&new.executor) {
            let known = self.executors.iter().cloned().collect();
            return Err(SchedulerError::NoExecutor { name: new.executor, known });
        }
        let trigger = (new.trigger)(now).map_err(SchedulerError::Trigger)?;
        let next_fire =
            new.first_fire.map(matins_core::round_up_to_microsecond).or_else(|| next_after(&*trigger, now));
        if next_fire.is_none() {
            return Err(SchedulerError::NeverFires { trigger: trigger.describe(), now });
        }
        let slot = &mut self.stores[index];
        let (task, closure) = match new.work {
            Work::Named(name) => (name?, None),
            Work::Closure(_) if slot.store.is_persistent() => {
                return Err(SchedulerError::ClosureInPersistentStore { store: new.store });
            }
            Work::Closure(task) => {
                self.closures += 1;
                (TaskName::new(format!("closure {}", self.closures))?, Some(task))
            }
        };
        let work = match &closure {
            Some(task) => task.clone(),
            None => self
                .tasks
                .get(task.as_str())
                .ok_or_else(|| SchedulerError::NoTask { name: task.clone(), known: self.tasks.names() })?,
        };
        work.check(&new.arguments).map_err(|what| SchedulerError::Arguments { task: task.clone(), what })?;
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
            policy: new.policy,
            tags: new.tags,
            metadata: new.metadata,
            created: now,
        };
        if new.on_conflict == OnConflict::Keep && slot.store.get(&id)?.is_some() {
            return Ok(id);
        }
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
        Ok(id)
    }

    pub(crate) fn remove(&mut self, id: &JobId) -> Result<Job, SchedulerError> {
        let index = self.store_of(id)?.0;
        let now = self.clock.now();
        let slot = &mut self.stores[index];
        let waiting = slot.live.waiting_of(id);
        if !waiting.is_empty() {
            let mut tick = Tick::new(now, &slot.live, &self.retention, &mut slot.unpruned, slot.next_run);
            for run in waiting {
                tick.give_up_waiting(run);
            }
            slot.store.commit(&tick.batch)?;
            let Tick { jobs, missed, .. } = tick;
            slot.live.replace(jobs);
            slot.live.retries.retain(|_, run| run.job != *id);
            for run in missed {
                let store = slot.name.clone();
                self.listeners.tell(|| Event::RunMissed { store, run });
            }
        }
        let job = slot.store.remove(id)?;
        slot.changed_by_hand(id);
        if let Some(task) = slot.closures.remove(id) {
            self.tasks.unregister(task.as_str());
        }
        let (store, removed) = (slot.name.clone(), id.clone());
        self.listeners.tell(|| Event::JobRemoved { store, job: removed });
        Ok(job)
    }

    pub(crate) fn pause_job(&mut self, id: &JobId) -> Result<(), SchedulerError> {
        let (index, mut job) = self.store_of(id)?;
        job.state = JobState::Paused;
        job.next_fire = None;
        let slot = &mut self.stores[index];
        slot.store.update(job)?;
        slot.changed_by_hand(id);
        let (store, job) = (slot.name.clone(), id.clone());
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
        let slot = &mut self.stores[index];
        slot.store.update(job)?;
        slot.changed_by_hand(id);
        let (store, job) = (slot.name.clone(), id.clone());
        self.listeners.tell(|| Event::JobResumed { store, job });
        Ok(())
    }

    pub(crate) fn progress(&self, store: &StoreName, run: RunId) -> Result<Option<Progress>, SchedulerError> {
        self.check_not_stopped()?;
        let slot = &self.stores[self.store_index(store)?];
        Ok(slot.live.running.get(&run).and_then(|running| running.log.last_progress()))
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

    fn store_index(&self, name: &StoreName) -> Result<usize, SchedulerError> {
        self.stores.iter().position(|slot| slot.name == *name).ok_or_else(|| SchedulerError::NoStore {
            name: name.clone(),
            known: self.stores.iter().map(|slot| slot.name.clone()).collect(),
        })
    }

    /// The first store that has the job.
    fn store_of(&mut self, id: &JobId) -> Result<(usize, Job), SchedulerError> {
        self.check_not_stopped()?;
        for (index, slot) in self.stores.iter_mut().enumerate() {
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

fn not_run(run: &Run, now: DateTime<Utc>, outcome: Outcome, message: String) -> RunReport {
    let started = if outcome == Outcome::Interrupted { run.started } else { None };
    RunReport {
        run: run.id,
        started,
        finished: now,
        outcome,
        message: Some(message),
        output: None,
        result: None,
    }
}

/// Why a run was missed whose executor had no room.
pub(crate) const EXECUTOR_FULL: Outcome = Outcome::Missed(MissedReason::ExecutorFull);
