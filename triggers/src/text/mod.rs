//! Every trigger as a text that is read back: `any(PT1H from 2026-01-01T00:00:00Z; CRON_TZ=UTC 0 9 * * *)`.

mod parse;

use std::any::Any;
use std::fmt::{self, Display, Formatter};
use std::sync::Arc;

use chrono::{DateTime, SecondsFormat, Utc};
use matins_core::Trigger;

use crate::{
    AfterTrigger, AllTrigger, AnyTrigger, CalendarTrigger, CronTrigger, DateTrigger, ExceptDatesTrigger,
    ExceptTrigger, IntervalTrigger, JitterTrigger, NeverTrigger, WindowTrigger,
};

pub use parse::{ParseTriggerError, parse_trigger};

/// Returns the text of a trigger, which [`parse_trigger`] reads.
///
/// For the triggers of this crate it is what `Display` shows. Any other trigger is written as JSON, as it is saved. A trigger that cannot be
/// saved is described in words, which cannot be read back.
///
/// ```
/// use matins_core::{IntoTrigger, Trigger};
/// use matins_triggers::{Combine, TimeUnits, cron, parse_trigger, trigger_text};
///
/// let opening = cron("0 9 * * MON-FRI").or(cron("0 11 * * SAT")).jitter(5.minutes());
/// let opening = opening.into_trigger("2026-01-01T00:00:00Z".parse()?)?;
/// let text = trigger_text(&*opening);
/// assert_eq!(text, "jitter(any(CRON_TZ=UTC 0 9 * * MON-FRI; CRON_TZ=UTC 0 11 * * SAT); PT5M)");
/// assert_eq!(*parse_trigger(&text)?, *opening);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn trigger_text(trigger: &dyn Trigger) -> String {
    TriggerText(trigger).to_string()
}

/// Shows a trigger as a text that is read back.
struct TriggerText<'a>(&'a dyn Trigger);

impl Display for TriggerText<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let any: &dyn Any = self.0;
        macro_rules! show {
            ($($trigger:ty),*) => {
                $(if let Some(trigger) = any.downcast_ref::<$trigger>() {
                    return trigger.fmt(f);
                })*
            };
        }
        show!(CronTrigger, IntervalTrigger, DateTrigger, CalendarTrigger, AnyTrigger, AllTrigger);
        show!(ExceptTrigger, ExceptDatesTrigger, JitterTrigger, WindowTrigger, AfterTrigger, NeverTrigger);
        match serde_json::to_string(self.0) {
            Ok(saved) => f.write_str(&saved),
            Err(_) => f.write_str(&self.0.describe()),
        }
    }
}

/// Writes `name(one; other)`, without the closing parenthesis.
pub(crate) fn begin<'a>(
    f: &mut Formatter<'_>,
    name: &str,
    members: impl IntoIterator<Item = &'a Arc<dyn Trigger>>,
) -> fmt::Result {
    write!(f, "{name}(")?;
    for (place, member) in members.into_iter().enumerate() {
        let separator = if place == 0 { "" } else { "; " };
        write!(f, "{separator}{}", TriggerText(&**member))?;
    }
    Ok(())
}

/// A text in quotes, as JSON has it.
pub(crate) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

pub(crate) fn instant(instant: DateTime<Utc>) -> String {
    instant.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}
