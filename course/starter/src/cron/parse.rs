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

impl Field {
    /// Reads a list of items: `*`, `7`, `1-5`, `*/15`, `10-50/20`.
    fn read(&self, text: &str) -> Result<Set, CronError> {
        unimplemented!("chapter 3: the numbers of all items")
    }
}

impl FromStr for Cron {
    type Err = CronError;

    fn from_str(text: &str) -> Result<Self, CronError> {
        unimplemented!("chapter 3: read five fields, refuse what never comes")
    }
}
