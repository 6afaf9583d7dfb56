//! Fields given by name, as in APScheduler: `hour=9 day_of_week=mon-fri`.

use std::fmt::{Display, Write};

use super::error::{CronError, Fault, fault};
use super::items::{set, span, value};
use super::rules::{NAMED, Names, Rules, WEEK};
use super::{CronExpression, DayRule, DaysOfMonth, DaysOfWeek, parse};

/// Builds a [`CronExpression`] from fields given by name, as APScheduler's cron trigger takes them.
///
/// | field | values | more |
/// | --- | --- | --- |
/// | `year` | 1970-9999 | |
/// | `month` | 1-12, jan-dec | |
/// | `day` | 1-31 | `last`, `last fri`, `2nd tue` (1st to 5th) |
/// | `week` | 1-53 | the ISO 8601 week |
/// | `day_of_week` | **0-6 from Monday**, mon-sun | |
/// | `hour` | 0-23 | |
/// | `minute`, `second` | 0-59 | |
///
/// Each is `*`, a value, a range `a-b`, one of those with a step (`*/5` counts from the field's least value, `a/5` to its
/// greatest), or a list of them with commas. A step must not be larger than its range: `4-6/3` is refused. Names are also
/// read in full (`monday`), as in [`CronExpression`]. **All fields must match**: there is no either-or of the day fields.
///
/// Fields that are not given: those finer than the finest one given take their least value (`week` and `day_of_week`
/// match always), and the others match always. So `hour=9` is nine o'clock sharp every day, and `second=30` is
/// once a minute.
///
/// ```
/// use matins_triggers::CronFields;
///
/// let expression = CronFields::new().day("2nd tue").hour(9).build().unwrap();
/// assert_eq!(expression.to_string(), "day='2nd tue' hour=9");
/// assert_eq!(expression, "hour=9 day='2nd TUE'".parse().unwrap());
/// ```
#[derive(Debug, Clone, Default)]
#[must_use = "fields do nothing until they are built"]
pub struct CronFields {
    text: String,
}

/// The fields in order, from the coarsest, with what a field takes that is finer than all given.
const FIELDS: [(&str, &str); 8] = [
    ("year", "*"),
    ("month", "1"),
    ("day", "1"),
    ("week", "*"),
    ("day_of_week", "*"),
    ("hour", "0"),
    ("minute", "0"),
    ("second", "0"),
];

const ORDINALS: [&str; 5] = ["1st", "2nd", "3rd", "4th", "5th"];

impl CronFields {
    /// No fields yet.
    pub fn new() -> Self {
        Self::default()
    }

    fn field(mut self, name: &str, value: impl Display) -> Self {
        let value = value.to_string();
        let quote = if value.contains(char::is_whitespace) { "'" } else { "" };
        let space = if self.text.is_empty() { "" } else { " " };
        // Writing to a String cannot fail.
        let _ = write!(self.text, "{space}{name}={quote}{value}{quote}");
        self
    }

