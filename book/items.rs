//! Reference tables that are read from the documentation comments of the code: policies, events, outcomes, errors, triggers.
//!
//! `cargo run -p matins-book -- lines` writes them; a test checks that those in `src/` are up to date.

use std::fmt::Write;
use std::path::Path;
use std::{fs, io};

/// The tables: file below `src/`, heading of the first column, source file from the root of the repository, and item there.
const TABLES: &[(&str, &str, &str, &str)] = &[
    ("reference/policy.txt", "setting", "core/src/policy.rs", "pub struct Policy {"),
    ("reference/coalesce.txt", "`Coalesce`", "core/src/policy.rs", "pub enum Coalesce {"),
    ("reference/overlap.txt", "`Overlap`", "core/src/policy.rs", "pub enum Overlap {"),
    ("reference/on-interrupt.txt", "`OnInterrupt`", "core/src/policy.rs", "pub enum OnInterrupt {"),
    ("reference/on-exhausted.txt", "`OnExhausted`", "core/src/policy.rs", "pub enum OnExhausted {"),
    ("reference/on-conflict.txt", "`OnConflict`", "core/src/policy.rs", "pub enum OnConflict {"),
    ("reference/event.txt", "`Event`", "schedulers/src/event.rs", "pub enum Event {"),
    ("reference/outcome.txt", "`Outcome`", "core/src/run.rs", "pub enum Outcome {"),
    ("reference/missed-reason.txt", "`MissedReason`", "core/src/run.rs", "pub enum MissedReason {"),
    (
        "reference/scheduler-error.txt",
        "`SchedulerError`",
        "schedulers/src/error.rs",
        "pub enum SchedulerError {",
    ),
    ("reference/store-error.txt", "`StoreError`", "core/src/store.rs", "pub enum StoreError {"),
];

/// The triggers: the type, how a job says it, and its source file.
const TRIGGERS: &[(&str, &str, &str)] = &[
    ("DateTrigger", "`at(\"2026-12-24T18:00\")`, `after(18.seconds())`", "date.rs"),
    ("IntervalTrigger", "`every(5.minutes())`", "interval.rs"),
    ("CronTrigger", "`cron(\"0 9 * * MON-FRI\")`", "cron/trigger.rs"),
    ("CalendarTrigger", "`CalendarTrigger::from_date(...)`", "calendar.rs"),
    ("AfterTrigger", "`after(\"backup\")`", "after.rs"),
    ("AnyTrigger", "`.or(...)`", "combine/mod.rs"),
    ("AllTrigger", "`.and(...)`", "combine/mod.rs"),
    ("ExceptTrigger", "`.except(...)`", "combine/except.rs"),
    ("ExceptDatesTrigger", "`.except_dates(...)`", "combine/except_dates.rs"),
    ("WindowTrigger", "`.not_before(...)`, `.not_after(...)`", "window.rs"),
    ("JitterTrigger", "`.jitter(20.minutes())`", "jitter.rs"),
    ("NeverTrigger", "`NeverTrigger`", "never.rs"),
    ("ScheduleTrigger", "a `Schedule` of the crate `cron`, with the feature `cron`", "cron_crate.rs"),
];

/// Returns the tables: file below `src/`, and what it contains.
///
/// # Errors
/// If a source file cannot be read, or an item is not in it.
pub fn tables() -> io::Result<Vec<(&'static str, String)>> {
    let mut tables = Vec::new();
    for (file, head, source, item) in TABLES {
        let mut table = format!("| {head} | what it means |\n| --- | --- |\n");
        for (name, words) in parts(&read(source)?, item)? {
            let _ = writeln!(table, "| `{name}` | {words} |");
        }
        tables.push((*file, table));
    }
    let mut table = "| trigger | in a program | when it fires |\n| --- | --- | --- |\n".to_owned();
    for (name, said, source) in TRIGGERS {
        let words = summary(&read(&format!("triggers/src/{source}"))?, &format!("pub struct {name}"))?;
        let _ = writeln!(table, "| `{name}` | {said} | {words} |");
    }
    tables.push(("reference/triggers.txt", table));
    Ok(tables)
}

fn read(file: &str) -> io::Result<String> {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file))
}

fn missing(item: &str) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("{item:?} is not in its source file"))
}

/// Returns the fields or variants of an item with the first paragraph of the documentation of each.
fn parts(source: &str, item: &str) -> io::Result<Vec<(String, String)>> {
    let (_, body) = source.split_once(item).ok_or_else(|| missing(item))?;
    let (body, _) = body.split_once("\n}").ok_or_else(|| missing(item))?;
    let mut found = Vec::new();
    let mut words = Vec::new();
    // Fields of variants are indented further.
    for line in
        body.lines().filter_map(|line| line.strip_prefix("    ")).filter(|line| !line.starts_with(' '))
    {
        if let Some(text) = line.strip_prefix("///") {
            words.push(text.trim());
        } else if !words.is_empty() && !line.starts_with("#[") {
            let name = line.strip_prefix("pub ").unwrap_or(line);
            let name: String =
                name.chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect();
            found.push((name, paragraph(&words)));
            words.clear();
        }
    }
    Ok(found)
}

/// Returns the first paragraph of the documentation of an item.
fn summary(source: &str, item: &str) -> io::Result<String> {
    let (before, _) = source.split_once(item).ok_or_else(|| missing(item))?;
    let mut lines: Vec<&str> =
        before.lines().rev().take_while(|line| line.starts_with("///") || line.starts_with("#[")).collect();
    lines.reverse();
    let words: Vec<&str> = lines.iter().filter_map(|line| line.strip_prefix("///")).map(str::trim).collect();
    Ok(paragraph(&words))
}

/// Returns the first paragraph as a cell of a table: without links, which lead nowhere outside of rustdoc.
fn paragraph(lines: &[&str]) -> String {
    let text = lines.split(|line| line.is_empty()).next().unwrap_or_default().join(" ");
    let mut cell = String::new();
    let mut rest = text.as_str();
    while let Some((before, link)) = rest.split_once('[') {
        cell.push_str(before);
        let (words, after) = link.split_once(']').unwrap_or((link, ""));
        cell.push_str(words);
        rest = match after.strip_prefix('(') {
            Some(target) => target.split_once(')').map_or("", |(_, rest)| rest),
            None => after,
        };
    }
    (cell + rest).replace('|', "\\|")
}
