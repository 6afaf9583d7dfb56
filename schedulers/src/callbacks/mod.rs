//! The callbacks of jobs: what a program has called when a run of one job has ended, or was missed.

mod on_job;

use std::collections::VecDeque;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use matins_core::{Outcome, Run, StoreName, drop_caught, text_of_panic};

use crate::Event;
use crate::bell::Bell;
use crate::engine::Engine;
use crate::shared::Driving;

/// How many calls wait at most. Those beyond are left out, with an event.
const MOST_WAITING: usize = 10_000;

/// Which callbacks of a job an outcome is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CallbackKind {
    Success,
    Failure,
    Missed,
}

impl CallbackKind {
    /// A failure that another attempt follows is for none, and neither is a run that somebody has cancelled.
    fn of(outcome: Outcome, is_tried_again: bool) -> Option<Self> {
        match outcome {
            Outcome::Succeeded => Some(Self::Success),
            Outcome::Failed | Outcome::TimedOut | Outcome::Interrupted if !is_tried_again => {
                Some(Self::Failure)
            }
            Outcome::Missed(_) => Some(Self::Missed),
            _ => None,
        }
    }
}

pub(crate) type Callback = Box<dyn FnMut(Run) + Send>;

/// The callbacks of one job.
#[derive(Default)]
pub(crate) struct JobCallbacks {
    kinds: Vec<CallbackKind>,
    /// In the order in which they were given. Locked only by the thread that calls them.
    callbacks: Mutex<Vec<(CallbackKind, Callback)>>,
}

impl JobCallbacks {
    pub(crate) fn add(&mut self, kind: CallbackKind, callback: Callback) {
        self.kinds.push(kind);
        self.callbacks.get_mut().unwrap_or_else(PoisonError::into_inner).push((kind, callback));
    }

    fn wants(&self, kind: CallbackKind) -> bool {
        self.kinds.contains(&kind)
    }
}

impl fmt::Debug for JobCallbacks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("JobCallbacks").field(&self.kinds).finish()
    }
}

/// A call to make once the outcome is recorded.
struct Call {
    kind: CallbackKind,
    store: StoreName,
    run: Run,
    callbacks: Arc<JobCallbacks>,
}

impl Call {
    /// Calls each callback. Returns an event for each one that panics; it is called again the next time.
    fn make(self) -> Vec<Event> {
        let Self { kind, store, run, callbacks } = self;
        let mut failures = Vec::new();
        for (_, callback) in lock(&callbacks.callbacks).iter_mut().filter(|(of, _)| *of == kind) {
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| callback(run.clone()))) {
                let error = format!("it panicked: {}", text_of_panic(panic));
                failures.push(failed(&store, &run, error));
            }
        }
        // It may be the last to hold them.
        drop_caught(callbacks);
        failures
    }
}

fn failed(store: &StoreName, run: &Run, error: String) -> Event {
    Event::CallbackFailed { store: store.clone(), job: run.job.clone(), run: run.id, error }
}

/// The calls of a scheduler, in the order of the outcomes. A thread of their own makes them, so that a slow callback delays no fire.
pub(crate) struct Callbacks {
    waiting: Mutex<Waiting>,
    came: Condvar,
    /// Calls that wait or are in progress.
    count: AtomicUsize,
    has_failures: AtomicBool,
    /// Wakes the scheduler's driver.
    bell: Arc<Bell>,
}

#[derive(Default)]
struct Waiting {
    calls: VecDeque<Call>,
    /// Events that the driver has not been given yet.
    failures: Vec<Event>,
    caller: Caller,
    /// The scheduler has stopped: the thread ends with the last call.
    is_closed: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Caller {
    #[default]
    Nobody,
    /// A thread of its own.
    Thread,
    /// Whoever drives the scheduler, between two turns.
    Driver,
}

impl Callbacks {
    pub(crate) fn new(bell: Arc<Bell>) -> Arc<Self> {
        Arc::new(Self {
            waiting: Mutex::default(),
            came: Condvar::new(),
            count: AtomicUsize::new(0),
            has_failures: AtomicBool::new(false),
            bell,
        })
    }

