//! `matins export`, `matins import`: a store as JSON Lines, for a backup or for another store.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use indicatif::ProgressBar;
use matins::control::Request;
use matins::{OnConflict, Value};
use matins_daemon::{Client, Failure};
use matins_terminal::{self as terminal, notice};

use crate::target::Target;
use crate::{show, shown};

#[derive(Debug, Args)]
pub(crate) struct ExportArguments {
    /// The file to write, private to you; standard output if it is left out. It holds everything, secrets included.
    file: Option<PathBuf>,
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, Args)]
pub(crate) struct ImportArguments {
    /// What `matins export` has written; `-` is standard input.
    file: PathBuf,
    /// What happens to a job whose id is taken.
    #[arg(long, value_name = "WHAT", default_value = "refuse")]
    on_conflict: Conflict,
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Conflict {
    /// Nothing at all is imported.
    Refuse,
    /// The one that is imported takes its place.
    Replace,
    /// The one that is there stays.
    Keep,
}

pub(crate) fn export(arguments: &ExportArguments) -> Result<(), Failure> {
    let client = arguments.target.client()?;
    let Some(path) = &arguments.file else {
        client.ask_for(Request::Export, &[], &mut |line| {
            // As exact as in a file: what a terminal would obey is in JSON's own escapes.
            let line = terminal::escaped_json(line.as_str().unwrap_or_default());
            shown::raw(format!("{line}\n").as_bytes());
            true
        })?;
        return Ok(());
    };
    let done = write_export(client, path)?;
    shown::line(format_args!("{}: {}", path.display(), jobs_and_runs(&done)));
    if done["quarantined"].as_u64().unwrap_or(0) > 0 {
        notice::tell(format_args!(
            "{} jobs or runs cannot be read, and were left out; see `matins store check`",
            done["quarantined"]
        ));
    }
    Ok(())
}

fn count(done: &Value, what: &str) -> usize {
    done[what].as_u64().and_then(|count| usize::try_from(count).ok()).unwrap_or_default()
}

fn jobs_and_runs(done: &Value) -> String {
    format!("{} and {}", show::counted(count(done, "jobs"), "job"), show::counted(count(done, "runs"), "run"))
}

/// Writes it beside the path first, so that a backup from before gives way only to one that is whole; what is not whole goes.
fn write_export(client: Client, path: &Path) -> Result<Value, Failure> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".partial");
    let beside = PathBuf::from(beside);
    let failed = |error: io::Error| Failure::NotDone(format!("cannot write {}: {error}", path.display()));
    let file = matins_files::OpenOptions::new().write(true).create(true).truncate(true).open(&beside);
    let mut file = io::BufWriter::new(file.map_err(failed)?);
    let bar = ProgressBar::new_spinner();
    let mut fault = None;
    let exported = client.ask_for(Request::Export, &[], &mut |line| {
        fault = writeln!(file, "{}", line.as_str().unwrap_or_default()).err();
        bar.inc(1);
        bar.set_message("lines exported");
        fault.is_none()
    });
    bar.finish_and_clear();
    let written = || -> io::Result<()> {
        fault.map_or(Ok(()), Err)?;
        file.flush()?;
        file.get_ref().sync_all()?;
        fs::rename(&beside, path)
    };
    exported.and_then(|done| written().map_err(failed).map(|()| done)).inspect_err(|_| {
        // It may be gone already.
        let _ = fs::remove_file(&beside);
    })
}

pub(crate) fn import(arguments: &ImportArguments) -> Result<(), Failure> {
    let failed =
        |error: io::Error| Failure::BadInput(format!("cannot read {}: {error}", arguments.file.display()));
    let mut lines = Vec::new();
    if arguments.file.as_os_str() == "-" {
        io::stdin().lock().read_to_end(&mut lines).map_err(failed)?;
    } else {
        let length = fs::metadata(&arguments.file).map_err(failed)?.len();
        let bar = ProgressBar::new(length);
        bar.wrap_read(File::open(&arguments.file).map_err(failed)?)
            .read_to_end(&mut lines)
            .map_err(failed)?;
        bar.finish_and_clear();
    }
    let on_conflict = match arguments.on_conflict {
        Conflict::Refuse => OnConflict::Refuse,
        Conflict::Replace => OnConflict::Replace,
        Conflict::Keep => OnConflict::Keep,
    };
    let waiting = ProgressBar::new_spinner();
    waiting.set_message("importing, all of it or nothing");
    if terminal::stderr_is_terminal() {
        waiting.enable_steady_tick(std::time::Duration::from_millis(100));
    }
    let request = Request::Import { on_conflict, bytes: lines.len() as u64 };
    let done = arguments.target.client_or_new_store()?.ask_for(request, &lines, &mut |_| true);
    waiting.finish_and_clear();
    let done = done?;
    let mut text = format!("imported {}", jobs_and_runs(&done));
    match count(&done, "kept") {
        0 => {}
        1 => text += "; 1 job was there, and stays as it was",
        kept => text += &format!("; {kept} jobs were there, and stay as they were"),
    }
    shown::line(text);
    Ok(())
}
