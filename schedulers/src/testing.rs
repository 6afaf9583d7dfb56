//! A scheduler for tests: on a virtual clock, on the thread of the test, the same each time.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use matins_core::{Clock, Completion, Executor, IntoDuration, Refused, Run, RunId, RunRequest, Shutdown};

use crate::engine::Next;
use crate::shared::Driving;
use crate::{Event, Events, Handle, SchedulerBuilder, SchedulerError, VirtualClock};

/// More runs than this at one instant mean that a job becomes due again and again.
const MOST_AT_ONE_INSTANT: usize = 100_000;

/// More turns than this without a run that ends mean that a store or a trigger is never done.
const MOST_EMPTY_TURNS: usize = 10_000;

/// A scheduler for tests, driven by the test itself: see [`SchedulerBuilder::testing`].
///
/// [`advance`](Self::advance) moves the clock from fire to fire. At each instant it does all that is due, and waits until nothing is left
/// to do, before the clock moves on. So a job sees the instant that it fires at, whatever was due before has ended, and a test that
/// is run again does the same again. Nothing takes longer than the tasks themselves.
///
/// Tasks run on the thread of the test, one after the other. The executors of the builder are not used, so time limits have no effect and
/// no two runs overlap. Do not add executors later: nothing waits for their runs. Async tasks are driven on this thread too; one that
/// waits for tokio's timers, sockets or tasks needs a runtime.
///
/// Everything a [`Handle`] can do, it can do too, except to wait: while a test waits for a run, nobody does the run. Use
/// [`run_now`](Self::run_now).
///
/// ```
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicU32, Ordering};
///
/// use matins_scheduler::{Schedule, SchedulerBuilder};
/// use matins_store_memory::MemoryStore;
/// use matins_triggers::{TimeUnits, every};
///
/// let start = "2026-01-01T00:00:00Z".parse().unwrap();
/// let mut scheduler = SchedulerBuilder::new().store("default", MemoryStore::new()).testing(start).unwrap();
/// let count = Arc::new(AtomicU32::new(0));
/// let counter = count.clone();
/// scheduler.add(every(1.hours()).run(move || counter.fetch_add(1, Ordering::Relaxed))).unwrap();
///
/// let runs = scheduler.advance(1.days());
/// assert_eq!((runs.len(), count.load(Ordering::Relaxed)), (24, 24));
/// ```
pub struct TestScheduler {
    handle: Handle,
    clock: VirtualClock,
    ended: Events,
    _driving: Driving,
    /// It belongs to its thread.
    _not_send: PhantomData<*const ()>,
}

/// Does each run at once, on the thread of the scheduler.
struct Inline;

impl Executor for Inline {
    fn submit(&mut self, run: RunRequest, done: Completion) -> Result<(), Refused> {
        done.finish(run.execute());
        Ok(())
    }

    fn shutdown(&mut self, _how: Shutdown) -> Vec<RunId> {
        Vec::new()
    }
}

impl SchedulerBuilder {
    /// Returns a scheduler for tests, whose clock shows `start` until the test advances it. Its clock and its executors replace those of
    /// this builder; it always has an executor `default`.
    ///
    /// ```
    /// # use matins_scheduler::{Schedule, SchedulerBuilder};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::{TimeUnits, cron};
    /// let start = "2026-03-02T08:00:00Z".parse()?; // A Monday.
    /// let mut scheduler = SchedulerBuilder::new().store("default", MemoryStore::new()).testing(start)?;
    /// scheduler.add(cron("0 9 * * MON-FRI").run(|| ()))?;
    /// assert_eq!(scheduler.advance(7.days()).len(), 5);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If a name is invalid, or a store cannot be read.
    pub fn testing(mut self, start: DateTime<Utc>) -> Result<TestScheduler, SchedulerError> {
        let clock = VirtualClock::new(start);
        self.executors.entry(matins_core::ExecutorName::default()).or_insert_with(|| Box::new(Inline));
        self.executors.values_mut().for_each(|executor| *executor = Box::new(Inline));
        let handle = self.clock(clock.clone()).build()?;
        let ended =
            handle.subscribe_to(|event| matches!(event, Event::RunFinished { .. } | Event::RunMissed { .. }));
        handle.shared.engine.start();
        handle.shared.engine.callbacks.are_made_by_driver();
        let driving = Driving::begin(&handle.shared.engine.wakeup);
        Ok(TestScheduler { handle, clock, ended, _driving: driving, _not_send: PhantomData })
    }
}

