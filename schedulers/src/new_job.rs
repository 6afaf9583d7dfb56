//! A job as a person says it, before it is added: `every(3.seconds()).run(|| ...)`, `cron("0 9 * * *").task("report")`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::num::{NonZeroU32, NonZeroU64};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use matins_core::{
    Coalesce, ExecutorName, Group, IntoDurationLimit, IntoTrigger, JobId, JobState, NameError, OnConflict,
    OnExhausted, OnInterrupt, Overlap, Policy, Retry, StoreName, Task, TaskName, Trigger, TriggerError,
    Value, json,
};
use matins_task_function::{IntoTask, MissingState, States};
use serde::Serialize;

use crate::SchedulerError;
use crate::callbacks::JobCallbacks;

/// Turns anything that can become a trigger into a job: the sentence's verb.
pub trait Schedule: IntoTrigger + Send + Sized + 'static {
    /// A job that calls a closure or function. It works with stores that do not outlive the process; for the others,
    /// register the function and use [`task`](Self::task).
    fn run<Form>(self, task: impl IntoTask<Form> + Send + 'static) -> NewJob {
        NewJob::new(self, Work::Function(Box::new(move |states| task.into_task_with(states))))
    }

    /// A job that runs the task registered under a name.
    fn task(self, name: impl AsRef<str>) -> NewJob {
        NewJob::new(self, Work::Named(TaskName::new(name)))
    }
}

impl<T: IntoTrigger + Send + Sized + 'static> Schedule for T {}

/// A job that is to be added with [`Handle::add`](crate::Handle::add); begun by [`Schedule`].
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
    pub(crate) policy: Choices,
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
pub(crate) struct Choices(Vec<Choice>);

type Choice = Box<dyn FnOnce(&mut Policy) + Send>;

impl Choices {
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

    fn new(trigger: impl IntoTrigger + Send + 'static, work: Work) -> Self {
        Self {
            trigger: Box::new(move |now, zone| trigger.into_trigger_in(now, zone)),
            work,
            id: None,
            arguments: Value::Null,
            store: StoreName::default(),
            executor: ExecutorName::default(),
            policy: Choices::default(),
            tags: BTreeSet::new(),
            metadata: BTreeMap::new(),
            on_conflict: OnConflict::default(),
            state: JobState::Active,
            first_fire: None,
            callbacks: None,
            fault: None,
        }
    }

    /// Under this id. Without one, it gets its task's name and a number.
    pub fn id(mut self, id: impl AsRef<str>) -> Self {
        self.id = keep(&mut self.fault, JobId::new(id));
        self
    }

    /// With these arguments: anything that serde can save as JSON, within [`Limits::DEFAULT`](matins_core::Limits::DEFAULT).
    pub fn arguments(mut self, arguments: impl Serialize) -> Self {
        if let Some(arguments) = keep(&mut self.fault, json::to_value("the arguments", &arguments)) {
            self.arguments = arguments;
        }
        self
    }

    /// In the store of this name, in place of `default`.
    pub fn store(mut self, name: impl AsRef<str>) -> Self {
        if let Some(name) = keep(&mut self.fault, StoreName::new(name)) {
            self.store = name;
        }
        self
    }

    /// By the executor of this name, in place of `default`.
    pub fn executor(mut self, name: impl AsRef<str>) -> Self {
        if let Some(name) = keep(&mut self.fault, ExecutorName::new(name)) {
            self.executor = name;
        }
        self
    }

