//! The driver for async programs: a future that ends when the scheduler has shut down, and handles whose methods are async.

use std::collections::BTreeMap;
use std::fmt;
use std::panic::resume_unwind;
use std::thread;

use crate::Event;
use chrono::{DateTime, Utc};
use matins_core::{
    Executor, ExecutorName, IntoTrigger, Job, JobId, JobQuery, JobStore, NameError, Progress, Run, RunId,
    RunQuery, SetAside, Shutdown, StoreName,
};
use matins_task_function::{IntoTask, TaskRegistry};
use tokio::sync::{mpsc, oneshot};
use tokio::task::spawn_blocking;

use crate::SchedulerError;
use crate::handle::{Handle, SchedulerState};
use crate::job_commands::AddOutcome;
use crate::new_job::NewJob;
use crate::outcomes::PendingOutcome;
use crate::stats::Stats;

/// A scheduler for a program on a tokio runtime: [`run`](Self::run) is a future to await or to spawn.
///
/// The engine and its stores work on a thread of their own, so that a commit, which waits for a disk, never keeps a worker
/// of the runtime. Give it a tokio executor for tasks that are async.
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

impl AsyncScheduler {
    pub(crate) fn new(handle: Handle) -> Self {
        Self { handle }
    }

    /// A way to this scheduler from other tasks, and from its jobs.
    pub fn handle(&self) -> AsyncHandle {
        AsyncHandle { handle: self.handle.clone() }
    }

    /// Fires jobs until somebody shuts the scheduler down by a handle; ready when that is done, its stores closed and its
    /// executors ended. Dropping the future shuts it down at once, and does not wait for that.
    ///
    /// # Errors
    /// When the system starts no thread.
    pub async fn run(self) -> Result<(), SchedulerError> {
        let shared = self.handle.shared.clone();
        shared.engine.start();
        let (ends, ended) = oneshot::channel();
        let drive = move || {
            shared.drive();
            // Nobody waits any more where the future was dropped.
            let _ = ends.send(());
        };
        let thread = thread::Builder::new().name("matins-scheduler".to_owned());
        let thread = thread.spawn(drive).map_err(SchedulerError::Thread)?;
        let stop = StopOnDrop { handle: self.handle, is_over: false };
        let is_over = ended.await;
        stop.disarm();
        if is_over.is_err()
            && let Err(panic) = thread.join()
        {
            resume_unwind(panic);
        }
        Ok(())
    }
}

struct StopOnDrop {
    handle: Handle,
    is_over: bool,
}

impl StopOnDrop {
    fn disarm(mut self) {
        self.is_over = true;
    }
}

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        if !self.is_over {
            // On a thread of its own: the engine may be at a commit.
            let handle = self.handle.clone();
            let stop = thread::Builder::new().name("matins-shutdown".to_owned());
            // Without a thread it is left running, as it would be without this guard.
            let _ = stop.spawn(move || handle.shutdown(Shutdown::Now));
        }
    }
}

/// The way to a scheduler from async code: the methods of [`Handle`], which wait without keeping a worker of the runtime.
/// They are to be called on a tokio runtime.
///
/// Clones are the same scheduler.
#[derive(Debug, Clone)]
pub struct AsyncHandle {
    handle: Handle,
}

impl From<Handle> for AsyncHandle {
    fn from(handle: Handle) -> Self {
        Self { handle }
    }
}

/// Does `work` where blocking is allowed.
async fn unblocked<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    match spawn_blocking(work).await {
        Ok(value) => Some(value),
        Err(error) => match error.try_into_panic() {
            Ok(panic) => resume_unwind(panic),
            // The runtime ends.
            Err(_) => None,
        },
    }
}

impl AsyncHandle {
    /// The same way for code that may block.
    pub fn blocking(&self) -> &Handle {
        &self.handle
    }

