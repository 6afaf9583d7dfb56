//! What an async handle does with jobs.

use matins_core::{IntoTrigger, Job, JobId, JobQuery, NameError, StoreName};

use super::AsyncHandle;
use super::forwarded::{argument, forwarded, given, owned};
use crate::SchedulerError;
use crate::add_commands::AddOutcome;
use crate::asynchronous::AsyncJobHandle;
use crate::new_job::NewJob;
use crate::outcomes::PendingOutcome;

impl AsyncHandle {
    /// Adds a job and returns a handle to it. See [`Handle::add`](crate::Handle::add).
    ///
    /// ```
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
    /// let job = handle.add(every(1.hours()).run(async || 6 * 7)).await?;
    /// assert_eq!(job.run_now().await?.await?.result, Some(42.into()));
    /// # handle.shutdown(Shutdown::Wait).await;
    /// # running.await??;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Handle::add`](crate::Handle::add).
    pub async fn add(&self, job: NewJob) -> Result<AsyncJobHandle, SchedulerError> {
        let job = self.call(move |handle| handle.add(job)).await?;
        Ok(AsyncJobHandle { handle: self.clone(), id: job.id().clone(), add_outcome: job.add_outcome() })
    }

    /// Adds many jobs and returns what happened to each, in their order. See [`Handle::add_many`](crate::Handle::add_many).
    ///
    /// ```
    /// # use matins_executor_tokio::TokioExecutor;
    /// # use matins_scheduler::{AddOutcome, Schedule, SchedulerBuilder};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::{TimeUnits, every};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let scheduler = SchedulerBuilder::new()
    /// #     .store("default", MemoryStore::new())
    /// #     .executor("default", TokioExecutor::current()?)
    /// #     .asynchronous()?;
    /// # let handle = scheduler.handle();
    /// handle.register("poll", async |host: u32| println!("polling {host}")).await?;
    /// let jobs = (0..100).map(|host| every(10.minutes()).task("poll").id(format!("host-{host}")).arguments(host));
    /// let added = handle.add_many(jobs).await?;
    /// assert!(added.iter().all(|(_id, outcome)| *outcome == AddOutcome::Added));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Handle::add_many`](crate::Handle::add_many).
    pub async fn add_many(
        &self,
        jobs: impl IntoIterator<Item = NewJob>,
    ) -> Result<Vec<(JobId, AddOutcome)>, SchedulerError> {
        let jobs: Vec<NewJob> = jobs.into_iter().collect();
        self.call(move |handle| handle.add_many(jobs)).await
    }

    /// Applies `change` to a job and returns the updated job. See [`Handle::modify`](crate::Handle::modify).
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
    /// handle.add(every(1.hours()).run(async || ()).id("report")).await?;
    ///
    /// let job = handle.modify("report", |job| job.policy.priority = 10).await?;
    /// assert_eq!(job.policy.priority, 10);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Handle::modify`](crate::Handle::modify).
    pub async fn modify(
        &self,
        id: impl AsRef<str>,
        change: impl FnMut(&mut Job) + Send + 'static,
    ) -> Result<Job, SchedulerError> {
        let id = JobId::new(id)?;
        self.call(move |handle| handle.modify(&id, change)).await
    }

    /// Gives a job another trigger and returns the updated job. See [`Handle::reschedule`](crate::Handle::reschedule).
    ///
    /// ```
    /// # use matins_executor_tokio::TokioExecutor;
    /// # use matins_scheduler::{Schedule, SchedulerBuilder};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::{TimeUnits, cron, every};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let scheduler = SchedulerBuilder::new()
    /// #     .store("default", MemoryStore::new())
    /// #     .executor("default", TokioExecutor::current()?)
    /// #     .asynchronous()?;
    /// # let handle = scheduler.handle();
    /// handle.add(every(1.hours()).run(async || ()).id("report")).await?;
    ///
    /// let job = handle.reschedule("report", cron("0 9 * * MON-FRI")).await?;
    /// assert_eq!(job.trigger.describe(), "at 09:00 on weekdays, UTC");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Handle::reschedule`](crate::Handle::reschedule).
    pub async fn reschedule(
        &self,
        id: impl AsRef<str>,
        trigger: impl IntoTrigger + Send + 'static,
    ) -> Result<Job, SchedulerError> {
        let id = JobId::new(id)?;
        self.call(move |handle| handle.reschedule(&id, trigger)).await
    }
}

