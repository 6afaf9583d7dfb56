//! A job of an async program.

use std::fmt;

use matins_core::{IntoTrigger, Job, JobId};

use super::AsyncHandle;
use crate::SchedulerError;
use crate::add_commands::AddOutcome;
use crate::outcomes::PendingOutcome;

/// The way to one job from async code: what [`AsyncHandle::add`] answers with. It goes wherever a job's id does.
///
/// Clones are the same job.
#[derive(Debug, Clone)]
pub struct AsyncJobHandle {
    pub(super) handle: AsyncHandle,
    pub(super) id: JobId,
    pub(super) add_outcome: AddOutcome,
}

impl AsyncJobHandle {
    /// Returns what [`AsyncHandle::add`] did with the job.
    ///
    /// ```
    /// # use matins_core::OnConflict;
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
    /// let report = || every(1.hours()).run(async || ()).id("report");
    /// assert_eq!(handle.add(report()).await?.add_outcome(), AddOutcome::Added);
    /// assert_eq!(handle.add(report().on_conflict(OnConflict::Keep)).await?.add_outcome(), AddOutcome::Kept);
    /// # Ok(())
    /// # }
    /// ```
    pub fn add_outcome(&self) -> AddOutcome {
        self.add_outcome
    }

    /// Returns the job's id.
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
    /// let job = handle.add(every(1.hours()).run(async || ()).id("report")).await?;
    /// assert_eq!(*job.id(), "report");
    /// # Ok(())
    /// # }
    /// ```
    pub fn id(&self) -> &JobId {
        &self.id
    }

    /// Returns the job as it is now, or `None` if it was removed or is over.
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
    /// let job = handle.add(every(1.hours()).run(async || ()).tag("disk")).await?;
    /// let stored = job.get().await?.expect("it was added");
    /// assert!(stored.tags.contains("disk"));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`AsyncHandle::get`].
    pub async fn get(&self) -> Result<Option<Job>, SchedulerError> {
        self.handle.get(self).await
    }

    /// Returns the outcome of the next run of the job that ends or is missed.
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
    /// let job = handle.add(every(10.milliseconds()).run(async || ()).id("tick")).await?;
    /// let run = job.next_outcome().await?.await?;
    /// assert!(run.finished.is_some());
    /// # handle.shutdown(Shutdown::Wait).await;
    /// # running.await??;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`AsyncHandle::next_outcome`].
    pub async fn next_outcome(&self) -> Result<PendingOutcome, SchedulerError> {
        self.handle.next_outcome(self).await
    }

    /// Starts a run now, in addition to the schedule. The outcome can be awaited.
    ///
    /// ```
    /// # use matins_core::Shutdown;
    /// # use matins_executor_tokio::TokioExecutor;
    /// # use matins_scheduler::{Schedule, SchedulerBuilder};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::cron;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let scheduler = SchedulerBuilder::new()
    /// #     .store("default", MemoryStore::new())
    /// #     .executor("default", TokioExecutor::current()?)
    /// #     .asynchronous()?;
    /// # let handle = scheduler.handle();
    /// # let running = tokio::spawn(scheduler.run());
    /// let job = handle.add(cron("@yearly").run(async || "happy new year")).await?;
    /// assert_eq!(job.run_now().await?.await?.result, Some("happy new year".into()));
    /// # handle.shutdown(Shutdown::Wait).await;
    /// # running.await??;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`AsyncHandle::run_now`].
    pub async fn run_now(&self) -> Result<PendingOutcome, SchedulerError> {
        self.handle.run_now(self).await
    }

    /// Pauses the job.
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
    /// let job = handle.add(every(1.hours()).run(async || ())).await?;
    /// job.pause().await?;
    /// assert_eq!(job.get().await?.unwrap().next_fire, None);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`AsyncHandle::pause`].
    pub async fn pause(&self) -> Result<(), SchedulerError> {
        self.handle.pause(self).await
    }

    /// Resumes the job.
    ///
    /// ```
    /// # use matins_core::JobState;
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
    /// let job = handle.add(every(1.hours()).run(async || ()).paused()).await?;
    /// job.resume().await?;
    /// assert_eq!(job.get().await?.unwrap().state, JobState::Active);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`AsyncHandle::resume`].
    pub async fn resume(&self) -> Result<(), SchedulerError> {
        self.handle.resume(self).await
    }

    /// Applies `change` to the job and returns the updated job.
    ///
    /// ```
    /// # use matins_core::Overlap;
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
    /// let job = handle.add(every(1.hours()).run(async || ())).await?;
    /// let changed = job.modify(|job| job.policy.overlap = Overlap::QueueOne).await?;
    /// assert_eq!(changed.policy.overlap, Overlap::QueueOne);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`AsyncHandle::modify`].
    pub async fn modify(&self, change: impl FnMut(&mut Job) + Send + 'static) -> Result<Job, SchedulerError> {
        self.handle.modify(self, change).await
    }

    /// Gives the job another trigger and returns the updated job.
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
    /// let job = handle.add(every(1.hours()).run(async || ())).await?;
    /// let changed = job.reschedule(every(5.minutes())).await?;
    /// assert_eq!(changed.trigger.describe(), "every 5 minutes");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`AsyncHandle::reschedule`].
    pub async fn reschedule(
        &self,
        trigger: impl IntoTrigger + Send + 'static,
    ) -> Result<Job, SchedulerError> {
        self.handle.reschedule(self, trigger).await
    }

    /// Removes the job and returns it.
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
    /// let job = handle.add(every(1.hours()).run(async || ())).await?;
    /// let removed = job.remove().await?;
    /// assert_eq!(removed.id, *job.id());
    /// assert!(job.get().await?.is_none());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`AsyncHandle::remove`].
    pub async fn remove(&self) -> Result<Job, SchedulerError> {
        self.handle.remove(self).await
    }
}

impl AsRef<str> for AsyncJobHandle {
    fn as_ref(&self) -> &str {
        self.id.as_str()
    }
}

impl fmt::Display for AsyncJobHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.id.fmt(f)
    }
}
