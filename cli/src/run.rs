//! `matins run`: the daemon.

use std::path::PathBuf;
use std::thread;

use chrono::{DateTime, Utc};
use clap::Args;
use matins::config::{StoreUrl, StoreUrlError};
use matins::prelude::*;
use matins::triggers::Zone;
use matins::{Clock, JobOrder, JobState, Retention, SystemClock};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::definition::{COMMAND, Definition};
use crate::store::give_to;
use crate::{config, crontab, diagnostic, log, read, show, sync, system_zone};

/// Where jobs are kept when nobody says.
const DEFAULT_STORE: &str = "sqlite:matins.db";

/// How many commands run at once.
const WORKERS: usize = 64;

#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    /// A configuration.
    #[arg(value_name = "FILE.toml")]
    config: Option<PathBuf>,
    /// A user's crontab, as crontab(5) describes it.
    #[arg(long, value_name = "FILE")]
    crontab: Option<PathBuf>,
    /// Where jobs and their ledger are kept: `sqlite:PATH`, `file:DIRECTORY` or `memory` [default: the configuration's, else
    /// sqlite:matins.db]
    #[arg(long, value_name = "STORE")]
    store: Option<String>,
    /// The time zone of jobs that name none, and of the times shown [default: the configuration's, else this machine's]
    #[arg(long, value_name = "ZONE")]
    tz: Option<Zone>,
}

/// Everything that files say, read before anything is opened.
struct Plan {
    sources: Vec<(PathBuf, Vec<Definition>)>,
    store: String,
    zone: Zone,
    retention: Retention,
}

pub(crate) fn run(arguments: RunArguments) -> Result<(), String> {
    let plan = plan(arguments)?;
    // From here on a signal stops it in order, also one that comes before the first job fires.
    let signals =
        Signals::new([SIGINT, SIGTERM]).map_err(|error| format!("cannot listen to signals: {error}"))?;
    let clock = SystemClock;
    let builder = SchedulerBuilder::new()
        .executor("default", ThreadExecutor::builder().workers(WORKERS).build())
        .retention(plan.retention.clone());
    let url: StoreUrl = plan.store.parse().map_err(|error: StoreUrlError| error.to_string())?;
    let scheduler = give_to(builder, &url)?.blocking().map_err(|error| error.to_string())?;
    scheduler.register(COMMAND, CommandTask::default()).map_err(|error| error.to_string())?;

    let mut notes = Vec::new();
    for (path, definitions) in &plan.sources {
        let changes = sync::apply(&scheduler, &path.display().to_string(), definitions, clock.now())?;
        notes.extend(changes.describe().map(|changes| format!("{}: {changes}", path.display())));
    }
    anstream::print!("{}", first_screen(&scheduler, &plan, &notes, clock.now())?);

    let events = scheduler.subscribe();
    let zone = plan.zone;
    let printer = thread::spawn(move || log::print(events, zone));
    stop_on_signals(signals, scheduler.handle());
    scheduler.run();
    // It ends with the events; a panic in it has been shown already.
    let _ = printer.join();
    anstream::println!("stopped");
    Ok(())
}

fn plan(arguments: RunArguments) -> Result<Plan, String> {
    let mut zone = arguments.tz;
    let mut store = None;
    let mut retention = Retention::default();
    let mut sources = Vec::new();
    if let Some(path) = arguments.config {
        let text = read(&path)?;
        let config = config::parse(&text, zone.unwrap_or_else(system_zone))
            .map_err(|faults| diagnostic::report(&path, &faults))?;
        zone = zone.or(config.zone);
        store = config.store;
        retention = config.retention;
        sources.push((path, config.jobs));
    }
    let zone = zone.unwrap_or_else(system_zone);
    if let Some(path) = arguments.crontab {
        let text = read(&path)?;
        let jobs = crontab::parse(&text, zone).map_err(|faults| diagnostic::report(&path, &faults))?;
        sources.push((path, jobs));
    }
    let mut ids: Vec<&str> =
        sources.iter().flat_map(|(_, jobs)| jobs.iter().map(|job| job.id.as_str())).collect();
    ids.sort_unstable();
    if let Some(twice) =
        ids.iter().zip(&ids[ids.len().min(1)..]).find_map(|(id, next)| (id == next).then_some(id))
    {
        return Err(format!("both files define a job {twice:?}; rename one of them; nothing was changed"));
    }
    let store = arguments.store.or(store).unwrap_or_else(|| DEFAULT_STORE.to_owned());
    Ok(Plan { sources, store, zone, retention })
}

/// The first signal stops gracefully, the second cancels what runs.
fn stop_on_signals(mut signals: Signals, scheduler: Handle) {
    thread::spawn(move || {
        let mut how = Shutdown::Wait;
        for _ in signals.forever() {
            anstream::eprintln!(
                "{}",
                match how {
                    Shutdown::Wait => "stopping when the running jobs have ended; once more to stop at once",
                    _ => "stopping at once",
                }
            );
            scheduler.shutdown(how);
            how = Shutdown::Now;
        }
    });
}

fn first_screen(
    scheduler: &Handle,
    plan: &Plan,
    notes: &[String],
    now: DateTime<Utc>,
) -> Result<String, String> {
    let query = JobQuery { order: JobOrder::NextFire, ..JobQuery::default() };
    let jobs = scheduler.list(&query).map_err(|error| error.to_string())?;
    let bold = anstyle::Style::new().bold();
    let count = if jobs.len() == 1 { "1 job".to_owned() } else { format!("{} jobs", jobs.len()) };
    let mut screen = format!(
        "{bold}matins {}{bold:#}: {count} in {}, times of {}\n",
        env!("CARGO_PKG_VERSION"),
        plan.store,
        plan.zone
    );
    for note in notes {
        screen += &format!("{note}\n");
    }
    let mut rows = vec![["JOB", "NEXT FIRE", "", "TRIGGER"].map(str::to_owned).to_vec()];
    rows.extend(jobs.iter().map(|(_, job)| {
        let (next, relative) = match job.next_fire {
            Some(next) => (show::local(next, plan.zone), show::relative(next, now)),
            None if job.state == JobState::Paused => ("paused".to_owned(), String::new()),
            None => ("done".to_owned(), String::new()),
        };
        vec![job.id.to_string(), next, relative, job.trigger.describe()]
    }));
    screen += &show::table(&rows);
    screen += "Ctrl-C stops when the running jobs have ended; twice stops at once.\n\n";
    Ok(screen)
}
