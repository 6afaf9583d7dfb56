//! `matins store`: looks into a store, and repairs one.

use std::path::Path;

use clap::{Args, Subcommand};
use matins::config::{ConfigError, StoreUrl};
use matins::file::{DamagedLine, Examination, examine, repair};
use matins::prelude::*;
use matins::{JobStore, SchedulerBuilder};

/// Opens the store and gives it to a scheduler under the name `default`.
pub(crate) fn give_to(builder: SchedulerBuilder, url: &StoreUrl) -> Result<SchedulerBuilder, String> {
    if let StoreUrl::File(directory) = url {
        let store = FileStore::open(directory).map_err(|error| error.to_string())?;
        if let Some(torn) = store.torn_tail() {
            warn(&torn.to_string());
        }
        return Ok(builder.store("default", store));
    }
    let store = url.open().map_err(|error| match error {
        ConfigError::Store { source, .. } => source.to_string(),
        error => error.to_string(),
    })?;
    Ok(builder.boxed_store("default", store))
}

fn open_sqlite(path: &Path) -> Result<SqliteStore, String> {
    SqliteStore::open(path).map_err(|error| error.to_string())
}

fn warn(text: &str) {
    let style = anstyle::AnsiColor::Yellow.on_default().bold();
    anstream::eprintln!("{style}warning{style:#}: {text}");
}

#[derive(Debug, Args)]
pub(crate) struct StoreArguments {
    #[command(subcommand)]
    command: StoreCommand,
}

#[derive(Debug, Subcommand)]
enum StoreCommand {
    /// Looks through a store that no scheduler has open, and changes nothing.
    Check {
        /// `sqlite:PATH` or `file:DIRECTORY`
        store: StoreUrl,
    },
    /// Shows what a repair of a file store would drop; with --apply, repairs it.
    ///
    /// The files as they were stay beside the repaired ones, with the ending `.damaged-N`.
    Repair {
        /// `file:DIRECTORY`
        store: StoreUrl,
        /// Repairs it
        #[arg(long)]
        apply: bool,
    },
}

pub(crate) fn store(arguments: &StoreArguments) -> Result<(), String> {
    match &arguments.command {
        StoreCommand::Check { store } => check(store),
        StoreCommand::Repair { store: StoreUrl::File(directory), apply } => mend(directory, *apply),
        StoreCommand::Repair { .. } => Err("only a file store can be repaired; for SQLite's, see what \
             `sqlite3 FILE .recover` saves"
            .to_owned()),
    }
}

fn check(store: &StoreUrl) -> Result<(), String> {
    match store {
        StoreUrl::Sqlite(path) => {
            if !path.exists() {
                return Err(format!("there is no file {}; name one that is there", path.display()));
            }
            let mut store = open_sqlite(path)?;
            store.check().map_err(|error| error.to_string())?;
            let jobs = store.list(&JobQuery::default()).map_err(|error| error.to_string())?.len();
            let runs = store.runs(&RunQuery::default()).map_err(|error| error.to_string())?.len();
            for job in store.set_aside() {
                warn(&job.to_string());
            }
            anstream::println!("{}: {jobs} jobs and {runs} runs are whole", path.display());
            match store.set_aside().len() {
                0 => Ok(()),
                count => Err(format!("{count} jobs cannot be read")),
            }
        }
        StoreUrl::File(directory) => {
            let examination = examine(directory).map_err(|error| error.to_string())?;
            report(directory, &examination);
            match examination.damaged.len() {
                0 => Ok(()),
                count => Err(format!(
                    "{count} places are damaged; `matins store repair file:{}` shows what to do",
                    directory.display()
                )),
            }
        }
        _ => Err("a memory store is in no file; name sqlite:PATH or file:DIRECTORY".to_owned()),
    }
}

fn report(directory: &Path, examination: &Examination) {
    let Examination { damaged, torn, jobs, runs, .. } = examination;
    for line in damaged {
        warn(&DamagedLine::to_string(line));
    }
    if let Some(torn) = torn {
        warn(&torn.to_string());
    }
    anstream::println!("{}: {jobs} jobs and {runs} runs are whole", directory.display());
}

fn mend(directory: &Path, apply: bool) -> Result<(), String> {
    let examination = if apply { repair(directory) } else { examine(directory) };
    let examination = examination.map_err(|error| error.to_string())?;
    report(directory, &examination);
    if apply {
        anstream::println!("repaired; the files as they were are beside it, with the ending .damaged-N");
    } else if examination.damaged.is_empty() {
        anstream::println!("there is nothing to repair");
    } else {
        anstream::println!("a repair drops the lines above and keeps the rest; do it with --apply");
    }
    Ok(())
}
