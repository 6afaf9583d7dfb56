//! The way to a scheduler from async code.

mod events;
mod forwarded;
mod jobs;
mod lists;
mod parts;

use matins_core::Shutdown;
use matins_task_function::{IntoTask, RegisterError, TaskRegistry};

use self::forwarded::forwarded;
use super::calls::unblocked;
use crate::SchedulerError;
use crate::handle::{Handle, SchedulerState};
use crate::stats::Stats;

/// The way to a scheduler from async code: the methods of [`Handle`], which wait without keeping a worker of the runtime, or a
/// thread of its blocking pool.
///
/// Clones are the same scheduler.
#[derive(Debug, Clone)]
pub struct AsyncHandle {
    pub(in crate::asynchronous) handle: Handle,
}

impl From<Handle> for AsyncHandle {
    fn from(handle: Handle) -> Self {
        Self { handle }
    }
}

impl AsyncHandle {
    /// Returns the handle for code that may block.
    ///
    /// ```
    /// # use std::thread;
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
    /// let blocking = handle.blocking().clone();
    /// let thread = thread::spawn(move || blocking.add(every(1.hours()).run(async || ()).id("report")));
    /// thread.join().unwrap()?;
    /// assert!(handle.get("report").await?.is_some());
    /// # Ok(())
    /// # }
    /// ```
    pub fn blocking(&self) -> &Handle {
        &self.handle
    }

    async fn call<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Handle) -> Result<T, SchedulerError> + Send + 'static,
    ) -> Result<T, SchedulerError> {
        self.unblocked(work).await
    }

    /// Does `work` where it may block; at once where the scheduler is driven on the runtime, whose time would pass meanwhile.
    async fn unblocked<T: Send + 'static>(&self, work: impl FnOnce(&Handle) -> T + Send + 'static) -> T {
        if let Some(clock) = &self.handle.shared.tokio_time {
            clock.catch_up().await;
            return work(&self.handle);
        }
        let handle = self.handle.clone();
        unblocked(move || work(&handle)).await
    }

    /// Registers a task under a name, by which jobs refer to it. See [`Handle::register`].
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
    /// handle.register("greet", async |name: String| format!("hello {name}")).await?;
    /// let job = handle.add(every(1.hours()).task("greet").arguments("Ada")).await?;
    /// assert_eq!(job.run_now().await?.await?.result, Some("hello Ada".into()));
    /// # handle.shutdown(Shutdown::Wait).await;
    /// # running.await??;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Handle::register`].
    pub async fn register<Form>(
        &self,
        name: impl AsRef<str>,
        task: impl IntoTask<Form>,
    ) -> Result<(), RegisterError> {
        self.tasks().await.register(name, task)
    }

    /// Returns the tasks that are registered. See [`Handle::tasks`].
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
    /// handle.register("backup", async || ()).await?;
    /// assert_eq!(handle.tasks().await.names(), ["backup"]);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn tasks(&self) -> TaskRegistry {
        self.unblocked(Handle::tasks).await
    }

    /// Returns what the scheduler is doing. See [`Handle::state`].
    ///
    /// ```
    /// # use matins_core::Shutdown;
    /// # use matins_executor_tokio::TokioExecutor;
    /// # use matins_scheduler::{Schedule, SchedulerBuilder, SchedulerState};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::{TimeUnits, every};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let scheduler = SchedulerBuilder::new()
    /// #     .store("default", MemoryStore::new())
    /// #     .executor("default", TokioExecutor::current()?)
    /// #     .asynchronous()?;
    /// # let handle = scheduler.handle();
    /// assert_eq!(handle.state().await, SchedulerState::NotStarted);
    /// let running = tokio::spawn(scheduler.run());
    /// handle.add(every(1.hours()).run(async || ())).await?.run_now().await?.await?;
    /// assert_eq!(handle.state().await, SchedulerState::Running);
    /// handle.shutdown(Shutdown::Wait).await;
    /// assert_eq!(handle.state().await, SchedulerState::ShutDown);
    /// running.await??;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn state(&self) -> SchedulerState {
        self.unblocked(Handle::state).await
    }

    /// Returns the name of the scheduler's default time zone. See [`Handle::time_zone`].
    ///
    /// ```
    /// # use matins_executor_tokio::TokioExecutor;
    /// # use matins_scheduler::SchedulerBuilder;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let builder = SchedulerBuilder::new().executor("default", TokioExecutor::current()?);
    /// let scheduler = builder.time_zone("Europe/Berlin").asynchronous()?;
    /// assert_eq!(scheduler.handle().time_zone(), "Europe/Berlin");
    /// # Ok(())
    /// # }
    /// ```
    pub fn time_zone(&self) -> &str {
        self.handle.time_zone()
    }

    /// Returns what the scheduler has done since it was built, and what is in progress. See [`Handle::stats`].
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
    /// let job = handle.add(every(1.hours()).run(async || ())).await?;
    /// job.run_now().await?.await?;
    /// assert_eq!(handle.stats().await.finished["succeeded"], 1);
    /// # handle.shutdown(Shutdown::Wait).await;
    /// # running.await??;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn stats(&self) -> Stats {
        self.unblocked(Handle::stats).await
    }

    /// Makes the scheduler look at its stores now. It does not wait for that. See [`Handle::wakeup`].
    ///
    /// ```
    /// # use matins_core::Shutdown;
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
    /// # let running = tokio::spawn(scheduler.run());
    /// // The program's own clock was corrected.
    /// handle.wakeup();
    /// # handle.shutdown(Shutdown::Wait).await;
    /// # running.await??;
    /// # Ok(())
    /// # }
    /// ```
    pub fn wakeup(&self) {
        self.handle.wakeup();
    }

    /// Shuts the scheduler down, and waits until that is done; see [`Handle::shutdown`]. In a job of this scheduler it does not
    /// wait: that would never end.
    ///
    /// ```
    /// # use matins_core::Shutdown;
    /// # use matins_scheduler::{SchedulerBuilder, SchedulerState};
    /// # use matins_store_memory::MemoryStore;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// # let scheduler = SchedulerBuilder::new().store("default", MemoryStore::new()).asynchronous().unwrap();
    /// let handle = scheduler.handle();
    /// let running = tokio::spawn(scheduler.run());
    /// handle.shutdown(Shutdown::Wait).await;
    /// assert_eq!(handle.state().await, SchedulerState::ShutDown);
    /// # running.await.unwrap().unwrap();
    /// # }
    /// ```
    pub async fn shutdown(&self, how: Shutdown) {
        self.request_shutdown(how).await;
        self.wait_until_shut_down().await;
    }

    /// Asks the scheduler to shut down, and does not wait for that; see [`Handle::request_shutdown`].
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
    /// let running = tokio::spawn(scheduler.run());
    /// let ends_it = handle.clone();
    /// let job = move || {
    ///     let handle = ends_it.clone();
    ///     async move { handle.request_shutdown(Shutdown::Wait).await }
    /// };
    /// handle.add(every(10.milliseconds()).run(job)).await?;
    /// running.await??;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn request_shutdown(&self, how: Shutdown) {
        self.unblocked(move |handle| handle.request_shutdown(how)).await;
    }

    /// Waits until the scheduler has shut down. In a job of this scheduler it does not wait.
    ///
    /// ```
    /// # use matins_core::Shutdown;
    /// # use matins_executor_tokio::TokioExecutor;
    /// # use matins_scheduler::{SchedulerBuilder, SchedulerState};
    /// # use matins_store_memory::MemoryStore;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let scheduler = SchedulerBuilder::new()
    /// #     .store("default", MemoryStore::new())
    /// #     .executor("default", TokioExecutor::current()?)
    /// #     .asynchronous()?;
    /// # let handle = scheduler.handle();
    /// let running = tokio::spawn(scheduler.run());
    /// handle.request_shutdown(Shutdown::Wait).await;
    /// handle.wait_until_shut_down().await;
    /// assert_eq!(handle.state().await, SchedulerState::ShutDown);
    /// running.await??;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn wait_until_shut_down(&self) {
        if !self.handle.shared.is_needed_here() {
            // It is dropped, where there is nothing more to wait for.
            let _ = self.handle.shared.end().await;
        }
    }
}

