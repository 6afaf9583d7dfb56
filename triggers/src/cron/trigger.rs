//! An expression in a zone, between a start and an end.

use std::error::Error;
use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

use chrono::{DateTime, SecondsFormat, Utc};
use matins_core::{CountBudget, CountProgress, Trigger};
use serde::{Deserialize, Serialize};

use super::rules::is_name;
use super::{CronError, CronExpression, describe, previous, search};
use crate::saved::Saved;
use crate::window::{EndsBeforeStart, Limits};
use crate::zone::{UnknownZone, Zone};

/// Fires when the clocks of a zone match a cron expression.
///
/// The crate's page states the rule at changes of the clocks. Fires are at whole seconds, from 1970 to 9999.
///
/// Its text is the expression, with its zone before it as in a crontab, or after it:
///
/// ```
/// use matins_triggers::CronTrigger;
///
/// let trigger: CronTrigger = "CRON_TZ=Europe/Berlin 0 9 * * MON-FRI".parse().unwrap();
/// assert_eq!(trigger, "0 9 * * 1-5 Europe/Berlin".parse().unwrap());
/// assert_eq!(trigger.to_string(), "CRON_TZ=Europe/Berlin 0 9 * * MON-FRI");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Saved<Fields>", into = "Fields")]
pub struct CronTrigger {
    pub(super) expression: CronExpression,
    pub(super) zone: Zone,
    pub(super) limits: Limits,
}

#[derive(Serialize, Deserialize)]
struct Fields {
    expression: CronExpression,
    zone: Zone,
    #[serde(flatten)]
    limits: Limits,
}

/// What makes no cron trigger.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CronTriggerError {
    /// The expression.
    Expression(CronError),
    /// The zone.
    Zone(UnknownZone),
    /// Its end lies before its start.
    EndsBeforeStart(EndsBeforeStart),
    /// A start or end in the text.
    Limit {
        /// `from` or `until`.
        word: &'static str,
        /// What stands there.
        text: String,
    },
}

impl fmt::Display for CronTriggerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Expression(error) => error.fmt(f),
            Self::Zone(error) => error.fmt(f),
            Self::EndsBeforeStart(error) => error.fmt(f),
            Self::Limit { word, text } => {
                write!(f, "{text:?} after {word:?} is no instant; write one such as 2026-12-24T18:00:00Z")
            }
        }
    }
}

impl Error for CronTriggerError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Expression(error) => error.source(),
            Self::Zone(error) => error.source(),
            Self::EndsBeforeStart(error) => error.source(),
            _ => None,
        }
    }
}

impl From<CronError> for CronTriggerError {
    fn from(error: CronError) -> Self {
        Self::Expression(error)
    }
}

impl From<UnknownZone> for CronTriggerError {
    fn from(error: UnknownZone) -> Self {
        Self::Zone(error)
    }
}

impl From<EndsBeforeStart> for CronTriggerError {
    fn from(error: EndsBeforeStart) -> Self {
        Self::EndsBeforeStart(error)
    }
}

