//! `matins store`: looks into a store, and repairs one.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use matins::file::{DamagedLine, Examination, examine, repair};
use matins::prelude::*;
use matins::{JobStore, SchedulerBuilder};

/// A store as people name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StoreUrl {
    Memory,
    Sqlite(PathBuf),
    File(PathBuf),
}

impl std::str::FromStr for StoreUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            None | Some((_, "")) if text.trim_end_matches(':') == "memory" => Ok(Self::Memory),
            Some(("sqlite", path)) if !path.is_empty() => Ok(Self::Sqlite(path.into())),
            Some(("file", path)) if !path.is_empty() => Ok(Self::File(path.into())),
            _ => Err(format!("{text:?} is no store; write sqlite:PATH, file:DIRECTORY or memory")),
        }
    }
}

impl StoreUrl {
    /// Opens the store and gives it to a scheduler under the name `default`.
    pub(crate) fn give_to(&self, builder: SchedulerBuilder) -> Result<SchedulerBuilder, String> {
        Ok(match self {
            Self::Memory => builder.store("default", MemoryStore::new()),
            Self::Sqlite(path) => builder.store("default", open_sqlite(path)?),
            Self::File(directory) => {
                let store = FileStore::open(directory).map_err(|error| error.to_string())?;
                if let Some(torn) = store.torn_tail() {
                    warn(&torn.to_string());
                }
                builder.store("default", store)
            }
        })
    }
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
        StoreUrl::Memory => {
            Err("a memory store is in no file; name sqlite:PATH or file:DIRECTORY".to_owned())
        }
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

#[cfg(test)]
mod tests {
    use super::StoreUrl;

    #[test]
    fn a_store_is_read_as_people_write_it() {
        assert_eq!("memory".parse(), Ok(StoreUrl::Memory));
        assert_eq!("memory:".parse(), Ok(StoreUrl::Memory));
        assert_eq!("sqlite:jobs.db".parse(), Ok(StoreUrl::Sqlite("jobs.db".into())));
        assert_eq!("file:/var/lib/jobs".parse(), Ok(StoreUrl::File("/var/lib/jobs".into())));
        for wrong in ["", "sqlite", "sqlite:", "file:", "redis:x", "memory:x"] {
            assert!(wrong.parse::<StoreUrl>().unwrap_err().contains("write sqlite:PATH"), "{wrong}");
        }
    }
}
