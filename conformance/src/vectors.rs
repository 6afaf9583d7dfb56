//! Fire times that established implementations computed: how to read them, and how to check a trigger against them.
//!
//! `vectors/README.md` beside this crate's manifest tells the form.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use matins_core::{Trigger, TriggerError};
use matins_triggers::{CronTrigger, DateTrigger, IntervalTrigger, Zone};
use serde::Deserialize;
use serde_json::Value;

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
    /// The trigger that it asks about; `None` where triggers of its kind are not built.
    ///
    /// # Errors
    /// When the trigger refuses its spec.
    pub fn trigger(&self) -> Result<Option<Arc<dyn Trigger>>, TriggerError> {
        let text = |key: &str| self.spec.get(key).and_then(Value::as_str);
        Ok(Some(match self.kind.as_str() {
            "crontab" => {
                Arc::new(CronTrigger::parse(text("expression").ok_or("no expression")?, &self.timezone)?)
            }
            "date" => Arc::new(DateTrigger::parse(
                text("run_date").ok_or("no run_date")?,
                Zone::named(&self.timezone)?,
            )?),
            "interval" => Arc::new(self.interval()?),
            _ => return Ok(None),
        }))
    }

    fn interval(&self) -> Result<IntervalTrigger, TriggerError> {
        let count = |key: &str| self.spec.get(key).and_then(Value::as_i64).unwrap_or(0);
        let instant = |key: &str| self.spec.get(key).and_then(Value::as_str).map(str::parse::<DateTime<Utc>>);
        let period = TimeDelta::weeks(count("weeks"))
            + TimeDelta::days(count("days"))
            + TimeDelta::hours(count("hours"))
            + TimeDelta::minutes(count("minutes"))
            + TimeDelta::seconds(count("seconds"))
            + TimeDelta::microseconds(count("microseconds"));
        let trigger = IntervalTrigger::new(instant("start").ok_or("no start")??, period)?;
        Ok(match instant("end").transpose()? {
            Some(end) => trigger.until(end)?,
            None => trigger,
        })
    }

    /// Asks the trigger, and compares.
    pub fn check(&self) -> Verdict {
        let trigger = match self.trigger() {
            Ok(Some(trigger)) => trigger,
            Ok(None) => return Verdict::NotCovered,
            Err(error) => return Verdict::Failed(format!("{}: {error}", self.id)),
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

/// Reads JSON Lines.
///
/// # Errors
/// Names the line that cannot be read.
pub fn read(text: &str) -> Result<Vec<Vector>, String> {
    text.lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(number, line)| {
            serde_json::from_str(line).map_err(|error| format!("line {}: {error}", number + 1))
        })
        .collect()
}
