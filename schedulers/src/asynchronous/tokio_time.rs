//! A driver on the runtime itself, and a clock that shows tokio's time: for tests in which that time is paused.

use std::fmt;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use matins_core::{Clock, Shutdown};
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep};

use super::AsyncScheduler;
use crate::engine::Next;
use crate::shared::{Driving, Shared};
use crate::wakeup::Wakeup;
use crate::{SchedulerBuilder, SchedulerError};

/// A job fires this much before tokio's time shows its fire time. Then a test that sleeps until that instant finds the run done: tokio
/// wakes both at different times, and does not let time pass in between while there is something to do.
const AHEAD: TimeDelta = TimeDelta::milliseconds(1);

/// Shows the time of a tokio runtime, counted from an instant.
#[derive(Clone)]
pub(crate) struct TokioClock(Arc<State>);

struct State {
    start: DateTime<Utc>,
    begun: Instant,
    runtime: Handle,
    shown: Mutex<Shown>,
}

struct Shown {
    /// The instant at which the driver works, while it catches up with tokio's time.
    held: Option<DateTime<Utc>>,
    /// It does not go back behind this.
    latest: DateTime<Utc>,
    /// Something was asked for at the latest instant, which the driver has not seen.
    is_asked: bool,
    /// When the driver has something to do next.
    due: Option<DateTime<Utc>>,
    is_driven: bool,
}

impl TokioClock {
    fn new(start: DateTime<Utc>, runtime: Handle) -> Self {
        let start = start.trunc_subsecs(6);
        let shown = Shown { held: None, latest: start, is_asked: true, due: None, is_driven: false };
        Self(Arc::new(State { start, begun: Instant::now(), runtime, shown: Mutex::new(shown) }))
    }

    fn shown(&self) -> MutexGuard<'_, Shown> {
        self.0.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The time of the runtime.
    fn runtime_time(&self) -> DateTime<Utc> {
        // Only there is the time that may be paused.
        let _entered = self.0.runtime.enter();
        let passed = TimeDelta::from_std(self.0.begun.elapsed()).unwrap_or(TimeDelta::MAX);
        let now = self.0.start.checked_add_signed(passed).unwrap_or(DateTime::<Utc>::MAX_UTC);
        now.trunc_subsecs(6)
    }

    fn is_due(&self, instant: DateTime<Utc>) -> bool {
        is_due(instant, self.runtime_time())
    }

    /// Waits until the driver has done what is due, unless it is at it, and notes that something is asked for now.
    pub(super) async fn catch_up(&self) {
        while self.is_behind() {
            tokio::task::yield_now().await;
        }
        let now = self.runtime_time();
        let mut shown = self.shown();
        if shown.held.is_none() {
            shown.latest = shown.latest.max(now);
            shown.is_asked = true;
        }
    }

    /// Whether the driver has to do something that is past.
    fn is_behind(&self) -> bool {
        let (now, shown) = (self.runtime_time(), self.shown());
        let has_due = shown.due.is_some_and(|due| is_due(due, now));
        shown.is_driven && shown.held.is_none() && (has_due || (shown.is_asked && shown.latest < now))
    }

    /// Shows the instant at which the driver has something to do, if that is not now: when something was asked for, or when something
    /// is due.
    fn hold_what_is_past(&self) {
        let now = self.runtime_time();
        let mut shown = self.shown();
        let due = shown.due.take().filter(|due| is_due(*due, now));
        if std::mem::take(&mut shown.is_asked) {
            shown.held = Some(shown.latest);
        } else if let Some(due) = due {
            shown.latest = shown.latest.max(due);
            shown.held = Some(shown.latest);
        }
    }

    /// How long the driver may sleep until `instant` is due.
    fn time_until(&self, instant: DateTime<Utc>) -> Duration {
        (instant - self.runtime_time() - AHEAD).to_std().unwrap_or_default()
    }

    /// Shows this instant until told otherwise.
    fn hold(&self, instant: DateTime<Utc>) {
        let mut shown = self.shown();
        shown.latest = shown.latest.max(instant);
        shown.held = Some(shown.latest);
    }

    /// Shows the time of the runtime again; the driver has nothing to do before `due`.
    fn let_go(&self, due: Option<DateTime<Utc>>) {
        let mut shown = self.shown();
        (shown.held, shown.due) = (None, due);
    }
}

fn is_due(instant: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    instant.checked_sub_signed(AHEAD).is_none_or(|instant| instant <= now)
}

impl Clock for TokioClock {
    fn now(&self) -> DateTime<Utc> {
        let runtime = self.runtime_time();
        let shown = self.shown();
        shown.held.unwrap_or_else(|| runtime.max(shown.latest))
    }

    /// Nobody waits for it but the driver below.
    fn sleep_until(&self, _until: DateTime<Utc>) -> Option<Duration> {
        None
    }
}

impl fmt::Debug for TokioClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokioClock").field("now", &self.now()).finish_non_exhaustive()
    }
}

