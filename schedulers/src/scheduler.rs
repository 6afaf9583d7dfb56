//! The two drivers: on the thread of the caller, and on one of its own.

use std::ops::Deref;
use std::thread::{self, JoinHandle};

use matins_core::Shutdown;

use crate::SchedulerError;
use crate::handle::Handle;

/// A scheduler that runs on the thread that calls [`run`](Self::run).
///
/// Everything a [`Handle`] can do, it can do too, before it runs. Dropping one that has not run shuts it down: whoever waits for a
/// run of it is told so.
#[derive(Debug)]
pub struct BlockingScheduler {
    handle: Handle,
}

impl BlockingScheduler {
    pub(crate) fn new(handle: Handle) -> Self {
        Self { handle }
    }

    /// Returns a handle to this scheduler, for other threads and for its jobs.
    ///
    /// ```
    /// # use std::thread;
    /// # use matins_core::Shutdown;
    /// # use matins_executor_thread::ThreadExecutor;
    /// # use matins_scheduler::SchedulerBuilder;
    /// # use matins_store_memory::MemoryStore;
    /// # let scheduler = SchedulerBuilder::new()
    /// #     .store("default", MemoryStore::new())
    /// #     .executor("default", ThreadExecutor::new())
    /// #     .blocking()?;
    /// let handle = scheduler.handle();
    /// let watcher = thread::spawn(move || {
    ///     // For instance after a command of the user.
    ///     handle.shutdown(Shutdown::Wait);
    /// });
    /// scheduler.run();
    /// watcher.join().unwrap();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Fires jobs until the scheduler is shut down by a [`Handle`]. Returns when that is done: its stores are closed and its executors ended.
    ///
    /// ```
    /// # use matins_core::{Shutdown, TaskContext};
    /// # use matins_executor_thread::ThreadExecutor;
    /// # use matins_scheduler::{Schedule, SchedulerBuilder};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::{TimeUnits, every};
    /// # let scheduler = SchedulerBuilder::new()
    /// #     .store("default", MemoryStore::new())
    /// #     .executor("default", ThreadExecutor::new())
    /// #     .blocking()?;
    /// let handle = scheduler.handle();
    /// let tick = move |context: &TaskContext| {
    ///     println!("run {}", context.run);
    ///     if context.run.0 >= 3 {
    ///         handle.request_shutdown(Shutdown::Wait);
    ///     }
    /// };
    /// scheduler.add(every(1.milliseconds()).run(tick))?;
    /// scheduler.run();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn run(self) {
        self.handle.shared.drive();
    }
}

impl Drop for BlockingScheduler {
    fn drop(&mut self) {
        // After a run it is over already.
        self.handle.request_shutdown(Shutdown::Now);
    }
}

impl Deref for BlockingScheduler {
    type Target = Handle;

    fn deref(&self) -> &Handle {
        &self.handle
    }
}

/// A scheduler that runs on a thread of its own.
///
/// Everything a [`Handle`] can do, it can do too, before it is started and after. Dropping it shuts it down and waits
/// for its running jobs; [`shutdown_and_wait`](Self::shutdown_and_wait) lets one choose how long. Where
/// [`Handle::shutdown`] does not wait (in one of its own jobs, for instance), dropping it does not either: it ends by itself
/// when its runs have ended.
#[derive(Debug)]
pub struct BackgroundScheduler {
    handle: Handle,
    thread: Option<JoinHandle<()>>,
}

impl BackgroundScheduler {
    pub(crate) fn new(handle: Handle) -> Self {
        Self { handle, thread: None }
    }

    /// Returns a handle to this scheduler, for other threads and for its jobs.
    ///
    /// ```
    /// # use std::thread;
    /// # use matins_executor_thread::ThreadExecutor;
    /// # use matins_scheduler::{Schedule, SchedulerBuilder};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::{TimeUnits, every};
    /// # let mut scheduler = SchedulerBuilder::new()
    /// #     .store("default", MemoryStore::new())
    /// #     .executor("default", ThreadExecutor::new())
    /// #     .background()?;
    /// # scheduler.start()?;
    /// let handle = scheduler.handle();
    /// let job = thread::spawn(move || handle.add(every(1.hours()).run(|| "from another thread"))).join().unwrap()?;
    /// assert_eq!(job.run_now()?.wait()?.result, Some("from another thread".into()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Starts to fire jobs on a thread of its own, and returns at once. It does nothing if the scheduler was started before.
    ///
    /// ```
    /// # use matins_executor_thread::ThreadExecutor;
    /// # use matins_scheduler::{Schedule, SchedulerBuilder};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::{TimeUnits, every};
    /// # let mut scheduler = SchedulerBuilder::new()
    /// #     .store("default", MemoryStore::new())
    /// #     .executor("default", ThreadExecutor::new())
    /// #     .background()?;
    /// // Nothing fires before all jobs are there.
    /// let job = scheduler.add(every(1.hours()).run(|| "tick"))?;
    /// let first = job.run_now()?;
    /// scheduler.start()?;
    /// assert_eq!(first.wait()?.result, Some("tick".into()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If the system cannot start a thread.
    pub fn start(&mut self) -> Result<(), SchedulerError> {
        if self.thread.is_none() {
            let shared = self.handle.shared.clone();
            let thread = thread::Builder::new().name("matins-scheduler".to_owned());
            self.thread = Some(thread.spawn(move || shared.drive()).map_err(SchedulerError::Thread)?);
            self.handle.shared.engine.start();
        }
        Ok(())
    }

    /// Shuts the scheduler down, and waits until that is done, as [`Handle::shutdown`] does: its stores are closed and its executors ended.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use matins_core::Shutdown;
    /// # use matins_executor_thread::ThreadExecutor;
    /// # use matins_scheduler::{Schedule, SchedulerBuilder};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::{TimeUnits, every};
    /// # let mut scheduler = SchedulerBuilder::new()
    /// #     .store("default", MemoryStore::new())
    /// #     .executor("default", ThreadExecutor::new())
    /// #     .background()?;
    /// # scheduler.start()?;
    /// let job = scheduler.add(every(1.hours()).run(|| "finished"))?;
    /// let outcome = job.run_now()?;
    /// // Runs in progress have ten seconds to end.
    /// scheduler.shutdown_and_wait(Shutdown::Deadline(Duration::from_secs(10)));
    /// assert_eq!(outcome.wait()?.result, Some("finished".into()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn shutdown_and_wait(mut self, how: Shutdown) {
        self.end(how);
    }

    fn end(&mut self, how: Shutdown) {
        self.handle.request_shutdown(how);
        let has_stopped = self.handle.shared.wait_until_stopped();
        if let Some(thread) = self.thread.take().filter(|_| has_stopped) {
            // A panic there was reported by the thread itself; there is nothing left to do about it here.
            let _ = thread.join();
        }
    }
}

impl Deref for BackgroundScheduler {
    type Target = Handle;

    fn deref(&self) -> &Handle {
        &self.handle
    }
}

impl Drop for BackgroundScheduler {
    fn drop(&mut self) {
        self.end(Shutdown::Wait);
    }
}
