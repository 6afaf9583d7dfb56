//! Brings the store in line with the files: what is new is added, what changed is updated, what is gone is removed, and
//! what did not change keeps its next fire time.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::error::Error;
use std::path::Path;

use chrono::{DateTime, Utc};
use matins::prelude::*;
use matins::{Job, Value};
use serde::{Deserialize, Serialize};

use crate::crontab::{self, Existing};
use crate::definition::{Definition, When};
use crate::history::{Happening, History};
use crate::source_file;
use crate::sources::DefinedFile;

/// What is to be done for a file, or was done, by job id.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Changes {
    /// The file.
    pub(crate) source: String,
    pub(crate) added: Vec<String>,
    pub(crate) changed: Vec<String>,
    pub(crate) removed: Vec<String>,
    /// Once more, after a boot of the machine.
    started: Vec<String>,
    pub(crate) untouched: usize,
    /// Defined, but their time had passed before they were first met.
    pub(crate) too_late: Vec<String>,
    /// Whether there are other hooks now.
    #[serde(default)]
    pub(crate) hooks: bool,
    /// Keys that have changed and take effect at the next start.
    #[serde(default)]
    pub(crate) at_next_start: Vec<String>,
}

/// What the plans for all files of a start or a reload have in common.
pub(crate) struct Situation<'a> {
    /// All jobs of the store, by id.
    pub(crate) existing: &'a BTreeMap<String, Job>,
    /// The files that are read.
    pub(crate) files: &'a [DefinedFile],
    /// A file whose jobs are taken over by the last of the files.
    pub(crate) adopted: Option<&'a Path>,
    /// At a start, and not when the files are read again, `@reboot` fires after a boot.
    pub(crate) is_start: bool,
    /// Which boot of the machine this is, where that is known.
    pub(crate) boot: Option<&'a str>,
    pub(crate) now: DateTime<Utc>,
}

/// What is to be done for a file.
pub(crate) struct Plan {
    pub(crate) changes: Changes,
    steps: Vec<Step>,
    /// The file, as jobs name it.
    source: String,
}

struct Step {
    definition: Definition,
    /// The job as it is in the store.
    old: Option<Job>,
    what: What,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Add,
    Update,
    /// Fire `@reboot`.
    Fire,
    /// Name the file as it is named now.
    Rename,
}

/// The key of a job's metadata that holds the definition as it was read.
const DEFINITION: &str = "definition";
/// The key that holds the boot in which `@reboot` fired last.
const BOOT: &str = "boot";

impl Situation<'_> {
    /// Whether a job comes from this file.
    fn is_of(&self, job: &Job, path: &Path) -> bool {
        let is_last = self.files.last().is_some_and(|last| last.path == path);
        let adopted = self.adopted.filter(|_| is_last);
        source_file::of(job).is_some_and(|name| {
            source_file::is(name, path) || adopted.is_some_and(|adopted| source_file::is(name, adopted))
        })
    }

    /// How many jobs of the store come from files that are not read, by file.
    pub(crate) fn jobs_of_other_files(&self) -> BTreeMap<&str, usize> {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for job in self.existing.values() {
            if let Some(name) = source_file::of(job)
                && !self.files.iter().any(|file| self.is_of(job, &file.path))
            {
                *counts.entry(name).or_default() += 1;
            }
        }
        counts
    }
}

/// Plans what is to be done for the definitions of a file; jobs from elsewhere are left alone.
///
/// # Errors
/// When a job from elsewhere stands in the way.
pub(crate) fn plan(situation: &Situation<'_>, file: &DefinedFile) -> Result<Plan, String> {
    let own: HashMap<&str, &Job> = situation
        .existing
        .iter()
        .filter(|(_, job)| situation.is_of(job, &file.path))
        .map(|(id, job)| (id.as_str(), job))
        .collect();
    refuse_foreign(situation, file, &own)?;
    let mut definitions = file.jobs.clone();
    let named: HashSet<&str> = situation.files.iter().flat_map(|file| &file.jobs).filter_map(named).collect();
    let known: Vec<Existing<'_>> = own
        .iter()
        .filter_map(|(id, job)| Some(Existing { id, definition: job.metadata.get(DEFINITION)? }))
        .collect();
    crontab::assign_ids(&mut definitions, &known, |id| {
        named.contains(id) || situation.existing.contains_key(id)
    });

    let source = source_file::name(&file.path);
    let mut changes = Changes { source: file.path.display().to_string(), ..Changes::default() };
    let mut steps = Vec::new();
    let defined: HashSet<String> = definitions.iter().map(|definition| definition.id.clone()).collect();
    for definition in definitions {
        let id = definition.id.clone();
        let old = own.get(id.as_str()).copied();
        let unchanged =
            old.is_some_and(|job| job.metadata.get(DEFINITION) == Some(&definition.fingerprint()));
        let what = match (&definition.when, old) {
            (When::Start, Some(old)) if situation.is_start && !has_fired(old, situation.boot) => {
                changes.started.push(id);
                What::Fire
            }
            (_, Some(old)) if unchanged => {
                changes.untouched += 1;
                if source_file::of(old) == Some(&source) {
                    continue;
                }
                What::Rename
            }
            (When::At(date), _) if date.instant() <= situation.now => {
                changes.too_late.push(id);
                continue;
            }
            (_, None) => {
                changes.added.push(id);
                What::Add
            }
            (_, Some(_)) => {
                changes.changed.push(id);
                What::Update
            }
        };
        steps.push(Step { definition, old: old.cloned(), what });
    }
    let mut removed: Vec<String> =
        own.keys().filter(|id| !defined.contains(**id)).map(|id| (*id).to_owned()).collect();
    removed.sort_unstable();
    changes.removed = removed;
    Ok(Plan { changes, steps, source })
}

