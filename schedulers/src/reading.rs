//! One reading of a clock: its time, and the time that has passed, which does not change when the clock is set.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use matins_core::Clock;

/// Both parts of a reading were taken within this time, or the clock is read again.
const TOGETHER: Duration = Duration::from_millis(20);

/// How often a clock is read at most, on a machine that is too busy for that.
const MOST_READS: u32 = 5;

/// The clock was set if it differs from the time that has passed by this much. Smaller steps delay nothing by more.
const STEP: TimeDelta = TimeDelta::seconds(1);

/// What a clock shows. Fire times are compared with `now`, relative waits with `monotonic`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reading {
    pub(crate) now: DateTime<Utc>,
    pub(crate) monotonic: Duration,
}

impl Reading {
    pub(crate) fn of(clock: &dyn Clock) -> Self {
        let mut reads = 1;
        loop {
            let (monotonic, now) = (clock.monotonic(), clock.now());
            if clock.monotonic().saturating_sub(monotonic) < TOGETHER || reads >= MOST_READS {
                return Self { now, monotonic };
            }
            reads += 1;
        }
    }

    /// What the clock will show when this much time has passed in all, unless it is set.
    pub(crate) fn at(&self, monotonic: Duration) -> DateTime<Utc> {
        let delta = |time: Duration| TimeDelta::from_std(time).unwrap_or(TimeDelta::MAX);
        if monotonic >= self.monotonic {
            let rest = delta(monotonic.saturating_sub(self.monotonic));
            self.now.checked_add_signed(rest).unwrap_or(DateTime::<Utc>::MAX_UTC)
        } else {
            let over = delta(self.monotonic.saturating_sub(monotonic));
            self.now.checked_sub_signed(over).unwrap_or(DateTime::<Utc>::MIN_UTC)
        }
    }

    /// By how much the clock was set between two readings, of which this is the later one: forward, or back (negative). `None` if it
    /// was not set.
    pub(crate) fn step_since(&self, earlier: &Self) -> Option<TimeDelta> {
        let step = self.now - earlier.at(self.monotonic);
        (step.abs() >= STEP).then_some(step)
    }
}
