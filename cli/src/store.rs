//! `matins store`: looks into a store, and repairs one.

use std::path::Path;

use clap::{Args, Subcommand};
use indicatif::{HumanBytes, ProgressBar};
use matins::config::StoreUrl;
use matins::control::{JobsRequest, Request, StoreInfo};
use matins::file::{Examination, examine, repair};
use matins::prelude::*;
use matins::{SchedulerBuilder, StoreName, Value};
use matins_daemon::{
    Failure, Looked, Migrated, Taker, give_to, look_through_postgres, look_through_sqlite, migrate_sqlite,
};
use matins_terminal::{self as terminal, Text, notice};

use crate::shown::{self, Times};
use crate::target::Target;
use crate::{nodes, postgres, show};

#[derive(Debug, Args)]
pub(crate) struct StoreArguments {
    #[command(subcommand)]
    command: StoreCommand,
}

#[derive(Debug, Subcommand)]
enum StoreCommand {
    /// Reads all of a store, names what cannot be read, and changes nothing.
    Check {
        /// `sqlite:PATH`, `file:DIRECTORY` or `postgres://USER@HOST/DATABASE`
        store: String,
    },
    /// Brings a store from an earlier version up to date. Of a SQLite file, a copy of what it was is kept as NAME.format-N.
    ///
    /// The daemon does so too when it starts, without the copy; on PostgreSQL, if its role may.
    Migrate {
        /// `sqlite:PATH`, `file:DIRECTORY` or `postgres://USER@HOST/DATABASE`
        store: String,
    },
    /// Makes the tables of a store on PostgreSQL, and gives roles of the database the rights that they need and no others.
    ///
    /// Name a role that may make schemas and roles in the URL, such as postgres. A role that is not there is made, without a
    /// password. Say it again after an update that brings tables up to date.
    Init {
        /// `postgres://USER@HOST/DATABASE`
        store: String,
        /// A role, and what it is for: `owner` brings the tables up to date, `node` is for daemons and commands, `reader` reads
        /// the views `jobs_readable`, `runs_readable` and `nodes_readable`. May be given several times.
        #[arg(long = "role", value_name = "NAME=KIND", value_parser = postgres::named_role)]
        roles: Vec<postgres::NamedRole>,
    },
    /// Counts what a store holds, and names its files; the daemon is asked if one runs.
    Info {
        /// As JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        times: Times,
        #[command(flatten)]
        target: Target,
    },
    /// Shows what a repair of a file store would drop; with --apply, repairs it.
    ///
    /// The files as they were stay beside the repaired ones, with the ending `.damaged-N`.
    Repair {
        /// `file:DIRECTORY`
        store: String,
        /// Repairs it
        #[arg(long)]
        apply: bool,
    },
}

pub(crate) fn store(arguments: StoreArguments) -> Result<(), Failure> {
    match &arguments.command {
        StoreCommand::Check { store } => {
            let store = &url(store)?;
            let bar = ProgressBar::new_spinner();
            bar.set_message(terminal::one_line(&format!("reading {store}")));
            if terminal::stderr_is_terminal() {
                bar.enable_steady_tick(std::time::Duration::from_millis(100));
            }
            let checked = check(store);
            bar.finish_and_clear();
            checked?;
            Ok(())
        }
        StoreCommand::Migrate { store } => match url(store)? {
            StoreUrl::Postgres(url) => Ok(postgres::migrate(&url)?),
            store => Ok(migrate(&store)?),
        },
        StoreCommand::Init { store, roles } => postgres::init(&url(store)?, roles),
        StoreCommand::Info { json, times, target } => info(*json, times, target),
        StoreCommand::Repair { store, apply } => match url(store)? {
            StoreUrl::File(directory) => Ok(mend(&directory, *apply)?),
            _ => Err(Failure::BadInput(
                "only a file store can be repaired; for SQLite's, see what `sqlite3 FILE .recover` saves, and for one on \
                 PostgreSQL, restore a backup"
                    .to_owned(),
            )),
        },
    }
}

fn migrate(store: &StoreUrl) -> Result<(), String> {
    if Target::of(store).daemon().is_ok() {
        shown::line(format_args!("{store} is up to date: its daemon has opened it"));
        return Ok(());
    }
    let StoreUrl::Sqlite(path) = store else {
        // Opening it brings it up to date.
        drop(give_to(SchedulerBuilder::new(), &StoreName::default(), store, true)?);
        shown::line(format_args!("{store} is up to date"));
        return Ok(());
    };
    shown::line(match migrate_sqlite(path)? {
        Migrated { to, copy: None, .. } => format!("{store} is up to date, of format {to}"),
        Migrated { from, to, copy: Some(copy) } => {
            format!("{store}: from format {from} to {to}; as it was, it is in {}", copy.display())
        }
    });
    Ok(())
}

