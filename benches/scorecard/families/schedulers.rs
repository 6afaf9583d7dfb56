//! Whole schedulers: adding, sustained fires, idling.

use std::error::Error;

use matins::{FileStore, JobStore, MemoryStore, SqliteStore, ThreadExecutor};
use matins_benches::contest::{Contest, Spread};
use matins_benches::schedulers::sustained;
use tempfile::TempDir;

use super::Measuring;
use super::executors::of;
use crate::card::{BYTES, COUNT, FIRES_A_SECOND, Family, MICROS, MILLIS};
use crate::child::{Idled, Who, added, idled};
use crate::pictures::Curve;

const TOKIO_CRON_SCHEDULER: &str = "tokio-cron-scheduler";
const APALIS: &str = "apalis-cron";
const CLOKWERK: &str = "clokwerk";
const APSCHEDULER: &str = "APScheduler";

/// Jobs of the peers that idle.
const FEW: usize = 10_000;

pub(crate) fn adding(measuring: &mut Measuring, name: &'static str) -> Result<Family, Box<dyn Error>> {
    let mut family = Family::new(
        name,
        &[
            (
                "matins",
                "jobs of a year from now added to a running scheduler, memory store: the id is looked for, the job kept under it and in the order of its time",
            ),
            (TOKIO_CRON_SCHEDULER, "the same through its channel to its memory store; one-shot jobs"),
            (APALIS, "a worker built and spawned for each job; there is no store"),
            (CLOKWERK, "a job pushed to a list: no id, no order; each poll looks at all of them"),
            (APSCHEDULER, "add_job to its memory store, paused"),
            ("among 1,000", "the cost of the first 1,000: it should not grow. The goal is twice it at most"),
        ],
    );
    let many = measuring.either(10_000, 100_000);
    let mut contest = Contest::new()
        .with("matins", || added(Who::Matins, many))
        .with(TOKIO_CRON_SCHEDULER, || added(Who::TokioCronScheduler, many))
        .with(APALIS, || added(Who::ApalisCron, many))
        .with(CLOKWERK, || added(Who::Clokwerk, many));
    if let Some(python) = &measuring.python {
        contest = contest.with(APSCHEDULER, || python.measure("add", &[&many.to_string()]));
    }
    let measured = contest.run_cold(7);
    let goals = [(TOKIO_CRON_SCHEDULER, 20.0), (APALIS, 3.0), (APSCHEDULER, 20.0)];
    family.contest(&format!("a job of {many}"), MICROS, &measured, &goals);
    for row in &mut family.rows {
        row.because = Some("the job is checked, named and kept in two orders; apalis-cron keeps none, APScheduler's job is a Python object".into());
    }

    let sizes: &[usize] = measuring.either(&[1_000, 10_000, 100_000], &[1_000, 10_000, 100_000, 1_000_000]);
    let mut ours = Curve::new("matins");
    let mut first = Spread::exactly(f64::NAN);
    for size in sizes {
        let rounds = (100_000 / size).clamp(1, 9);
        let spread = Spread::of((0..rounds).map(|_| added(Who::Matins, *size)).collect());
        ours.points.push((*size as f64, spread.median));
        if *size == 1_000 {
            first = spread;
        }
        if Some(size) == sizes.last() {
            family.versus(format!("a job of {size}"), MICROS, spread, "among 1,000", first, Some(0.5));
        }
    }
    measuring.figures.schedulers.push(ours);
    let mut theirs = Curve::new(TOKIO_CRON_SCHEDULER);
    for size in &sizes[..measuring.either(2, 3)] {
        theirs.points.push((*size as f64, added(Who::TokioCronScheduler, *size)));
    }
    measuring.figures.schedulers.push(theirs);
    let mut theirs = Curve::new(APALIS);
    for size in &sizes[..measuring.either(2, 3)] {
        theirs.points.push((*size as f64, added(Who::ApalisCron, *size)));
    }
    measuring.figures.schedulers.push(theirs);
    Ok(family)
}

