//! A start, and every so often after it, in elapsed time.

use std::error::Error;
use std::fmt::{self, Display, Formatter};
use std::str::FromStr;
use std::sync::Arc;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use matins_core::{CountBudget, CountProgress, FireRange, IntoDuration, Trigger, round_up_to_microsecond};
use serde::{Deserialize, Serialize};

use crate::duration::{self, Parts};
use crate::last_fire::{just_after, just_before};
use crate::saved::Saved;

/// Fires at `start + k * period` for every `k >= 0`, up to `end` inclusive.
///
/// The period is elapsed time in any zone: an hour is an hour, also on the day when the clocks change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Saved<Fields>", into = "Fields")]
pub struct IntervalTrigger {
    period_micros: i64,
    start: DateTime<Utc>,
    end: Option<DateTime<Utc>>,
}

#[derive(Serialize, Deserialize)]
struct Fields {
    period_micros: i64,
    start: DateTime<Utc>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    end: Option<DateTime<Utc>>,
}

/// What makes no interval.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum IntervalError {
    /// The period is not positive.
    NotPositive {
        /// The period given.
        period: TimeDelta,
    },
    /// The period is longer than can be held.
    TooLong {
        /// The period given.
        period: TimeDelta,
    },
    /// It ends before it starts.
    EndsBeforeStart {
        /// The start given.
        start: DateTime<Utc>,
        /// The end given.
        end: DateTime<Utc>,
    },
    /// A text that cannot be read.
    Unreadable {
        /// The text.
        text: String,
    },
}

impl fmt::Display for IntervalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotPositive { period } => {
                write!(f, "an interval needs a period of at least one microsecond, and was given {period}")
            }
            Self::TooLong { period } => {
                write!(f, "an interval of {period} is longer than can be held (about 292,000 years)")
            }
            Self::EndsBeforeStart { start, end } => {
                write!(f, "an interval from {start} to {end} ends before it starts; exchange the two")
            }
            Self::Unreadable { text } => write!(
                f,
                "cannot read {text:?}; write such as \"PT1M30S from 2026-01-01T00:00:00Z until \
                 2027-01-01T00:00:00Z\", the end as you like"
            ),
        }
    }
}

impl Error for IntervalError {}

impl IntervalTrigger {
    /// Fires at `start` and every `period` after it. Start and period are kept to the microsecond (the start rounded
    /// up, the period down).
    ///
    /// ```
    /// use matins_triggers::{IntervalTrigger, TimeUnits, Trigger};
    ///
    /// let start = "2026-01-01T00:00:00Z".parse()?;
    /// let trigger = IntervalTrigger::new(start, 90.minutes())?;
    /// assert_eq!(trigger.next_after(start).unwrap().to_rfc3339(), "2026-01-01T01:30:00+00:00");
    /// assert!(IntervalTrigger::new(start, 0.seconds()).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When the period is shorter than a microsecond or longer than 292,000 years.
    pub fn new(start: DateTime<Utc>, period: impl IntoDuration) -> Result<Self, IntervalError> {
        let period = period.into_time_delta();
        let period_micros = period.num_microseconds().ok_or(IntervalError::TooLong { period })?;
        if period_micros < 1 {
            return Err(IntervalError::NotPositive { period });
        }
        Ok(Self { period_micros, start: round_up_to_microsecond(start), end: None })
    }

    /// The same, up to `end` inclusive.
    ///
    /// ```
    /// use chrono::DateTime;
    /// use matins_triggers::{IntervalTrigger, TimeUnits, TriggerExt};
    ///
    /// let start = "2026-01-01T00:00:00Z".parse()?;
    /// let trigger = IntervalTrigger::new(start, 6.hours())?.until("2026-01-02T00:00:00Z".parse()?)?;
    /// assert_eq!(trigger.iter_after(DateTime::UNIX_EPOCH).count(), 5, "both ends included");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When that lies before the start.
    pub fn until(self, end: DateTime<Utc>) -> Result<Self, IntervalError> {
        if end < self.start {
            return Err(IntervalError::EndsBeforeStart { start: self.start, end });
        }
        Ok(Self { end: Some(end), ..self })
    }

