//! A job as a person says it, before it is added: `every(3.seconds()).run(|| ...)`, `cron("0 9 * * *").task("report")`.

mod policy;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use matins_core::{
    ExecutorName, IntoTrigger, JobId, JobState, NameError, OnConflict, Policy, StoreName, Task, TaskName,
    Trigger, TriggerError, Value, json,
};
use matins_task_function::{MissingState, States};
use serde::Serialize;

use crate::SchedulerError;
use crate::callbacks::JobCallbacks;

/// A job that is to be added with [`Handle::add`](crate::Handle::add); begun by [`Schedule`](crate::Schedule).
///
/// A setting that is wrong is refused when the job is added.
#[must_use = "a new job does nothing until it is added to a scheduler"]
pub struct NewJob {
    pub(crate) trigger: MakeTrigger,
    pub(crate) work: Work,
    pub(crate) id: Option<JobId>,
    pub(crate) arguments: Value,
    pub(crate) store: StoreName,
    pub(crate) executor: ExecutorName,
    pub(crate) policy: PolicyChanges,
    pub(crate) tags: BTreeSet<String>,
    pub(crate) metadata: BTreeMap<String, Value>,
    pub(crate) on_conflict: OnConflict,
    pub(crate) state: JobState,
    pub(crate) first_fire: Option<DateTime<Utc>>,
    pub(crate) callbacks: Option<Arc<JobCallbacks>>,
    /// The first setting that was wrong.
    pub(crate) fault: Option<SchedulerError>,
}

/// From the instant of adding, and the zone of local times that name none.
pub(crate) type MakeTrigger =
    Box<dyn FnOnce(DateTime<Utc>, &str) -> Result<Arc<dyn Trigger>, TriggerError> + Send>;

/// Gives a trigger the seed of the job that it becomes part of, where it has none of its own.
pub(crate) fn seeded(trigger: Arc<dyn Trigger>, id: &JobId) -> Arc<dyn Trigger> {
    trigger.with_seed(id.seed()).unwrap_or(trigger)
}

pub(crate) enum Work {
    Named(Result<TaskName, NameError>),
    /// A function whose task is made when the states of the scheduler are known.
    Function(MakeTask),
    Closure(Arc<dyn Task>),
}

type MakeTask = Box<dyn FnOnce(&States) -> Result<Arc<dyn Task>, MissingState> + Send>;

/// What was chosen of a policy; the rest is as the scheduler's defaults have it.
#[derive(Default)]
pub(crate) struct PolicyChanges(Vec<Choice>);

type Choice = Box<dyn FnOnce(&mut Policy) + Send>;

impl PolicyChanges {
    fn add(&mut self, choice: impl FnOnce(&mut Policy) + Send + 'static) {
        self.0.push(Box::new(choice));
    }

    pub(crate) fn over(self, defaults: &Policy) -> Policy {
        let mut policy = defaults.clone();
        for choice in self.0 {
            choice(&mut policy);
        }
        policy
    }
}

fn keep<T, E: Into<SchedulerError>>(fault: &mut Option<SchedulerError>, value: Result<T, E>) -> Option<T> {
    value.map_err(|error| fault.get_or_insert_with(|| error.into())).ok()
}

impl NewJob {
    /// The task, if it has no name of its own.
    pub(crate) fn closure(&self) -> Option<Arc<dyn Task>> {
        match &self.work {
            Work::Closure(task) => Some(task.clone()),
            Work::Named(_) | Work::Function(_) => None,
        }
    }

    pub(crate) fn new(trigger: impl IntoTrigger + Send + 'static, work: Work) -> Self {
        Self {
            trigger: Box::new(move |now, zone| trigger.into_trigger_in(now, zone)),
            work,
            id: None,
            arguments: Value::Null,
            store: StoreName::default(),
            executor: ExecutorName::default(),
            policy: PolicyChanges::default(),
            tags: BTreeSet::new(),
            metadata: BTreeMap::new(),
            on_conflict: OnConflict::default(),
            state: JobState::Active,
            first_fire: None,
            callbacks: None,
            fault: None,
        }
    }

