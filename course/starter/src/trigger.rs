//! When does a job fire? A trigger is a set of instants.

use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};

/// A set of instants, which are called fire times.
pub trait Trigger {
    /// Returns the first fire time that is later than `after`, or `None` if no
    /// later one exists.
    fn next_after(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>>;
}

/// One fire time.
#[derive(Debug, Clone, Copy)]
pub struct Once(pub DateTime<Utc>);

impl Trigger for Once {
    fn next_after(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        unimplemented!("chapter 1: the instant, if it is later than `after`")
    }
}

/// A first fire time, and another one after each period, without an end.
#[derive(Debug, Clone, Copy)]
pub struct Every {
    start: DateTime<Utc>,
    /// In milliseconds, and at least 1.
    period: i64,
}

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
    /// Returns the fire times `start`, `start + period`,
    /// `start + 2 * period`, and so on.
    ///
    /// # Errors
    /// If `period` is not a whole number of milliseconds, or is less than one.
    pub fn new(
        start: DateTime<Utc>,
        period: TimeDelta,
    ) -> Result<Self, BadPeriod> {
        unimplemented!("chapter 1: refuse a bad period, or keep both values")
    }
}

impl Trigger for Every {
    fn next_after(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        unimplemented!("chapter 1: number the fire times, find the next number")
    }
}
