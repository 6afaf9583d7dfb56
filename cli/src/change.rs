//! `matins add`, `edit`, `reschedule`, `remove`, `pause`, `resume`, `now`: what changes jobs.

use std::path::PathBuf;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, ValueEnum};
use matins::control::{JobView, RemoveManyRequest, Request};
use matins::prelude::*;
use matins::triggers::Zone;
use matins::{Clock, Group, Run, SystemClock, Value};
use matins_daemon::Failure;
use serde::Serialize;
use serde_json::{Map, json};

use crate::shown::{self, AskArguments};
use crate::target::Target;
use crate::{jobs, runs};

/// When a job fires.
#[derive(Debug, Args)]
pub(crate) struct When {
    /// Every so often, from now on: 30s, 5m, 1h 30m
    #[arg(long, value_name = "SPAN", group = "when")]
    every: Option<String>,
    /// When a cron expression says so: "0 9 * * MON-FRI"
    #[arg(long, value_name = "EXPRESSION", group = "when")]
    cron: Option<String>,
    /// Once, at a time: 2026-12-24T18:00
    #[arg(long, value_name = "TIME", group = "when")]
    at: Option<String>,
    /// Once, so long from now: 10m
    #[arg(long = "in", value_name = "SPAN", group = "when")]
    once_in: Option<String>,
    /// After each run of another job: its id
    #[arg(long, value_name = "JOB", group = "when")]
    after: Option<String>,
    /// How a run of that job has to end to be followed [default: succeeded]
    #[arg(long, value_name = "OUTCOME", requires = "after")]
    on: Option<AfterWord>,
    /// Each fire so much later at most, always by the same: 1m
    #[arg(long, value_name = "SPAN")]
    jitter: Option<String>,
    /// The zone in which the expression or the time is meant [default: the daemon's]
    #[arg(long, value_name = "ZONE")]
    timezone: Option<Zone>,
}

/// What a job runs, and how.
#[derive(Debug, Args)]
pub(crate) struct What {
    /// A line for /bin/sh, in place of a program and its arguments.
    #[arg(long, value_name = "LINE", conflicts_with = "command")]
    shell: Option<String>,
    /// An environment variable; may be given again.
    #[arg(long = "env", value_name = "NAME=VALUE")]
    environment: Vec<String>,
    /// With nothing else in its environment.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    clear_environment: Option<bool>,
    /// The directory that it runs in.
    #[arg(long, value_name = "PATH")]
    directory: Option<PathBuf>,
    /// What it reads from its standard input.
    #[arg(long, value_name = "TEXT")]
    stdin: Option<String>,
    /// The permissions that its files do not get: 077
    #[arg(long, value_name = "OCTAL")]
    umask: Option<String>,
    /// How far it stands back for others: -20 to 19
    #[arg(long, value_name = "LEVEL", allow_hyphen_values = true)]
    nice: Option<i8>,
    /// The user that it runs as, where the daemon is root.
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// The executor that runs it: a name of the table `executors` of the daemon's configuration, or `default`
    #[arg(long, value_name = "NAME")]
    executor: Option<String>,
    /// How late it may start: 10m; or `none`
    #[arg(long, value_name = "SPAN")]
    misfire_grace: Option<String>,
    /// How long it may take: 1h; or `none`
    #[arg(long, value_name = "SPAN")]
    time_limit: Option<String>,
    /// Which of several fires that are due together runs.
    #[arg(long, value_name = "WHICH")]
    coalesce: Option<CoalesceWord>,
    /// What happens to a fire that finds a run still going: `skip`, `queue_one`, or how many may run at once
    #[arg(long, value_name = "HOW")]
    overlap: Option<String>,
    /// Which come first where runs wait for a place: those with a higher one; 0 unless it is given
    #[arg(long, value_name = "NUMBER", allow_hyphen_values = true)]
    priority: Option<i32>,
    /// The concurrency group: how many runs of all jobs with the same NAME may be in progress at once, 1 unless it is given; or `none`
    #[arg(long, value_name = "NAME[:LIMIT]")]
    group: Option<String>,
    /// How long after the end of a run the next one begins: 30s; or `none`
    #[arg(long, value_name = "SPAN")]
    delay: Option<String>,
    /// How often it runs at most
    #[arg(long, value_name = "NUMBER")]
    max_runs: Option<u64>,
    /// After how many failures in a row it is paused
    #[arg(long, value_name = "NUMBER")]
    max_failures: Option<u32>,
    /// What happens to a run that was going when the machine stopped.
    #[arg(long, value_name = "WHAT")]
    on_interrupt: Option<OnInterruptWord>,
    /// What happens to a command that is still running although the daemon was killed, when the next daemon starts.
    #[arg(long, value_name = "WHAT")]
    on_orphan: Option<OnOrphanWord>,
    /// How often it is tried again when it fails.
    #[arg(long, value_name = "TIMES")]
    retry: Option<u32>,
    /// How long to wait before it is tried again: 30s
    #[arg(long, value_name = "SPAN", requires = "retry")]
    retry_wait: Option<String>,
    /// A word to find it by; may be given again.
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,
    /// The program and its arguments, after `--`; no shell reads them.
    #[arg(last = true, value_name = "PROGRAM ARGUMENT")]
    command: Vec<String>,
}

