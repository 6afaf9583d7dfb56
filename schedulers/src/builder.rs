//! The builder that makes schedulers.

mod build;

use std::fmt;
use std::sync::Arc;

use foldhash::{HashMap, HashMapExt};
use matins_core::{ClaimStore, Clock, Executor, ExecutorName, JobStore, Layer, NameError, Policy, StoreName};
use matins_task_function::TaskRegistry;

use crate::clock::SystemClock;
use crate::engine::UTC;
use crate::exclusive::Exclusive;
use crate::retention::Retention;
use crate::run_layers::RunLayers;

/// Puts a scheduler together from stores, executors, tasks and a clock.
///
/// ```
/// use matins_executor_thread::ThreadExecutor;
/// use matins_scheduler::SchedulerBuilder;
/// use matins_store_memory::MemoryStore;
///
/// let scheduler = SchedulerBuilder::new()
///     .store("default", MemoryStore::new())
///     .executor("default", ThreadExecutor::new())
///     .blocking()
///     .unwrap();
/// # let _ = scheduler;
/// ```
#[must_use]
pub struct SchedulerBuilder {
    stores: Vec<(StoreName, Box<dyn ClaimStore>)>,
    pub(crate) executors: HashMap<ExecutorName, Box<dyn Executor>>,
    tasks: TaskRegistry,
    clock: Arc<dyn Clock>,
    retention: Retention,
    job_defaults: Policy,
    time_zone: String,
    layers: RunLayers,
    states: Vec<GiveState>,
    #[cfg(feature = "metrics")]
    metrics_by_job: bool,
    fault: Option<NameError>,
}

/// Gives a state to a registry.
type GiveState = Box<dyn FnOnce(&TaskRegistry) + Send>;

impl SchedulerBuilder {
    /// A scheduler on the system's clock, without stores and executors yet.
    pub fn new() -> Self {
        Self {
            stores: Vec::new(),
            executors: HashMap::new(),
            tasks: TaskRegistry::default(),
            clock: Arc::new(SystemClock),
            retention: Retention::default(),
            job_defaults: Policy::default(),
            time_zone: UTC.to_owned(),
            layers: RunLayers::default(),
            states: Vec::new(),
            #[cfg(feature = "metrics")]
            metrics_by_job: false,
            fault: None,
        }
    }

