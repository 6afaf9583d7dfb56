//! What a handle does with stores, their ledgers, and executors.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use matins_core::{
    Executor, ExecutorName, JobStore, Progress, Run, RunId, RunQuery, SetAside, Shutdown, StoreName,
};

use super::Handle;
use crate::SchedulerError;
use crate::commands::Cancelling;

impl Handle {
    /// Returns the names of the scheduler's stores, in the order in which they were added.
    ///
    /// ```
    /// # use matins_scheduler::SchedulerBuilder;
    /// # use matins_store_memory::MemoryStore;
    /// let scheduler = SchedulerBuilder::new()
    ///     .store("default", MemoryStore::new())
    ///     .store("reports", MemoryStore::new())
    ///     .background()
    ///     .unwrap();
    /// let names = scheduler.stores().unwrap();
    /// assert_eq!(names.iter().map(|name| name.as_str()).collect::<Vec<_>>(), ["default", "reports"]);
    /// ```
    ///
    /// # Errors
    /// After shutdown.
    pub fn stores(&self) -> Result<Vec<StoreName>, SchedulerError> {
        self.engine().stores()
    }

    /// The jobs that the stores have met and cannot read: they are kept, and neither fire nor are listed.
    ///
    /// # Errors
    /// After shutdown.
    pub fn set_aside(&self) -> Result<Vec<(StoreName, SetAside)>, SchedulerError> {
        self.engine().set_aside()
    }

    /// Returns how many runs in the ledger of the store `default` meet the conditions of `query`.
    ///
    /// # Errors
    /// If the store fails.
    pub fn count_runs(&self, query: &RunQuery) -> Result<usize, SchedulerError> {
        self.count_runs_in(&StoreName::default(), query)
    }

    /// Returns how many runs in the ledger of a store meet the conditions of `query`.
    ///
    /// # Errors
    /// If there is no such store, or it fails.
    pub fn count_runs_in(&self, store: &StoreName, query: &RunQuery) -> Result<usize, SchedulerError> {
        self.engine().count_runs(store, query)
    }

    /// The ledger of the store `default`.
    ///
    /// # Errors
    /// When the store fails.
    pub fn runs(&self, query: &RunQuery) -> Result<Vec<Run>, SchedulerError> {
        self.runs_in(&StoreName::default(), query)
    }

    /// The ledger of a store.
    ///
    /// # Errors
    /// When there is no such store, or it fails.
    pub fn runs_in(&self, store: &StoreName, query: &RunQuery) -> Result<Vec<Run>, SchedulerError> {
        self.engine().runs(store, query)
    }

    /// How far a run of a store's job has come, where it goes on and its task has said so.
    ///
    /// # Errors
    /// When there is no such store.
    pub fn progress(&self, store: &StoreName, run: RunId) -> Result<Option<Progress>, SchedulerError> {
        self.engine().progress(store, run)
    }

    /// Returns the runs of a store's jobs that executors have taken, each with the time at which its work began, or `None` for
    /// a run that is queued: it waits for a free thread or worker. In the ledger both have started and have no outcome.
    ///
    /// ```
    /// # use matins_core::StoreName;
    /// # use matins_executor_thread::ThreadExecutor;
    /// # use matins_scheduler::SchedulerBuilder;
    /// # use matins_store_memory::MemoryStore;
    /// # let scheduler = SchedulerBuilder::new()
    /// #     .store("default", MemoryStore::new())
    /// #     .executor("default", ThreadExecutor::new())
    /// #     .background()
    /// #     .unwrap();
    /// let in_flight = scheduler.in_flight(&StoreName::default()).unwrap();
    /// assert_eq!(in_flight.values().filter(|began| began.is_none()).count(), 0, "none is queued");
    /// ```
    ///
    /// # Errors
    /// When there is no such store, and after shutdown.
    pub fn in_flight(
        &self,
        store: &StoreName,
    ) -> Result<BTreeMap<RunId, Option<DateTime<Utc>>>, SchedulerError> {
        self.engine().in_flight(store)
    }