forwarded! {
    /// Returns the job with this id, or `None`. See [`Handle::get`](crate::Handle::get).
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
    /// handle.add(every(1.hours()).run(async || ()).id("report")).await?;
    ///
    /// let job = handle.get("report").await?.expect("it was added");
    /// assert_eq!(job.trigger.describe(), "every hour");
    /// assert!(handle.get("no-such-job").await?.is_none());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Handle::get`](crate::Handle::get).
    get(id: id) -> Option<Job>;

    /// Removes a job and returns it. See [`Handle::remove`](crate::Handle::remove).
    ///
    /// ```
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
    /// handle.add(every(1.hours()).run(async || ()).id("report")).await?;
    ///
    /// assert_eq!(handle.remove("report").await?.id, "report");
    /// assert!(matches!(handle.remove("report").await, Err(SchedulerError::NoJob { .. })));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Handle::remove`](crate::Handle::remove).
    remove(id: id) -> Job;

    /// Removes the jobs with these ids, and returns those that there were. See [`Handle::remove_many`](crate::Handle::remove_many).
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
    /// handle.add(every(1.hours()).run(async || ()).id("report")).await?;
    ///
    /// let removed = handle.remove_many(["report", "no-such-job"]).await?;
    /// assert_eq!(removed.len(), 1);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Handle::remove_many`](crate::Handle::remove_many).
    remove_many(ids: ids) -> Vec<Job>;

    /// Removes the jobs of all stores that meet the conditions of `query`, and returns how many they were. See [`Handle::remove_matching`](crate::Handle::remove_matching).
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
    /// handle.add(every(10.minutes()).run(async || ()).tag("poll")).await?;
    /// handle.add(every(10.minutes()).run(async || ()).tag("poll")).await?;
    /// assert_eq!(handle.remove_matching(&JobQuery::default().tag("poll")).await?, 2);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Handle::remove_matching`](crate::Handle::remove_matching).
    remove_matching(query: jobs) -> usize;

    /// Removes all jobs from a store and returns how many were removed. See [`Handle::remove_all`](crate::Handle::remove_all).
    ///
    /// ```
    /// # use matins_core::{JobQuery, StoreName};
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
    /// assert_eq!(handle.remove_all(&StoreName::default()).await?, 1);
    /// assert_eq!(handle.count(&JobQuery::default()).await?, 0);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Handle::remove_all`](crate::Handle::remove_all).
    remove_all(store: store) -> usize;

    /// Moves a job to another store. See [`Handle::move_to`](crate::Handle::move_to).
    ///
    /// ```
    /// # use matins_core::{JobQuery, StoreName};
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
    /// handle.add_store("archive", MemoryStore::new()).await?;
    /// let archive = StoreName::new("archive")?;
    /// handle.move_to("report", &archive).await?;
    /// assert_eq!(handle.list(&JobQuery::default()).await?[0].0, archive);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Handle::move_to`](crate::Handle::move_to).
    move_to(id: id, store: store) -> ();

    /// Starts a run of a job now. The outcome can be awaited. See [`Handle::run_now`](crate::Handle::run_now).
    ///
    /// ```
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
    /// handle.add(every(1.hours()).run(async || "42 rows").id("report")).await?;
    /// // The first `await` is for the call, the second one for the run.
    /// let run = handle.run_now("report").await?.await?;
    /// assert_eq!(run.result, Some("42 rows".into()));
    /// # handle.shutdown(Shutdown::Wait).await;
    /// # running.await??;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Handle::run_now`](crate::Handle::run_now).
    run_now(id: id) -> PendingOutcome;

    /// Returns the outcome of the next run of the job that ends or is missed. See [`Handle::next_outcome`](crate::Handle::next_outcome).
    ///
    /// ```
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
    /// handle.add(every(10.milliseconds()).run(async || ()).id("tick")).await?;
    /// let run = handle.next_outcome("tick").await?.await?;
    /// assert_eq!(run.job, "tick");
    /// # handle.shutdown(Shutdown::Wait).await;
    /// # running.await??;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Handle::next_outcome`](crate::Handle::next_outcome).
    next_outcome(id: id) -> PendingOutcome;

    /// Pauses a job: it has no next fire time until it is resumed. See [`Handle::pause`](crate::Handle::pause).
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
    /// handle.add(every(1.hours()).run(async || ()).id("report")).await?;
    ///
    /// handle.pause("report").await?;
    /// assert_eq!(handle.get("report").await?.unwrap().next_fire, None);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Handle::pause`](crate::Handle::pause).
    pause(id: id) -> ();

    /// Resumes a paused job. See [`Handle::resume`](crate::Handle::resume).
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
    /// handle.add(every(1.hours()).run(async || ()).id("report").paused()).await?;
    /// handle.resume("report").await?;
    /// assert!(handle.get("report").await?.unwrap().next_fire.is_some());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Handle::resume`](crate::Handle::resume).
    resume(id: id) -> ();
}
