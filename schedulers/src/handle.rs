//! The way to a scheduler from anywhere.

use std::collections::BTreeMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;

use crate::Event;
use chrono::{DateTime, Utc};
use matins_core::{
    Executor, ExecutorName, IntoTrigger, Job, JobId, JobQuery, JobStore, NameError, Progress, Run, RunId,
    RunQuery, SetAside, Shutdown, StoreName,
};
use matins_task_function::{IntoTask, TaskRegistry};

use crate::SchedulerError;
use crate::engine::State;
use crate::events::Events;
use crate::job_commands::{AddOutcome, Added};
use crate::job_handle::JobHandle;
use crate::new_job::NewJob;
use crate::outcomes::PendingOutcome;
use crate::shared::Shared;
use crate::stats::Stats;

/// How many jobs are put into a store together, so that other work on the store waits for a moment only.
const ADDED_AT_ONCE: usize = 1_000;

/// The way to a scheduler: adds, lists, pauses and removes jobs, from any thread and from inside a running job.
///
/// Clones are the same scheduler. After shutdown, every method that asks or changes something answers
/// [`SchedulerError::ShutDown`]. Jobs are looked for by id in all stores, in the order in which the stores were named; a store that
/// is busy at that moment is looked at last.
///
/// A call waits for no store but those that it concerns. What needs no store ([`cancel`](Self::cancel), [`stats`](Self::stats),
/// [`in_flight`](Self::in_flight), [`pause_all`](Self::pause_all)) waits for none.
#[derive(Clone)]
pub struct Handle {
    pub(crate) shared: Arc<Shared>,
}

/// What a scheduler is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SchedulerState {
    /// It was not started yet; jobs can be added.
    NotStarted,
    /// It fires jobs.
    Running,
    /// It is paused: no job fires.
    Paused,
    /// It waits for the last runs.
    ShuttingDown,
    /// It is over.
    ShutDown,
}