impl CronTrigger {
    /// Fires when the clocks of `zone` match `expression`.
    ///
    /// ```
    /// use matins_triggers::{CronTrigger, Trigger, Zone};
    ///
    /// let trigger = CronTrigger::new("0 9 * * MON-FRI".parse()?, Zone::named("Europe/Berlin")?);
    /// assert_eq!(trigger.describe(), "at 09:00 on weekdays, Europe/Berlin");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new(expression: CronExpression, zone: Zone) -> Self {
        Self { expression, zone, limits: Limits::default() }
    }

    /// Reads an expression, in the zone of this name where the text itself names none.
    ///
    /// # Errors
    /// When either cannot be read.
    pub fn parse(text: &str, zone: &str) -> Result<Self, CronTriggerError> {
        let (rest, end) = take_limit(text, "until")?;
        let (rest, start) = take_limit(rest, "from")?;
        let (expression, own_zone) = take_zone(rest);
        let zone = Zone::named(own_zone.unwrap_or(zone))?;
        // The expression is a part of the text, so that the error's mark can be shown in the whole.
        let offset = expression.as_ptr() as usize - text.as_ptr() as usize;
        let expression = CronExpression::parse(expression).map_err(|error| error.within(text, offset))?;
        Ok(Self { expression, zone, limits: Limits::new(start, end)? })
    }

    /// The same from `start` on, inclusive.
    ///
    /// ```
    /// use chrono::DateTime;
    /// use matins_triggers::{CronTrigger, Trigger};
    ///
    /// let daily: CronTrigger = "0 9 * * *".parse()?;
    /// let from_may = daily.starting("2026-05-01T00:00:00Z".parse()?)?;
    /// let fire = from_may.next_after(DateTime::UNIX_EPOCH).unwrap();
    /// assert_eq!(fire.to_rfc3339(), "2026-05-01T09:00:00+00:00");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When its end lies before that.
    pub fn starting(self, start: DateTime<Utc>) -> Result<Self, EndsBeforeStart> {
        Ok(Self { limits: Limits::new(Some(start), self.limits.end)?, ..self })
    }

    /// The same up to `end`, inclusive.
    ///
    /// ```
    /// use matins_triggers::{CronTrigger, Trigger};
    ///
    /// let daily: CronTrigger = "0 9 * * *".parse()?;
    /// let until_may = daily.until("2026-04-30T23:59:59Z".parse()?)?;
    /// assert_eq!(until_may.next_after("2026-04-30T09:00:00Z".parse()?), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When that lies before its start.
    pub fn until(self, end: DateTime<Utc>) -> Result<Self, EndsBeforeStart> {
        Ok(Self { limits: Limits::new(self.limits.start, Some(end))?, ..self })
    }

    /// Returns the expression.
    ///
    /// ```
    /// use matins_triggers::CronTrigger;
    ///
    /// let trigger: CronTrigger = "0 9 * * 1-5 Europe/Berlin".parse()?;
    /// assert_eq!(trigger.expression().to_string(), "0 9 * * MON-FRI");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn expression(&self) -> &CronExpression {
        &self.expression
    }

    /// Returns the time zone.
    ///
    /// ```
    /// use matins_triggers::CronTrigger;
    ///
    /// let trigger: CronTrigger = "0 9 * * 1-5 Europe/Berlin".parse()?;
    /// assert_eq!(trigger.zone().name(), "Europe/Berlin");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn zone(&self) -> Zone {
        self.zone
    }
}

/// Splits `... until 2026-12-24T18:00:00Z` off.
fn take_limit<'a>(
    text: &'a str,
    word: &'static str,
) -> Result<(&'a str, Option<DateTime<Utc>>), CronTriggerError> {
    let Some((rest, last)) = text.trim_end().rsplit_once(char::is_whitespace) else {
        return Ok((text, None));
    };
    match rest.trim_end().strip_suffix(word) {
        Some(rest) if rest.ends_with(char::is_whitespace) => match last.parse() {
            Ok(instant) => Ok((rest, Some(instant))),
            Err(_) => Err(CronTriggerError::Limit { word, text: last.to_owned() }),
        },
        _ => Ok((text, None)),
    }
}

/// Splits `CRON_TZ=ZONE ...`, `TZ=ZONE ...` or `... ZONE` into the expression and the zone's name.
fn take_zone(text: &str) -> (&str, Option<&str>) {
    let trimmed = text.trim();
    for prefix in ["CRON_TZ=", "TZ="] {
        if let Some(rest) = trimmed.strip_prefix(prefix) {
            let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
            let (zone, expression) = rest.split_at(end);
            return (expression, Some(zone));
        }
    }
    let is_zone = |word: &str| {
        word.starts_with(|first: char| first.is_ascii_alphabetic())
            && !word.contains('=')
            && (has_the_form_of_a_zone(word) || Zone::exists(word))
    };
    match trimmed.rsplit_once(char::is_whitespace) {
        Some((rest, last)) if is_zone(last) => (rest, Some(last)),
        _ => (text, None),
    }
}

