//! The engine: stores, what is going on, and what to do next. It waits for nothing and asks no clock but its own.

use std::collections::BTreeSet;
use std::sync::Arc;

use ahash::AHashSet as HashSet;
use chrono::{DateTime, TimeDelta, Utc};
use matins_core::{
    Clock, Completion, Event, ExecutorName, Job, MissedReason, Outcome, Policy, Run, RunId, RunQuery,
    RunReport, RunRequest, SetAside, StoreError, TaskRegistry, Transition,
};

use crate::events::Listeners;
use crate::live::Running;
use crate::observe::{queues, timed};
use crate::occupied::WHEN_IT_ENDS;
use crate::outcomes::Waiters;
use crate::retention::Retention;
use crate::stats::Stats;
use crate::store_slot::{Failing, StorePart, StoreSlot};
use crate::tick::{Effects, MayStart, Tick};

/// At most so many jobs of a store in one tick, so that neither memory nor delay grows with a backlog.
const JOBS_PER_TICK: usize = if cfg!(test) { 3 } else { 1000 };

/// At most so many reports wait while due jobs come first.
const MOST_PUT_OFF: usize = 10 * JOBS_PER_TICK;

/// The first wait after a store has failed; it doubles with each failure up to the second.
const RETRY_FIRST: TimeDelta = TimeDelta::seconds(1);
const RETRY_LONGEST: TimeDelta = TimeDelta::seconds(60);

const PRUNE_BY_AGE_EVERY: TimeDelta = TimeDelta::hours(1);

pub(crate) struct Engine {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) tasks: TaskRegistry,
    pub(crate) listeners: Listeners,
    pub(crate) stores: Vec<StoreSlot>,
    pub(crate) executors: BTreeSet<ExecutorName>,
    pub(crate) retention: Retention,
    pub(crate) job_defaults: Policy,
    pub(crate) state: State,
    /// Runs that were started by hand, for the driver to hand over.
    pub(crate) pending: Vec<Submission>,
    pub(crate) waiters: Waiters,
    pub(crate) stats: Stats,
    /// How many closures have been added: their names are numbered, over all stores.
    pub(crate) closures: u64,
    /// How many stores there have been: their numbers are not used again.
    pub(crate) stores_so_far: usize,
    /// What the driver waits for since the last turn, if it is an instant.
    pub(crate) waits_until: Option<DateTime<Utc>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// Not driven yet: jobs can be added.
    Waiting {
        is_paused: bool,
    },
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

/// What the engine is made of.
pub(crate) struct Parts {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) tasks: TaskRegistry,
    pub(crate) stores: Vec<StorePart>,
    pub(crate) executors: BTreeSet<ExecutorName>,
    pub(crate) retention: Retention,
    pub(crate) job_defaults: Policy,
}

impl Engine {
    pub(crate) fn new(parts: Parts) -> Result<Self, StoreError> {
        let now = parts.clock.now();
        let slot = |(number, (name, store, sink)): (usize, StorePart)| {
            StoreSlot::new(number, name, store, sink, now)
        };
        let stores_so_far = parts.stores.len();
        Ok(Self {
            stores: parts.stores.into_iter().enumerate().map(slot).collect::<Result<_, StoreError>>()?,
            clock: parts.clock,
            tasks: parts.tasks,
            listeners: Listeners::default(),
            executors: parts.executors,
            retention: parts.retention,
            job_defaults: parts.job_defaults,
            state: State::Waiting { is_paused: false },
            pending: Vec::new(),
            waiters: Waiters::default(),
            stats: Stats::default(),
            closures: 0,
            stores_so_far,
            waits_until: None,
        })
    }

    pub(crate) fn start(&mut self) {
        if let State::Waiting { is_paused } = self.state {
            self.state = if is_paused { State::Paused } else { State::Running };
            self.listeners.tell(|| Event::SchedulerStarted);
        }
    }

    pub(crate) fn take_reports(&mut self, reports: Vec<(usize, RunReport)>) {
        for (store, report) in reports {
            if let Some(slot) = self.stores.iter_mut().find(|slot| slot.number == store) {
                slot.reports.push(report);
            }
        }
    }

