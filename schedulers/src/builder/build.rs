//! From a builder to a scheduler.

use std::sync::Arc;

use super::SchedulerBuilder;
use crate::SchedulerError;
use crate::engine::{Engine, Parts};
use crate::handle::Handle;
use crate::scheduler::{BackgroundScheduler, BlockingScheduler};
use crate::shared::Shared;

impl SchedulerBuilder {
    /// Builds a scheduler that runs on the thread that calls [`BlockingScheduler::run`].
    ///
    /// ```
    /// # use matins_core::Shutdown;
    /// # use matins_executor_thread::ThreadExecutor;
    /// # use matins_scheduler::{Schedule, SchedulerBuilder};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::{TimeUnits, every};
    /// let scheduler = SchedulerBuilder::new()
    ///     .store("default", MemoryStore::new())
    ///     .executor("default", ThreadExecutor::new())
    ///     .blocking()?;
    /// let handle = scheduler.handle();
    /// scheduler.add(every(1.milliseconds()).run(move || handle.request_shutdown(Shutdown::Wait)))?;
    /// scheduler.run();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If a name is invalid, or a store cannot be read.
    pub fn blocking(self) -> Result<BlockingScheduler, SchedulerError> {
        Ok(BlockingScheduler::new(self.build()?))
    }

    /// Builds a scheduler that runs on a thread of its own once it is [started](BackgroundScheduler::start).
    ///
    /// ```
    /// # use matins_core::Outcome;
    /// # use matins_executor_thread::ThreadExecutor;
    /// # use matins_scheduler::{Schedule, SchedulerBuilder};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::{TimeUnits, every};
    /// let mut scheduler = SchedulerBuilder::new()
    ///     .store("default", MemoryStore::new())
    ///     .executor("default", ThreadExecutor::new())
    ///     .background()?;
    /// scheduler.start()?;
    /// let job = scheduler.add(every(1.hours()).run(|| ()))?;
    /// assert_eq!(job.run_now()?.wait()?.outcome, Some(Outcome::Succeeded));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If a name is invalid, or a store cannot be read.
    pub fn background(self) -> Result<BackgroundScheduler, SchedulerError> {
        Ok(BackgroundScheduler::new(self.build()?))
    }

    /// Builds a scheduler for a program on a tokio runtime, which is driven by [`AsyncScheduler::run`](crate::AsyncScheduler::run).
    ///
    /// ```
    /// # use matins_core::{Outcome, Shutdown};
    /// # use matins_executor_tokio::TokioExecutor;
    /// # use matins_scheduler::{Schedule, SchedulerBuilder};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::{TimeUnits, every};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let scheduler = SchedulerBuilder::new()
    ///     .store("default", MemoryStore::new())
    ///     .executor("default", TokioExecutor::current()?)
    ///     .asynchronous()?;
    /// let handle = scheduler.handle();
    /// let running = tokio::spawn(scheduler.run());
    /// let job = handle.add(every(1.hours()).run(async || ())).await?;
    /// assert_eq!(job.run_now().await?.await?.outcome, Some(Outcome::Succeeded));
    /// handle.shutdown(Shutdown::Wait).await;
    /// running.await??;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// If a name is invalid, or a store cannot be read.
    #[cfg(feature = "tokio")]
    pub fn asynchronous(self) -> Result<crate::AsyncScheduler, SchedulerError> {
        Ok(crate::AsyncScheduler::new(self.build()?))
    }

    pub(crate) fn build(self) -> Result<Handle, SchedulerError> {
        self.build_with(|_| {})
    }

    /// Builds it, with something done to what handles share before there are any.
    pub(crate) fn build_with(self, prepare: impl FnOnce(&mut Shared)) -> Result<Handle, SchedulerError> {
        if let Some(fault) = self.fault {
            return Err(fault.into());
        }
        self.states.into_iter().for_each(|state| state(&self.tasks));
        let parts = Parts {
            clock: self.clock,
            tasks: self.tasks,
            stores: self.stores,
            executors: self.executors.keys().cloned().collect(),
            surviving: (self.executors.iter())
                .filter(|(_, executor)| executor.survives())
                .map(|(name, _)| name.clone())
                .collect(),
            retention: self.retention,
            job_defaults: self.job_defaults,
        };
        let layers = self.layers;
        #[cfg(feature = "tokio")]
        let layers = match tokio::runtime::Handle::try_current() {
            Ok(runtime) => layers.with(crate::runtime_layer::RuntimeLayer(runtime)),
            Err(_) => layers,
        };
        let engine = Engine::new(parts)?.with_layers(layers).with_time_zone(self.time_zone);
        #[cfg(feature = "metrics")]
        if self.metrics_by_job {
            engine.hub().listeners.measure_jobs();
        }
        let mut shared = Shared::new(engine, self.executors);
        prepare(&mut shared);
        Ok(Handle { shared: Arc::new(shared) })
    }
}
