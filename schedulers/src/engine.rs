//! The engine: a lane for each store, what the lanes share, and what to do next. It waits for nothing and asks no clock but its own.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use chrono::{DateTime, Utc};
use matins_core::{
    CancelReason, CancelToken, ClaimStore, Clock, Completion, ExecutorName, MissedReason, Outcome, Policy,
    Run, RunId, RunReport, RunRequest, StoreError, StoreName, Task,
};
use matins_task_function::TaskRegistry;

use crate::Event;
use crate::callbacks::{Callbacks, JobCallbacks};
use crate::events::Listeners;
#[cfg(test)]
use crate::lane::Work;
use crate::lane::{Driver, Lane, Turned};
use crate::outcomes::Waiters;
use crate::reading::Reading;
use crate::retention::Retention;
use crate::run_layers::RunLayers;
use crate::stats::Stats;
use crate::wakeup::Wakeup;

/// The time zone of a scheduler that was given none.
pub(crate) const UTC: &str = "UTC";

pub(crate) struct Engine {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) tasks: TaskRegistry,
    pub(crate) retention: Retention,
    pub(crate) job_defaults: Policy,
    /// The zone of local times that name none.
    pub(crate) time_zone: String,
    /// Wakes the scheduler's driver.
    pub(crate) wakeup: Arc<Wakeup>,
    /// Of all jobs, to be called when no lock is held.
    pub(crate) callbacks: Arc<Callbacks>,
    lanes: RwLock<Vec<Arc<Lane>>>,
    hub: Mutex<Hub>,
}

/// What all lanes share. Its lock is held for moments only: never during I/O, and never while a lane is locked after it.
pub(crate) struct Hub {
    pub(crate) state: State,
    pub(crate) listeners: Listeners,
    pub(crate) executors: BTreeSet<ExecutorName>,
    /// Those of them whose runs continue when this process ends.
    pub(crate) surviving: BTreeSet<ExecutorName>,
    pub(crate) waiters: Waiters,
    pub(crate) stats: Stats,
    /// Around every run.
    pub(crate) layers: RunLayers,
    /// Closures of jobs that are gone. What they hold is foreign code too: it is dropped when no lock is held.
    pub(crate) discarded: Vec<Arc<dyn Task>>,
    /// Callbacks of jobs that are gone, likewise.
    pub(crate) discarded_callbacks: Vec<Arc<JobCallbacks>>,
    /// How many closures have been added: their names are numbered, over all stores.
    pub(crate) closures: u64,
    /// How many stores there have been: their numbers are not used again.
    lanes_so_far: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// Not driven yet: jobs can be added.
    Waiting {
        is_paused: bool,
    },
    Running,
    Paused,
    /// Deadlines are by the time that has passed: [`Clock::monotonic`].
    Stopping {
        cancel_at: Option<Duration>,
    },
    Cancelling {
        leave_at: Duration,
    },
    Stopped,
}

/// A run to hand to an executor, once no lock is held.
pub(crate) struct Submission {
    pub(crate) executor: ExecutorName,
    /// An earlier process has handed it over: it is taken up again.
    pub(crate) is_taken_up: bool,
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
    pub(crate) stores: Vec<(StoreName, Box<dyn ClaimStore>)>,
    pub(crate) executors: BTreeSet<ExecutorName>,
    pub(crate) surviving: BTreeSet<ExecutorName>,
    pub(crate) retention: Retention,
    pub(crate) job_defaults: Policy,
}

impl Engine {
    pub(crate) fn new(parts: Parts) -> Result<Self, StoreError> {
        let (wakeup, clock) = (Arc::<Wakeup>::default(), parts.clock.clone());
        let lane = |(number, (name, store)): (usize, (StoreName, Box<dyn ClaimStore>))| {
            Lane::new(number, name, store, wakeup.clone(), &*clock).map(Arc::new)
        };
        let lanes: Vec<Arc<Lane>> =
            parts.stores.into_iter().enumerate().map(lane).collect::<Result<_, StoreError>>()?;
        let hub = Hub {
            state: State::Waiting { is_paused: false },
            listeners: Listeners::default(),
            executors: parts.executors,
            surviving: parts.surviving,
            waiters: Waiters::default(),
            stats: Stats::default(),
            layers: RunLayers::default(),
            discarded: Vec::new(),
            discarded_callbacks: Vec::new(),
            closures: 0,
            lanes_so_far: lanes.len(),
        };
        Ok(Self {
            clock: parts.clock,
            tasks: parts.tasks,
            retention: parts.retention,
            job_defaults: parts.job_defaults,
            time_zone: UTC.to_owned(),
            callbacks: Callbacks::new(wakeup.clone()),
            wakeup,
            lanes: RwLock::new(lanes),
            hub: Mutex::new(hub),
        })
    }

    /// Has these layers around every run.
    #[must_use]
    pub(crate) fn with_layers(self, layers: RunLayers) -> Self {
        self.hub().layers = layers;
        self
    }

    /// Has local times that name no zone in this one.
    #[must_use]
    pub(crate) fn with_time_zone(self, time_zone: String) -> Self {
        Self { time_zone, ..self }
    }