    /// With all these policies at once, whatever the scheduler's [defaults](crate::SchedulerBuilder::job_defaults).
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy.add(move |choices| *choices = policy);
        self
    }

    /// A fire that is later than this is missed. `None`: a fire runs however late.
    pub fn misfire_grace(mut self, grace: impl IntoDurationLimit) -> Self {
        if let Some(misfire_grace) = keep(&mut self.fault, grace.into_limit()) {
            self.policy.add(move |policy| policy.misfire_grace = misfire_grace);
        }
        self
    }

    /// Which of several fires that are due together runs.
    pub fn coalesce(mut self, coalesce: Coalesce) -> Self {
        self.policy.add(move |policy| policy.coalesce = coalesce);
        self
    }

    /// What happens to a fire that finds a run still going.
    pub fn overlap(mut self, overlap: Overlap) -> Self {
        self.policy.add(move |policy| policy.overlap = overlap);
        self
    }

    /// What happens to a run that was going when the process died.
    pub fn on_interrupt(mut self, on_interrupt: OnInterrupt) -> Self {
        self.policy.add(move |policy| policy.on_interrupt = on_interrupt);
        self
    }

    /// What happens to the job when its trigger has no more fire times.
    pub fn on_exhausted(mut self, on_exhausted: OnExhausted) -> Self {
        self.policy.add(move |policy| policy.on_exhausted = on_exhausted);
        self
    }

    /// How long a run may take, from when it begins. `None`: as long as it takes.
    pub fn time_limit(mut self, limit: impl IntoDurationLimit) -> Self {
        if let Some(time_limit) = keep(&mut self.fault, limit.into_limit()) {
            self.policy.add(move |policy| policy.time_limit = time_limit);
        }
        self
    }

    /// With a fixed delay: it fires so long after the end of each run, in place of the next instant of its trigger. The trigger says
    /// when it fires first, and it ends when the trigger does. While a run is in progress, the job's next fire time is the earliest
    /// that is possible, and nothing is missed.
    ///
    /// ```
    /// use matins_scheduler::Schedule;
    /// use matins_triggers::{TimeUnits, every};
    ///
    /// // However long each takes.
    /// let poll = every(30.seconds()).run(|| println!("anything new?")).delay(30.seconds());
    /// # drop(poll);
    /// ```
    pub fn delay(mut self, delay: impl IntoDurationLimit) -> Self {
        if let Some(delay) = keep(&mut self.fault, delay.into_limit()) {
            self.policy.add(move |policy| policy.delay = delay);
        }
        self
    }

    /// At most so many times; 0 counts as 1. Further attempts, runs by hand and missed fires do not count. Then the job is over.
    pub fn max_runs(mut self, most: impl Into<Option<u64>>) -> Self {
        let max_runs = most.into().map(|most| NonZeroU64::new(most).unwrap_or(NonZeroU64::MIN));
        self.policy.add(move |policy| policy.max_runs = max_runs);
        self
    }

    /// Until so many runs have failed in a row, 0 counts as 1: then it is paused, and an [event](crate::Event::JobDisabled) says so.
    /// A run counts with its last attempt. Resuming the job begins the count again.
    pub fn max_failures(mut self, most: impl Into<Option<u32>>) -> Self {
        let max_failures = most.into().map(|most| NonZeroU32::new(most).unwrap_or(NonZeroU32::MIN));
        self.policy.add(move |policy| policy.max_failures = max_failures);
        self
    }

    /// With this priority: among the runs that wait for their executor, and the fires that are due together, those with a higher
    /// one come first. Default: 0.
    ///
    /// ```
    /// use matins_scheduler::Schedule;
    /// use matins_triggers::{TimeUnits, every};
    ///
    /// let alarm = every(1.minutes()).run(|| println!("all is well")).priority(10);
    /// # drop(alarm);
    /// ```
    pub fn priority(mut self, priority: i32) -> Self {
        self.policy.add(move |policy| policy.priority = priority);
        self
    }

    /// In this concurrency group: a run waits while `limit` runs of jobs in the same group of the same store are in progress. With a limit
    /// of 1 the group is a mutex. See [`Group`].
    ///
    /// ```
    /// use matins_scheduler::Schedule;
    /// use matins_triggers::{TimeUnits, every};
    ///
    /// // Never at the same time.
    /// let backup = every(1.hours()).run(|| println!("backup")).group("database", 1);
    /// let vacuum = every(1.days()).run(|| println!("vacuum")).group("database", 1);
    /// # drop((backup, vacuum));
    /// ```
    pub fn group(mut self, name: impl AsRef<str>, limit: u32) -> Self {
        if let Some(group) = keep(&mut self.fault, Group::new(name, limit)) {
            self.policy.add(move |policy| policy.group = Some(group));
        }
        self
    }

    /// In no concurrency group, whatever the scheduler's [defaults](crate::SchedulerBuilder::job_defaults).
    pub fn no_group(mut self) -> Self {
        self.policy.add(|policy| policy.group = None);
        self
    }

    /// How often, when, and after what a run that ended badly is tried again.
    pub fn retry(mut self, retry: Retry) -> Self {
        self.policy.add(move |policy| policy.retry = retry);
        self
    }

    /// What happens if its id is taken.
    pub fn on_conflict(mut self, on_conflict: OnConflict) -> Self {
        self.on_conflict = on_conflict;
        self
    }

    /// With this tag, beside those it has.
    pub fn tag(mut self, tag: impl Into<String>) -> Self {
        self.tags.insert(tag.into());
        self
    }

    /// With this kept beside it.
    pub fn metadata(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.metadata.insert(key.into(), value.into());
        self
    }

    /// Paused from the start, until it is resumed.
    pub fn paused(mut self) -> Self {
        self.state = JobState::Paused;
        self
    }

    /// The first fire is at `instant`, whatever the trigger says; the trigger counts from there on.
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
