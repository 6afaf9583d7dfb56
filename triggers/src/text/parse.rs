//! Reads the text of a trigger.

use std::error::Error;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use matins_core::{AfterOutcome, JobId, Trigger, TriggerError, json};
use serde::de::DeserializeOwned;

use crate::duration::{self, Parts};
use crate::saved::Saved;
use crate::{
    AfterTrigger, AllTrigger, AnyTrigger, CalendarTrigger, CronTrigger, DateTrigger, ExceptDatesTrigger,
    ExceptTrigger, IntervalTrigger, JitterTrigger, NeverTrigger, WindowTrigger, Zone,
};

/// The combinations, and how each is written.
const FORMS: [(&str, &str); 8] = [
    ("any", "any(one; other; ...)"),
    ("all", "all(one; other; ...)"),
    ("except", "except(trigger; without)"),
    ("except_dates", "except_dates(trigger; 2026-12-24, 2026-12-25; Europe/Berlin)"),
    ("jitter", "jitter(trigger; PT5M), or jitter(trigger; PT5M; seed 7)"),
    (
        "window",
        "window(trigger; from 2026-05-01T00:00:00Z; until 2026-05-31T00:00:00Z), or with one of the two",
    ),
    ("after", "after(\"job\"; succeeded), or failed, or any"),
    ("never", "never(\"0 0 31 2 *\")"),
];

/// How deep combinations may be nested: each takes two levels where it is saved.
const MOST_NESTED: usize = json::TRIGGER_DEPTH / 2;

/// A text that is not a trigger.
#[derive(Debug)]
#[non_exhaustive]
pub enum ParseTriggerError {
    /// No combination has this name.
    Unknown {
        /// The name.
        name: String,
    },
    /// A combination does not have the parts that it needs.
    Form {
        /// How it is written.
        form: &'static str,
        /// What was found in its place.
        found: String,
    },
    /// Something follows the trigger.
    Trailing {
        /// What follows.
        text: String,
    },
    /// Triggers are nested too deep.
    TooDeep {
        /// How deep they may be nested.
        limit: usize,
    },
    /// A part cannot be read, or does not make a trigger.
    Part {
        /// The part.
        text: String,
        /// Why.
        source: TriggerError,
    },
    /// The text is another trigger than the one that was asked for.
    Other {
        /// The text.
        text: String,
        /// How the one that was asked for is written.
        form: &'static str,
    },
}

impl fmt::Display for ParseTriggerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown { name } => {
                let known = FORMS.map(|(name, _)| name).join(", ");
                write!(f, "there is no trigger `{name}(...)`; there are {known}")
            }
            Self::Form { form, found } => write!(f, "write {form}; found {found:?}"),
            Self::Trailing { text } => {
                write!(f, "nothing may follow a trigger, but {text:?} does; remove it")
            }
            Self::TooDeep { limit } => {
                write!(f, "triggers may be nested {limit} deep; use fewer combinations")
            }
            Self::Part { text, .. } => write!(f, "cannot read the trigger {text:?}"),
            Self::Other { text, form } => write!(f, "{text:?} is not of the form {form}"),
        }
    }
}

impl Error for ParseTriggerError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Part { source, .. } => Some(source),
            _ => None,
        }
    }
}

impl From<ParseTriggerError> for TriggerError {
    fn from(error: ParseTriggerError) -> Self {
        Self::new(error)
    }
}

/// Reads a trigger from its text: what `Display` and [`trigger_text`](crate::trigger_text) show.
///
/// | trigger | its text |
/// | --- | --- |
/// | cron | `0 9 * * MON-FRI Europe/Berlin`, and all else that a [`CronTrigger`] is parsed from; UTC without a zone |
/// | interval | `PT30M from 2026-01-01T00:00:00Z`, with ` until ...` where it ends |
/// | one instant, or one local time | `2026-12-24T18:00:00Z`, `2026-12-24T18:00:00 Europe/Berlin` |
/// | calendar | `P1M from 2026-01-31T09:00:00 Europe/Berlin` |
/// | union | `any(0 9 * * MON-FRI; 0 11 * * SAT)` |
/// | intersection | `all(0 9 * * *; P2D from 2026-01-01T09:00:00Z)` |
/// | difference | `except(0 9 * * *; 0 9 25 12 *)` |
/// | without dates | `except_dates(0 9 * * *; 2026-12-24, 2026-12-25; Europe/Berlin)` |
/// | jitter | `jitter(0 * * * *; PT5M)`, `jitter(0 * * * *; PT5M; seed 7)` |
/// | between two instants | `window(0 9 * * *; from 2026-05-01T00:00:00Z; until 2026-05-31T00:00:00Z)` |
/// | after another job | `after("backup"; succeeded)` |
/// | never | `never("0 0 31 2 *")` |
/// | any other | JSON, as it is saved |
///
/// ```
/// use matins_core::Trigger;
/// use matins_triggers::parse_trigger;
///
/// let trigger = parse_trigger("except_dates(any(0 9 * * MON-FRI; 0 11 * * SAT); 2026-12-25; Europe/Berlin)")?;
/// let christmas_eve = "2026-12-24T12:00:00Z".parse()?;
/// assert_eq!(trigger.next_after(christmas_eve).unwrap().to_rfc3339(), "2026-12-26T11:00:00+00:00");
///
/// let error = parse_trigger("any(0 9 * * MON-FRI; 0 25 * * SAT)").unwrap_err();
/// assert_eq!(error.to_string(), "cannot read the trigger \"0 25 * * SAT\"");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// If the text is not a trigger; the [source](std::error::Error::source) of a part's error says what is wrong in it.
pub fn parse_trigger(text: &str) -> Result<Arc<dyn Trigger>, ParseTriggerError> {
    let mut reader = Reader { text, rest: text, depth: 0 };
    let trigger = reader.trigger()?;
    reader.skip_spaces();
    match reader.rest {
        "" => Ok(trigger),
        rest => Err(ParseTriggerError::Trailing { text: rest.to_owned() }),
    }
}

