//! What an async handle does with stores, their ledgers, and executors.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use matins_core::{
    Executor, ExecutorName, JobStore, Progress, Quarantined, RunId, SharedStore, Shutdown, StoreName,
};

use super::AsyncHandle;
use super::forwarded::{argument, forwarded, given, owned};
use crate::SchedulerError;
use crate::asynchronous::calls::unblocked;

impl AsyncHandle {
    /// Adds a store. See [`Handle::add_store`](crate::Handle::add_store).
    ///
    /// ```
    /// # use matins_executor_tokio::TokioExecutor;
    /// # use matins_scheduler::{Schedule, SchedulerBuilder};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::{TimeUnits, every};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let scheduler = SchedulerBuilder::new()
    /// #     .store("default", MemoryStore::new())
    /// #     .executor("default", TokioExecutor::current()?)
    /// #     .asynchronous()?;
    /// # let handle = scheduler.handle();
    /// handle.add_store("scratch", MemoryStore::new()).await?;
    /// handle.add(every(1.hours()).run(async || ()).store("scratch")).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Handle::add_store`](crate::Handle::add_store).
    pub async fn add_store(
        &self,
        name: impl AsRef<str>,
        store: impl JobStore + 'static,
    ) -> Result<(), SchedulerError> {
        let name = StoreName::new(name)?;
        self.call(move |handle| handle.add_store(name, store)).await
    }

    /// Removes a store and returns it. See [`Handle::remove_store`](crate::Handle::remove_store).
    ///
    /// ```
    /// # use matins_core::{JobQuery, Shutdown};
    /// # use matins_executor_tokio::TokioExecutor;
    /// # use matins_scheduler::{Schedule, SchedulerBuilder};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::{TimeUnits, every};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let scheduler = SchedulerBuilder::new()
    /// #     .store("default", MemoryStore::new())
    /// #     .executor("default", TokioExecutor::current()?)
    /// #     .asynchronous()?;
    /// # let handle = scheduler.handle();
    /// handle.add(every(1.hours()).run(async || ())).await?;
    /// let mut store = handle.remove_store("default", Shutdown::Wait).await?;
    /// assert_eq!(store.count(&JobQuery::default())?, 1, "its job is still in it");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Handle::remove_store`](crate::Handle::remove_store). [`SchedulerError::WaitsForItself`] if a job of that store awaits this.
    pub async fn remove_store(
        &self,
        name: impl AsRef<str>,
        how: Shutdown,
    ) -> Result<Box<dyn JobStore>, SchedulerError> {
        let name = StoreName::new(name)?;
        if self.handle.shared.engine.is_driven() && self.handle.shared.is_needed_for(|lane| lane.name == name)
        {
            return Err(SchedulerError::WaitsForItself);
        }
        // It waits, also where the scheduler is driven on the runtime.
        let handle = self.handle.clone();
        unblocked(move || handle.remove_store(name, how)).await
    }

    /// Calls `work` with a store itself, on a thread that may block. See [`Handle::with_store`](crate::Handle::with_store).
    ///
    /// ```
    /// # use matins_core::JobQuery;
    /// # use matins_executor_tokio::TokioExecutor;
    /// # use matins_scheduler::{Schedule, SchedulerBuilder};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::{TimeUnits, every};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let scheduler = SchedulerBuilder::new()
    /// #     .store("default", MemoryStore::new())
    /// #     .executor("default", TokioExecutor::current()?)
    /// #     .asynchronous()?;
    /// # let handle = scheduler.handle();
    /// handle.add(every(1.hours()).run(async || ()).id("report")).await?;
    ///
    /// let jobs = handle.with_store("default", |store| store.list(&JobQuery::default())).await??;
    /// assert_eq!(jobs.len(), 1);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Handle::with_store`](crate::Handle::with_store).
    pub async fn with_store<T: Send + 'static>(
        &self,
        name: impl AsRef<str>,
        work: impl FnOnce(&mut dyn JobStore) -> T + Send + 'static,
    ) -> Result<T, SchedulerError> {
        let name = StoreName::new(name)?;
        self.call(move |handle| handle.with_store(name, work)).await
    }

    /// Calls `work` with what can be asked of a store that schedulers share, on a thread that may block. See
    /// [`Handle::with_shared_store`](crate::Handle::with_shared_store).
    ///
    /// ```
    /// # use matins_executor_tokio::TokioExecutor;
    /// # use matins_scheduler::SchedulerBuilder;
    /// # use matins_store_memory::MemoryStore;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let scheduler = SchedulerBuilder::new().store("default", MemoryStore::new()).asynchronous()?;
    /// # let handle = scheduler.handle();
    /// let members = handle.with_shared_store("default", |store| store.members()).await?;
    /// assert!(members.is_none(), "a store in memory is not shared");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Handle::with_shared_store`](crate::Handle::with_shared_store).
    pub async fn with_shared_store<T: Send + 'static>(
        &self,
        name: impl AsRef<str>,
        work: impl FnOnce(&mut dyn SharedStore) -> T + Send + 'static,
    ) -> Result<Option<T>, SchedulerError> {
        let name = StoreName::new(name)?;
        self.call(move |handle| handle.with_shared_store(name, work)).await
    }

    /// Adds an executor. An executor of the same name is replaced, and ended as `how` says. See [`Handle::add_executor`](crate::Handle::add_executor).
    ///
    /// ```
    /// # use matins_core::Shutdown;
    /// # use matins_executor_thread::ThreadExecutor;
    /// # use matins_executor_tokio::TokioExecutor;
    /// # use matins_scheduler::{Schedule, SchedulerBuilder};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::{TimeUnits, every};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let scheduler = SchedulerBuilder::new()
    /// #     .store("default", MemoryStore::new())
    /// #     .executor("default", TokioExecutor::current()?)
    /// #     .asynchronous()?;
    /// # let handle = scheduler.handle();
    /// # let running = tokio::spawn(scheduler.run());
    /// // Blocking tasks go to threads of their own.
    /// handle.add_executor("blocking", ThreadExecutor::new(), Shutdown::Wait).await?;
    /// let job = handle.add(every(1.hours()).run(|| "from a thread").executor("blocking")).await?;
    /// assert_eq!(job.run_now().await?.await?.result, Some("from a thread".into()));
    /// # handle.shutdown(Shutdown::Wait).await;
    /// # running.await??;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Handle::add_executor`](crate::Handle::add_executor).
    pub async fn add_executor(
        &self,
        name: impl AsRef<str>,
        executor: impl Executor + 'static,
        how: Shutdown,
    ) -> Result<(), SchedulerError> {
        let name = ExecutorName::new(name)?;
        self.call(move |handle| handle.add_executor(name, executor, how)).await
    }
}

