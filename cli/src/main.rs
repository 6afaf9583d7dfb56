//! The `matins` command: runs jobs from a configuration or a crontab, says when expressions fire, checks files and stores.

// Text is printed through `terminal`: see there, and `clippy.toml`.
#![warn(clippy::print_stdout, clippy::print_stderr, clippy::dbg_macro)]

mod change;
mod check;
mod crontab_notes;
mod daemon;
mod export_import;
mod file_arguments;
mod http;
mod instant;
mod jobs;
mod manual;
mod next;
mod nodes;
mod plot;
mod postgres;
mod run;
mod runs;
mod shown;
mod simulate;
mod store;
mod target;
mod why;
mod worker;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use matins::control::display as show;
use matins_daemon::{Failure, check_variable};
use matins_terminal::{notice, secrets};

/// A job scheduler that remembers: runs commands on time, from a configuration or a crontab, and keeps a ledger of what
/// happened to each fire.
///
/// Exit status: 0 when it was done; 1 when it could not be done, or came out badly (no such job, a run that failed); 2 when
/// the command line, a file or a store cannot be read, and nothing was changed; 3 when there is no daemon to ask.
#[derive(Debug, Parser)]
#[command(name = "matins", version, max_term_width = 100)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Subcommands,
    /// Shows passwords, tokens and keys in place of `(hidden)`.
    #[arg(long, global = true)]
    show_secrets: bool,
}

#[derive(Debug, Subcommand)]
enum Subcommands {
    /// Runs the jobs of a configuration, a crontab, or the store alone, until it is told to stop.
    ///
    /// Ctrl-C, SIGTERM or `matins stop` stops it gracefully: nothing fires any more, and it ends when the running jobs have. A
    /// second signal cancels those at once. SIGHUP, SIGUSR2 or `matins reload` reads the files again.
    Run(run::RunArguments),
    /// Runs commands for daemons elsewhere, which hand them over through a NATS server, until it is told to stop.
    ///
    /// A daemon hands over the jobs whose executor is of the kind `nats`. Ctrl-C or SIGTERM stops the worker gracefully: it takes no
    /// more runs, and ends when its commands have. A second signal cancels those at once.
    Worker(worker::WorkerArguments),
    /// Lists jobs and when they fire next.
    Jobs(jobs::JobsArguments),
    /// Shows a job.
    Job(jobs::JobArguments),
    /// Lists runs, the newest first.
    Runs(runs::RunsArguments),
    /// Shows a run with what it has printed; the same as `matins run ID`.
    ShowRun(runs::ShowRunArguments),
    /// Explains what happened, or will happen, to a job at a time.
    Why(why::WhyArguments),
    /// Adds a job: matins add hello --every 5m -- echo hello
    Add(Box<change::AddArguments>),
    /// Changes a job; what is not named stays as it is.
    Edit(Box<change::EditArguments>),
    /// Gives a job another time.
    Reschedule(change::RescheduleArguments),
    /// Removes jobs; their runs stay in the ledger.
    Remove(change::RemoveArguments),
    /// Pauses jobs: they do not fire until they are resumed.
    Pause(change::OneJobArguments),
    /// Resumes paused jobs.
    Resume(change::OneJobArguments),
    /// Starts a run of a job now, beside its schedule.
    Now(change::NowArguments),
    /// Cancels a run in progress.
    ///
    /// How soon it stops depends on its work: a command is sent SIGTERM, and SIGKILL five seconds later.
    Cancel(runs::CancelArguments),
    /// Shows how the daemon is; exit status 3 if no daemon is running.
    Status(daemon::StatusArguments),
    /// Shows what happens, as it happens.
    Watch(daemon::WatchArguments),
    /// Has the daemon read its files again, and shows what changed.
    Reload(daemon::ReloadArguments),
    /// Stops the daemon, and waits until it has ended.
    Stop(daemon::StopArguments),
    /// Writes all jobs and runs as JSON Lines: a backup.
    Export(export_import::ExportArguments),
    /// Takes in what `export` has written, all of it or nothing.
    Import(export_import::ImportArguments),
    /// Prints when a cron expression fires next.
    Next(next::NextArguments),
    /// Checks a configuration (FILE.toml) or a crontab, and prints what it understood.
    Check(check::CheckArguments),
    /// Passes a week of a configuration on a clock that leaps: how many fires, how many at once, what would be missed.
    Simulate(simulate::SimulateArguments),
    /// Draws the fires of a configuration as a timeline, in SVG.
    Plot(plot::PlotArguments),
    /// Looks into a store, and repairs one.
    Store(store::StoreArguments),
    /// Prints completions for a shell.
    Completions(manual::CompletionsArguments),
    /// Writes man pages into a directory.
    Man(manual::ManArguments),
}

