//! Crontab expressions: fields as bit sets, read by `parse`, searched by `search`, written by `display`.

mod display;
mod parse;
mod search;

use std::str::FromStr;

use chrono::{DateTime, Utc};
use matins_core::Trigger;
use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use parse::CronError;

use crate::zone::{UnknownZone, Zone};

/// A crontab expression: which seconds, minutes, hours, days, months and years.
///
/// # Grammar
/// Five fields, as in crontab(5); six, with seconds first; seven, with years last. Or a nickname: `@yearly`,
/// `@annually`, `@monthly`, `@weekly`, `@daily`, `@midnight`, `@hourly`.
///
/// | field | values | more |
/// | --- | --- | --- |
/// | second | 0-59 | |
/// | minute | 0-59 | |
/// | hour | 0-23 | |
/// | day of month | 1-31 | `?`, `L` (the last), `L-3` (the third before the last), `15W` (the weekday nearest the 15th, in the same month), `LW` (the last weekday) |
/// | month | 1-12, JAN-DEC | |
/// | day of week | 0-7 (0 and 7 are Sunday), SUN-SAT | `?`, `FRI#2` (the second Friday), `5L` or `FRIL` (the last Friday); ranges may go over the week's end: `FRI-MON` |
/// | year | 1970-9999 | |
///
/// Each is `*`, a value, a range `a-b`, one of those with a step (`*/5`, `10-50/10`, and `10/5` for `10` to the end
/// by fives), or a list of them with commas. Names are read in any case.
///
/// A day matches when the day of month *or* the day of week matches, unless one of the two fields begins with `*` (or
/// `?`): then both must. That is crontab(5)'s rule as Debian's cron has it, where `*/2` counts as a star too.
///
/// The grammar is a superset of the Open Cron Pattern Specification's, <https://github.com/open-source-cron/ocps>.
///
/// Expressions that mean the same are equal and are written alike, weekdays and months by name: `0 9 * * 1-5` is
/// written `0 9 * * MON-FRI`.
///
/// ```
/// let expression: matins_triggers::CronExpression = "0 9 * * 1-5".parse().unwrap();
/// assert_eq!(expression.to_string(), "0 9 * * MON-FRI");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CronExpression {
    /// Bits 0 to 59.
    seconds: u64,
    /// Bits 0 to 59.
    minutes: u64,
    /// Bits 0 to 23.
    hours: u32,
    /// Bits 1 to 12.
    months: u16,
    days: DaysOfMonth,
    weekdays: DaysOfWeek,
    /// Sorted; `None` is every year.
    years: Option<Box<[YearRange]>>,
    /// Minute and hour begin with `*`: how the expression reads, and (neither) whether it is at fixed local times.
    minute_star: bool,
    hour_star: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct DaysOfMonth {
    /// Bits 1 to 31.
    days: u32,
    /// Bit k: k days before the last.
    from_last: u32,
    /// Bits 1 to 31: the weekday nearest to that day.
    nearest_weekday: u32,
    last_weekday: bool,
    star: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct DaysOfWeek {
    /// Bits 0 (Sunday) to 6.
    weekdays: u8,
    /// Bit 5w + n - 1: the nth weekday w of the month.
    nth: u64,
    /// Bits 0 to 6: the last one in the month.
    last: u8,
    star: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct YearRange {
    first: u16,
    last: u16,
    step: u16,
}

/// The years that a field may name, and in which fires are looked for.
const YEARS: std::ops::RangeInclusive<i32> = 1970..=9999;

impl CronExpression {
    /// Reads an expression.
    ///
    /// # Errors
    /// When it breaks the grammar above, or no day ever matches it (30 February). The error shows the place.
    pub fn parse(text: &str) -> Result<Self, CronError> {
        parse::expression(text)
    }

    /// Whether it is at *fixed local times* (minute and hour both do not begin with `*`) rather than at elapsed time.
    pub fn is_fixed(&self) -> bool {
        !self.minute_star && !self.hour_star
    }
}

impl FromStr for CronExpression {
    type Err = CronError;

    fn from_str(text: &str) -> Result<Self, CronError> {
        Self::parse(text)
    }
}

impl TryFrom<String> for CronExpression {
    type Error = CronError;

    fn try_from(text: String) -> Result<Self, CronError> {
        Self::parse(&text)
    }
}

impl From<CronExpression> for String {
    fn from(expression: CronExpression) -> Self {
        expression.to_string()
    }
}

/// Fires when the clocks of a zone match a crontab expression.
///
/// The crate's page states the rule at changes of the clocks. Fires are at whole seconds, from 1970 to 9999.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CronTrigger {
    expression: CronExpression,
    zone: Zone,
}

/// What makes no cron trigger.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CronTriggerError {
    /// The expression.
    #[error(transparent)]
    Expression(#[from] CronError),
    /// The zone.
    #[error(transparent)]
    Zone(#[from] UnknownZone),
}

impl CronTrigger {
    /// Fires when the clocks of `zone` match `expression`.
    pub fn new(expression: CronExpression, zone: Zone) -> Self {
        Self { expression, zone }
    }

    /// Reads an expression and the name of a zone.
    ///
    /// # Errors
    /// When either cannot be read.
    pub fn parse(expression: &str, zone: &str) -> Result<Self, CronTriggerError> {
        Ok(Self::new(CronExpression::parse(expression)?, Zone::named(zone)?))
    }

    /// The expression.
    pub fn expression(&self) -> &CronExpression {
        &self.expression
    }

    /// The zone.
    pub fn zone(&self) -> Zone {
        self.zone
    }
}

#[typetag::serde(name = "cron")]
impl Trigger for CronTrigger {
    fn next_after(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let second = search::next_after(&self.expression, self.zone, after.timestamp())?;
        DateTime::from_timestamp(second, 0)
    }

    fn describe(&self) -> String {
        format!("{}, {}", self.expression, self.zone)
    }
}
