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

    /// Returns the job's id.
    ///
    /// ```
    /// # use matins_scheduler::{Schedule, SchedulerBuilder};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::{TimeUnits, every};
    /// # let start = "2026-01-01T00:00:00Z".parse()?;
    /// # let mut scheduler = SchedulerBuilder::new().store("default", MemoryStore::new()).testing(start)?;
    /// let named = scheduler.add(every(1.hours()).run(|| ()).id("report"))?;
    /// assert_eq!(*named.id(), "report");
    ///
    /// // Without an id of its own, a job gets one.
    /// let unnamed = scheduler.add(every(1.hours()).run(|| ()))?;
    /// assert!(scheduler.get(unnamed.id())?.is_some());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn id(&self) -> &JobId {
        &self.id
    }

    /// Returns the job as it is now, or `None` if it was removed or is over.
    ///
    /// ```
    /// # use matins_scheduler::{Schedule, SchedulerBuilder};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::{TimeUnits, every};
    /// # let start = "2026-01-01T00:00:00Z".parse()?;
    /// # let mut scheduler = SchedulerBuilder::new().store("default", MemoryStore::new()).testing(start)?;
    /// let once = scheduler.add(every(1.hours()).run(|| ()).max_runs(1))?;
    /// assert_eq!(once.get()?.and_then(|job| job.next_fire), Some(scheduler.now() + 1.hours()));
    ///
    /// scheduler.advance(1.hours());
    /// assert!(once.get()?.is_none());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`Handle::get`].
    pub fn get(&self) -> Result<Option<Job>, SchedulerError> {
        self.handle.get(self)
    }

    /// Returns the outcome of the next run of the job that ends or is missed.
    ///
    /// ```
    /// # use matins_scheduler::{Schedule, SchedulerBuilder};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::{TimeUnits, every};
    /// # let start = "2026-01-01T00:00:00Z".parse()?;
    /// # let mut scheduler = SchedulerBuilder::new().store("default", MemoryStore::new()).testing(start)?;
    /// let job = scheduler.add(every(1.hours()).run(|| "42 rows"))?;
    /// let outcome = job.next_outcome()?;
    /// scheduler.advance(1.hours());
    /// assert_eq!(outcome.wait()?.result, Some("42 rows".into()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`Handle::next_outcome`].
    pub fn next_outcome(&self) -> Result<PendingOutcome, SchedulerError> {
        self.handle.next_outcome(self)
    }

    /// Starts a run now, in addition to the schedule. See [`Handle::run_now`].
    ///
    /// ```
    /// # use matins_executor_thread::ThreadExecutor;
    /// # use matins_scheduler::{Schedule, SchedulerBuilder};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::cron;
    /// # let mut scheduler = SchedulerBuilder::new()
    /// #     .store("default", MemoryStore::new())
    /// #     .executor("default", ThreadExecutor::new())
    /// #     .background()?;
    /// # scheduler.start()?;
    /// let job = scheduler.add(cron("@yearly").run(|| "happy new year"))?;
    /// assert_eq!(job.run_now()?.wait()?.result, Some("happy new year".into()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`Handle::run_now`].
    pub fn run_now(&self) -> Result<PendingOutcome, SchedulerError> {
        self.handle.run_now(self)
    }

    /// Pauses the job. See [`Handle::pause`].
    ///
    /// ```
    /// # use matins_scheduler::{Schedule, SchedulerBuilder};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::{TimeUnits, every};
    /// # let start = "2026-01-01T00:00:00Z".parse()?;
    /// # let mut scheduler = SchedulerBuilder::new().store("default", MemoryStore::new()).testing(start)?;
    /// let job = scheduler.add(every(1.hours()).run(|| ()))?;
    /// scheduler.advance(1.hours());
    /// job.pause()?;
    /// assert!(scheduler.advance(1.days()).is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`Handle::pause`].
    pub fn pause(&self) -> Result<(), SchedulerError> {
        self.handle.pause(self)
    }

    /// Resumes the job. See [`Handle::resume`].
    ///
    /// ```
    /// # use matins_scheduler::{Schedule, SchedulerBuilder};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::{TimeUnits, every};
    /// # let start = "2026-01-01T00:00:00Z".parse()?;
    /// # let mut scheduler = SchedulerBuilder::new().store("default", MemoryStore::new()).testing(start)?;
    /// let job = scheduler.add(every(1.hours()).run(|| ()).paused())?;
    /// job.resume()?;
    /// assert_eq!(scheduler.advance(1.days()).len(), 24);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`Handle::resume`].
    pub fn resume(&self) -> Result<(), SchedulerError> {
        self.handle.resume(self)
    }

    /// Applies `change` to the job and returns the updated job.
    ///
    /// ```
    /// # use matins_scheduler::{Schedule, SchedulerBuilder};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::{TimeUnits, every};
    /// # let start = "2026-01-01T00:00:00Z".parse()?;
    /// # let mut scheduler = SchedulerBuilder::new().store("default", MemoryStore::new()).testing(start)?;
    /// let job = scheduler.add(every(1.hours()).run(|| ()))?;
    /// let changed = job.modify(|job| {
    ///     job.tags.insert("slow".to_owned());
    /// })?;
    /// assert!(changed.tags.contains("slow"));
    /// assert_eq!(changed.revision, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`Handle::modify`].
    pub fn modify(&self, change: impl FnMut(&mut Job)) -> Result<Job, SchedulerError> {
        self.handle.modify(self, change)
    }

    /// Gives the job another trigger and returns the updated job. See [`Handle::reschedule`].
    ///
    /// ```
    /// # use matins_scheduler::{Schedule, SchedulerBuilder};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::{TimeUnits, cron, every};
    /// # let start = "2026-01-01T00:00:00Z".parse()?;
    /// # let mut scheduler = SchedulerBuilder::new().store("default", MemoryStore::new()).testing(start)?;
    /// let job = scheduler.add(every(1.hours()).run(|| ()))?;
    /// job.reschedule(cron("30 * * * *"))?;
    /// assert_eq!(scheduler.advance(30.minutes()).len(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`Handle::reschedule`].
    pub fn reschedule(&self, trigger: impl IntoTrigger) -> Result<Job, SchedulerError> {
        self.handle.reschedule(self, trigger)
    }

    /// Removes the job and returns it. See [`Handle::remove`].
    ///
    /// ```
    /// # use matins_scheduler::{Schedule, SchedulerBuilder};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::{TimeUnits, every};
    /// # let start = "2026-01-01T00:00:00Z".parse()?;
    /// # let mut scheduler = SchedulerBuilder::new().store("default", MemoryStore::new()).testing(start)?;
    /// let job = scheduler.add(every(1.hours()).run(|| ()).id("report"))?;
    /// let removed = job.remove()?;
    /// assert_eq!(removed.id, "report");
    /// assert!(job.get()?.is_none());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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
