//! The driver for async programs: a future that ends when the scheduler has shut down, and handles whose methods are async.

mod calls;
mod handle;
mod job_handle;
mod tokio_time;

use std::panic::resume_unwind;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::thread;

use futures_core::Stream;
use matins_core::Shutdown;
use tokio::sync::{mpsc, oneshot};

use crate::handle::Handle;
use crate::{Event, SchedulerError};

pub use handle::AsyncHandle;
pub use job_handle::AsyncJobHandle;
pub(crate) use tokio_time::TokioClock;

/// A scheduler for a program on a tokio runtime: [`run`](Self::run) is a future to await or to spawn.
///
/// The engine and its stores work on a thread of their own, so that a commit, which waits for a disk, never keeps a worker
/// of the runtime. Give it a tokio executor for tasks that are async. Dropping one that has not run shuts it down: whoever waits for
/// a run of it is told so.
///
/// ```
/// use matins_executor_tokio::TokioExecutor;
/// use matins_scheduler::{Schedule, SchedulerBuilder, SchedulerError};
/// use matins_store_memory::MemoryStore;
/// use matins_triggers::{TimeUnits, every};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let scheduler = SchedulerBuilder::new()
///     .store("default", MemoryStore::new())
///     .executor("default", TokioExecutor::current()?)
///     .asynchronous()?;
/// let handle = scheduler.handle();
/// let running = tokio::spawn(scheduler.run());
///
/// handle.add(every(10.milliseconds()).run(async || println!("tick")).id("tick")).await?;
/// let run = handle.next_outcome("tick").await?.await?;
/// println!("{} {:?}", run.job, run.outcome);
///
/// handle.shutdown(matins_core::Shutdown::Wait).await;
/// running.await??;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct AsyncScheduler {
    handle: Handle,
}

impl Drop for AsyncScheduler {
    fn drop(&mut self) {
        // After a run it is over already; it shuts down as well when the future of a run is dropped.
        self.handle.request_shutdown(Shutdown::Now);
    }
}

impl AsyncScheduler {
    pub(crate) fn new(handle: Handle) -> Self {
        Self { handle }
    }

    /// A way to this scheduler from other tasks, and from its jobs.
    pub fn handle(&self) -> AsyncHandle {
        AsyncHandle { handle: self.handle.clone() }
    }

    /// Fires jobs until the scheduler is shut down by a handle. The future is ready when that is done: its stores are closed and its
    /// executors ended. Dropping the future shuts the scheduler down at once, and does not wait for that.
    ///
    /// ```
    /// # use matins_core::Shutdown;
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
    /// let server = async {
    ///     handle.add(every(1.hours()).run(async || ())).await?;
    ///     // Serves until it is told to end.
    ///     handle.shutdown(Shutdown::Wait).await;
    ///     Ok::<_, SchedulerError>(())
    /// };
    /// let (ended, served) = tokio::join!(scheduler.run(), server);
    /// ended?;
    /// served?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// If the system cannot start a thread.
    pub async fn run(self) -> Result<(), SchedulerError> {
        let shared = self.handle.shared.clone();
        if let Some(clock) = &shared.tokio_time {
            tokio_time::drive(&shared, clock).await;
            return Ok(());
        }
        let (ends, ended) = oneshot::channel();
        let drive = move || {
            shared.drive();
            // Nobody waits any more where the future was dropped.
            let _ = ends.send(());
        };
        let thread = thread::Builder::new().name("matins-scheduler".to_owned());
        let thread = thread.spawn(drive).map_err(SchedulerError::Thread)?;
        self.handle.shared.engine.start();
        self.handle.shared.engine.deliver_events();
        if ended.await.is_err()
            && let Err(panic) = thread.join()
        {
            resume_unwind(panic);
        }
        Ok(())
    }
}

/// The events of a scheduler, in order, for async code. A listener that lags more than 10,000 events behind loses some, and
/// is told how many by an [`Event::Lost`].
#[derive(Debug)]
pub struct AsyncEvents {
    receiver: mpsc::Receiver<Event>,
}

impl AsyncEvents {
    /// Returns the next event, or `None` when the scheduler is gone.
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
    pub async fn next(&mut self) -> Option<Event> {
        self.receiver.recv().await
    }
}

impl Stream for AsyncEvents {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Event>> {
        self.receiver.poll_recv(context)
    }
}
