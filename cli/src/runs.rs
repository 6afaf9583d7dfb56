//! `matins runs`, `matins run ID`: what happened to each fire.

use chrono::{DateTime, TimeDelta, Utc};
use clap::Args;
use matins::control::{Request, RunView, RunsRequest};
use matins::triggers::Zone;
use matins::{Clock, SystemClock, Value};
use matins_daemon::rows::run;
use matins_daemon::{Failure, follow, listing};
use matins_terminal::{Text, secrets};

use crate::shown::{self, AskArguments};
use crate::target::Target;
use crate::{instant, show};

#[derive(Debug, Args)]
pub(crate) struct RunsArguments {
    /// Those of this job.
    job: Option<String>,
    /// Those that ended so: succeeded, failed, "timed out", cancelled, interrupted, missed, "missed: overlap", ...
    #[arg(long, value_name = "OUTCOME")]
    outcome: Option<String>,
    /// Those due since then: 2026-11-24T18:00 or 18:00 in the zone, with Z or an offset, or a span back from now: 2h, 3days
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// So many, the newest first.
    #[arg(short = 'n', long, value_name = "N", default_value_t = 20)]
    number: usize,
    #[command(flatten)]
    ask: AskArguments,
}

#[derive(Debug, Args)]
pub(crate) struct ShowRunArguments {
    /// The run's number, as `matins runs` shows it.
    #[arg(value_name = "ID")]
    run: u64,
    /// What the run printed and nothing else, as it was printed: it may do anything to a terminal, and hides no secret.
    #[arg(long, conflicts_with = "json")]
    raw: bool,
    /// What the run prints while it prints it, until it has ended.
    #[arg(long, conflicts_with = "json")]
    follow: bool,
    #[command(flatten)]
    ledger: Ledger,
    #[command(flatten)]
    ask: AskArguments,
}

#[derive(Debug, Args)]
pub(crate) struct CancelArguments {
    /// The run's number, as `matins runs` and `matins status` show it.
    #[arg(value_name = "ID")]
    run: u64,
    #[command(flatten)]
    ledger: Ledger,
    #[command(flatten)]
    target: Target,
}

/// Which ledger a run is in: each store of a scheduler numbers its own.
#[derive(Debug, Args)]
struct Ledger {
    /// The store of the run, where a scheduler has several.
    #[arg(long, value_name = "NAME")]
    in_store: Option<String>,
}

pub(crate) fn runs(arguments: RunsArguments) -> Result<(), Failure> {
    let zone = arguments.ask.times.zone()?;
    let now = SystemClock.now();
    let request = RunsRequest {
        job: arguments.job,
        outcome: arguments.outcome,
        since: arguments.since.as_deref().map(|text| since(text, zone, now)).transpose()?,
        until: None,
        limit: arguments.number,
        ..RunsRequest::default()
    };
    if arguments.ask.json {
        return listing::json(&arguments.ask.target.named(), request);
    }
    let mut as_row = |item| Ok(run::row(&shown::read(item)?, zone));
    listing::rows(&arguments.ask.target.named(), request, &run::HEADING, &mut as_row)
}

/// A time, or a span back from now.
pub(crate) fn since(text: &str, zone: Zone, now: DateTime<Utc>) -> Result<DateTime<Utc>, Failure> {
    if let Ok(span) = humantime::parse_duration(text) {
        return TimeDelta::from_std(span)
            .ok()
            .and_then(|span| now.checked_sub_signed(span))
            .ok_or_else(|| Failure::BadInput(format!("{text} is longer ago than there was time")));
    }
    instant::read(text, zone, now).map_err(Failure::BadInput)
}

pub(crate) fn fetch(target: &Target, request: RunsRequest) -> Result<Vec<RunView>, Failure> {
    let mut items = Vec::new();
    target.client()?.ask_for(Request::Runs(request), &[], &mut |item| {
        items.push(item);
        true
    })?;
    items.into_iter().map(shown::read).collect()
}

pub(crate) fn cancel(arguments: CancelArguments) -> Result<(), Failure> {
    let request = Request::Cancel { run: arguments.run, store: arguments.ledger.in_store };
    let done = arguments.target.daemon_or_shared_store()?.ask(request)?;
    let job = done.get("job").and_then(Value::as_str).unwrap_or_default();
    shown::line(format!("cancelling run {} of {job}", arguments.run));
    Ok(())
}

pub(crate) fn show_run(arguments: ShowRunArguments) -> Result<(), Failure> {
    if arguments.raw {
        secrets::show();
    }
    let request = Request::Run { run: arguments.run, store: arguments.ledger.in_store };
    if arguments.follow {
        let view = follow(&arguments.ask.target.named(), &request, arguments.raw)?;
        if !arguments.raw {
            print(&view, None, arguments.ask.times.zone()?);
        }
        return Failure::unless_succeeded(&view.run);
    }
    let value = arguments.ask.target.client()?.ask(request)?;
    if arguments.ask.json {
        shown::json(value);
        return Ok(());
    }
    if arguments.raw {
        let view: RunView = shown::read(value)?;
        shown::raw(view.run.output.unwrap_or_default().as_bytes());
        return Ok(());
    }
    let progress = value.get("progress").cloned();
    print(&shown::read(value)?, progress.as_ref(), arguments.ask.times.zone()?);
    Ok(())
}

/// All that the ledger knows of a run, its output whole.
pub(crate) fn print(view: &RunView, progress: Option<&Value>, zone: Zone) {
    let run = &view.run;
    let bold = anstyle::Style::new().bold();
    let style = matins_daemon::outcome_style(run.outcome);
    let title =
        Text::new().styled(bold, format_args!("run {}", run.id)).and(format_args!(" of {}: ", run.job));
    shown::line(title.styled(style, run::outcome(view)));
    shown::property("due", show::local(run.scheduled(), zone));
    if run.fires.count > 1 {
        shown::property(
            "stands for",
            format!("{} fires, up to {}", run.fires.count, show::local(run.fires.last, zone)),
        );
    }
    if run.manual {
        shown::property("started by", "hand".to_owned());
    }
    if let Some(cause) = view.cause() {
        shown::property("follows", cause);
    }
    if let Some(node) = &view.node {
        shown::property("on node", node.clone());
    }
    if run.attempt > 1 {
        shown::property("attempt", run.attempt.to_string());
    }
    if let Some(started) = run.started {
        let late = show::span((started - run.scheduled()).max(TimeDelta::zero()));
        shown::property("began", format!("{}, {late} late", show::local(started, zone)));
    }
    if let Some(finished) = run.finished {
        let took = run
            .started
            .map(|started| format!(", after {}", show::span((finished - started).max(TimeDelta::zero()))));
        shown::property("ended", format!("{}{}", show::local(finished, zone), took.unwrap_or_default()));
    }
    if let Some(progress) = progress {
        shown::property("progress", format!("{} of {}", progress["done"], progress["total"]));
    }
    if let Some(message) = &run.message {
        shown::property("message", message.clone());
    }
    if let Some(result) = &run.result {
        shown::property("result", result.to_string());
    }
    if let Some(output) = &run.output {
        shown::print(&Text::new().end_line().lines(output.trim_end()).end_line());
    }
}
