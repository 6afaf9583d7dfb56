//! A loop that waits for each fire time of a trigger and calls a task.

use std::cell::Cell;
use std::thread;

use chrono::{DateTime, Utc};

use crate::trigger::Trigger;

/// Where the loop gets the time from.
pub trait Clock {
    /// Returns the current time.
    fn now(&self) -> DateTime<Utc>;

    /// Waits for a time. May return earlier.
    fn sleep_until(&self, time: DateTime<Utc>);
}

/// The clock of the machine.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }

    fn sleep_until(&self, time: DateTime<Utc>) {
        // An error says that the time has passed.
        thread::sleep((time - self.now()).to_std().unwrap_or_default());
    }
}

/// A clock for tests and demonstrations: waiting moves it to the requested
/// time at once.
#[derive(Debug)]
pub struct ManualClock(Cell<DateTime<Utc>>);

impl ManualClock {
    /// Returns a clock that shows `time`.
    pub fn new(time: DateTime<Utc>) -> Self {
        Self(Cell::new(time))
    }

    /// Moves the clock, as if work had taken `time`.
    pub fn advance(&self, time: chrono::TimeDelta) {
        self.0.set(self.0.get() + time);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> DateTime<Utc> {
        self.0.get()
    }

    fn sleep_until(&self, time: DateTime<Utc>) {
        self.0.set(time.max(self.0.get()));
    }
}

/// Calls `task` for each fire time of `trigger` that is later than now and not
/// later than `until`, with that fire time, and never before it has come.
pub fn run(
    trigger: &dyn Trigger,
    clock: &dyn Clock,
    until: DateTime<Utc>,
    mut task: impl FnMut(DateTime<Utc>),
) {
    unimplemented!("chapter 1: wait for each fire time, then call `task`")
}
