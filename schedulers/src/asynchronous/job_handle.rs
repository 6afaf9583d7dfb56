//! A job of an async program.

use std::fmt;

use matins_core::{IntoTrigger, Job, JobId};

use super::AsyncHandle;
use crate::SchedulerError;
use crate::add_commands::AddOutcome;
use crate::outcomes::PendingOutcome;

/// The way to one job from async code: what [`AsyncHandle::add`] answers with. It goes wherever a job's id does.
///
/// Clones are the same job.
#[derive(Debug, Clone)]
pub struct AsyncJobHandle {
    pub(super) handle: AsyncHandle,
    pub(super) id: JobId,
    pub(super) add_outcome: AddOutcome,
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
    /// As [`AsyncHandle::get`].
    pub async fn get(&self) -> Result<Option<Job>, SchedulerError> {
        self.handle.get(self).await
    }

    /// Returns the outcome of the next run of the job that ends or is missed.
    ///
    /// # Errors
    /// As [`AsyncHandle::next_outcome`].
    pub async fn next_outcome(&self) -> Result<PendingOutcome, SchedulerError> {
        self.handle.next_outcome(self).await
    }

    /// Starts a run now, beside the schedule.
    ///
    /// # Errors
    /// As [`AsyncHandle::run_now`].
    pub async fn run_now(&self) -> Result<PendingOutcome, SchedulerError> {
        self.handle.run_now(self).await
    }

    /// Pauses the job.
    ///
    /// # Errors
    /// As [`AsyncHandle::pause`].
    pub async fn pause(&self) -> Result<(), SchedulerError> {
        self.handle.pause(self).await
    }

    /// Resumes the job.
    ///
    /// # Errors
    /// As [`AsyncHandle::resume`].
    pub async fn resume(&self) -> Result<(), SchedulerError> {
        self.handle.resume(self).await
    }

    /// Applies `change` to the job and returns the updated job.
    ///
    /// # Errors
    /// As [`AsyncHandle::modify`].
    pub async fn modify(&self, change: impl FnMut(&mut Job) + Send + 'static) -> Result<Job, SchedulerError> {
        self.handle.modify(self, change).await
    }

    /// Gives the job another trigger.
    ///
    /// # Errors
    /// As [`AsyncHandle::reschedule`].
    pub async fn reschedule(
        &self,
        trigger: impl IntoTrigger + Send + 'static,
    ) -> Result<Job, SchedulerError> {
        self.handle.reschedule(self, trigger).await
    }

    /// Removes the job, and gives it back.
    ///
    /// # Errors
    /// As [`AsyncHandle::remove`].
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
