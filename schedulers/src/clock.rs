//! The system's clock, and one that is moved by hand or by leaps.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, SubsecRound, Utc};
use matins_core::{Clock, IntoDuration, Wake};

use crate::clock_steps;
use crate::reading::Reading;
use crate::wakes::Wakes;

/// The system's clock.
///
/// On Linux the kernel tells of its steps, and of waking from suspension (`timerfd_create(2)`, `TFD_TIMER_CANCEL_ON_SET`),
/// and who waits looks at it once a minute; elsewhere, or where the kernel refuses, once a second.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

/// The longest sleep before the clock is looked at again where nobody tells of its steps.
const LOOK: Duration = Duration::from_secs(1);

/// And where the system reports steps: a clock that is made to run faster by a thousandth is 60 ms ahead by then.
const SELDOM_LOOK: Duration = Duration::from_secs(60);

impl Clock for SystemClock {
    fn now(&self) -> DateTime<Utc> {
        Utc::now().trunc_subsecs(6)
    }

    /// On Linux this includes the time in which the machine was suspended.
    fn monotonic(&self) -> Duration {
        clock_steps::monotonic()
    }

    fn sleep_until(&self, until: DateTime<Utc>) -> Option<Duration> {
        let rest = (until - Utc::now()).to_std().unwrap_or_default();
        Some(rest.min(if clock_steps::are_told() { SELDOM_LOOK } else { LOOK }))
    }

    fn wake_on_change(&self, wake: &Arc<Wake>) {
        clock_steps::tell(wake);
    }
}

/// A clock for tests and simulations. Clones are one clock.
///
/// It has a [time that passes](Clock::monotonic) too. [`advance`](Self::advance) lets time pass, [`step`](Self::step) sets the
/// clock while no time passes, as a correction of a system's clock does.
#[derive(Clone)]
pub struct VirtualClock(Arc<State>);

struct State {
    reading: Mutex<Reading>,
    leaps: bool,
    wakes: Wakes,
}

impl VirtualClock {
    /// A clock that stands at `start` until it is moved with [`advance`](Self::advance) or [`set`](Self::set).
    ///
    /// ```
    /// use matins_core::Clock;
    /// use matins_scheduler::VirtualClock;
    ///
    /// let clock = VirtualClock::new("2026-01-01T00:00:00Z".parse()?);
    /// assert_eq!(clock.now().to_rfc3339(), "2026-01-01T00:00:00+00:00");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new(start: DateTime<Utc>) -> Self {
        Self::with(start, false)
    }

    /// A clock that leaps: whoever sleeps until an instant finds that instant come at once. A scheduler on such a clock
    /// passes a year as fast as it can work.
    ///
    /// ```
    /// # use matins_core::Shutdown;
    /// # use matins_executor_thread::ThreadExecutor;
    /// # use matins_scheduler::{Event, Schedule, SchedulerBuilder, VirtualClock};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::{TimeUnits, every};
    /// let start = "2026-01-01T00:00:00Z".parse()?;
    /// let scheduler = SchedulerBuilder::new()
    ///     .store("default", MemoryStore::new())
    ///     .executor("default", ThreadExecutor::new())
    ///     .clock(VirtualClock::leaping(start))
    ///     .blocking()?;
    /// let handle = scheduler.handle();
    /// scheduler.add(every(1.days()).run(|| ()).max_runs(365).id("daily"))?;
    /// scheduler.on_event(
    ///     |event| matches!(event, Event::JobRemoved { .. }),
    ///     move |_event| handle.request_shutdown(Shutdown::Wait),
    /// )?;
    /// // Returns after a year of that clock, which takes a moment.
    /// scheduler.run();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn leaping(start: DateTime<Utc>) -> Self {
        Self::with(start, true)
    }

    fn with(start: DateTime<Utc>, leaps: bool) -> Self {
        let reading = Mutex::new(Reading { now: start.trunc_subsecs(6), monotonic: Duration::ZERO });
        Self(Arc::new(State { reading, leaps, wakes: Wakes::new() }))
    }

    /// Lets time pass. With a negative time, the clock is [set back](Self::step).
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use chrono::TimeDelta;
    /// # use matins_core::Clock;
    /// # use matins_scheduler::VirtualClock;
    /// let clock = VirtualClock::new("2026-01-01T00:00:00Z".parse()?);
    /// clock.advance(TimeDelta::hours(36));
    /// assert_eq!(clock.now().to_rfc3339(), "2026-01-02T12:00:00+00:00");
    /// assert_eq!(clock.monotonic(), Duration::from_secs(36 * 3600));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn advance(&self, by: impl IntoDuration) {
        self.set(self.now() + by.into_time_delta());
    }

    /// Lets time pass until `now`. If that is in the past, the clock is [set back](Self::step).
    ///
    /// ```
    /// # use chrono::{DateTime, Utc};
    /// # use matins_core::Clock;
    /// # use matins_scheduler::VirtualClock;
    /// let clock = VirtualClock::new("2026-01-01T00:00:00Z".parse()?);
    /// let noon: DateTime<Utc> = "2026-01-01T12:00:00Z".parse()?;
    /// clock.set(noon);
    /// assert_eq!(clock.now(), noon);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn set(&self, now: DateTime<Utc>) {
        self.lock().pass_until(now);
        self.0.wakes.call();
    }

    /// Sets the clock forward or back (negative) while no time passes.
    ///
    /// ```
    /// use chrono::TimeDelta;
    /// use matins_core::Clock;
    /// use matins_scheduler::VirtualClock;
    ///
    /// let clock = VirtualClock::new("2037-01-01T00:00:00Z".parse().unwrap());
    /// clock.step(TimeDelta::days(-3_650));
    /// assert_eq!(clock.now().to_rfc3339(), "2027-01-04T00:00:00+00:00");
    /// assert!(clock.monotonic().is_zero());
    /// ```
    pub fn step(&self, by: impl IntoDuration) {
        self.lock().now += by.into_time_delta();
        self.0.wakes.call();
    }

    fn lock(&self) -> MutexGuard<'_, Reading> {
        self.0.reading.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reading {
    fn pass_until(&mut self, now: DateTime<Utc>) {
        self.monotonic = self.monotonic.saturating_add((now - self.now).to_std().unwrap_or_default());
        self.now = now;
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> DateTime<Utc> {
        self.lock().now
    }

    fn monotonic(&self) -> Duration {
        self.lock().monotonic
    }

    fn sleep_until(&self, until: DateTime<Utc>) -> Option<Duration> {
        if !self.0.leaps {
            return None;
        }
        let mut reading = self.lock();
        let until = until.max(reading.now);
        reading.pass_until(until);
        Some(Duration::ZERO)
    }

    fn wake_on_change(&self, wake: &Arc<Wake>) {
        self.0.wakes.add(wake);
    }
}

impl fmt::Debug for VirtualClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VirtualClock").field("now", &self.now()).field("leaps", &self.0.leaps).finish()
    }
}
