//! Stores: a tick, adding and opening.

use std::error::Error;
use std::path::Path;

use chrono::TimeDelta;
use matins::{FileStore, Job, JobStore, SqliteStore};
use matins_benches::contest::{Contest, Spread, seconds};
use matins_benches::stores::{
    Append, Map, Raw, file_with, jobs, memory_with, move_on, ours, parse_snapshot, sqlite_with,
    write_as_lines,
};
use tempfile::TempDir;

use super::Measuring;
use crate::card::{Family, MICROS, MILLIS};
use crate::pictures::Curve;

const RAW: &str = "by hand";

/// Jobs that take turns to be due.
const IN_TURN: usize = 10_000;

/// A round of so many ticks; microseconds a tick.
pub(super) fn micros_a_tick(ticks: u32, mut tick: impl FnMut()) -> f64 {
    seconds(|| (0..ticks).for_each(|_| tick())) * 1e6 / f64::from(ticks)
}

pub(crate) fn ticks(measuring: &mut Measuring, name: &'static str) -> Result<Family, Box<dyn Error>> {
    let mut family = Family::new(
        name,
        &[
            (
                "matins",
                "`due` of 100 jobs, then a commit that moves each on, records a run of it, and finishes that run",
            ),
            (
                "by hand, sqlite",
                "the same statements with rusqlite in one transaction, same tables and indexes; bodies read, not parsed",
            ),
            (
                "by hand, file",
                "the bytes of such a line appended to a file, and fdatasync; no jobs kept in memory",
            ),
            (
                "by hand, memory",
                "a BTreeMap by time and id: the first 100 taken out, copied, put in again; no index by id, no ledger",
            ),
        ],
    );
    let (rounds, turn) = (measuring.either(21, 41), IN_TURN as i64);
    let directory = TempDir::new()?;
    let mut store = sqlite_with(directory.path(), jobs(IN_TURN, 0));
    let mut raw = Raw::create(&directory.path().join("raw.db"));
    raw.insert(&jobs(IN_TURN, 0));
    let measured = Contest::new()
        .with("matins", || micros_a_tick(20, || ours(&mut store, turn)))
        .with(RAW, || micros_a_tick(20, || raw.tick(turn)))
        .run(rounds);
    family.contest("sqlite: tick of 100", MICROS, &measured, &[(RAW, 0.8)]);

    let mut store = file_with(directory.path(), jobs(IN_TURN, 0));
    ours(&mut store, turn);
    let mut append = Append::like_the_last_of(directory.path());
    let measured = Contest::new()
        .with("matins", || micros_a_tick(40, || ours(&mut store, turn)))
        .with(RAW, || micros_a_tick(40, || append.append()))
        .run(rounds);
    family.contest("file: tick of 100", MICROS, &measured, &[(RAW, 0.8)]);
    family.because(
        "it also keeps jobs and ledger in memory and writes JSON, one after the other with the flush",
    );

    let many = measuring.either(100_000, 1_000_000);
    let by = TimeDelta::seconds(many as i64);
    let (mut store, mut map) = (memory_with(jobs(many, 0)), Map::with(jobs(many, 0)));
    let measured = Contest::new()
        .with("matins", || {
            micros_a_tick(200, || {
                move_on(&mut store, by);
            })
        })
        .with(RAW, || micros_a_tick(200, || drop(map.move_on(by))))
        .run(rounds);
    family.contest(&format!("memory: 100 moved among {many}"), MICROS, &measured, &[(RAW, 0.5)]);
    Ok(family)
}

/// Milliseconds that `work` takes with these jobs in a new directory; closing what it opened is not counted.
fn in_a_directory<T>(jobs: Vec<Job>, work: impl FnOnce(&Path, Vec<Job>) -> T) -> f64 {
    let directory = TempDir::new().expect("a directory");
    let mut made = None;
    let taken = seconds(|| made = Some(work(directory.path(), jobs)));
    drop(made);
    taken * 1e3
}

