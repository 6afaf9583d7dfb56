//! The way to a scheduler from async code.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use matins_core::{
    Executor, ExecutorName, IntoTrigger, Job, JobId, JobQuery, JobStore, NameError, Progress, Run, RunId,
    RunQuery, SetAside, Shutdown, StoreName,
};
use matins_task_function::{IntoTask, RegisterError, TaskRegistry};

use super::calls::unblocked;
use super::{AsyncEvents, AsyncJobHandle};
use crate::add_commands::AddOutcome;
use crate::handle::{Handle, SchedulerState};
use crate::new_job::NewJob;
use crate::outcomes::PendingOutcome;
use crate::stats::Stats;
use crate::{Event, SchedulerError};

/// The way to a scheduler from async code: the methods of [`Handle`], which wait without keeping a worker of the runtime, or a
/// thread of its blocking pool.
///
/// Clones are the same scheduler.
#[derive(Debug, Clone)]
pub struct AsyncHandle {
    pub(super) handle: Handle,
}

impl From<Handle> for AsyncHandle {
    fn from(handle: Handle) -> Self {
        Self { handle }
    }
}

/// The methods whose arguments are of these kinds: each calls the method of [`Handle`] of the same name, with the same arguments,
/// where blocking is allowed. A reference is cloned for that.
macro_rules! forwarded {
    ($($name:ident($($argument:ident: $kind:ident),*) -> $answer:ty;)*) => {
        impl AsyncHandle {
            $(
                #[doc = concat!("See [`Handle::", stringify!($name), "`].")]
                ///
                /// # Errors
                #[doc = concat!("As [`Handle::", stringify!($name), "`].")]
                pub async fn $name(&self, $($argument: argument!($kind)),*) -> Result<$answer, SchedulerError> {
                    $(let $argument = owned!($kind, $argument);)*
                    self.call(move |handle| handle.$name($(given!($kind, $argument)),*)).await
                }
            )*

            /// The names of these methods.
            #[cfg(test)]
            const FORWARDED: &[&str] = &[$(stringify!($name)),*];
        }
    };
}

/// The type of an argument.
macro_rules! argument {
    (id) => { impl AsRef<str> };
    (ids) => { impl IntoIterator<Item = impl AsRef<str>> };
    (name) => { impl AsRef<str> };
    (store) => { &StoreName };
    (jobs) => { &JobQuery };
    (runs) => { &RunQuery };
    (run) => { RunId };
    (how) => { Shutdown };
}

/// An argument as it goes to another thread.
macro_rules! owned {
    (id, $argument:ident) => {
        JobId::new($argument)?
    };
    (ids, $argument:ident) => {
        $argument.into_iter().map(JobId::new).collect::<Result<Vec<JobId>, NameError>>()?
    };
    (name, $argument:ident) => {
        $argument.as_ref().to_owned()
    };
    (store, $argument:ident) => {
        $argument.clone()
    };
    (jobs, $argument:ident) => {
        $argument.clone()
    };
    (runs, $argument:ident) => {
        $argument.clone()
    };
    ($kind:ident, $argument:ident) => {
        $argument
    };
}

/// An argument as it is given to the handle.
macro_rules! given {
    (run, $argument:ident) => {
        $argument
    };
    (how, $argument:ident) => {
        $argument
    };
    ($kind:ident, $argument:ident) => {
        &$argument
    };
}