impl SchedulerBuilder {
    /// Returns an async scheduler for tests under tokio's paused time. Its clock shows `start` now, and goes with tokio's time; it
    /// replaces the clock of this builder.
    ///
    /// The scheduler is driven on the runtime of the test, with no thread of its own, and each job fires at its own instant: when a test
    /// sleeps for a day, an hourly job runs 24 times. Tokio lets time pass only while there is nothing to do, so what is due has been done
    /// before, and the test is the same each time. `tokio::time::advance` does not wait for what is due: sleep for a millisecond after it.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use std::sync::atomic::{AtomicU32, Ordering};
    /// use std::time::Duration;
    ///
    /// use matins_executor_tokio::TokioExecutor;
    /// use matins_scheduler::{Schedule, SchedulerBuilder};
    /// use matins_store_memory::MemoryStore;
    /// use matins_triggers::{TimeUnits, every};
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// // #[tokio::test(start_paused = true)]
    /// async fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     let scheduler = SchedulerBuilder::new()
    ///         .store("default", MemoryStore::new())
    ///         .executor("default", TokioExecutor::current()?)
    ///         .testing_async("2026-01-01T00:00:00Z".parse()?)?;
    ///     let handle = scheduler.handle();
    ///     tokio::spawn(scheduler.run());
    ///
    ///     let count = Arc::new(AtomicU32::new(0));
    ///     let counter = count.clone();
    ///     handle.add(every(1.hours()).run(move || counter.fetch_add(1, Ordering::Relaxed))).await?;
    ///
    ///     tokio::time::sleep(Duration::from_secs(24 * 3600)).await;
    ///     assert_eq!(count.load(Ordering::Relaxed), 24);
    ///     Ok(())
    /// }
    /// ```
    ///
    /// Give it a tokio executor. While a thread outside the runtime works, such as one of a thread executor, tokio does not know that there
    /// is something to do, and lets time pass. [Callbacks](crate::NewJob::on_success) of jobs are called on the runtime; those that are
    /// async are driven on a thread. Stores that do I/O do it on the runtime. Methods of [`Handle`](crate::Handle) that wait do not wait on
    /// the runtime; those of [`AsyncHandle`](crate::AsyncHandle) do.
    ///
    /// # Errors
    /// If a name is invalid, or a store cannot be read.
    ///
    /// # Panics
    /// Outside a tokio runtime, and in a runtime whose timers are not enabled.
    #[track_caller]
    pub fn testing_async(self, start: DateTime<Utc>) -> Result<AsyncScheduler, SchedulerError> {
        let clock = TokioClock::new(start, Handle::current());
        let handle = self.clock(clock.clone()).build_with(|shared| shared.tokio_time = Some(clock))?;
        handle.shared.engine.callbacks.are_made_on_runtime();
        Ok(AsyncScheduler::new(handle))
    }
}

/// Drives a scheduler on the runtime until it has stopped.
pub(super) async fn drive(shared: &Shared, clock: &TokioClock) {
    let mut end = End { shared, clock, has_stopped: false };
    clock.shown().is_driven = true;
    shared.engine.start();
    clock.hold_what_is_past();
    loop {
        let until = match turn(shared) {
            Next::Stop => break,
            Next::Again => {
                tokio::task::yield_now().await;
                continue;
            }
            Next::WaitUntil(until) => until,
        };
        let wakeup = &shared.engine.wakeup;
        let due = until.filter(|until| clock.is_due(*until));
        if let Some(due) = due {
            // What has begun ends before the next instant, unless it waits for time to pass.
            let patience =
                if shared.has_runs_in_flight() { Duration::from_millis(1) } else { Duration::ZERO };
            if !rings_within(wakeup, Some(patience)).await {
                clock.hold(due);
            }
            continue;
        }
        clock.let_go(until);
        rings_within(wakeup, until.map(|until| clock.time_until(until))).await;
        clock.hold_what_is_past();
    }
    end.has_stopped = true;
}

fn turn(shared: &Shared) -> Next {
    let _driving = Driving::begin(&shared.engine.wakeup);
    shared.engine.lanes().iter().for_each(|lane| shared.engine.count_left_behind(lane));
    let (submissions, next) = shared.engine.turn();
    shared.engine.deliver_events();
    shared.submit(submissions);
    shared.engine.callbacks.make_all();
    next
}

/// Waits until the wakeup rings, or `time` has passed. Returns whether it rang.
async fn rings_within(wakeup: &Wakeup, time: Option<Duration>) -> bool {
    if time.is_some_and(|time| time.is_zero()) {
        let rang = wakeup.take();
        tokio::task::yield_now().await;
        return rang;
    }
    let mut sleep = pin!(time.map(sleep));
    poll_fn(|context| {
        if wakeup.poll(context).is_ready() {
            return Poll::Ready(true);
        }
        match sleep.as_mut().as_pin_mut() {
            Some(sleep) => sleep.poll(context).map(|()| false),
            None => Poll::Pending,
        }
    })
    .await
}

/// Ends the scheduler, also where its future is dropped before it has stopped.
struct End<'a> {
    shared: &'a Shared,
    clock: &'a TokioClock,
    has_stopped: bool,
}

impl Drop for End<'_> {
    fn drop(&mut self) {
        let _driving = Driving::begin(&self.shared.engine.wakeup);
        self.clock.shown().is_driven = false;
        if !self.has_stopped {
            self.shared.engine.stop();
            self.shared.engine.deliver_events();
        }
        self.shared.end_executors(Shutdown::Now);
        self.shared.announce_end();
    }
}
