//! Cron expressions in local time, by one of three rules for clock changes.

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};

use crate::cron::{Cron, CronError};
use crate::trigger::Trigger;
use crate::zone::{Span, Zone};

// ANCHOR: rule
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
// ANCHOR_END: rule

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
    // ANCHOR: new
    /// Returns the fire times of an expression in a zone, by a rule.
    ///
    /// # Errors
    /// If the text is no cron expression.
    pub fn new(text: &str, zone: Zone, rule: Rule) -> Result<Self, CronError> {
        let cron = text.parse()?;
        let mut times = text.split_whitespace().take(2);
        let is_fixed = times.all(|field| !field.starts_with('*'));
        let (repeats, makes_up) = match rule {
            Rule::Wall => (true, false),
            Rule::Once => (false, false),
            Rule::Debian => (!is_fixed, is_fixed),
        };
        Ok(Self { cron, zone, repeats, makes_up })
    }
    // ANCHOR_END: new

    // ANCHOR: in_span
    /// Returns the first fire time in a span that is later than `after`.
    fn next_in(
        &self,
        span: Span,
        before: Option<Span>,
        after: DateTime<Utc>,
    ) -> Option<DateTime<Utc>> {
        let mut from = after;
        // The local time at which the clocks left the span before.
        let mut left = None;
        if let (Some(start), Some(before)) = (span.start, before) {
            left = Some(start.naive_utc() + before.offset);
            from = after.max(start - NANOSECOND);
        }
        let mut local = from.naive_utc() + span.offset;
        if let (Some(left), Some(start)) = (left, span.start) {
            let arrived = start.naive_utc() + span.offset;
            if self.makes_up && after < start && self.fires(left, arrived) {
                return Some(start);
            }
            if !self.repeats {
                local = local.max(left - NANOSECOND);
            }
        }
        let fire = (self.cron.next_local(local)? - span.offset).and_utc();
        span.end.is_none_or(|end| fire < end).then_some(fire)
    }

    /// Returns whether the expression fires from a local time to just before
    /// another one.
    fn fires(&self, from: NaiveDateTime, to: NaiveDateTime) -> bool {
        let next = self.cron.next_local(from - NANOSECOND);
        next.is_some_and(|fire| fire < to)
    }
    // ANCHOR_END: in_span
}

// ANCHOR: next
impl Trigger for LocalCron {
    fn next_after(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let number = self.zone.span_at(after);
        let mut before =
            number.checked_sub(1).and_then(|it| self.zone.span(it));
        for number in number.. {
            let span = self.zone.span(number)?;
            let fire = self.next_in(span, before, after);
            if fire.is_some() {
                return fire;
            }
            before = Some(span);
        }
        None
    }
}
// ANCHOR_END: next
