//! What a handle does with stores, their ledgers, and executors.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use matins_core::{
    Executor, ExecutorName, JobStore, Progress, Quarantined, Run, RunId, RunQuery, Shutdown, StoreName,
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
    ///     .background()?;
    /// assert_eq!(scheduler.stores()?, ["default", "reports"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// After shutdown.
    pub fn stores(&self) -> Result<Vec<StoreName>, SchedulerError> {
        self.engine().stores()
    }

    /// Returns the jobs that the stores have found and cannot read. They are kept, and neither fire nor are listed.
    ///
    /// ```
    /// # use matins_scheduler::SchedulerBuilder;
    /// # use matins_store_memory::MemoryStore;
    /// # let start = "2026-01-01T00:00:00Z".parse()?;
    /// # let mut scheduler = SchedulerBuilder::new().store("default", MemoryStore::new()).testing(start)?;
    /// for (store, job) in scheduler.quarantined()? {
    ///     eprintln!("{store}: {job:?}");
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// After shutdown.
    pub fn quarantined(&self) -> Result<Vec<(StoreName, Quarantined)>, SchedulerError> {
        self.engine().quarantined()
    }

    /// Returns how many runs in the ledgers of all stores meet the conditions of `query`.
    ///
    /// ```
    /// # use matins_core::{Outcome, RunQuery, TaskContext};
    /// # use matins_scheduler::{Schedule, SchedulerBuilder};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::{TimeUnits, every};
    /// # let start = "2026-01-01T00:00:00Z".parse()?;
    /// # let mut scheduler = SchedulerBuilder::new().store("default", MemoryStore::new()).testing(start)?;
    /// let flaky = |context: &TaskContext| if context.run.0 % 3 == 0 { Err("no luck") } else { Ok(()) };
    /// scheduler.add(every(1.hours()).run(flaky))?;
    /// scheduler.advance(1.days());
    ///
    /// assert_eq!(scheduler.count_runs(&RunQuery::default().outcome(Outcome::Failed))?, 8);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If a store fails.
    pub fn count_runs(&self, query: &RunQuery) -> Result<usize, SchedulerError> {
        self.engine().count_runs(query)
    }

    /// Returns how many runs in the ledger of one store meet the conditions of `query`.
    ///
    /// ```
    /// # use matins_core::RunQuery;
    /// # use matins_scheduler::{Schedule, SchedulerBuilder};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::{TimeUnits, every};
    /// # let start = "2026-01-01T00:00:00Z".parse()?;
    /// # let mut scheduler = SchedulerBuilder::new().store("default", MemoryStore::new()).testing(start)?;
    /// scheduler.add(every(1.hours()).run(|| ()))?;
    /// scheduler.advance(1.days());
    /// assert_eq!(scheduler.count_runs_in("default", &RunQuery::default())?, 24);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If there is no such store, or it fails.
    pub fn count_runs_in(&self, store: impl AsRef<str>, query: &RunQuery) -> Result<usize, SchedulerError> {
        self.engine().count_runs_in(&StoreName::new(store)?, query)
    }

    /// Returns the rows of the ledgers of all stores that `query` asks for, each with its store.
    ///
    /// The rows of a store are in the order of the query. Between stores, the row with the earlier fire time comes first, or with
    /// [`NewestFirst`](matins_core::RunOrder::NewestFirst) the one with the later fire time. The [limit](RunQuery::limit) is for all stores
    /// together. Runs are numbered in each store by itself, and so [`after`](RunQuery::after) applies to each store: a long ledger is
    /// best read in pages from one store, with [`runs_in`](Self::runs_in).
    ///
    /// ```
    /// # use matins_core::RunQuery;
    /// # use matins_scheduler::{Schedule, SchedulerBuilder};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::{every, TimeUnits};
    /// # let start = "2026-01-01T00:00:00Z".parse().unwrap();
    /// let builder = SchedulerBuilder::new().store("default", MemoryStore::new()).store("other", MemoryStore::new());
    /// let mut scheduler = builder.testing(start).unwrap();
    /// scheduler.add(every(2.hours()).run(|| ()).id("a")).unwrap();
    /// scheduler.add(every(3.hours()).run(|| ()).id("b").store("other")).unwrap();
    /// scheduler.advance(6.hours());
    ///
    /// let runs = scheduler.runs(&RunQuery::default().limit(4)).unwrap();
    /// let jobs: Vec<String> = runs.iter().map(|(store, run)| format!("{} in {store}", run.job)).collect();
    /// assert_eq!(jobs, ["a in default", "b in other", "a in default", "a in default"]);
    /// ```
    ///
    /// # Errors
    /// If a store fails.
    pub fn runs(&self, query: &RunQuery) -> Result<Vec<(StoreName, Run)>, SchedulerError> {
        self.engine().runs(query)
    }

    /// Returns the rows of the ledger of one store that `query` asks for.
    ///
    /// ```
    /// # use matins_core::{RunQuery};
    /// # use matins_scheduler::{Schedule, SchedulerBuilder};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::{TimeUnits, every};
    /// # let start = "2026-01-01T00:00:00Z".parse()?;
    /// # let builder = SchedulerBuilder::new().store("default", MemoryStore::new());
    /// # let mut scheduler = builder.store("scratch", MemoryStore::new()).testing(start)?;
    /// scheduler.add(every(1.hours()).run(|| ()).store("scratch"))?;
    /// scheduler.advance(1.days());
    /// assert_eq!(scheduler.runs_in("scratch", &RunQuery::default())?.len(), 24);
    /// assert!(scheduler.runs_in("default", &RunQuery::default())?.is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If there is no such store, or it fails.
    pub fn runs_in(&self, store: impl AsRef<str>, query: &RunQuery) -> Result<Vec<Run>, SchedulerError> {
        self.engine().runs_in(&StoreName::new(store)?, query)
    }

    /// Returns how far a run of a store's job has come, or `None` if it is not in progress or its task has not
    /// [reported](matins_core::TaskContext::progress) any.
    ///
    /// ```
    /// # use matins_core::{StoreName, TaskContext};
    /// # use matins_scheduler::{Schedule, SchedulerBuilder, SchedulerError};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::{TimeUnits, every};
    /// # let start = "2026-01-01T00:00:00Z".parse()?;
    /// # let mut scheduler = SchedulerBuilder::new().store("default", MemoryStore::new()).testing(start)?;
    /// let handle = scheduler.handle();
    /// let copy = move |context: &TaskContext| {
    ///     context.progress(3, 10);
    ///     // Any thread that has a handle can ask.
    ///     let progress = handle.progress(&StoreName::default(), context.run)?;
    ///     Ok::<_, SchedulerError>(progress.map(|progress| progress.to_string()))
    /// };
    /// scheduler.add(every(1.hours()).run(copy).id("copy"))?;
    /// assert_eq!(scheduler.run_now("copy")?.result, Some("3 of 10".into()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If there is no such store.
    pub fn progress(&self, store: &StoreName, run: RunId) -> Result<Option<Progress>, SchedulerError> {
        self.engine().progress(store, run)
    }

    /// Returns what a run in progress has [logged](matins_core::TaskContext::log) and what its command has printed so far, or `None`
    /// if it is not in progress here or has done neither. When the run ends, the ledger has its output.
    ///
    /// ```
    /// # use matins_core::{StoreName, TaskContext};
    /// # use matins_scheduler::{Schedule, SchedulerBuilder, SchedulerError};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::{TimeUnits, every};
    /// # let start = "2026-01-01T00:00:00Z".parse()?;
    /// # let mut scheduler = SchedulerBuilder::new().store("default", MemoryStore::new()).testing(start)?;
    /// let handle = scheduler.handle();
    /// let copy = move |context: &TaskContext| {
    ///     context.log("copying a.txt");
    ///     // Any thread that has a handle can ask.
    ///     Ok::<_, SchedulerError>(handle.output(&StoreName::default(), context.run)?)
    /// };
    /// scheduler.add(every(1.hours()).run(copy).id("copy"))?;
    /// assert_eq!(scheduler.run_now("copy")?.result, Some("copying a.txt".into()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If there is no such store.
    pub fn output(&self, store: &StoreName, run: RunId) -> Result<Option<String>, SchedulerError> {
        self.engine().output(store, run)
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

    /// Requests cancellation of a run of a store's job. Returns `false` if the run is not in progress. How soon the run stops depends on
    /// its task and its executor. A run of another scheduler, which shares the store, is told within some seconds.
    ///
    /// ```
    /// # use std::thread;
    /// # use matins_core::{Outcome, TaskContext};
    /// # use matins_executor_thread::ThreadExecutor;
    /// # use matins_scheduler::{Event, Schedule, SchedulerBuilder};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::{TimeUnits, every};
    /// # let mut scheduler = SchedulerBuilder::new()
    /// #     .store("default", MemoryStore::new())
    /// #     .executor("default", ThreadExecutor::new())
    /// #     .background()?;
    /// # scheduler.start()?;
    /// let wait_for_the_end = |context: &TaskContext| -> Result<(), &'static str> {
    ///     while !context.is_cancelled() {
    ///         thread::yield_now();
    ///     }
    ///     Err("it was told to stop")
    /// };
    /// let job = scheduler.add(every(1.hours()).run(wait_for_the_end))?;
    /// let mut started = scheduler.subscribe_to(|event| matches!(event, Event::RunStarted { .. }));
    /// let outcome = job.run_now()?;
    /// if let Some(Event::RunStarted { store, run }) = started.next() {
    ///     assert!(scheduler.cancel(&store, run.id)?);
    /// }
    /// assert_eq!(outcome.wait()?.outcome, Some(Outcome::Cancelled));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If there is no such store, and if a shared store cannot be written.
    pub fn cancel(&self, store: &StoreName, run: RunId) -> Result<bool, SchedulerError> {
        match self.engine().cancel(store, run)? {
            // Not under a lock: what the token calls may use a handle.
            Cancelling::Here(token) => token.cancel(),
            Cancelling::Elsewhere => {}
            Cancelling::Nothing => return Ok(false),
        }
        Ok(true)
    }

    /// Adds a store. Unfinished runs left by an earlier process are recovered, and overdue jobs fire.
    ///
    /// ```
    /// # use matins_scheduler::{Schedule, SchedulerBuilder, SchedulerError};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::{TimeUnits, every};
    /// # let start = "2026-01-01T00:00:00Z".parse()?;
    /// # let mut scheduler = SchedulerBuilder::new().store("default", MemoryStore::new()).testing(start)?;
    /// scheduler.add_store("scratch", MemoryStore::new())?;
    /// scheduler.add(every(1.hours()).run(|| ()).store("scratch"))?;
    /// assert_eq!(scheduler.advance(1.days()).len(), 24);
    ///
    /// let again = scheduler.add_store("scratch", MemoryStore::new());
    /// assert!(matches!(again, Err(SchedulerError::StoreExists { .. })));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If the name is invalid or taken, if the store cannot be read, and after shutdown.
    pub fn add_store(
        &self,
        name: impl AsRef<str>,
        store: impl JobStore + 'static,
    ) -> Result<(), SchedulerError> {
        let (name, store) = (StoreName::new(name)?, Box::new(store));
        self.engine().add_store(name, store)
    }

    /// Takes a store away, and gives it back. Its jobs fire no more from now on; runs in progress are ended as `how` says, and
    /// waited for, on the calling thread. Runs that wait stay in it, for the
    /// next scheduler that it is given to. A store that fails is given back once its runs would have been left behind; with
    /// [`Shutdown::Wait`], when it works again and has recorded their outcomes.
    ///
    /// ```
    /// # use matins_core::{JobQuery, Shutdown};
    /// # use matins_executor_thread::ThreadExecutor;
    /// # use matins_scheduler::{Schedule, SchedulerBuilder};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::{TimeUnits, every};
    /// # let mut scheduler = SchedulerBuilder::new()
    /// #     .store("default", MemoryStore::new())
    /// #     .executor("default", ThreadExecutor::new())
    /// #     .background()?;
    /// # scheduler.start()?;
    /// scheduler.add(every(1.hours()).run(|| ()).id("report"))?;
    ///
    /// let mut store = scheduler.remove_store("default", Shutdown::Wait)?;
    /// assert!(scheduler.get("report")?.is_none(), "the scheduler has no store");
    /// assert_eq!(store.count(&JobQuery::default())?, 1, "its job is still in it");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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
    /// meanwhile. Afterwards the scheduler looks at the store as it does at its start: runs that are in progress by its ledger,
    /// and not here, become interrupted.
    ///
    /// Jobs that are put in so are not checked as [`add`](Self::add) checks them: a run whose task is not registered fails
    /// when its time comes.
    ///
    /// ```
    /// # use matins_core::JobQuery;
    /// # use matins_scheduler::{Schedule, SchedulerBuilder};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::{TimeUnits, every};
    /// # let start = "2026-01-01T00:00:00Z".parse()?;
    /// # let mut scheduler = SchedulerBuilder::new().store("default", MemoryStore::new()).testing(start)?;
    /// scheduler.add(every(1.hours()).run(|| ()))?;
    ///
    /// let jobs = scheduler.with_store("default", |store| store.list(&JobQuery::default()))??;
    /// assert_eq!(jobs.len(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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

    /// Adds an executor. An executor of the same name is replaced, and ended as `how` says, on the calling thread. Where
    /// [`shutdown`](Self::shutdown) does not wait, another thread ends it.
    ///
    /// ```
    /// # use matins_core::Shutdown;
    /// # use matins_executor_thread::ThreadExecutor;
    /// # use matins_scheduler::{Schedule, SchedulerBuilder};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::{TimeUnits, every};
    /// # let mut scheduler = SchedulerBuilder::new()
    /// #     .store("default", MemoryStore::new())
    /// #     .executor("default", ThreadExecutor::new())
    /// #     .background()?;
    /// # scheduler.start()?;
    /// let one_at_a_time = ThreadExecutor::builder().workers(1).build();
    /// scheduler.add_executor("database", one_at_a_time, Shutdown::Wait)?;
    ///
    /// let job = scheduler.add(every(1.hours()).run(|| "vacuumed").executor("database"))?;
    /// assert_eq!(job.run_now()?.wait()?.result, Some("vacuumed".into()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If the name is invalid, and after shutdown.
    pub fn add_executor(
        &self,
        name: impl AsRef<str>,
        executor: impl Executor + 'static,
        how: Shutdown,
    ) -> Result<(), SchedulerError> {
        let name = ExecutorName::new(name)?;
        self.engine().add_executor(name.clone(), executor.survives())?;
        self.shared.put_executor(name, Box::new(executor), how);
        Ok(())
    }

    /// Removes an executor, and ends it as `how` says, on the calling thread. Where [`shutdown`](Self::shutdown) does not wait, another
    /// thread ends it. Runs of jobs that name it fail until there is another executor of its name.
    ///
    /// ```
    /// # use matins_core::{Outcome, Shutdown};
    /// # use matins_executor_thread::ThreadExecutor;
    /// # use matins_scheduler::{Schedule, SchedulerBuilder};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::{TimeUnits, every};
    /// # let mut scheduler = SchedulerBuilder::new()
    /// #     .store("default", MemoryStore::new())
    /// #     .executor("default", ThreadExecutor::new())
    /// #     .background()?;
    /// # scheduler.start()?;
    /// let job = scheduler.add(every(1.hours()).run(|| ()))?;
    ///
    /// scheduler.remove_executor("default", Shutdown::Wait)?;
    /// let run = job.run_now()?.wait()?;
    /// assert_eq!(run.outcome, Some(Outcome::Failed));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If there is no such executor, and after shutdown.
    pub fn remove_executor(&self, name: impl AsRef<str>, how: Shutdown) -> Result<(), SchedulerError> {
        let name = ExecutorName::new(name)?;
        self.engine().remove_executor(&name)?;
        self.shared.take_executor(&name, how);
        Ok(())
    }
}