    /// Returns the time from one fire to the next.
    ///
    /// ```
    /// use matins_triggers::{IntervalTrigger, TimeUnits};
    ///
    /// let trigger: IntervalTrigger = "PT1M30S from 2026-01-01T00:00:00Z".parse()?;
    /// assert_eq!(trigger.period(), 90.seconds());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn period(&self) -> TimeDelta {
        TimeDelta::microseconds(self.period_micros)
    }

    /// Returns the first fire time.
    ///
    /// ```
    /// use matins_triggers::IntervalTrigger;
    ///
    /// let trigger: IntervalTrigger = "PT1M30S from 2026-01-01T00:00:00Z".parse()?;
    /// assert_eq!(trigger.start().to_rfc3339(), "2026-01-01T00:00:00+00:00");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn start(&self) -> DateTime<Utc> {
        self.start
    }

    /// Every whole second of UTC.
    pub(crate) fn whole_seconds() -> Self {
        Self { period_micros: 1_000_000, start: DateTime::UNIX_EPOCH, end: None }
    }

    /// The fire times that both have, as an interval, by the Chinese remainder theorem; `None` where they never meet.
    pub(crate) fn intersection(&self, other: &Self) -> Option<Self> {
        let (period, other_period) = (i128::from(self.period_micros), i128::from(other.period_micros));
        let (start, other_start) =
            (i128::from(self.start.timestamp_micros()), i128::from(other.start.timestamp_micros()));
        let (divisor, inverse) = extended_gcd(period, other_period);
        let distance = other_start - start;
        if distance % divisor != 0 {
            return None;
        }
        // start + k * period is in step with the other where k * (period / divisor) is distance / divisor, modulo:
        let modulus = other_period / divisor;
        let k = (distance / divisor).rem_euclid(modulus) * inverse.rem_euclid(modulus) % modulus;
        let common_period = period * modulus;
        let meeting = start + k * period;
        let earliest = start.max(other_start);
        let meeting = meeting + (earliest - meeting).max(0).div_euclid(common_period) * common_period;
        let meeting = if meeting < earliest { meeting + common_period } else { meeting };
        let first = DateTime::from_timestamp_micros(i64::try_from(meeting).ok()?)?;
        let end = [self.end, other.end].into_iter().flatten().min();
        if end.is_some_and(|end| first > end) {
            return None;
        }
        // One that is longer than can be held has one fire in all the years that can be.
        let period_micros = i64::try_from(common_period).unwrap_or(i64::MAX);
        Some(Self { period_micros, start: first, end })
    }

    /// How many fire times are at or before `instant`, if there were no end.
    fn count_until(&self, instant: DateTime<Utc>) -> i64 {
        let (instant, start) = (instant.timestamp_micros(), self.start.timestamp_micros());
        // Two instants are more than 2^63 microseconds apart only near the ends of the years that can be held.
        let Some(elapsed) = instant.checked_sub(start) else {
            let elapsed = i128::from(instant) - i128::from(start);
            let count = elapsed.div_euclid(i128::from(self.period_micros)) + 1;
            return count.clamp(0, i128::from(i64::MAX)) as i64;
        };
        elapsed.div_euclid(self.period_micros).saturating_add(1).max(0)
    }

    /// The fire times in `(after, until]`.
    pub(crate) fn count(&self, after: DateTime<Utc>, until: DateTime<Utc>) -> Option<FireRange> {
        let until = self.end.map_or(until, |end| end.min(until));
        let (before, through) = (self.count_until(after), self.count_until(until));
        if through <= before {
            return None;
        }
        let (first, last) = (self.fire(before)?, self.fire(through - 1)?);
        Some(FireRange { first, last, count: (through - before) as u64 })
    }

    /// The fire time of this number, from 0; `None` past the end.
    fn fire(&self, k: i64) -> Option<DateTime<Utc>> {
        let micros = k.checked_mul(self.period_micros)?.checked_add(self.start.timestamp_micros())?;
        DateTime::from_timestamp_micros(micros).filter(|fire| self.end.is_none_or(|end| *fire <= end))
    }
}

/// The greatest common divisor, and what times `a` makes it, modulo `b`.
fn extended_gcd(a: i128, b: i128) -> (i128, i128) {
    let (mut divisor, mut rest) = (a, b);
    let (mut inverse, mut next) = (1, 0);
    while rest != 0 {
        let quotient = divisor / rest;
        (divisor, rest) = (rest, divisor - quotient * rest);
        (inverse, next) = (next, inverse - quotient * next);
    }
    (divisor, inverse)
}

impl Display for IntervalTrigger {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let text = |instant: DateTime<Utc>| instant.to_rfc3339_opts(SecondsFormat::AutoSi, true);
        let period = duration::write(Parts::elapsed(self.period_micros));
        write!(f, "{period} from {}", text(self.start))?;
        match self.end {
            Some(end) => write!(f, " until {}", text(end)),
            None => Ok(()),
        }
    }
}