forwarded! {
    get(id: id) -> Option<Job>;
    stores() -> Vec<StoreName>;
    set_aside() -> Vec<(StoreName, SetAside)>;
    list(query: jobs) -> Vec<(StoreName, Job)>;
    count(query: jobs) -> usize;
    count_runs(query: runs) -> usize;
    count_runs_in(store: store, query: runs) -> usize;
    runs(query: runs) -> Vec<Run>;
    runs_in(store: store, query: runs) -> Vec<Run>;
    progress(store: store, run: run) -> Option<Progress>;
    in_flight(store: store) -> BTreeMap<RunId, Option<DateTime<Utc>>>;
    remove(id: id) -> Job;
    remove_many(ids: ids) -> Vec<Job>;
    remove_matching(query: jobs) -> usize;
    remove_all(store: store) -> usize;
    move_to(id: id, store: store) -> ();
    run_now(id: id) -> PendingOutcome;
    next_outcome(id: id) -> PendingOutcome;
    cancel(store: store, run: run) -> bool;
    remove_executor(name: name, how: how) -> ();
    pause(id: id) -> ();
    resume(id: id) -> ();
    pause_all() -> ();
    resume_all() -> ();
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
        unblocked(move || work(&handle)).await
    }

    /// See [`Handle::register`].
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

    /// See [`Handle::time_zone`].
    pub fn time_zone(&self) -> &str {
        self.handle.time_zone()
    }

    /// See [`Handle::tasks`].
    pub async fn tasks(&self) -> TaskRegistry {
        let handle = self.handle.clone();
        unblocked(move || handle.tasks()).await
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
    pub async fn add_many(
        &self,
        jobs: impl IntoIterator<Item = NewJob>,
    ) -> Result<Vec<(JobId, AddOutcome)>, SchedulerError> {
        let jobs: Vec<NewJob> = jobs.into_iter().collect();
        self.call(move |handle| handle.add_many(jobs)).await
    }

    /// See [`Handle::modify`].
    ///
    /// # Errors
    /// As [`Handle::modify`].
    pub async fn modify(
        &self,
        id: impl AsRef<str>,
        change: impl FnMut(&mut Job) + Send + 'static,
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

    /// See [`Handle::stats`].
    pub async fn stats(&self) -> Stats {
        let handle = self.handle.clone();
        unblocked(move || handle.stats()).await
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

    /// See [`Handle::state`].
    pub async fn state(&self) -> SchedulerState {
        let handle = self.handle.clone();
        unblocked(move || handle.state()).await
    }

    /// See [`Handle::wakeup`]. It does not wait.
    pub fn wakeup(&self) {
        self.handle.wakeup();
    }

    /// Those of the scheduler's events from now on that `wants` wants; see [`Handle::subscribe_to`].
    pub async fn subscribe_to(&self, wants: impl Fn(&Event) -> bool + Send + 'static) -> AsyncEvents {
        let handle = self.handle.clone();
        let receiver = unblocked(move || handle.engine().hub().listeners.subscribe_async(wants)).await;
        AsyncEvents { receiver }
    }

    /// The scheduler's events from now on.
    pub async fn subscribe(&self) -> AsyncEvents {
        self.subscribe_to(|_| true).await
    }

    /// See [`Handle::on_event`]. The listener may block.
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

    /// See [`Handle::remove_store`].
    ///
    /// # Errors
    /// As [`Handle::remove_store`]; [`SchedulerError::WaitsForItself`] if a job of that store awaits this.
    pub async fn remove_store(
        &self,
        name: impl AsRef<str>,
        how: Shutdown,
    ) -> Result<Box<dyn JobStore>, SchedulerError> {
        let name = StoreName::new(name)?;
        if self.handle.shared.engine.is_driven() && self.handle.shared.is_needed_for(|lane| lane.name == name)
        {
            return Err(SchedulerError::WaitsForItself);
        }
        self.call(move |handle| handle.remove_store(name, how)).await
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
    pub async fn request_shutdown(&self, how: Shutdown) {
        let handle = self.handle.clone();
        unblocked(move || handle.request_shutdown(how)).await;
    }

    /// Waits until the scheduler has shut down. In a job of this scheduler it does not wait.
    pub async fn wait_until_shut_down(&self) {
        if !self.handle.shared.is_needed_here() {
            // It is dropped, where there is nothing more to wait for.
            let _ = self.handle.shared.end().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The names of the public methods in a source.
    fn methods(source: &str) -> Vec<&str> {
        let lines = source.lines().map(str::trim);
        let named = lines
            .filter_map(|line| line.strip_prefix("pub fn ").or_else(|| line.strip_prefix("pub async fn ")));
        named.filter_map(|rest| rest.split(['(', '<']).next()).collect()
    }

    #[test]
    fn both_handles_have_the_same_methods() {
        let sources = [
            include_str!("../handle/mod.rs"),
            include_str!("../handle/jobs.rs"),
            include_str!("../handle/parts.rs"),
        ];
        let mut blocking: Vec<&str> = sources.into_iter().flat_map(methods).collect();
        let written = methods(include_str!("handle.rs"));
        let mut own: Vec<&str> = written.into_iter().chain(AsyncHandle::FORWARDED.iter().copied()).collect();
        own.retain(|name| !["$name", "blocking", ""].contains(name));
        blocking.sort_unstable();
        own.sort_unstable();
        assert!(blocking.len() > 30);
        assert_eq!(own, blocking);
    }
}
