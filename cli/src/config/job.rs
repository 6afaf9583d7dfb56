//! `[jobs.NAME]`: when, what, and how.

use std::collections::{BTreeMap, BTreeSet};
use std::num::{NonZeroU32, NonZeroU64};
use std::ops::Range;
use std::path::PathBuf;

use chrono::TimeDelta;
use matins::Command;
use matins::prelude::*;
use matins::triggers::{CronTriggerError, Zone};
use matins::{AfterOutcome, Group, JobId, OnInterrupt, OnOrphan, Policy};
use serde::Deserialize;
use toml::Spanned;

use super::{Faulty, Reader};
use crate::definition::{Definition, When};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Job {
    every: Option<Spanned<String>>,
    cron: Option<Spanned<String>>,
    at: Option<Spanned<String>>,
    #[serde(rename = "in")]
    once_in: Option<Spanned<String>>,
    after: Option<Spanned<String>>,
    on: Option<Spanned<AfterOutcome>>,
    timezone: Option<Spanned<String>>,
    jitter: Option<Spanned<String>>,
    command: Option<Spanned<Vec<String>>>,
    shell: Option<String>,
    #[serde(default)]
    environment: BTreeMap<String, String>,
    #[serde(default)]
    clear_environment: bool,
    directory: Option<PathBuf>,
    stdin: Option<String>,
    umask: Option<Spanned<String>>,
    nice: Option<Spanned<i64>>,
    user: Option<String>,
    misfire_grace: Option<Spanned<String>>,
    time_limit: Option<Spanned<String>>,
    retry: Option<RetryKeys>,
    priority: Option<Spanned<i64>>,
    group: Option<Spanned<toml::Value>>,
    delay: Option<Spanned<String>>,
    max_runs: Option<Spanned<i64>>,
    max_failures: Option<Spanned<i64>>,
    expected_duration: Option<Spanned<String>>,
    #[serde(default)]
    coalesce: Coalesce,
    #[serde(default)]
    overlap: Overlap,
    #[serde(default)]
    on_interrupt: OnInterrupt,
    #[serde(default)]
    on_orphan: OnOrphan,
    #[serde(default)]
    paused: bool,
    #[serde(default)]
    tags: BTreeSet<String>,
}

/// `retry = { times = 3, wait = "30s" }`, or with a wait that grows from `first` to `longest`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RetryKeys {
    times: Option<Spanned<i64>>,
    wait: Option<Spanned<String>>,
    first: Option<Spanned<String>>,
    longest: Option<Spanned<String>>,
}

impl Job {
    /// The job that it follows, and where that is written.
    pub(super) fn followed(&self) -> Option<(String, usize)> {
        self.after.as_ref().map(|job| (job.get_ref().clone(), job.span().start))
    }
}

