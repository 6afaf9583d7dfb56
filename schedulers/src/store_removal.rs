//! Stores that are added and removed while the scheduler works.

use std::time::Duration;

use matins_core::{CancelToken, JobStore, Shutdown, StoreName, drop_caught};

use crate::engine::{Engine, State};
use crate::exclusive::Exclusive;
use crate::lane::{Lane, OpenLane, Work};
use crate::one_owner::OneOwner;
use crate::reading::Reading;
use crate::stopping::CANCEL_GRACE;
use crate::{Event, SchedulerError};

/// A store that is given back once the runs of its jobs have ended.
pub(crate) struct Leaving {
    /// By the time that has passed, as is the next.
    cancel_at: Option<Duration>,
    /// When runs that were cancelled, and would not end, are left behind.
    leave_at: Option<Duration>,
    /// That has been done: it goes even if it fails, and cannot record their outcomes.
    is_given_up: bool,
    taker: oneshot::Sender<Box<dyn JobStore>>,
}

impl Leaving {
    /// When there is something to do about it.
    pub(crate) fn next(&self) -> Option<Duration> {
        self.leave_at.or(self.cancel_at)
    }

    /// Whether the store can be given back: nothing of its jobs is in flight, or it fails and has been given up.
    pub(crate) fn is_over(&self, is_idle: bool, is_failing: bool) -> bool {
        is_idle || (self.is_given_up && is_failing)
    }
}

impl Engine {
    /// Takes a store in.
    pub(crate) fn add_store(&self, name: StoreName, store: Box<dyn JobStore>) -> Result<(), SchedulerError> {
        self.check_not_stopped()?;
        if self.lanes().iter().any(|lane| lane.name == name)
            || !self.add_lane(&name, Box::new(Exclusive::new(store)))?
        {
            return Err(SchedulerError::StoreExists { name });
        }
        self.check_not_stopped()?;
        self.hub().listeners.tell(|| Event::StoreAdded { store: name });
        // Its driver gives it a thread.
        self.wakeup.wake();
        Ok(())
    }

    /// From now on no job of the store fires; the store comes once the runs that are in flight have ended.
    pub(crate) fn remove_store(
        &self,
        name: &StoreName,
        how: Shutdown,
    ) -> Result<oneshot::Receiver<Box<dyn JobStore>>, SchedulerError> {
        let lane = self.lane(name)?;
        if lane.is_shared {
            return Err(SchedulerError::SharedStore { name: name.clone() });
        }
        let now = self.clock.monotonic();
        let cancel_at = match how {
            Shutdown::Wait => None,
            Shutdown::Deadline(time) => now.checked_add(time),
            _ => Some(now),
        };
        let (taker, store) = oneshot::channel();
        lane.begin_to_leave();
        let mut guard = lane.lock();
        let work = guard.as_mut().ok_or(SchedulerError::ShutDown)?;
        work.leaving = Some(Leaving { cancel_at, leave_at: None, is_given_up: false, taker });
        // Nobody drives it yet: it is given back at once.
        if matches!(self.state(), State::Waiting { .. })
            && let Some(work) = guard.take()
        {
            drop(guard);
            self.let_go(&lane, work);
        }
        lane.inbox.wake();
        Ok(store)
    }

    /// Hands over a store that leaves, and none of its jobs is in flight.
    pub(crate) fn let_go(&self, lane: &Lane, work: Work) {
        self.remove_lane(lane.number);
        for task in work.closures.values() {
            self.tasks.unregister(task.as_str());
        }
        drop_caught(work.callbacks);
        self.hub().waiters.forget_store(lane.number);
        if let Some(leaving) = work.leaving {
            // Who asked for it may have gone; then it is closed here.
            let _ = work.store.into_job_store().map(|store| leaving.taker.send(store));
        }
        self.hub().listeners.tell(|| Event::StoreRemoved { store: lane.name.clone() });
    }

    /// Has `work` work on a store itself, and looks afterwards at what it did.
    pub(crate) fn with_store<T>(
        &self,
        name: &StoreName,
        work: impl FnOnce(&mut dyn JobStore) -> T,
    ) -> Result<T, SchedulerError> {
        let lane = self.lane(name)?;
        let result = self.open(&lane, |open| {
            let OpenLane { work: held, .. } = open;
            held.is_known = false;
            held.has_rows = true;
            let result = match held.store.as_job_store() {
                Some(store) => work(store),
                None => work(&mut OneOwner::new(&mut *held.store)),
            };
            let awaited = self.hub().waiters.jobs_of(lane.number);
            for job in awaited {
                let is_gone = matches!(open.work.store.get(&job), Ok(None));
                if is_gone && matches!(open.decide(&job, |tick, at| tick.is_busy(at)), Ok(false)) {
                    self.hub().waiters.job_is_gone(lane.number, &job);
                }
            }
            Ok(result)
        });
        lane.inbox.wake();
        result
    }
}

impl OpenLane<'_> {
    /// Cancels what is in flight of a store that leaves, when its time has come.
    pub(crate) fn advance_leaving(&mut self, reading: &Reading, cancels: &mut Vec<CancelToken>) {
        let now = reading.monotonic;
        let Some(leaving) = &mut self.work.leaving else { return };
        if leaving.leave_at.is_some_and(|leave_at| leave_at <= now) {
            leaving.leave_at = None;
            leaving.is_given_up = true;
            self.leave_behind("left running when its store was taken away", reading.now);
        } else if leaving.cancel_at.is_some_and(|cancel_at| cancel_at <= now) {
            leaving.cancel_at = None;
            leaving.leave_at = Some(now.saturating_add(CANCEL_GRACE));
            cancels.extend(self.lane.in_flight.tokens());
        }
    }
}
