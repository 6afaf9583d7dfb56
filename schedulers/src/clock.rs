//! The system's clock, and one that is moved by hand or by leaps.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use matins_core::Clock;

/// The system's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl SystemClock {
    /// The longest sleep before the clock is looked at again, so that a step of the clock, or waking from suspension,
    /// is noticed within this time.
    const WATCH: Duration = Duration::from_secs(1);
}

impl Clock for SystemClock {
    fn now(&self) -> DateTime<Utc> {
        Utc::now().trunc_subsecs(6)
    }

    fn sleep_until(&self, until: DateTime<Utc>) -> Option<Duration> {
        let rest = (until - Utc::now()).to_std().unwrap_or_default();
        Some(rest.min(Self::WATCH))
    }
}

/// A clock for tests and simulations. Clones are one clock.
#[derive(Clone)]
pub struct VirtualClock(Arc<State>);

struct State {
    now: Mutex<DateTime<Utc>>,
    leaps: bool,
    wakers: Mutex<Vec<Arc<dyn Fn() + Send + Sync>>>,
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
        Self(Arc::new(State { now, leaps, wakers: Mutex::default() }))
    }

    /// Moves the clock on.
    pub fn advance(&self, by: TimeDelta) {
        self.set(self.now() + by);
    }

    /// Sets the clock, forward or back.
    pub fn set(&self, now: DateTime<Utc>) {
        *self.0.now.lock().unwrap_or_else(PoisonError::into_inner) = now;
        let wakers = self.0.wakers.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for wake in wakers {
            wake();
        }
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

    fn wake_on_change(&self, wake: Arc<dyn Fn() + Send + Sync>) {
        self.0.wakers.lock().unwrap_or_else(PoisonError::into_inner).push(wake);
    }
}

impl fmt::Debug for VirtualClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VirtualClock").field("now", &self.now()).field("leaps", &self.0.leaps).finish()
    }
}
