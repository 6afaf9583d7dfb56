//! The configuration file: TOML or JSON, read strictly, every fault with its place.

mod chain;
mod crontab;
mod hook;
mod job;
mod json;
mod key;
mod keys;
mod refuse;
mod scheduler;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::TimeDelta;
use matins_config::{ExecutorConfig, HumanDuration, JobSpec, LedgerConfig, SchedulerConfig};
use matins_triggers::Zone;
use serde::Deserialize;
use serde_json::{Map, Value};
use toml::Spanned;
use toml::de::DeTable;

use crate::defaults::{Defaults, GroupLimits};
use crate::definition::Definition;
use crate::diagnostic::Diagnostic;

pub use crontab::NamedCrontab;
pub use hook::Hook;
use job::{Places, Written};

/// What a configuration says: what a scheduler is made of, the jobs that it defines, and what the command `matins` does beside them.
#[derive(Debug)]
#[non_exhaustive]
pub struct Configuration {
    /// Stores, executors, defaults of jobs, zone and ledger: what an application reads as a [`SchedulerConfig`].
    pub scheduler: SchedulerConfig,
    /// How long to wait for another process that owns the store.
    pub wait_for_owner: Option<Duration>,
    /// The limits of concurrency groups.
    pub groups: GroupLimits,
    /// What is run when runs have ended, in the order of the file.
    pub hooks: Vec<Hook>,
    /// Whose lines are jobs too, in the order of the file.
    pub crontabs: Vec<NamedCrontab>,
    /// In the order of their names.
    pub jobs: Vec<Definition>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    store: Option<Spanned<toml::Value>>,
    #[serde(default)]
    stores: BTreeMap<Spanned<String>, Spanned<toml::Value>>,
    wait_for_owner: Option<Spanned<String>>,
    timezone: Option<Spanned<String>>,
    job_defaults: Option<Spanned<JobSpec>>,
    #[serde(default)]
    groups: BTreeMap<Spanned<String>, Spanned<i64>>,
    #[serde(default)]
    ledger: LedgerConfig,
    #[serde(default)]
    hook: Vec<Spanned<hook::HookKeys>>,
    #[serde(default)]
    crontab: Vec<Spanned<crontab::CrontabKeys>>,
    #[serde(default)]
    executors: BTreeMap<Spanned<String>, ExecutorConfig>,
    #[serde(default)]
    jobs: BTreeMap<Spanned<String>, JobSpec>,
}

/// What was said about it is among the faults.
#[derive(Debug)]
pub(crate) struct Faulty;

/// Some 10,000 years.
const LONGEST: TimeDelta = TimeDelta::days(3_652_500);

impl Configuration {
    /// Reads TOML. `zone` is that of jobs which name none, if the file names none either.
    ///
    /// ```
    /// use matins_definitions::Configuration;
    /// use matins_triggers::Zone;
    ///
    /// let text = "[jobs.backup]\ncron = \"30 2 * * *\"\nshell = \"pg_dump shop > shop.sql\"\n";
    /// let configuration = Configuration::parse(text, Zone::utc()).unwrap();
    /// assert_eq!(configuration.jobs[0].id, "backup");
    ///
    /// let faults = Configuration::parse("[jobs.backup]\ncorn = \"30 2 * * *\"\n", Zone::utc()).unwrap_err();
    /// assert!(faults[0].to_string().starts_with("2:1: unknown key `corn`"), "{}", faults[0]);
    /// ```
    ///
    /// # Errors
    /// All faults, in the order of their places.
    pub fn parse(text: &str, zone: Zone) -> Result<Self, Vec<Diagnostic>> {
        let root = DeTable::parse(text).map_err(|error| vec![fault_of(text, &error)])?;
        read(text, root.into_inner(), &[], zone)
    }

