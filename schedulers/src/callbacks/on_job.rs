//! How a job is given callbacks before it is added.

use std::sync::Arc;

use matins_core::Run;
use matins_task_function::block_on;

use super::CallbackKind;
use crate::NewJob;

/// # Callbacks
/// A callback is called with the row of the ledger once the outcome is recorded in the job's store. It is called under no lock, so it may
/// use a [`Handle`](crate::Handle). One thread calls all callbacks of a scheduler, in the order of the outcomes: a slow one delays the
/// others, and no fire. If more than 10,000 calls wait, further ones are left out. A callback that panics is called again the next time.
/// In both cases an [`Event::CallbackFailed`](crate::Event::CallbackFailed) says so.
///
/// A job may have several callbacks of a kind, which are called in the order in which they were given. A scheduler that shuts down waits
/// for callbacks as for runs in progress. If the job is given its callbacks inside a tokio runtime, they may use that runtime.
///
/// Callbacks live as long as the process and are not stored, also where the job is: a program that starts again adds its jobs again, with
/// [`OnConflict::Update`](matins_core::OnConflict::Update) for instance, and so gives them their callbacks. What the new definition says
/// replaces the callbacks that the job had; with [`OnConflict::Keep`](matins_core::OnConflict::Keep) only if it had none. Callbacks stay
/// with a job that is modified, paused or moved, and are dropped when it is removed: a run that is in progress then calls none.
///
/// In a store that several schedulers share, a scheduler calls the callbacks that it was given itself, and only for outcomes that it records:
/// those of the runs that it has started, and of the fires that it has found to be missed.
impl NewJob {
    /// Calls `callback` after each run that has succeeded.
    ///
    /// ```
    /// use std::sync::mpsc;
    ///
    /// # use matins_executor_thread::ThreadExecutor;
    /// # use matins_scheduler::{Schedule, SchedulerBuilder};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::{every, TimeUnits};
    /// # let mut scheduler = SchedulerBuilder::new()
    /// #     .store("default", MemoryStore::new())
    /// #     .executor("default", ThreadExecutor::new())
    /// #     .background()
    /// #     .unwrap();
    /// # scheduler.start().unwrap();
    /// let (sender, results) = mpsc::channel();
    /// let count = every(1.hours()).run(|| 6 * 7).on_success(move |run| {
    ///     let _ = sender.send(run.result);
    /// });
    /// scheduler.add(count).unwrap().run_now().unwrap();
    /// assert_eq!(results.recv().unwrap(), Some(42.into()));
    /// ```
    pub fn on_success(self, callback: impl FnMut(Run) + Send + 'static) -> Self {
        self.on(CallbackKind::Success, false, callback)
    }

    /// Calls `callback` after each run that has failed, has timed out or was interrupted, and is not tried again: of a job with
    /// [retries](Self::retry), after the last attempt. A run that somebody has cancelled has not failed.
    ///
    /// An [event](crate::Handle::on_event) tells of each attempt.
    ///
    /// ```
    /// use std::sync::mpsc;
    ///
    /// # use matins_executor_thread::ThreadExecutor;
    /// # use matins_scheduler::{Schedule, SchedulerBuilder};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::{every, TimeUnits};
    /// # let mut scheduler = SchedulerBuilder::new()
    /// #     .store("default", MemoryStore::new())
    /// #     .executor("default", ThreadExecutor::new())
    /// #     .background()
    /// #     .unwrap();
    /// # scheduler.start().unwrap();
    /// let (sender, failures) = mpsc::channel();
    /// let backup = every(1.hours()).run(|| Err::<(), _>("the disk is full")).on_failure(move |run| {
    ///     let _ = sender.send(format!("{} failed: {}", run.job, run.message.unwrap_or_default()));
    /// });
    /// scheduler.add(backup.id("backup")).unwrap().run_now().unwrap();
    /// assert_eq!(failures.recv().unwrap(), "backup failed: the disk is full");
    /// ```
    pub fn on_failure(self, callback: impl FnMut(Run) + Send + 'static) -> Self {
        self.on(CallbackKind::Failure, false, callback)
    }