impl FromStr for IntervalTrigger {
    type Err = IntervalError;

    /// Reads what `Display` writes: an ISO 8601 duration, a start, perhaps an end.
    fn from_str(text: &str) -> Result<Self, IntervalError> {
        let unreadable = || IntervalError::Unreadable { text: text.to_owned() };
        let words: Vec<&str> = text.split_whitespace().collect();
        let (period, start, end) = match words[..] {
            [period, "from", start] => (period, start, None),
            [period, "from", start, "until", end] => (period, start, Some(end)),
            _ => return Err(unreadable()),
        };
        let instant = |text: &str| text.parse::<DateTime<Utc>>().map_err(|_| unreadable());
        let period = duration::read(period).and_then(Parts::as_elapsed).ok_or_else(unreadable)?;
        let trigger = Self::new(instant(start)?, TimeDelta::microseconds(period))?;
        match end {
            Some(end) => trigger.until(instant(end)?),
            None => Ok(trigger),
        }
    }
}

impl TryFrom<Saved<Fields>> for IntervalTrigger {
    type Error = IntervalError;

    fn try_from(Saved(saved): Saved<Fields>) -> Result<Self, IntervalError> {
        let trigger = Self::new(saved.start, TimeDelta::microseconds(saved.period_micros))?;
        match saved.end {
            Some(end) => trigger.until(end),
            None => Ok(trigger),
        }
    }
}

impl From<IntervalTrigger> for Fields {
    fn from(trigger: IntervalTrigger) -> Self {
        Self { period_micros: trigger.period_micros, start: trigger.start, end: trigger.end }
    }
}

#[typetag::serde(name = "interval")]
impl Trigger for IntervalTrigger {
    fn next_after(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.fire(self.count_until(after))
    }

    fn previous_before(&self, before: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let before = self.end.map_or(before, |end| before.min(just_after(end)));
        self.fire(self.count_until(just_before(before)).checked_sub(1).filter(|k| *k >= 0)?)
    }

    fn fire_range_within(
        &self,
        after: DateTime<Utc>,
        until: DateTime<Utc>,
        budget: &mut CountBudget,
    ) -> CountProgress {
        budget.spend(1);
        CountProgress { fires: self.count(after, until), through: until }
    }

    fn added_at(&self, from: DateTime<Utc>, to: DateTime<Utc>) -> Option<Arc<dyn Trigger>> {
        let is_derived =
            from.checked_add_signed(self.period()).map(round_up_to_microsecond) == Some(self.start);
        let start = to.checked_add_signed(self.period()).filter(|_| is_derived)?;
        Some(Arc::new(Self { start: round_up_to_microsecond(start), ..self.clone() }))
    }

    fn describe(&self) -> String {
        let period = in_words(self.period_micros, "");
        let period = period.strip_prefix("1 ").filter(|unit| !unit.contains(' ')).unwrap_or(&period);
        let end = self.end.map(|end| format!(" until {} UTC", end.format("%Y-%m-%d %H:%M:%S%.f")));
        format!("every {period}{}", end.unwrap_or_default())
    }
}

/// A period in its largest whole units: "2 hours", "1 minute and 30 seconds"; `zero` where it has none.
pub(crate) fn in_words(micros: i64, zero: &str) -> String {
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
    for (size, unit) in UNITS {
        if rest / size > 0 {
            parts.push(((rest / size) as u64, unit));
        }
        rest %= size;
    }
    match parts[..] {
        [(count, "microsecond")] if count % 1000 == 0 => parts = vec![(count / 1000, "millisecond")],
        _ => {}
    }
    if parts.is_empty() { zero.to_owned() } else { counted(&parts) }
}

/// "2 hours", "1 minute and 30 seconds".
fn counted(parts: &[(u64, &str)]) -> String {
    let words: Vec<String> = parts
        .iter()
        .map(|(count, unit)| format!("{count} {unit}{}", if *count == 1 { "" } else { "s" }))
        .collect();
    match words.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, before)) => format!("{} and {last}", before.join(", ")),
        None => String::new(),
    }
}

/// What follows "every": "hour", "2 hours", "1 minute and 30 seconds".
pub(crate) fn list(parts: &[(u64, &str)]) -> String {
    match parts {
        [(1, unit)] => (*unit).to_owned(),
        parts => counted(parts),
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