    /// Reads JSON, which has the same keys. `null` is a key that is not there.
    ///
    /// ```
    /// use matins_definitions::Configuration;
    /// use matins_triggers::Zone;
    ///
    /// let text = r#"{"jobs": {"backup": {"cron": "30 2 * * *", "shell": "pg_dump shop > shop.sql"}}}"#;
    /// let configuration = Configuration::parse_json(text, Zone::utc()).unwrap();
    /// assert_eq!(configuration.jobs[0].id, "backup");
    ///
    /// let faults = Configuration::parse_json(&text.replace("cron", "corn"), Zone::utc()).unwrap_err();
    /// assert!(faults[0].to_string().starts_with("1:22: unknown key `corn`"), "{}", faults[0]);
    /// ```
    ///
    /// # Errors
    /// All faults, in the order of their places.
    pub fn parse_json(text: &str, zone: Zone) -> Result<Self, Vec<Diagnostic>> {
        let (root, nulls) = json::table(text).map_err(|fault| vec![fault])?;
        read(text, root, &nulls, zone)
    }

    /// Returns what jobs get that say nothing else; `zone` is their zone if the file names none.
    ///
    /// ```
    /// use matins_definitions::Configuration;
    /// use matins_triggers::Zone;
    ///
    /// let text = "[job_defaults]\npriority = 7\n";
    /// let configuration = Configuration::parse(text, Zone::utc()).unwrap();
    /// assert_eq!(configuration.defaults(Zone::utc()).policy.priority, 7);
    /// ```
    pub fn defaults(&self, zone: Zone) -> Defaults {
        Defaults {
            zone: self.scheduler.timezone.unwrap_or(zone),
            policy: self.scheduler.job_defaults.policy(),
            groups: self.groups.clone(),
        }
    }
}

fn fault_of(text: &str, error: &toml::de::Error) -> Diagnostic {
    Diagnostic::at(text, error.span().map_or(0, |span| span.start), error.message())
}

fn read(
    text: &str,
    mut root: DeTable<'_>,
    nulls: &[json::Null],
    zone: Zone,
) -> Result<Configuration, Vec<Diagnostic>> {
    let refuse::Refused { faults, incomplete } = refuse::refuse(&mut root, nulls, text);
    let places = refuse::places_of_jobs(&root);
    let default_places = refuse::places_of(&root, "job_defaults");
    let mut reader = Reader { text, faults, incomplete, defaults: Defaults::new(zone) };
    let root = toml::de::Deserializer::from(Spanned::new(0..text.len(), root));
    let file = match File::deserialize(root) {
        Ok(file) => file,
        Err(error) => {
            reader.faults.push(fault_of(text, &error));
            return Err(reader.faults);
        }
    };
    let timezone = file.timezone.as_ref().and_then(|name| reader.zone(name.get_ref(), name.span().start));
    reader.defaults.zone = timezone.unwrap_or(zone);
    reader.defaults.groups = reader.group_limits(&file.groups);
    let scheduler = reader.scheduler(&file, timezone, &default_places);
    let wait_for_owner = reader.optional_spanned(file.wait_for_owner.as_ref()).unwrap_or_default();
    let hooks = file.hook.iter().filter_map(|hook| reader.hook(hook)).collect();
    let crontabs = reader.crontabs(&file.crontab);
    let nowhere = Places::new();
    let (mut jobs, mut followed, mut groups) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
    for (id, spec) in &file.jobs {
        let start = id.span().start;
        let places = places.get(id.get_ref()).unwrap_or(&nowhere);
        let job = Written { spec, start, places, is_incomplete: reader.incomplete.contains(&start) };
        let read = reader.job(id.get_ref(), job);
        reader.refuse_unknown_places(job, &scheduler);
        if let Some(definition) = read {
            reader.refuse_a_group_in_two_stores(&definition, job, &mut groups);
            jobs.push(definition);
        }
        followed.extend(job.followed().map(|followed| (id.get_ref().clone(), followed)));
    }
    reader.refuse_cycles(&followed);
    reader.refuse_chains_between_stores(&jobs, &followed);
    if !reader.faults.is_empty() {
        reader.faults.sort_by_key(|fault| (fault.line, fault.column));
        return Err(reader.faults);
    }
    Ok(Configuration { scheduler, wait_for_owner, groups: reader.defaults.groups, hooks, crontabs, jobs })
}

