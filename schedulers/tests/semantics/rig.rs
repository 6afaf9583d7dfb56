//! A scheduler on a virtual clock, with runs that end when the test says so.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use matins_core::{
    Completion, Executor, JobStore, Outcome, Refusal, Refused, Run, RunId, RunQuery, RunRequest, Shutdown,
};
use matins_scheduler::Event;
use matins_scheduler::{
    BackgroundScheduler, Events, NewJob, Retention, Schedule, SchedulerBuilder, VirtualClock,
};
use matins_store_memory::MemoryStore;
use matins_triggers::{TimeUnits, every};

/// Longer than anything here takes on a machine that is busy with other things.
pub(crate) const GENEROUS: Duration = Duration::from_secs(60);

/// The runs that the executor holds. Events tell of a run before it is handed over, so whoever wants one waits for it.
#[derive(Default)]
pub(crate) struct Held {
    runs: Mutex<Vec<(RunRequest, Completion)>>,
    came: Condvar,
    is_closed: AtomicBool,
}

impl Held {
    pub(crate) fn runs(&self) -> MutexGuard<'_, Vec<(RunRequest, Completion)>> {
        self.runs.lock().unwrap()
    }

    /// Waits until there is one.
    pub(crate) fn some(&self) -> MutexGuard<'_, Vec<(RunRequest, Completion)>> {
        let runs = self.came.wait_timeout_while(self.runs(), GENEROUS, |runs| runs.is_empty());
        runs.unwrap().0
    }

    /// A run comes.
    pub(crate) fn put(&self, run: RunRequest, done: Completion) {
        self.runs().push((run, done));
        self.came.notify_all();
    }

    pub(crate) fn take_first(&self) -> (RunRequest, Completion) {
        self.some().remove(0)
    }

    pub(crate) fn first_is_cancelled(&self) -> bool {
        self.some()[0].0.cancel.is_cancelled()
    }

    /// Whatever is held, or comes yet, is lost, which ends it.
    pub(crate) fn close(&self) {
        let mut runs = self.runs();
        self.is_closed.store(true, Ordering::Relaxed);
        runs.clear();
    }
}

/// Keeps runs until the test ends them.
pub(crate) struct Holding {
    pub(crate) held: Arc<Held>,
    pub(crate) room: usize,
}

impl Executor for Holding {
    fn submit(&mut self, run: RunRequest, done: Completion) -> Result<(), Refused> {
        let mut runs = self.held.runs();
        if runs.len() >= self.room {
            return Err(Refused { reason: Refusal::Full, done });
        }
        if !self.held.is_closed.load(Ordering::Relaxed) {
            runs.push((run, done));
            self.held.came.notify_all();
        }
        Ok(())
    }

    fn shutdown(&mut self, _how: Shutdown) -> Vec<RunId> {
        Vec::new()
    }
}

/// A scheduler on a clock that the test moves, and all that can be seen of it. Times are seconds from its start.
pub(crate) struct Rig {
    pub(crate) scheduler: BackgroundScheduler,
    pub(crate) clock: VirtualClock,
    pub(crate) events: Events,
    pub(crate) held: Arc<Held>,
}