impl Reader<'_> {
    fn retry(&mut self, place: usize, keys: &RetryKeys, incomplete: bool) -> Option<Retry> {
        let Some(times) = &keys.times else {
            return if incomplete { None } else { self.fault(place, "a retry needs `times`, such as 3") };
        };
        let Ok(times) = u32::try_from(*times.get_ref()) else {
            let message =
                format!("{} is no number of retries; write one from 0 to {}", times.get_ref(), u32::MAX);
            return self.fault(times.span().start, message);
        };
        let retry = Retry::times(times);
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

    /// A whole number, from the least that is allowed to the largest that there is.
    fn number<T>(
        &mut self,
        number: Option<&Spanned<i64>>,
        what: &str,
        least: T,
        largest: T,
    ) -> Result<Option<T>, ()>
    where
        T: TryFrom<i64> + PartialOrd + std::fmt::Display,
    {
        let Some(number) = number else { return Ok(None) };
        let valid = T::try_from(*number.get_ref()).ok().filter(|number| *number >= least);
        valid.map(Some).ok_or_else(|| {
            let message =
                format!("{} is no {what}; write a number from {least} to {largest}", number.get_ref());
            self.fault::<()>(number.span().start, message);
        })
    }

    /// A concurrency group: a name, or a name and a limit.
    fn group(&mut self, group: Option<&Spanned<toml::Value>>) -> Result<Option<Group>, ()> {
        let Some(group) = group else { return Ok(None) };
        Group::deserialize(group.get_ref().clone()).map(Some).map_err(|error| {
            self.fault::<()>(group.span().start, error.message());
        })
    }

    pub(super) fn job(&mut self, id: &Spanned<String>, job: &Spanned<Job>, zone: Zone) -> Option<Definition> {
        let place = id.span().start;
        let job = job.get_ref();
        let incomplete = self.incomplete.contains(&place);
        let zone = match &job.timezone {
            Some(name) => self.zone(name)?,
            None => zone,
        };
        let valid_id = JobId::new(id.get_ref()).map_err(|error| self.fault::<()>(place, error)).ok();
        let when = self.when(place, job, zone, incomplete);
        let command = self.job_command(place, job, incomplete);
        let misfire_grace = self.optional_duration(job.misfire_grace.as_ref());
        let time_limit = self.optional_duration(job.time_limit.as_ref());
        let retry =
            job.retry.as_ref().map_or(Some(Retry::default()), |keys| self.retry(place, keys, incomplete));
        let priority = self.number(job.priority.as_ref(), "priority", i32::MIN, i32::MAX);
        let group = self.group(job.group.as_ref());
        let delay = self.optional_duration(job.delay.as_ref());
        let max_runs = self.number(job.max_runs.as_ref(), "number of runs", 1, i64::MAX as u64);
        let max_failures = self.number(job.max_failures.as_ref(), "number of failures", 1, u32::MAX);
        let jitter = self.jitter(job);
        let expected = self.optional_duration(job.expected_duration.as_ref());
        valid_id?;
        let mut policy = Policy::default();
        policy.misfire_grace = misfire_grace.ok()?;
        policy.time_limit = time_limit.ok()?;
        policy.retry = retry?;
        policy.priority = priority.ok()?.unwrap_or_default();
        policy.group = group.ok()?;
        policy.delay = delay.ok()?;
        policy.max_runs = max_runs.ok()?.and_then(NonZeroU64::new);
        policy.max_failures = max_failures.ok()?.and_then(NonZeroU32::new);
        (policy.coalesce, policy.overlap, policy.on_interrupt) =
            (job.coalesce, job.overlap, job.on_interrupt);
        Some(Definition {
            id: id.get_ref().clone(),
            proposed_id: None,
            when: when?,
            command: command?,
            policy,
            jitter: jitter.ok()?,
            jitter_seed: None,
            mail: None,
            expected_duration: expected.ok()?,
            paused: job.paused,
            tags: job.tags.clone(),
        })
    }

    fn when(&mut self, place: usize, job: &Job, zone: Zone, incomplete: bool) -> Option<When> {
        if let (Some(outcome), None, false) = (&job.on, &job.after, incomplete) {
            return self.fault(
                outcome.span().start,
                "`on` says how the job has to end that this one runs after; name that job with `after`",
            );
        }
        match (&job.every, &job.cron, &job.at, &job.once_in, &job.after) {
            (Some(period), None, None, None, None) => {
                let every = self.duration(period)?;
                match IntervalTrigger::new(chrono::DateTime::UNIX_EPOCH, every) {
                    Ok(_) => Some(When::Every(every)),
                    Err(error) => self.fault(period.span().start, error),
                }
            }
            (None, Some(expression), None, None, None) => {
                match CronTrigger::parse(expression.get_ref(), zone.name()) {
                    Ok(trigger) => Some(When::Cron(trigger)),
                    Err(CronTriggerError::Expression(error)) => {
                        let offset = self.inside(expression.span()) + error.place().start;
                        self.fault(offset, error)
                    }
                    Err(error) => self.fault(expression.span().start, error),
                }
            }
            (None, None, Some(date), None, None) => match DateTrigger::parse(date.get_ref(), zone) {
                Ok(trigger) => Some(When::At(trigger)),
                Err(error) => self.fault(date.span().start, error),
            },
            (None, None, None, Some(delay), None) => self.duration(delay).map(When::In),
            (None, None, None, None, Some(followed)) => {
                let outcome = job.on.as_ref().map_or_else(AfterOutcome::default, |on| *on.get_ref());
                self.after(followed, outcome).map(When::After)
            }
            (None, None, None, None, None) if incomplete => None,
            _ => {
                self.fault(place, "a job needs one of `every`, `cron`, `at`, `in` and `after`, and only one")
            }
        }
    }

    fn jitter(&mut self, job: &Job) -> Result<Option<TimeDelta>, Faulty> {
        let Some(text) = &job.jitter else { return Ok(None) };
        if job.every.is_none() && job.cron.is_none() {
            self.fault::<()>(
                text.span().start,
                "a jitter is of `every` and `cron`; a single time is moved by hand",
            );
            return Err(Faulty);
        }
        self.duration(text).map(Some).ok_or(Faulty)
    }

    fn job_command(&mut self, place: usize, job: &Job, incomplete: bool) -> Option<Command> {
        if incomplete && job.command.is_none() && job.shell.is_none() {
            return None;
        }
        let command = self.command(place, "a job", job.command.as_ref(), job.shell.as_deref());
        let umask = match &job.umask {
            None => Some(None),
            Some(text) => match u32::from_str_radix(text.get_ref(), 8) {
                Ok(umask) if umask <= 0o777 => Some(Some(umask)),
                _ => self.fault(
                    text.span().start,
                    format!("{:?} is no umask; write one such as \"077\"", text.get_ref()),
                ),
            },
        };
        let nice = match &job.nice {
            None => Some(None),
            Some(nice) => match i8::try_from(*nice.get_ref()) {
                Ok(level @ -20..=19) => Some(Some(level)),
                _ => self.fault(
                    nice.span().start,
                    format!("{} is no nice level; write one from -20 to 19", nice.get_ref()),
                ),
            },
        };
        let mut command = command?;
        command.environment.clone_from(&job.environment);
        if job.clear_environment {
            command = command.clear_environment();
        }
        command.directory.clone_from(&job.directory);
        command.stdin.clone_from(&job.stdin);
        command.umask = umask?;
        command.nice = nice?;
        command.user.clone_from(&job.user);
        command.on_orphan = job.on_orphan;
        Some(command)
    }

    pub(super) fn command(
        &mut self,
        place: usize,
        whose: &str,
        words: Option<&Spanned<Vec<String>>>,
        shell: Option<&str>,
    ) -> Option<Command> {
        match (words, shell) {
            (Some(words), None) => match words.get_ref().split_first() {
                Some((program, arguments)) if !program.is_empty() => {
                    Some(Command::new(program).arguments(arguments.iter().cloned()))
                }
                _ => self.fault(words.span().start, "the command is empty; name a program"),
            },
            (None, Some(line)) => Some(Command::shell(line)),
            _ => self.fault(
                place,
                format!("{whose} needs `command = [\"program\", \"argument\"]` or `shell = \"a line\"`, and only one"),
            ),
        }
    }

    /// Where a string's content begins, after its quotes.
    fn inside(&self, span: Range<usize>) -> usize {
        let raw = &self.text[span.clone()];
        span.start + raw.bytes().take_while(|byte| matches!(byte, b'"' | b'\'')).count()
    }
}
