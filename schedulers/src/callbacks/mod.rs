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
use crate::engine::Engine;
use crate::shared::Driving;
use crate::wakeup::Wakeup;

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

/// What a callback is called for, and whether it is async.
type Sort = (CallbackKind, bool);

/// The callbacks of one job, in the order in which they were given.
#[derive(Default)]
pub(crate) struct JobCallbacks(Vec<JobCallback>);

struct JobCallback {
    sort: Sort,
    /// Locked while it is called.
    callback: Mutex<Callback>,
}

impl JobCallbacks {
    pub(crate) fn add(&mut self, kind: CallbackKind, is_async: bool, callback: Callback) {
        self.0.push(JobCallback { sort: (kind, is_async), callback: Mutex::new(callback) });
    }

    fn wants(&self, part: Part) -> bool {
        self.0.iter().any(|callback| part.has(callback.sort))
    }
}

impl fmt::Debug for JobCallbacks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|callback| callback.sort)).finish()
    }
}

/// Those callbacks of a job that one call is for.
#[derive(Debug, Clone, Copy)]
struct Part {
    kind: CallbackKind,
    /// Only those that are async, or only the others.
    is_async: Option<bool>,
}

impl Part {
    fn has(self, (kind, is_async): Sort) -> bool {
        kind == self.kind && self.is_async.is_none_or(|of| of == is_async)
    }
}

/// A call to make once the outcome is recorded.
struct Call {
    part: Part,
    store: StoreName,
    run: Run,
    callbacks: Arc<JobCallbacks>,
}

impl Call {
    /// Calls each callback. Returns an event for each one that panics; it is called again the next time.
    fn make(self) -> Vec<Event> {
        let Self { part, store, run, callbacks } = self;
        let mut failures = Vec::new();
        for JobCallback { callback, .. } in callbacks.0.iter().filter(|callback| part.has(callback.sort)) {
            let mut callback = lock(callback);
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
    wakeup: Arc<Wakeup>,
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
    /// The driver too, but it is on a runtime: async callbacks have a thread.
    #[cfg(feature = "tokio")]
    Runtime,
}

impl Callbacks {
    pub(crate) fn new(wakeup: Arc<Wakeup>) -> Arc<Self> {
        Arc::new(Self {
            waiting: Mutex::default(),
            came: Condvar::new(),
            count: AtomicUsize::new(0),
            has_failures: AtomicBool::new(false),
            wakeup,
        })
    }

    /// Has the driver make the calls, by [`make_all`](Self::make_all).
    pub(crate) fn are_made_by_driver(&self) {
        lock(&self.waiting).caller = Caller::Driver;
    }

    /// Has the driver, which is on a runtime, make the calls.
    #[cfg(feature = "tokio")]
    pub(crate) fn are_made_on_runtime(&self) {
        lock(&self.waiting).caller = Caller::Runtime;
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
        let kind = CallbackKind::of(run.outcome?, is_tried_again)?;
        let mut waiting = lock(&self.waiting);
        let parts: &[Option<bool>] = match waiting.caller {
            #[cfg(feature = "tokio")]
            Caller::Runtime => &[Some(false), Some(true)],
            _ => &[None],
        };
        let parts = parts.iter().map(|is_async| Part { kind, is_async: *is_async });
        let mut parts = parts.filter(|part| callbacks.wants(*part)).peekable();
        parts.peek()?;
        if waiting.calls.len() >= MOST_WAITING {
            let error =
                format!("it was not called: {MOST_WAITING} calls wait for earlier callbacks to return");
            return Some(failed(store, run, error));
        }
        for part in parts {
            let (store, run, callbacks) = (store.clone(), run.clone(), callbacks.clone());
            waiting.calls.push_back(Call { part, store, run, callbacks });
            self.count.fetch_add(1, Ordering::AcqRel);
        }
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
    pub(crate) fn make_all(self: &Arc<Self>) {
        loop {
            let Some(call) = lock(&self.waiting).calls.pop_front() else { return };
            match call.part.is_async {
                Some(true) => self.make_apart(call),
                _ => self.make(call),
            }
        }
    }

    /// Makes a call on a thread, where the driver must not wait for it.
    fn make_apart(self: &Arc<Self>, call: Call) {
        let callbacks = self.clone();
        let make = move || {
            let _driving = Driving::begin(&callbacks.wakeup);
            callbacks.make(call);
        };
        if thread::Builder::new().name("matins-callback".to_owned()).spawn(make).is_err() {
            // The system starts no thread: the call is left out.
            self.made();
        }
    }

    fn make_until_closed(&self) {
        let _driving = Driving::begin(&self.wakeup);
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
        self.made();
        if has_failed {
            self.wakeup.wake();
        }
    }

    /// A scheduler that shuts down waits for the last call.
    fn made(&self) {
        if self.count.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.wakeup.wake();
        }
    }

    /// The scheduler has stopped.
    pub(crate) fn close(&self) {
        lock(&self.waiting).is_closed = true;
        self.came.notify_one();
    }
}

impl Engine {
    /// Makes the calls that were noted, and reports those that failed to the listeners. Not to be called under a lock.
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
