//! Cron expressions in local time, by one of three rules for clock changes.

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};

use crate::cron::{Cron, CronError};
use crate::trigger::Trigger;
use crate::zone::{Span, Zone};

/// What happens when the clocks change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// A fire whenever the clocks show a time that matches: none in a gap, two
    /// in an overlap.
    Wall,
    /// None in a gap, one in an overlap, when the clocks show the time first.
    Once,
    /// Debian's cron: an expression whose minute or hour begins with a star
    /// goes by `Wall`. Any other one fires once in an overlap, and what a gap
    /// skips fires at its end.
    Debian,
}

/// An expression whose fields are read in the local time of a zone.
#[derive(Debug, Clone)]
pub struct LocalCron {
    cron: Cron,
    zone: Zone,
    /// Whether a time that the clocks show twice fires twice.
    repeats: bool,
    /// Whether what a gap skips fires at the end of the gap.
    makes_up: bool,
}

/// The shortest step of time in chrono.
const NANOSECOND: TimeDelta = TimeDelta::nanoseconds(1);

impl LocalCron {
    /// Returns the fire times of an expression in a zone, by a rule.
    ///
    /// # Errors
    /// If the text is no cron expression.
    pub fn new(text: &str, zone: Zone, rule: Rule) -> Result<Self, CronError> {
        unimplemented!("chapter 4: what does the rule say for this expression?")
    }

    /// Returns the first fire time in a span that is later than `after`.
    fn next_in(
        &self,
        span: Span,
        before: Option<Span>,
        after: DateTime<Utc>,
    ) -> Option<DateTime<Utc>> {
        unimplemented!("chapter 4: inside of one span there is only arithmetic")
    }
}

impl Trigger for LocalCron {
    fn next_after(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        unimplemented!("chapter 4: one span after the other")
    }
}
