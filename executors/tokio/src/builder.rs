//! Builds a tokio executor.

use std::sync::Arc;
use std::time::Duration;

use matins_core::IntoDuration;
use matins_executor_inflight::InFlight;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use crate::TokioExecutor;

/// What a [`TokioExecutor`] is like.
#[derive(Debug, Clone)]
#[must_use]
pub struct TokioExecutorBuilder {
    pub(crate) runtime: Handle,
    pub(crate) at_once: usize,
    pub(crate) queue: usize,
    pub(crate) cancel_grace: Duration,
}

impl TokioExecutorBuilder {
    /// Sets how many runs are in progress at most; 0 counts as 1. Of blocking tasks, no more are in progress than the runtime's blocking
    /// pool has threads. Default: 10,000.
    ///
    /// ```
    /// # use std::sync::{Arc, Mutex};
    /// # use matins_core::{Outcome, Shutdown};
    /// # use matins_executor_tokio::TokioExecutor;
    /// # use matins_scheduler::{Schedule, SchedulerBuilder};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::{TimeUnits, every};
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use tokio::runtime::Handle;
    /// let executor = TokioExecutor::builder(Handle::current()).at_once(1).build();
    /// # let scheduler = SchedulerBuilder::new()
    /// #     .store("default", MemoryStore::new())
    /// #     .executor("default", executor)
    /// #     .asynchronous()?;
    /// # let handle = scheduler.handle();
    /// # let running = tokio::spawn(scheduler.run());
    /// let (go, gate) = tokio::sync::oneshot::channel::<()>();
    /// let gate = Arc::new(Mutex::new(Some(gate)));
    /// let slow = move || {
    ///     let gate = gate.lock().unwrap().take();
    ///     async move { drop(gate.unwrap().await) }
    /// };
    /// let slow = handle.add(every(1.hours()).run(slow)).await?.run_now().await?;
    /// let next = handle.add(every(1.hours()).run(async || ())).await?.run_now().await?;
    /// // The second run waits in the queue until the first one has ended.
    /// assert!(next.wait_within(1.milliseconds())?.is_none());
    /// drop(go);
    /// assert_eq!(slow.await?.outcome, Some(Outcome::Succeeded));
    /// assert_eq!(next.await?.outcome, Some(Outcome::Succeeded));
    /// # handle.shutdown(Shutdown::Wait).await;
    /// # running.await??;
    /// # Ok(())
    /// # }
    /// ```
    pub fn at_once(mut self, at_once: usize) -> Self {
        self.at_once = at_once.clamp(1, Semaphore::MAX_PERMITS);
        self
    }

    /// Sets how many runs may wait beyond those in progress. With 0, a run that finds no place is refused, and recorded as missed. With
    /// `usize::MAX`, the queue has no limit. Default: 100,000.
    ///
    /// ```
    /// # use matins_core::{MissedReason, Outcome, Shutdown};
    /// # use matins_executor_tokio::TokioExecutor;
    /// # use matins_scheduler::{Schedule, SchedulerBuilder};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::{TimeUnits, every};
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use tokio::runtime::Handle;
    /// let executor = TokioExecutor::builder(Handle::current()).at_once(1).queue(0).build();
    /// # let scheduler = SchedulerBuilder::new()
    /// #     .store("default", MemoryStore::new())
    /// #     .executor("default", executor)
    /// #     .asynchronous()?;
    /// # let handle = scheduler.handle();
    /// # let running = tokio::spawn(scheduler.run());
    /// let forever = handle.add(every(1.hours()).run(async || std::future::pending::<()>().await)).await?;
    /// let in_progress = forever.run_now().await?;
    /// let refused = handle.add(every(1.hours()).run(async || ())).await?.run_now().await?.await?;
    /// assert_eq!(refused.outcome, Some(Outcome::Missed(MissedReason::ExecutorFull)));
    /// handle.shutdown(Shutdown::Now).await;
    /// assert_eq!(in_progress.await?.outcome, Some(Outcome::Cancelled));
    /// # handle.shutdown(Shutdown::Wait).await;
    /// # running.await??;
    /// # Ok(())
    /// # }
    /// ```
    pub fn queue(mut self, queue: usize) -> Self {
        self.queue = queue;
        self
    }

    /// Sets how long blocking tasks that were cancelled, or are over their time limit, have to return before they are left behind. An async
    /// task that awaits its cancellation has this time to end by itself. Default: 5 seconds.
    /// A negative duration counts as zero.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use matins_executor_tokio::TokioExecutor;
    /// let runtime = tokio::runtime::Runtime::new()?;
    /// let executor =
    ///     TokioExecutor::builder(runtime.handle().clone()).cancel_grace(Duration::from_secs(30)).build();
    /// # drop(executor);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn cancel_grace(mut self, grace: impl IntoDuration) -> Self {
        self.cancel_grace = grace.into_duration().unwrap_or_default();
        self
    }

    /// Builds the executor.
    ///
    /// ```
    /// # use matins_core::{Executor, Shutdown};
    /// # use matins_executor_tokio::TokioExecutor;
    /// let runtime = tokio::runtime::Runtime::new()?;
    /// let mut executor = TokioExecutor::builder(runtime.handle().clone()).build();
    /// assert!(executor.shutdown(Shutdown::Wait).is_empty(), "no run was left behind");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn build(self) -> TokioExecutor {
        let Self { runtime, at_once, queue, cancel_grace } = self;
        let runs = InFlight::new(at_once.saturating_add(queue), cancel_grace);
        let places = Arc::new(Semaphore::new(at_once));
        let waiting = Arc::default();
        TokioExecutor { runtime, runs, arrivals: Arc::default(), waiting, places }
    }
}
