//! The configuration file: TOML, read strictly, every fault with its place.

mod chain;
mod hook;
mod job;
mod keys;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::TimeDelta;
use matins_config::{ExecutorConfig, HumanDuration, JobSpec, LedgerConfig, StoreConfig};
use matins_core::ExecutorName;
use matins_scheduler::Retention;
use matins_triggers::Zone;
use serde::Deserialize;
use serde_json::{Map, Value};
use toml::Spanned;
use toml::de::DeTable;

use crate::definition::Definition;
use crate::diagnostic::Diagnostic;

pub use hook::Hook;
use job::{Places, Written};

/// What a configuration of the command `matins` says: stores, executors, hooks, and the jobs that it defines.
#[derive(Debug)]
#[non_exhaustive]
pub struct Configuration {
    /// Where jobs are kept.
    pub store: Option<StoreConfig>,
    /// How long to wait for another process that owns the store.
    pub wait_for_owner: Option<Duration>,
    /// The zone of jobs that name none.
    pub zone: Option<Zone>,
    /// How much of the ledger is kept.
    pub retention: Retention,
    /// What is run when runs have ended, in the order of the file.
    pub hooks: Vec<Hook>,
    /// What runs commands, by the names that jobs use.
    pub executors: BTreeMap<ExecutorName, ExecutorConfig>,
    /// In the order of their names.
    pub jobs: Vec<Definition>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    store: Option<Spanned<String>>,
    wait_for_owner: Option<Spanned<String>>,
    timezone: Option<Spanned<String>>,
    #[serde(default)]
    ledger: LedgerConfig,
    #[serde(default)]
    hook: Vec<Spanned<hook::HookKeys>>,
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
        parse(text, zone)
    }
}

fn parse(text: &str, zone: Zone) -> Result<Configuration, Vec<Diagnostic>> {
    let at = |error: &toml::de::Error| {
        let offset = error.span().map_or(0, |span| span.start);
        Diagnostic::at(text, offset, error.message())
    };
    let mut root = DeTable::parse(text).map_err(|error| vec![at(&error)])?;
    let keys::Refused { faults, incomplete } = keys::refuse(root.get_mut(), text);
    let places = keys::places(root.get_ref());
    let mut reader = Reader { text, faults, incomplete };
    let file = match File::deserialize(toml::de::Deserializer::from(root)) {
        Ok(file) => file,
        Err(error) => {
            reader.faults.push(at(&error));
            return Err(reader.faults);
        }
    };
    let own_zone = file.timezone.as_ref().and_then(|name| reader.zone(name.get_ref(), name.span().start));
    let zone = own_zone.unwrap_or(zone);
    let store = file.store.as_ref().and_then(|url| reader.store(url));
    let wait_for_owner = reader.optional_spanned(file.wait_for_owner.as_ref()).unwrap_or_default();
    let hooks = file.hook.iter().filter_map(|hook| reader.hook(hook)).collect();
    let executors = reader.executors(file.executors);
    let nowhere = Places::new();
    let (mut jobs, mut followed) = (Vec::new(), BTreeMap::new());
    for (id, spec) in &file.jobs {
        let start = id.span().start;
        let places = places.get(id.get_ref()).unwrap_or(&nowhere);
        let job = Written { spec, start, places, is_incomplete: reader.incomplete.contains(&start) };
        jobs.extend(reader.job(id.get_ref(), job, zone));
        reader.refuse_unknown_executor(job, &executors);
        followed.extend(job.followed().map(|followed| (id.get_ref().clone(), followed)));
    }
    reader.refuse_cycles(&followed);
    if !reader.faults.is_empty() {
        reader.faults.sort_by_key(|fault| (fault.line, fault.column));
        return Err(reader.faults);
    }
    Ok(Configuration {
        store,
        wait_for_owner,
        zone: own_zone,
        retention: file.ledger.retention(),
        hooks,
        executors,
        jobs,
    })
}

/// Reads a part of a job from keys and values. What is said of several faults is one text: there are no lines to name.
pub(crate) fn read_keys<T>(
    keys: &Map<String, Value>,
    read: impl FnOnce(&mut Reader<'_>, Written<'_>) -> Option<T>,
) -> Result<T, String> {
    check_keys(keys)?;
    let spec = JobSpec::deserialize(Value::Object(keys.clone())).map_err(|error| error.to_string())?;
    let mut reader = Reader { text: "", faults: Vec::new(), incomplete: BTreeSet::new() };
    let job = Written { spec: &spec, start: 0, places: &Places::new(), is_incomplete: false };
    let part = read(&mut reader, job);
    let messages = reader.faults.into_iter().map(|fault| fault.message).collect::<Vec<_>>();
    part.filter(|_| messages.is_empty()).ok_or_else(|| messages.join("; "))
}

/// Refuses keys that no job has, and values of another kind.
pub(crate) fn check_keys(keys: &Map<String, Value>) -> Result<(), String> {
    keys::check(keys, keys::JOB)?;
    match keys.get("retry") {
        Some(Value::Object(retry)) => keys::check(retry, keys::RETRY),
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
}

impl Reader<'_> {
    pub(super) fn fault<T>(&mut self, offset: usize, message: impl std::fmt::Display) -> Option<T> {
        self.faults.push(Diagnostic::at(self.text, offset, message));
        None
    }

    fn executors(
        &mut self,
        executors: BTreeMap<Spanned<String>, ExecutorConfig>,
    ) -> BTreeMap<ExecutorName, ExecutorConfig> {
        let mut named = BTreeMap::new();
        for (name, executor) in executors {
            match ExecutorName::new(name.get_ref()) {
                Ok(name) => drop(named.insert(name, executor)),
                Err(error) => drop(self.fault::<()>(name.span().start, error)),
            }
        }
        named
    }

    fn refuse_unknown_executor(
        &mut self,
        job: Written<'_>,
        executors: &BTreeMap<ExecutorName, ExecutorConfig>,
    ) {
        let Some((name, place)) = job.executor() else { return };
        // It may be one of those that were refused.
        if !self.faults.is_empty()
            || executors.keys().any(|known| known.as_str() == name)
            || name == "default"
        {
            return;
        }
        let message = format!("there is no executor `{name}`; add [executors.{name}], or name another one");
        self.fault::<()>(place, message);
    }

    fn store(&mut self, url: &Spanned<String>) -> Option<StoreConfig> {
        let store = url.get_ref().parse::<StoreConfig>();
        store.map_err(|error| self.fault::<()>(url.span().start, matins_core::error_chain(&error))).ok()
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
mod tests;
