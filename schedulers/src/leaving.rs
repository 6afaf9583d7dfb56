//! Stores that come and go while the scheduler works.

use std::sync::Arc;

use crate::Event;
use chrono::{DateTime, Utc};
use matins_core::{CancelToken, CompletionSink, JobStore, Outcome, Shutdown, StoreName};

use crate::SchedulerError;
use crate::engine::{Engine, State, not_run};
use crate::stopping::{CANCEL_GRACE, after};
use crate::store_slot::StoreSlot;

/// A store that is given back once the runs of its jobs have ended.
pub(crate) struct Leaving {
    cancel_at: Option<DateTime<Utc>>,
    /// When runs that were cancelled, and would not end, are left behind.
    leave_at: Option<DateTime<Utc>>,
    /// That has been done: it goes even if it fails, and cannot take in what became of them.
    is_given_up: bool,
    taker: oneshot::Sender<Box<dyn JobStore>>,
}

impl Leaving {
    /// When there is something to do about it.
    pub(crate) fn next(&self) -> Option<DateTime<Utc>> {
        self.leave_at.or(self.cancel_at)
    }
}

impl Engine {
    /// Takes a store in; `sink` makes the place where the runs of its jobs report, from the store's number.
    pub(crate) fn add_store(
        &mut self,
        name: StoreName,
        store: Box<dyn JobStore>,
        sink: impl FnOnce(usize) -> Arc<dyn CompletionSink>,
    ) -> Result<(), SchedulerError> {
        self.check_not_stopped()?;
        if self.stores.iter().any(|slot| slot.name == name) {
            return Err(SchedulerError::StoreExists { name });
        }
        let number = self.stores_so_far;
        let slot = StoreSlot::new(number, name.clone(), store, sink(number), self.clock.now())?;
        self.stores_so_far += 1;
        self.stores.push(slot);
        self.listeners.tell(|| Event::StoreAdded { store: name });
        Ok(())
    }

    /// From now on no job of the store fires; the store comes once the runs that go on have ended.
    pub(crate) fn remove_store(
        &mut self,
        name: &StoreName,
        how: Shutdown,
    ) -> Result<oneshot::Receiver<Box<dyn JobStore>>, SchedulerError> {
        self.check_not_stopped()?;
        let index = self.store_index(name)?;
        let now = self.clock.now();
        let cancel_at = match how {
            Shutdown::Wait => None,
            Shutdown::Deadline(time) => after(now, time),
            _ => Some(now),
        };
        let (taker, store) = oneshot::channel();
        self.stores[index].leaving = Some(Leaving { cancel_at, leave_at: None, is_given_up: false, taker });
        if matches!(self.state, State::Waiting { .. }) {
            self.let_go();
        }
        Ok(store)
    }

    /// Cancels what runs of stores that leave, when its time has come.
    pub(crate) fn advance_leaving(&mut self, now: DateTime<Utc>) {
        for slot in &mut self.stores {
            let Some(leaving) = &mut slot.leaving else { continue };
            if leaving.leave_at.is_some_and(|leave_at| leave_at <= now) {
                leaving.leave_at = None;
                leaving.is_given_up = true;
                let message = "left running when its store was taken away".to_owned();
                let left = slot.live.running.values();
                let left = left.map(|left| not_run(&left.run, now, Outcome::Interrupted, message.clone()));
                slot.reports.extend(left);
            } else if leaving.cancel_at.is_some_and(|cancel_at| cancel_at <= now) {
                leaving.cancel_at = None;
                leaving.leave_at = Some(now + CANCEL_GRACE);
                let tokens: Vec<CancelToken> =
                    slot.live.running.values().map(|running| running.cancel.clone()).collect();
                tokens.iter().for_each(CancelToken::cancel);
            }
        }
    }

    /// Hands over the stores that leave, and of whose jobs nothing goes on.
    pub(crate) fn let_go(&mut self) {
        let is_over = |slot: &mut StoreSlot| {
            let is_idle = slot.live.running.is_empty() && slot.reports.is_empty();
            slot.leaving.as_ref().is_some_and(|leaving| is_idle || (leaving.is_given_up && slot.is_failing()))
        };
        let over: Vec<StoreSlot> = self.stores.extract_if(.., is_over).collect();
        for slot in over {
            for task in slot.closures.values() {
                self.tasks.unregister(task.as_str());
            }
            let StoreSlot { number, name, store, leaving, .. } = slot;
            self.waiters.forget_store(number);
            if let Some(leaving) = leaving {
                // Who asked for it may have gone; then it is closed here.
                let _ = leaving.taker.send(store);
            }
            self.listeners.tell(|| Event::StoreRemoved { store: name });
        }
    }

    /// Has `work` work on a store itself, and looks afterwards at what it did.
    pub(crate) fn with_store<T>(
        &mut self,
        name: &StoreName,
        work: impl FnOnce(&mut dyn JobStore) -> T,
    ) -> Result<T, SchedulerError> {
        self.check_not_stopped()?;
        let index = self.store_index(name)?;
        let slot = &mut self.stores[index];
        slot.is_known = false;
        slot.has_rows = true;
        for runs in slot.live.jobs.values_mut() {
            runs.missed = None;
            runs.last_one = false;
        }
        let result = work(&mut *slot.store);
        for job in self.waiters.jobs_of(slot.number) {
            if !slot.live.goes_on(&job) && matches!(slot.store.get(&job), Ok(None)) {
                self.waiters.job_is_gone(slot.number, &job);
            }
        }
        Ok(result)
    }
}
