//! The configuration file: TOML, read strictly, every fault with its place.

mod hook;
mod job;
mod keys;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::TimeDelta;
use matins::Retention;
use matins::config::LedgerConfig;
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
    pub(crate) store: Option<String>,
    pub(crate) zone: Option<Zone>,
    pub(crate) retention: Retention,
    pub(crate) hooks: Vec<Hook>,
    pub(crate) jobs: Vec<Definition>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    store: Option<String>,
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
    let (faults, misspelt) = keys::take_unknown(root.get_mut(), text);
    let mut reader = Reader { text, faults, misspelt };
    let file = match File::deserialize(toml::de::Deserializer::from(root)) {
        Ok(file) => file,
        Err(error) => {
            reader.faults.push(at(&error));
            return Err(reader.faults);
        }
    };
    let own_zone = file.timezone.as_ref().and_then(|name| reader.zone(name));
    let zone = own_zone.unwrap_or(zone);
    let hooks = file.hook.iter().filter_map(|hook| reader.hook(hook)).collect();
    let jobs = file.jobs.iter().filter_map(|(id, job)| reader.job(id, job, zone)).collect();
    if !reader.faults.is_empty() {
        reader.faults.sort_by_key(|fault| (fault.line, fault.column));
        return Err(reader.faults);
    }
    Ok(Config { store: file.store, zone: own_zone, retention: file.ledger.retention(), hooks, jobs })
}

/// Reads a job from keys and values as a configuration has them.
pub(crate) fn job_of_keys(id: &str, keys: &Map<String, Value>, zone: Zone) -> Result<Definition, String> {
    check_keys(keys)?;
    let text = toml::to_string(&json!({"jobs": {id: keys}})).map_err(|error| error.to_string())?;
    let config = parse(&text, zone).map_err(|faults| {
        // Their places are those of a text that nobody has seen.
        faults.into_iter().map(|fault| fault.message).collect::<Vec<_>>().join("; ")
    })?;
    config.jobs.into_iter().next().ok_or_else(|| "there is no job in this".to_owned())
}

