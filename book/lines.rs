//! The tables of the applications in `examples/applications`, with their lines of code.
//!
//! `cargo run -p matins-book -- lines` writes them; a test checks that those in `src/` are up to date.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// The applications: directory, and what it shows.
pub const APPLICATIONS: &[(&str, &str)] = &[
    (
        "axum-service",
        "an axum service: jobs in SQLite are added over HTTP; SIGTERM ends it after the last delivery",
    ),
    ("port-watch", "a command-line tool: jobs are closures, and share a table"),
    ("word-counts", "rayon beside tokio: jobs in memory find files, jobs in SQLite count their words"),
    ("thumbnails", "worker processes, with typed arguments and results"),
    ("on-call", "triggers alone, without a scheduler"),
    ("own-parts", "a trigger, a store and an executor of its own, tested with the suites of Matins"),
    ("invoices", "a month of jobs, tested with the virtual clock"),
    ("ports", "the six programs below"),
];

/// The programs that were written for other schedulers and for Matins: the other scheduler, and the names of the two files.
pub const PORTS: &[(&str, &str, &str)] = &[
    ("APScheduler 3 (Python)", "apscheduler_reports.py", "apscheduler.rs"),
    ("tokio-cron-scheduler 0.15", "tokio_cron_scheduler.rs", "tokio_cron_scheduler.rs"),
    ("apalis-cron 1.0", "apalis_cron.rs", "apalis_cron.rs"),
    ("clokwerk 0.4", "clokwerk.rs", "clokwerk.rs"),
    ("a loop around the crate `cron`", "cron_loop.rs", "cron_loop.rs"),
    ("node-cron 4 (JavaScript)", "node_cron.mjs", "node_cron.rs"),
];

/// Returns the directory of the applications.
pub fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/applications")
}

/// Returns the tables: file below `src/`, and what it contains.
///
/// # Errors
/// If a program cannot be read.
pub fn tables() -> io::Result<Vec<(&'static str, String)>> {
    Ok(vec![("how-to/applications.txt", applications()?), ("how-to/ports.txt", ports()?)])
}

fn applications() -> io::Result<String> {
    let mut table =
        "| application | what it shows | lines | of tests |\n| --- | --- | ---: | ---: |\n".to_owned();
    for (name, what) in APPLICATIONS {
        let of = |part: &str| lines_below(&directory().join(name).join(part));
        let (lines, tests) = (of("src")?, of("tests")?);
        let tests = if tests == 0 { String::new() } else { tests.to_string() };
        let _ = writeln!(table, "| `{name}` | {what} | {lines} | {tests} |");
    }
    Ok(table)
}

fn ports() -> io::Result<String> {
    let mut table = "| written for | lines there | lines here |\n| --- | ---: | ---: |\n".to_owned();
    let mut sums = [0, 0];
    for (name, theirs, ours) in PORTS {
        let of =
            |file: String| fs::read_to_string(directory().join("ports").join(file)).map(|text| lines(&text));
        let counts = [of(format!("theirs/{theirs}"))?, of(format!("src/bin/{ours}"))?];
        let _ = writeln!(table, "| {name} | {} | {} |", counts[0], counts[1]);
        sums = [sums[0] + counts[0], sums[1] + counts[1]];
    }
    let _ = writeln!(table, "| all six | {} | {} |", sums[0], sums[1]);
    Ok(table)
}

/// Counts the lines of code in all files below a directory; none if there is no such directory.
fn lines_below(directory: &Path) -> io::Result<usize> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        entries => entries?,
    };
    let mut sum = 0;
    for entry in entries {
        let path = entry?.path();
        sum += if path.is_dir() { lines_below(&path)? } else { lines(&fs::read_to_string(&path)?) };
    }
    Ok(sum)
}

/// Counts the lines of code: those that are neither empty nor a comment. A comment begins with `//` or `#`; `#[...]` is code.
pub fn lines(text: &str) -> usize {
    let is_comment =
        |line: &str| line.starts_with("//") || (line.starts_with('#') && !line.starts_with("#["));
    text.lines().map(str::trim).filter(|line| !line.is_empty() && !is_comment(line)).count()
}