#[derive(Debug, Clone, Copy, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
enum AfterWord {
    Succeeded,
    /// It failed, timed out, or was interrupted
    Failed,
    /// It ended, in whatever way
    Any,
}

#[derive(Debug, Clone, Copy, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
enum CoalesceWord {
    Latest,
    Earliest,
    All,
}

#[derive(Debug, Clone, Copy, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
enum OnInterruptWord {
    Leave,
    #[value(name = "run_again")]
    RunAgain,
}

#[derive(Debug, Clone, Copy, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
enum OnOrphanWord {
    /// The job waits for it
    Wait,
    /// It is ended
    Kill,
    /// The job runs beside it
    Ignore,
}

#[derive(Debug, Args)]
pub(crate) struct AddArguments {
    /// The job's id.
    job: String,
    #[command(flatten)]
    when: When,
    #[command(flatten)]
    what: What,
    /// Paused, until `matins resume`.
    #[arg(long)]
    paused: bool,
    /// In place of a job of that id.
    #[arg(long)]
    replace: bool,
    #[command(flatten)]
    ask: AskArguments,
}

#[derive(Debug, Args)]
pub(crate) struct EditArguments {
    /// The job's id.
    job: String,
    #[command(flatten)]
    when: When,
    #[command(flatten)]
    what: What,
    /// Back to its default; a key as in a configuration: `time_limit`, `environment`, ...
    #[arg(long, value_name = "KEY")]
    unset: Vec<String>,
    #[command(flatten)]
    ask: AskArguments,
}

#[derive(Debug, Args)]
pub(crate) struct RescheduleArguments {
    /// The job's id.
    job: String,
    #[command(flatten)]
    when: When,
    #[command(flatten)]
    ask: AskArguments,
}

#[derive(Debug, Args)]
pub(crate) struct OneJobArguments {
    /// The jobs' ids.
    #[arg(required = true, value_name = "JOB")]
    jobs: Vec<String>,
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, Args)]
pub(crate) struct RemoveArguments {
    /// The jobs' ids.
    #[arg(required_unless_present_any = ["prefix", "tag"], conflicts_with_all = ["prefix", "tag"], value_name = "JOB")]
    jobs: Vec<String>,
    /// All jobs whose id begins so.
    #[arg(long, value_parser = NonEmptyStringValueParser::new())]
    prefix: Option<String>,
    /// All jobs with this tag.
    #[arg(long, value_parser = NonEmptyStringValueParser::new())]
    tag: Option<String>,
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, Args)]
pub(crate) struct NowArguments {
    /// The job's id.
    job: String,
    /// Waits until the run has ended, shows it, and exits with 1 if it did not succeed.
    #[arg(long)]
    wait: bool,
    #[command(flatten)]
    ask: AskArguments,
}

