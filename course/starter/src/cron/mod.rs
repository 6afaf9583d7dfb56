//! Cron expressions: five sets of numbers.

use chrono::{
    DateTime, Datelike, NaiveDate, NaiveDateTime, TimeDelta, Timelike, Utc,
};

use crate::trigger::Trigger;

mod parse;
mod set;

pub use parse::CronError;
pub use set::Set;

/// An expression such as `30 2 * * MON-FRI`: which minutes of which hours of
/// which days.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cron {
    minutes: Set,
    hours: Set,
    days: Set,
    months: Set,
    /// Sunday is 0, and may be 7 too.
    weekdays: Set,
    /// Whether a day matches if one of `days` and `weekdays` has it. Otherwise
    /// both must have it.
    either_day: bool,
}

/// The number of months after which days and weekdays repeat.
const CYCLE: usize = 400 * 12;

impl Cron {
    /// Returns the days of a month that match.
    fn days_of(&self, first: NaiveDate) -> Set {
        unimplemented!("chapter 3: the days by number and by weekday")
    }

    /// Returns whether a minute matches.
    pub fn matches(&self, time: NaiveDateTime) -> bool {
        unimplemented!("chapter 3: look at all five fields")
    }

    /// Returns the first full minute that matches and is later than `after`.
    pub fn next_local(&self, after: NaiveDateTime) -> Option<NaiveDateTime> {
        unimplemented!("chapter 3: the day, then the hour, then the minute")
    }

    /// Returns the last full minute that matches and is earlier than `before`.
    pub fn previous_local(
        &self,
        before: NaiveDateTime,
    ) -> Option<NaiveDateTime> {
        unimplemented!("chapter 3: like the next one, but backwards")
    }
}

const MINUTE: TimeDelta = TimeDelta::minutes(1);
/// The shortest time that chrono knows.
const INSTANT: TimeDelta = TimeDelta::nanoseconds(1);

fn full_minute(time: NaiveDateTime) -> Option<NaiveDateTime> {
    time.with_second(0)?.with_nanosecond(0)
}

/// An expression is a trigger whose fields are read in UTC.
impl Trigger for Cron {
    fn next_after(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        unimplemented!("chapter 3: the next minute, with fields in UTC")
    }
}
