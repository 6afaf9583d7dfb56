//! From the text of an expression to its sets.

use std::fmt;
use std::str::FromStr;

use chrono::DateTime;

use super::{Cron, Set};

/// Why a text is no cron expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CronError {
    /// There are not five fields.
    Fields(usize),
    /// An item of a field is wrong.
    Item {
        /// The name of the field.
        field: &'static str,
        /// The item, between two commas.
        item: String,
        /// What is wrong with it.
        problem: String,
    },
    /// No day has this number in any of these months.
    Never,
}

impl fmt::Display for CronError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fields(found) => write!(
                f,
                "{found} fields instead of five: write minute, hour, day of \
                 month, month and day of week"
            ),
            Self::Item { field, item, problem } => {
                write!(f, "{field}: {item:?} {problem}")
            }
            Self::Never => {
                write!(f, "never fires: no such month has such a day")
            }
        }
    }
}

impl std::error::Error for CronError {}

// ANCHOR: field
/// What a field may contain.
struct Field {
    name: &'static str,
    first: u32,
    last: u32,
    /// The names of the numbers from `first` on.
    names: &'static [&'static str],
}

const MINUTE: Field = Field { name: "minute", first: 0, last: 59, names: &[] };
const HOUR: Field = Field { name: "hour", first: 0, last: 23, names: &[] };
const DAY: Field =
    Field { name: "day of month", first: 1, last: 31, names: &[] };
const MONTH: Field = Field {
    name: "month",
    first: 1,
    last: 12,
    names: &[
        "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct",
        "nov", "dec",
    ],
};
const WEEKDAY: Field = Field {
    name: "day of week",
    first: 0,
    last: 7,
    names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
};
// ANCHOR_END: field

impl Field {
    // ANCHOR: items
    /// Reads a list of items: `*`, `7`, `1-5`, `*/15`, `10-50/20`.
    fn read(&self, text: &str) -> Result<Set, CronError> {
        text.split(',').try_fold(Set::default(), |set, item| {
            let found = self.read_item(item);
            let found = found.map_err(|problem| CronError::Item {
                field: self.name,
                item: item.to_owned(),
                problem,
            });
            Ok(set.or(found?))
        })
    }

    fn read_item(&self, item: &str) -> Result<Set, String> {
        let (range, step) = match item.split_once('/') {
            None => (item, None),
            Some((range, step)) => match step.parse() {
                Ok(step) if step > 0 => (range, Some(step)),
                _ => {
                    return Err("has a step that is not a number from 1".into());
                }
            },
        };
        let (first, last) = match range.split_once('-') {
            _ if range == "*" => (self.first, self.last),
            Some((first, last)) => (self.number(first)?, self.number(last)?),
            None if step.is_some() => {
                let last = self.last;
                let hint = format!("write {range}-{last}/... or */...");
                return Err(format!("has a step without a range: {hint}"));
            }
            None => (self.number(range)?, self.number(range)?),
        };
        if first > last {
            return Err("is a range that ends before it begins".into());
        }
        Ok(Set::range(first, last, step.unwrap_or(1)))
    }

    fn number(&self, text: &str) -> Result<u32, String> {
        let name =
            self.names.iter().position(|it| text.eq_ignore_ascii_case(it));
        if let Some(index) = name {
            return Ok(self.first + index as u32);
        }
        let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
        let number = text.parse().ok().filter(|_| is_number);
        let (first, last) = (self.first, self.last);
        let allowed = number.filter(|number| (first..=last).contains(number));
        allowed.ok_or(format!("is not between {first} and {last}"))
    }
    // ANCHOR_END: items
}

// ANCHOR: parse
impl FromStr for Cron {
    type Err = CronError;

    fn from_str(text: &str) -> Result<Self, CronError> {
        let fields: Vec<&str> = text.split_whitespace().collect();
        let [minute, hour, day, month, weekday] = fields[..] else {
            return Err(CronError::Fields(fields.len()));
        };
        let mut weekdays = WEEKDAY.read(weekday)?;
        if weekdays.contains(7) {
            // Sunday has two numbers.
            weekdays = weekdays.or(Set::range(0, 0, 1));
        }
        let cron = Self {
            minutes: MINUTE.read(minute)?,
            hours: HOUR.read(hour)?,
            days: DAY.read(day)?,
            months: MONTH.read(month)?,
            weekdays,
            either_day: !day.starts_with('*') && !weekday.starts_with('*'),
        };
        match cron.next_local(DateTime::UNIX_EPOCH.naive_utc()) {
            Some(_) => Ok(cron),
            None => Err(CronError::Never),
        }
    }
}
// ANCHOR_END: parse
