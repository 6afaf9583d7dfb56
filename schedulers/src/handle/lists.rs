//! Looking jobs up, listing and counting them.

use matins_core::{Job, JobId, JobQuery, StoreName};

use super::Handle;
use crate::SchedulerError;

impl Handle {
    /// Returns the job with this id, or `None`.
    ///
    /// ```
    /// # use matins_scheduler::{Schedule, SchedulerBuilder};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::{TimeUnits, every};
    /// # let start = "2026-01-01T00:00:00Z".parse()?;
    /// # let mut scheduler = SchedulerBuilder::new().store("default", MemoryStore::new()).testing(start)?;
    /// scheduler.add(every(1.hours()).run(|| ()).id("report"))?;
    ///
    /// let job = scheduler.get("report")?.expect("it was added");
    /// assert_eq!(job.trigger.describe(), "every hour");
    /// assert_eq!(job.next_fire, Some(scheduler.now() + 1.hours()));
    /// assert!(scheduler.get("no-such-job")?.is_none());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If a store fails.
    pub fn get(&self, id: impl AsRef<str>) -> Result<Option<Job>, SchedulerError> {
        let id = JobId::new(id)?;
        self.engine().get(&id)
    }

    /// Returns the jobs of all stores that `query` asks for, in its order, each with its store.
    ///
    /// Nothing else is done in a store while it is read. A list of many jobs is better read in pages: with a
    /// [`limit`](JobQuery::limit), which is for all stores together, and [`after`](JobQuery::after) the last job of the page before. If
    /// several stores may have jobs with the same id, read the pages of each store with [`list_in`](Self::list_in).
    ///
    /// ```
    /// # use matins_core::{JobOrder, JobQuery};
    /// # use matins_scheduler::{Schedule, SchedulerBuilder};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::{every, TimeUnits};
    /// let builder = SchedulerBuilder::new().store("default", MemoryStore::new()).store("other", MemoryStore::new());
    /// let scheduler = builder.testing("2026-01-01T00:00:00Z".parse().unwrap()).unwrap();
    /// scheduler.add(every(2.hours()).run(|| ()).id("in two hours")).unwrap();
    /// scheduler.add(every(1.hours()).run(|| ()).id("in an hour").store("other")).unwrap();
    /// let next = scheduler.list(&JobQuery::default().order(JobOrder::NextFire).limit(1)).unwrap();
    /// let (store, job) = &next[0];
    /// assert_eq!((store.as_str(), job.id.as_str()), ("other", "in an hour"));
    /// ```
    ///
    /// ```
    /// # use matins_core::JobQuery;
    /// # use matins_scheduler::{Schedule, SchedulerBuilder};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::{TimeUnits, every};
    /// # let start = "2026-01-01T00:00:00Z".parse()?;
    /// # let mut scheduler = SchedulerBuilder::new().store("default", MemoryStore::new()).testing(start)?;
    /// scheduler.add(every(1.hours()).run(|| ()).id("poll"))?;
    /// scheduler.add(every(1.days()).run(|| ()).id("backup").tag("disk"))?;
    /// scheduler.add(every(1.days()).run(|| ()).id("tidy-up").tag("disk"))?;
    ///
    /// let jobs = scheduler.list(&JobQuery::default().tag("disk"))?;
    /// let ids: Vec<&str> = jobs.iter().map(|(_store, job)| job.id.as_str()).collect();
    /// assert_eq!(ids, ["backup", "tidy-up"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If a store fails.
    pub fn list(&self, query: &JobQuery) -> Result<Vec<(StoreName, Job)>, SchedulerError> {
        self.engine().list(query)
    }

    /// Returns the jobs of one store that `query` asks for.
    ///
    /// ```
    /// # use matins_core::{JobQuery};
    /// # use matins_scheduler::{Schedule, SchedulerBuilder};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::{TimeUnits, every};
    /// # let start = "2026-01-01T00:00:00Z".parse()?;
    /// # let builder = SchedulerBuilder::new().store("default", MemoryStore::new());
    /// # let mut scheduler = builder.store("scratch", MemoryStore::new()).testing(start)?;
    /// scheduler.add(every(1.hours()).run(|| ()).id("report"))?;
    /// scheduler.add(every(1.hours()).run(|| ()).id("experiment").store("scratch"))?;
    /// let jobs = scheduler.list_in("scratch", &JobQuery::default())?;
    /// assert_eq!(jobs.len(), 1);
    /// assert_eq!(jobs[0].id, "experiment");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If there is no such store, or it fails.
    pub fn list_in(&self, store: impl AsRef<str>, query: &JobQuery) -> Result<Vec<Job>, SchedulerError> {
        self.engine().list_in(&StoreName::new(store)?, query)
    }

    /// Returns how many jobs of one store meet the conditions of `query`.
    ///
    /// ```
    /// # use matins_core::{JobQuery};
    /// # use matins_scheduler::{Schedule, SchedulerBuilder};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::{TimeUnits, every};
    /// # let start = "2026-01-01T00:00:00Z".parse()?;
    /// # let builder = SchedulerBuilder::new().store("default", MemoryStore::new());
    /// # let mut scheduler = builder.store("scratch", MemoryStore::new()).testing(start)?;
    /// scheduler.add(every(1.hours()).run(|| ()).store("scratch"))?;
    /// assert_eq!(scheduler.count_in("scratch", &JobQuery::default())?, 1);
    /// assert_eq!(scheduler.count_in("default", &JobQuery::default())?, 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If there is no such store, or it fails.
    pub fn count_in(&self, store: impl AsRef<str>, query: &JobQuery) -> Result<usize, SchedulerError> {
        self.engine().count_in(&StoreName::new(store)?, query)
    }

    /// Returns how many jobs of all stores meet the conditions of `query`. This is much faster than to list them, in
    /// particular for all jobs.
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
    /// scheduler.add(every(10.minutes()).run(|| ())).unwrap();
    /// assert_eq!(scheduler.count(&JobQuery::default()).unwrap(), 1);
    /// ```
    ///
    /// # Errors
    /// If a store fails.
    pub fn count(&self, query: &JobQuery) -> Result<usize, SchedulerError> {
        self.engine().count(query)
    }
}
