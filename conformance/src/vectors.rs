//! Fire times that established implementations computed: how to read them, and how to check a trigger against them.
//!
//! `vectors/README.md` beside this crate's manifest tells the form.

use std::error::Error;
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use matins_core::Trigger;
use matins_triggers::{
    AllTrigger, AnyTrigger, CalendarTrigger, CombineError, CronError, CronFields, CronTrigger,
    CronTriggerError, DateTrigger, IntervalTrigger, Zone,
};
use serde::Deserialize;
use serde_json::Value;

/// Why a vector cannot be read, or its trigger cannot be built.
pub type VectorError = Box<dyn Error + Send + Sync>;

/// One question and its answer.
#[derive(Debug, Clone, Deserialize)]
pub struct Vector {
    /// Its name.
    pub id: String,
    /// What kind of trigger it asks about.
    pub kind: String,
    /// The trigger.
    pub spec: Value,
    /// The zone of local fields.
    pub timezone: String,
    /// The fires are those strictly later than this.
    pub after: DateTime<Utc>,
    /// The answer.
    pub fires: Vec<DateTime<Utc>>,
    /// Whether there are no more fires after the last one.
    pub exhausted: bool,
}

/// What came of checking one vector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The trigger answers as the vector does.
    Passed,
    /// Triggers of this kind are not built.
    NotCovered,
    /// The trigger answers otherwise, or cannot be built: how.
    Failed(String),
}

impl Vector {
    /// The trigger that it asks about; `None` where triggers of its kind are not known.
    ///
    /// # Errors
    /// When the trigger refuses its spec.
    pub fn trigger(&self) -> Result<Option<Arc<dyn Trigger>>, VectorError> {
        trigger(&self.kind, &self.spec, &self.timezone)
    }

    /// Asks the trigger, and compares.
    pub fn check(&self) -> Verdict {
        let trigger = match self.trigger() {
            Ok(Some(trigger)) => trigger,
            Ok(None) => return Verdict::NotCovered,
            // Refused when it is built, where the vector says that it never fires.
            Err(error) if self.fires.is_empty() && self.exhausted && never_fires(&*error) => {
                return Verdict::Passed;
            }
            Err(error) => {
                return Verdict::Failed(format!("{}: {} in {}: {error}", self.id, self.spec, self.timezone));
            }
        };
        let mut after = self.after;
        for (position, expected) in self.fires.iter().enumerate() {
            let found = trigger.next_after(after);
            if found != Some(*expected) {
                let found = found.map_or_else(|| "no more".to_owned(), |found| found.to_rfc3339());
                return Verdict::Failed(format!(
                    "{}: {} in {}, fire {} after {}: expected {expected:?}, found {found}",
                    self.id, self.spec, self.timezone, position, self.after
                ));
            }
            after = *expected;
        }
        match trigger.next_after(after) {
            Some(more) if self.exhausted => Verdict::Failed(format!(
                "{}: {} in {}: expected no more after {after}, found {more}",
                self.id, self.spec, self.timezone
            )),
            _ => Verdict::Passed,
        }
    }
}

impl Vector {
    /// Asks the trigger for what precedes each fire, which is the vector read backwards, and compares.
    ///
    /// The fires have none between them. Before the first one there is no fire later than the instant that the vector asks about; and
    /// where there are no more after the last one, that is the last of all.
    pub fn check_reversed(&self) -> Verdict {
        // A trigger that never fires is checked by `check`.
        let Ok(Some(trigger)) = self.trigger() else { return Verdict::NotCovered };
        let failed = |before: DateTime<Utc>, expected: &str, found: Option<DateTime<Utc>>| {
            let found = found.map_or_else(|| "none".to_owned(), |found| found.to_rfc3339());
            Verdict::Failed(format!(
                "{}: {} in {}, before {before}: expected {expected}, found {found}",
                self.id, self.spec, self.timezone
            ))
        };
        let end = DateTime::<Utc>::MAX_UTC;
        for (position, before) in self.fires.iter().copied().chain(self.exhausted.then_some(end)).enumerate()
        {
            let found = trigger.previous_before(before);
            let expected = position.checked_sub(1).map(|earlier| self.fires[earlier]);
            let is_right = match expected {
                Some(expected) => found == Some(expected),
                None => found.is_none_or(|found| found <= self.after),
            };
            if !is_right {
                let expected =
                    expected.map_or_else(|| format!("none after {}", self.after), |fire| fire.to_rfc3339());
                return failed(before, &expected, found);
            }
        }
        match self.fires.iter().find(|fire| !trigger.includes(**fire)) {
            Some(fire) => Verdict::Failed(format!("{}: {fire} is not included", self.id)),
            None => Verdict::Passed,
        }
    }
}