forwarded! {
    /// Pauses the whole scheduler: no job fires. See [`Handle::pause_all`].
    ///
    /// ```
    /// # use matins_executor_tokio::TokioExecutor;
    /// # use matins_scheduler::{SchedulerBuilder, SchedulerState};
    /// # use matins_store_memory::MemoryStore;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let scheduler = SchedulerBuilder::new()
    /// #     .store("default", MemoryStore::new())
    /// #     .executor("default", TokioExecutor::current()?)
    /// #     .asynchronous()?;
    /// # let handle = scheduler.handle();
    /// handle.pause_all().await?;
    /// assert_eq!(handle.state().await, SchedulerState::NotStarted, "it will start paused");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Handle::pause_all`].
    pause_all() -> ();

    /// Resumes the whole scheduler. See [`Handle::resume_all`].
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
    /// handle.pause_all().await?;
    /// handle.resume_all().await?;
    /// let job = handle.add(every(1.hours()).run(async || ())).await?;
    /// assert_eq!(job.run_now().await?.await?.outcome, Some(Outcome::Succeeded));
    /// # handle.shutdown(Shutdown::Wait).await;
    /// # running.await??;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Handle::resume_all`].
    resume_all() -> ();
}

#[cfg(test)]
mod tests {
    /// The names of the public methods in a source, those that are forwarded included.
    fn methods(source: &str) -> Vec<&str> {
        source.lines().map(str::trim).filter_map(method).collect()
    }

    fn method(line: &str) -> Option<&str> {
        let written = line.strip_prefix("pub fn ").or_else(|| line.strip_prefix("pub async fn "));
        let is_forwarded = || line.ends_with(';') && line.contains(") -> ");
        let name = written.or_else(|| Some(line).filter(|_| is_forwarded()))?.split(['(', '<']).next()?;
        Some(name).filter(|name| name.chars().all(|sign| sign.is_ascii_lowercase() || sign == '_'))
    }

    #[test]
    fn both_handles_have_the_same_methods() {
        let blocking = [
            include_str!("../../handle/mod.rs"),
            include_str!("../../handle/jobs.rs"),
            include_str!("../../handle/lists.rs"),
            include_str!("../../handle/parts.rs"),
            include_str!("../../handle/shared_store.rs"),
        ];
        let asynchronous = [
            include_str!("mod.rs"),
            include_str!("events.rs"),
            include_str!("jobs.rs"),
            include_str!("lists.rs"),
            include_str!("parts.rs"),
        ];
        let mut blocking: Vec<&str> = blocking.into_iter().flat_map(methods).collect();
        let mut asynchronous: Vec<&str> = asynchronous.into_iter().flat_map(methods).collect();
        asynchronous.retain(|name| *name != "blocking");
        blocking.dedup();
        blocking.sort_unstable();
        asynchronous.sort_unstable();
        assert!(blocking.len() > 30);
        assert_eq!(asynchronous, blocking);
    }
}