pub(crate) fn sustained_fires(
    measuring: &mut Measuring,
    name: &'static str,
) -> Result<Family, Box<dyn Error>> {
    let mut family = Family::new(
        name,
        &[(
            "matins",
            "1,000 jobs due at each instant, on a clock that leaps from one to the next, thread executor: each fire is twice in the ledger, as started and as finished",
        )],
    );
    let fires = measuring.either(30_000, 200_000);
    let directory = TempDir::new()?;
    let mut opened = 0;
    let mut rate = |kind: &str| {
        opened += 1;
        let path = directory.path().join(format!("store-{opened}"));
        let store: Box<dyn JobStore> = match kind {
            "memory" => Box::new(MemoryStore::new()),
            "file" => Box::new(FileStore::open(path).expect("a store")),
            _ => Box::new(SqliteStore::open(path).expect("a store")),
        };
        sustained(store, Box::new(ThreadExecutor::builder().workers(2).build()), fires)
    };
    let rate = std::cell::RefCell::new(&mut rate);
    let measured = Contest::new()
        .with("memory", || (rate.borrow_mut())("memory"))
        .with("file", || (rate.borrow_mut())("file"))
        .with("sqlite", || (rate.borrow_mut())("sqlite"))
        .run(3);
    for (kind, spread) in measured {
        family.alone(kind, FIRES_A_SECOND, spread);
    }
    Ok(family)
}

pub(crate) fn idle(measuring: &mut Measuring, name: &'static str) -> Result<Family, Box<dyn Error>> {
    let mut family = Family::new(
        name,
        &[
            ("matins", "1,000,000 jobs (quick: 100,000) of a year from now in memory, a process of its own"),
            (APSCHEDULER, "10,000 such jobs"),
            (TOKIO_CRON_SCHEDULER, "10,000 such jobs; it looks twice a second"),
            (APALIS, "10,000 workers, a timer each"),
            (CLOKWERK, "10,000 jobs, polled ten times a second, as its documentation shows"),
            ("nobody", "a process whose thread sleeps"),
        ],
    );
    let many = measuring.either(100_000, 1_000_000);
    let time = measuring.either(3.0, 10.0);
    let all: std::cell::RefCell<Vec<(&'static str, Idled)>> = std::cell::RefCell::default();
    let keep = |name: &'static str, idled: Idled| {
        all.borrow_mut().push((name, idled));
        idled.cpu_millis
    };
    let child = |who, jobs| idled(who, jobs, time);
    let mut contest = Contest::new()
        .with("matins", || keep("matins", child(Who::Matins, many)))
        .with(TOKIO_CRON_SCHEDULER, || keep(TOKIO_CRON_SCHEDULER, child(Who::TokioCronScheduler, FEW)))
        .with(APALIS, || keep(APALIS, child(Who::ApalisCron, FEW)))
        .with(CLOKWERK, || keep(CLOKWERK, child(Who::Clokwerk, FEW)))
        .with("nobody", || keep("nobody", child(Who::Nobody, 0)));
    if let Some(python) = &measuring.python {
        contest = contest.with(APSCHEDULER, || {
            let [cpu_millis, wake_ups]: [f64; 2] =
                python.measure("idle", &[&FEW.to_string(), &time.to_string()]);
            let bytes_a_job = python.measure("bytes", &[&FEW.to_string()]);
            keep(APSCHEDULER, Idled { cpu_millis, wake_ups, bytes_a_job })
        });
    }
    let measured = contest.run_cold(measuring.either(1, 3));
    let goals = [(APSCHEDULER, 1.0)];
    family.contest(&format!("CPU of {time} s"), MILLIS, &measured, &goals);
    if let Some(ours) = of(&measured, "matins") {
        family.at_most(format!("CPU of {time} s"), MILLIS, ours, 20.0);
    }
    let all = all.into_inner();
    for (work, unit, value) in [
        ("wake-ups of threads", COUNT, (|idled| idled.wake_ups) as fn(&Idled) -> f64),
        ("memory of a job", BYTES, |idled| idled.bytes_a_job),
    ] {
        let of = |name: &str| {
            let values: Vec<f64> =
                all.iter().filter(|(other, _)| *other == name).map(|(_, idled)| value(idled)).collect();
            (!values.is_empty()).then(|| Spread::of(values))
        };
        let Some(ours) = of("matins") else { continue };
        if work == "wake-ups of threads" {
            // The look at the clock, once a minute.
            family.at_most(work, unit, ours, 1.0);
        }
        for peer in [TOKIO_CRON_SCHEDULER, APALIS, CLOKWERK, APSCHEDULER] {
            if let Some(theirs) = of(peer) {
                family.versus(work, unit, ours, peer, theirs, None);
            }
        }
    }
    Ok(family)
}
