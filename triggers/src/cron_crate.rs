//! A schedule of the crate `cron` as a trigger: how anyone's schedule plugs in.

use std::str::FromStr;

use chrono::{DateTime, Utc};
use cron::Schedule;
use matins_core::Trigger;
use serde::{Deserialize, Serialize};

use crate::saved::Saved;
use crate::zone::Zone;

/// Fires when a [`cron::Schedule`] does, in a zone; by that crate's grammar and its rules at changes of the clocks.
///
/// All that is needed to plug a schedule in: something that answers with the next instant, and a form to save it in.
///
/// ```
/// use matins_core::Trigger;
/// use matins_triggers::{ScheduleTrigger, Zone};
///
/// let schedule: cron::Schedule = "0 30 9 * * Mon-Fri".parse().unwrap();
/// let trigger = ScheduleTrigger::new(schedule, Zone::utc());
/// let fire = trigger.next_after("2026-11-27T12:00:00Z".parse().unwrap()).unwrap();
/// assert_eq!(fire.to_rfc3339(), "2026-11-30T09:30:00+00:00");
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "Saved<Fields>", into = "Fields")]
pub struct ScheduleTrigger {
    schedule: Schedule,
    zone: Zone,
}

#[derive(Serialize, Deserialize)]
struct Fields {
    schedule: String,
    zone: Zone,
}

impl ScheduleTrigger {
    /// Fires when the clocks of `zone` match `schedule`.
    pub fn new(schedule: Schedule, zone: Zone) -> Self {
        Self { schedule, zone }
    }
}

#[typetag::serde(name = "cron_crate")]
impl Trigger for ScheduleTrigger {
    fn next_after(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let local = after.with_timezone(&self.zone);
        self.schedule.after(&local).map(|next| next.to_utc()).find(|next| *next > after)
    }

    fn has_fixed_times(&self) -> bool {
        let source = self.schedule.source().trim();
        if source.starts_with('@') {
            return !source.starts_with("@hourly");
        }
        // After the seconds come the minutes and the hours.
        let mut clock_fields = source.split_whitespace().skip(1).take(2);
        clock_fields.all(|field| !field.starts_with('*'))
    }

    fn describe(&self) -> String {
        format!("{}, {}", self.schedule, self.zone)
    }
}

impl TryFrom<Saved<Fields>> for ScheduleTrigger {
    type Error = cron::error::Error;

    fn try_from(Saved(saved): Saved<Fields>) -> Result<Self, Self::Error> {
        Ok(Self { schedule: Schedule::from_str(&saved.schedule)?, zone: saved.zone })
    }
}

impl From<ScheduleTrigger> for Fields {
    fn from(trigger: ScheduleTrigger) -> Self {
        Self { schedule: trigger.schedule.source().to_owned(), zone: trigger.zone }
    }
}
