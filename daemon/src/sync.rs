//! Brings the store in line with the files: what is new is added, what changed is updated, what is gone is removed, and
//! what did not change keeps its next fire time.

use std::collections::{BTreeMap, HashMap, HashSet};

use chrono::{DateTime, Utc};
use matins::definitions::crontab::{self, Existing};
use matins::definitions::{Definition, When};
use matins::prelude::*;
use matins::{Handle, Job, JobId, NewJob, StoreName};
use serde::{Deserialize, Serialize};

use crate::history::{History, HistoryEvent};
use crate::source_file;
use crate::sources::DefinedFile;
use crate::stored::{Stored, StoredDefinition, StoredJob};

/// What is to be done for a file, or was done, by job id.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changes {
    /// The file.
    pub source: String,
    /// The jobs that were not there before.
    pub added: Vec<String>,
    /// Those whose definition has changed.
    pub changed: Vec<String>,
    /// Those that are not in the file any more.
    pub removed: Vec<String>,
    /// Once more, after a boot of the machine.
    started: Vec<String>,
    /// How many are as they were.
    pub untouched: usize,
    /// Defined, but their time had passed before they were first met.
    pub too_late: Vec<String>,
    /// Whether there are other hooks now.
    #[serde(default)]
    pub hooks: bool,
    /// Keys that have changed and take effect at the next start.
    #[serde(default)]
    pub at_next_start: Vec<String>,
}

/// What the plans for all files of a start or a reload have in common.
pub(crate) struct Situation<'a> {
    pub(crate) scheduler: &'a Handle,
    /// The ids that the files give to their jobs, and those that were planned for others.
    pub(crate) named: HashSet<String>,
    /// The jobs in the store that come from files.
    pub(crate) stored: Stored,
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
    /// The configuration that names it, as jobs name that.
    named_by: Option<String>,
    /// Which of the files it is.
    file: usize,
}

struct Step {
    definition: Definition,
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
pub(crate) const DEFINITION: &str = "definition";
/// The key that holds the boot in which `@reboot` fired last.
pub(crate) const BOOT: &str = "boot";

impl Situation<'_> {
    /// Whether the store has a job of this id, wherever it comes from.
    fn is_taken(&self, id: &str) -> bool {
        // One that cannot be read is replaced.
        self.scheduler.get(id).is_ok_and(|job| job.is_some())
    }
}