pub(crate) fn adding_and_opening(
    measuring: &mut Measuring,
    name: &'static str,
) -> Result<Family, Box<dyn Error>> {
    let mut family = Family::new(
        name,
        &[
            ("matins", "jobs added in one `import`; a store opened that holds so many"),
            ("by hand, sqlite", "JSON by serde, inserted in one transaction, same tables and indexes"),
            (
                "by hand, file",
                "JSON lines by serde, written at once, fdatasync; opening: the snapshot read, and serde_json on each line",
            ),
            (
                "of 1,000",
                "opening a store of 1,000 jobs: the cost should not grow. The goal is twice it at most",
            ),
        ],
    );
    let (many, rounds) = (measuring.either(20_000, 100_000), measuring.either(3, 5));
    let all = jobs(many, 0);
    let measured = Contest::new()
        .with("matins", || in_a_directory(all.clone(), sqlite_with))
        .with(RAW, || {
            in_a_directory(all.clone(), |directory, jobs| {
                let mut raw = Raw::create(&directory.join("raw.db"));
                raw.insert(&jobs);
                (raw, jobs)
            })
        })
        .run(rounds);
    family.contest(&format!("sqlite: {many} added"), MILLIS, &measured, &[(RAW, 0.8)]);
    let measured = Contest::new()
        .with("matins", || in_a_directory(all.clone(), file_with))
        .with(RAW, || {
            in_a_directory(all.clone(), |directory, jobs| {
                write_as_lines(directory, &jobs);
                jobs
            })
        })
        .run(rounds);
    family.contest(&format!("file: {many} added"), MILLIS, &measured, &[(RAW, 0.8)]);
    family.because("it also keeps the jobs in memory, by id and by time");

    let (small, large) = (TempDir::new()?, TempDir::new()?);
    for (directory, count) in [(&small, 1_000), (&large, many)] {
        drop(sqlite_with(directory.path(), jobs(count, 0)));
        drop(file_with(directory.path(), jobs(count, 0)));
        // All of it in the snapshot.
        matins::file::repair(directory.path().join("ours"))?;
    }
    let open_sqlite = |directory: &TempDir| {
        let mut opened = None;
        let path = directory.path().join("ours.db");
        seconds(|| opened = Some(SqliteStore::open(path).expect("a store"))) * 1e3
    };
    let open_file = |directory: &TempDir| {
        let mut opened = None;
        let path = directory.path().join("ours");
        seconds(|| opened = Some(FileStore::open(path).expect("a store"))) * 1e3
    };
    let measured = Contest::new()
        .with("matins", || open_sqlite(&large))
        .with("of 1,000", || open_sqlite(&small))
        .run(measuring.either(7, 15));
    family.contest(&format!("sqlite: opened with {many}"), MILLIS, &measured, &[("of 1,000", 0.5)]);
    let measured = Contest::new()
        .with("matins", || open_file(&large))
        .with(RAW, || {
            let mut parsed = Vec::new();
            seconds(|| parsed = parse_snapshot(&large.path().join("ours"))) * 1e3
        })
        .run(rounds);
    family.contest(&format!("file: opened with {many}"), MILLIS, &measured, &[(RAW, 0.5)]);

    let sizes: &[usize] = measuring.either(&[1_000, 10_000, 100_000], &[1_000, 10_000, 100_000, 1_000_000]);
    for kind in ["memory", "file", "sqlite"] {
        let mut curve = Curve::new(kind);
        for size in sizes {
            let (jobs, directory) = (jobs(*size, 0), TempDir::new()?);
            let mut store: Option<Box<dyn JobStore>> = None;
            let taken = seconds(|| {
                store = Some(match kind {
                    "memory" => Box::new(memory_with(jobs)),
                    "file" => Box::new(file_with(directory.path(), jobs)),
                    _ => Box::new(sqlite_with(directory.path(), jobs)),
                });
            });
            let micros = taken * 1e6 / *size as f64;
            curve.points.push((*size as f64, micros));
        }
        if let Some((size, micros)) = curve.points.last() {
            family.alone(
                format!("{kind}: a job of {size} added in one import"),
                MICROS,
                Spread::exactly(*micros),
            );
        }
        measuring.figures.adds.push(curve);
    }
    Ok(family)
}
