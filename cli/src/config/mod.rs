//! The configuration file: TOML, read strictly, every fault with its place.

mod chain;
mod hook;
mod job;
mod keys;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::TimeDelta;
use matins::Retention;
use matins::config::{LedgerConfig, StoreConfig};
use matins::triggers::Zone;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use toml::Spanned;
use toml::de::DeTable;

use crate::definition::Definition;
use crate::diagnostic::Diagnostic;

pub(crate) use hook::Hook;

/// What a configuration says.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) store: Option<StoreConfig>,
    pub(crate) wait_for_owner: Option<Duration>,
    pub(crate) zone: Option<Zone>,
    pub(crate) retention: Retention,
    pub(crate) hooks: Vec<Hook>,
    pub(crate) jobs: Vec<Definition>,
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
    jobs: BTreeMap<Spanned<String>, Spanned<job::Job>>,
}

/// What was said about it is among the faults.
struct Faulty;

/// Some 10,000 years.
const LONGEST: TimeDelta = TimeDelta::days(3_652_500);

/// Reads a configuration; `zone` is that of jobs which name none, where the file names none either.
pub(crate) fn parse(text: &str, zone: Zone) -> Result<Config, Vec<Diagnostic>> {
    let at = |error: &toml::de::Error| {
        let offset = error.span().map_or(0, |span| span.start);
        Diagnostic::at(text, offset, error.message())
    };
    let mut root = DeTable::parse(text).map_err(|error| vec![at(&error)])?;
    let keys::Refused { faults, incomplete } = keys::refuse(root.get_mut(), text);
    let mut reader = Reader { text, faults, incomplete };
    let file = match File::deserialize(toml::de::Deserializer::from(root)) {
        Ok(file) => file,
        Err(error) => {
            reader.faults.push(at(&error));
            return Err(reader.faults);
        }
    };
    let own_zone = file.timezone.as_ref().and_then(|name| reader.zone(name));
    let zone = own_zone.unwrap_or(zone);
    let store = file.store.as_ref().and_then(|url| reader.store(url));
    let wait_for_owner = reader.optional_duration(file.wait_for_owner.as_ref()).unwrap_or_default();
    let hooks = file.hook.iter().filter_map(|hook| reader.hook(hook)).collect();
    let jobs = file.jobs.iter().filter_map(|(id, job)| reader.job(id, job, zone)).collect();
    let followed =
        file.jobs.iter().filter_map(|(id, job)| Some((id.get_ref().clone(), job.get_ref().followed()?)));
    reader.refuse_cycles(&followed.collect());
    if !reader.faults.is_empty() {
        reader.faults.sort_by_key(|fault| (fault.line, fault.column));
        return Err(reader.faults);
    }
    Ok(Config { store, wait_for_owner, zone: own_zone, retention: file.ledger.retention(), hooks, jobs })
}

/// Reads a job from keys and values as a configuration has them.
pub(crate) fn job_of_keys(id: &str, keys: &Map<String, Value>, zone: Zone) -> Result<Definition, String> {
    check_keys(keys)?;
    let text = toml::to_string(&json!({"jobs": {id: keys}})).map_err(|error| matins::error_chain(&error))?;
    let config = parse(&text, zone).map_err(|faults| {
        // Their places are those of a text that nobody has seen.
        faults.into_iter().map(|fault| fault.message).collect::<Vec<_>>().join("; ")
    })?;
    config.jobs.into_iter().next().ok_or_else(|| "there is no job in this".to_owned())
}

/// Refuses keys that no job has.
pub(crate) fn check_keys(keys: &Map<String, Value>) -> Result<(), String> {
    match keys.keys().find(|name| keys::JOB.iter().all(|key| key.name != name.as_str())) {
        Some(name) => Err(keys::unknown(name, keys::JOB)),
        None => Ok(()),
    }
}

/// Whether one of the keys says when.
pub(crate) fn has_trigger(keys: &Map<String, Value>) -> bool {
    keys::WHEN.iter().any(|key| keys.contains_key(*key))
}

struct Reader<'a> {
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

    fn store(&mut self, url: &Spanned<String>) -> Option<StoreConfig> {
        let store = url.get_ref().parse::<StoreConfig>();
        store.map_err(|error| self.fault::<()>(url.span().start, matins::error_chain(&error))).ok()
    }

    pub(super) fn zone(&mut self, name: &Spanned<String>) -> Option<Zone> {
        Zone::named(name.get_ref()).map_err(|error| self.fault::<()>(name.span().start, error)).ok()
    }

    /// No longer than [`LONGEST`], so that no instant near ours plus one of them is beyond what can be held.
    pub(super) fn duration(&mut self, text: &Spanned<String>) -> Option<TimeDelta> {
        let place = text.span().start;
        let duration = match humantime::parse_duration(text.get_ref()) {
            Ok(duration) => duration,
            Err(error) => {
                let message = format!(
                    "{:?} is no duration: {error}; write 3s, 5m, 1h 30m, 250ms, 2days",
                    text.get_ref()
                );
                return self.fault(place, message);
            }
        };
        match TimeDelta::from_std(duration) {
            Ok(duration) if duration <= LONGEST => Some(duration),
            _ => self.fault(place, format!("{:?} is longer than 10,000 years; write less", text.get_ref())),
        }
    }

    pub(super) fn optional_duration(
        &mut self,
        text: Option<&Spanned<String>>,
    ) -> Result<Option<Duration>, Faulty> {
        let Some(text) = text else { return Ok(None) };
        self.duration(text).and_then(|duration| duration.to_std().ok()).map(Some).ok_or(Faulty)
    }
}

#[cfg(test)]
mod any_text;
#[cfg(test)]
mod tests;
