//! `matins simulate`: what a configuration will do, found out by doing it, on a clock that leaps.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use chrono::TimeDelta;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use matins::control::RunsRequest;
use matins::definitions::Definition;
use matins::simulate::{KnownFrom, RunTime, Simulation};
use matins::triggers::Zone;
use matins::{Clock, SystemClock};
use matins_daemon::{DEFAULT_STORE, Failure, WORKERS};
use matins_terminal::Text;
use serde_json::json;

use crate::file_arguments::FileArguments;
use crate::target::Target;
use crate::{instant, runs, shown};

#[derive(Debug, Args)]
pub(crate) struct SimulateArguments {
    #[command(flatten)]
    source: FileArguments,
    /// How much time to pass: 7d, 12h
    #[arg(long = "for", value_name = "SPAN", default_value = "7d", value_parser = humantime::parse_duration)]
    span: Duration,
    /// When it begins: 2026-03-28T00:00 in the zone, or with Z or an offset [default: now]
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// How long a run takes of which nothing is known: neither `expected_duration` in the file, nor runs in the ledger
    #[arg(long, value_name = "SPAN", default_value = "1s", value_parser = humantime::parse_duration)]
    duration: Duration,
    /// How many commands run at once.
    #[arg(long, value_name = "N", default_value_t = WORKERS as u16, value_parser = clap::value_parser!(u16).range(1..))]
    workers: u16,
    /// What spreading fires over so much time would gain.
    #[arg(long, value_name = "SPAN", default_value = "1m", value_parser = humantime::parse_duration)]
    spread: Duration,
    /// The time zone of jobs that name none [default: the configuration's, else this machine's]
    #[arg(long, value_name = "ZONE")]
    tz: Option<Zone>,
    /// As JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: Target,
}

pub(crate) fn simulate(arguments: &SimulateArguments) -> Result<(), Failure> {
    let defined = arguments.source.sources(arguments.tz).read()?;
    let now = SystemClock.now();
    let from = match &arguments.from {
        Some(text) => instant::read(text, defined.defaults.zone, now)?,
        None => now,
    };
    let default = TimeDelta::from_std(arguments.duration).map_err(|error| matins::error_chain(&error))?;
    if arguments.span.is_zero() {
        return Err(Failure::BadInput("--for must be longer than zero".to_owned()));
    }
    let span = TimeDelta::from_std(arguments.span).map_err(|error| matins::error_chain(&error))?;
    let until =
        from.checked_add_signed(span).ok_or_else(|| "that is longer than there is time".to_owned())?;
    let definitions: Vec<&Definition> = defined.definitions().collect();
    let run_times = run_times(&definitions, arguments)?;
    let simulated = |spread: Option<TimeDelta>| {
        let bar = ProgressBar::new((until - from).num_minutes().max(1) as u64);
        if let Ok(style) = ProgressStyle::with_template("simulating [{bar:40}] {percent} %") {
            bar.set_style(style);
        }
        let shown = bar.clone();
        let simulation = run_times
            .iter()
            .fold(Simulation::new(definitions.iter().copied(), from, span), |simulation, (job, time)| {
                simulation.run_time_of(job, *time)
            })
            .run_time(default)
            .workers(arguments.workers.into())
            .on_progress(move |now| shown.set_position((now - from).num_minutes().max(0) as u64));
        let simulation = spread.into_iter().fold(simulation, Simulation::spread);
        let forecast = simulation.run();
        bar.finish_and_clear();
        forecast
    };

    let forecast = simulated(None)?;
    let spread = TimeDelta::from_std(arguments.spread).map_err(|error| matins::error_chain(&error))?;
    let spread_out = if spread > TimeDelta::zero() { Some(simulated(Some(spread))?) } else { None };
    if arguments.json {
        shown::json(json!({"simulation": forecast, "spread": spread_out}));
        return Ok(());
    }
    let spread_out = spread_out.as_ref().map(|spread_out| (spread, spread_out));
    let bold = anstyle::Style::new().bold();
    shown::line(Text::new().styled(bold, forecast.title(defined.defaults.zone)));
    shown::print(&Text::new().lines(forecast.text(spread_out, defined.defaults.zone)));
    Ok(())
}

/// How long runs of the jobs took, in the middle, as the ledger has it.
fn run_times(
    definitions: &[&Definition],
    arguments: &SimulateArguments,
) -> Result<BTreeMap<String, RunTime>, Failure> {
    let request =
        RunsRequest { outcome: Some("succeeded".to_owned()), limit: 100_000, ..RunsRequest::default() };
    let ledger = match runs::fetch(&arguments.target, request) {
        Ok(ledger) => ledger,
        // Nobody has named one: then there may be none.
        Err(_) if arguments.target.store == DEFAULT_STORE => Vec::new(),
        Err(failure) => return Err(failure),
    };
    let mut taken: HashMap<&str, Vec<TimeDelta>> = HashMap::new();
    for run in ledger.iter().map(|view| &view.run) {
        if let (Some(started), Some(finished)) = (run.started, run.finished) {
            taken.entry(run.job.as_str()).or_default().push(finished - started);
        }
    }
    let mut median = |id: &str| {
        let taken = taken.get_mut(id)?;
        let middle = taken.len() / 2;
        Some(*taken.select_nth_unstable(middle).1)
    };
    let known = definitions.iter().filter_map(|definition| {
        let median = median(&definition.id)?;
        Some((definition.id.clone(), RunTime::new(KnownFrom::Ledger, median)))
    });
    Ok(known.collect())
}
