//! `matins jobs`, `matins job`: what is to be done, and when next.

use chrono::{DateTime, Utc};
use clap::Args;
use matins::control::{JobView, JobsOrder, JobsRequest, Request, RunsRequest};
use matins::triggers::Zone;
use matins::{Clock, SystemClock, Value};
use matins_daemon::rows::{job, policy, run};
use matins_daemon::{Failure, listing};
use matins_terminal::{Text, secrets};

use crate::shown::{self, AskArguments};
use crate::{runs, show};

#[derive(Debug, Args)]
pub(crate) struct JobsArguments {
    /// Those whose id begins so.
    #[arg(value_name = "PREFIX")]
    prefix: Option<String>,
    /// Those with this tag.
    #[arg(long)]
    tag: Option<String>,
    /// Those that are paused.
    #[arg(long)]
    paused: bool,
    #[command(flatten)]
    ask: AskArguments,
}

#[derive(Debug, Args)]
pub(crate) struct JobArguments {
    /// The job's id.
    job: String,
    #[command(flatten)]
    ask: AskArguments,
}

pub(crate) fn jobs(arguments: JobsArguments) -> Result<(), Failure> {
    let request = JobsRequest {
        prefix: arguments.prefix,
        tag: arguments.tag,
        paused: arguments.paused.then_some(true),
        ..JobsRequest::default()
    };
    let target = &arguments.ask.target;
    if arguments.ask.json {
        return listing::json(&target.named(), request);
    }
    let (zone, now) = (arguments.ask.times.zone()?, SystemClock.now());
    let request = JobsRequest { order: JobsOrder::NextFire, ..request };
    listing::rows(&target.named(), request, &job::HEADING, &mut |item| {
        let view: JobView = shown::read(item)?;
        Ok(job::row(&view.job, zone, now))
    })
}

pub(crate) fn job(arguments: JobArguments) -> Result<(), Failure> {
    let value = arguments.ask.target.client()?.ask(Request::Job { job: arguments.job.clone() })?;
    if arguments.ask.json {
        shown::json(value);
        return Ok(());
    }
    let view: JobView = shown::read(value)?;
    let (zone, now) = (arguments.ask.times.zone()?, SystemClock.now());
    describe(&view, zone, now);
    let request = RunsRequest { job: Some(arguments.job), limit: 5, ..RunsRequest::default() };
    let runs = runs::fetch(&arguments.ask.target, request)?;
    if !runs.is_empty() {
        shown::line(Text::new().end_line().and("last runs"));
        shown::rows(&run::HEADING, runs.iter().map(|view| run::row(view, zone)).collect());
    }
    Ok(())
}

/// Says what a job is.
pub(crate) fn describe(view: &JobView, zone: Zone, now: DateTime<Utc>) {
    let bold = anstyle::Style::new().bold();
    let job = &view.job;
    shown::line(Text::new().styled(bold, &job.id).and(": ").and(show::trigger(&*job.trigger, zone)));
    let (next, relative) = job::next(job, zone, now);
    shown::property("next", if relative.is_empty() { next } else { format!("{next}, {relative}") });
    let later: Vec<String> = view.upcoming.iter().skip(1).map(|fire| show::local(*fire, zone)).collect();
    if !later.is_empty() {
        shown::property("then", later.join(", "));
    }
    shown::property("runs", job::work(job));
    if let Some(Value::Object(environment)) = job.arguments.get("environment") {
        for (name, value) in environment {
            shown::property("with", secrets::variable(name, value.as_str().unwrap_or_default()));
        }
    }
    for key in ["directory", "user", "nice", "on_orphan"] {
        if let Some(value) = job.arguments.get(key) {
            shown::property(key, value.as_str().map_or_else(|| value.to_string(), str::to_owned));
        }
    }
    if let Some(store) = &view.store {
        shown::property("store", store.clone());
    }
    if job.executor != matins::ExecutorName::default() {
        shown::property("executor", job.executor.to_string());
    }
    for (key, text) in policy::rows(job) {
        shown::property(&key, text);
    }
    if !job.tags.is_empty() {
        shown::property("tags", job.tags.iter().cloned().collect::<Vec<_>>().join(", "));
    }
    if let Some(source) = job.metadata.get("source").and_then(Value::as_str) {
        shown::property("from", source.to_owned());
    }
    shown::property("added", show::local(job.created, zone));
}