    /// Adds a store under a name. A store that was added under the same name is replaced. Jobs that name no store go to `default`.
    ///
    /// The type of the store may be chosen at run time: `Box<dyn JobStore>` is a store too.
    ///
    /// ```
    /// # use matins_scheduler::{Schedule, SchedulerBuilder};
    /// # use matins_core::StoreName;
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::{TimeUnits, every};
    /// let start = "2026-01-01T00:00:00Z".parse()?;
    /// let mut scheduler = SchedulerBuilder::new()
    ///     .store("default", MemoryStore::new())
    ///     .store("scratch", MemoryStore::new())
    ///     .testing(start)?;
    /// scheduler.add(every(1.hours()).run(|| ()).store("scratch"))?;
    /// assert_eq!(scheduler.remove_all(&StoreName::new("scratch")?)?, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn store(self, name: impl AsRef<str>, store: impl JobStore + 'static) -> Self {
        self.shared_store(name, Exclusive::new(Box::new(store)))
    }

    /// Adds a store that other schedulers may share, under a name: each of them claims due jobs from it, and takes over the runs of
    /// those that die. A store that was added under the same name is replaced.
    ///
    /// `PostgresStore` of `matins-store-postgres` is such a store.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use matins_conformance::shared::SharedModel;
    /// # use matins_executor_thread::ThreadExecutor;
    /// # use matins_scheduler::{SchedulerBuilder, SystemClock};
    /// # let store = SharedModel::new(Arc::new(SystemClock));
    /// let scheduler = SchedulerBuilder::new()
    ///     .shared_store("default", store.member())
    ///     .executor("default", ThreadExecutor::new())
    ///     .background()?;
    /// assert_eq!(scheduler.stores()?, ["default"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn shared_store(mut self, name: impl AsRef<str>, store: impl ClaimStore + 'static) -> Self {
        match StoreName::new(name) {
            Ok(name) => {
                self.stores.retain(|(other, _)| *other != name);
                self.stores.push((name, Box::new(store)));
            }
            Err(fault) => self.fault = self.fault.or(Some(fault)),
        }
        self
    }

    /// Adds an executor under a name. An executor that was added under the same name is replaced. Jobs that name no executor run on `default`.
    ///
    /// The type of the executor may be chosen at run time: `Box<dyn Executor>` is an executor too.
    ///
    /// ```
    /// # use matins_executor_thread::ThreadExecutor;
    /// # use matins_scheduler::{Schedule, SchedulerBuilder};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::{TimeUnits, every};
    /// let mut scheduler = SchedulerBuilder::new()
    ///     .store("default", MemoryStore::new())
    ///     .executor("default", ThreadExecutor::new())
    ///     .executor("one-at-a-time", ThreadExecutor::builder().workers(1).build())
    ///     .background()?;
    /// scheduler.start()?;
    /// let job = scheduler.add(every(1.hours()).run(|| "vacuumed").executor("one-at-a-time"))?;
    /// assert_eq!(job.run_now()?.wait()?.result, Some("vacuumed".into()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn executor(mut self, name: impl AsRef<str>, executor: impl Executor + 'static) -> Self {
        match ExecutorName::new(name) {
            Ok(name) => drop(self.executors.insert(name, Box::new(executor))),
            Err(fault) => self.fault = self.fault.or(Some(fault)),
        }
        self
    }

    /// Sets the tasks that jobs refer to by name. Clones of a registry share their tasks, so that a worker process can be given the same ones.
    ///
    /// ```
    /// # use matins_scheduler::{Schedule, SchedulerBuilder};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_task_function::TaskRegistry;
    /// # use matins_triggers::{TimeUnits, every};
    /// let tasks = TaskRegistry::default();
    /// tasks.register("greet", |name: String| format!("hello {name}"))?;
    ///
    /// let start = "2026-01-01T00:00:00Z".parse()?;
    /// let mut scheduler =
    ///     SchedulerBuilder::new().store("default", MemoryStore::new()).tasks(tasks).testing(start)?;
    /// scheduler.add(every(1.hours()).task("greet").arguments("Ada"))?;
    /// assert_eq!(scheduler.advance(1.hours())[0].result, Some("hello Ada".into()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn tasks(mut self, tasks: TaskRegistry) -> Self {
        self.tasks = tasks;
        self
    }

    /// Gives tasks a value that they share: a pool of connections, a client, settings. A function takes it as its first parameter, as
    /// [`State`](matins_task_function::State). A value of the same type that was given before is replaced.
    ///
    /// A worker process has the states of its own [`TaskRegistry`].
    ///
    /// ```
    /// use std::sync::Arc;
    /// use std::sync::atomic::{AtomicU32, Ordering};
    ///
    /// use matins_executor_thread::ThreadExecutor;
    /// use matins_scheduler::{Schedule, SchedulerBuilder};
    /// use matins_store_memory::MemoryStore;
    /// use matins_task_function::State;
    /// use matins_triggers::{TimeUnits, every};
    ///
    /// let count = Arc::new(AtomicU32::new(0));
    /// let mut scheduler = SchedulerBuilder::new()
    ///     .store("default", MemoryStore::new())
    ///     .executor("default", ThreadExecutor::new())
    ///     .state(count.clone())
    ///     .background()
    ///     .unwrap();
    /// scheduler.start().unwrap();
    /// let tick = |State(count): State<Arc<AtomicU32>>| count.fetch_add(1, Ordering::Relaxed);
    /// let job = scheduler.add(every(1.hours()).run(tick)).unwrap();
    /// job.run_now().unwrap().wait().unwrap();
    /// assert_eq!(count.load(Ordering::Relaxed), 1);
    /// ```
    pub fn state<S: Clone + Send + Sync + 'static>(mut self, value: S) -> Self {
        self.states.push(Box::new(|tasks| tasks.state(value)));
        self
    }

    /// Sets the clock. The default is the [`SystemClock`].
    ///
    /// For tests, see [`testing`](Self::testing); for a simulation on real executors, [`VirtualClock::leaping`](crate::VirtualClock::leaping).
    ///
    /// ```
    /// # use matins_core::Clock;
    /// # use matins_executor_thread::ThreadExecutor;
    /// # use matins_scheduler::{Schedule, SchedulerBuilder, VirtualClock};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::{TimeUnits, every};
    /// let clock = VirtualClock::new("2026-01-01T00:00:00Z".parse()?);
    /// let scheduler = SchedulerBuilder::new()
    ///     .store("default", MemoryStore::new())
    ///     .executor("default", ThreadExecutor::new())
    ///     .clock(clock.clone())
    ///     .background()?;
    /// let job = scheduler.add(every(1.hours()).run(|| ()))?;
    /// assert_eq!(job.get()?.unwrap().next_fire, Some(clock.now() + 1.hours()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn clock(mut self, clock: impl Clock + 'static) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Measures runs for each job too: how many have ended, how long the last one took, and when one last succeeded. Each job is a label
    /// then, which is dear where there are many. The names are on the [crate's page](crate#what-can-be-observed).
    ///
    /// ```
    /// use matins_scheduler::SchedulerBuilder;
    ///
    /// let builder = SchedulerBuilder::new().metrics_by_job();
    /// # let _ = builder;
    /// ```
    #[cfg(feature = "metrics")]
    pub fn metrics_by_job(mut self) -> Self {
        self.metrics_by_job = true;
        self
    }

    /// Sets how much of the ledger is kept.
    ///
    /// ```
    /// # use matins_core::RunQuery;
    /// # use matins_scheduler::{Retention, Schedule, SchedulerBuilder};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::{TimeUnits, every};
    /// let start = "2026-01-01T00:00:00Z".parse()?;
    /// let mut scheduler = SchedulerBuilder::new()
    ///     .store("default", MemoryStore::new())
    ///     .retention(Retention { runs_per_job: Some(10), ..Retention::default() })
    ///     .testing(start)?;
    /// scheduler.add(every(1.minutes()).run(|| ()))?;
    /// assert_eq!(scheduler.advance(1.hours()).len(), 60);
    /// // Old rows are dropped in batches.
    /// assert!(scheduler.count_runs(&RunQuery::default())? <= 13);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn retention(mut self, retention: Retention) -> Self {
        self.retention = retention;
        self
    }

    /// Sets the default policy: jobs have it, except for what they set themselves when they are added.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use matins_core::Policy;
    /// # use matins_scheduler::{Schedule, SchedulerBuilder};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::{TimeUnits, every};
    /// let start = "2026-01-01T00:00:00Z".parse()?;
    /// let defaults = Policy::default().with(|policy| policy.time_limit = Some(Duration::from_secs(60)));
    /// let scheduler =
    ///     SchedulerBuilder::new().store("default", MemoryStore::new()).job_defaults(defaults).testing(start)?;
    /// let usual = scheduler.add(every(1.hours()).run(|| ()))?;
    /// let slow = scheduler.add(every(1.hours()).run(|| ()).time_limit(1.hours()))?;
    /// assert_eq!(usual.get()?.unwrap().policy.time_limit, Some(Duration::from_secs(60)));
    /// assert_eq!(slow.get()?.unwrap().policy.time_limit, Some(Duration::from_secs(3600)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn job_defaults(mut self, policy: Policy) -> Self {
        self.job_defaults = policy;
        self
    }

    /// Sets the default time zone: local times of jobs that name no zone, such as `cron("0 9 * * *")` or `at("2026-12-24T18:00")`,
    /// are in this one. Without it they are in UTC.
    ///
    /// It is a name of the tz database, or a `Zone` of `matins-triggers`. The zone is saved with each job that is added, so a later
    /// change of the default does not move jobs that are stored. A job that needs the zone is refused if no zone has that name.
    ///
    /// ```
    /// # use matins_executor_thread::ThreadExecutor;
    /// # use matins_scheduler::{Schedule, SchedulerBuilder};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::cron;
    ///
    /// let scheduler = SchedulerBuilder::new()
    ///     .store("default", MemoryStore::new())
    ///     .executor("default", ThreadExecutor::new())
    ///     .time_zone("Europe/Berlin")
    ///     .blocking()
    ///     .unwrap();
    /// scheduler.add(cron("0 9 * * *").run(|| println!("good morning")).id("morning")).unwrap();
    /// assert_eq!(scheduler.get("morning").unwrap().unwrap().trigger.describe(), "at 09:00 every day, Europe/Berlin");
    /// ```
    pub fn time_zone(mut self, zone: impl AsRef<str>) -> Self {
        zone.as_ref().clone_into(&mut self.time_zone);
        self
    }

    /// Adds a layer around every run: it measures time, opens a span, takes a lock, or sets up a context. The first one that was
    /// added is the outermost.
    ///
    /// It is around the runs of all jobs, blocking and async ones, on all executors, and is called where the work is done. Around
    /// a run that a worker process does, it is called in this process, on the thread that waits for the worker; layers in the
    /// worker are those of its own [`TaskRegistry`]. Its panic fails the run. A single task is given a layer by
    /// [`IntoTask::layer`](matins_task_function::IntoTask::layer), inside of these.
    ///
    /// ```
    /// use std::time::Instant;
    ///
    /// use matins_core::layer_fn;
    /// # use matins_executor_thread::ThreadExecutor;
    /// # use matins_scheduler::{Schedule, SchedulerBuilder};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::{every, TimeUnits};
    ///
    /// let timing = layer_fn(|context| {
    ///     let (job, begun) = (context.job.clone(), Instant::now());
    ///     move |result| {
    ///         println!("{job} took {:?}", begun.elapsed());
    ///         result
    ///     }
    /// });
    /// let mut scheduler = SchedulerBuilder::new()
    ///     .store("default", MemoryStore::new())
    ///     .executor("default", ThreadExecutor::new())
    ///     .layer(timing)
    ///     .background()
    ///     .unwrap();
    /// scheduler.start().unwrap();
    /// let job = scheduler.add(every(1.hours()).run(|| println!("work"))).unwrap();
    /// job.run_now().unwrap().wait().unwrap();
    /// ```
    pub fn layer(mut self, layer: impl Layer + 'static) -> Self {
        self.layers = self.layers.with(layer);
        self
    }
}

impl Default for SchedulerBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for SchedulerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stores: Vec<&StoreName> = self.stores.iter().map(|(name, _)| name).collect();
        let executors: Vec<&ExecutorName> = self.executors.keys().collect();
        f.debug_struct("SchedulerBuilder")
            .field("stores", &stores)
            .field("executors", &executors)
            .field("tasks", &self.tasks)
            .field("clock", &self.clock)
            .field("retention", &self.retention)
            .field("job_defaults", &self.job_defaults)
            .field("time_zone", &self.time_zone)
            .field("layers", &self.layers)
            .finish_non_exhaustive()
    }
}
