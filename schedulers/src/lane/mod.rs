//! A lane: one job store, what is in flight of its jobs, and how the store fares.
//!
//! Whatever waits for the store waits under the lane's own lock, so that a store that is slow holds up its own jobs alone. What is
//! in flight has a second lock that is never held during I/O: runs can be cancelled, counted and looked at meanwhile.

mod clock_set;
mod committed;
mod elsewhere;
mod in_flight;
mod leftovers;
mod membership;
mod reports;
#[cfg(test)]
pub(crate) mod rig;
#[cfg(test)]
mod tests;
mod turn;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use foldhash::{HashMap, HashMapExt};
use matins_core::{
    Capabilities, ClaimStore, Clock, JobId, Quarantined, RunQuery, RunReport, Served, StoreError, StoreName,
    TaskName,
};

use crate::SchedulerError;
use crate::callbacks::JobCallbacks;
use crate::engine::{Engine, Submission};
use crate::local::Local;
use crate::pruning::{Pruning, shrink};
use crate::reading::Reading;
use crate::retention::Retention;
use crate::store_removal::Leaving;
use crate::wakeup::{Inbox, Wakeup};

use clock_set::ClockSet;
use elsewhere::Look;
pub(crate) use in_flight::InFlight;
use leftovers::Leftovers;
use membership::Membership;
use reports::Ended;
pub(crate) use turn::{Turned, panicked};

/// A job store with all that the scheduler knows of its jobs.
pub(crate) struct Lane {
    /// What waiters know it by. Numbers are not used again.
    pub(crate) number: usize,
    pub(crate) name: StoreName,
    pub(crate) is_persistent: bool,
    /// Other schedulers use the store too.
    pub(crate) is_shared: bool,
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) in_flight: InFlight,
    /// Runs that were recorded and have not begun.
    waiting: AtomicUsize,
    is_leaving: AtomicBool,
    driver: AtomicU8,
    /// `None` once the store was given back, or the scheduler has stopped.
    work: Mutex<Option<Work>>,
}

/// Who drives a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Driver {
    /// The scheduler's own driver.
    Scheduler,
    /// A thread of its own.
    Thread,
    /// Nobody any more: its thread has ended.
    Nobody,
}

/// What is under the lock of a lane.
pub(crate) struct Work {
    pub(crate) store: Box<dyn ClaimStore>,
    pub(crate) local: Local,
    /// Of the schedulers that share the store, if it is shared.
    membership: Option<Membership>,
    /// When the ledger is looked at for runs of the others that somebody waits for.
    look: Option<Look>,
    /// By how much the store's clock is ahead of the scheduler's.
    ahead: TimeDelta,
    /// Empty: room for the next reports.
    spare_reports: Vec<RunReport>,
    /// Runs that have ended, and whose outcome is not committed yet.
    pub(crate) ended: VecDeque<Ended>,
    pub(crate) pruning: Pruning,
    /// By the time that has passed.
    prune_by_age_at: Duration,
    clock_set: ClockSet,
    /// Its ledger may hold rows that grow too old.
    pub(crate) has_rows: bool,
    pub(crate) failing: Option<Failing>,
    /// What the store holds as unfinished was compared with what is in flight here: at the start, and after a failure, since a
    /// commit may have been made and its answer lost.
    pub(crate) is_known: bool,
    /// The last claim had as many due jobs as a tick takes.
    was_full: bool,
    /// The tasks of jobs that were added as closures.
    pub(crate) closures: HashMap<JobId, TaskName>,
    /// What jobs that have callbacks were added with.
    pub(crate) callbacks: HashMap<JobId, Arc<JobCallbacks>>,
    next_job_number: u64,
    /// The jobs that are quarantined, as the listeners have been told.
    quarantined: Vec<Quarantined>,
    /// It is to be given back.
    pub(crate) leaving: Option<Leaving>,
    /// Runs that a command has started, for the next turn to hand over.
    pub(crate) pending: Vec<Submission>,
    /// What the driver waits for since the last turn, if it is an instant.
    pub(crate) waits_until: Option<DateTime<Utc>>,
    /// To be dropped at the end of the turn.
    leftovers: Leftovers,
}

/// A store that has failed, and when it is tried again.
pub(crate) struct Failing {
    /// By the time that has passed.
    pub(crate) retry_at: Duration,
    /// The wait up to then.
    pub(crate) delay: Duration,
}

/// A lane whose lock is held: its store can be worked on.
pub(crate) struct OpenLane<'a> {
    pub(crate) engine: &'a Engine,
    pub(crate) lane: &'a Lane,
    pub(crate) work: &'a mut Work,
}