impl When {
    fn put(&self, keys: &mut Map<String, Value>) {
        put(keys, "every", self.every.as_ref());
        put(keys, "cron", self.cron.as_ref());
        put(keys, "at", self.at.as_ref());
        put(keys, "in", self.once_in.as_ref());
        put(keys, "after", self.after.as_ref());
        put(keys, "on", self.on);
        put(keys, "jitter", self.jitter.as_ref());
        put(keys, "timezone", self.timezone.map(Zone::name));
    }
}

impl What {
    fn put(&self, keys: &mut Map<String, Value>) -> Result<(), Failure> {
        put(keys, "shell", self.shell.as_ref());
        put(keys, "command", (!self.command.is_empty()).then_some(&self.command));
        if !self.environment.is_empty() {
            let mut environment = Map::new();
            for variable in &self.environment {
                let Some((name, value)) = variable.split_once('=') else {
                    return Err(Failure::BadInput(format!("{variable:?} is no variable; write NAME=VALUE")));
                };
                environment.insert(name.to_owned(), json!(value));
            }
            put(keys, "environment", Some(environment));
        }
        put(keys, "clear_environment", self.clear_environment);
        // Meant from where this is typed, and not from where the daemon happens to be.
        let directory =
            self.directory.as_ref().map(|path| std::path::absolute(path).unwrap_or_else(|_| path.clone()));
        put(keys, "directory", directory);
        put(keys, "stdin", self.stdin.as_ref());
        put(keys, "umask", self.umask.as_ref());
        put(keys, "nice", self.nice);
        put(keys, "user", self.user.as_ref());
        put(keys, "executor", self.executor.as_ref());
        let spans = [
            ("misfire_grace", &self.misfire_grace),
            ("time_limit", &self.time_limit),
            ("delay", &self.delay),
        ];
        for (key, span) in spans {
            match span.as_deref() {
                Some("none") => keys.insert(key.to_owned(), Value::Null),
                span => put(keys, key, span),
            };
        }
        put(keys, "coalesce", self.coalesce);
        put(keys, "priority", self.priority);
        match self.group.as_deref() {
            Some("none") => drop(keys.insert("group".to_owned(), Value::Null)),
            text => {
                let group = text.map(str::parse::<Group>).transpose();
                let group = group.map_err(|error| Failure::BadInput(matins::error_chain(&error)))?;
                // Without a limit it has that of the daemon's table `groups`.
                put(keys, "group", text);
                put(keys, "group", group.filter(|group| text != Some(group.name.as_str())));
            }
        }
        put(keys, "max_runs", self.max_runs);
        put(keys, "max_failures", self.max_failures);
        put(keys, "on_interrupt", self.on_interrupt);
        put(keys, "on_orphan", self.on_orphan);
        if let Some(overlap) = &self.overlap {
            let value =
                overlap.parse::<u32>().map_or_else(|_| json!(overlap), |limit| json!({"allow": limit}));
            put(keys, "overlap", Some(value));
        }
        if let Some(times) = self.retry {
            let mut retry = Map::new();
            put(&mut retry, "times", Some(times));
            put(&mut retry, "wait", self.retry_wait.as_ref());
            put(keys, "retry", Some(retry));
        }
        put(keys, "tags", (!self.tags.is_empty()).then_some(&self.tags));
        Ok(())
    }
}

fn put(keys: &mut Map<String, Value>, key: &str, value: Option<impl Serialize>) -> Option<Value> {
    keys.insert(key.to_owned(), json!(value?))
}

