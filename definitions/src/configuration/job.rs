//! `[jobs.NAME]`: when, what, and how.

use std::collections::{BTreeMap, BTreeSet};
use std::num::{NonZeroU32, NonZeroU64};
use std::ops::Range;
use std::time::Duration;

use chrono::TimeDelta;
use matins_config::JobSpec;
use matins_core::{Backoff, ExecutorName, Group, GroupName, JobId, Policy, Retry, StoreName};
use matins_task_command::{Command, InvalidCommand, OnOrphan};
use matins_triggers::{CronTrigger, CronTriggerError, DateTrigger, IntervalTrigger, Zone};
use nix::unistd::User;
use serde::Deserialize;
use serde::de::IntoDeserializer;

use super::{Faulty, Reader};
use crate::definition::{Definition, When};
use crate::nearest::nearest;

/// Where the value of each key of a job is written; `retry.times` is one of a table in it.
pub(super) type Places = BTreeMap<String, Range<usize>>;

/// What a job says that is to have none of what the defaults have.
const NONE: &str = "none";

/// A job, and where it is written.
#[derive(Clone, Copy)]
pub(crate) struct Written<'a> {
    pub(super) spec: &'a JobSpec,
    /// Where it begins.
    pub(super) start: usize,
    pub(super) places: &'a Places,
    /// A key of it was refused: it is no news that one is missing.
    pub(super) is_incomplete: bool,
}

/// What keys say of a job; what they do not name is at its default.
pub(crate) struct NamedKeys {
    pub when: Option<When>,
    pub jitter: Option<TimeDelta>,
    pub executor: ExecutorName,
    pub policy: Policy,
    /// Its program and arguments.
    pub program: Option<Command>,
    /// What its command has beside them.
    pub settings: Command,
    pub tags: BTreeSet<String>,
}

impl Written<'_> {
    /// Where a key's value begins.
    pub(super) fn place(&self, key: &str) -> usize {
        self.places.get(key).map_or(self.start, |place| place.start)
    }

    /// The executor that it names, and where that is written.
    pub(super) fn executor(&self) -> Option<(&str, usize)> {
        Some((self.spec.executor.as_deref()?, self.place("executor")))
    }

    /// The store that it names, and where that is written.
    pub(super) fn store(&self) -> Option<(&str, usize)> {
        Some((self.spec.store.as_deref()?, self.place("store")))
    }

    /// The job that it follows, and where that is written.
    pub(super) fn followed(&self) -> Option<(String, usize)> {
        self.spec.after.as_ref().map(|job| (job.clone(), self.place("after")))
    }
}

