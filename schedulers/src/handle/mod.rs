//! The way to a scheduler from anywhere.

mod jobs;
mod lists;
mod parts;
mod shared_store;

use std::fmt;
use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;

use matins_core::Shutdown;
use matins_task_function::{IntoTask, RegisterError, TaskRegistry};

use crate::engine::{Engine, State};
use crate::events::Events;
use crate::shared::Shared;
use crate::stats::Stats;
use crate::{Event, SchedulerError};

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
    /// Registers a task under a name, by which jobs refer to it. A task of the same name is replaced.
    ///
    /// Jobs in a store that outlives the process need a task with a name.
    ///
    /// ```
    /// # use matins_scheduler::{Schedule, SchedulerBuilder};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::{TimeUnits, every};
    /// # let start = "2026-01-01T00:00:00Z".parse()?;
    /// # let mut scheduler = SchedulerBuilder::new().store("default", MemoryStore::new()).testing(start)?;
    /// scheduler.register("greet", |name: String| format!("hello {name}"))?;
    /// scheduler.add(every(1.hours()).task("greet").arguments("Ada").id("greet-ada"))?;
    ///
    /// assert_eq!(scheduler.run_now("greet-ada")?.result, Some("hello Ada".into()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If the name is invalid, or the task takes a [`State`](matins_task_function::State) that the scheduler was not given.
    pub fn register<Form>(
        &self,
        name: impl AsRef<str>,
        task: impl IntoTask<Form>,
    ) -> Result<(), RegisterError> {
        self.tasks().register(name, task)
    }

    /// Returns the tasks that are registered. The registry is shared: a task that is registered there is one of this scheduler.
    ///
    /// ```
    /// # use matins_scheduler::SchedulerBuilder;
    /// # use matins_store_memory::MemoryStore;
    /// # let start = "2026-01-01T00:00:00Z".parse()?;
    /// # let mut scheduler = SchedulerBuilder::new().store("default", MemoryStore::new()).testing(start)?;
    /// scheduler.register("backup", || ())?;
    /// scheduler.tasks().register("report", || ())?;
    /// assert_eq!(scheduler.tasks().names(), ["backup", "report"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn tasks(&self) -> TaskRegistry {
        self.shared.engine.tasks.clone()
    }

    /// Returns what the scheduler is doing.
    ///
    /// ```
    /// # use matins_executor_thread::ThreadExecutor;
    /// # use matins_scheduler::{SchedulerBuilder, SchedulerState};
    /// # use matins_store_memory::MemoryStore;
    /// # let mut scheduler = SchedulerBuilder::new()
    /// #     .store("default", MemoryStore::new())
    /// #     .executor("default", ThreadExecutor::new())
    /// #     .background()?;
    /// assert_eq!(scheduler.state(), SchedulerState::NotStarted);
    /// scheduler.start()?;
    /// assert_eq!(scheduler.state(), SchedulerState::Running);
    /// scheduler.pause_all()?;
    /// assert_eq!(scheduler.state(), SchedulerState::Paused);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn state(&self) -> SchedulerState {
        self.shared.engine.state().into()
    }

    /// Returns the name of the scheduler's default time zone: see
    /// [`SchedulerBuilder::time_zone`](crate::SchedulerBuilder::time_zone).
    ///
    /// ```
    /// # use matins_scheduler::SchedulerBuilder;
    /// let scheduler = SchedulerBuilder::new().time_zone("Europe/Berlin").background().unwrap();
    /// assert_eq!(scheduler.time_zone(), "Europe/Berlin");
    /// ```
    pub fn time_zone(&self) -> &str {
        &self.shared.engine.time_zone
    }

    /// Returns what the scheduler has done since it was built, and what is in progress.
    ///
    /// ```
    /// # use matins_scheduler::{Schedule, SchedulerBuilder};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::{TimeUnits, every};
    /// # let start = "2026-01-01T00:00:00Z".parse()?;
    /// # let mut scheduler = SchedulerBuilder::new().store("default", MemoryStore::new()).testing(start)?;
    /// scheduler.add(every(1.hours()).run(|| ()))?;
    /// scheduler.advance(1.days());
    ///
    /// let stats = scheduler.stats();
    /// assert_eq!((stats.started, stats.finished["succeeded"], stats.running), (24, 24, 0));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn stats(&self) -> Stats {
        self.engine().stats()
    }

    /// Makes the scheduler look at its stores now, before the next fire time that it knows.
    ///
    /// A scheduler wakes up by itself after each call of a handle, and when the system's clock is set.
    ///
    /// ```
    /// # use matins_executor_thread::ThreadExecutor;
    /// # use matins_scheduler::SchedulerBuilder;
    /// # use matins_store_memory::MemoryStore;
    /// # let mut scheduler = SchedulerBuilder::new()
    /// #     .store("default", MemoryStore::new())
    /// #     .executor("default", ThreadExecutor::new())
    /// #     .background()?;
    /// # scheduler.start()?;
    /// // The program's own clock was corrected.
    /// scheduler.wakeup();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn wakeup(&self) {
        self.engine().ring_all();
    }

    /// Pauses the whole scheduler: no job fires. What comes due meanwhile is late when it is resumed. One that was not started
    /// yet will start paused.
    ///
    /// ```
    /// # use matins_scheduler::{Schedule, SchedulerBuilder};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::{TimeUnits, every};
    /// # let start = "2026-01-01T00:00:00Z".parse()?;
    /// # let mut scheduler = SchedulerBuilder::new().store("default", MemoryStore::new()).testing(start)?;
    /// scheduler.add(every(1.hours()).run(|| ()))?;
    ///
    /// scheduler.pause_all()?;
    /// assert!(scheduler.advance(1.days()).is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When it has been shut down.
    pub fn pause_all(&self) -> Result<(), SchedulerError> {
        self.engine().pause()
    }

    /// Resumes the whole scheduler. Fires that have come due meanwhile are late, and are handled as the policy of their job says.
    ///
    /// ```
    /// # use matins_core::{Outcome, Run};
    /// # use matins_scheduler::{Schedule, SchedulerBuilder};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::{TimeUnits, every};
    /// # let start = "2026-01-01T00:00:00Z".parse()?;
    /// # let mut scheduler = SchedulerBuilder::new().store("default", MemoryStore::new()).testing(start)?;
    /// scheduler.add(every(1.hours()).run(|| ()))?;
    /// scheduler.pause_all()?;
    /// scheduler.advance(1.days());
    ///
    /// scheduler.resume_all()?;
    /// let rows = scheduler.run_until_idle();
    /// let ran: Vec<&Run> = rows.iter().filter(|row| row.outcome == Some(Outcome::Succeeded)).collect();
    /// assert_eq!(ran.len(), 1, "the latest fire runs, for those before it");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// After shutdown.
    pub fn resume_all(&self) -> Result<(), SchedulerError> {
        self.engine().resume()
    }

    /// Returns the scheduler's events from now on.
    ///
    /// ```
    /// # use matins_scheduler::{Event, Schedule, SchedulerBuilder};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::{TimeUnits, every};
    /// # let start = "2026-01-01T00:00:00Z".parse()?;
    /// # let mut scheduler = SchedulerBuilder::new().store("default", MemoryStore::new()).testing(start)?;
    /// let events = scheduler.subscribe();
    /// scheduler.add(every(1.hours()).run(|| ()).id("report"))?;
    /// assert!(matches!(events.try_next(), Some(Event::JobAdded { job, .. }) if job == "report"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn subscribe(&self) -> Events {
        self.subscribe_to(|_| true)
    }

    /// Returns those of the scheduler's events from now on that `wants` wants.
    ///
    /// `wants` is called on a thread of the scheduler, or on one that uses a handle, and under no lock: it may use this handle. It
    /// should be quick, because what it delays is the scheduler. If it panics, there are no more events.
    ///
    /// ```
    /// # use matins_scheduler::{Event, Schedule, SchedulerBuilder};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::{TimeUnits, every};
    /// # let start = "2026-01-01T00:00:00Z".parse()?;
    /// # let mut scheduler = SchedulerBuilder::new().store("default", MemoryStore::new()).testing(start)?;
    /// let events = scheduler.subscribe_to(|event| matches!(event, Event::RunFinished { .. }));
    /// scheduler.add(every(1.hours()).run(|| ()))?;
    /// scheduler.advance(1.days());
    ///
    /// let finished = std::iter::from_fn(|| events.try_next()).count();
    /// assert_eq!(finished, 24);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn subscribe_to(&self, wants: impl Fn(&Event) -> bool + Send + 'static) -> Events {
        self.engine().hub().listeners.subscribe(wants)
    }

    /// Calls `listener` with each event that `wants` wants, on a thread of its own, until the scheduler is gone. One that is
    /// slow delays nobody (it loses events when it lags more than 10,000 behind, and is told by [`Event::Lost`]), and one
    /// that panics is called again with the next event.
    ///
    /// ```
    /// # use std::sync::mpsc;
    /// # use matins_core::Outcome;
    /// # use matins_executor_thread::ThreadExecutor;
    /// # use matins_scheduler::{Event, Schedule, SchedulerBuilder};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::{TimeUnits, every};
    /// # let mut scheduler = SchedulerBuilder::new()
    /// #     .store("default", MemoryStore::new())
    /// #     .executor("default", ThreadExecutor::new())
    /// #     .background()?;
    /// # scheduler.start()?;
    /// let (sender, messages) = mpsc::channel();
    /// let has_failed = |event: &Event| {
    ///     matches!(event, Event::RunFinished { run, .. } if run.outcome == Some(Outcome::Failed))
    /// };
    /// let alert = move |event| {
    ///     if let Event::RunFinished { run, .. } = event {
    ///         let message = run.message.as_deref().unwrap_or_default();
    ///         let _ = sender.send(format!("{}: {message}", run.job));
    ///     }
    /// };
    /// scheduler.on_event(has_failed, alert)?;
    ///
    /// let backup = every(1.hours()).run(|| Err::<(), _>("disk full")).id("backup");
    /// scheduler.add(backup)?.run_now()?.wait()?;
    /// assert_eq!(messages.recv()?, "backup: disk full");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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

    /// Shuts the scheduler down, and waits until that is done: nothing fires any more, runs are ended as `how` says, stores are
    /// closed and executors ended. Called again with less patience, it hurries what was begun.
    ///
    /// Fires that wait for an earlier run of their job stay in the ledger of a persistent store, and run at the next
    /// start. Runs that [continue without this process](matins_core::Executor::survives) are not waited for with
    /// [`Shutdown::Wait`]: the next scheduler takes them up.
    ///
    /// It does not wait where that would never end: in a job of this scheduler, in a filter of
    /// [`subscribe_to`](Self::subscribe_to), and on the thread that drives a current-thread runtime while runs are in progress
    /// on that runtime. There it does what [`request_shutdown`](Self::request_shutdown) does.
    ///
    /// ```
    /// # use matins_core::Shutdown;
    /// # use matins_executor_thread::ThreadExecutor;
    /// # use matins_scheduler::{SchedulerBuilder, SchedulerState};
    /// # use matins_store_memory::MemoryStore;
    /// # let mut scheduler = SchedulerBuilder::new()
    /// #     .store("default", MemoryStore::new())
    /// #     .executor("default", ThreadExecutor::new())
    /// #     .background()
    /// #     .unwrap();
    /// # scheduler.start().unwrap();
    /// let handle = scheduler.handle();
    /// handle.shutdown(Shutdown::Wait);
    /// assert_eq!(handle.state(), SchedulerState::ShutDown);
    /// ```
    pub fn shutdown(&self, how: Shutdown) {
        self.request_shutdown(how);
        self.wait_until_shut_down();
    }

    /// Asks the scheduler to shut down, and returns at once; the rest is as for [`shutdown`](Self::shutdown). A job that ends its
    /// scheduler calls this.
    ///
    /// ```
    /// # use matins_core::Shutdown;
    /// # use matins_executor_thread::ThreadExecutor;
    /// # use matins_scheduler::{Schedule, SchedulerBuilder};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::{every, TimeUnits};
    /// # let scheduler = SchedulerBuilder::new()
    /// #     .store("default", MemoryStore::new())
    /// #     .executor("default", ThreadExecutor::new())
    /// #     .blocking()
    /// #     .unwrap();
    /// let handle = scheduler.handle();
    /// scheduler.add(every(10.milliseconds()).run(move || handle.request_shutdown(Shutdown::Wait))).unwrap();
    /// scheduler.run();
    /// ```
    pub fn request_shutdown(&self, how: Shutdown) {
        self.shared.request_shutdown(how);
    }

    /// Waits until the scheduler has shut down. It does not wait where [`shutdown`](Self::shutdown) does not.
    ///
    /// ```
    /// # use std::thread;
    /// # use matins_core::Shutdown;
    /// # use matins_executor_thread::ThreadExecutor;
    /// # use matins_scheduler::{SchedulerBuilder, SchedulerState};
    /// # use matins_store_memory::MemoryStore;
    /// # let mut scheduler = SchedulerBuilder::new()
    /// #     .store("default", MemoryStore::new())
    /// #     .executor("default", ThreadExecutor::new())
    /// #     .background()?;
    /// # scheduler.start()?;
    /// let handle = scheduler.handle();
    /// let main = thread::spawn(move || handle.wait_until_shut_down());
    ///
    /// scheduler.request_shutdown(Shutdown::Wait);
    /// main.join().unwrap();
    /// assert_eq!(scheduler.state(), SchedulerState::ShutDown);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn wait_until_shut_down(&self) {
        self.shared.wait_until_stopped();
    }

    /// The engine, for one call. What the call has caused is told to listeners afterwards, when no lock is held.
    pub(crate) fn engine(&self) -> Call<'_> {
        Call(&self.shared.engine)
    }
}

/// A call of the engine.
pub(crate) struct Call<'a>(&'a Engine);

impl Deref for Call<'_> {
    type Target = Engine;

    fn deref(&self) -> &Engine {
        self.0
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        self.0.deliver_events();
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").finish_non_exhaustive()
    }
}
