//! Crontab expressions: fields as bit sets, read by `parse`, searched by `search`, written by `display`.

mod count;
mod days;
mod describe;
mod display;
mod error;
mod excluded;
mod fires;
mod hints;
mod items;
mod named;
mod parse;
mod previous;
mod rules;
mod search;
mod shared;
mod trigger;

use std::str::FromStr;

use serde::{Deserialize, Serialize};

pub(crate) use count::count_common;
pub use error::CronError;
pub use excluded::ExcludedBy;
pub use fires::Fires;
pub use named::CronFields;
pub use trigger::{CronTrigger, CronTriggerError};

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
/// | day of month | 1-31 | `?`, `L` (the last), `L-3` (the third before the last), `15W` (the weekday nearest the 15th, in the same month), `LW` (the last weekday), `L-3W` |
/// | month | 1-12, JAN-DEC | |
/// | day of week | 0-7 (0 and 7 are Sunday), SUN-SAT | `?`, `FRI#2` (the second Friday), `5L`, `FRIL` or `FRI#L` (the last Friday); ranges may go over the week's end: `FRI-MON` |
/// | year | 1970-9999 | |
///
/// Each is `*`, a value, a range `a-b`, one of those with a step (`*/5`, `10-50/10`, and `10/5` for `10` to the end
/// by fives), or a list of them with commas. A step that is larger than its range leaves only the first value, as in
/// Debian's cron.
///
/// Names are read in any case: the three letters, the full English name (`monday`, `January`), and TUES, WEDS, THUR,
/// THURS and SEPT.
///
/// A day matches when the day of month *or* the day of week matches, unless one of the two fields begins with `*` (or
/// `?`): then both must. That is crontab(5)'s rule as Debian's cron has it, where `*/2` counts as a star too. A day of
/// week that begins with `+` (`0 12 1 * +MON`) asks for both as well.
///
/// Fields may be given by name instead, as in APScheduler: see [`CronFields`].
///
/// # The Open Cron Pattern Specification
/// Every pattern of the [specification](https://github.com/open-source-cron/ocps), versions 1.0 to 1.4, is read, with
/// two exceptions:
///
/// * a date that never comes (`0 0 30 2 *`, 1.0 §6.2) is an error of [`parse`](Self::parse), which
///   [`CronError::never_fires`] tells from an error of syntax;
/// * `@reboot` (1.1 §4.2) is no expression, because it is not a time. Crontab files may have it.
///
/// Two rules of Debian's cron give other fire times:
///
/// * a day field such as `*/2` counts as a star (1.0 §6.1 counts only `*`);
/// * at changes of the clocks, an expression at fixed local times fires at the end of the gap if its time is skipped. Any other
///   expression fires twice if its time is repeated (1.4 §4.3.1 recommends neither).
///
/// More is read than the specification allows:
///
/// * `10/5`, and a range of weekdays over the week's end (1.0 §6.2);
/// * nicknames, `L` and `W` in any case (1.1 §4.1, 1.3 §4), and `W` in lists (1.3 §4.3);
/// * years up to 9999 (1.4 §4.3.2), where `*/2` begins with 1970 as well.
///
/// # Equality
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
    /// Day of month and day of week must both match.
    both_days: bool,
    /// ISO weeks, bits 1 to 53; 0 is every week.
    weeks: u64,
    /// Sorted; `None` is every year.
    years: Option<Box<[YearRange]>>,
    /// Minute and hour begin with `*`: how the expression reads, and (neither) whether it is at fixed local times.
    minute_star: bool,
    hour_star: bool,
    /// What the two day fields come to.
    day_rule: DayRule,
    /// The kinds of years in which some day matches; see `search::ALL_KINDS`.
    year_kinds: u16,
    /// The month and the day, where one date a year is all that matches.
    yearly: Option<(u8, u8)>,
    /// How it is written, where its fields were given by name.
    named: Option<Box<str>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct DaysOfMonth {
    /// Bits 1 to 31.
    days: u32,
    /// Bit k: k days before the last.
    from_last: u32,
    /// Bits 1 to 31: the weekday nearest to that day.
    nearest_weekday: u32,
    /// Bit k: the weekday nearest to k days before the last.
    nearest_from_last: u32,
    by_weekday: DaysOfWeek,
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

/// Which days match, as far as the two day fields restrict them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum DayRule {
    #[default]
    Every,
    DayOfMonth,
    DayOfWeek,
    Both,
    Either,
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
        if named::is_named(text) { named::expression(text) } else { parse::expression(text) }
    }

    /// Reads an expression as Quartz means it: six fields, seconds first, or seven with years last; **weekdays from 1 for
    /// Sunday** to 7; `?` in one of the day fields. See
    /// <https://www.quartz-scheduler.org/documentation/quartz-2.3.0/tutorials/crontrigger.html>.
    ///
    /// A range may go over the end of its field, except in years: `21-3`, `NOV-FEB`. `/15` is `*/15`. `L` alone as a weekday is
    /// Saturday. A step that is larger than its field (`0/120`) is refused.
    ///
    /// It is written, saved and shown in the crontab form, where names stand for weekdays.
    ///
    /// ```
    /// let second_friday = matins_triggers::CronExpression::parse_quartz("0 15 10 ? * 6#2").unwrap();
    /// assert_eq!(second_friday, "15 10 ? * FRI#2".parse().unwrap());
    /// ```
    ///
    /// # Errors
    /// As [`parse`](Self::parse).
    pub fn parse_quartz(text: &str) -> Result<Self, CronError> {
        parse::quartz(text)
    }

    /// Returns whether the expression names *fixed local times* (neither its minute nor its hour begins with `*`), rather than times that
    /// repeat in elapsed time.
    ///
    /// ```
    /// use matins_triggers::CronExpression;
    ///
    /// // Fires once a night, also when the clocks skip 02:30 or show it twice.
    /// assert!(CronExpression::parse("30 2 * * *")?.is_fixed());
    /// // Fires each half hour that passes.
    /// assert!(!CronExpression::parse("*/30 * * * *")?.is_fixed());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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
