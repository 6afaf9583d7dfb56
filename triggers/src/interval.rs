//! A start, and every so often after it, in elapsed time.

use chrono::{DateTime, TimeDelta, Utc};
use matins_core::{Stretch, Trigger, round_up_to_microsecond};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Fires at `start + k * period` for every `k >= 0`, up to `end` inclusive.
///
/// The period is elapsed time in any zone: an hour is an hour, also on the day when the clocks change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Saved", into = "Saved")]
pub struct IntervalTrigger {
    period_micros: i64,
    start: DateTime<Utc>,
    end: Option<DateTime<Utc>>,
}

#[derive(Serialize, Deserialize)]
struct Saved {
    period_micros: i64,
    start: DateTime<Utc>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    end: Option<DateTime<Utc>>,
}

/// What makes no interval.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum IntervalError {
    /// The period is not positive.
    #[error("an interval needs a period of at least one microsecond, and was given {period}")]
    NotPositive {
        /// The period given.
        period: TimeDelta,
    },
    /// The period is longer than can be held.
    #[error("an interval of {period} is longer than can be held (about 292,000 years)")]
    TooLong {
        /// The period given.
        period: TimeDelta,
    },
    /// It ends before it starts.
    #[error("an interval from {start} to {end} ends before it starts; exchange the two")]
    EndsBeforeStart {
        /// The start given.
        start: DateTime<Utc>,
        /// The end given.
        end: DateTime<Utc>,
    },
}

impl IntervalTrigger {
    /// Fires at `start` and every `period` after it. Start and period are kept to the microsecond (the start rounded
    /// up, the period down).
    ///
    /// # Errors
    /// When the period is shorter than a microsecond or longer than 292,000 years.
    pub fn new(start: DateTime<Utc>, period: TimeDelta) -> Result<Self, IntervalError> {
        let period_micros = period.num_microseconds().ok_or(IntervalError::TooLong { period })?;
        if period_micros < 1 {
            return Err(IntervalError::NotPositive { period });
        }
        Ok(Self { period_micros, start: round_up_to_microsecond(start), end: None })
    }

    /// The same, up to `end` inclusive.
    ///
    /// # Errors
    /// When that lies before the start.
    pub fn until(self, end: DateTime<Utc>) -> Result<Self, IntervalError> {
        if end < self.start {
            return Err(IntervalError::EndsBeforeStart { start: self.start, end });
        }
        Ok(Self { end: Some(end), ..self })
    }

    /// The time from one fire to the next.
    pub fn period(&self) -> TimeDelta {
        TimeDelta::microseconds(self.period_micros)
    }

    /// The first fire time.
    pub fn start(&self) -> DateTime<Utc> {
        self.start
    }

    /// How many fire times are at or before `instant`, the end aside.
    fn count_until(&self, instant: DateTime<Utc>) -> i64 {
        let elapsed = i128::from(instant.timestamp_micros()) - i128::from(self.start.timestamp_micros());
        let count = elapsed.div_euclid(i128::from(self.period_micros)) + 1;
        count.clamp(0, i128::from(i64::MAX)) as i64
    }

    /// The fire time of this number, from 0; `None` past the end.
    fn fire(&self, k: i64) -> Option<DateTime<Utc>> {
        let micros = k.checked_mul(self.period_micros)?.checked_add(self.start.timestamp_micros())?;
        DateTime::from_timestamp_micros(micros).filter(|fire| self.end.is_none_or(|end| *fire <= end))
    }
}

impl TryFrom<Saved> for IntervalTrigger {
    type Error = IntervalError;

    fn try_from(saved: Saved) -> Result<Self, IntervalError> {
        let trigger = Self::new(saved.start, TimeDelta::microseconds(saved.period_micros))?;
        match saved.end {
            Some(end) => trigger.until(end),
            None => Ok(trigger),
        }
    }
}

impl From<IntervalTrigger> for Saved {
    fn from(trigger: IntervalTrigger) -> Self {
        Self { period_micros: trigger.period_micros, start: trigger.start, end: trigger.end }
    }
}

#[typetag::serde(name = "interval")]
impl Trigger for IntervalTrigger {
    fn next_after(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.fire(self.count_until(after))
    }