    async fn call<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Handle) -> Result<T, SchedulerError> + Send + 'static,
    ) -> Result<T, SchedulerError> {
        let handle = self.handle.clone();
        unblocked(move || work(&handle)).await.unwrap_or(Err(SchedulerError::ShutDown))
    }

    /// See [`Handle::register`].
    ///
    /// # Errors
    /// When the name is none.
    pub async fn register<Form>(
        &self,
        name: impl AsRef<str>,
        task: impl IntoTask<Form>,
    ) -> Result<(), NameError> {
        self.tasks().await.register(name, task)
    }

    /// See [`Handle::tasks`].
    pub async fn tasks(&self) -> TaskRegistry {
        let handle = self.handle.clone();
        unblocked(move || handle.tasks()).await.unwrap_or_default()
    }

    /// See [`Handle::add`].
    ///
    /// # Errors
    /// As [`Handle::add`].
    pub async fn add(&self, job: NewJob) -> Result<AsyncJobHandle, SchedulerError> {
        let job = self.call(move |handle| handle.add(job)).await?;
        Ok(AsyncJobHandle { handle: self.clone(), id: job.id().clone(), add_outcome: job.add_outcome() })
    }

    /// See [`Handle::add_many`].
    ///
    /// # Errors
    /// As [`Handle::add_many`].
    pub async fn add_many(&self, jobs: Vec<NewJob>) -> Result<Vec<(JobId, AddOutcome)>, SchedulerError> {
        self.call(move |handle| handle.add_many(jobs)).await
    }

    /// See [`Handle::get`].
    ///
    /// # Errors
    /// As [`Handle::get`].
    pub async fn get(&self, id: impl AsRef<str>) -> Result<Option<Job>, SchedulerError> {
        let id = JobId::new(id)?;
        self.call(move |handle| handle.get(&id)).await
    }

    /// See [`Handle::set_aside`].
    ///
    /// # Errors
    /// As [`Handle::set_aside`].
    pub async fn set_aside(&self) -> Result<Vec<(StoreName, SetAside)>, SchedulerError> {
        self.call(Handle::set_aside).await
    }

    /// See [`Handle::list`].
    ///
    /// # Errors
    /// As [`Handle::list`].
    pub async fn list(&self, query: JobQuery) -> Result<Vec<(StoreName, Job)>, SchedulerError> {
        self.call(move |handle| handle.list(&query)).await
    }

    /// See [`Handle::count`].
    ///
    /// # Errors
    /// As [`Handle::count`].
    pub async fn count(&self, query: JobQuery) -> Result<usize, SchedulerError> {
        self.call(move |handle| handle.count(&query)).await
    }

    /// See [`Handle::count_runs`].
    ///
    /// # Errors
    /// As [`Handle::count_runs`].
    pub async fn count_runs(&self, query: RunQuery) -> Result<usize, SchedulerError> {
        self.call(move |handle| handle.count_runs(&query)).await
    }

    /// See [`Handle::runs`].
    ///
    /// # Errors
    /// As [`Handle::runs`].
    pub async fn runs(&self, query: RunQuery) -> Result<Vec<Run>, SchedulerError> {
        self.call(move |handle| handle.runs(&query)).await
    }

    /// See [`Handle::runs_in`].
    ///
    /// # Errors
    /// As [`Handle::runs_in`].
    pub async fn runs_in(&self, store: &StoreName, query: RunQuery) -> Result<Vec<Run>, SchedulerError> {
        let store = store.clone();
        self.call(move |handle| handle.runs_in(&store, &query)).await
    }

    /// See [`Handle::progress`].
    ///
    /// # Errors
    /// As [`Handle::progress`].
    pub async fn progress(&self, store: &StoreName, run: RunId) -> Result<Option<Progress>, SchedulerError> {
        let store = store.clone();
        self.call(move |handle| handle.progress(&store, run)).await
    }

    /// See [`Handle::in_flight`].
    ///
    /// # Errors
    /// As [`Handle::in_flight`].
    pub async fn in_flight(
        &self,
        store: &StoreName,
    ) -> Result<BTreeMap<RunId, Option<DateTime<Utc>>>, SchedulerError> {
        let store = store.clone();
        self.call(move |handle| handle.in_flight(&store)).await
    }

    /// See [`Handle::remove`].
    ///
    /// # Errors
    /// As [`Handle::remove`].
    pub async fn remove(&self, id: impl AsRef<str>) -> Result<Job, SchedulerError> {
        let id = JobId::new(id)?;
        self.call(move |handle| handle.remove(&id)).await
    }

    /// See [`Handle::remove_all`].
    ///
    /// # Errors
    /// As [`Handle::remove_all`].
    pub async fn remove_all(&self, store: &StoreName) -> Result<usize, SchedulerError> {
        let store = store.clone();
        self.call(move |handle| handle.remove_all(&store)).await
    }

    /// See [`Handle::modify`].
    ///
    /// # Errors
    /// As [`Handle::modify`].
    pub async fn modify(
        &self,
        id: impl AsRef<str>,
        change: impl FnOnce(&mut Job) + Send + 'static,
    ) -> Result<Job, SchedulerError> {
        let id = JobId::new(id)?;
        self.call(move |handle| handle.modify(&id, change)).await
    }

    /// See [`Handle::reschedule`].
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

    /// See [`Handle::move_to`].
    ///
    /// # Errors
    /// As [`Handle::move_to`].
    pub async fn move_to(&self, id: impl AsRef<str>, store: &StoreName) -> Result<(), SchedulerError> {
        let (id, store) = (JobId::new(id)?, store.clone());
        self.call(move |handle| handle.move_to(&id, &store)).await
    }

    /// See [`Handle::run_now`].
    ///
    /// # Errors
    /// As [`Handle::run_now`].
    pub async fn run_now(&self, id: impl AsRef<str>) -> Result<PendingOutcome, SchedulerError> {
        let id = JobId::new(id)?;
        self.call(move |handle| handle.run_now(&id)).await
    }

    /// See [`Handle::next_outcome`].
    ///
    /// # Errors
    /// As [`Handle::next_outcome`].
    pub async fn next_outcome(&self, id: impl AsRef<str>) -> Result<PendingOutcome, SchedulerError> {
        let id = JobId::new(id)?;
        self.call(move |handle| handle.next_outcome(&id)).await
    }

    /// See [`Handle::cancel`].
    ///
    /// # Errors
    /// As [`Handle::cancel`].
    pub async fn cancel(&self, store: &StoreName, run: RunId) -> Result<bool, SchedulerError> {
        let store = store.clone();
        self.call(move |handle| handle.cancel(&store, run)).await
    }

    /// See [`Handle::stats`].
    pub async fn stats(&self) -> Stats {
        let handle = self.handle.clone();
        unblocked(move || handle.stats()).await.unwrap_or_default()
    }

    /// See [`Handle::add_store`].
    ///
    /// # Errors
    /// As [`Handle::add_store`].
    pub async fn add_store(
        &self,
        name: impl AsRef<str>,
        store: impl JobStore + 'static,
    ) -> Result<(), SchedulerError> {
        let name = StoreName::new(name)?;
        self.call(move |handle| handle.add_store(name, store)).await
    }

    /// See [`Handle::remove_store`].
    ///
    /// # Errors
    /// As [`Handle::remove_store`].
    pub async fn remove_store(
        &self,
        name: impl AsRef<str>,
        how: Shutdown,
    ) -> Result<Box<dyn JobStore>, SchedulerError> {
        let name = StoreName::new(name)?;
        self.call(move |handle| handle.remove_store(name, how)).await
    }

    /// See [`Handle::with_store`].
    ///
    /// # Errors
    /// As [`Handle::with_store`].
    pub async fn with_store<T: Send + 'static>(
        &self,
        name: impl AsRef<str>,
        work: impl FnOnce(&mut dyn JobStore) -> T + Send + 'static,
    ) -> Result<T, SchedulerError> {
        let name = StoreName::new(name)?;
        self.call(move |handle| handle.with_store(name, work)).await
    }

    /// See [`Handle::add_executor`].
    ///
    /// # Errors
    /// As [`Handle::add_executor`].
    pub async fn add_executor(
        &self,
        name: impl AsRef<str>,
        executor: impl Executor + 'static,
        how: Shutdown,
    ) -> Result<(), SchedulerError> {
        let name = ExecutorName::new(name)?;
        self.call(move |handle| handle.add_executor(name, executor, how)).await
    }

    /// See [`Handle::remove_executor`].
    ///
    /// # Errors
    /// As [`Handle::remove_executor`].
    pub async fn remove_executor(&self, name: impl AsRef<str>, how: Shutdown) -> Result<(), SchedulerError> {
        let name = ExecutorName::new(name)?;
        self.call(move |handle| handle.remove_executor(name, how)).await
    }

    /// See [`Handle::pause`].
    ///
    /// # Errors
    /// As [`Handle::pause`].
    pub async fn pause(&self, id: impl AsRef<str>) -> Result<(), SchedulerError> {
        let id = JobId::new(id)?;
        self.call(move |handle| handle.pause(&id)).await
    }

    /// See [`Handle::resume`].
    ///
    /// # Errors
    /// As [`Handle::resume`].
    pub async fn resume(&self, id: impl AsRef<str>) -> Result<(), SchedulerError> {
        let id = JobId::new(id)?;
        self.call(move |handle| handle.resume(&id)).await
    }

    /// See [`Handle::pause_all`].
    ///
    /// # Errors
    /// As [`Handle::pause_all`].
    pub async fn pause_all(&self) -> Result<(), SchedulerError> {
        self.call(Handle::pause_all).await
    }

    /// See [`Handle::resume_all`].
    ///
    /// # Errors
    /// As [`Handle::resume_all`].
    pub async fn resume_all(&self) -> Result<(), SchedulerError> {
        self.call(Handle::resume_all).await
    }

    /// See [`Handle::state`].
    pub async fn state(&self) -> SchedulerState {
        let handle = self.handle.clone();
        unblocked(move || handle.state()).await.unwrap_or(SchedulerState::ShutDown)
    }

    /// See [`Handle::wakeup`]. It does not wait.
    pub fn wakeup(&self) {
        self.handle.wakeup();
    }

    /// Those of the scheduler's events from now on that `wants` wants; see [`Handle::subscribe_to`].
    pub async fn subscribe_to(&self, wants: impl Fn(&Event) -> bool + Send + 'static) -> AsyncEvents {
        let handle = self.handle.clone();
        let receiver = unblocked(move || handle.shared.engine.hub().listeners.subscribe_async(wants)).await;
        AsyncEvents { receiver: receiver.unwrap_or_else(|| mpsc::channel(1).1) }
    }

    /// The scheduler's events from now on.
    pub async fn subscribe(&self) -> AsyncEvents {
        self.subscribe_to(|_| true).await
    }

    /// Begins to shut down, and returns at once; see [`Handle::shutdown`].
    pub async fn shutdown(&self, how: Shutdown) {
        let handle = self.handle.clone();
        unblocked(move || handle.shutdown(how)).await;
    }

    /// Waits until the scheduler has shut down; see [`Handle::wait_until_shut_down`].
    pub async fn wait_until_shut_down(&self) {
        let handle = self.handle.clone();
        unblocked(move || handle.wait_until_shut_down()).await;
    }
}

