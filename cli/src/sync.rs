//! Brings the store in line with the files: what is new is added, what changed is replaced, what is gone is removed, and
//! what is as it was goes on from where it was.

use std::collections::{BTreeMap, HashSet};

use chrono::{DateTime, Utc};
use matins::prelude::*;
use matins::{Job, Value};
use serde::{Deserialize, Serialize};

use crate::definition::{Definition, When};
use crate::history::{Happening, History};

/// What is to be done for a file, or was done, by job id.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Changes {
    /// The file.
    pub(crate) source: String,
    pub(crate) added: Vec<String>,
    pub(crate) changed: Vec<String>,
    pub(crate) removed: Vec<String>,
    /// Once more, as at each start.
    started: Vec<String>,
    pub(crate) untouched: usize,
    /// Defined, but their time had passed before they were first met.
    pub(crate) too_late: Vec<String>,
    /// Whether there are other hooks now.
    #[serde(default)]
    pub(crate) hooks: bool,
    /// Keys that are others now, and are heeded from the next start on.
    #[serde(default)]
    pub(crate) at_next_start: Vec<String>,
}

/// What is to be done for the definitions of the file `source`; jobs from elsewhere are left alone. At the start, and not
/// when the files are read again, what fires once at each start is to fire.
pub(crate) fn plan(
    scheduler: &Handle,
    source: &str,
    definitions: &[Definition],
    is_start: bool,
    now: DateTime<Utc>,
) -> Result<Changes, String> {
    let existing: BTreeMap<String, Job> = scheduler
        .list(&JobQuery::default())
        .map_err(|error| error.to_string())?
        .into_iter()
        .map(|(_, job)| (job.id.to_string(), job))
        .collect();
    let comes_from = |job: &Job| job.metadata.get("source").and_then(Value::as_str) == Some(source);
    let is_foreign = |new: &&Definition| existing.get(&new.id).is_some_and(|job| !comes_from(job));
    if let Some(foreign) = definitions.iter().find(is_foreign) {
        return Err(format!(
            "{source} defines a job {:?}, and the store has one of that name from elsewhere; rename it in the file, or take \
             the other away with `matins remove {}`",
            foreign.id, foreign.id
        ));
    }

    let mut changes = Changes { source: source.to_owned(), ..Changes::default() };
    for definition in definitions {
        let id = definition.id.clone();
        let old = existing.get(&id);
        let unchanged =
            old.is_some_and(|job| job.metadata.get("definition") == Some(&definition.fingerprint()));
        match &definition.when {
            When::Start if unchanged && is_start => changes.started.push(id),
            _ if unchanged => changes.untouched += 1,
            When::At(date) if date.instant() <= now => changes.too_late.push(id),
            _ if old.is_none() => changes.added.push(id),
            _ => changes.changed.push(id),
        }
    }
    let defined: HashSet<&String> = definitions.iter().map(|definition| &definition.id).collect();
    let is_gone = |(id, job): &(&String, &Job)| comes_from(job) && !defined.contains(id);
    changes.removed = existing.iter().filter(is_gone).map(|(id, _)| id.clone()).collect();
    Ok(changes)
}

/// Does it.
pub(crate) fn apply(
    scheduler: &Handle,
    history: &History,
    definitions: &[Definition],
    changes: &Changes,
    now: DateTime<Utc>,
) -> Result<(), String> {
    let source = &changes.source;
    let note = |what| history.note(now, what, source);
    let [added, changed, started] =
        [&changes.added, &changes.changed, &changes.started].map(|ids| ids.iter().collect::<HashSet<_>>());
    for definition in definitions {
        let id = &definition.id;
        let (added, changed) = (added.contains(id), changed.contains(id));
        if !(added || changed || started.contains(id)) {
            continue;
        }
        scheduler.add(definition.job(source, now)?).map_err(|error| error.to_string())?;
        if added {
            note(Happening::Added { job: id.clone() });
        } else if changed {
            note(Happening::Edited { job: id.clone() });
        }
        if definition.paused {
            note(Happening::Paused { job: id.clone() });
        }
    }
    for id in &changes.removed {
        scheduler.remove(id).map_err(|error| error.to_string())?;
        note(Happening::Removed { job: id.clone() });
    }
    Ok(())
}

/// How many ids are named of those to which the same happened.
const FIRST_IDS: usize = 20;

impl Changes {
    /// A line for people.
    pub(crate) fn describe(&self) -> String {
        let some = |what: &str, ids: &[String]| match ids.len().checked_sub(FIRST_IDS) {
            _ if ids.is_empty() => None,
            None | Some(0) => Some(format!("{what} {}", ids.join(", "))),
            Some(more) => Some(format!("{what} {} and {more} more", ids[..FIRST_IDS].join(", "))),
        };
        let as_before = self.untouched + self.started.len();
        let parts: Vec<String> = [
            some("added", &self.added),
            some("changed", &self.changed),
            some("removed", &self.removed),
            some("left out, its time had passed:", &self.too_late),
            (as_before > 0).then(|| format!("{as_before} as before")),
            self.hooks.then(|| "changed hooks".to_owned()),
            some("at the next start:", &self.at_next_start),
        ]
        .into_iter()
        .flatten()
        .collect();
        let parts = if parts.is_empty() { "no jobs".to_owned() } else { parts.join("; ") };
        format!("{}: {parts}", self.source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_jobs_the_first_are_named() {
        let named = |count: usize| {
            let added = (1..=count).map(|number| format!("j{number}")).collect();
            Changes { source: "jobs.toml".into(), added, untouched: 3, ..Changes::default() }.describe()
        };
        assert_eq!(named(2), "jobs.toml: added j1, j2; 3 as before");
        assert!(named(20).ends_with("j19, j20; 3 as before"));
        assert!(named(25).ends_with("j19, j20 and 5 more; 3 as before"));
    }
}
