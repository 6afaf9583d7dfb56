//! Brings the store in line with the files: what is new is added, what changed is replaced, what is gone is removed, and
//! what is as it was goes on from where it was.

use chrono::{DateTime, Utc};
use matins::prelude::*;
use matins::{Job, Value};

use crate::definition::{Definition, When};

/// What was done, by job id.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    pub(crate) added: Vec<String>,
    pub(crate) changed: Vec<String>,
    pub(crate) removed: Vec<String>,
    pub(crate) kept: usize,
    /// Defined, but their time had passed before they were first met.
    pub(crate) too_late: Vec<String>,
}

/// Applies the definitions of the file `source`.
pub(crate) fn apply(
    scheduler: &Handle,
    source: &str,
    definitions: &[Definition],
    now: DateTime<Utc>,
) -> Result<Changes, String> {
    let existing: Vec<Job> = scheduler
        .list(&JobQuery::default())
        .map_err(|error| error.to_string())?
        .into_iter()
        .map(|(_, job)| job)
        .collect();
    let comes_from = |job: &&Job| job.metadata.get("source").and_then(Value::as_str) == Some(source);
    if let Some(foreign) = definitions
        .iter()
        .find(|new| existing.iter().any(|job| job.id == *new.id.as_str() && !comes_from(&job)))
    {
        return Err(format!(
            "{source} defines a job {:?}, and the store has one of that name from elsewhere; rename one of them",
            foreign.id
        ));
    }

    let mut changes = Changes::default();
    for definition in definitions {
        let old = existing.iter().find(|job| job.id == *definition.id.as_str());
        let unchanged =
            old.is_some_and(|job| job.metadata.get("definition") == Some(&definition.fingerprint()));
        if unchanged && !matches!(definition.when, When::Start) {
            changes.kept += 1;
            continue;
        }
        if let When::At(date) = &definition.when
            && date.instant() <= now
        {
            changes.too_late.push(definition.id.clone());
            continue;
        }
        scheduler.add(definition.job(source, now)?).map_err(|error| error.to_string())?;
        match old {
            None => changes.added.push(definition.id.clone()),
            Some(_) if unchanged => changes.kept += 1,
            Some(_) => changes.changed.push(definition.id.clone()),
        }
    }
    for job in existing.iter().filter(comes_from) {
        if !definitions.iter().any(|definition| job.id == *definition.id.as_str()) {
            scheduler.remove(&job.id).map_err(|error| error.to_string())?;
            changes.removed.push(job.id.to_string());
        }
    }
    Ok(changes)
}

impl Changes {
    /// A line for people; `None` where all is as it was.
    pub(crate) fn describe(&self) -> Option<String> {
        let some =
            |what: &str, ids: &[String]| (!ids.is_empty()).then(|| format!("{what} {}", ids.join(", ")));
        let parts: Vec<String> = [
            some("added", &self.added),
            some("changed", &self.changed),
            some("removed", &self.removed),
            some("left out, its time had passed:", &self.too_late),
            (self.kept > 0).then(|| format!("{} as before", self.kept)),
        ]
        .into_iter()
        .flatten()
        .collect();
        (!parts.is_empty()).then(|| parts.join("; "))
    }
}