    /// Sets the id. Without one, the job gets the name of its task and a number.
    ///
    /// ```
    /// # use matins_scheduler::{Schedule, SchedulerBuilder};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::{TimeUnits, every};
    /// # let start = "2026-01-01T00:00:00Z".parse()?;
    /// # let mut scheduler = SchedulerBuilder::new().store("default", MemoryStore::new()).testing(start)?;
    /// scheduler.add(every(1.hours()).run(|| ()).id("report"))?;
    /// assert!(scheduler.get("report")?.is_some());
    /// // An id is unique: see `on_conflict`.
    /// assert!(scheduler.add(every(2.hours()).run(|| ()).id("report")).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn id(mut self, id: impl AsRef<str>) -> Self {
        self.id = keep(&mut self.fault, JobId::new(id));
        self
    }

    /// Sets the arguments: anything that serde can save as JSON, within [`Limits::DEFAULT`](matins_core::Limits::DEFAULT).
    ///
    /// ```
    /// # use matins_scheduler::{Schedule, SchedulerBuilder, SchedulerError};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::{TimeUnits, every};
    /// # let start = "2026-01-01T00:00:00Z".parse()?;
    /// # let mut scheduler = SchedulerBuilder::new().store("default", MemoryStore::new()).testing(start)?;
    /// scheduler.register("mail", |(to, copies): (String, u32)| format!("{copies} mails to {to}"))?;
    /// let mail = || every(1.hours()).task("mail").id("mail");
    ///
    /// scheduler.add(mail().arguments(("Ada", 2)))?;
    /// assert_eq!(scheduler.run_now("mail")?.result, Some("2 mails to Ada".into()));
    /// // Arguments that the task cannot take are refused.
    /// assert!(matches!(scheduler.add(mail().arguments("Ada")), Err(SchedulerError::Arguments { .. })));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn arguments(mut self, arguments: impl Serialize) -> Self {
        if let Some(arguments) = keep(&mut self.fault, json::to_value("the arguments", &arguments)) {
            self.arguments = arguments;
        }
        self
    }

    /// Puts the job in the store of this name, instead of `default`.
    ///
    /// ```
    /// # use matins_core::JobQuery;
    /// # use matins_scheduler::{Schedule, SchedulerBuilder};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::{TimeUnits, every};
    /// # let start = "2026-01-01T00:00:00Z".parse()?;
    /// # let mut scheduler = SchedulerBuilder::new().store("default", MemoryStore::new()).testing(start)?;
    /// scheduler.add_store("scratch", MemoryStore::new())?;
    /// scheduler.add(every(1.hours()).run(|| ()).store("scratch"))?;
    ///
    /// let (store, _job) = &scheduler.list(&JobQuery::default())?[0];
    /// assert_eq!(*store, "scratch");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn store(mut self, name: impl AsRef<str>) -> Self {
        if let Some(name) = keep(&mut self.fault, StoreName::new(name)) {
            self.store = name;
        }
        self
    }

    /// Runs the job on the executor of this name, instead of `default`.
    ///
    /// ```
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
    /// scheduler.add_executor("database", ThreadExecutor::builder().workers(1).build(), Shutdown::Wait)?;
    /// let job = scheduler.add(every(1.hours()).run(|| "vacuumed").executor("database"))?;
    /// assert_eq!(job.run_now()?.wait()?.result, Some("vacuumed".into()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn executor(mut self, name: impl AsRef<str>) -> Self {
        if let Some(name) = keep(&mut self.fault, ExecutorName::new(name)) {
            self.executor = name;
        }
        self
    }

    /// Sets what happens if there is a job with this id. By default, the new job is refused.
    ///
    /// ```
    /// # use matins_core::OnConflict;
    /// # use matins_scheduler::{AddOutcome, Schedule, SchedulerBuilder};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::{TimeUnits, every};
    /// # let start = "2026-01-01T00:00:00Z".parse()?;
    /// # let mut scheduler = SchedulerBuilder::new().store("default", MemoryStore::new()).testing(start)?;
    /// let report = |period: u32| every(period.hours()).run(|| ()).id("report");
    /// scheduler.add(report(1))?;
    /// let added = scheduler.add(report(2).on_conflict(OnConflict::Replace))?;
    /// assert_eq!(added.add_outcome(), AddOutcome::Replaced);
    /// assert_eq!(scheduler.advance(1.days()).len(), 12);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn on_conflict(mut self, on_conflict: OnConflict) -> Self {
        self.on_conflict = on_conflict;
        self
    }

    /// Adds a tag, by which jobs are found.
    ///
    /// ```
    /// # use matins_core::JobQuery;
    /// # use matins_scheduler::{Schedule, SchedulerBuilder};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::{TimeUnits, every};
    /// # let start = "2026-01-01T00:00:00Z".parse()?;
    /// # let mut scheduler = SchedulerBuilder::new().store("default", MemoryStore::new()).testing(start)?;
    /// scheduler.add(every(1.hours()).run(|| ()).tag("disk").tag("nightly"))?;
    /// assert_eq!(scheduler.count(&JobQuery::default().tag("nightly"))?, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn tag(mut self, tag: impl Into<String>) -> Self {
        self.tags.insert(tag.into());
        self
    }

    /// Adds a value that is stored with the job. Matins does not use it.
    ///
    /// ```
    /// # use matins_scheduler::{Schedule, SchedulerBuilder};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::{TimeUnits, every};
    /// # let start = "2026-01-01T00:00:00Z".parse()?;
    /// # let mut scheduler = SchedulerBuilder::new().store("default", MemoryStore::new()).testing(start)?;
    /// scheduler.add(every(1.hours()).run(|| ()).id("report").metadata("owner", "Ada").metadata("floor", 3))?;
    /// let job = scheduler.get("report")?.unwrap();
    /// assert_eq!((&job.metadata["owner"], &job.metadata["floor"]), (&"Ada".into(), &3.into()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn metadata(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.metadata.insert(key.into(), value.into());
        self
    }

    /// Adds the job in the paused state: it does not fire until it is resumed.
    ///
    /// ```
    /// # use matins_scheduler::{Schedule, SchedulerBuilder};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::{TimeUnits, every};
    /// # let start = "2026-01-01T00:00:00Z".parse()?;
    /// # let mut scheduler = SchedulerBuilder::new().store("default", MemoryStore::new()).testing(start)?;
    /// let job = scheduler.add(every(1.hours()).run(|| ()).paused())?;
    /// assert!(scheduler.advance(1.days()).is_empty());
    /// job.resume()?;
    /// assert_eq!(scheduler.advance(1.days()).len(), 24);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn paused(mut self) -> Self {
        self.state = JobState::Paused;
        self
    }

    /// Sets the first fire time, whatever the trigger says. The trigger counts from there on.
    ///
    /// ```
    /// # use matins_scheduler::{Schedule, SchedulerBuilder};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::{Every, TimeUnits, every};
    /// # let start = "2026-01-01T00:00:00Z".parse()?;
    /// # let mut scheduler = SchedulerBuilder::new().store("default", MemoryStore::new()).testing(start)?;
    /// // Every six hours, and right away too.
    /// scheduler.add(every(6.hours()).run(|| ()).first_fire(scheduler.now()))?;
    /// let runs = scheduler.advance(12.hours());
    /// assert_eq!(runs.iter().map(|run| run.scheduled().format("%H").to_string()).collect::<Vec<_>>(), ["00", "06", "12"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn first_fire(mut self, instant: DateTime<Utc>) -> Self {
        self.first_fire = Some(instant);
        self
    }
}

impl fmt::Debug for NewJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewJob")
            .field("id", &self.id)
            .field("arguments", &self.arguments)
            .field("store", &self.store)
            .field("executor", &self.executor)
            .finish_non_exhaustive()
    }
}