    /// The year, 1970 to 9999.
    ///
    /// ```
    /// use matins_triggers::CronFields;
    ///
    /// let expression = CronFields::new().year("2026-2030").month(12).day(24).hour(18).build()?;
    /// assert_eq!(expression.to_string(), "year=2026-2030 month=12 day=24 hour=18");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn year(self, value: impl Display) -> Self {
        self.field("year", value)
    }

    /// The month, 1 to 12 or jan to dec.
    ///
    /// ```
    /// use matins_triggers::{CronFields, CronTrigger, Trigger, Zone};
    ///
    /// let quarterly = CronTrigger::new(CronFields::new().month("*/3").day(1).hour(9).build()?, Zone::utc());
    /// let fire = quarterly.next_after("2026-02-01T00:00:00Z".parse()?).unwrap();
    /// assert_eq!(fire.to_rfc3339(), "2026-04-01T09:00:00+00:00");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn month(self, value: impl Display) -> Self {
        self.field("month", value)
    }

    /// The day of the month, 1 to 31, `last`, `last fri`, `2nd tue`.
    ///
    /// ```
    /// use matins_triggers::{CronFields, CronTrigger, Trigger, Zone};
    ///
    /// let patch_tuesday = CronTrigger::new(CronFields::new().day("2nd tue").hour(18).build()?, Zone::utc());
    /// let fire = patch_tuesday.next_after("2026-11-01T00:00:00Z".parse()?).unwrap();
    /// assert_eq!(fire.to_rfc3339(), "2026-11-10T18:00:00+00:00");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn day(self, value: impl Display) -> Self {
        self.field("day", value)
    }

    /// The ISO 8601 week, 1 to 53.
    ///
    /// ```
    /// use matins_triggers::{CronFields, CronTrigger, Trigger, Zone};
    ///
    /// // On the Mondays of the ISO weeks 1 and 52.
    /// let weeks = CronFields::new().week("1,52").day_of_week("mon").hour(9).build()?;
    /// let fire = CronTrigger::new(weeks, Zone::utc()).next_after("2026-06-01T00:00:00Z".parse()?).unwrap();
    /// assert_eq!(fire.to_rfc3339(), "2026-12-21T09:00:00+00:00");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn week(self, value: impl Display) -> Self {
        self.field("week", value)
    }

    /// The day of the week, 0 (Monday) to 6, or mon to sun.
    ///
    /// ```
    /// use matins_triggers::{CronFields, CronTrigger, Trigger, Zone};
    ///
    /// // Monday is 0, as in APScheduler and unlike in a crontab.
    /// let trigger = CronTrigger::new(CronFields::new().day_of_week(0).hour(9).build()?, Zone::utc());
    /// assert_eq!(trigger.describe(), "at 09:00 on Mondays, UTC");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn day_of_week(self, value: impl Display) -> Self {
        self.field("day_of_week", value)
    }

    /// The hour, 0 to 23.
    ///
    /// ```
    /// use matins_triggers::{CronFields, CronTrigger, Trigger, Zone};
    ///
    /// let trigger = CronTrigger::new(CronFields::new().hour("9-17").build()?, Zone::utc());
    /// assert_eq!(trigger.describe(), "every hour from 09:00 to 17:00, UTC");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn hour(self, value: impl Display) -> Self {
        self.field("hour", value)
    }

    /// The minute, 0 to 59.
    ///
    /// ```
    /// use matins_triggers::{CronFields, CronTrigger, Trigger, Zone};
    ///
    /// let trigger = CronTrigger::new(CronFields::new().hour(9).minute(30).build()?, Zone::utc());
    /// assert_eq!(trigger.describe(), "at 09:30 every day, UTC");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn minute(self, value: impl Display) -> Self {
        self.field("minute", value)
    }

    /// The second, 0 to 59.
    ///
    /// ```
    /// use matins_triggers::{CronFields, CronTrigger, Trigger, Zone};
    ///
    /// // Once a minute: coarser fields that are not given match always.
    /// let trigger = CronTrigger::new(CronFields::new().second(30).build()?, Zone::utc());
    /// let fire = trigger.next_after("2026-01-01T00:00:30Z".parse()?).unwrap();
    /// assert_eq!(fire.to_rfc3339(), "2026-01-01T00:01:30+00:00");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn second(self, value: impl Display) -> Self {
        self.field("second", value)
    }

    /// The expression.
    ///
    /// ```
    /// use matins_triggers::CronFields;
    ///
    /// assert!(CronFields::new().hour(9).build().is_ok());
    /// let error = CronFields::new().hour(25).build().unwrap_err();
    /// assert_eq!(error.field(), Some("hour"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When a field cannot be read or is given twice, when none is given, and when no day ever matches.
    pub fn build(self) -> Result<CronExpression, CronError> {
        expression(&self.text)
    }
}

/// Whether a text is of this form, rather than crontab's.
pub(super) fn is_named(text: &str) -> bool {
    text.trim_start().starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && text.contains('=')
}

