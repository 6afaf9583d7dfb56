//! What an async handle does with events.

use super::AsyncHandle;
use crate::asynchronous::AsyncEvents;
use crate::handle::Handle;
use crate::{Event, SchedulerError};

impl AsyncHandle {
    /// Returns the scheduler's events from now on. See [`Handle::subscribe`].
    ///
    /// ```
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
    /// let mut events = handle.subscribe().await;
    /// handle.add(every(1.hours()).run(async || ()).id("report")).await?;
    /// assert!(matches!(events.next().await, Some(Event::JobAdded { job, .. }) if job == "report"));
    /// # Ok(())
    /// # }
    /// ```
    pub async fn subscribe(&self) -> AsyncEvents {
        self.subscribe_to(|_| true).await
    }

    /// Returns those of the scheduler's events from now on for which `wants` returns `true`. See [`Handle::subscribe_to`].
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
    /// let mut failures = handle
    ///     .subscribe_to(|event| matches!(event, Event::RunFinished { run, .. } if run.outcome == Some(Outcome::Failed)))
    ///     .await;
    /// handle.add(every(10.milliseconds()).run(async || Err::<(), _>("disk full")).id("backup")).await?;
    /// if let Some(Event::RunFinished { run, .. }) = failures.next().await {
    ///     assert_eq!(run.message.as_deref(), Some("disk full"));
    /// }
    /// # handle.shutdown(Shutdown::Wait).await;
    /// # running.await??;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn subscribe_to(&self, wants: impl Fn(&Event) -> bool + Send + 'static) -> AsyncEvents {
        let subscribe = move |handle: &Handle| handle.engine().hub().listeners.subscribe_async(wants);
        let receiver = self.unblocked(subscribe).await;
        AsyncEvents { receiver }
    }

    /// Calls `listener` with each event for which `wants` returns `true`, on a thread of its own. The listener may block. See [`Handle::on_event`].
    ///
    /// ```
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
    /// let (sender, mut added) = tokio::sync::mpsc::unbounded_channel();
    /// let is_added = |event: &Event| matches!(event, Event::JobAdded { .. });
    /// handle.on_event(is_added, move |event| drop(sender.send(event))).await?;
    /// handle.add(every(1.hours()).run(async || ())).await?;
    /// assert!(added.recv().await.is_some());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Handle::on_event`].
    pub async fn on_event(
        &self,
        wants: impl Fn(&Event) -> bool + Send + 'static,
        listener: impl FnMut(Event) + Send + 'static,
    ) -> Result<(), SchedulerError> {
        self.call(move |handle| handle.on_event(wants, listener)).await
    }
}