struct Reader<'a> {
    text: &'a str,
    rest: &'a str,
    depth: usize,
}

impl<'a> Reader<'a> {
    fn skip_spaces(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn trigger(&mut self) -> Result<Arc<dyn Trigger>, ParseTriggerError> {
        self.skip_spaces();
        if self.rest.starts_with('{') {
            return self.saved();
        }
        let name = self.rest.trim_start_matches(|c: char| c.is_ascii_lowercase() || c == '_');
        let name = &self.rest[..self.rest.len() - name.len()];
        match self.rest[name.len()..].strip_prefix('(').filter(|_| !name.is_empty()) {
            Some(rest) => {
                let form = FORMS.into_iter().find(|(known, _)| *known == name);
                let (name, form) =
                    form.ok_or_else(|| ParseTriggerError::Unknown { name: name.to_owned() })?;
                let begin = self.rest;
                self.rest = rest;
                self.combination(name, form, begin)
            }
            None => simple(self.part()),
        }
    }

    fn combination(
        &mut self,
        name: &str,
        form: &'static str,
        begin: &'a str,
    ) -> Result<Arc<dyn Trigger>, ParseTriggerError> {
        // Not by the depth of the stack: the text may come from anywhere.
        self.depth += 1;
        if self.depth > MOST_NESTED {
            return Err(ParseTriggerError::TooDeep { limit: MOST_NESTED });
        }
        let trigger = self.members(name, form)?;
        self.expect(')', form)?;
        self.depth -= 1;
        let text = &begin[..begin.len() - self.rest.len()];
        trigger.map_err(|source| ParseTriggerError::Part { text: text.to_owned(), source })
    }

    /// Reads what is between the parentheses. The inner result says whether that makes a trigger.
    fn members(
        &mut self,
        name: &str,
        form: &'static str,
    ) -> Result<Result<Arc<dyn Trigger>, TriggerError>, ParseTriggerError> {
        Ok(match name {
            "any" => made(AnyTrigger::new(self.list()?)),
            "all" => made(AllTrigger::new(self.list()?)),
            "except" => {
                let of = self.trigger()?;
                self.expect(';', form)?;
                made(ExceptTrigger::new(of, self.trigger()?))
            }
            "except_dates" => {
                let of = self.trigger()?;
                self.expect(';', form)?;
                let dates = self.part().split(',').map(str::trim).filter(|date| !date.is_empty());
                let dates: Result<Vec<NaiveDate>, _> = dates.map(str::parse).collect();
                self.expect(';', form)?;
                let zone = Zone::named(self.part()).map_err(TriggerError::from);
                let dates = dates.map_err(TriggerError::new);
                dates.and_then(|dates| {
                    Ok(Arc::new(ExceptDatesTrigger::new(of, dates, zone?)) as Arc<dyn Trigger>)
                })
            }
            "jitter" => {
                let of = self.trigger()?;
                self.expect(';', form)?;
                let max = self.part();
                let max =
                    duration::read(max).and_then(Parts::as_elapsed).ok_or_else(|| self.wrong(form, max))?;
                let max = TimeDelta::microseconds(max);
                made(match self.next("seed", form)? {
                    Some(seed) => {
                        let seed = seed.parse().map_err(|_| self.wrong(form, seed))?;
                        JitterTrigger::new(of, max, seed)
                    }
                    None => JitterTrigger::unseeded(of, max),
                })
            }
            "window" => {
                let window = WindowTrigger::new(self.trigger()?);
                let start = self.instant_after("from", form)?;
                let end = self.instant_after("until", form)?;
                let window = start.map_or(Ok(window.clone()), |start| window.starting(start));
                made(window.and_then(|window| match end {
                    Some(end) => window.until(end),
                    None => Ok(window),
                }))
            }
            "after" => {
                let job: String = self.json(form)?;
                self.expect(';', form)?;
                let outcome = match self.part() {
                    "succeeded" => AfterOutcome::Succeeded,
                    "failed" => AfterOutcome::Failed,
                    "any" => AfterOutcome::Any,
                    other => return Err(self.wrong(form, other)),
                };
                made(JobId::new(job).map(|job| AfterTrigger::new(job, outcome)))
            }
            _ => Ok(Arc::new(NeverTrigger::new(self.json::<String>(form)?))),
        })
    }

    fn list(&mut self) -> Result<Vec<Arc<dyn Trigger>>, ParseTriggerError> {
        let mut members = vec![self.trigger()?];
        while self.takes(';') {
            members.push(self.trigger()?);
        }
        Ok(members)
    }

    /// Reads up to the next `;` or the end of the combination.
    fn part(&mut self) -> &'a str {
        let end = self.rest.find([';', ')']).unwrap_or(self.rest.len());
        let part = self.rest[..end].trim();
        self.rest = &self.rest[end..];
        part
    }

