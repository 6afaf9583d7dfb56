//! When does a job fire? A trigger is a set of instants.

use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};

// ANCHOR: trait
/// A set of instants, which are called fire times.
pub trait Trigger {
    /// Returns the first fire time that is later than `after`, or `None` if no
    /// later one exists.
    fn next_after(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>>;
}
// ANCHOR_END: trait

// ANCHOR: once
/// One fire time.
#[derive(Debug, Clone, Copy)]
pub struct Once(pub DateTime<Utc>);

impl Trigger for Once {
    fn next_after(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        (self.0 > after).then_some(self.0)
    }
}
// ANCHOR_END: once

// ANCHOR: every
/// A first fire time, and another one after each period, without an end.
#[derive(Debug, Clone, Copy)]
pub struct Every {
    start: DateTime<Utc>,
    /// In milliseconds, and at least 1.
    period: i64,
}
// ANCHOR_END: every

/// Why there is no such interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadPeriod(pub TimeDelta);

impl fmt::Display for BadPeriod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let period = self.0;
        write!(f, "the period {period} is not a number of milliseconds from 1")
    }
}

impl std::error::Error for BadPeriod {}

impl Every {
    // ANCHOR: new
    /// Returns the fire times `start`, `start + period`,
    /// `start + 2 * period`, and so on.
    ///
    /// # Errors
    /// If `period` is not a whole number of milliseconds, or is less than one.
    pub fn new(
        start: DateTime<Utc>,
        period: TimeDelta,
    ) -> Result<Self, BadPeriod> {
        let milliseconds = period.num_milliseconds();
        let whole = TimeDelta::try_milliseconds(milliseconds) == Some(period);
        if !whole || milliseconds < 1 {
            return Err(BadPeriod(period));
        }
        Ok(Self { start, period: milliseconds })
    }
    // ANCHOR_END: new
}

// ANCHOR: next
impl Trigger for Every {
    fn next_after(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        if after < self.start {
            return Some(self.start);
        }
        let passed = (after - self.start).num_milliseconds();
        // Fire times are numbered from 0. This many are not later than
        // `after`, so it is also the number of the next one.
        let number = passed / self.period + 1;
        let offset =
            TimeDelta::try_milliseconds(number.checked_mul(self.period)?)?;
        self.start.checked_add_signed(offset)
    }
}
// ANCHOR_END: next