/// The way to one job from async code: what [`AsyncHandle::add`] answers with. It goes wherever a job's id does.
///
/// Clones are the same job.
#[derive(Debug, Clone)]
pub struct AsyncJobHandle {
    handle: AsyncHandle,
    id: JobId,
    add_outcome: AddOutcome,
}

impl AsyncJobHandle {
    /// Returns what [`AsyncHandle::add`] did with the job.
    pub fn add_outcome(&self) -> AddOutcome {
        self.add_outcome
    }

    /// The job's id.
    pub fn id(&self) -> &JobId {
        &self.id
    }

    /// The job as it is now, if it is there still.
    ///
    /// # Errors
    /// As [`Handle::get`].
    pub async fn get(&self) -> Result<Option<Job>, SchedulerError> {
        self.handle.get(self).await
    }

    /// What becomes of whichever run of the job ends, or is missed, next.
    ///
    /// # Errors
    /// As [`Handle::next_outcome`].
    pub async fn next_outcome(&self) -> Result<PendingOutcome, SchedulerError> {
        self.handle.next_outcome(self).await
    }

    /// Starts a run now, beside the schedule.
    ///
    /// # Errors
    /// As [`Handle::run_now`].
    pub async fn run_now(&self) -> Result<PendingOutcome, SchedulerError> {
        self.handle.run_now(self).await
    }