impl From<State> for SchedulerState {
    fn from(state: State) -> Self {
        match state {
            State::Waiting { .. } => Self::NotStarted,
            State::Running => Self::Running,
            State::Paused => Self::Paused,
            State::Stopping { .. } | State::Cancelling { .. } => Self::ShuttingDown,
            State::Stopped => Self::ShutDown,
        }
    }
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
        self.shared.engine.tasks.clone()
    }

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
        let Added { id, outcome } = self.shared.engine.add(job)?;
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
            let added = self.shared.engine.add_many(some)?;
            all.extend(added.into_iter().map(|Added { id, outcome }| (id, outcome)));
        }
    }

    /// The job with this id, if there is one.
    ///
    /// # Errors
    /// When a store fails.
    pub fn get(&self, id: impl AsRef<str>) -> Result<Option<Job>, SchedulerError> {
        let id = JobId::new(id)?;
        self.shared.engine.get(&id)
    }

    /// The jobs that the stores have met and cannot read: they are kept, and neither fire nor are listed.
    ///
    /// # Errors
    /// After shutdown.
    pub fn set_aside(&self) -> Result<Vec<(StoreName, SetAside)>, SchedulerError> {
        self.shared.engine.set_aside()
    }

    /// Returns the jobs that `query` asks for, store by store.
    ///
    /// Nothing else is done in a store meanwhile. A list of many jobs is better read in pages: with a
    /// [`limit`](JobQuery::limit), and [`after`](JobQuery::after) the last job of the page before. Where there are several
    /// stores, both apply to each of them.
    ///
    /// # Errors
    /// When a store fails.
    pub fn list(&self, query: &JobQuery) -> Result<Vec<(StoreName, Job)>, SchedulerError> {
        self.shared.engine.list(query)
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
        self.shared.engine.count(query)
    }

    /// Returns how many runs in the ledger of the store `default` meet the conditions of `query`.
    ///
    /// # Errors
    /// If the store fails.
    pub fn count_runs(&self, query: &RunQuery) -> Result<usize, SchedulerError> {
        self.shared.engine.count_runs(&StoreName::default(), query)
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
        self.shared.engine.runs(store, query)
    }

    /// How far a run of a store's job has come, where it goes on and its task has said so.
    ///
    /// # Errors
    /// When there is no such store.
    pub fn progress(&self, store: &StoreName, run: RunId) -> Result<Option<Progress>, SchedulerError> {
        self.shared.engine.progress(store, run)
    }

    /// Returns the runs of a store's jobs that executors have taken, each with the time at which its work began, or `None` for
    /// a run that is queued: it waits for a free thread or worker. In the ledger both have started and have no outcome.
    ///
    /// ```
    /// # use matins_core::StoreName;
    /// # use matins_executor_thread::ThreadExecutor;
    /// # use matins_scheduler::SchedulerBuilder;
    /// # use matins_store_memory::MemoryStore;
    /// # let scheduler = SchedulerBuilder::new()
    /// #     .store("default", MemoryStore::new())
    /// #     .executor("default", ThreadExecutor::new())
    /// #     .background()
    /// #     .unwrap();
    /// let in_flight = scheduler.in_flight(&StoreName::default()).unwrap();
    /// assert_eq!(in_flight.values().filter(|began| began.is_none()).count(), 0, "none is queued");
    /// ```
    ///
    /// # Errors
    /// When there is no such store, and after shutdown.
    pub fn in_flight(
        &self,
        store: &StoreName,
    ) -> Result<BTreeMap<RunId, Option<DateTime<Utc>>>, SchedulerError> {
        self.shared.engine.in_flight(store)
    }

    /// Removes a job, and gives it back. A run of it that goes on goes on; one that waits, be it for an earlier run or
    /// for another attempt, is missed.
    ///
    /// # Errors
    /// When there is no such job, or its store fails.
    pub fn remove(&self, id: impl AsRef<str>) -> Result<Job, SchedulerError> {
        let id = JobId::new(id)?;
        self.shared.engine.remove(&id)
    }

    /// Removes all jobs of a store; how many there were.
    ///
    /// # Errors
    /// When there is no such store, or it fails: then some may be left.
    pub fn remove_all(&self, store: &StoreName) -> Result<usize, SchedulerError> {
        self.shared.engine.remove_all(store)
    }

    /// Has `change` change a job; the job as it is then.
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
    /// when its store fails. Nothing has changed then.
    pub fn modify(&self, id: impl AsRef<str>, change: impl FnOnce(&mut Job)) -> Result<Job, SchedulerError> {
        let id = JobId::new(id)?;
        self.shared.engine.modify(&id, change)
    }

    /// Gives a job another trigger; the job as it is then. An interval without a start counts from now.
    ///
    /// # Errors
    /// As [`modify`](Self::modify), and when the trigger cannot be made.
    pub fn reschedule(&self, id: impl AsRef<str>, trigger: impl IntoTrigger) -> Result<Job, SchedulerError> {
        let id = JobId::new(id)?;
        let trigger = trigger.into_trigger(self.shared.clock.now()).map_err(SchedulerError::Trigger)?;
        self.shared.engine.modify(&id, |job| job.trigger = trigger)
    }

    /// Moves a job to another store, with its next fire time. Its rows of the ledger stay where they are.
    ///
    /// # Errors
    /// When there is no such job or store, when that store has a job of this id or cannot keep its closure, and when one
    /// of them fails: then both may have the job.
    pub fn move_to(&self, id: impl AsRef<str>, store: &StoreName) -> Result<(), SchedulerError> {
        let id = JobId::new(id)?;
        self.shared.engine.move_job(&id, store)
    }

    /// Starts a run of a job now, beside its schedule: whatever else of the job goes on, and though it is paused. The ledger
    /// has it as [`by_hand`](Run::by_hand). What becomes of it can be waited for.
    ///
    /// # Errors
    /// When there is no such job, its store fails, or the scheduler shuts down.
    pub fn run_now(&self, id: impl AsRef<str>) -> Result<PendingOutcome, SchedulerError> {
        let id = JobId::new(id)?;
        self.shared.engine.run_now(&id)
    }

    /// What becomes of whichever run of the job ends, or is missed, next.
    ///
    /// # Errors
    /// When there is no such job, or its store fails.
    pub fn next_outcome(&self, id: impl AsRef<str>) -> Result<PendingOutcome, SchedulerError> {
        let id = JobId::new(id)?;
        self.shared.engine.next_outcome(&id)
    }

    /// Tells a run of a store's job to stop; whether it went on at all. How soon it stops depends on its executor.
    ///
    /// # Errors
    /// When there is no such store.
    pub fn cancel(&self, store: &StoreName, run: RunId) -> Result<bool, SchedulerError> {
        let token = self.shared.engine.cancel(store, run)?;
        // Not under the engine's lock: what the token calls may use a handle.
        Ok(token.map(|token| token.cancel()).is_some())
    }

    /// What the scheduler is doing.
    pub fn state(&self) -> SchedulerState {
        self.shared.engine.state().into()
    }

    /// What the scheduler has done since it was made, and what goes on.
    pub fn stats(&self) -> Stats {
        self.shared.engine.stats()
    }

    /// With another store from now on. What an earlier process left in it is taken up, and what is due in it fires.
    ///
    /// # Errors
    /// When the name is none or taken, when the store cannot be read, and after shutdown.
    pub fn add_store(
        &self,
        name: impl AsRef<str>,
        store: impl JobStore + 'static,
    ) -> Result<(), SchedulerError> {
        let (name, store) = (StoreName::new(name)?, Box::new(store));
        self.shared.engine.add_store(name, store)
    }

    /// Takes a store away, and gives it back. Its jobs fire no more from now on; runs that go on are ended as `how` says, and
    /// waited for, on the calling thread: not to be called from a job of that store. Runs that wait stay in it, for the
    /// next scheduler that it is given to. A store that fails is given back once its runs would have been left behind; with
    /// [`Shutdown::Wait`], when it works again and has taken in what became of them.
    ///
    /// # Errors
    /// When there is no such store, and when the scheduler shuts down meanwhile.
    pub fn remove_store(
        &self,
        name: impl AsRef<str>,
        how: Shutdown,
    ) -> Result<Box<dyn JobStore>, SchedulerError> {
        let name = StoreName::new(name)?;
        let store = self.shared.engine.remove_store(&name, how)?;
        store.recv().map_err(|_| SchedulerError::ShutDown)
    }

    /// Has `work` work on a store itself: to export it, or to import into it, by whatever means work on stores. Nothing fires
    /// meanwhile. Afterwards the scheduler looks at the store as it does at its start: runs that are in its ledger as going on,
    /// and do not go on here, become interrupted.
    ///
    /// Jobs that are put in so are not checked as [`add`](Self::add) checks them: a run whose task is not registered fails
    /// when its time comes.
    ///
    /// # Errors
    /// When there is no such store, and after shutdown.
    pub fn with_store<T>(
        &self,
        name: impl AsRef<str>,
        work: impl FnOnce(&mut dyn JobStore) -> T,
    ) -> Result<T, SchedulerError> {
        let name = StoreName::new(name)?;
        self.shared.engine.with_store(&name, work)
    }

    /// With another executor from now on; one of that name before it is ended as `how` says, by the calling thread.
    ///
    /// # Errors
    /// When the name is none, and after shutdown.
    pub fn add_executor(
        &self,
        name: impl AsRef<str>,
        executor: impl Executor + 'static,
        how: Shutdown,
    ) -> Result<(), SchedulerError> {
        let name = ExecutorName::new(name)?;
        self.shared.engine.add_executor(name.clone())?;
        if let Some(mut before) = self.shared.put_executor(name, Box::new(executor)) {
            before.shutdown(how);
        }
        Ok(())
    }

    /// Takes an executor away, and ends it as `how` says, on the calling thread. Jobs that name it fail until there is
    /// another of its name.
    ///
    /// # Errors
    /// When there is no such executor, and after shutdown.
    pub fn remove_executor(&self, name: impl AsRef<str>, how: Shutdown) -> Result<(), SchedulerError> {
        let name = ExecutorName::new(name)?;
        self.shared.engine.remove_executor(&name)?;
        if let Some(mut executor) = self.shared.take_executor(&name) {
            executor.shutdown(how);
        }
        Ok(())
    }

    /// Has the scheduler look at its stores now, rather than when it meant to.
    pub fn wakeup(&self) {
        self.shared.engine.ring_all();
    }

    /// Pauses a job: it has no next fire time until it is resumed. Runs that go on go on.
    ///
    /// # Errors
    /// When there is no such job, or its store fails.
    pub fn pause(&self, id: impl AsRef<str>) -> Result<(), SchedulerError> {
        let id = JobId::new(id)?;
        self.shared.engine.pause_job(&id)
    }

    /// Resumes a paused job: its next fire time is the first one after now. Where the trigger has no more, the job
    /// is removed, or stays, as its policy says.
    ///
    /// # Errors
    /// When there is no such job, or its store fails.
    pub fn resume(&self, id: impl AsRef<str>) -> Result<(), SchedulerError> {
        let id = JobId::new(id)?;
        self.shared.engine.resume_job(&id)
    }

    /// Pauses the whole scheduler: no job fires. What comes due meanwhile is late when it is resumed. One that was not started
    /// yet will start paused.
    ///
    /// # Errors
    /// When it has been shut down.
    pub fn pause_all(&self) -> Result<(), SchedulerError> {
        self.shared.engine.pause()
    }

    /// Resumes the whole scheduler.
    ///
    /// # Errors
    /// When it has been shut down.
    pub fn resume_all(&self) -> Result<(), SchedulerError> {
        self.shared.engine.resume()
    }

    /// The scheduler's events from now on.
    pub fn subscribe(&self) -> Events {
        self.subscribe_to(|_| true)
    }

    /// Those of the scheduler's events from now on that `wants` wants. It is called while the scheduler works, so it should
    /// be quick; if it panics, there are no more events.
    pub fn subscribe_to(&self, wants: impl Fn(&Event) -> bool + Send + 'static) -> Events {
        self.shared.engine.hub().listeners.subscribe(wants)
    }

    /// Calls `listener` with each event that `wants` wants, on a thread of its own, until the scheduler is gone. One that is
    /// slow delays nobody (it loses events when it lags more than 10,000 behind, and is told by [`Event::Lost`]), and one
    /// that panics is called again with the next event.
    ///
    /// # Errors
    /// When the system starts no thread.
    pub fn on_event(
        &self,
        wants: impl Fn(&Event) -> bool + Send + 'static,
        mut listener: impl FnMut(Event) + Send + 'static,
    ) -> Result<(), SchedulerError> {
        let events = self.subscribe_to(wants);
        let listen = move || {
            for event in events {
                // The panic has been reported by the hook.
                let _ = catch_unwind(AssertUnwindSafe(|| listener(event)));
            }
        };
        let thread = thread::Builder::new().name("matins-listener".to_owned()).spawn(listen);
        thread.map(drop).map_err(SchedulerError::Thread)
    }

    /// Begins to shut down: nothing fires any more, and what runs is ended as `how` says. Returns at once, so that a
    /// job may call it too. Called again with less patience, it hurries what was begun.
    ///
    /// Fires that wait for an earlier run of their job stay in the ledger of a persistent store, and run at the next
    /// start.
    pub fn shutdown(&self, how: Shutdown) {
        self.shared.shutdown(how);
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