    /// Tells a run of a store's job to stop; whether it went on at all. How soon it stops depends on its executor. A run of another
    /// scheduler, which shares the store, is told within some seconds.
    ///
    /// # Errors
    /// When there is no such store, and when a store that is shared cannot be written.
    pub fn cancel(&self, store: &StoreName, run: RunId) -> Result<bool, SchedulerError> {
        match self.engine().cancel(store, run)? {
            // Not under a lock: what the token calls may use a handle.
            Cancelling::Here(token) => token.cancel(),
            Cancelling::Elsewhere => {}
            Cancelling::Nothing => return Ok(false),
        }
        Ok(true)
    }

    /// With another store from now on. What an earlier process left in it is taken up, and what is due in it fires.
    ///
    /// # Errors
    /// If the name is not valid or is taken, if the store cannot be read, and after shutdown.
    pub fn add_store(
        &self,
        name: impl AsRef<str>,
        store: impl JobStore + 'static,
    ) -> Result<(), SchedulerError> {
        let (name, store) = (StoreName::new(name)?, Box::new(store));
        self.engine().add_store(name, store)
    }

    /// Takes a store away, and gives it back. Its jobs fire no more from now on; runs that go on are ended as `how` says, and
    /// waited for, on the calling thread. Runs that wait stay in it, for the
    /// next scheduler that it is given to. A store that fails is given back once its runs would have been left behind; with
    /// [`Shutdown::Wait`], when it works again and has taken in what became of them.
    ///
    /// # Errors
    /// When there is no such store, and when the scheduler shuts down meanwhile. [`SchedulerError::WaitsForItself`] in a job of
    /// that store, and wherever else [`shutdown`](Self::shutdown) does not wait.
    pub fn remove_store(
        &self,
        name: impl AsRef<str>,
        how: Shutdown,
    ) -> Result<Box<dyn JobStore>, SchedulerError> {
        let name = StoreName::new(name)?;
        if self.shared.engine.is_driven() && !self.shared.may_wait_for_store(&name) {
            return Err(SchedulerError::WaitsForItself);
        }
        let receiver = self.engine().remove_store(&name, how)?;
        let mut store = None;
        let is_given = self.shared.wait_for(false, |patience| match receiver.recv_timeout(patience) {
            Ok(given) => {
                store = Some(given);
                true
            }
            Err(oneshot::RecvTimeoutError::Timeout) => false,
            Err(oneshot::RecvTimeoutError::Disconnected) => true,
        });
        let error = if is_given { SchedulerError::ShutDown } else { SchedulerError::WaitsForItself };
        store.ok_or(error)
    }

    /// Has `work` work on a store itself: to export it, or to import into it, by whatever means work on stores. Nothing fires
    /// meanwhile. Afterwards the scheduler looks at the store as it does at its start: runs that are in its ledger as going on,
    /// and do not go on here, become interrupted.
    ///
    /// Jobs that are put in so are not checked as [`add`](Self::add) checks them: a run whose task is not registered fails
    /// when its time comes.
    ///
    /// # Errors
    /// When there is no such store, and after shutdown.
    pub fn with_store<T>(
        &self,
        name: impl AsRef<str>,
        work: impl FnOnce(&mut dyn JobStore) -> T,
    ) -> Result<T, SchedulerError> {
        let name = StoreName::new(name)?;
        self.engine().with_store(&name, work)
    }

    /// With another executor from now on; one of that name before it is ended as `how` says, by the calling thread. Where
    /// [`shutdown`](Self::shutdown) does not wait, another thread ends it.
    ///
    /// # Errors
    /// If the name is not valid, and after shutdown.
    pub fn add_executor(
        &self,
        name: impl AsRef<str>,
        executor: impl Executor + 'static,
        how: Shutdown,
    ) -> Result<(), SchedulerError> {
        let name = ExecutorName::new(name)?;
        self.engine().add_executor(name.clone())?;
        self.shared.put_executor(name, Box::new(executor), how);
        Ok(())
    }

    /// Takes an executor away, and ends it as `how` says, on the calling thread. Where [`shutdown`](Self::shutdown) does not
    /// wait, another thread ends it. Jobs that name it fail until there is another of its name.
    ///
    /// # Errors
    /// When there is no such executor, and after shutdown.
    pub fn remove_executor(&self, name: impl AsRef<str>, how: Shutdown) -> Result<(), SchedulerError> {
        let name = ExecutorName::new(name)?;
        self.engine().remove_executor(&name)?;
        self.shared.take_executor(&name, how);
        Ok(())
    }
}
