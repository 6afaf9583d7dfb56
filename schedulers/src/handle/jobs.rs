//! What a handle does with jobs.

use matins_core::{IntoTrigger, Job, JobId, JobQuery, StoreName};

use super::Handle;
use crate::SchedulerError;
use crate::add_commands::{AddOutcome, Added};
use crate::job_commands::REMOVED_AT_ONCE;
use crate::job_handle::JobHandle;
use crate::new_job::NewJob;
use crate::outcomes::PendingOutcome;

/// How many jobs are put into a store together, so that other work on the store waits for a moment only.
const ADDED_AT_ONCE: usize = 1_000;

impl Handle {
    /// Adds a job and returns a handle to it. The job is then in its store; what happened to a job of that id
    /// is [`JobHandle::add_outcome`].
    ///
    /// A definition that a program adds at each start is best added with [`OnConflict::Update`](matins_core::OnConflict):
    /// an unchanged trigger keeps its next fire time, and what was due before a change is accounted for.
    ///
    /// ```
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
    /// let job = scheduler.add(every(1.hours()).run(|| Ok::<_, String>(6 * 7))).unwrap();
    /// let answer = job.run_now().unwrap();
    /// assert_eq!(answer.wait().unwrap().result, Some(42.into()));
    /// ```
    ///
    /// # Errors
    /// When a setting is wrong, the trigger cannot be made or has no fire time to come, the task is not registered or
    /// refuses the arguments, the id is taken, or the store fails. Nothing has changed then.
    pub fn add(&self, job: NewJob) -> Result<JobHandle, SchedulerError> {
        let Added { id, outcome } = self.engine().add(job)?;
        Ok(JobHandle::new(self.clone(), id, outcome))
    }

    /// Adds many jobs and returns what happened to each, in their order. This is much faster than to add them one by one
    /// where a store flushes a disk for each change.
    ///
    /// ```
    /// # use matins_executor_thread::ThreadExecutor;
    /// # use matins_scheduler::{AddOutcome, Schedule, SchedulerBuilder};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::{every, TimeUnits};
    /// # let scheduler = SchedulerBuilder::new()
    /// #     .store("default", MemoryStore::new())
    /// #     .executor("default", ThreadExecutor::new())
    /// #     .background()
    /// #     .unwrap();
    /// scheduler.register("poll", |host: u32| println!("polling {host}")).unwrap();
    /// let jobs = (0..100).map(|host| every(10.minutes()).task("poll").id(format!("host-{host}")).arguments(host));
    /// let added = scheduler.add_many(jobs).unwrap();
    /// assert!(added.iter().all(|(_, outcome)| *outcome == AddOutcome::Added));
    /// ```
    ///
    /// # Errors
    /// The error of the first job that is refused, as for [`add`](Self::add). Jobs before it may have been added, and none
    /// after it was.
    pub fn add_many(
        &self,
        jobs: impl IntoIterator<Item = NewJob>,
    ) -> Result<Vec<(JobId, AddOutcome)>, SchedulerError> {
        let mut jobs = jobs.into_iter();
        let mut all = Vec::new();
        loop {
            let some: Vec<NewJob> = jobs.by_ref().take(ADDED_AT_ONCE).collect();
            if some.is_empty() {
                return Ok(all);
            }
            let added = self.engine().add_many(some)?;
            all.extend(added.into_iter().map(|Added { id, outcome }| (id, outcome)));
        }
    }

    /// Removes a job and returns it. A run in progress continues. A run that is waiting (for an earlier run, or for a retry) is recorded
    /// as missed.
    ///
    /// ```
    /// # use matins_scheduler::{Schedule, SchedulerBuilder, SchedulerError};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::{TimeUnits, every};
    /// # let start = "2026-01-01T00:00:00Z".parse()?;
    /// # let mut scheduler = SchedulerBuilder::new().store("default", MemoryStore::new()).testing(start)?;
    /// scheduler.add(every(1.hours()).run(|| ()).id("report"))?;
    ///
    /// let job = scheduler.remove("report")?;
    /// assert_eq!(job.id, "report");
    /// assert!(matches!(scheduler.remove("report"), Err(SchedulerError::NoJob { .. })));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If there is no such job, or its store fails.
    pub fn remove(&self, id: impl AsRef<str>) -> Result<Job, SchedulerError> {
        let id = JobId::new(id)?;
        self.engine().remove(&id)
    }