/// Reads a part of a job from keys and values. What is said of several faults is one text: there are no lines to name.
pub(crate) fn read_keys<T>(
    keys: &Map<String, Value>,
    defaults: &Defaults,
    read: impl FnOnce(&mut Reader<'_>, Written<'_>) -> Option<T>,
) -> Result<T, String> {
    check_keys(keys)?;
    let spec = JobSpec::deserialize(Value::Object(keys.clone())).map_err(|error| error.to_string())?;
    let mut reader =
        Reader { text: "", faults: Vec::new(), incomplete: BTreeSet::new(), defaults: defaults.clone() };
    let job = Written { spec: &spec, start: 0, places: &Places::new(), is_incomplete: false };
    let part = read(&mut reader, job);
    let messages = reader.faults.into_iter().map(|fault| fault.message).collect::<Vec<_>>();
    part.filter(|_| messages.is_empty()).ok_or_else(|| messages.join("; "))
}

/// Reads what is named of a job, to be changed.
pub(crate) fn read_changes(keys: &Map<String, Value>, defaults: &Defaults) -> Result<job::NamedKeys, String> {
    #[expect(clippy::redundant_closure_for_method_calls, reason = "the method is one of a single lifetime")]
    read_keys(keys, defaults, |reader, written| reader.changes(written))
}

/// Refuses keys that no job has, and values of another kind.
pub(crate) fn check_keys(keys: &Map<String, Value>) -> Result<(), String> {
    key::check(keys, keys::JOB)?;
    match keys.get("retry") {
        Some(Value::Object(retry)) => key::check(retry, keys::RETRY),
        _ => Ok(()),
    }
}

/// Whether one of the keys says when.
pub(crate) fn has_trigger(keys: &Map<String, Value>) -> bool {
    keys::WHEN.iter().any(|key| keys.contains_key(*key))
}

pub(crate) struct Reader<'a> {
    text: &'a str,
    faults: Vec<Diagnostic>,
    /// Where the tables begin of which a key was refused: it is no news that one is missing there.
    incomplete: BTreeSet<usize>,
    defaults: Defaults,
}

impl Reader<'_> {
    pub(super) fn fault<T>(&mut self, offset: usize, message: impl std::fmt::Display) -> Option<T> {
        self.faults.push(Diagnostic::at(self.text, offset, message));
        None
    }

    pub(super) fn zone(&mut self, name: &str, place: usize) -> Option<Zone> {
        Zone::named(name).map_err(|error| self.fault::<()>(place, error)).ok()
    }

    /// No longer than [`LONGEST`], so that no instant near ours plus one of them is beyond what can be held.
    pub(super) fn duration(&mut self, text: &str, place: usize) -> Option<TimeDelta> {
        let duration = match text.parse::<HumanDuration>() {
            Ok(duration) => duration.0,
            Err(error) => return self.fault(place, error),
        };
        match TimeDelta::from_std(duration) {
            Ok(duration) if duration <= LONGEST => Some(duration),
            _ => self.fault(place, format!("{text:?} is longer than 10,000 years; write less")),
        }
    }

    pub(super) fn optional_duration(
        &mut self,
        text: Option<&str>,
        place: usize,
    ) -> Result<Option<Duration>, Faulty> {
        let Some(text) = text else { return Ok(None) };
        self.duration(text, place).and_then(|duration| duration.to_std().ok()).map(Some).ok_or(Faulty)
    }

    pub(super) fn optional_spanned(
        &mut self,
        text: Option<&Spanned<String>>,
    ) -> Result<Option<Duration>, Faulty> {
        let place = text.map_or(0, |text| text.span().start);
        self.optional_duration(text.map(|text| text.get_ref().as_str()), place)
    }
}

#[cfg(test)]
mod any_text;
#[cfg(test)]
mod scheduler_tests;
#[cfg(test)]
mod tests;