impl TestScheduler {
    /// Returns a handle to this scheduler, which jobs may use.
    ///
    /// ```
    /// # use matins_scheduler::{Schedule, SchedulerBuilder};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::{TimeUnits, at, every};
    /// # let start = "2026-01-01T00:00:00Z".parse()?;
    /// # let mut scheduler = SchedulerBuilder::new().store("default", MemoryStore::new()).testing(start)?;
    /// let handle = scheduler.handle();
    /// let add_another = move || handle.add(every(1.hours()).run(|| "added by a job")).map(drop);
    /// scheduler.add(at("2026-01-01T01:00").run(add_another))?;
    /// let runs = scheduler.advance(2.hours());
    /// assert_eq!(runs[1].result, Some("added by a job".into()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Lets time pass, from fire to fire. Returns the rows of the ledger that were finished, in the order in which they were: runs, and
    /// fires that were missed.
    ///
    /// ```
    /// # use matins_scheduler::{Schedule, SchedulerBuilder};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::{TimeUnits, every};
    /// # let start = "2026-01-01T00:00:00Z".parse()?;
    /// # let mut scheduler = SchedulerBuilder::new().store("default", MemoryStore::new()).testing(start)?;
    /// scheduler.add(every(1.hours()).run(|| ()))?;
    /// let runs = scheduler.advance(1.days());
    /// assert_eq!(runs.len(), 24);
    /// assert_eq!(runs[0].started, Some(start + 1.hours()), "each runs at its own time");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Panics
    /// If more than 100,000 runs end at one instant: most likely a job becomes due again and again. If `by` is negative (use
    /// [`VirtualClock::step`] of [`clock`](Self::clock) to set the clock back) or leads beyond the last instant that there is.
    #[track_caller]
    pub fn advance(&mut self, by: impl IntoDuration) -> Vec<Run> {
        let (now, by) = (self.now(), by.into_time_delta());
        let until = now.checked_add_signed(by);
        self.advance_to(until.unwrap_or_else(|| panic!("there are no instants {by} after {now}")))
    }

    /// Lets time pass up to `until`, as [`advance`](Self::advance) does. What is due at `until` is done.
    ///
    /// ```
    /// # use matins_scheduler::{Schedule, SchedulerBuilder};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::cron;
    /// # let start = "2026-01-01T00:00:00Z".parse()?;
    /// # let mut scheduler = SchedulerBuilder::new().store("default", MemoryStore::new()).testing(start)?;
    /// scheduler.add(cron("0 9 * * *").run(|| ()))?;
    /// let runs = scheduler.advance_to("2026-01-03T09:00:00Z".parse()?);
    /// assert_eq!(runs.len(), 3, "the last one is due at that very instant");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Panics
    /// As [`advance`](Self::advance); and if `until` is in the past.
    #[track_caller]
    pub fn advance_to(&mut self, until: DateTime<Utc>) -> Vec<Run> {
        assert!(until >= self.now(), "time cannot pass from {} back to {until}", self.now());
        let mut ended = Vec::new();
        loop {
            let next = self.settle(&mut ended);
            match next.filter(|next| *next <= until) {
                Some(next) => self.clock.set(next),
                None if self.now() < until => self.clock.set(until),
                None => return ended,
            }
        }
    }

    /// Does what is due now, without letting time pass: a job that was added for this instant, or a run that somebody asked for.
    ///
    /// ```
    /// # use matins_scheduler::{Schedule, SchedulerBuilder};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::{TimeUnits, every};
    /// # let start = "2026-01-01T00:00:00Z".parse()?;
    /// # let mut scheduler = SchedulerBuilder::new().store("default", MemoryStore::new()).testing(start)?;
    /// scheduler.add(every(1.hours()).run(|| ()).first_fire(scheduler.now()))?;
    /// assert_eq!(scheduler.run_until_idle().len(), 1);
    /// assert_eq!(scheduler.now(), start);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Panics
    /// If more than 100,000 runs end.
    #[track_caller]
    pub fn run_until_idle(&mut self) -> Vec<Run> {
        self.advance_to(self.now())
    }

