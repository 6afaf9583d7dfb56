//! How long `matins simulate` takes for a week of a thousand jobs: the whole command, as it is typed.
//!
//! `cargo bench -p matins-cli --bench simulate`. A second row has the week once more with its fires spread, as the command does
//! unless it is told not to.

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use criterion::{Criterion, criterion_group, criterion_main};

/// From once in five minutes to once a month, with runs of one second to seven minutes: 400,000 fires a week.
fn thousand_jobs() -> String {
    let when = [
        "*/5 * * * *",
        "*/15 * * * *",
        "0 * * * *",
        "30 2 * * *",
        "0 9 * * MON-FRI",
        "*/10 8-17 * * *",
        "0 0 1 * *",
        "17 4 * * *",
    ];
    let seconds = [1, 5, 30, 120, 400];
    (0..1000).fold(String::new(), |mut text, number| {
        let (cron, takes) = (when[number % when.len()], seconds[number % seconds.len()]);
        let _ = writeln!(
            text,
            "[jobs.j{number}]\ncron = \"{cron}\"\ncommand = [\"true\"]\nexpected_duration = \"{takes}s\""
        );
        text
    })
}

fn simulate(directory: &Path, spread: &str) {
    let status = Command::new(env!("CARGO_BIN_EXE_matins"))
        .args(["simulate", "jobs.toml", "--for", "7d", "--from", "2026-11-25T00:00Z", "--spread", spread])
        .current_dir(directory)
        .stdout(Stdio::null())
        .status();
    assert!(status.is_ok_and(|status| status.success()));
}

fn week(criterion: &mut Criterion) {
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::write(directory.path().join("jobs.toml"), thousand_jobs()).expect("a configuration");
    let mut group = criterion.benchmark_group("simulate a week of 1,000 jobs");
    group.sample_size(10);
    group.bench_function("as they are", |bencher| bencher.iter(|| simulate(directory.path(), "0s")));
    group.bench_function("and spread", |bencher| bencher.iter(|| simulate(directory.path(), "1m")));
    group.finish();
}

criterion_group!(benches, week);
criterion_main!(benches);
