//! `matins status`, `watch`, `reload`, `stop`: what is said to a running daemon.

use std::thread;
use std::time::Duration;

use clap::Args;
use matins::control::{Request, Status, StopMode, TimedEvent};
use matins::{Clock, SystemClock};
use matins_daemon::rows::run;
use matins_daemon::{Changes, Failure};
use matins_terminal::Text;

use crate::shown::{self, AskArguments};
use crate::target::Target;
use crate::{nodes, show};

#[derive(Debug, Args)]
pub(crate) struct StatusArguments {
    #[command(flatten)]
    ask: AskArguments,
}

#[derive(Debug, Args)]
pub(crate) struct WatchArguments {
    #[command(flatten)]
    ask: AskArguments,
}

#[derive(Debug, Args)]
pub(crate) struct ReloadArguments {
    /// Says what would change, and changes nothing.
    #[arg(long)]
    dry_run: bool,
    /// As JSON: what was added, changed, removed and left as it was.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, Args)]
pub(crate) struct StopArguments {
    /// Cancels what runs, in place of waiting for it.
    #[arg(long)]
    now: bool,
    #[command(flatten)]
    target: Target,
}

pub(crate) fn status(arguments: StatusArguments) -> Result<(), Failure> {
    let value = arguments.ask.target.daemon_or_shared_store()?.ask(Request::Status)?;
    if arguments.ask.json {
        shown::json(value);
        return Ok(());
    }
    let status: Status = shown::read(value)?;
    let (zone, now) = (arguments.ask.times.zone()?, SystemClock.now());
    // A command that has looked at a shared store itself is no scheduler: it has nothing to say about itself.
    let is_daemon = status.state != "visiting";
    if is_daemon {
        let bold = anstyle::Style::new().bold();
        let title = Text::new().styled(bold, format_args!("matins {}", status.version));
        shown::line(title.and(format_args!(", {}, process {}", status.state, status.pid)));
    }
    if let Some(application) = status.application {
        shown::property("embedded in", application);
    }
    if is_daemon {
        let since = format!("{}, {}", show::local(status.since, zone), show::relative(status.since, now));
        shown::property("since", since);
    }
    shown::property("store", status.store);
    if is_daemon {
        shown::property("timezone", status.timezone);
    }
    if is_daemon && !status.tz_database.is_empty() {
        shown::tz_database(&status.tz_database, &status.tz_problems);
    }
    shown::property("jobs", status.jobs.to_string());
    if let Some((job, at)) = status.next {
        shown::property("next", format!("{job}, {}, {}", show::local(at, zone), show::relative(at, now)));
    }
    if !status.outcomes.is_empty() {
        let counts: Vec<String> =
            status.outcomes.iter().map(|(outcome, count)| format!("{count} {outcome}")).collect();
        shown::property("runs", counts.join(", "));
    }
    if status.store_failures > 0 {
        shown::property("failures", format!("its store has failed {} times", status.store_failures));
    }
    if let Some(refused) = status.files_refused {
        let refused = refused.replace('\n', "; ");
        shown::property(
            "files",
            format!("refused when they were read last; the jobs are as before: {refused}"),
        );
    }
    for orphan in &status.orphans {
        shown::property("orphan", format!("{}: {}", orphan.job, orphan.describe()));
    }
    if !status.nodes.is_empty() || !is_daemon {
        nodes::print(&status.nodes, zone);
    }
    if !status.running.is_empty() {
        shown::line(Text::new().end_line().and("running"));
        shown::rows(&run::HEADING, status.running.iter().map(|view| run::row(view, zone)).collect());
    }
    // A daemon of an earlier version names all of them, and does not count them.
    if status.unfinished > status.running.len() {
        let more = status.unfinished - status.running.len();
        shown::line(format_args!("  and {more} more; `matins runs -n 0` lists all runs"));
    }
    Ok(())
}

pub(crate) fn watch(arguments: &WatchArguments) -> Result<(), Failure> {
    let zone = arguments.ask.times.zone()?;
    let watched = arguments.ask.target.daemon()?.ask_for(Request::Watch, &[], &mut |item| {
        if arguments.ask.json {
            shown::json_line(item);
        } else if let Some(text) =
            // Nothing for an event that a later daemon has and this program does not.
            shown::read::<TimedEvent>(item)
                .ok()
                .and_then(|timed| matins_daemon::event_text(&timed.event, zone))
        {
            shown::line(text);
        }
        true
    });
    match watched {
        // It ends with the daemon.
        Ok(_) | Err(Failure::NoDaemon(_)) => Ok(()),
        Err(failure) => Err(failure),
    }
}

pub(crate) fn reload(arguments: &ReloadArguments) -> Result<(), Failure> {
    let value = arguments.target.daemon()?.ask(Request::Reload { dry_run: arguments.dry_run })?;
    if arguments.json {
        shown::json(value);
        return Ok(());
    }
    let changes: Vec<Changes> = shown::read(value)?;
    for change in changes {
        shown::line(change.describe());
    }
    Ok(())
}

pub(crate) fn stop(arguments: &StopArguments) -> Result<(), Failure> {
    let how = if arguments.now { StopMode::Now } else { StopMode::Wait };
    match arguments.target.daemon()?.ask(Request::Stop { how }) {
        // It may end before its answer is written.
        Ok(_) | Err(Failure::NoDaemon(_)) => {}
        Err(failure) => return Err(failure),
    }
    // Its socket goes when it has ended.
    while arguments.target.daemon().is_ok() {
        thread::sleep(Duration::from_millis(50));
    }
    shown::line("stopped");
    Ok(())
}