    /// Runs a job now, and returns the run once it has ended.
    ///
    /// ```
    /// # use matins_scheduler::{Schedule, SchedulerBuilder};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::cron;
    /// # let start = "2026-01-01T00:00:00Z".parse()?;
    /// # let mut scheduler = SchedulerBuilder::new().store("default", MemoryStore::new()).testing(start)?;
    /// scheduler.add(cron("@yearly").run(|| "happy new year").id("greeting"))?;
    /// assert_eq!(scheduler.run_now("greeting")?.result, Some("happy new year".into()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`Handle::run_now`]. [`SchedulerError::WaitsForItself`] if the run has not ended, because it waits for something: its group, or
    /// the time of its next attempt.
    ///
    /// # Panics
    /// If more than 100,000 runs end.
    #[track_caller]
    pub fn run_now(&mut self, id: impl AsRef<str>) -> Result<Run, SchedulerError> {
        let outcome = self.handle.run_now(id)?;
        self.run_until_idle();
        outcome.wait_within(std::time::Duration::ZERO)?.ok_or(SchedulerError::WaitsForItself)
    }

    /// Returns the time by the clock of the scheduler.
    ///
    /// ```
    /// # use matins_scheduler::SchedulerBuilder;
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::TimeUnits;
    /// # let start = "2026-01-01T00:00:00Z".parse()?;
    /// # let mut scheduler = SchedulerBuilder::new().store("default", MemoryStore::new()).testing(start)?;
    /// scheduler.advance(90.minutes());
    /// assert_eq!(scheduler.now(), start + 90.minutes());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// Returns the clock: a test can set it, as an administrator would.
    ///
    /// ```
    /// # use matins_scheduler::{Schedule, SchedulerBuilder};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::{TimeUnits, every};
    /// # let start = "2026-01-01T00:00:00Z".parse()?;
    /// # let mut scheduler = SchedulerBuilder::new().store("default", MemoryStore::new()).testing(start)?;
    /// scheduler.add(every(1.hours()).run(|| ()).id("report"))?;
    /// // The clock turns out to be a minute slow, and is set.
    /// scheduler.clock().step(1.minutes());
    /// let runs = scheduler.advance_to(start + 1.hours());
    /// assert_eq!(runs.len(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn clock(&self) -> &VirtualClock {
        &self.clock
    }

    /// Does what is due until nothing is left to do now. Returns when there is something to do next.
    #[track_caller]
    fn settle(&self, ended: &mut Vec<Run>) -> Option<DateTime<Utc>> {
        let shared = &self.handle.shared;
        let (before, mut empty_turns) = (ended.len(), 0);
        loop {
            shared.engine.wakeup.take();
            shared.engine.lanes().iter().for_each(|lane| shared.engine.count_left_behind(lane));
            let (submissions, next) = shared.engine.turn();
            shared.engine.deliver_events();
            shared.submit(submissions);
            shared.engine.callbacks.make_all();
            // Woken by runs that have ended, and by commands of tasks, filters and callbacks.
            let has_work = shared.engine.wakeup.take();
            let so_far = ended.len();
            while let Some(event) = self.ended.try_next() {
                match event {
                    Event::RunFinished { run, .. } | Event::RunMissed { run, .. } => {
                        ended.push(Arc::unwrap_or_clone(run));
                    }
                    Event::Lost { count } => panic!("{count} rows are lost: too many were finished at once"),
                    _ => {}
                }
            }
            empty_turns = if ended.len() == so_far { empty_turns + 1 } else { 0 };
            let now = self.now();
            assert!(
                empty_turns <= MOST_EMPTY_TURNS,
                "at {now} there is work again and again, and no run ends"
            );
            if ended.len() - before > MOST_AT_ONE_INSTANT
                && let Some(Run { job, .. }) = ended.last()
            {
                panic!(
                    "more than {MOST_AT_ONE_INSTANT} runs ended at {now}, the last of them of job {job:?}"
                );
            }
            match next {
                Next::Stop => {
                    shared.announce_end();
                    return None;
                }
                Next::WaitUntil(until) if !has_work => return until,
                Next::Again | Next::WaitUntil(_) => {}
            }
        }
    }
}

impl Deref for TestScheduler {
    type Target = Handle;

    fn deref(&self) -> &Handle {
        &self.handle
    }
}

impl Drop for TestScheduler {
    fn drop(&mut self) {
        self.handle.request_shutdown(Shutdown::Now);
        if !std::thread::panicking() {
            self.settle(&mut Vec::new());
        }
        self.handle.shared.engine.stop();
        self.handle.shared.announce_end();
    }
}

impl fmt::Debug for TestScheduler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestScheduler").field("now", &self.now()).finish_non_exhaustive()
    }
}