/// The id of a definition, where its file gives one.
fn named(definition: &Definition) -> Option<&str> {
    definition.proposed_id.is_none().then_some(definition.id.as_str())
}

/// Whether `@reboot` has fired after this boot; unknown boots have none.
fn has_fired(job: &Job, boot: Option<&str>) -> bool {
    boot.is_some() && job.metadata.get(BOOT).and_then(Value::as_str) == boot
}

/// Refuses what would run a job beside itself: an id, or a line of a crontab, that the store has from elsewhere.
fn refuse_foreign(
    situation: &Situation<'_>,
    file: &DefinedFile,
    own: &HashMap<&str, &Job>,
) -> Result<(), String> {
    let shown = file.path.display();
    for id in file.jobs.iter().filter_map(named).filter(|id| !own.contains_key(id)) {
        let Some(foreign) = situation.existing.get(id) else { continue };
        let cure = match source_file::of(foreign) {
            Some(other) => format!(
                "from {other}. If that file has moved here, start once with --adopt {other}; else rename one of them, or \
                 remove the other with `matins remove {id}`"
            ),
            None => format!(
                "from elsewhere; rename it in the file, or take the other away with `matins remove {id}`"
            ),
        };
        return Err(format!("{shown} defines a job {id:?}, and the store has one of that name {cure}"));
    }
    let is_read = |job: &Job| situation.files.iter().any(|file| situation.is_of(job, &file.path));
    let foreign_lines: HashMap<String, &str> = situation
        .existing
        .values()
        .filter(|job| !is_read(job))
        .filter_map(|job| Some((crontab::line_of(job.metadata.get(DEFINITION)?), source_file::of(job)?)))
        .collect();
    if foreign_lines.is_empty() {
        return Ok(());
    }
    let same = |definition: &&Definition| {
        named(definition).is_none()
            && foreign_lines.contains_key(&crontab::line_of(&definition.fingerprint()))
    };
    let Some(line) = file.jobs.iter().find(same) else { return Ok(()) };
    let other = foreign_lines.get(&crontab::line_of(&line.fingerprint())).copied().unwrap_or_default();
    Err(format!(
        "{shown} has a line for {:?} that the store has from {other} already, and would run twice. If that file has moved \
         here, start once with --adopt {other}; else remove its jobs with `matins remove`, or use another store",
        line.id
    ))
}

/// Does what was planned.
pub(crate) fn apply(
    scheduler: &Handle,
    history: &History,
    plan: Plan,
    situation: &Situation<'_>,
) -> Result<Changes, String> {
    let Plan { changes, steps, source } = plan;
    let note = |what| history.note(situation.now, what, &changes.source);
    for step in steps {
        take_step(scheduler, &source, &step, situation).map_err(|error| error.to_string())?;
        let Step { definition, what, .. } = step;
        let id = definition.id.clone();
        match what {
            What::Add => note(Happening::Added { job: id.clone() }),
            What::Update => note(Happening::Edited { job: id.clone() }),
            What::Fire | What::Rename => {}
        }
        if definition.paused && what != What::Rename {
            note(Happening::Paused { job: id });
        }
    }
    for id in &changes.removed {
        scheduler.remove(id).map_err(|error| error.to_string())?;
        note(Happening::Removed { job: id.clone() });
    }
    Ok(changes)
}

/// Adds or updates the job of a definition.
fn take_step(
    scheduler: &Handle,
    source: &str,
    step: &Step,
    situation: &Situation<'_>,
) -> Result<(), Box<dyn Error>> {
    let Step { definition, old, what } = step;
    let before = old.as_ref().and_then(|old| old.metadata.get(DEFINITION));
    let fingerprint = definition.fingerprint();
    let same_times = before.is_some_and(|before| {
        before["when"] == fingerprint["when"] && before["jitter"] == fingerprint["jitter"]
    });
    let kept = old.as_ref().filter(|_| same_times && *what != What::Fire).map(|old| old.trigger.clone());
    let mut job = definition.job(source, situation.now, kept)?;
    let mut resumes = before.is_some_and(|before| before["paused"] == true) && !definition.is_paused();
    if matches!(definition.when, When::Start) {
        let last = old.as_ref().and_then(|old| old.metadata.get(BOOT)).filter(|_| *what != What::Fire);
        if let Some(boot) = last.cloned().or_else(|| situation.boot.map(Value::from)) {
            job = job.metadata(BOOT, boot);
        }
        // Read again by a daemon that is up, `@reboot` is added without firing: nothing was booted.
        if *what == What::Add && !situation.is_start {
            job = job.paused();
            resumes = true;
        }
    }
    scheduler.add(job)?;
    if resumes {
        scheduler.resume(&definition.id)?;
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
