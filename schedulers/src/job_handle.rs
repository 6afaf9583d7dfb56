//! The way to one job.

use std::fmt;

use matins_core::{IntoTrigger, Job, JobId};

use crate::SchedulerError;
use crate::add_commands::AddOutcome;
use crate::handle::Handle;
use crate::outcomes::PendingOutcome;

/// The way to one job of a scheduler: what [`Handle::add`] answers with. It goes wherever a job's id does.
///
/// Clones are the same job. A job that has gone meanwhile is [`SchedulerError::NoJob`].
#[derive(Debug, Clone)]
pub struct JobHandle {
    handle: Handle,
    id: JobId,
    add_outcome: AddOutcome,
}

impl JobHandle {
    pub(crate) fn new(handle: Handle, id: JobId, add_outcome: AddOutcome) -> Self {
        Self { handle, id, add_outcome }
    }

    /// Returns what [`Handle::add`] did with the job.
    ///
    /// ```
    /// # use matins_core::OnConflict;
    /// # use matins_executor_thread::ThreadExecutor;
    /// # use matins_scheduler::{AddOutcome, Schedule, SchedulerBuilder};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::{every, TimeUnits};
    /// # let scheduler = SchedulerBuilder::new()
    /// #     .store("default", MemoryStore::new())
    /// #     .executor("default", ThreadExecutor::new())
    /// #     .background()
    /// #     .unwrap();
    /// # scheduler.register("report", || ()).unwrap();
    /// let report = |period: u32| every(period.minutes()).task("report").id("report").on_conflict(OnConflict::Update);
    /// assert_eq!(scheduler.add(report(10)).unwrap().add_outcome(), AddOutcome::Added);
    /// assert_eq!(scheduler.add(report(10)).unwrap().add_outcome(), AddOutcome::Unchanged);
    /// assert_eq!(scheduler.add(report(20)).unwrap().add_outcome(), AddOutcome::Updated);
    /// ```
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
    pub fn get(&self) -> Result<Option<Job>, SchedulerError> {
        self.handle.get(self)
    }

    /// Returns the outcome of the next run of the job that ends or is missed.
    ///
    /// # Errors
    /// As [`Handle::next_outcome`].
    pub fn next_outcome(&self) -> Result<PendingOutcome, SchedulerError> {
        self.handle.next_outcome(self)
    }

    /// Starts a run now, beside the schedule.
    ///
    /// # Errors
    /// As [`Handle::run_now`].
    pub fn run_now(&self) -> Result<PendingOutcome, SchedulerError> {
        self.handle.run_now(self)
    }

    /// Pauses the job.
    ///
    /// # Errors
    /// As [`Handle::pause`].
    pub fn pause(&self) -> Result<(), SchedulerError> {
        self.handle.pause(self)
    }

    /// Resumes the job.
    ///
    /// # Errors
    /// As [`Handle::resume`].
    pub fn resume(&self) -> Result<(), SchedulerError> {
        self.handle.resume(self)
    }

    /// Applies `change` to the job and returns the updated job.
    ///
    /// # Errors
    /// As [`Handle::modify`].
    pub fn modify(&self, change: impl FnMut(&mut Job)) -> Result<Job, SchedulerError> {
        self.handle.modify(self, change)
    }

    /// Gives the job another trigger.
    ///
    /// # Errors
    /// As [`Handle::reschedule`].
    pub fn reschedule(&self, trigger: impl IntoTrigger) -> Result<Job, SchedulerError> {
        self.handle.reschedule(self, trigger)
    }

    /// Removes the job, and gives it back.
    ///
    /// # Errors
    /// As [`Handle::remove`].
    pub fn remove(&self) -> Result<Job, SchedulerError> {
        self.handle.remove(self)
    }
}

impl AsRef<str> for JobHandle {
    fn as_ref(&self) -> &str {
        self.id.as_str()
    }
}

impl fmt::Display for JobHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.id.fmt(f)
    }
}
