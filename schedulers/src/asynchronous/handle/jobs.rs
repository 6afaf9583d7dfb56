//! What an async handle does with jobs.

use matins_core::{IntoTrigger, Job, JobId, JobQuery, NameError, StoreName};

use super::AsyncHandle;
use crate::SchedulerError;
use crate::add_commands::AddOutcome;
use crate::asynchronous::AsyncJobHandle;
use crate::new_job::NewJob;
use crate::outcomes::PendingOutcome;

impl AsyncHandle {
    /// Adds a job and returns a handle to it. See [`Handle::add`].
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
    /// As [`Handle::add`].
    pub async fn add(&self, job: NewJob) -> Result<AsyncJobHandle, SchedulerError> {
        let job = self.call(move |handle| handle.add(job)).await?;
        Ok(AsyncJobHandle { handle: self.clone(), id: job.id().clone(), add_outcome: job.add_outcome() })
    }

    /// Adds many jobs and returns what happened to each, in their order. See [`Handle::add_many`].
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
    /// As [`Handle::add_many`].
    pub async fn add_many(
        &self,
        jobs: impl IntoIterator<Item = NewJob>,
    ) -> Result<Vec<(JobId, AddOutcome)>, SchedulerError> {
        let jobs: Vec<NewJob> = jobs.into_iter().collect();
        self.call(move |handle| handle.add_many(jobs)).await
    }

    /// Returns the job with this id, or `None`. See [`Handle::get`].
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
    /// As [`Handle::get`].
    pub async fn get(&self, id: impl AsRef<str>) -> Result<Option<Job>, SchedulerError> {
        let id = JobId::new(id)?;
        self.call(move |handle| handle.get(&id)).await
    }

    /// Returns the jobs that `query` asks for, store by store. See [`Handle::list`].
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
    /// As [`Handle::list`].
    pub async fn list(&self, query: &JobQuery) -> Result<Vec<(StoreName, Job)>, SchedulerError> {
        let query = query.clone();
        self.call(move |handle| handle.list(&query)).await
    }

    /// Returns how many jobs of all stores meet the conditions of `query`. See [`Handle::count`].
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
    /// As [`Handle::count`].
    pub async fn count(&self, query: &JobQuery) -> Result<usize, SchedulerError> {
        let query = query.clone();
        self.call(move |handle| handle.count(&query)).await
    }

    /// Removes a job and returns it. See [`Handle::remove`].
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
    /// As [`Handle::remove`].
    pub async fn remove(&self, id: impl AsRef<str>) -> Result<Job, SchedulerError> {
        let id = JobId::new(id)?;
        self.call(move |handle| handle.remove(&id)).await
    }

    /// Removes the jobs with these ids, and returns those that there were. See [`Handle::remove_many`].
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
    /// As [`Handle::remove_many`].
    pub async fn remove_many(
        &self,
        ids: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> Result<Vec<Job>, SchedulerError> {
        let ids = ids.into_iter().map(JobId::new).collect::<Result<Vec<JobId>, NameError>>()?;
        self.call(move |handle| handle.remove_many(ids)).await
    }

    /// Removes the jobs of all stores that meet the conditions of `query`, and returns how many they were. See [`Handle::remove_matching`].
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
    /// As [`Handle::remove_matching`].
    pub async fn remove_matching(&self, query: &JobQuery) -> Result<usize, SchedulerError> {
        let query = query.clone();
        self.call(move |handle| handle.remove_matching(&query)).await
    }

    /// Removes all jobs from a store and returns how many were removed. See [`Handle::remove_all`].
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
    /// As [`Handle::remove_all`].
    pub async fn remove_all(&self, store: &StoreName) -> Result<usize, SchedulerError> {
        let store = store.clone();
        self.call(move |handle| handle.remove_all(&store)).await
    }

    /// Applies `change` to a job and returns the updated job. See [`Handle::modify`].
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
    /// As [`Handle::modify`].
    pub async fn modify(
        &self,
        id: impl AsRef<str>,
        change: impl FnMut(&mut Job) + Send + 'static,
    ) -> Result<Job, SchedulerError> {
        let id = JobId::new(id)?;
        self.call(move |handle| handle.modify(&id, change)).await
    }

    /// Gives a job another trigger and returns the updated job. See [`Handle::reschedule`].
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
    /// As [`Handle::reschedule`].
    pub async fn reschedule(
        &self,
        id: impl AsRef<str>,
        trigger: impl IntoTrigger + Send + 'static,
    ) -> Result<Job, SchedulerError> {
        let id = JobId::new(id)?;
        self.call(move |handle| handle.reschedule(&id, trigger)).await
    }

    /// Moves a job to another store. See [`Handle::move_to`].
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
    /// As [`Handle::move_to`].
    pub async fn move_to(&self, id: impl AsRef<str>, store: &StoreName) -> Result<(), SchedulerError> {
        let id = JobId::new(id)?;
        let store = store.clone();
        self.call(move |handle| handle.move_to(&id, &store)).await
    }

    /// Starts a run of a job now. The outcome can be awaited. See [`Handle::run_now`].
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
    /// As [`Handle::run_now`].
    pub async fn run_now(&self, id: impl AsRef<str>) -> Result<PendingOutcome, SchedulerError> {
        let id = JobId::new(id)?;
        self.call(move |handle| handle.run_now(&id)).await
    }

    /// Returns the outcome of the next run of the job that ends or is missed. See [`Handle::next_outcome`].
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
    /// As [`Handle::next_outcome`].
    pub async fn next_outcome(&self, id: impl AsRef<str>) -> Result<PendingOutcome, SchedulerError> {
        let id = JobId::new(id)?;
        self.call(move |handle| handle.next_outcome(&id)).await
    }

    /// Pauses a job: it has no next fire time until it is resumed. See [`Handle::pause`].
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
    /// As [`Handle::pause`].
    pub async fn pause(&self, id: impl AsRef<str>) -> Result<(), SchedulerError> {
        let id = JobId::new(id)?;
        self.call(move |handle| handle.pause(&id)).await
    }

    /// Resumes a paused job. See [`Handle::resume`].
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
    /// As [`Handle::resume`].
    pub async fn resume(&self, id: impl AsRef<str>) -> Result<(), SchedulerError> {
        let id = JobId::new(id)?;
        self.call(move |handle| handle.resume(&id)).await
    }
}