    /// Removes many jobs and returns those that were removed, in the order of `ids`. Ids that no job has are passed over.
    ///
    /// The jobs of one store are removed in one commit, up to a thousand at a time. This is much faster than to remove them one
    /// by one where a store flushes a disk for each change. All else is as for [`remove`](Self::remove): runs in progress
    /// continue, and a fire that is due is recorded as missed.
    ///
    /// ```
    /// # use matins_executor_thread::ThreadExecutor;
    /// # use matins_scheduler::{Schedule, SchedulerBuilder};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::{every, TimeUnits};
    /// # let scheduler = SchedulerBuilder::new()
    /// #     .store("default", MemoryStore::new())
    /// #     .executor("default", ThreadExecutor::new())
    /// #     .background()
    /// #     .unwrap();
    /// scheduler.add(every(10.minutes()).run(|| ()).id("host-1")).unwrap();
    /// scheduler.add(every(10.minutes()).run(|| ()).id("host-2")).unwrap();
    /// let removed = scheduler.remove_many(["host-1", "host-2", "host-3"]).unwrap();
    /// assert_eq!(removed.len(), 2);
    /// ```
    ///
    /// # Errors
    /// If an id is invalid: then nothing has changed. If a store fails: then some jobs may have been removed, and each of them
    /// has an event.
    pub fn remove_many(
        &self,
        ids: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> Result<Vec<Job>, SchedulerError> {
        let ids: Vec<JobId> = ids.into_iter().map(JobId::new).collect::<Result<_, _>>()?;
        let mut removed = Vec::new();
        for ids in ids.chunks(REMOVED_AT_ONCE) {
            removed.extend(self.engine().remove_many(ids)?);
        }
        Ok(removed)
    }

    /// Removes the jobs of all stores that meet the conditions of `query`, and returns how many they were. The order of `query`,
    /// its [`after`](JobQuery::after) and its [`limit`](JobQuery::limit) do not count.
    ///
    /// They are removed as by [`remove_many`](Self::remove_many).
    ///
    /// ```
    /// # use matins_core::JobQuery;
    /// # use matins_executor_thread::ThreadExecutor;
    /// # use matins_scheduler::{Schedule, SchedulerBuilder};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::{every, TimeUnits};
    /// # let scheduler = SchedulerBuilder::new()
    /// #     .store("default", MemoryStore::new())
    /// #     .executor("default", ThreadExecutor::new())
    /// #     .background()
    /// #     .unwrap();
    /// scheduler.add(every(10.minutes()).run(|| ()).tag("poll")).unwrap();
    /// assert_eq!(scheduler.remove_matching(&JobQuery::default().tag("poll")).unwrap(), 1);
    /// ```
    ///
    /// # Errors
    /// If a store fails: then some jobs may have been removed, and each of them has an event.
    pub fn remove_matching(&self, query: &JobQuery) -> Result<usize, SchedulerError> {
        self.engine().remove_matching(query)
    }

    /// Removes all jobs from a store and returns how many were removed.
    ///
    /// ```
    /// # use matins_core::{JobQuery, StoreName};
    /// # use matins_scheduler::{Schedule, SchedulerBuilder};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::{TimeUnits, every};
    /// # let start = "2026-01-01T00:00:00Z".parse()?;
    /// # let mut scheduler = SchedulerBuilder::new().store("default", MemoryStore::new()).testing(start)?;
    /// scheduler.add(every(1.hours()).run(|| ()))?;
    /// scheduler.add(every(1.days()).run(|| ()))?;
    ///
    /// assert_eq!(scheduler.remove_all(&StoreName::default())?, 2);
    /// assert_eq!(scheduler.count(&JobQuery::default())?, 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If there is no such store, or it fails: then some jobs may be left.
    pub fn remove_all(&self, store: &StoreName) -> Result<usize, SchedulerError> {
        self.engine().remove_all(store)
    }

    /// Applies `change` to a job and returns the updated job.
    ///
    /// No lock is held while `change` is called: it may use this handle. If the job is changed by others meanwhile, `change` is
    /// called again with the changed job, so that no change is lost.
    ///
    /// All of its fields may be changed but its id, the instant of its adding and whether it is paused. With another
    /// trigger, and unless its next fire time was changed too, it fires next at that trigger's first instant after now; so too
    /// where its next fire time was taken away.
    ///
    /// ```
    /// # use matins_executor_thread::ThreadExecutor;
    /// # use matins_scheduler::{Schedule, SchedulerBuilder};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::{every, TimeUnits};
    /// # let scheduler = SchedulerBuilder::new()
    /// #     .store("default", MemoryStore::new())
    /// #     .executor("default", ThreadExecutor::new())
    /// #     .background()
    /// #     .unwrap();
    /// scheduler.add(every(10.minutes()).run(|| ()).id("report")).unwrap();
    /// scheduler.modify("report", |job| job.policy.time_limit = Some(std::time::Duration::from_secs(30))).unwrap();
    /// ```
    ///
    /// # Errors
    /// When there is no such job, when its task, arguments, executor or trigger would not be accepted for a new job, and
    /// when its store fails. [`SchedulerError::Contended`] if others change the job again and again. Nothing has changed then.
    pub fn modify(&self, id: impl AsRef<str>, change: impl FnMut(&mut Job)) -> Result<Job, SchedulerError> {
        let id = JobId::new(id)?;
        self.engine().modify(&id, change)
    }

    /// Gives a job another trigger and returns the updated job. An interval without a start counts from now.
    ///
    /// ```
    /// # use matins_scheduler::{Schedule, SchedulerBuilder};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::{TimeUnits, every};
    /// # let start = "2026-01-01T00:00:00Z".parse()?;
    /// # let mut scheduler = SchedulerBuilder::new().store("default", MemoryStore::new()).testing(start)?;
    /// scheduler.add(every(1.hours()).run(|| ()).id("report"))?;
    ///
    /// let job = scheduler.reschedule("report", every(5.minutes()))?;
    /// assert_eq!(job.next_fire, Some(scheduler.now() + 5.minutes()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`modify`](Self::modify), and if the trigger is invalid.
    pub fn reschedule(&self, id: impl AsRef<str>, trigger: impl IntoTrigger) -> Result<Job, SchedulerError> {
        let id = JobId::new(id)?;
        let engine = &self.shared.engine;
        let trigger = trigger.into_trigger_in(self.shared.clock.now(), &engine.time_zone)?;
        self.engine().modify(&id, |job| job.trigger = trigger.clone())
    }

    /// Moves a job to another store, with its next fire time. Its rows of the ledger stay where they are, and runs
    /// that wait there are missed. Jobs that run after it do so again when they are in that store too.
    ///
    /// ```
    /// # use matins_core::{JobQuery, StoreName};
    /// # use matins_scheduler::{Schedule, SchedulerBuilder};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::{TimeUnits, every};
    /// # let start = "2026-01-01T00:00:00Z".parse()?;
    /// # let mut scheduler = SchedulerBuilder::new().store("default", MemoryStore::new()).testing(start)?;
    /// scheduler.add(every(1.hours()).run(|| ()).id("report"))?;
    /// let archive = StoreName::new("archive")?;
    /// scheduler.add_store("archive", MemoryStore::new())?;
    ///
    /// scheduler.move_to("report", &archive)?;
    /// let jobs = scheduler.list(&JobQuery::default())?;
    /// assert!(jobs.iter().all(|(store, _job)| *store == archive));
    /// assert_eq!(scheduler.advance(1.hours()).len(), 1, "it fires there");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When there is no such job or store. When the job has a run in progress. When that store has a job of this id, or cannot keep its
    /// closure. If one of the stores fails, or the process ends in the middle, both may have the job.
    pub fn move_to(&self, id: impl AsRef<str>, store: &StoreName) -> Result<(), SchedulerError> {
        let id = JobId::new(id)?;
        self.engine().move_job(&id, store)
    }

    /// Starts a run of a job now, beside its schedule: even if other runs of the job are in progress, and even if it is paused. The ledger
    /// has it as [`manual`](matins_core::Run::manual). Its outcome can be waited for.
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
    /// # scheduler.start()?;
    /// scheduler.add(every(1.days()).run(|| "42 rows").id("report"))?;
    ///
    /// let run = scheduler.run_now("report")?.wait()?;
    /// assert_eq!(run.result, Some("42 rows".into()));
    /// assert!(run.manual);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When there is no such job, its store fails, or the scheduler shuts down.
    pub fn run_now(&self, id: impl AsRef<str>) -> Result<PendingOutcome, SchedulerError> {
        let id = JobId::new(id)?;
        self.engine().run_now(&id)
    }

    /// Returns the outcome of the next run of the job that ends or is missed.
    ///
    /// ```
    /// # use matins_core::Outcome;
    /// # use matins_scheduler::{Schedule, SchedulerBuilder};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::{TimeUnits, every};
    /// # let start = "2026-01-01T00:00:00Z".parse()?;
    /// # let mut scheduler = SchedulerBuilder::new().store("default", MemoryStore::new()).testing(start)?;
    /// scheduler.add(every(1.hours()).run(|| Err::<(), _>("disk full")).id("backup"))?;
    ///
    /// let outcome = scheduler.next_outcome("backup")?;
    /// scheduler.advance(1.hours());
    /// let run = outcome.wait()?;
    /// assert_eq!(run.outcome, Some(Outcome::Failed));
    /// assert_eq!(run.message.as_deref(), Some("disk full"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When there is no such job, or its store fails.
    pub fn next_outcome(&self, id: impl AsRef<str>) -> Result<PendingOutcome, SchedulerError> {
        let id = JobId::new(id)?;
        self.engine().next_outcome(&id)
    }

    /// Pauses a job: it has no next fire time until it is resumed. Runs in progress continue; retries and runs that wait start once it
    /// is resumed.
    ///
    /// ```
    /// # use matins_core::JobState;
    /// # use matins_scheduler::{Schedule, SchedulerBuilder};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::{TimeUnits, every};
    /// # let start = "2026-01-01T00:00:00Z".parse()?;
    /// # let mut scheduler = SchedulerBuilder::new().store("default", MemoryStore::new()).testing(start)?;
    /// scheduler.add(every(1.hours()).run(|| ()).id("report"))?;
    ///
    /// scheduler.pause("report")?;
    /// let job = scheduler.get("report")?.expect("it is paused, not removed");
    /// assert_eq!((job.state, job.next_fire), (JobState::Paused, None));
    /// assert!(scheduler.advance(1.days()).is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When there is no such job, or its store fails.
    pub fn pause(&self, id: impl AsRef<str>) -> Result<(), SchedulerError> {
        let id = JobId::new(id)?;
        self.engine().pause_job(&id)
    }

    /// Resumes a paused job: its next fire time is the first one after now. Where the trigger has no more, the job
    /// is removed, or stays, as its policy says.
    ///
    /// ```
    /// # use matins_scheduler::{Schedule, SchedulerBuilder};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::{TimeUnits, every};
    /// # let start = "2026-01-01T00:00:00Z".parse()?;
    /// # let mut scheduler = SchedulerBuilder::new().store("default", MemoryStore::new()).testing(start)?;
    /// scheduler.add(every(1.hours()).run(|| ()).id("report").paused())?;
    /// assert!(scheduler.advance(90.minutes()).is_empty());
    ///
    /// scheduler.resume("report")?;
    /// // The fire at 01:00 is not made up for; the next one is at 02:00.
    /// assert_eq!(scheduler.advance(30.minutes()).len(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When there is no such job, or its store fails.
    pub fn resume(&self, id: impl AsRef<str>) -> Result<(), SchedulerError> {
        let id = JobId::new(id)?;
        self.engine().resume_job(&id)
    }
}