pub(crate) fn start() -> DateTime<Utc> {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

pub(crate) fn second(second: i64) -> DateTime<Utc> {
    start() + TimeDelta::seconds(second)
}

pub(crate) fn seconds(instant: DateTime<Utc>) -> i64 {
    (instant - start()).num_seconds()
}

pub(crate) fn shown(run: &Run) -> String {
    let fires = match run.fires.count {
        1 => format!("{}", seconds(run.fires.first)),
        count => format!("{}..{} x{count}", seconds(run.fires.first), seconds(run.fires.last)),
    };
    let outcome =
        run.outcome.map_or(if run.started.is_some() { "running" } else { "waiting" }, Outcome::as_str);
    let attempt = if run.attempt > 1 { format!(" (attempt {})", run.attempt) } else { String::new() };
    format!("{fires} {outcome}{attempt}")
}

impl Rig {
    pub(crate) fn new() -> Self {
        Self::with(MemoryStore::new(), 100, Retention::default())
    }

    pub(crate) fn with(store: impl JobStore + 'static, room: usize, retention: Retention) -> Self {
        Self::from(0, store, room, retention)
    }

    /// Its clock shows this second when it starts.
    pub(crate) fn from(time: i64, store: impl JobStore + 'static, room: usize, retention: Retention) -> Self {
        let (clock, held) = (VirtualClock::new(second(time)), Arc::<Held>::default());
        let mut scheduler = SchedulerBuilder::new()
            .store("default", store)
            .executor("default", Holding { held: held.clone(), room })
            .clock(clock.clone())
            .retention(retention)
            .background()
            .unwrap();
        let events = scheduler.subscribe();
        scheduler.start().unwrap();
        let rig = Self { scheduler, clock, events, held };
        rig.expect(&["scheduler started"]);
        rig
    }

    pub(crate) fn add(&self, job: NewJob) {
        self.scheduler.add(job).unwrap();
        self.expect(&["job added"]);
    }

    /// Moves the clock to a second from the start, and waits for the events that follow.
    pub(crate) fn at(&self, time: i64, expected: &[&str]) {
        self.clock.set(second(time));
        self.expect(expected);
    }

    /// Ends the run that was handed over first, and waits for the events that follow.
    pub(crate) fn finish(&self, expected: &[&str]) {
        let (run, done) = self.held.take_first();
        done.finish(run.execute());
        self.expect(expected);
    }

    pub(crate) fn expect(&self, expected: &[&str]) {
        let found: Vec<String> = expected
            .iter()
            .map(|expected| match self.events.next_within(GENEROUS) {
                Some(event) => describe(&event),
                None => panic!("waited for {expected:?}"),
            })
            .collect();
        assert_eq!(found, expected);
    }

    pub(crate) fn ledger(&self) -> Vec<String> {
        self.scheduler.runs_in("default", &RunQuery::default()).unwrap().iter().map(shown).collect()
    }

    pub(crate) fn next_fire(&self, id: &str) -> Option<i64> {
        self.scheduler.get(id).unwrap().unwrap().next_fire.map(seconds)
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.scheduler.handle().request_shutdown(Shutdown::Wait);
        self.held.close();
    }
}

pub(crate) fn describe(event: &Event) -> String {
    match event {
        Event::SchedulerStarted => "scheduler started".into(),
        Event::SchedulerPaused => "scheduler paused".into(),
        Event::SchedulerResumed => "scheduler resumed".into(),
        Event::SchedulerShutDown => "scheduler shut down".into(),
        Event::StoreAdded { store } => format!("store {store} added"),
        Event::StoreRemoved { store } => format!("store {store} removed"),
        Event::AllJobsRemoved { store } => format!("all jobs of {store} removed"),
        Event::ExecutorAdded { executor } => format!("executor {executor} added"),
        Event::ExecutorRemoved { executor } => format!("executor {executor} removed"),
        Event::JobAdded { .. } => "job added".into(),
        Event::JobModified { .. } => "job modified".into(),
        Event::JobPaused { .. } => "job paused".into(),
        Event::JobResumed { .. } => "job resumed".into(),
        Event::JobRemoved { .. } => "job removed".into(),
        Event::RunStarted { run, .. } => format!("started {}", shown(run)),
        Event::RunPostponed { run, .. } => format!("postponed {}", shown(run)),
        Event::RunFinished { run, .. } => format!("finished {}", shown(run)),
        Event::RunMissed { run, .. } => format!("missed {}", shown(run)),
        other => format!("{other:?}"),
    }
}

pub(crate) fn ticking() -> NewJob {
    every(10.seconds()).run(|| ()).id("tick")
}