    /// Reads what stands after this word, if there is one more part and it begins so.
    fn next(&mut self, word: &str, form: &'static str) -> Result<Option<&'a str>, ParseTriggerError> {
        let before = self.rest;
        if !self.takes(';') {
            return Ok(None);
        }
        let part = self.part();
        match part.split_once(char::is_whitespace) {
            Some((first, value)) if first == word => Ok(Some(value.trim())),
            _ if word == "from" => {
                // It may have an end alone.
                self.rest = before;
                Ok(None)
            }
            _ => Err(self.wrong(form, part)),
        }
    }

    fn instant_after(
        &mut self,
        word: &str,
        form: &'static str,
    ) -> Result<Option<DateTime<Utc>>, ParseTriggerError> {
        let Some(text) = self.next(word, form)? else { return Ok(None) };
        text.parse().map(Some).map_err(|_| self.wrong(form, text))
    }

    fn takes(&mut self, wanted: char) -> bool {
        self.skip_spaces();
        let rest = self.rest.strip_prefix(wanted);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn expect(&mut self, wanted: char, form: &'static str) -> Result<(), ParseTriggerError> {
        if self.takes(wanted) { Ok(()) } else { Err(self.wrong(form, self.rest)) }
    }

    fn wrong(&self, form: &'static str, found: &str) -> ParseTriggerError {
        let found = if found.is_empty() { self.text } else { found };
        ParseTriggerError::Form { form, found: found.to_owned() }
    }

    /// Reads a value of JSON.
    fn json<T: DeserializeOwned>(&mut self, form: &'static str) -> Result<T, ParseTriggerError> {
        self.value().map_err(|_| self.wrong(form, self.rest))
    }

    fn value<T: DeserializeOwned>(&mut self) -> Result<T, TriggerError> {
        self.skip_spaces();
        let mut values = serde_json::Deserializer::from_str(self.rest).into_iter();
        let Saved(value) =
            values.next().unwrap_or_else(|| serde_json::from_str("")).map_err(TriggerError::new)?;
        self.rest = &self.rest[values.byte_offset()..];
        Ok(value)
    }

    /// Reads a trigger as it is saved.
    fn saved(&mut self) -> Result<Arc<dyn Trigger>, ParseTriggerError> {
        let text = self.rest;
        self.value().map_err(|source| ParseTriggerError::Part { text: text.to_owned(), source })
    }
}

fn made<T: Trigger, E: Into<TriggerError>>(trigger: Result<T, E>) -> Result<Arc<dyn Trigger>, TriggerError> {
    trigger.map(|trigger| Arc::new(trigger) as Arc<dyn Trigger>).map_err(Into::into)
}

/// Reads a trigger that is no combination. What it begins with tells which one it is.
fn simple(text: &str) -> Result<Arc<dyn Trigger>, ParseTriggerError> {
    let first = text.split_whitespace().next().unwrap_or_default();
    let is_period = first
        .strip_prefix('P')
        .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit() || c == 'T'));
    let is_date = first.trim_start_matches(['+', '-']).split('-').count() >= 3;
    let trigger = if is_period {
        // A calendar trigger has a local time, and names a zone after it.
        match text.split_whitespace().nth(3) {
            None | Some("until") => made(IntervalTrigger::from_str(text)),
            Some(_) => made(CalendarTrigger::from_str(text)),
        }
    } else if is_date {
        made(DateTrigger::from_str(text))
    } else {
        made(CronTrigger::from_str(text))
    };
    trigger.map_err(|source| ParseTriggerError::Part { text: text.to_owned(), source })
}

macro_rules! from_str {
    ($($name:literal: $trigger:ty),*) => {$(
        impl FromStr for $trigger {
            type Err = ParseTriggerError;

            /// Reads what `Display` writes; see [`parse_trigger`].
            fn from_str(text: &str) -> Result<Self, ParseTriggerError> {
                let trigger = parse_trigger(text)?;
                let any: &dyn std::any::Any = &*trigger;
                any.downcast_ref::<Self>().cloned().ok_or_else(|| {
                    let form = FORMS.into_iter().find(|(name, _)| *name == $name).map_or("", |(_, form)| form);
                    ParseTriggerError::Other { text: text.to_owned(), form }
                })
            }
        }
    )*};
}
from_str!(
    "any": AnyTrigger, "all": AllTrigger, "except": ExceptTrigger, "except_dates": ExceptDatesTrigger,
    "jitter": JitterTrigger, "window": WindowTrigger, "after": AfterTrigger, "never": NeverTrigger
);