fn main() -> ExitCode {
    let words = with_run_shown(std::env::args_os());
    let arguments = Arguments::try_parse_from(&words).unwrap_or_else(|error| manual::refuse(&error, &words));
    std::panic::set_hook(Box::new(notice::panic));
    if arguments.show_secrets {
        secrets::show();
    }
    match check_variable().map_err(Failure::BadInput).and_then(|()| obey(arguments.command)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            notice::error(&failure);
            exit_code(&failure)
        }
    }
}

fn exit_code(failure: &Failure) -> ExitCode {
    ExitCode::from(match failure {
        Failure::NotDone(_) => 1,
        Failure::BadInput(_) => 2,
        Failure::NoDaemon(_) => 3,
    })
}

fn obey(command: Subcommands) -> Result<(), Failure> {
    match command {
        Subcommands::Run(arguments) => run::run(arguments),
        Subcommands::Worker(arguments) => worker::worker(arguments),
        Subcommands::Jobs(arguments) => jobs::jobs(arguments),
        Subcommands::Job(arguments) => jobs::job(arguments),
        Subcommands::Runs(arguments) => runs::runs(arguments),
        Subcommands::ShowRun(arguments) => runs::show_run(arguments),
        Subcommands::Why(arguments) => why::print(arguments),
        Subcommands::Add(arguments) => change::add(*arguments),
        Subcommands::Edit(arguments) => change::edit(*arguments),
        Subcommands::Reschedule(arguments) => change::reschedule(arguments),
        Subcommands::Remove(arguments) => change::remove(arguments),
        Subcommands::Pause(arguments) => change::pause(arguments),
        Subcommands::Resume(arguments) => change::resume(arguments),
        Subcommands::Now(arguments) => change::now(arguments),
        Subcommands::Cancel(arguments) => runs::cancel(arguments),
        Subcommands::Status(arguments) => daemon::status(arguments),
        Subcommands::Watch(arguments) => daemon::watch(&arguments),
        Subcommands::Reload(arguments) => daemon::reload(&arguments),
        Subcommands::Stop(arguments) => daemon::stop(&arguments),
        Subcommands::Export(arguments) => export_import::export(&arguments),
        Subcommands::Import(arguments) => export_import::import(&arguments),
        Subcommands::Next(arguments) => next::next(&arguments).map_err(Failure::BadInput),
        Subcommands::Check(arguments) => check::check(&arguments).map_err(Failure::BadInput),
        Subcommands::Simulate(arguments) => simulate::simulate(&arguments),
        Subcommands::Plot(arguments) => plot::plot(&arguments),
        Subcommands::Store(arguments) => store::store(arguments),
        Subcommands::Completions(arguments) => manual::completions(&arguments),
        Subcommands::Man(arguments) => manual::man(&arguments),
    }
}

/// `matins run 812` shows a run: no configuration has such a name.
fn with_run_shown(words: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut words: Vec<OsString> = words.collect();
    if let [_, command, what, ..] = &mut words[..]
        && command == "run"
        && what.to_str().is_some_and(|what| what.parse::<u64>().is_ok())
    {
        *command = "show-run".into();
    }
    words
}
