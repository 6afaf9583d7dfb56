//! `matins simulate`: what a configuration will do, found out by doing it, on a clock that leaps.

mod report;
mod world;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use matins::Command;
use matins::control::RunsRequest;
use matins::definitions::{COMMAND, Definition, When};
use matins::prelude::*;
use matins::triggers::{JitterTrigger, Zone};
use matins::{Clock, ExecutorName, MissedReason, Retention, Run, SystemClock};
use serde::Serialize;
use serde_json::json;

use crate::control::client::{DEFAULT_STORE, Target};
use crate::failure::Failure;
use crate::run::WORKERS;
use crate::shown;
use crate::sources::FileArguments;
use crate::{instant, runs};

use world::{World, WorldClock, WorldExecutor};

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

/// The job that ends it.
const LAST_JOB: &str = "(the end of the simulation)";

/// What came of it.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Simulation {
    from: DateTime<Utc>,
    until: DateTime<Utc>,
    jobs: usize,
    fires: u64,
    /// By the hour that they are due in.
    fires_per_hour: BTreeMap<DateTime<Utc>, u64>,
    busiest_minute: Option<Busiest>,
    busiest_second: Option<Busiest>,
    most_at_once: usize,
    most_at_once_at: DateTime<Utc>,
    /// How many waited for a place at most.
    most_waiting: usize,
    timed_out: BTreeMap<String, u64>,
    /// By reason, and by job.
    missed: BTreeMap<&'static str, BTreeMap<String, u64>>,
    /// Where durations come from, by job: `file`, `ledger` or `default`, and the duration in seconds.
    durations: BTreeMap<String, (&'static str, f64)>,
}

#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Busiest {
    at: DateTime<Utc>,
    fires: u64,
}

pub(crate) fn simulate(arguments: &SimulateArguments) -> Result<(), Failure> {
    let defined = arguments.source.sources(arguments.tz).read()?;
    let now = SystemClock.now();
    let from = match &arguments.from {
        Some(text) => instant::read(text, defined.zone, now)?,
        None => now,
    };
    if arguments.span.is_zero() {
        return Err(Failure::BadInput("--for must be longer than zero".to_owned()));
    }
    let span = TimeDelta::from_std(arguments.span).map_err(|error| matins::error_chain(&error))?;
    let until =
        from.checked_add_signed(span).ok_or_else(|| "that is longer than there is time".to_owned())?;
    let definitions: Vec<&Definition> = defined.definitions().collect();
    let durations = durations(&definitions, arguments)?;
    let plan = Plan {
        definitions: &definitions,
        durations: &durations,
        workers: arguments.workers.into(),
        from,
        until,
    };

    let simulation = plan.run(None)?;
    let spread = TimeDelta::from_std(arguments.spread).map_err(|error| matins::error_chain(&error))?;
    let spread_out = if spread > TimeDelta::zero() { Some(plan.run(Some(spread))?) } else { None };
    if arguments.json {
        shown::json(json!({"simulation": simulation, "spread": spread_out}));
        return Ok(());
    }
    let spread_out = spread_out.as_ref().map(|spread_out| (spread, spread_out));
    shown::print(&report::text(&simulation, spread_out, defined.zone));
    Ok(())
}

/// How long runs take: as the file says, else as the ledger has it in the middle, else as the command line says.
fn durations(
    definitions: &[&Definition],
    arguments: &SimulateArguments,
) -> Result<BTreeMap<String, (&'static str, TimeDelta)>, Failure> {
    let default = TimeDelta::from_std(arguments.duration).map_err(|error| matins::error_chain(&error))?;
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
    Ok(definitions
        .iter()
        .map(|definition| {
            let of_file =
                definition.expected_duration.and_then(|expected| TimeDelta::from_std(expected).ok());
            let duration = match (of_file, median(&definition.id)) {
                (Some(expected), _) => ("file", expected),
                (None, Some(median)) => ("ledger", median),
                (None, None) => ("default", default),
            };
            (definition.id.clone(), duration)
        })
        .collect())
}

struct Plan<'a> {
    definitions: &'a [&'a Definition],
    durations: &'a BTreeMap<String, (&'static str, TimeDelta)>,
    workers: usize,
    from: DateTime<Utc>,
    until: DateTime<Utc>,
}