    /// Does all that is due now, one batch of each store.
    pub(crate) fn turn(&mut self) -> (Vec<Submission>, Next) {
        let mut submissions = std::mem::take(&mut self.pending);
        if matches!(self.state, State::Stopped | State::Waiting { .. }) {
            return (submissions, Next::Stop);
        }
        let now = self.clock.now();
        #[cfg(feature = "metrics")]
        self.listeners.next_turn();
        self.advance_shutdown(now);
        self.advance_leaving(now);
        for index in 0..self.stores.len() {
            if self.stores[index].failing.as_ref().is_some_and(|failing| failing.retry_at > now) {
                continue;
            }
            match self.tick(index, now, &mut submissions) {
                Ok(()) => {
                    self.store_works(index);
                    self.tell_of_set_aside(index);
                }
                Err(error) => self.store_failed(index, now, &error),
            }
        }
        self.let_go();
        self.stores.iter().for_each(queues);
        let next = self.next(now);
        self.waits_until = match next {
            Next::WaitUntil(until) => until,
            _ => None,
        };
        (submissions, next)
    }

    /// Whether a store has failed and has not recovered yet.
    #[cfg(test)]
    pub(crate) fn is_failing(&self) -> bool {
        self.stores.iter().any(StoreSlot::is_failing)
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
            if let Some(leaving) = &slot.leaving {
                earlier(leaving.next());
            }
            if let Some(failing) = &slot.failing {
                earlier(Some(failing.retry_at));
                continue;
            }
            if !slot.reports.is_empty() {
                earlier(Some(now));
            }
            if slot.leaving.is_some() {
                continue;
            }
            if self.retention.age.is_some() && slot.has_rows {
                earlier(Some(slot.prune_by_age_at));
            }
            if may_start {
                let first = slot.live.retries.keys().next().map(|(turn, _)| *turn);
                earlier(first.filter(|turn| *turn < WHEN_IT_ENDS));
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

    fn tick(
        &mut self,
        index: usize,
        now: DateTime<Utc>,
        submissions: &mut Vec<Submission>,
    ) -> Result<(), StoreError> {
        let slot = &mut self.stores[index];
        let is_leaving = slot.leaving.is_some();
        let fires = self.state == State::Running && !is_leaving;
        let may_start = match self.state {
            State::Running | State::Paused if !is_leaving => MayStart::Yes,
            _ => MayStart::No,
        };
        let store = &mut *slot.store;
        let mut tick = Tick::new(now, &slot.live, &self.retention, &mut slot.unpruned, slot.next_run);
        if !slot.is_known {
            tick.next_run = tick.next_run.max(store.next_run_id()?);
            tick.recover(store)?;
        }
        let due =
            if fires { timed(&slot.name, "due", || store.due(now, JOBS_PER_TICK))? } else { Vec::new() };
        // Where more jobs are due than a tick takes, they come first: of the reports, only those that they depend on.
        let due_first = due.len() == JOBS_PER_TICK && slot.reports.len() <= MOST_PUT_OFF;
        let needed: Option<HashSet<RunId>> = due_first.then(|| slot.live.running_of(&due).collect());
        let is_put_off =
            |report: &RunReport| needed.as_ref().is_some_and(|needed| !needed.contains(&report.run));
        // Where none is needed, they are not even looked at: they may be many.
        let puts_all_off = needed.as_ref().is_some_and(|needed| needed.is_empty());
        tick.expect(due.len(), if puts_all_off { 0 } else { slot.reports.len() });
        if !puts_all_off {
            for report in slot.reports.iter().filter(|report| !is_put_off(report)) {
                tick.report(report, store, may_start)?;
            }
        }
        if may_start == MayStart::Yes {
            tick.start_vacated(store)?;
            tick.start_retries(store)?;
        }
        for job in due {
            tick.due(job);
        }
        let prunes = now >= slot.prune_by_age_at;
        if prunes && let Some(age) = self.retention.age.and_then(|age| TimeDelta::from_std(age).ok()) {
            tick.batch.push(Transition::PruneBefore { before: now - age });
        }
        if !tick.batch.is_empty() {
            timed(&slot.name, "commit", || store.commit(&tick.batch))?;
        }

        let has_rows = !tick.batch.is_empty();
        let effects = tick.into_effects();
        let slot = &mut self.stores[index];
        slot.is_known = true;
        if !puts_all_off {
            slot.reports.retain(is_put_off);
        }
        slot.has_rows |= has_rows;
        if prunes {
            slot.prune_by_age_at = now + PRUNE_BY_AGE_EVERY;
            let one = RunQuery { limit: Some(1), ..RunQuery::default() };
            slot.has_rows = !slot.store.runs(&one).is_ok_and(|rows| rows.is_empty());
        }
        if may_start == MayStart::Yes {
            slot.live.occupations.ended.clear();
        }
        self.apply(index, effects, submissions);
        Ok(())
    }

    /// Brings what is in flight, and whoever waits or listens, in line with a batch that was committed.
    pub(crate) fn apply(&mut self, index: usize, effects: Effects, submissions: &mut Vec<Submission>) {
        let Effects { next_run, jobs, retries, begun_retries, postponed, starts, finished, missed, ended } =
            effects;
        let slot = &mut self.stores[index];
        slot.next_run = next_run;
        slot.live.replace(jobs);
        slot.live.begin_retries(&begun_retries);
        slot.live.retries.extend(retries);
        for run in finished.iter().chain(&missed) {
            slot.live.ended(run.id);
        }
        for job in &ended {
            if let Some(task) = slot.closures.remove(job) {
                self.tasks.unregister(task.as_str());
            }
        }
        let (store, number) = (slot.name.clone(), slot.number);
        for run in finished.iter().chain(&missed) {
            self.waiters.tell(number, run);
        }
        for (run, until, postponed) in postponed {
            self.stores[index].live.postpone(run.clone(), until, postponed);
            self.listeners.tell(|| Event::RunPostponed { store: store.clone(), run, until });
        }
        for run in finished {
            self.stats.finished(&run);
            self.listeners.tell(|| Event::RunFinished { store: store.clone(), run });
        }
        for run in missed {
            self.stats.missed(&run);
            self.listeners.tell(|| Event::RunMissed { store: store.clone(), run });
        }
        for job in ended {
            self.waiters.job_is_gone(number, &job);
            self.listeners.tell(|| Event::JobRemoved { store: store.clone(), job });
        }
        submissions.reserve(starts.len());
        self.stores[index].live.running.reserve(starts.len());
        for (job, run) in starts {
            submissions.extend(self.submission(index, job, run));
        }
    }

    /// A run whose task is not registered has failed; any other is for its executor.
    pub(crate) fn submission(&mut self, index: usize, job: Arc<Job>, run: Run) -> Option<Submission> {
        let slot = &mut self.stores[index];
        let running = Running::new(run.clone(), &job);
        let (cancel, log) = (running.cancel.clone(), running.log.clone());
        slot.live.running.insert(run.id, Box::new(running));
        self.stats.started += 1;
        let store = slot.name.clone();
        self.listeners.tell(|| Event::RunStarted { store, run: run.clone() });
        let done = Completion::new(run.id, self.clock.clone(), slot.sink.clone());
        let Some(task) = self.tasks.get(job.task.as_str()) else {
            let message =
                format!("no task is registered as {:?}; register it before the scheduler starts", job.task);
            done.finish(not_run(&run, self.clock.now(), Outcome::Failed, message));
            return None;
        };
        let job = Arc::unwrap_or_clone(job);
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
        self.stats.store_failures += 1;
        let store = slot.name.clone();
        self.listeners.tell(|| Event::StoreFailed { store, error: error.to_string() });
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
            not_started: false,
        }
    }
}

pub(crate) fn not_run(run: &Run, now: DateTime<Utc>, outcome: Outcome, message: String) -> RunReport {
    let started = if outcome == Outcome::Interrupted { run.started } else { None };
    RunReport {
        run: run.id,
        started,
        finished: now,
        outcome,
        message: Some(message),
        output: None,
        result: None,
        not_started: false,
    }
}

/// Why a run was missed whose executor had no room.
pub(crate) const EXECUTOR_FULL: Outcome = Outcome::Missed(MissedReason::ExecutorFull);
