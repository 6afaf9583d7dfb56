//! Lists and counts of jobs and runs.

use matins_core::{Job, JobQuery, Run, RunQuery, StoreName};

use super::AsyncHandle;
use super::forwarded::{argument, forwarded, given, owned};
use crate::SchedulerError;

forwarded! {
    /// Returns the jobs that `query` asks for, store by store. See [`Handle::list`](crate::Handle::list).
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
    /// handle.add(every(1.hours()).run(async || ()).id("poll")).await?;
    /// handle.add(every(1.days()).run(async || ()).id("backup").tag("disk")).await?;
    ///
    /// let jobs = handle.list(&JobQuery::default().tag("disk")).await?;
    /// let ids: Vec<&str> = jobs.iter().map(|(_store, job)| job.id.as_str()).collect();
    /// assert_eq!(ids, ["backup"]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Handle::list`](crate::Handle::list).
    list(query: jobs) -> Vec<(StoreName, Job)>;

    /// Returns the jobs of one store that match the query. See [`Handle::list_in`](crate::Handle::list_in).
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
    /// let jobs = handle.list_in("default", &JobQuery::default()).await?;
    /// assert_eq!(jobs[0].id, "report");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Handle::list_in`](crate::Handle::list_in).
    list_in(store: name, query: jobs) -> Vec<Job>;

    /// Returns how many jobs of all stores meet the conditions of `query`. See [`Handle::count`](crate::Handle::count).
    ///
    /// ```
    /// # use matins_core::{JobQuery, JobState};
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
    /// handle.add(every(1.hours()).run(async || ()).paused()).await?;
    /// handle.add(every(1.days()).run(async || ())).await?;
    /// assert_eq!(handle.count(&JobQuery::default().state(JobState::Paused)).await?, 1);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Handle::count`](crate::Handle::count).
    count(query: jobs) -> usize;

    /// Returns how many jobs of one store match the query. See [`Handle::count_in`](crate::Handle::count_in).
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
    /// handle.add(every(1.hours()).run(async || ())).await?;
    /// assert_eq!(handle.count_in("default", &JobQuery::default()).await?, 1);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Handle::count_in`](crate::Handle::count_in).
    count_in(store: name, query: jobs) -> usize;

    /// Returns the runs of all stores that match the query, each with its store. See [`Handle::runs`](crate::Handle::runs).
    ///
    /// ```
    /// # use matins_core::{RunQuery, Shutdown};
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
    /// let job = handle.add(every(1.hours()).run(async || "42 rows")).await?;
    /// job.run_now().await?.await?;
    ///
    /// let runs = handle.runs(&RunQuery::of_job(job.id()).limit(10)).await?;
    /// assert_eq!(runs[0].1.result, Some("42 rows".into()));
    /// # handle.shutdown(Shutdown::Wait).await;
    /// # running.await??;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Handle::runs`](crate::Handle::runs).
    runs(query: runs) -> Vec<(StoreName, Run)>;

    /// Returns the ledger of a store. See [`Handle::runs_in`](crate::Handle::runs_in).
    ///
    /// ```
    /// # use matins_core::{RunQuery, StoreName};
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
    /// handle.add_store("audit", MemoryStore::new()).await?;
    /// let runs = handle.runs_in(&StoreName::new("audit")?, &RunQuery::default()).await?;
    /// assert!(runs.is_empty());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Handle::runs_in`](crate::Handle::runs_in).
    runs_in(store: name, query: runs) -> Vec<Run>;

    /// Returns how many runs in the ledger of the store `default` meet the conditions of `query`. See [`Handle::count_runs`](crate::Handle::count_runs).
    ///
    /// ```
    /// # use matins_core::{Outcome, RunQuery, Shutdown};
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
    /// let job = handle.add(every(1.hours()).run(async || "42 rows")).await?;
    /// job.run_now().await?.await?;
    ///
    ///
    /// assert_eq!(handle.count_runs(&RunQuery::default().outcome(Outcome::Succeeded)).await?, 1);
    /// # handle.shutdown(Shutdown::Wait).await;
    /// # running.await??;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Handle::count_runs`](crate::Handle::count_runs).
    count_runs(query: runs) -> usize;

    /// Returns how many runs in the ledger of one store match the query. See [`Handle::count_runs_in`](crate::Handle::count_runs_in).
    ///
    /// ```
    /// # use matins_core::RunQuery;
    /// # use matins_core::Shutdown;
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
    /// handle.add(every(1.hours()).run(async || ())).await?.run_now().await?.await?;
    /// assert_eq!(handle.count_runs_in("default", &RunQuery::default()).await?, 1);
    /// # handle.shutdown(Shutdown::Wait).await;
    /// # running.await??;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Handle::count_runs_in`](crate::Handle::count_runs_in).
    count_runs_in(store: name, query: runs) -> usize;
}