forwarded! {
    /// Returns the names of the scheduler's stores. See [`Handle::stores`](crate::Handle::stores).
    ///
    /// ```
    /// # use matins_executor_tokio::TokioExecutor;
    /// # use matins_scheduler::SchedulerBuilder;
    /// # use matins_store_memory::MemoryStore;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let scheduler = SchedulerBuilder::new()
    /// #     .store("default", MemoryStore::new())
    /// #     .executor("default", TokioExecutor::current()?)
    /// #     .asynchronous()?;
    /// # let handle = scheduler.handle();
    /// handle.add_store("reports", MemoryStore::new()).await?;
    /// assert_eq!(handle.stores().await?, ["default", "reports"]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Handle::stores`](crate::Handle::stores).
    stores() -> Vec<StoreName>;

    /// Returns the jobs that the stores have found and cannot read. See [`Handle::quarantined`](crate::Handle::quarantined).
    ///
    /// ```
    /// # use matins_executor_tokio::TokioExecutor;
    /// # use matins_scheduler::SchedulerBuilder;
    /// # use matins_store_memory::MemoryStore;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let scheduler = SchedulerBuilder::new()
    /// #     .store("default", MemoryStore::new())
    /// #     .executor("default", TokioExecutor::current()?)
    /// #     .asynchronous()?;
    /// # let handle = scheduler.handle();
    /// for (store, job) in handle.quarantined().await? {
    ///     eprintln!("{store}: {job:?}");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Handle::quarantined`](crate::Handle::quarantined).
    quarantined() -> Vec<(StoreName, Quarantined)>;

    /// Returns how far a run of a store's job has come, or `None` if it is not in progress or its task has not reported any. See [`Handle::progress`](crate::Handle::progress).
    ///
    /// ```
    /// # use matins_core::{Shutdown, StoreName, TaskContext};
    /// # use matins_executor_tokio::TokioExecutor;
    /// # use matins_scheduler::{Schedule, SchedulerBuilder, SchedulerError};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::{TimeUnits, every};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let scheduler = SchedulerBuilder::new()
    /// #     .store("default", MemoryStore::new())
    /// #     .executor("default", TokioExecutor::current()?)
    /// #     .asynchronous()?;
    /// # let handle = scheduler.handle();
    /// # let running = tokio::spawn(scheduler.run());
    /// let asks = handle.clone();
    /// let copy = move |context: TaskContext| {
    ///     let handle = asks.clone();
    ///     async move {
    ///         context.progress(3, 10);
    ///         let progress = handle.progress(&StoreName::default(), context.run).await?;
    ///         Ok::<_, SchedulerError>(progress.map(|progress| progress.to_string()))
    ///     }
    /// };
    /// let job = handle.add(every(1.hours()).run(copy)).await?;
    /// assert_eq!(job.run_now().await?.await?.result, Some("3 of 10".into()));
    /// # handle.shutdown(Shutdown::Wait).await;
    /// # running.await??;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Handle::progress`](crate::Handle::progress).
    progress(store: store, run: run) -> Option<Progress>;

    /// Returns what a run in progress has logged and what its command has printed so far, or `None` if it is not in progress here or has done neither. See [`Handle::output`](crate::Handle::output).
    ///
    /// ```
    /// # use matins_core::{Shutdown, StoreName, TaskContext};
    /// # use matins_executor_tokio::TokioExecutor;
    /// # use matins_scheduler::{Schedule, SchedulerBuilder, SchedulerError};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::{TimeUnits, every};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let scheduler = SchedulerBuilder::new()
    /// #     .store("default", MemoryStore::new())
    /// #     .executor("default", TokioExecutor::current()?)
    /// #     .asynchronous()?;
    /// # let handle = scheduler.handle();
    /// # let running = tokio::spawn(scheduler.run());
    /// let asks = handle.clone();
    /// let copy = move |context: TaskContext| {
    ///     let handle = asks.clone();
    ///     async move {
    ///         context.log("copying a.txt");
    ///         Ok::<_, SchedulerError>(handle.output(&StoreName::default(), context.run).await?)
    ///     }
    /// };
    /// let job = handle.add(every(1.hours()).run(copy)).await?;
    /// assert_eq!(job.run_now().await?.await?.result, Some("copying a.txt".into()));
    /// # handle.shutdown(Shutdown::Wait).await;
    /// # running.await??;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Handle::output`](crate::Handle::output).
    output(store: store, run: run) -> Option<String>;

    /// Returns the runs of a store's jobs that executors have taken, each with the time at which its work began, or `None` for a run that is queued. See [`Handle::in_flight`](crate::Handle::in_flight).
    ///
    /// ```
    /// # use matins_core::{Shutdown, StoreName};
    /// # use matins_executor_tokio::TokioExecutor;
    /// # use matins_scheduler::{Schedule, SchedulerBuilder};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::{TimeUnits, every};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let scheduler = SchedulerBuilder::new()
    /// #     .store("default", MemoryStore::new())
    /// #     .executor("default", TokioExecutor::current()?)
    /// #     .asynchronous()?;
    /// # let handle = scheduler.handle();
    /// # let running = tokio::spawn(scheduler.run());
    /// let asks = handle.clone();
    /// let count = move || {
    ///     let handle = asks.clone();
    ///     async move { handle.in_flight(&StoreName::default()).await.map(|runs| runs.len()) }
    /// };
    /// let job = handle.add(every(1.hours()).run(count)).await?;
    /// assert_eq!(job.run_now().await?.await?.result, Some(1.into()), "the run counts itself");
    /// # handle.shutdown(Shutdown::Wait).await;
    /// # running.await??;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Handle::in_flight`](crate::Handle::in_flight).
    in_flight(store: store) -> BTreeMap<RunId, Option<DateTime<Utc>>>;

    /// Requests cancellation of a run of a store's job. Returns `false` if the run is not in progress. See [`Handle::cancel`](crate::Handle::cancel).
    ///
    /// ```
    /// # use matins_core::{Outcome, Shutdown};
    /// # use matins_executor_tokio::TokioExecutor;
    /// # use matins_scheduler::{Event, Schedule, SchedulerBuilder};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::{TimeUnits, every};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let scheduler = SchedulerBuilder::new()
    /// #     .store("default", MemoryStore::new())
    /// #     .executor("default", TokioExecutor::current()?)
    /// #     .asynchronous()?;
    /// # let handle = scheduler.handle();
    /// # let running = tokio::spawn(scheduler.run());
    /// let mut started = handle.subscribe_to(|event| matches!(event, Event::RunStarted { .. })).await;
    /// let job = handle.add(every(1.hours()).run(async || std::future::pending::<()>().await)).await?;
    /// let outcome = job.run_now().await?;
    /// if let Some(Event::RunStarted { store, run }) = started.next().await {
    ///     assert!(handle.cancel(&store, run.id).await?);
    /// }
    /// assert_eq!(outcome.await?.outcome, Some(Outcome::Cancelled));
    /// # handle.shutdown(Shutdown::Wait).await;
    /// # running.await??;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Handle::cancel`](crate::Handle::cancel).
    cancel(store: store, run: run) -> bool;

    /// Removes an executor, and ends it as `how` says. See [`Handle::remove_executor`](crate::Handle::remove_executor).
    ///
    /// ```
    /// # use matins_core::{Outcome, Shutdown};
    /// # use matins_executor_tokio::TokioExecutor;
    /// # use matins_scheduler::{Schedule, SchedulerBuilder};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::{TimeUnits, every};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let scheduler = SchedulerBuilder::new()
    /// #     .store("default", MemoryStore::new())
    /// #     .executor("default", TokioExecutor::current()?)
    /// #     .asynchronous()?;
    /// # let handle = scheduler.handle();
    /// # let running = tokio::spawn(scheduler.run());
    /// let job = handle.add(every(1.hours()).run(async || ())).await?;
    /// handle.remove_executor("default", Shutdown::Wait).await?;
    /// assert_eq!(job.run_now().await?.await?.outcome, Some(Outcome::Failed));
    /// # handle.shutdown(Shutdown::Wait).await;
    /// # running.await??;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Handle::remove_executor`](crate::Handle::remove_executor).
    remove_executor(name: name, how: how) -> ();
}