impl Reader<'_> {
    fn retry(&mut self, job: Written<'_>) -> Option<Retry> {
        let Some(keys) = &job.spec.retry else { return Some(self.defaults.policy.retry.clone()) };
        let Some(times) = keys.times else {
            return if self.incomplete.contains(&job.start) {
                None
            } else {
                self.fault(job.start, "a retry needs `times`, such as 3")
            };
        };
        let Ok(times) = u32::try_from(times) else {
            let message = format!("{times} is no number of retries; write one from 0 to {}", u32::MAX);
            return self.fault(job.place("retry.times"), message);
        };
        let retry = Retry::times(times);
        let wait = self.optional_duration(keys.wait.as_deref(), job.place("retry.wait"));
        let first = self.optional_duration(keys.first.as_deref(), job.place("retry.first"));
        let longest = self.optional_duration(keys.longest.as_deref(), job.place("retry.longest"));
        match (wait.ok()?, first.ok()?, longest.ok()?) {
            (Some(wait), None, None) => Some(retry.backoff(Backoff::Fixed(wait))),
            (Some(_), ..) => {
                self.fault(job.start, "a retry has either `wait`, or `first` and `longest`; keep one")
            }
            (None, first, longest) => {
                let first = first.unwrap_or(Backoff::FIRST);
                let longest = longest.unwrap_or(Backoff::LONGEST.max(first));
                if first > longest {
                    let message = "`longest` is shorter than `first`; write a longer one";
                    return self.fault(job.place("retry.longest"), message);
                }
                Some(retry.backoff(Backoff::Exponential { first, longest }))
            }
        }
    }

    /// A whole number, from the least that is allowed to the largest that there is.
    pub(super) fn number<T>(
        &mut self,
        number: Option<i64>,
        place: usize,
        what: &str,
        least: T,
        largest: T,
    ) -> Result<Option<T>, Faulty>
    where
        T: TryFrom<i64> + PartialOrd + std::fmt::Display,
    {
        let Some(number) = number else { return Ok(None) };
        let valid = T::try_from(number).ok().filter(|number| *number >= least);
        valid.map(Some).ok_or_else(|| {
            let message = format!("{number} is no {what}; write a number from {least} to {largest}");
            self.fault::<()>(place, message);
            Faulty
        })
    }

    /// A duration that a job may have, or else that of the defaults; with `none` it has no such limit.
    fn limit(
        &mut self,
        text: Option<&str>,
        place: usize,
        default: impl FnOnce(&Policy) -> Option<Duration>,
    ) -> Result<Option<Duration>, Faulty> {
        match text {
            None => Ok(default(&self.defaults.policy)),
            Some(NONE) => Ok(None),
            text => self.optional_duration(text, place),
        }
    }

    /// A concurrency group: a name, or a name and a limit.
    fn group(&mut self, job: Written<'_>) -> Result<Option<Group>, Faulty> {
        let Some(written) = &job.spec.group else { return Ok(self.defaults.policy.group.clone()) };
        let group = Group::deserialize(written).map_err(|error| self.fault::<()>(job.place("group"), error));
        let Ok(group) = group else { return Err(Faulty) };
        if written.as_str() == Some(NONE) {
            return Ok(None);
        }
        let names_limit = written.is_object();
        let message = match self.defaults.groups.get(&group.name) {
            Some(limit) if !names_limit => {
                return Group::new(&group.name, limit.get()).map(Some).map_err(|_| Faulty);
            }
            Some(limit) if group.limit() != limit.get() as usize => {
                format!("the group {:?} has the limit {limit} in `groups`; write group = {0:?}", group.name)
            }
            None if !names_limit && !self.defaults.groups.is_empty() => {
                let near = nearest(group.name.as_str(), self.defaults.groups.keys().map(GroupName::as_str));
                let near = near.map(|near| format!(", or did you mean {near:?}?")).unwrap_or_default();
                format!("`groups` has no {:?}; give it a limit there{near}", group.name)
            }
            _ => return Ok(Some(group)),
        };
        self.fault::<()>(job.place("group"), message);
        Err(Faulty)
    }

    /// The store that keeps it.
    fn store_of(&mut self, job: Written<'_>) -> Option<StoreName> {
        let Some((name, place)) = job.store() else { return Some(StoreName::default()) };
        StoreName::new(name).map_err(|error| self.fault::<()>(place, error)).ok()
    }

    fn executor(&mut self, job: Written<'_>) -> Option<ExecutorName> {
        let Some((name, place)) = job.executor() else { return Some(ExecutorName::default()) };
        ExecutorName::new(name).map_err(|error| self.fault::<()>(place, error)).ok()
    }

    pub(crate) fn job(&mut self, id: &str, job: Written<'_>) -> Option<Definition> {
        let zone = self.zone_of(job)?;
        let valid_id = JobId::new(id).map_err(|error| self.fault::<()>(job.start, error)).ok();
        let when = self.when(job, zone);
        let command = self.job_command(job);
        let store = self.store_of(job);
        let executor = self.executor(job);
        let policy = self.policy(job);
        let jitter = self.jitter(job);
        let expected =
            self.optional_duration(job.spec.expected_duration.as_deref(), job.place("expected_duration"));
        valid_id?;
        Some(Definition {
            id: id.to_owned(),
            proposed_id: None,
            when: when?,
            command: command?,
            store: store?,
            executor: executor?,
            policy: policy?,
            jitter: jitter.ok()?,
            jitter_seed: None,
            mail: None,
            expected_duration: expected.ok()?,
            paused: job.spec.paused,
            tags: job.spec.tags.clone(),
        })
    }

    /// What is named of a job, to be changed.
    pub(crate) fn changes(&mut self, job: Written<'_>) -> Option<NamedKeys> {
        let zone = self.zone_of(job)?;
        // A part that is not named is not missed.
        let job = Written { is_incomplete: true, ..job };
        let spec = job.spec;
        let when = self.when(job, zone);
        let jitter = self.jitter(job);
        let executor = self.executor(job);
        let policy = self.policy(job);
        let program = spec.command.is_some() || spec.shell.is_some();
        let place = job.place("command");
        let program = program.then(|| {
            self.command([job.start, place], "a job", spec.command.as_deref(), spec.shell.as_deref())
        });
        let settings = self.command_settings(job);
        Some(NamedKeys {
            when,
            jitter: jitter.ok()?,
            executor: executor?,
            policy: policy?,
            program: program.flatten(),
            settings: settings?,
            tags: spec.tags.clone(),
        })
    }

    /// Its own zone, or the default one.
    pub(super) fn zone_of(&mut self, job: Written<'_>) -> Option<Zone> {
        match &job.spec.timezone {
            Some(name) => self.zone(name, job.place("timezone")),
            None => Some(self.defaults.zone),
        }
    }

    pub(super) fn policy(&mut self, job: Written<'_>) -> Option<Policy> {
        let spec = job.spec;
        let misfire_grace = self
            .limit(spec.misfire_grace.as_deref(), job.place("misfire_grace"), |policy| policy.misfire_grace);
        let time_limit =
            self.limit(spec.time_limit.as_deref(), job.place("time_limit"), |policy| policy.time_limit);
        let retry = self.retry(job);
        let priority = self.number(spec.priority, job.place("priority"), "priority", i32::MIN, i32::MAX);
        let group = self.group(job);
        let delay = self.limit(spec.delay.as_deref(), job.place("delay"), |policy| policy.delay);
        let place = job.place("max_runs");
        let max_runs = self.number(spec.max_runs, place, "number of runs", 1, i64::MAX as u64);
        let place = job.place("max_failures");
        let max_failures = self.number(spec.max_failures, place, "number of failures", 1, u32::MAX);
        let mut policy = self.defaults.policy.clone();
        policy.misfire_grace = misfire_grace.ok()?;
        policy.time_limit = time_limit.ok()?;
        policy.retry = retry?;
        policy.priority = priority.ok()?.unwrap_or(policy.priority);
        policy.group = group.ok()?;
        policy.delay = delay.ok()?;
        policy.max_runs = max_runs.ok()?.and_then(NonZeroU64::new).or(policy.max_runs);
        policy.max_failures = max_failures.ok()?.and_then(NonZeroU32::new).or(policy.max_failures);
        policy.coalesce = spec.coalesce.unwrap_or(policy.coalesce);
        policy.overlap = spec.overlap.unwrap_or(policy.overlap);
        policy.on_interrupt = spec.on_interrupt.unwrap_or(policy.on_interrupt);
        policy.on_exhausted = spec.on_exhausted.unwrap_or(policy.on_exhausted);
        Some(policy)
    }

    pub(super) fn when(&mut self, job: Written<'_>, zone: Zone) -> Option<When> {
        let spec = job.spec;
        if let (Some(_), None, false) = (&spec.on, &spec.after, job.is_incomplete) {
            return self.fault(
                job.place("on"),
                "`on` says how the job has to end that this one runs after; name that job with `after`",
            );
        }
        match (&spec.every, &spec.cron, &spec.at, &spec.r#in, &spec.after) {
            (Some(period), None, None, None, None) => {
                let every = self.duration(period, job.place("every"))?;
                match IntervalTrigger::new(chrono::DateTime::UNIX_EPOCH, every) {
                    Ok(_) => Some(When::Every(every)),
                    Err(error) => self.fault(job.place("every"), error),
                }
            }
            (None, Some(expression), None, None, None) => match CronTrigger::parse(expression, zone.name()) {
                Ok(trigger) => Some(When::Cron(trigger)),
                Err(CronTriggerError::Expression(error)) => {
                    let offset = self.inside(job, "cron") + error.place().start;
                    self.fault(offset, error)
                }
                Err(error) => self.fault(job.place("cron"), error),
            },
            (None, None, Some(date), None, None) => match DateTrigger::parse(date, zone) {
                Ok(trigger) => Some(When::At(trigger)),
                Err(error) => self.fault(job.place("at"), error),
            },
            (None, None, None, Some(delay), None) => self.duration(delay, job.place("in")).map(When::In),
            (None, None, None, None, Some(followed)) => {
                self.after(followed, job.place("after"), spec.on.unwrap_or_default()).map(When::After)
            }
            (None, None, None, None, None) if job.is_incomplete => None,
            _ => self
                .fault(job.start, "a job needs one of `every`, `cron`, `at`, `in` and `after`, and only one"),
        }
    }

    pub(super) fn jitter(&mut self, job: Written<'_>) -> Result<Option<TimeDelta>, Faulty> {
        let Some(text) = &job.spec.jitter else { return Ok(None) };
        if job.spec.every.is_none() && job.spec.cron.is_none() {
            self.fault::<()>(
                job.place("jitter"),
                "a jitter is of `every` and `cron`; a single time is moved by hand",
            );
            return Err(Faulty);
        }
        self.duration(text, job.place("jitter")).map(Some).ok_or(Faulty)
    }

    fn job_command(&mut self, job: Written<'_>) -> Option<Command> {
        let spec = job.spec;
        if job.is_incomplete && spec.command.is_none() && spec.shell.is_none() {
            return None;
        }
        let place = spec.command.as_ref().map_or(job.start, |_| job.place("command"));
        let program =
            self.command([job.start, place], "a job", spec.command.as_deref(), spec.shell.as_deref());
        let settings = self.command_settings(job);
        let (program, settings) = (program?, settings?);
        let command = Command { program: program.program, arguments: program.arguments, ..settings };
        match command.check() {
            Ok(()) => Some(command),
            Err(error @ InvalidCommand::Environment(_)) => self.fault(job.place("environment"), error),
            Err(error) => self.fault(place, error),
        }
    }

    /// What a job's command has beside a program: that of this one is empty.
    pub(super) fn command_settings(&mut self, job: Written<'_>) -> Option<Command> {
        let spec = job.spec;
        let umask = match &spec.umask {
            None => Some(None),
            Some(text) => match u32::from_str_radix(text, 8) {
                Ok(umask) if umask <= 0o777 => Some(Some(umask)),
                _ => {
                    self.fault(job.place("umask"), format!("{text:?} is no umask; write one such as \"077\""))
                }
            },
        };
        let nice = match spec.nice {
            None => Some(None),
            Some(nice) => match i8::try_from(nice) {
                Ok(level @ -20..=19) => Some(Some(level)),
                _ => self
                    .fault(job.place("nice"), format!("{nice} is no nice level; write one from -20 to 19")),
            },
        };
        let on_orphan = match &spec.on_orphan {
            None => Some(OnOrphan::default()),
            Some(word) => match OnOrphan::deserialize(word.as_str().into_deserializer()) {
                Ok(on_orphan) => Some(on_orphan),
                Err::<_, serde::de::value::Error>(error) => self.fault(job.place("on_orphan"), error),
            },
        };
        let user = match &spec.user {
            Some(user) if !matches!(User::from_name(user), Ok(Some(_))) => self.fault(
                job.place("user"),
                format!("there is no user {user:?} on this machine; name one of /etc/passwd"),
            ),
            user => Some(user.clone()),
        };
        let mut command = Command::new("");
        command.environment.clone_from(&spec.environment);
        if spec.clear_environment {
            command = command.clear_environment();
        }
        command.directory.clone_from(&spec.directory);
        command.stdin.clone_from(&spec.stdin);
        command.umask = umask?;
        command.nice = nice?;
        command.user = user?;
        command.on_orphan = on_orphan?;
        Some(command)
    }

    /// A program and its arguments. The places are those of the table, and of the words.
    pub(super) fn command(
        &mut self,
        [place, words_place]: [usize; 2],
        whose: &str,
        words: Option<&[String]>,
        shell: Option<&str>,
    ) -> Option<Command> {
        match (words, shell) {
            (Some(words), None) => match words.split_first() {
                Some((program, arguments)) if !program.is_empty() => {
                    Some(Command::new(program).arguments(arguments.iter().cloned()))
                }
                _ => self.fault(words_place, "the command is empty; name a program"),
            },
            (None, Some(line)) if line.trim().is_empty() => {
                self.fault(place, "the shell line is empty; write what is to be run")
            }
            (None, Some(line)) => Some(Command::shell(line)),
            _ => self.fault(
                place,
                format!("{whose} needs `command = [\"program\", \"argument\"]` or `shell = \"a line\"`, and only one"),
            ),
        }
    }

    /// Where the content of a key's text begins, after its quotes.
    fn inside(&self, job: Written<'_>, key: &str) -> usize {
        let Some(place) = job.places.get(key) else { return job.start };
        let raw = &self.text[place.clone()];
        place.start + raw.bytes().take_while(|byte| matches!(byte, b'"' | b'\'')).count()
    }
}
