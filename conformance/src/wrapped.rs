//! Stores around other stores: one that counts and times every call, one that fails when it is told to, and the form that
//! they share.
//!
//! ```
//! use std::sync::Arc;
//! use matins_conformance::wrapped::{Fault, WrappedStore};
//! use matins_core::{JobQuery, JobStore};
//! use matins_scheduler::SystemClock;
//! use matins_store_memory::MemoryStore;
//!
//! let (mut store, meter) = WrappedStore::metered(MemoryStore::new(), Arc::new(SystemClock));
//! store.list(&JobQuery::default()).unwrap();
//! assert_eq!(meter.calls()["list"].count, 1);
//!
//! let full = |method| if method == "commit" { Fault::Refused } else { Fault::None };
//! let mut store = WrappedStore::faulty(MemoryStore::new(), full);
//! assert!(store.list(&JobQuery::default()).is_ok());
//! assert!(store.commit(vec![]).is_err());
//! ```

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use matins_core::{
    Clock, Job, JobId, JobQuery, JobStore, OnConflict, Quarantined, Run, RunId, RunQuery, StoreError,
    Transition,
};

/// What is done around each call of a store.
pub trait Wrapper: Send {
    /// Does a call of a method, or not.
    ///
    /// # Errors
    /// Those of the call, or the wrapper's own.
    fn call<T>(
        &mut self,
        method: &'static str,
        work: impl FnOnce() -> Result<T, StoreError>,
    ) -> Result<T, StoreError>;
}

/// A store, and what is done around each call of it.
#[derive(Debug)]
pub struct WrappedStore<S, W> {
    store: S,
    wrapper: W,
}

impl<S: JobStore, W: Wrapper> WrappedStore<S, W> {
    /// `store`, each of its calls made through `wrapper`.
    pub fn new(store: S, wrapper: W) -> Self {
        Self { store, wrapper }
    }
}

/// What calls of one method came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Calls {
    /// How many.
    pub count: u64,
    /// How many of them failed.
    pub failed: u64,
    /// How long they took together.
    pub time: TimeDelta,
    /// How long the longest took.
    pub longest: TimeDelta,
}

/// What was measured so far. Clones are one.
#[derive(Debug, Clone)]
pub struct Meter {
    clock: Arc<dyn Clock>,
    calls: Arc<Mutex<BTreeMap<&'static str, Calls>>>,
}

impl Meter {
    /// The calls of each method that was called.
    pub fn calls(&self) -> BTreeMap<&'static str, Calls> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Wrapper for Meter {
    fn call<T>(
        &mut self,
        method: &'static str,
        work: impl FnOnce() -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let begun = self.clock.monotonic();
        let result = work();
        let time = self.clock.monotonic().saturating_sub(begun);
        let time = TimeDelta::from_std(time).unwrap_or(TimeDelta::MAX);
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        let calls = calls.entry(method).or_default();
        calls.count += 1;
        calls.failed += u64::from(result.is_err());
        calls.time += time;
        calls.longest = calls.longest.max(time);
        result
    }
}

impl<S: JobStore> WrappedStore<S, Meter> {
    /// A store that counts its calls and times them by `clock`.
    pub fn metered(store: S, clock: Arc<dyn Clock>) -> (Self, Meter) {
        let meter = Meter { clock, calls: Arc::default() };
        (Self::new(store, meter.clone()), meter)
    }
}

/// What happens to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It goes through.
    None,
    /// It fails, and nothing was done: a disk that is full.
    Refused,
    /// It is done, and fails all the same: a flush that reports an error, and yet was made.
    DoneAndLost,
}

/// Makes calls fail, as its plan says.
#[derive(Debug)]
pub struct Faults<P>(P);

impl<P: FnMut(&'static str) -> Fault + Send> Wrapper for Faults<P> {
    fn call<T>(
        &mut self,
        method: &'static str,
        work: impl FnOnce() -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let failed = |when| StoreError::Backend {
            doing: method.to_owned(),
            source: format!("a fault was injected {when} the call").into(),
        };
        match (self.0)(method) {
            Fault::None => work(),
            Fault::Refused => Err(failed("before")),
            Fault::DoneAndLost => work().and_then(|_| Err(failed("after"))),
        }
    }
}

impl<S: JobStore, P: FnMut(&'static str) -> Fault + Send> WrappedStore<S, Faults<P>> {
    /// A store that fails as `plan` says, which is asked at each call with the method's name.
    pub fn faulty(store: S, plan: P) -> Self {
        Self::new(store, Faults(plan))
    }
}

#[deny(clippy::missing_trait_methods)]
impl<S: JobStore, W: Wrapper> JobStore for WrappedStore<S, W> {
    fn is_persistent(&self) -> bool {
        self.store.is_persistent()
    }

    fn import(&mut self, jobs: Vec<Job>, runs: Vec<Run>, on_conflict: OnConflict) -> Result<(), StoreError> {
        self.wrapper.call("import", || self.store.import(jobs, runs, on_conflict))
    }
    fn add(&mut self, job: Job, on_conflict: OnConflict) -> Result<(), StoreError> {
        self.wrapper.call("add", || self.store.add(job, on_conflict))
    }

    fn update(&mut self, job: Job) -> Result<(), StoreError> {
        self.wrapper.call("update", || self.store.update(job))
    }

    fn remove(&mut self, id: &JobId) -> Result<Job, StoreError> {
        self.wrapper.call("remove", || self.store.remove(id))
    }

    fn get(&mut self, id: &JobId) -> Result<Option<Job>, StoreError> {
        self.wrapper.call("get", || self.store.get(id))
    }

    fn list(&mut self, query: &JobQuery) -> Result<Vec<Job>, StoreError> {
        self.wrapper.call("list", || self.store.list(query))
    }

    fn count(&mut self, query: &JobQuery) -> Result<usize, StoreError> {
        self.wrapper.call("count", || self.store.count(query))
    }

    fn next_due(&mut self) -> Result<Option<DateTime<Utc>>, StoreError> {
        self.wrapper.call("next_due", || self.store.next_due())
    }

    fn due(&mut self, now: DateTime<Utc>, limit: usize) -> Result<Vec<Arc<Job>>, StoreError> {
        self.wrapper.call("due", || self.store.due(now, limit))
    }

    fn commit(&mut self, batch: Vec<Transition>) -> Result<(), StoreError> {
        self.wrapper.call("commit", || self.store.commit(batch))
    }

    fn runs(&mut self, query: &RunQuery) -> Result<Vec<Run>, StoreError> {
        self.wrapper.call("runs", || self.store.runs(query))
    }

    fn count_runs(&mut self, query: &RunQuery) -> Result<usize, StoreError> {
        self.wrapper.call("count_runs", || self.store.count_runs(query))
    }

    fn next_run_id(&mut self) -> Result<RunId, StoreError> {
        self.wrapper.call("next_run_id", || self.store.next_run_id())
    }

    fn quarantined(&self) -> &[Quarantined] {
        self.store.quarantined()
    }
}