/// Reads `name=value name='value with blanks'`.
pub(super) fn expression(text: &str) -> Result<CronExpression, CronError> {
    let given = split(text)?;
    let Some(finest) = given.iter().rposition(Option::is_some) else {
        let message =
            "no field is given; give one of year, month, day, week, day_of_week, hour, minute, second";
        return Err(CronError::new(text, text.trim(), None, message.to_owned()));
    };
    let field = |index: usize| match given[index] {
        Some(value) => value,
        None if index < finest => "*",
        None => FIELDS[index].1,
    };
    let mark = |rules: &Rules| {
        let name = rules.name;
        move |fault: Fault<'_>| CronError::new(text, fault.piece, Some(name), fault.message)
    };
    let numbers = |index: usize, rules: &Rules| set(field(index), rules).map_err(mark(rules));
    let expression = CronExpression {
        years: parse::years(field(0), &NAMED.year).map_err(mark(&NAMED.year))?,
        months: numbers(1, &NAMED.month)? as u16,
        days: days(field(2)).map_err(mark(&NAMED.day))?,
        weeks: if field(3) == "*" { 0 } else { numbers(3, &WEEK)? },
        weekdays: DaysOfWeek {
            weekdays: NAMED.weekday.weekdays(numbers(4, &NAMED.weekday)?),
            ..DaysOfWeek::default()
        },
        hours: numbers(5, &NAMED.hour)? as u32,
        minutes: numbers(6, &NAMED.minute)?,
        seconds: numbers(7, &NAMED.second)?,
        both_days: true,
        minute_star: field(6).starts_with('*'),
        hour_star: field(5).starts_with('*'),
        day_rule: DayRule::default(),
        year_kinds: 0,
        yearly: None,
        named: Some(canonical(&given)),
    };
    expression.completed().ok_or_else(|| CronError::never(text))
}

/// The value of each field, in order.
fn split(text: &str) -> Result<[Option<&str>; 8], CronError> {
    let mut given = [None; 8];
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let end = rest.find(|c: char| c == '=' || c.is_whitespace()).unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        let Some(index) = FIELDS.iter().position(|(field, _)| field.eq_ignore_ascii_case(name)) else {
            return Err(CronError::new(text, name, None, unknown_field(name)));
        };
        let Some(value) = after.strip_prefix('=') else {
            let message = format!("a value is missing; write {name}=*");
            return Err(CronError::new(text, &after[..0], None, message));
        };
        let quote = value.chars().next().filter(|first| matches!(first, '\'' | '"'));
        let (value, after) = if let Some(quote) = quote {
            value[1..].split_once(quote).ok_or_else(|| {
                CronError::new(text, &value[..1], None, "this quote is not closed".to_owned())
            })?
        } else {
            value.split_at(value.find(char::is_whitespace).unwrap_or(value.len()))
        };
        if given[index].replace(value.trim()).is_some() {
            return Err(CronError::new(
                text,
                name,
                None,
                format!("{name} is given twice; join the two with a comma"),
            ));
        }
        rest = after.trim_start();
    }
    Ok(given)
}

fn unknown_field(name: &str) -> String {
    let known: Vec<&str> = FIELDS.iter().map(|(field, _)| *field).collect();
    let wanted: String = name.chars().take(20).collect::<String>().to_lowercase();
    let nearest = known
        .iter()
        .map(|field| (strsim::damerau_levenshtein(field, &wanted), *field))
        .min()
        .filter(|(distance, _)| *distance <= 2)
        .map(|(_, field)| format!(" (did you mean {field}?)"));
    format!("there is no field {name:?}{}; there are {}", nearest.unwrap_or_default(), known.join(", "))
}

/// The fields as they are written: in order, in lower case, names in three letters.
fn canonical(given: &[Option<&str>; 8]) -> Box<str> {
    let fields = FIELDS.iter().zip(given).filter_map(|((name, _), value)| Some((name, (*value)?)));
    let fields = fields.fold(CronFields::new(), |fields, (name, value)| {
        let items: Vec<String> = value
            .split(',')
            .map(|item| item.split_whitespace().map(with_short_names).collect::<Vec<_>>().join(" "))
            .collect();
        fields.field(name, items.join(","))
    });
    fields.text.into()
}

