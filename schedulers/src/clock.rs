//! The system's clock, and one that is moved by hand or by leaps.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use matins_core::{Clock, Wake};

use crate::clock_steps;
use crate::wakes::Wakes;

/// The system's clock.
///
/// On Linux the kernel tells of its steps, and of waking from suspension (`timerfd_create(2)`, `TFD_TIMER_CANCEL_ON_SET`),
/// and who waits looks at it once a minute; elsewhere, or where the kernel refuses, once a second.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

/// The longest sleep before the clock is looked at again where nobody tells of its steps.
const LOOK: Duration = Duration::from_secs(1);

/// And where steps are told of: a clock that is made to run faster by a thousandth is 60 ms ahead by then.
const SELDOM_LOOK: Duration = Duration::from_secs(60);

impl Clock for SystemClock {
    fn now(&self) -> DateTime<Utc> {
        Utc::now().trunc_subsecs(6)
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
#[derive(Clone)]
pub struct VirtualClock(Arc<State>);

struct State {
    now: Mutex<DateTime<Utc>>,
    leaps: bool,
    wakes: Wakes,
}

impl VirtualClock {
    /// A clock that stands at `start` until it is moved with [`advance`](Self::advance) or [`set`](Self::set).
    pub fn new(start: DateTime<Utc>) -> Self {
        Self::with(start, false)
    }

    /// A clock that leaps: whoever sleeps until an instant finds that instant come at once. A scheduler on such a clock
    /// passes a year as fast as it can work.
    pub fn leaping(start: DateTime<Utc>) -> Self {
        Self::with(start, true)
    }

    fn with(start: DateTime<Utc>, leaps: bool) -> Self {
        let now = Mutex::new(start.trunc_subsecs(6));
        Self(Arc::new(State { now, leaps, wakes: Wakes::new() }))
    }

    /// Moves the clock on.
    pub fn advance(&self, by: TimeDelta) {
        self.set(self.now() + by);
    }

    /// Sets the clock, forward or back.
    pub fn set(&self, now: DateTime<Utc>) {
        *self.0.now.lock().unwrap_or_else(PoisonError::into_inner) = now;
        self.0.wakes.call();
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> DateTime<Utc> {
        *self.0.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sleep_until(&self, until: DateTime<Utc>) -> Option<Duration> {
        if !self.0.leaps {
            return None;
        }
        let mut now = self.0.now.lock().unwrap_or_else(PoisonError::into_inner);
        *now = until.max(*now);
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
