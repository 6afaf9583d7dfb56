//! The saved records that the book shows: a job, and the commit of its first fire, as a file store writes them; and the JSON Schema
//! of a configuration.
//!
//! `cargo run -p matins-book -- lines` writes them; a test checks that those in `src/` are up to date.

use std::error::Error;
use std::fs;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use matins::triggers::CronTrigger;
use matins::{FileStore, Job, JobId, JobStore, OnConflict, Run, TaskName, Transition};

/// Returns the records: file below `src/`, and what it contains.
///
/// # Errors
/// If the store cannot be written or read.
pub fn records() -> Result<Vec<(&'static str, String)>, Box<dyn Error>> {
    let directory = std::env::temp_dir().join(format!("matins-book-{}", std::process::id()));
    let lines = write(&directory);
    fs::remove_dir_all(&directory)?;
    let [job, commit] = &lines?[..] else {
        return Err("the log has other lines than a job and a commit".into());
    };
    Ok(vec![
        ("start/saved-job.json", job.clone()),
        ("start/saved-commit.json", commit.clone()),
        ("reference/matins.schema.json", serde_json::to_string_pretty(&matins_config::schema())? + "\n"),
    ])
}

/// Writes a job and its first fire into a store, and returns the lines of its log without the head, indented.
fn write(directory: &std::path::Path) -> Result<Vec<String>, Box<dyn Error>> {
    let added: DateTime<Utc> = "2026-06-01T12:00:00Z".parse()?;
    let fire: DateTime<Utc> = "2026-06-02T09:00:00Z".parse()?;
    let trigger = CronTrigger::parse("0 9 * * MON-FRI", "UTC")?;
    let id = JobId::new("greeting")?;
    let mut job = Job::new(id.clone(), TaskName::new("greet")?, Arc::new(trigger), Some(fire), added);
    job.arguments = "Ada".into();
    let mut store = FileStore::open(directory)?;
    store.add(job, OnConflict::Refuse)?;
    let run = Run::started(store.next_run_id()?, id.clone(), fire, fire);
    let advance = Transition::Advance { job: id, from: Some(fire), to: Some(fire + TimeDelta::days(1)) };
    store.commit(vec![advance, Transition::Record(run.into())])?;
    drop(store);
    let log = fs::read_to_string(directory.join("log.jsonl"))?;
    log.lines().skip(1).map(indented).collect()
}

fn indented(line: &str) -> Result<String, Box<dyn Error>> {
    let value: serde_json::Value = serde_json::from_str(line)?;
    Ok(serde_json::to_string_pretty(&value)? + "\n")
}
