//! A schedule that is switched off.

use std::fmt;

use chrono::{DateTime, Utc};
use matins_core::Trigger;
use serde::{Deserialize, Serialize};

use crate::saved::Saved;
use crate::text;

/// Has no instants: stands for a schedule that names a day which the calendar does not have, such as `0 0 31 2 *`, and
/// says so where jobs are listed.
///
/// A scheduler refuses to add a job with this trigger, unless the job is paused.
///
/// ```
/// use matins_core::Trigger;
/// use matins_triggers::NeverTrigger;
///
/// let disabled = NeverTrigger::new("0 0 31 2 *");
/// assert_eq!(disabled.next_after(chrono::DateTime::UNIX_EPOCH), None);
/// assert_eq!(disabled.describe(), "never: the calendar has no day of \"0 0 31 2 *\"");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Saved<Fields>")]
pub struct NeverTrigger {
    schedule: String,
}

#[derive(Deserialize)]
struct Fields {
    schedule: String,
}

impl From<Saved<Fields>> for NeverTrigger {
    fn from(Saved(Fields { schedule }): Saved<Fields>) -> Self {
        Self { schedule }
    }
}

impl NeverTrigger {
    /// Returns the trigger for a schedule, as it is written.
    pub fn new(schedule: impl Into<String>) -> Self {
        Self { schedule: schedule.into() }
    }

    /// Returns the schedule as it is written.
    ///
    /// ```
    /// use matins_triggers::NeverTrigger;
    ///
    /// assert_eq!(NeverTrigger::new("0 0 31 2 *").schedule(), "0 0 31 2 *");
    /// ```
    pub fn schedule(&self) -> &str {
        &self.schedule
    }
}

/// `never("0 0 31 2 *")`: see [`parse_trigger`](crate::parse_trigger).
impl fmt::Display for NeverTrigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "never({})", text::quoted(&self.schedule))
    }
}

#[typetag::serde(name = "never")]
impl Trigger for NeverTrigger {
    fn next_after(&self, _after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        None
    }

    fn previous_before(&self, _before: DateTime<Utc>) -> Option<DateTime<Utc>> {
        None
    }

    fn describe(&self) -> String {
        format!("never: the calendar has no day of {:?}", self.schedule)
    }
}