    /// Pauses the job.
    ///
    /// # Errors
    /// As [`Handle::pause`].
    pub async fn pause(&self) -> Result<(), SchedulerError> {
        self.handle.pause(self).await
    }

    /// Resumes the job.
    ///
    /// # Errors
    /// As [`Handle::resume`].
    pub async fn resume(&self) -> Result<(), SchedulerError> {
        self.handle.resume(self).await
    }

    /// Has `change` change the job.
    ///
    /// # Errors
    /// As [`Handle::modify`].
    pub async fn modify(
        &self,
        change: impl FnOnce(&mut Job) + Send + 'static,
    ) -> Result<Job, SchedulerError> {
        self.handle.modify(self, change).await
    }

    /// Gives the job another trigger.
    ///
    /// # Errors
    /// As [`Handle::reschedule`].
    pub async fn reschedule(
        &self,
        trigger: impl IntoTrigger + Send + 'static,
    ) -> Result<Job, SchedulerError> {
        self.handle.reschedule(self, trigger).await
    }

    /// Removes the job, and gives it back.
    ///
    /// # Errors
    /// As [`Handle::remove`].
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

/// The events of a scheduler, in order, for async code. A listener that lags more than 10,000 events behind loses some, and
/// is told how many by an [`Event::Lost`].
#[derive(Debug)]
pub struct AsyncEvents {
    receiver: mpsc::Receiver<Event>,
}

impl AsyncEvents {
    /// The next event; `None` when the scheduler is gone.
    pub async fn next(&mut self) -> Option<Event> {
        self.receiver.recv().await
    }
}