/// A word of a field, such as `Tuesday-Friday/2`, in lower case and with names in three letters.
fn with_short_names(word: &str) -> String {
    let pieces = word.split_inclusive(|c: char| !c.is_alphabetic()).map(|piece| {
        let (name, end) = piece.split_at(piece.trim_end_matches(|c: char| !c.is_alphabetic()).len());
        [Names::short_of(name).unwrap_or(name), end].concat()
    });
    pieces.collect::<String>().to_ascii_lowercase()
}

fn days(field: &str) -> Result<DaysOfMonth, Fault<'_>> {
    let mut days = DaysOfMonth::default();
    for item in field.split(',').map(str::trim) {
        let mut words = item.split_whitespace();
        match (words.next(), words.next(), words.next()) {
            (Some(last), None, None) if last.eq_ignore_ascii_case("last") => days.from_last |= 1,
            (Some(which), Some(weekday), None) => {
                let weekday = NAMED.weekday.weekday(weekday_name(weekday)?);
                if which.eq_ignore_ascii_case("last") {
                    days.by_weekday.last |= 1 << weekday;
                } else if let Some(nth) = ORDINALS.iter().position(|name| name.eq_ignore_ascii_case(which)) {
                    days.by_weekday.nth |= 1 << (weekday * 5 + nth as u32);
                } else {
                    return fault(which, format!("{which:?} cannot be read; expected 1st to 5th, or last"));
                }
            }
            _ => days.days |= span(item, &NAMED.day)?.bits() as u32,
        }
    }
    Ok(days)
}

fn weekday_name(text: &str) -> Result<u32, Fault<'_>> {
    if text.starts_with(|first: char| first.is_ascii_digit()) {
        return fault(text, "expected the name of a weekday, mon to sun");
    }
    value(text, &NAMED.weekday)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cron::CronExpression;

    fn refused(text: &str) -> String {
        CronExpression::parse(text).expect_err(text).to_string()
    }

    #[test]
    fn what_is_not_given_follows_the_finest_given() {
        let same = |fields: &str, crontab: &str| {
            let (fields, crontab) =
                (CronExpression::parse(fields).unwrap(), CronExpression::parse(crontab).unwrap());
            assert_eq!(
                (fields.seconds, fields.minutes, fields.hours),
                (crontab.seconds, crontab.minutes, crontab.hours)
            );
            assert_eq!((fields.months, fields.days.days), (crontab.months, crontab.days.days));
            assert_eq!(fields.weekdays.weekdays, crontab.weekdays.weekdays);
        };
        same("hour=9", "0 9 * * *");
        same("second=30", "30 * * * * *");
        same("minute='*/15' day_of_week=mon-fri", "*/15 * * * MON-FRI");
        same("day_of_week=0", "0 0 * * MON");
        same("month=feb", "0 0 1 2 *");
        same("year=2026", "0 0 1 1 *");
        same("day_of_week=fri-mon hour=1", "0 1 * * FRI-MON");
    }

    #[test]
    fn an_error_marks_the_place() {
        assert!(refused("hour=9 minut=5").contains("did you mean minute?"));
        assert!(refused("hour=25").contains("     ^^"));
        assert!(refused("day='2nd fry'").contains("did you mean FRI?"));
        assert!(refused("day='6th fri'").contains("1st to 5th"));
        assert!(refused("hour=1 hour=2").contains("twice"));
        assert!(refused("hour").contains("cannot") || refused("hour").contains("five are needed"));
        assert!(refused("minute=*/90").contains("larger than the range"));
        assert!(refused("day='2nd fri").contains("not closed"));
        assert!(refused("month=2 day=30").contains("never fire"));
        assert!(refused("week=53 year=2025").contains("never fire"));
        assert!(CronFields::new().build().unwrap_err().to_string().contains("no field"));
    }
}