/// Refuses keys that no job has.
pub(crate) fn check_keys(keys: &Map<String, Value>) -> Result<(), String> {
    match keys.keys().find(|name| !keys::JOB.contains(&name.as_str())) {
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
    /// Jobs with keys that are not known.
    misspelt: BTreeSet<String>,
}

impl Reader<'_> {
    pub(super) fn fault<T>(&mut self, offset: usize, message: impl std::fmt::Display) -> Option<T> {
        self.faults.push(Diagnostic::at(self.text, offset, message));
        None
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
mod tests {
    use matins::prelude::*;

    use super::*;
    use crate::definition::When;

    fn faults(text: &str) -> Vec<String> {
        parse(text, Zone::utc()).unwrap_err().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_whole_configuration_is_understood() {
        let config = parse(
            r#"
            timezone = "Europe/Berlin"
            store = "sqlite:jobs.db"
            [ledger]
            runs_per_job = "all"
            days = 7
            [jobs.backup]
            cron = "30 2 * * *"
            command = ["rsync", "-a", "/home", "/backup"]
            overlap = { allow = 2 }
            misfire_grace = "1h"
            [jobs."say hello"]
            every = "1m 30s"
            shell = "echo hello"
            overlap = "queue_one"
            time_limit = "10s"
            retry = { times = 3, wait = "30s" }
            "#,
            Zone::utc(),
        )
        .unwrap();
        assert_eq!(config.store.as_deref(), Some("sqlite:jobs.db"));
        assert_eq!(
            config.retention,
            Retention { runs_per_job: None, age: Some(Duration::from_secs(7 * 86_400)) }
        );
        let [backup, hello] = &config.jobs[..] else { panic!("two jobs") };
        assert_eq!(backup.policy.overlap, Overlap::Allow(2));
        assert_eq!(backup.policy.misfire_grace, Some(Duration::from_secs(3600)));
        assert_eq!(backup.command, Command::new("rsync").arguments(["-a", "/home", "/backup"]));
        assert!(matches!(&backup.when, When::Cron(trigger) if trigger.zone().name() == "Europe/Berlin"));
        assert!(matches!(hello.when, When::Every(period) if period == TimeDelta::seconds(90)));
        assert_eq!(hello.policy.overlap, Overlap::QueueOne);
        assert_eq!(hello.policy.time_limit, Some(Duration::from_secs(10)));
        assert_eq!(hello.policy.retry, Retry::times(3).backoff(Backoff::Fixed(Duration::from_secs(30))));
    }

    #[test]
    fn every_fault_has_its_place() {
        let found = faults(
            "[jobs.a]\ncron = \"* * * MOM *\"\nshell = \"x\"\n[jobs.b]\nevery = \"3 parsecs\"\nshell = \"x\"\n\
             [jobs.c]\nevery = \"3s\"\nat = \"2026-01-01\"\nshell = \"x\"\n[jobs.d]\nevery = \"3s\"\n",
        );
        let places: Vec<&str> = found.iter().map(|fault| fault.split(": ").next().unwrap()).collect();
        assert_eq!(places, ["2:15", "5:9", "7:7", "11:7"], "{found:#?}");
    }

    #[test]
    fn every_unknown_key_is_told_with_the_nearest_one_beside_the_other_faults() {
        let found = faults(
            "[ledgr]\n[jobs.a]\ncorn = \"* * * * *\"\nevery = \"3 parsecs\"\nshell = \"x\"\nretry = { time = 3 }\nxyzzy = 1\n",
        );
        let expected = [
            "1:2: unknown key `ledgr`; did you mean `ledger`?",
            "3:1: unknown key `corn`; did you mean `cron`?",
            "6:11: unknown key `time`; did you mean `times`?",
            "7:1: unknown key `xyzzy`; there are every, cron,",
        ];
        for line in expected {
            assert!(found.iter().any(|fault| fault.starts_with(line)), "{line}: {found:#?}");
        }
        assert!(found.iter().any(|fault| fault.starts_with("4:9: ")), "{found:#?}");
        assert_eq!(found.len(), 5, "{found:#?}");
    }

    #[test]
    fn the_keys_that_are_known_are_those_that_are_read() {
        for key in keys::JOB {
            let text = format!("[jobs.a]\n{key} = []\n");
            let faults = faults(&text);
            assert!(faults.iter().all(|fault| !fault.contains("unknown")), "{key}: {faults:?}");
        }
    }

    #[test]
    fn durations_beyond_all_calendars_are_refused() {
        for key in ["every", "in", "time_limit", "misfire_grace", "expected_duration"] {
            let when = if ["every", "in"].contains(&key) { "" } else { "every = \"1h\"\n" };
            for years in ["10001years", "300000years", "100000000000years"] {
                let found = faults(&format!("[jobs.a]\n{key} = \"{years}\"\nshell = \"x\"\n{when}"));
                assert!(found[0].contains("longer than 10,000 years"), "{key}: {found:?}");
            }
        }
    }

    #[test]
    fn what_a_job_is_run_with_is_read() {
        let text = "[jobs.a]\nevery = \"1h\"\nshell = \"x\"\numask = \"027\"\nnice = 10\nuser = \"nobody\"\n\
                    clear_environment = true\nexpected_duration = \"3s\"\n";
        let config = parse(text, Zone::utc()).unwrap();
        let command = &config.jobs[0].command;
        assert_eq!(
            (command.umask, command.nice, command.user.as_deref()),
            (Some(0o027), Some(10), Some("nobody"))
        );
        assert_eq!(command.inherit, matins::Inherit::Nothing);
        assert_eq!(config.jobs[0].expected_duration, Some(Duration::from_secs(3)));
        assert!(faults(&text.replace("027", "8"))[0].starts_with("4:9: "));
        assert!(faults(&text.replace("10", "20"))[0].starts_with("5:8: "));
    }

    #[test]
    fn a_jitter_spreads_by_the_id_and_moves_no_single_time() {
        let text = "[jobs.a]\ncron = \"0 * * * *\"\njitter = \"10m\"\nshell = \"x\"\n";
        let two = format!("{text}{}", text.replace("jobs.a", "jobs.b"));
        let now = "2026-11-25T00:30:00Z".parse().unwrap();
        let config = parse(&two, Zone::utc()).unwrap();
        let fires: Vec<_> =
            config.jobs.iter().map(|job| job.trigger(now).unwrap().next_after(now).unwrap()).collect();
        assert!(fires.iter().all(|fire| (0..=600).contains(&(*fire - now).num_seconds().wrapping_sub(1800))));
        assert_ne!(fires[0], fires[1]);
        assert!(
            faults(&text.replace("cron = \"0 * * * *\"", "in = \"1h\""))[0].starts_with("3:10: a jitter")
        );
    }

    #[test]
    fn hooks_are_read() {
        let text = "[[hook]]\non = [\"failed\", \"missed\"]\njobs = [\"a\"]\nshell = \"x\"\n";
        let config = parse(text, Zone::utc()).unwrap();
        let hook = &config.hooks[0];
        let missed = Outcome::Missed(matins::MissedReason::Overlap);
        assert!(hook.is_for("a", Outcome::Failed) && hook.is_for("a", missed));
        assert!(!hook.is_for("a", Outcome::Succeeded) && !hook.is_for("b", Outcome::Failed));
        assert!(
            faults(&text.replace("failed", "splendid"))[0].starts_with("2:7: \"splendid\" is no outcome")
        );
    }

    #[test]
    fn what_is_no_toml_or_no_key_has_its_place_too() {
        assert!(faults("[jobs.a\n")[0].starts_with("1:"));
        let unknown = &faults("[jobs.a]\nevrey = \"3s\"\nshell = \"x\"\n")[0];
        assert!(unknown.starts_with("2:1: unknown key `evrey`; did you mean `every`?"), "{unknown}");
        assert!(faults("timezone = \"Europe/Berlim\"\n")[0].starts_with("1:12: there is no time zone"));
    }
}