    /// Has the driver make the calls, by [`make_all`](Self::make_all).
    pub(crate) fn are_made_by_driver(&self) {
        lock(&self.waiting).caller = Caller::Driver;
    }

    /// Whether no call waits or is in progress.
    pub(crate) fn is_idle(&self) -> bool {
        self.count.load(Ordering::Acquire) == 0
    }

    /// Notes the calls that an outcome is to cause. Returns an event if too many wait.
    ///
    /// This is called under locks, where no callback may run.
    pub(crate) fn note(
        &self,
        store: &StoreName,
        run: &Run,
        is_tried_again: bool,
        callbacks: &Arc<JobCallbacks>,
    ) -> Option<Event> {
        let kind = CallbackKind::of(run.outcome?, is_tried_again).filter(|kind| callbacks.wants(*kind))?;
        let mut waiting = lock(&self.waiting);
        if waiting.calls.len() >= MOST_WAITING {
            let error =
                format!("it was not called: {MOST_WAITING} calls wait for earlier callbacks to return");
            return Some(failed(store, run, error));
        }
        let (store, run, callbacks) = (store.clone(), run.clone(), callbacks.clone());
        waiting.calls.push_back(Call { kind, store, run, callbacks });
        self.count.fetch_add(1, Ordering::AcqRel);
        drop(waiting);
        self.came.notify_one();
        None
    }

    /// Sees to it that noted calls are made. Not to be called under a lock.
    fn see_to_calls(self: &Arc<Self>) {
        if self.is_idle() {
            return;
        }
        {
            let mut waiting = lock(&self.waiting);
            if waiting.caller != Caller::Nobody {
                return;
            }
            waiting.caller = Caller::Thread;
        }
        let callbacks = self.clone();
        let call = move || callbacks.make_until_closed();
        if thread::Builder::new().name("matins-callbacks".to_owned()).spawn(call).is_err() {
            // The system starts no thread now: this one makes the calls, and the next call tries again.
            self.make_all();
            lock(&self.waiting).caller = Caller::Nobody;
        }
    }

    /// Makes the calls that wait.
    pub(crate) fn make_all(&self) {
        loop {
            let Some(call) = lock(&self.waiting).calls.pop_front() else { return };
            self.make(call);
        }
    }

    fn make_until_closed(&self) {
        let _driving = Driving::begin(&self.bell);
        loop {
            let mut waiting = lock(&self.waiting);
            while waiting.calls.is_empty() && !waiting.is_closed {
                waiting = self.came.wait(waiting).unwrap_or_else(PoisonError::into_inner);
            }
            let Some(call) = waiting.calls.pop_front() else { return };
            drop(waiting);
            self.make(call);
        }
    }

    fn make(&self, call: Call) {
        let failures = call.make();
        let has_failed = !failures.is_empty();
        if has_failed {
            lock(&self.waiting).failures.extend(failures);
            self.has_failures.store(true, Ordering::Release);
        }
        // A scheduler that shuts down waits for the last one.
        if self.count.fetch_sub(1, Ordering::AcqRel) == 1 || has_failed {
            self.bell.ring();
        }
    }

    /// The scheduler has stopped.
    pub(crate) fn close(&self) {
        lock(&self.waiting).is_closed = true;
        self.came.notify_one();
    }
}

impl Engine {
    /// Has the calls made that were noted, and the listeners told of those that failed. Not to be called under a lock.
    pub(crate) fn see_to_callbacks(&self) {
        self.callbacks.see_to_calls();
        self.tell_failed_callbacks();
    }

    pub(crate) fn tell_failed_callbacks(&self) {
        if self.callbacks.has_failures.swap(false, Ordering::AcqRel) {
            let failures = std::mem::take(&mut lock(&self.callbacks.waiting).failures);
            let mut hub = self.hub();
            for failure in failures {
                hub.listeners.tell(|| failure);
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
