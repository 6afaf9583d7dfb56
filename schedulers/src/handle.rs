//! The way to a scheduler from anywhere.

use std::fmt;
use std::sync::Arc;

use matins_core::{
    IntoTask, Job, JobId, JobQuery, NameError, Progress, Run, RunId, RunQuery, SetAside, Shutdown, StoreName,
    TaskRegistry,
};

use crate::SchedulerError;
use crate::events::Events;
use crate::new_job::NewJob;
use crate::shared::Shared;

/// The way to a scheduler: adds, lists, pauses and removes jobs, from any thread and from inside a running job.
///
/// Clones are the same scheduler. After shutdown, every method that asks or changes something answers
/// [`SchedulerError::ShutDown`]. Jobs are looked for by id in all stores, in the order in which the stores were named.
#[derive(Clone)]
pub struct Handle {
    pub(crate) shared: Arc<Shared>,
}

impl Handle {
    /// Registers a task under a name, for jobs to refer to.
    ///
    /// # Errors
    /// When the name is none.
    pub fn register<Form>(&self, name: impl AsRef<str>, task: impl IntoTask<Form>) -> Result<(), NameError> {
        self.tasks().register(name, task)
    }

    /// The tasks that are registered.
    pub fn tasks(&self) -> TaskRegistry {
        self.shared.engine().tasks.clone()
    }

    /// Adds a job, and answers with its id. When this returns, the job is in its store.
    ///
    /// # Errors
    /// When a setting is wrong, the trigger cannot be made or has no fire time to come, the task is not registered or
    /// refuses the arguments, the id is taken, or the store fails. Nothing has changed then.
    pub fn add(&self, job: NewJob) -> Result<JobId, SchedulerError> {
        self.shared.change(|engine| engine.add(job))
    }

    /// The job with this id, if there is one.
    ///
    /// # Errors
    /// When a store fails.
    pub fn get(&self, id: impl AsRef<str>) -> Result<Option<Job>, SchedulerError> {
        let id = JobId::new(id)?;
        self.shared.engine().get(&id)
    }

    /// The jobs that the stores have met and cannot read: they are kept, and neither fire nor are listed.
    ///
    /// # Errors
    /// After shutdown.
    pub fn set_aside(&self) -> Result<Vec<(StoreName, SetAside)>, SchedulerError> {
        self.shared.engine().set_aside()
    }

    /// The jobs that `query` asks for, store by store.
    ///
    /// # Errors
    /// When a store fails.
    pub fn list(&self, query: &JobQuery) -> Result<Vec<(StoreName, Job)>, SchedulerError> {
        self.shared.engine().list(query)
    }

    /// The ledger of the store `default`.
    ///
    /// # Errors
    /// When the store fails.
    pub fn runs(&self, query: &RunQuery) -> Result<Vec<Run>, SchedulerError> {
        self.runs_in(&StoreName::default(), query)
    }

    /// The ledger of a store.
    ///
    /// # Errors
    /// When there is no such store, or it fails.
    pub fn runs_in(&self, store: &StoreName, query: &RunQuery) -> Result<Vec<Run>, SchedulerError> {
        self.shared.engine().runs(store, query)
    }

    /// How far a run of a store's job has come, where it goes on and its task has said so.
    ///
    /// # Errors
    /// When there is no such store.
    pub fn progress(&self, store: &StoreName, run: RunId) -> Result<Option<Progress>, SchedulerError> {
        self.shared.engine().progress(store, run)
    }

    /// Removes a job, and gives it back. A run of it that goes on goes on; one that waits, be it for an earlier run or
    /// for another attempt, is missed.
    ///
    /// # Errors
    /// When there is no such job, or its store fails.
    pub fn remove(&self, id: impl AsRef<str>) -> Result<Job, SchedulerError> {
        let id = JobId::new(id)?;
        self.shared.change(|engine| engine.remove(&id))
    }

    /// Pauses a job: it has no next fire time until it is resumed. Runs that go on go on.
    ///
    /// # Errors
    /// When there is no such job, or its store fails.
    pub fn pause(&self, id: impl AsRef<str>) -> Result<(), SchedulerError> {
        let id = JobId::new(id)?;
        self.shared.change(|engine| engine.pause_job(&id))
    }

    /// Resumes a paused job: its next fire time is the first one after now. Where the trigger has no more, the job
    /// is removed, or stays, as its policy says.
    ///
    /// # Errors
    /// When there is no such job, or its store fails.
    pub fn resume(&self, id: impl AsRef<str>) -> Result<(), SchedulerError> {
        let id = JobId::new(id)?;
        self.shared.change(|engine| engine.resume_job(&id))
    }

    /// Pauses the whole scheduler: no job fires. What comes due meanwhile is late when it is resumed.
    ///
    /// # Errors
    /// When it has been shut down.
    pub fn pause_all(&self) -> Result<(), SchedulerError> {
        self.shared.change(super::engine::Engine::pause)
    }

    /// Resumes the whole scheduler.
    ///
    /// # Errors
    /// When it has been shut down.
    pub fn resume_all(&self) -> Result<(), SchedulerError> {
        self.shared.change(super::engine::Engine::resume)
    }

    /// The scheduler's events from now on.
    pub fn subscribe(&self) -> Events {
        self.shared.engine().listeners.subscribe()
    }

    /// Begins to shut down: nothing fires any more, and what runs is ended as `how` says. Returns at once, so that a
    /// job may call it too. Called again with less patience, it hurries what was begun.
    ///
    /// Fires that wait for an earlier run of their job stay in the ledger of a persistent store, and run at the next
    /// start.
    pub fn shutdown(&self, how: Shutdown) {
        self.shared.change(|engine| engine.shutdown(how));
    }

    /// Waits until the scheduler has shut down. Not to be called from a job, which it would wait for.
    pub fn wait_until_shut_down(&self) {
        self.shared.wait_until_stopped();
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").finish_non_exhaustive()
    }
}