    /// Calls `callback` after fires were missed, with the row that stands for them: [`fires`](Run::fires) says which and how many, and
    /// [`outcome`](Run::outcome) says why. If further fires are missed for the same reason, it is called again with the changed row.
    ///
    /// ```
    /// use std::sync::mpsc;
    ///
    /// use matins_core::{MissedReason, Outcome};
    /// # use matins_scheduler::{Schedule, SchedulerBuilder};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::{every, TimeUnits};
    ///
    /// let start = "2026-01-01T00:00:00Z".parse().unwrap();
    /// let mut scheduler = SchedulerBuilder::new().store("default", MemoryStore::new()).testing(start).unwrap();
    /// let (sender, missed) = mpsc::channel();
    /// let report = every(1.hours()).run(|| ()).misfire_grace(1.minutes()).on_missed(move |run| {
    ///     let _ = sender.send((run.fires.count, run.outcome));
    /// });
    /// scheduler.add(report).unwrap();
    ///
    /// scheduler.pause_all().unwrap();
    /// scheduler.advance(150.minutes());
    /// scheduler.resume_all().unwrap();
    /// scheduler.run_until_idle();
    /// assert_eq!(missed.recv().unwrap(), (2, Some(Outcome::Missed(MissedReason::TooLate))));
    /// ```
    pub fn on_missed(self, callback: impl FnMut(Run) + Send + 'static) -> Self {
        self.on(CallbackKind::Missed, false, callback)
    }

    /// As [`on_success`](Self::on_success), with a callback that is async.
    ///
    /// The thread that calls callbacks drives it to its end before it calls the next one.
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
    /// # let running = tokio::spawn(scheduler.run());
    /// let (sender, mut results) = tokio::sync::mpsc::channel(1);
    /// let count = every(1.hours()).run(async || 6 * 7).on_success_async(async move |run| {
    ///     let _ = sender.send(run.result).await;
    /// });
    /// handle.add(count).await?.run_now().await?.await?;
    /// assert_eq!(results.recv().await.unwrap(), Some(42.into()));
    /// # handle.shutdown(matins_core::Shutdown::Wait).await;
    /// # running.await??;
    /// # Ok(())
    /// # }
    /// ```
    pub fn on_success_async(self, callback: impl AsyncFnMut(Run) + Send + 'static) -> Self {
        self.on(CallbackKind::Success, true, driven(callback))
    }

    /// As [`on_failure`](Self::on_failure), with a callback that is async: see [`on_success_async`](Self::on_success_async).
    ///
    /// ```
    /// # use matins_core::Run;
    /// # use matins_scheduler::Schedule;
    /// # use matins_triggers::{TimeUnits, every};
    /// # async fn notify(text: String) {}
    /// let backup = every(1.hours()).task("backup").on_failure_async(async |run| {
    ///     notify(format!("{} failed: {}", run.job, run.message.unwrap_or_default())).await;
    /// });
    /// # drop(backup);
    /// ```
    pub fn on_failure_async(self, callback: impl AsyncFnMut(Run) + Send + 'static) -> Self {
        self.on(CallbackKind::Failure, true, driven(callback))
    }

    /// As [`on_missed`](Self::on_missed), with a callback that is async: see [`on_success_async`](Self::on_success_async).
    ///
    /// ```
    /// # use matins_core::Run;
    /// # use matins_scheduler::Schedule;
    /// # use matins_triggers::{TimeUnits, every};
    /// # async fn notify(text: String) {}
    /// let backup = every(1.hours()).task("backup").on_missed_async(async |run| {
    ///     notify(format!("{} missed {} fires", run.job, run.fires.count)).await;
    /// });
    /// # drop(backup);
    /// ```
    pub fn on_missed_async(self, callback: impl AsyncFnMut(Run) + Send + 'static) -> Self {
        self.on(CallbackKind::Missed, true, driven(callback))
    }

    fn on(mut self, kind: CallbackKind, is_async: bool, callback: impl FnMut(Run) + Send + 'static) -> Self {
        let callbacks = self.callbacks.get_or_insert_default();
        // Nobody else has them before the job is added.
        if let Some(callbacks) = Arc::get_mut(callbacks) {
            callbacks.add(kind, is_async, Box::new(in_runtime(callback)));
        }
        self
    }
}

/// Returns a callback that drives an async one to its end.
fn driven(mut callback: impl AsyncFnMut(Run) + Send + 'static) -> impl FnMut(Run) + Send + 'static {
    move |run| block_on(callback(run))
}

/// Returns the callback as one that may use the tokio runtime in which the job is made, if there is one.
#[cfg(feature = "tokio")]
fn in_runtime(mut callback: impl FnMut(Run) + Send + 'static) -> impl FnMut(Run) + Send + 'static {
    let runtime = tokio::runtime::Handle::try_current().ok();
    move |run| {
        let _entered = runtime.as_ref().map(tokio::runtime::Handle::enter);
        callback(run);
    }
}

#[cfg(not(feature = "tokio"))]
fn in_runtime(callback: impl FnMut(Run) + Send + 'static) -> impl FnMut(Run) + Send + 'static {
    callback
}
