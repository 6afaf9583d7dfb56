//! The rules of time zones change while jobs wait: their next fire times follow.

use chrono::{DateTime, Utc};
use matins::prelude::*;
use matins::triggers::{Zone, tzdb};
use matins::{Job, Value};

use crate::history::{Happening, History};
use crate::sync::Changes;

/// Returns the zone of this machine.
///
/// # Errors
/// If `TZ` or /etc/localtime cannot be understood.
pub(crate) fn system_zone() -> Result<Zone, String> {
    Zone::system().map_err(|error| error.to_string())
}

/// Refuses a variable that names no tz database, before anything is done by the wrong one.
pub(crate) fn check_variable() -> Result<(), String> {
    match std::env::var_os(tzdb::VARIABLE) {
        Some(value) if !value.is_empty() && value != "bundled" && value != "system" => {
            std::fs::read_dir(&value).map(|_| ()).map_err(|error| {
                format!(
                    "the environment variable {} is {:?}: {error}; set it to `bundled`, `system`, or a directory of TZif files",
                    tzdb::VARIABLE,
                    value.to_string_lossy()
                )
            })
        }
        _ => Ok(()),
    }
}

/// Reads the tz database again. Jobs whose next fire time follows from their trigger get the one by the new rules; a fire that is
/// due stays. Returns what changed, if anything did.
pub(crate) fn refresh(
    scheduler: &Handle,
    history: &History,
    now: DateTime<Utc>,
) -> Result<Option<Changes>, String> {
    let listed = scheduler.list(&JobQuery::default()).map_err(|error| error.to_string())?;
    let follows_trigger =
        |job: &Job| job.next_fire > Some(now) && job.trigger.next_after(now) == job.next_fire;
    let jobs: Vec<Job> = listed.into_iter().map(|(_, job)| job).filter(follows_trigger).collect();
    let refreshed = tzdb::refresh();
    if refreshed.changed.is_empty() {
        return Ok(None);
    }
    let moved = Moved { version: refreshed.version.to_string(), jobs: compute(scheduler, &jobs, now)? };
    moved.note(history, now);
    let mut changes = Changes::default();
    (changes.source, changes.untouched) = (moved.by(), jobs.len() - moved.jobs.len());
    changes.changed = moved.jobs;
    Ok(Some(changes))
}

/// The jobs that have another next fire time by the rules of a version.
#[derive(Debug)]
pub(crate) struct Moved {
    version: String,
    pub(crate) jobs: Vec<String>,
}

impl Moved {
    fn by(&self) -> String {
        format!("time zone rules {}", self.version)
    }

    /// Writes it into the history.
    pub(crate) fn note(&self, history: &History, now: DateTime<Utc>) {
        history.note(now, Happening::ZoneRules { version: self.version.clone() }, "matins");
        for job in &self.jobs {
            history.note(now, Happening::Edited { job: job.clone() }, &self.by());
        }
    }

    /// A line for people.
    pub(crate) fn describe(&self) -> String {
        let mut changes = Changes::default();
        (changes.source, changes.changed) = (self.by(), self.jobs.clone());
        changes.describe()
    }
}

/// Computes next fire times again if the tz database is another one than at the last start. The caller notes what is returned
/// when the daemon has started.
pub(crate) fn follow_since_last_start(
    scheduler: &Handle,
    history: &History,
    now: DateTime<Utc>,
) -> Result<Option<Moved>, String> {
    let version = tzdb::version().to_string();
    let known = history.entries().into_iter().rev().find_map(|entry| match entry.what {
        Happening::ZoneRules { version } => Some(version),
        _ => None,
    });
    if known.as_ref() == Some(&version) {
        return Ok(None);
    }
    let listed = scheduler.list(&JobQuery::default()).map_err(|error| error.to_string())?;
    let waits = |job: &Job| job.next_fire > Some(now) && has_zone(&*job.trigger);
    let jobs: Vec<Job> = listed.into_iter().map(|(_, job)| job).filter(waits).collect();
    Ok(Some(Moved { version, jobs: compute(scheduler, &jobs, now)? }))
}

/// Gives jobs the next fire times that their triggers have now. Returns the ids of those that had another one.
fn compute(scheduler: &Handle, jobs: &[Job], now: DateTime<Utc>) -> Result<Vec<String>, String> {
    let mut changed = Vec::new();
    for job in jobs {
        // One that has no fire any more keeps the last it had: better late by the new rules than never.
        let Some(next) = job.trigger.next_after(now).filter(|next| Some(*next) != job.next_fire) else {
            continue;
        };
        let set = |stored: &mut Job| {
            if stored.next_fire == job.next_fire {
                stored.next_fire = Some(next);
            }
        };
        scheduler.modify(&job.id, set).map_err(|error| format!("cannot move the job {}: {error}", job.id))?;
        changed.push(job.id.to_string());
    }
    Ok(changed)
}

/// Whether a trigger, or one that it is made of, depends on a zone other than UTC.
fn has_zone(trigger: &dyn Trigger) -> bool {
    fn names_zone(value: &Value) -> bool {
        match value {
            Value::Object(fields) => fields.iter().any(|(key, value)| match value {
                Value::String(name) => key == "zone" && name != "UTC",
                value => names_zone(value),
            }),
            Value::Array(members) => members.iter().any(names_zone),
            _ => false,
        }
    }
    serde_json::to_value(trigger).is_ok_and(|saved| names_zone(&saved))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use matins::triggers::{AnyTrigger, JitterTrigger};

    use super::*;

    #[test]
    fn a_zone_is_found_in_every_kind_of_trigger() {
        let cron = |text: &str| -> Arc<dyn Trigger> { Arc::new(text.parse::<CronTrigger>().unwrap()) };
        let berlin = cron("CRON_TZ=Europe/Berlin 0 9 * * *");
        let date = DateTrigger::parse("2026-12-24T18:00", "Asia/Tokyo".parse().unwrap()).unwrap();
        let any = AnyTrigger::new([cron("0 9 * * *"), Arc::new(date.clone())]).unwrap();
        let jitter = JitterTrigger::new(berlin.clone(), chrono::TimeDelta::seconds(5), 1).unwrap();
        assert!(has_zone(&*berlin) && has_zone(&date) && has_zone(&any));
        assert!(has_zone(&jitter));
        assert!(!has_zone(&*cron("0 9 * * *")));
        assert!(!has_zone(&DateTrigger::parse("2026-12-24T18:00Z", Zone::utc()).unwrap()));
    }
}