impl Plan<'_> {
    /// Passes the time; with `spread`, each fire comes up to so much later.
    fn run(&self, spread: Option<TimeDelta>) -> Result<Simulation, Failure> {
        let bar = ProgressBar::new((self.until - self.from).num_minutes().max(1) as u64);
        if let Ok(style) = ProgressStyle::with_template("simulating [{bar:40}] {percent} %") {
            bar.set_style(style);
        }
        let (from, shown) = (self.from, bar.clone());
        let progress =
            Box::new(move |now: DateTime<Utc>| shown.set_position((now - from).num_minutes().max(0) as u64));
        let durations = self.durations.iter().map(|(id, (_, duration))| (id.clone(), *duration)).collect();
        let world = World::new(self.from, durations, LAST_JOB, self.workers, progress);
        let failed = |error: SchedulerError| Failure::NotDone(matins::error_chain(&error));
        let mut names: BTreeSet<ExecutorName> =
            self.definitions.iter().map(|definition| definition.executor.clone()).collect();
        names.insert(ExecutorName::default());
        let builder = names.iter().fold(SchedulerBuilder::new(), |builder, name| {
            builder.executor(name, WorldExecutor(world.clone()))
        });
        let scheduler = builder
            .store("default", MemoryStore::new())
            .clock(WorldClock(world.clone()))
            // What came of a run is counted when it is told.
            .retention(Retention { runs_per_job: Some(4), ..Retention::EVERYTHING })
            .blocking()
            .map_err(failed)?;
        world.is_of(scheduler.handle());
        scheduler.register(COMMAND, CommandTask::default()).map_err(|error| matins::error_chain(&error))?;
        let mut jobs = 0;
        for (number, definition) in (0..).zip(self.definitions) {
            if matches!(&definition.when, When::At(date) if date.instant() <= self.from) {
                continue;
            }
            let mut job = definition.job_by_hand(self.from)?;
            if let Some(spread) = spread.filter(|_| !matches!(definition.when, When::Start | When::After(_)))
            {
                let trigger = definition.trigger(self.from)?;
                let jittered = JitterTrigger::new(trigger, spread, number)
                    .map_err(|error| matins::error_chain(&error))?;
                job = definition.job_with(jittered);
            }
            scheduler.add(job).map_err(failed)?;
            jobs += 1;
        }
        let last = DateTrigger::new(self.until).task(COMMAND).id(LAST_JOB).arguments(Command::new("true"));
        scheduler.add(last).map_err(failed)?;

        let counted = Arc::new(Mutex::new(Counted::default()));
        let counting = counted.clone();
        // It wants none of them: it has counted them by then, on the scheduler's own thread, and loses none.
        let _events = scheduler.subscribe_to(move |event| {
            counting.lock().unwrap_or_else(PoisonError::into_inner).count(event);
            false
        });
        scheduler.run();
        bar.finish_and_clear();

        let counted = counted.lock().unwrap_or_else(PoisonError::into_inner);
        let (most_at_once, most_at_once_at, most_waiting) = world.most();
        let seconds = |duration: &TimeDelta| duration.as_seconds_f64();
        Ok(Simulation {
            from: self.from,
            until: self.until,
            jobs,
            fires: counted.fires,
            fires_per_hour: counted.per_hour.clone(),
            busiest_minute: counted.busiest_minute.most,
            busiest_second: counted.busiest_second.most,
            most_at_once,
            most_at_once_at,
            most_waiting,
            timed_out: counted.timed_out.clone(),
            missed: counted.missed.clone(),
            durations: self
                .durations
                .iter()
                .map(|(id, (from, duration))| (id.clone(), (*from, seconds(duration))))
                .collect(),
        })
    }
}

#[derive(Default)]
struct Counted {
    fires: u64,
    per_hour: BTreeMap<DateTime<Utc>, u64>,
    busiest_minute: Peak,
    busiest_second: Peak,
    timed_out: BTreeMap<String, u64>,
    missed: BTreeMap<&'static str, BTreeMap<String, u64>>,
}

/// The most fires in one range of time; fires come in order.
#[derive(Default)]
struct Peak {
    current: Option<Busiest>,
    most: Option<Busiest>,
}

impl Peak {
    fn count(&mut self, at: DateTime<Utc>, fires: u64) {
        let current = match self.current {
            Some(current) if current.at == at => Busiest { fires: current.fires + fires, ..current },
            _ => Busiest { at, fires },
        };
        self.current = Some(current);
        if self.most.is_none_or(|most| most.fires < current.fires) {
            self.most = Some(current);
        }
    }
}

impl Counted {
    fn count(&mut self, event: &Event) {
        match event {
            Event::RunStarted { run, .. } if run.job.as_str() != LAST_JOB => self.fire(run),
            Event::RunMissed { run, .. } => {
                self.fire(run);
                let reason = match run.outcome {
                    Some(Outcome::Missed(reason)) => MissedReason::describe(reason),
                    _ => "for a reason that is not known",
                };
                *self.missed.entry(reason).or_default().entry(run.job.to_string()).or_default() +=
                    run.fires.count;
            }
            Event::RunFinished { run, .. } if run.outcome == Some(Outcome::TimedOut) => {
                *self.timed_out.entry(run.job.to_string()).or_default() += 1;
            }
            _ => {}
        }
    }

    fn fire(&mut self, run: &Run) {
        let (at, count) = (run.scheduled(), run.fires.count);
        self.fires += count;
        let begin_of = |seconds: i64| {
            DateTime::from_timestamp(at.timestamp().div_euclid(seconds) * seconds, 0).unwrap_or(at)
        };
        *self.per_hour.entry(begin_of(3600)).or_default() += count;
        self.busiest_minute.count(begin_of(60), count);
        self.busiest_second.count(begin_of(1), count);
    }
}

#[cfg(test)]
mod tests;