    fn stretch(&self, after: DateTime<Utc>, until: DateTime<Utc>) -> Option<Stretch> {
        let until = self.end.map_or(until, |end| end.min(until));
        let (before, through) = (self.count_until(after), self.count_until(until));
        if through <= before {
            return None;
        }
        let (first, last) = (self.fire(before)?, self.fire(through - 1)?);
        Some(Stretch { first, last, count: (through - before) as u64 })
    }

    fn describe(&self) -> String {
        let mut text = format!("every {}", in_words(self.period_micros));
        if let Some(end) = self.end {
            text += &format!(" until {} UTC", end.format("%Y-%m-%d %H:%M:%S%.f"));
        }
        text
    }
}

/// A period in its largest whole units: "2 hours", "1 minute and 30 seconds".
fn in_words(micros: i64) -> String {
    const UNITS: [(i64, &str); 6] = [
        (604_800_000_000, "week"),
        (86_400_000_000, "day"),
        (3_600_000_000, "hour"),
        (60_000_000, "minute"),
        (1_000_000, "second"),
        (1, "microsecond"),
    ];
    let mut rest = micros;
    let mut parts = Vec::new();
    for (size, name) in UNITS {
        let count = rest / size;
        rest %= size;
        match count {
            0 => {}
            1 if parts.is_empty() && rest == 0 => parts.push(name.to_owned()),
            1 => parts.push(format!("1 {name}")),
            _ => parts.push(format!("{count} {name}s")),
        }
    }
    match parts.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, before)) => format!("{} and {last}", before.join(", ")),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utc(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn it_fires_at_its_start_and_keeps_its_phase() {
        let trigger = IntervalTrigger::new(utc("2026-01-01T00:00:01Z"), TimeDelta::seconds(3)).unwrap();
        assert_eq!(trigger.next_after(utc("2025-01-01T00:00:00Z")), Some(utc("2026-01-01T00:00:01Z")));
        assert_eq!(trigger.next_after(utc("2026-01-01T00:00:01Z")), Some(utc("2026-01-01T00:00:04Z")));
        assert_eq!(
            trigger.next_after(utc("2026-01-01T00:00:03.999999999Z")),
            Some(utc("2026-01-01T00:00:04Z"))
        );
    }

    #[test]
    fn it_ends_at_its_end_inclusive() {
        let trigger = IntervalTrigger::new(utc("2026-01-01T00:00:00Z"), TimeDelta::hours(1)).unwrap();
        let trigger = trigger.until(utc("2026-01-01T02:00:00Z")).unwrap();
        assert_eq!(trigger.next_after(utc("2026-01-01T01:30:00Z")), Some(utc("2026-01-01T02:00:00Z")));
        assert_eq!(trigger.next_after(utc("2026-01-01T02:00:00Z")), None);
        assert!(trigger.until(utc("2025-12-31T00:00:00Z")).is_err());
    }

    #[test]
    fn what_makes_no_interval_is_refused() {
        assert!(IntervalTrigger::new(utc("2026-01-01T00:00:00Z"), TimeDelta::zero()).is_err());
        assert!(IntervalTrigger::new(utc("2026-01-01T00:00:00Z"), TimeDelta::nanoseconds(999)).is_err());
        assert!(IntervalTrigger::new(utc("2026-01-01T00:00:00Z"), TimeDelta::MAX).is_err());
        assert!(
            serde_json::from_str::<IntervalTrigger>(r#"{"period_micros":0,"start":"2026-01-01T00:00:00Z"}"#)
                .is_err()
        );
    }

    #[test]
    fn it_says_its_period_in_words() {
        let every = |period| IntervalTrigger::new(utc("2026-01-01T00:00:00Z"), period).unwrap().describe();
        assert_eq!(every(TimeDelta::seconds(3)), "every 3 seconds");
        assert_eq!(every(TimeDelta::hours(1)), "every hour");
        assert_eq!(every(TimeDelta::seconds(90)), "every 1 minute and 30 seconds");
        assert_eq!(every(TimeDelta::microseconds(500)), "every 500 microseconds");
    }
}
