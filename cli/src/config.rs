//! The configuration file: TOML, read strictly, every fault with its place.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use chrono::TimeDelta;
use matins::config::LedgerConfig;
use matins::prelude::*;
use matins::triggers::{CronTriggerError, Zone};
use matins::{JobId, OnInterrupt, Policy, Retention};
use serde::Deserialize;
use toml::Spanned;

use crate::definition::{Definition, When};
use crate::diagnostic::Diagnostic;

/// What a configuration says.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) store: Option<String>,
    pub(crate) zone: Option<Zone>,
    pub(crate) retention: Retention,
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
    jobs: BTreeMap<Spanned<String>, Spanned<Job>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Job {
    every: Option<Spanned<String>>,
    cron: Option<Spanned<String>>,
    at: Option<Spanned<String>>,
    #[serde(rename = "in")]
    after: Option<Spanned<String>>,
    timezone: Option<Spanned<String>>,
    command: Option<Spanned<Vec<String>>>,
    shell: Option<String>,
    #[serde(default)]
    environment: BTreeMap<String, String>,
    directory: Option<PathBuf>,
    stdin: Option<String>,
    misfire_grace: Option<Spanned<String>>,
    time_limit: Option<Spanned<String>>,
    retry: Option<RetryKeys>,
    #[serde(default)]
    coalesce: Coalesce,
    #[serde(default)]
    overlap: Overlap,
    #[serde(default)]
    on_interrupt: OnInterrupt,
    #[serde(default)]
    paused: bool,
    #[serde(default)]
    tags: BTreeSet<String>,
}

/// `retry = { times = 3, wait = "30s" }`, or with a wait that grows from `first` to `longest`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RetryKeys {
    times: u32,
    wait: Option<Spanned<String>>,
    first: Option<Spanned<String>>,
    longest: Option<Spanned<String>>,
}

/// What was said about it is among the faults.
struct Faulty;

/// Reads a configuration; `zone` is that of jobs which name none, where the file names none either.
pub(crate) fn parse(text: &str, zone: Zone) -> Result<Config, Vec<Diagnostic>> {
    let file: File = toml::from_str(text).map_err(|error| {
        let offset = error.span().map_or(0, |span| span.start);
        vec![Diagnostic::at(text, offset, error.message())]
    })?;
    let mut reader = Reader { text, faults: Vec::new() };
    let own_zone = file.timezone.as_ref().and_then(|name| reader.zone(name));
    let zone = own_zone.unwrap_or(zone);
    let jobs = file.jobs.iter().filter_map(|(id, job)| reader.job(id, job, zone)).collect();
    if !reader.faults.is_empty() {
        return Err(reader.faults);
    }
    Ok(Config { store: file.store, zone: own_zone, retention: file.ledger.retention(), jobs })
}

struct Reader<'a> {
    text: &'a str,
    faults: Vec<Diagnostic>,
}