    pub(crate) fn hub(&self) -> MutexGuard<'_, Hub> {
        self.hub.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The lanes, in the order in which their stores were named.
    pub(crate) fn lanes(&self) -> Vec<Arc<Lane>> {
        self.lanes.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn state(&self) -> State {
        self.hub().state
    }

    /// Makes a lane for another store.
    pub(crate) fn add_lane(&self, name: &StoreName, store: Box<dyn ClaimStore>) -> Result<bool, StoreError> {
        let number = {
            let mut hub = self.hub();
            hub.lanes_so_far += 1;
            hub.lanes_so_far - 1
        };
        let lane = Lane::new(number, name.clone(), store, self.wakeup.clone(), &*self.clock)?;
        let mut lanes = self.lanes.write().unwrap_or_else(PoisonError::into_inner);
        let is_free = lanes.iter().all(|lane| lane.name != *name);
        if is_free {
            lanes.push(Arc::new(lane));
        }
        drop(lanes);
        // The scheduler may have stopped meanwhile, and has not met this one.
        if self.state() == State::Stopped {
            self.close();
        }
        Ok(is_free)
    }

    pub(crate) fn remove_lane(&self, number: usize) {
        self.lanes.write().unwrap_or_else(PoisonError::into_inner).retain(|lane| lane.number != number);
    }

    pub(crate) fn start(&self) {
        let mut hub = self.hub();
        if let State::Waiting { is_paused } = hub.state {
            hub.state = if is_paused { State::Paused } else { State::Running };
            hub.listeners.tell(|| Event::SchedulerStarted);
        }
    }

    /// Wakes whoever drives a lane.
    pub(crate) fn ring_all(&self) {
        self.wakeup.wake();
        for lane in self.lanes() {
            lane.inbox.wake();
        }
    }

    /// Turns the lanes that have no thread of their own.
    pub(crate) fn turn(&self) -> (Vec<Submission>, Next) {
        let mut submissions = Vec::new();
        if matches!(self.state(), State::Stopped | State::Waiting { .. }) {
            return (submissions, Next::Stop);
        }
        self.advance_shutdown();
        let state = self.state();
        // Before the lanes look at the clock: it is over only when they have left behind what they had to.
        let reading = Reading::of(&*self.clock);
        let mut wake_at = match state {
            State::Stopping { cancel_at } => cancel_at.map(|cancel_at| reading.at(cancel_at)),
            State::Cancelling { leave_at } => Some(reading.at(leave_at)),
            _ => None,
        };
        let (mut are_idle, mut has_threads) = (true, false);
        for lane in self.lanes() {
            match lane.driver() {
                Driver::Scheduler => {
                    let turned = lane.turn(self, state);
                    cancel(&turned.cancels);
                    turned.leftovers.discard();
                    if submissions.is_empty() {
                        submissions = turned.submissions;
                    } else {
                        submissions.extend(turned.submissions);
                    }
                    wake_at = wake_at.into_iter().chain(turned.wake_at).min();
                    are_idle &= turned.is_idle;
                }
                Driver::Thread => has_threads = true,
                Driver::Nobody => {}
            }
        }
        let is_over = match state {
            // The callbacks of the last runs are part of them.
            State::Stopping { .. } => are_idle && self.callbacks.is_idle(),
            // Where even the last commit failed, the store has these runs as started, and the next start finds them.
            State::Cancelling { leave_at } => {
                (are_idle && self.callbacks.is_idle()) || leave_at <= reading.monotonic
            }
            _ => false,
        };
        if is_over && !has_threads {
            self.stop();
            return (submissions, Next::Stop);
        }
        let next = match wake_at {
            // Those that have a thread need the time that they need.
            Some(wake_at) if wake_at <= reading.now && !is_over => Next::Again,
            wake_at => Next::WaitUntil(wake_at.filter(|_| !is_over)),
        };
        (submissions, next)
    }

    /// Turns a lane that has a thread of its own.
    pub(crate) fn turn_of(&self, lane: &Lane) -> (Vec<Submission>, Next) {
        let state = self.state();
        if state == State::Stopped {
            return (Vec::new(), Next::Stop);
        }
        // Before the lane looks at the clock, as in `turn`.
        let reading = Reading::of(&*self.clock);
        let Turned { submissions, cancels, leftovers, wake_at, is_idle, is_gone } = lane.turn(self, state);
        cancel(&cancels);
        leftovers.discard();
        let is_over = match state {
            State::Stopping { .. } => is_idle,
            State::Cancelling { leave_at } => is_idle || leave_at <= reading.monotonic,
            _ => false,
        };
        let next = match wake_at {
            _ if is_over || is_gone => Next::Stop,
            Some(wake_at) if wake_at <= reading.now => Next::Again,
            wake_at => Next::WaitUntil(wake_at),
        };
        (submissions, next)
    }

    /// Whether a store has failed and has not recovered yet.
    #[cfg(test)]
    pub(crate) fn is_failing(&self) -> bool {
        self.lanes().iter().any(|lane| lane.lock().as_ref().is_some_and(Work::is_failing))
    }

    /// Whether runs have reported that no turn has taken in.
    #[cfg(test)]
    pub(crate) fn has_reports(&self) -> bool {
        self.lanes().iter().any(|lane| !lane.inbox.is_empty())
    }

    /// The report of a run that no executor took.
    pub(crate) fn not_taken(&self, run: RunId, outcome: Outcome, message: String) -> RunReport {
        let mut report = RunReport::new(run, self.clock.now(), outcome);
        report.message = Some(message);
        report
    }
}

/// Tells runs to stop. What their tasks have registered is called on threads of its own, so that neither a driver nor another run waits for it.
pub(crate) fn cancel(tokens: &[CancelToken]) {
    for token in tokens {
        token.set(CancelReason::Asked).call_in_background();
    }
}

/// The report of a run that never ran, or was left behind.
pub(crate) fn not_run(run: &Run, now: DateTime<Utc>, outcome: Outcome, message: String) -> RunReport {
    let mut report = RunReport::new(run.id, now, outcome);
    report.started = run.started.filter(|_| outcome == Outcome::Interrupted);
    report.message = Some(message);
    report
}

/// Why a run was missed whose executor had no room.
pub(crate) const EXECUTOR_FULL: Outcome = Outcome::Missed(MissedReason::ExecutorFull);