fn info(json: bool, times: &Times, target: &Target) -> Result<(), Failure> {
    let value = target.client()?.ask(Request::Info)?;
    if json {
        shown::json(value);
        return Ok(());
    }
    let info: StoreInfo = shown::read(value)?;
    let bold = anstyle::Style::new().bold();
    shown::line(Text::new().styled(bold, info.store));
    shown::property("jobs", format!("{}, {} of them paused", info.jobs, info.paused));
    let zone = times.zone()?;
    let since = info.oldest_run.map(|oldest| format!(", since {}", show::local(oldest, zone)));
    shown::property("runs", format!("{}{}", info.runs, since.unwrap_or_default()));
    for (file, length) in info.files {
        shown::property("file", format!("{file}, {}", HumanBytes(length)));
    }
    if let Some(shared) = &info.shared {
        nodes::print_store(shared, zone);
    }
    for job in info.quarantined {
        notice::warn(job);
    }
    Ok(())
}

/// Reads a URL. The parser of the command line would repeat an invalid one, which may hold a password.
fn url(text: &str) -> Result<StoreUrl, Failure> {
    text.parse().map_err(|error| Failure::BadInput(matins::error_chain(&error)))
}

fn check(store: &StoreUrl) -> Result<(), Failure> {
    if let StoreUrl::Postgres(url) = store {
        return Ok(tell_of(&url.to_string(), &look_through_postgres(url)?)?);
    }
    let target = Target::of(store);
    match target.daemon() {
        Ok(_) => check_with(&target, store),
        Err(_) => Ok(check_alone(store)?),
    }
}

/// A daemon has it open: the file is looked through beside it, and what is in it is read by the daemon.
fn check_with(target: &Target, store: &StoreUrl) -> Result<(), Failure> {
    if let StoreUrl::Sqlite(path) = store {
        SqliteStore::check_file(path).map_err(|error| matins::error_chain(&error))?;
    }
    // It knows of jobs that cannot be read once it has tried.
    target.ask_in_pages(JobsRequest::default(), &mut Unshown)?;
    let info: StoreInfo = shown::read(target.daemon()?.ask(Request::Info)?)?;
    for job in &info.quarantined {
        notice::warn(job);
    }
    let whole = match store {
        StoreUrl::Sqlite(_) => "are whole, and its daemon has it open",
        _ => "are in its daemon; its files are looked through when that is stopped",
    };
    shown::line(format_args!("{store}: {} {whole}", holding(info.jobs, info.runs)));
    match info.quarantined.len() {
        0 => Ok(()),
        count => Err(Failure::BadInput(format!("{} cannot be read", show::counted(count, "row")))),
    }
}

/// Takes what is not shown.
struct Unshown;

impl Taker for Unshown {
    fn item(&mut self, _item: Value) -> Result<(), Failure> {
        Ok(())
    }

    fn end_of_page(&mut self) {}
}

fn check_alone(store: &StoreUrl) -> Result<(), String> {
    match store {
        StoreUrl::Sqlite(path) => tell_of(&path.display().to_string(), &look_through_sqlite(path)?),
        StoreUrl::File(directory) => {
            let examination = examine(directory).map_err(|error| matins::error_chain(&error))?;
            report(directory, &examination);
            match examination.damaged.len() {
                0 => Ok(()),
                count => Err(format!(
                    "{count} places are damaged; `matins store repair file:{}` shows what to do",
                    directory.display()
                )),
            }
        }
        _ => {
            Err("a memory store is in no file; name sqlite:PATH, file:DIRECTORY or postgres://...".to_owned())
        }
    }
}

/// Says what a store holds, and what of it cannot be read.
pub(crate) fn tell_of(store: &str, looked: &Looked) -> Result<(), String> {
    for row in &looked.quarantined {
        notice::warn(row);
    }
    shown::line(format_args!("{store}: {} are whole", holding(looked.jobs, looked.runs)));
    match looked.quarantined.len() {
        0 => Ok(()),
        count => Err(format!("{} cannot be read", show::counted(count, "row"))),
    }
}

fn holding(jobs: usize, runs: usize) -> String {
    format!("{} and {}", show::counted(jobs, "job"), show::counted(runs, "run"))
}

fn report(directory: &Path, examination: &Examination) {
    let Examination { damaged, torn, jobs, runs, .. } = examination;
    for line in damaged {
        notice::warn(line);
    }
    if let Some(torn) = torn {
        notice::warn(torn);
    }
    shown::line(format_args!("{}: {} are whole", directory.display(), holding(*jobs, *runs)));
}

fn mend(directory: &Path, apply: bool) -> Result<(), String> {
    let examination = if apply { repair(directory) } else { examine(directory) };
    let examination = examination.map_err(|error| matins::error_chain(&error))?;
    report(directory, &examination);
    if apply {
        shown::line("repaired; the files as they were are beside it, with the ending .damaged-N");
    } else if examination.damaged.is_empty() {
        shown::line("there is nothing to repair");
    } else {
        shown::line("a repair drops the lines above and keeps the rest; do it with --apply");
    }
    Ok(())
}
