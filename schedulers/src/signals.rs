//! Ctrl-C and SIGTERM.

use std::io;
use std::thread;

use matins_core::Shutdown;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::Handle;
#[cfg(feature = "tokio")]
use crate::{AsyncHandle, AsyncScheduler};

impl Handle {
    /// Shuts the scheduler down when the process is interrupted (SIGINT, which is Ctrl-C) or told to end (SIGTERM): the first such
    /// signal as `how` says, the second at once. Needs the feature `signals`.
    ///
    /// From then on these signals do not end the process by themselves: `main` returns when the scheduler has ended, since
    /// `BlockingScheduler::run`, `AsyncScheduler::run` and [`wait_until_shut_down`](Self::wait_until_shut_down) return then. A thread
    /// waits for the signals; it does not keep the process from ending.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use matins_core::Shutdown;
    /// # use matins_executor_thread::ThreadExecutor;
    /// # use matins_scheduler::SchedulerBuilder;
    /// # use matins_store_memory::MemoryStore;
    ///
    /// # let builder = SchedulerBuilder::new();
    /// # let builder = builder.store("default", MemoryStore::new()).executor("default", ThreadExecutor::new());
    /// let scheduler = builder.blocking()?;
    /// scheduler.shutdown_on_signals(Shutdown::Deadline(Duration::from_secs(30)))?;
    /// # // As if it came from outside.
    /// # signal_hook::low_level::raise(signal_hook::consts::SIGTERM)?;
    /// // Returns after Ctrl-C or SIGTERM.
    /// scheduler.run();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If the signals cannot be listened to, or no thread be started.
    pub fn shutdown_on_signals(&self, how: Shutdown) -> io::Result<()> {
        let mut signals = Signals::new([SIGINT, SIGTERM])?;
        let handle = self.clone();
        let act = move || {
            let mut how = how;
            for _ in signals.forever() {
                handle.request_shutdown(how);
                how = Shutdown::Now;
            }
        };
        thread::Builder::new().name("matins-signals".to_owned()).spawn(act).map(drop)
    }
}

#[cfg(feature = "tokio")]
impl AsyncScheduler {
    /// Shuts the scheduler down when the process is interrupted (Ctrl-C) or told to end: see [`Handle::shutdown_on_signals`].
    ///
    /// ```
    /// use chrono::TimeDelta;
    /// use matins_core::Shutdown;
    /// # use matins_executor_tokio::TokioExecutor;
    /// # use matins_scheduler::SchedulerBuilder;
    /// # use matins_store_memory::MemoryStore;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let builder = SchedulerBuilder::new();
    /// # let builder = builder.store("default", MemoryStore::new()).executor("default", TokioExecutor::current()?);
    /// let scheduler = builder.asynchronous()?;
    /// scheduler.shutdown_on_signals(Shutdown::within(TimeDelta::seconds(30)))?;
    /// # // As if it came from outside.
    /// # signal_hook::low_level::raise(signal_hook::consts::SIGTERM)?;
    /// scheduler.run().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Handle::shutdown_on_signals`].
    pub fn shutdown_on_signals(&self, how: Shutdown) -> io::Result<()> {
        self.handle().shutdown_on_signals(how)
    }
}

#[cfg(feature = "tokio")]
impl AsyncHandle {
    /// Shuts the scheduler down when the process is interrupted (Ctrl-C) or told to end: see [`Handle::shutdown_on_signals`]. It does
    /// not wait.
    ///
    /// ```
    /// # use matins_core::Shutdown;
    /// # use matins_executor_tokio::TokioExecutor;
    /// # use matins_scheduler::SchedulerBuilder;
    /// # use matins_store_memory::MemoryStore;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let builder = SchedulerBuilder::new().store("default", MemoryStore::new());
    /// # let scheduler = builder.executor("default", TokioExecutor::current()?).asynchronous()?;
    /// # let handle = scheduler.handle();
    /// let running = tokio::spawn(scheduler.run());
    /// handle.shutdown_on_signals(Shutdown::Wait)?;
    /// # // As if it came from outside.
    /// # signal_hook::low_level::raise(signal_hook::consts::SIGTERM)?;
    /// handle.wait_until_shut_down().await;
    /// running.await??;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Handle::shutdown_on_signals`].
    pub fn shutdown_on_signals(&self, how: Shutdown) -> io::Result<()> {
        self.blocking().shutdown_on_signals(how)
    }
}