impl Reader<'_> {
    fn fault<T>(&mut self, offset: usize, message: impl std::fmt::Display) -> Option<T> {
        self.faults.push(Diagnostic::at(self.text, offset, message));
        None
    }

    fn zone(&mut self, name: &Spanned<String>) -> Option<Zone> {
        Zone::named(name.get_ref()).map_err(|error| self.fault::<()>(name.span().start, error)).ok()
    }

    fn duration(&mut self, text: &Spanned<String>) -> Option<TimeDelta> {
        match humantime::parse_duration(text.get_ref()) {
            Ok(duration) => {
                TimeDelta::from_std(duration).map_err(|error| self.fault::<()>(text.span().start, error)).ok()
            }
            Err(error) => self.fault(
                text.span().start,
                format!("{:?} is no duration: {error}; write 3s, 5m, 1h 30m, 250ms, 2days", text.get_ref()),
            ),
        }
    }

    fn optional_duration(&mut self, text: Option<&Spanned<String>>) -> Result<Option<Duration>, Faulty> {
        let Some(text) = text else { return Ok(None) };
        self.duration(text).and_then(|duration| duration.to_std().ok()).map(Some).ok_or(Faulty)
    }

    fn retry(&mut self, place: usize, keys: &RetryKeys) -> Option<Retry> {
        let retry = Retry::times(keys.times);
        let wait = self.optional_duration(keys.wait.as_ref());
        let first = self.optional_duration(keys.first.as_ref());
        let longest = self.optional_duration(keys.longest.as_ref());
        match (wait.ok()?, first.ok()?, longest.ok()?) {
            (Some(wait), None, None) => Some(retry.backoff(Backoff::Fixed(wait))),
            (Some(_), ..) => {
                self.fault(place, "a retry has either `wait`, or `first` and `longest`; keep one")
            }
            (None, first, longest) => {
                let first = first.unwrap_or(Backoff::FIRST);
                let longest = longest.unwrap_or(Backoff::LONGEST);
                Some(retry.backoff(Backoff::Exponential { first, longest }))
            }
        }
    }

    fn job(&mut self, id: &Spanned<String>, job: &Spanned<Job>, zone: Zone) -> Option<Definition> {
        let place = id.span().start;
        let job = job.get_ref();
        let zone = match &job.timezone {
            Some(name) => self.zone(name)?,
            None => zone,
        };
        let valid_id = JobId::new(id.get_ref()).map_err(|error| self.fault::<()>(place, error)).ok();
        let when = self.when(place, job, zone);
        let command = self.command(place, job);
        let misfire_grace = self.optional_duration(job.misfire_grace.as_ref());
        let time_limit = self.optional_duration(job.time_limit.as_ref());
        let retry = job.retry.as_ref().map_or(Some(Retry::default()), |keys| self.retry(place, keys));
        valid_id?;
        Some(Definition {
            id: id.get_ref().clone(),
            when: when?,
            command: command?,
            policy: Policy {
                misfire_grace: misfire_grace.ok()?,
                time_limit: time_limit.ok()?,
                retry: retry?,
                coalesce: job.coalesce,
                overlap: job.overlap,
                on_interrupt: job.on_interrupt,
                ..Policy::default()
            },
            paused: job.paused,
            tags: job.tags.clone(),
        })
    }

    fn when(&mut self, place: usize, job: &Job, zone: Zone) -> Option<When> {
        match (&job.every, &job.cron, &job.at, &job.after) {
            (Some(period), None, None, None) => {
                let every = self.duration(period)?;
                match IntervalTrigger::new(chrono::DateTime::UNIX_EPOCH, every) {
                    Ok(_) => Some(When::Every(every)),
                    Err(error) => self.fault(period.span().start, error),
                }
            }
            (None, Some(expression), None, None) => {
                match CronTrigger::parse(expression.get_ref(), zone.name()) {
                    Ok(trigger) => Some(When::Cron(trigger)),
                    Err(CronTriggerError::Expression(error)) => {
                        let offset = self.inside(expression.span()) + error.place().start;
                        self.fault(offset, error)
                    }
                    Err(error) => self.fault(expression.span().start, error),
                }
            }
            (None, None, Some(date), None) => match DateTrigger::parse(date.get_ref(), zone) {
                Ok(trigger) => Some(When::At(trigger)),
                Err(error) => self.fault(date.span().start, error),
            },
            (None, None, None, Some(delay)) => self.duration(delay).map(When::In),
            _ => self.fault(place, "a job needs one of `every`, `cron`, `at` and `in`, and only one"),
        }
    }

    fn command(&mut self, place: usize, job: &Job) -> Option<Command> {
        let mut command = match (&job.command, &job.shell) {
            (Some(words), None) => match words.get_ref().split_first() {
                Some((program, arguments)) if !program.is_empty() => {
                    Command::new(program).arguments(arguments.iter().cloned())
                }
                _ => return self.fault(words.span().start, "the command is empty; name a program"),
            },
            (None, Some(line)) => Command::shell(line),
            _ => {
                return self.fault(
                    place,
                    "a job needs `command = [\"program\", \"argument\"]` or `shell = \"a line\"`, and only one",
                );
            }
        };
        command.environment.clone_from(&job.environment);
        command.directory.clone_from(&job.directory);
        command.stdin.clone_from(&job.stdin);
        Some(command)
    }

    /// Where a string's content begins, after its quotes.
    fn inside(&self, span: Range<usize>) -> usize {
        let raw = &self.text[span.clone()];
        span.start + raw.bytes().take_while(|byte| matches!(byte, b'"' | b'\'')).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn what_is_no_toml_or_no_key_has_its_place_too() {
        assert!(faults("[jobs.a\n")[0].starts_with("1:"));
        let unknown = &faults("[jobs.a]\nevrey = \"3s\"\nshell = \"x\"\n")[0];
        assert!(unknown.starts_with("2:1: unknown field `evrey`"), "{unknown}");
        assert!(faults("timezone = \"Europe/Berlim\"\n")[0].starts_with("1:12: there is no time zone"));
    }
}