impl Lane {
    pub(crate) fn new(
        number: usize,
        name: StoreName,
        mut store: Box<dyn ClaimStore>,
        driver: Arc<Wakeup>,
        clock: &dyn Clock,
    ) -> Result<Self, StoreError> {
        let reading = Reading::of(clock);
        let inbox = Arc::new(Inbox::new(driver));
        let membership = Membership::join(&mut *store, &name, &inbox, reading.monotonic)?;
        let Capabilities { durable: is_persistent, shared: is_shared, .. } = store.capabilities();
        let one = RunQuery::default().limit(1);
        let is_empty = !is_persistent && store.runs(&one)?.is_empty();
        // Before the first turn nothing is known of what it can start.
        let local = Local { served: is_shared.then(Served::default), ..Local::default() };
        let work = Work {
            store,
            local,
            membership,
            look: None,
            ahead: TimeDelta::zero(),
            spare_reports: Vec::new(),
            ended: VecDeque::new(),
            pruning: Pruning::new(is_empty),
            prune_by_age_at: reading.monotonic,
            clock_set: ClockSet::new(reading, is_persistent),
            has_rows: true,
            failing: None,
            is_known: false,
            was_full: false,
            closures: HashMap::new(),
            callbacks: HashMap::new(),
            next_job_number: 1,
            quarantined: Vec::new(),
            leaving: None,
            pending: Vec::new(),
            waits_until: None,
            leftovers: Leftovers::default(),
        };
        Ok(Self {
            number,
            name,
            is_persistent,
            is_shared,
            inbox,
            in_flight: InFlight::default(),
            waiting: AtomicUsize::new(0),
            is_leaving: AtomicBool::new(false),
            driver: AtomicU8::new(Driver::Scheduler as u8),
            work: Mutex::new(Some(work)),
        })
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Option<Work>> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `None` where somebody has it locked, perhaps for as long as its store needs.
    pub(crate) fn try_lock(&self) -> Option<MutexGuard<'_, Option<Work>>> {
        match self.work.try_lock() {
            Ok(work) => Some(work),
            Err(std::sync::TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(std::sync::TryLockError::WouldBlock) => None,
        }
    }

    pub(crate) fn driver(&self) -> Driver {
        match self.driver.load(Ordering::Acquire) {
            0 => Driver::Scheduler,
            1 => Driver::Thread,
            _ => Driver::Nobody,
        }
    }

    pub(crate) fn set_driver(&self, driver: Driver) {
        self.driver.store(driver as u8, Ordering::Release);
        self.inbox.has_own_thread(driver == Driver::Thread);
    }

    /// Of how many jobs that are gone the rows are kept.
    pub(crate) fn most_ended_jobs(&self, retention: &Retention) -> Option<u32> {
        retention.ended_jobs.filter(|_| !self.is_persistent)
    }

    /// Runs that were recorded and have not begun.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    pub(crate) fn set_waiting(&self, waiting: usize) {
        self.waiting.store(waiting, Ordering::Relaxed);
    }

    /// It is to be given back: new commands find it no more.
    pub(crate) fn is_leaving(&self) -> bool {
        self.is_leaving.load(Ordering::Acquire)
    }

    pub(crate) fn begin_to_leave(&self) {
        self.is_leaving.store(true, Ordering::Release);
    }
}

impl Work {
    /// Whether the store has failed and has not recovered yet.
    pub(crate) fn is_failing(&self) -> bool {
        self.failing.is_some()
    }
}

impl OpenLane<'_> {
    /// The time, by the clock that decides what is due in the store.
    pub(crate) fn now(&self) -> DateTime<Utc> {
        let now = self.engine.clock.now();
        now.checked_add_signed(self.work.ahead).unwrap_or(now)
    }

    /// An id that no job of the store has. Beside a million jobs that an earlier process has added, it is found in some steps.
    pub(crate) fn free_id(&mut self, prefix: &str) -> Result<JobId, SchedulerError> {
        let id = |number: u64| JobId::new(format!("{prefix}-{number}"));
        let first = self.work.next_job_number;
        // A number that is free, by steps that double; then the end of the numbers that are taken, between that and the last taken.
        let (mut taken, mut free, mut step) = (first.saturating_sub(1), first, 1);
        while self.work.store.get(&id(free)?)?.is_some() {
            taken = free;
            free = free.saturating_add(step);
            step = step.saturating_mul(2);
        }
        while free - taken > 1 {
            let middle = taken + (free - taken) / 2;
            if self.work.store.get(&id(middle)?)?.is_some() {
                taken = middle;
            } else {
                free = middle;
            }
        }
        self.work.next_job_number = free;
        Ok(id(free)?)
    }

    /// The next number for a job without an id is another.
    pub(crate) fn count_job(&mut self) {
        self.work.next_job_number += 1;
    }

    /// A job is gone: what was kept for it alone is dropped.
    pub(crate) fn forget_job(&mut self, id: &JobId, is_busy: bool) {
        self.forget_closure(id);
        self.forget_callbacks(id);
        let keeps_count = self.lane.most_ended_jobs(&self.engine.retention).is_some();
        self.work.pruning.is_gone(id, keeps_count, is_busy);
    }

    /// Drops the callbacks of a job, once no lock is held.
    pub(crate) fn forget_callbacks(&mut self, id: &JobId) {
        if let Some(callbacks) = self.work.callbacks.remove(id) {
            shrink(&mut self.work.callbacks);
            self.engine.hub().discarded_callbacks.push(callbacks);
        }
    }

    /// Gives a job that was added the callbacks of its definition.
    pub(crate) fn set_callbacks(&mut self, id: &JobId, callbacks: Option<Arc<JobCallbacks>>) {
        self.forget_callbacks(id);
        self.work.callbacks.extend(callbacks.map(|callbacks| (id.clone(), callbacks)));
    }

    /// Unregisters the task of a job that was added as a closure.
    pub(crate) fn forget_closure(&mut self, id: &JobId) {
        let Some(task) = self.work.closures.remove(id) else { return };
        shrink(&mut self.work.closures);
        let task = self.engine.tasks.unregister(task.as_str());
        self.engine.hub().discarded.extend(task);
    }
}