/// Whether a word is written like `Europe/Berlin`, which no field is: after a field's slash a number follows.
fn has_the_form_of_a_zone(word: &str) -> bool {
    word.split_once('/').is_some_and(|(area, place)| {
        area.len() > 1
            && area.bytes().all(|byte| byte.is_ascii_alphabetic())
            && !is_name(area)
            && place.starts_with(|first: char| first.is_ascii_alphabetic())
    })
}

impl Display for CronTrigger {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "CRON_TZ={} {}", self.zone, self.expression)?;
        let text = |instant: DateTime<Utc>| instant.to_rfc3339_opts(SecondsFormat::AutoSi, true);
        if let Some(start) = self.limits.start {
            write!(f, " from {}", text(start))?;
        }
        if let Some(end) = self.limits.end {
            write!(f, " until {}", text(end))?;
        }
        Ok(())
    }
}

impl FromStr for CronTrigger {
    type Err = CronTriggerError;

    /// In UTC where the text names no zone.
    fn from_str(text: &str) -> Result<Self, CronTriggerError> {
        Self::parse(text, "UTC")
    }
}

impl TryFrom<Saved<Fields>> for CronTrigger {
    type Error = EndsBeforeStart;

    fn try_from(Saved(saved): Saved<Fields>) -> Result<Self, EndsBeforeStart> {
        let limits = Limits::new(saved.limits.start, saved.limits.end)?;
        Ok(Self { expression: saved.expression, zone: saved.zone, limits })
    }
}

impl From<CronTrigger> for Fields {
    fn from(trigger: CronTrigger) -> Self {
        Self { expression: trigger.expression, zone: trigger.zone, limits: trigger.limits }
    }
}

#[typetag::serde(name = "cron")]
impl Trigger for CronTrigger {
    fn next_after(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let fire = search::next_after(&self.expression, self.zone, self.limits.search_from(after))?;
        self.limits.allow_end(fire).then_some(fire)
    }

    fn previous_before(&self, before: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let fire = previous::previous_before(&self.expression, self.zone, self.limits.search_until(before))?;
        self.limits.allow_start(fire).then_some(fire)
    }

    fn fire_range_within(
        &self,
        after: DateTime<Utc>,
        until: DateTime<Utc>,
        budget: &mut CountBudget,
    ) -> CountProgress {
        CountProgress { fires: self.count(after, until, budget), through: until }
    }

    fn has_fixed_times(&self) -> bool {
        self.expression.is_fixed()
    }

    fn describe(&self) -> String {
        format!("{}, {}{}", describe::expression(&self.expression), self.zone, self.limits.describe())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A name with a step was taken for a zone such as `Europe/Berlin`.
    #[test]
    fn a_field_with_a_slash_is_no_zone() {
        for field in ["MON-FRI/2", "MON-FRI/1", "monday-friday/2", "TUE/3", "SUN-SAT/2", "FRI-MON/2"] {
            let text = format!("0 9 * * {field}");
            let trigger = CronTrigger::parse(&text, "Europe/Berlin").expect(&text);
            assert_eq!(trigger.zone().name(), "Europe/Berlin", "{text}");
            assert_eq!(trigger.expression(), &CronExpression::parse(&text).unwrap(), "{text}");
            let with_zone: CronTrigger = format!("{text} America/New_York").parse().unwrap();
            assert_eq!(with_zone.zone().name(), "America/New_York", "{text}");
        }
    }

    #[test]
    fn a_word_like_a_zone_is_refused_as_a_zone() {
        for word in ["Europe/Berlim", "Europe/Berlin/Mitte", "Mars/Base"] {
            let error = CronTrigger::parse(&format!("0 9 * * * {word}"), "UTC").unwrap_err();
            assert!(matches!(error, CronTriggerError::Zone(_)), "{error}");
        }
        for word in ["MON/TUE", "H/15", "MON-FRI/x"] {
            let error = CronTrigger::parse(&format!("0 9 * * {word}"), "UTC").unwrap_err();
            assert!(matches!(error, CronTriggerError::Expression(_)), "{error}");
        }
    }
}