/// Whether a trigger was refused because it never fires.
fn never_fires(error: &(dyn Error + Send + Sync + 'static)) -> bool {
    matches!(error.downcast_ref(), Some(CombineError::NeverMeet { .. } | CombineError::NeverFires { .. }))
        || matches!(error.downcast_ref(), Some(CronTriggerError::Expression(error)) if error.never_fires())
        || error.downcast_ref::<CronError>().is_some_and(CronError::never_fires)
}

fn trigger(kind: &str, spec: &Value, timezone: &str) -> Result<Option<Arc<dyn Trigger>>, VectorError> {
    Ok(Some(match kind {
        "crontab" => {
            Arc::new(CronTrigger::parse(text(spec, "expression").ok_or("no expression")?, timezone)?)
        }
        "cron" => Arc::new(fields(spec, timezone)?),
        "date" => {
            let date = text(spec, "run_date").ok_or("no run_date")?;
            Arc::new(DateTrigger::parse(date, Zone::named(timezone)?)?)
        }
        "interval" => Arc::new(interval(spec)?),
        "calendar" => Arc::new(calendar(spec, timezone)?),
        "any" => Arc::new(AnyTrigger::new(members(spec, timezone)?)?),
        "all" => Arc::new(AllTrigger::new(members(spec, timezone)?)?),
        _ => return Ok(None),
    }))
}

fn text<'a>(spec: &'a Value, key: &str) -> Option<&'a str> {
    spec.get(key).and_then(Value::as_str)
}

fn count(spec: &Value, key: &str) -> i64 {
    spec.get(key).and_then(Value::as_i64).unwrap_or(0)
}

fn instant(spec: &Value, key: &str) -> Result<Option<DateTime<Utc>>, VectorError> {
    Ok(text(spec, key).map(str::parse).transpose()?)
}

/// A field's value, which may be written as a number.
fn field(spec: &Value, key: &str) -> Option<String> {
    match spec.get(key)? {
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

type SetField = fn(CronFields, String) -> CronFields;

fn fields(spec: &Value, timezone: &str) -> Result<CronTrigger, VectorError> {
    let setters: [(&str, SetField); 8] = [
        ("year", CronFields::year),
        ("month", CronFields::month),
        ("day", CronFields::day),
        ("week", CronFields::week),
        ("day_of_week", CronFields::day_of_week),
        ("hour", CronFields::hour),
        ("minute", CronFields::minute),
        ("second", CronFields::second),
    ];
    let mut fields = CronFields::new();
    for (name, set) in setters {
        if let Some(value) = field(spec, name) {
            fields = set(fields, value);
        }
    }
    let mut trigger = CronTrigger::new(fields.build()?, Zone::named(timezone)?);
    if let Some(start) = instant(spec, "start")? {
        trigger = trigger.starting(start)?;
    }
    if let Some(end) = instant(spec, "end")? {
        trigger = trigger.until(end)?;
    }
    Ok(trigger)
}

fn interval(spec: &Value) -> Result<IntervalTrigger, VectorError> {
    let count = |key: &str| count(spec, key);
    let period = TimeDelta::weeks(count("weeks"))
        + TimeDelta::days(count("days"))
        + TimeDelta::hours(count("hours"))
        + TimeDelta::minutes(count("minutes"))
        + TimeDelta::seconds(count("seconds"))
        + TimeDelta::microseconds(count("microseconds"));
    let trigger = IntervalTrigger::new(instant(spec, "start")?.ok_or("no start")?, period)?;
    Ok(match instant(spec, "end")? {
        Some(end) => trigger.until(end)?,
        None => trigger,
    })
}

fn calendar(spec: &Value, timezone: &str) -> Result<CalendarTrigger, VectorError> {
    let count = |key: &str| u32::try_from(count(spec, key));
    let date = |key: &str| text(spec, key).map(str::parse::<NaiveDate>).transpose();
    let builder = CalendarTrigger::from_date(date("start_date")?.ok_or("no start_date")?)
        .years(count("years")?)
        .months(count("months")?)
        .weeks(count("weeks")?)
        .days(count("days")?)
        .at(text(spec, "time").unwrap_or("00:00:00").parse()?)
        .zone(timezone);
    Ok(match date("end_date")? {
        Some(end) => builder.until(end).build()?,
        None => builder.build()?,
    })
}

fn members(spec: &Value, timezone: &str) -> Result<Vec<Arc<dyn Trigger>>, VectorError> {
    let of = spec.get("of").and_then(Value::as_array).ok_or("no members")?;
    of.iter()
        .map(|member| {
            let kind = text(member, "kind").ok_or("a member without a kind")?;
            trigger(kind, &member["spec"], timezone)?.ok_or_else(|| format!("no kind {kind}").into())
        })
        .collect()
}

/// Reads JSON Lines.
///
/// # Errors
/// Names the line that cannot be read.
pub fn read(text: &str) -> Result<Vec<Vector>, VectorError> {
    text.lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(number, line)| {
            serde_json::from_str(line).map_err(|error| format!("line {}: {error}", number + 1).into())
        })
        .collect()
}