pub(crate) fn add(arguments: AddArguments) -> Result<(), Failure> {
    let mut keys = Map::new();
    arguments.when.put(&mut keys);
    arguments.what.put(&mut keys)?;
    keys.retain(|_, value| !value.is_null());
    if arguments.paused {
        keys.insert("paused".to_owned(), json!(true));
    }
    let on_conflict = if arguments.replace { OnConflict::Replace } else { OnConflict::Refuse };
    let request = Request::Add { job: arguments.job, keys, on_conflict };
    let zone = arguments.ask.times.zone()?;
    let answer = arguments.ask.target.client_or_new_store()?.ask(request)?;
    show_job(answer, &arguments.ask, zone)
}

pub(crate) fn edit(arguments: EditArguments) -> Result<(), Failure> {
    let mut keys = Map::new();
    arguments.when.put(&mut keys);
    arguments.what.put(&mut keys)?;
    keys.extend(arguments.unset.into_iter().map(|key| (key, Value::Null)));
    change(arguments.job, keys, &arguments.ask)
}

pub(crate) fn reschedule(arguments: RescheduleArguments) -> Result<(), Failure> {
    let mut keys = Map::new();
    arguments.when.put(&mut keys);
    if keys.is_empty() {
        return Err(Failure::BadInput("name one of --every, --cron, --at, --in and --after".to_owned()));
    }
    change(arguments.job, keys, &arguments.ask)
}

fn change(job: String, keys: Map<String, Value>, ask: &AskArguments) -> Result<(), Failure> {
    // Looked for first: nothing is changed if it cannot be told.
    let zone = ask.times.zone()?;
    let value = ask.target.client()?.ask(Request::Edit { job, keys })?;
    show_job(value, ask, zone)
}

fn show_job(value: Value, ask: &AskArguments, zone: Zone) -> Result<(), Failure> {
    if ask.json {
        shown::json(value);
        return Ok(());
    }
    let view: JobView = shown::read(value)?;
    jobs::describe(&view, zone, SystemClock.now());
    if let Some(source) = view.job.metadata.get("source").and_then(Value::as_str) {
        shown::line(format_args!(
            "it is defined in {source}: the change holds until its definition there is changed"
        ));
    }
    Ok(())
}

/// Removes jobs together: a store that flushes a disk for each change is much faster so.
pub(crate) fn remove(arguments: RemoveArguments) -> Result<(), Failure> {
    let RemoveArguments { jobs, prefix, tag, target } = arguments;
    let request = RemoveManyRequest { jobs: jobs.clone(), prefix, tag };
    let done = target.client()?.ask(Request::RemoveMany(request))?;
    for job in &jobs {
        shown::line(format_args!("removed {job}"));
    }
    if jobs.is_empty() {
        let count = done.get("jobs").and_then(Value::as_u64).unwrap_or(0);
        shown::line(format_args!("removed {count} {}", if count == 1 { "job" } else { "jobs" }));
    }
    Ok(())
}

pub(crate) fn pause(arguments: OneJobArguments) -> Result<(), Failure> {
    each(arguments, "paused", |job| Request::Pause { job })
}

pub(crate) fn resume(arguments: OneJobArguments) -> Result<(), Failure> {
    each(arguments, "resumed", |job| Request::Resume { job })
}

fn each(arguments: OneJobArguments, done: &str, request: impl Fn(String) -> Request) -> Result<(), Failure> {
    for job in arguments.jobs {
        arguments.target.client()?.ask(request(job.clone()))?;
        shown::line(format_args!("{done} {job}"));
    }
    Ok(())
}

pub(crate) fn now(arguments: NowArguments) -> Result<(), Failure> {
    let zone = arguments.ask.times.zone()?;
    let client = arguments.ask.target.client()?;
    let wait = arguments.wait;
    let value = client.ask(Request::Now { job: arguments.job.clone(), wait })?;
    if arguments.ask.json {
        shown::json(value.clone());
    }
    if value.get("outcome").is_none() {
        if !arguments.ask.json {
            shown::line(format_args!("started {}", arguments.job));
        }
        return Ok(());
    }
    let run: Run = shown::read(value)?;
    if !arguments.ask.json {
        runs::print(&run.clone().into(), None, zone);
    }
    Failure::unless_succeeded(&run)
}