/// Plans what is to be done for the definitions of a file, the one at `place` among all; jobs from elsewhere are left alone.
///
/// # Errors
/// If a job from elsewhere has the same id.
pub(crate) fn plan(situation: &mut Situation<'_>, place: usize, file: DefinedFile) -> Result<Plan, String> {
    let own = &situation.stored.of_files[place];
    refuse_foreign(situation, &file, own)?;
    let DefinedFile { path, named_by, jobs: mut definitions, .. } = file;
    let known: Vec<Existing<'_>> =
        own.iter().filter_map(|(id, job)| Some(Existing { id, keys: job.definition?.keys })).collect();
    crontab::assign_ids(&mut definitions, &known, |id| {
        situation.named.contains(id) || own.contains_key(id) || situation.is_taken(id)
    });
    drop(known);

    let mut changes = Changes { source: path.display().to_string(), ..Changes::default() };
    let mut steps = Vec::new();
    let defined: HashSet<String> = definitions.iter().map(|definition| definition.id.clone()).collect();
    let is_start = situation.is_start;
    for definition in definitions {
        let id = definition.id.clone();
        let old = own.get(id.as_str());
        let before = old.and_then(|old| old.definition);
        let unchanged = before
            .is_some_and(|before| before.keys.whole == crontab::hash(&definition.fingerprint().to_string()));
        let what = match (&definition.when, old) {
            (When::Start, Some(old)) if is_start && !has_fired(old, situation.boot) => {
                changes.started.push(id);
                What::Fire
            }
            (_, Some(old)) if unchanged => {
                changes.untouched += 1;
                if old.is_named_so {
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
        steps.push(Step { definition, what });
    }
    for Step { definition, .. } in &steps {
        if let Some(old) = own.get(&definition.id).filter(|old| old.store != definition.store) {
            refuse_to_move(situation, definition, &old.store)?;
        }
    }
    follow_last(&mut steps);
    // By id, as they are kept.
    changes.removed = own.keys().filter(|id| !defined.contains(*id)).cloned().collect();
    situation.named.extend(defined);
    let named_by = named_by.as_deref().map(source_file::name);
    Ok(Plan { changes, steps, source: source_file::name(&path), named_by, file: place })
}

/// Refuses a move while a run has not ended, and one that leaves a job behind that follows it: both are in one store.
fn refuse_to_move(
    situation: &Situation<'_>,
    definition: &Definition,
    from: &StoreName,
) -> Result<(), String> {
    let (id, to, scheduler) = (&definition.id, &definition.store, situation.scheduler);
    let failed = |error: SchedulerError| matins::error_chain(&error);
    let job = JobId::new(id).map_err(|error| error.to_string())?;
    let unfinished = RunQuery::of_job(&job).unfinished().limit(1);
    if !situation.is_start
        && let Some(run) = scheduler.runs_in(from, &unfinished).map_err(failed)?.first()
    {
        return Err(format!(
            "the job {id:?} is to move from the store {from:?} to {to:?}, and its run {} has not ended; reload when it has",
            run.id
        ));
    }
    let followers = scheduler.list_in(from, &JobQuery::default().follows()).map_err(failed)?;
    let follows = |other: &&Job| other.trigger.after().is_some_and(|after| after.job == job);
    let stays = |other: &&Job| !situation.named.contains(other.id.as_str());
    match followers.iter().filter(follows).find(stays) {
        None => Ok(()),
        Some(other) => Err(format!(
            "the job {id:?} is to move from the store {from:?} to {to:?}, and {:?}, which runs after it, stays; a job \
             follows one in the same store: remove that one, or leave {id:?} where it is",
            other.id
        )),
    }
}

/// Puts each job after the one that it follows. So a chain that was turned round is never a cycle on the way.
fn follow_last(steps: &mut [Step]) {
    let followed: HashMap<String, String> = steps
        .iter()
        .filter_map(|Step { definition, .. }| {
            Some((definition.id.clone(), definition.after()?.job.to_string()))
        })
        .collect();
    if followed.is_empty() {
        return;
    }
    // Cycles were refused when the file was read.
    let links = |id: &str| {
        let chain = std::iter::successors(followed.get(id), |job| followed.get(*job));
        chain.take(followed.len()).count()
    };
    steps.sort_by_cached_key(|step| links(&step.definition.id));
}

/// The id of a definition, where its file gives one.
pub(crate) fn named(definition: &Definition) -> Option<&str> {
    definition.proposed_id.is_none().then_some(definition.id.as_str())
}

/// Whether `@reboot` has fired after this boot; unknown boots have none.
fn has_fired(job: &StoredJob, boot: Option<&str>) -> bool {
    boot.is_some() && job.boot.as_deref() == boot
}

/// Refuses what would run a job beside itself: an id, or a line of a crontab, that the store has from elsewhere.
fn refuse_foreign(
    situation: &Situation<'_>,
    file: &DefinedFile,
    own: &BTreeMap<String, StoredJob>,
) -> Result<(), String> {
    let shown = file.path.display();
    for id in file.jobs.iter().filter_map(named).filter(|id| !own.contains_key(*id)) {
        let Ok(Some(foreign)) = situation.scheduler.get(id) else { continue };
        let cure = match source_file::of(&foreign) {
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
    let foreign_lines = &situation.stored.foreign_lines;
    if foreign_lines.is_empty() {
        return Ok(());
    }
    for line in file.jobs.iter().filter(|definition| named(definition).is_none()) {
        let Some(other) = foreign_lines.get(&crontab::Keys::of("", &line.fingerprint()).line) else {
            continue;
        };
        return Err(format!(
            "{shown} has a line for {:?} that the store has from {other} already, and would run twice. If that file has \
             moved here, start once with --adopt {other}; else remove its jobs with `matins remove`, or use another store",
            line.id
        ));
    }
    Ok(())
}

/// How many jobs are put into the store together.
const TOGETHER: usize = 1_000;

/// Does what was planned.
pub(crate) fn apply(history: &History, plan: Plan, situation: &Situation<'_>) -> Result<Changes, String> {
    let Plan { changes, steps, source, named_by, file } = plan;
    let scheduler = situation.scheduler;
    let note = |what| history.note(situation.now, what, &changes.source);
    let mut steps = steps.into_iter();
    loop {
        let some: Vec<Step> = steps.by_ref().take(TOGETHER).collect();
        if some.is_empty() {
            break;
        }
        let mut jobs = Vec::with_capacity(some.len());
        for step in &some {
            let old = situation.stored.of_files[file].get(&step.definition.id);
            let (job, resumes) = job_of(&source, step, old, situation)?;
            let store = &step.definition.store;
            if old.is_some_and(|old| old.store != *store) {
                let moved = scheduler.move_to(&step.definition.id, store);
                moved.map_err(|error| matins::error_chain(&error))?;
            }
            jobs.push(match &named_by {
                Some(configuration) => job.metadata(source_file::NAMED_BY, configuration.as_str()),
                None => job,
            });
            if resumes {
                scheduler.add_many(jobs.drain(..)).map_err(|error| matins::error_chain(&error))?;
                scheduler.resume(&step.definition.id).map_err(|error| matins::error_chain(&error))?;
            }
        }
        scheduler.add_many(jobs).map_err(|error| matins::error_chain(&error))?;
        for Step { definition, what } in some {
            let id = definition.id;
            match what {
                What::Add => note(HistoryEvent::Added { job: id.clone() }),
                What::Update => note(HistoryEvent::Edited { job: id.clone() }),
                What::Fire | What::Rename => {}
            }
            if definition.paused && what != What::Rename {
                note(HistoryEvent::Paused { job: id });
            }
        }
    }
    for job in scheduler.remove_many(&changes.removed).map_err(|error| matins::error_chain(&error))? {
        note(HistoryEvent::Removed { job: job.id.to_string() });
    }
    Ok(changes)
}

/// Makes the job of a definition, to be added or updated, and says whether it is to be resumed then.
fn job_of(
    source: &str,
    step: &Step,
    old: Option<&StoredJob>,
    situation: &Situation<'_>,
) -> Result<(NewJob, bool), String> {
    let Step { definition, what } = step;
    let before = old.and_then(|old| old.definition);
    let same_times = before.is_some_and(|before| {
        before.times == StoredDefinition::of(&definition.id, &definition.fingerprint()).times
    });
    let kept = if same_times && *what != What::Fire {
        let job = situation.scheduler.get(&definition.id).map_err(|error| matins::error_chain(&error))?;
        job.map(|job| job.trigger)
    } else {
        None
    };
    let mut job = definition.job(source, situation.now, kept)?;
    let mut resumes = before.is_some_and(|before| before.is_paused) && !definition.is_paused();
    if matches!(definition.when, When::Start) {
        let last = old.and_then(|old| old.boot.clone()).filter(|_| *what != What::Fire);
        if let Some(boot) = last.or_else(|| situation.boot.map(str::to_owned)) {
            job = job.metadata(BOOT, boot);
        }
        // Read again by a daemon that is up, `@reboot` is added without firing: nothing was booted.
        if *what == What::Add && !situation.is_start {
            job = job.paused();
            resumes = true;
        }
    }
    Ok((job, resumes))
}

/// How many ids are named of those to which the same happened.
const FIRST_IDS: usize = 20;

impl Changes {
    /// A line for people.
    pub fn describe(&self) -> String {
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
