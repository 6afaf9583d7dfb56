//! What stays as fast beside a million jobs as beside a thousand.

use std::cell::Cell;
use std::error::Error;
use std::path::Path;

use matins::prelude::*;
use matins::{BlockingScheduler, Job, JobOrder, JobStore, StoreName};
use matins_benches::contest::{Contest, Spread, seconds};
use matins_benches::stores::{FAR, file_with, job, jobs, memory_with, ours, second, sqlite_with};
use tempfile::TempDir;

use super::Measuring;
use super::stores::micros_a_tick;
use crate::card::{Family, MICROS};
use crate::pictures::Curve;

/// What a store's growth is compared with.
const FEW: usize = 1_000;

const KINDS: [&str; 3] = ["memory", "file", "sqlite"];

const AMONG_FEW: &str = "among 1,000";

pub(crate) fn growth(measuring: &mut Measuring, name: &'static str) -> Result<Family, Box<dyn Error>> {
    let mut family = Family::new(
        name,
        &[
            (
                "matins",
                "beside the most jobs that are not due: a tick of 100; a tick of 100 after a job was added; a job without an id added and removed; 10 jobs listed by the start of their ids, and in the order of their next fire times; all jobs removed, for each",
            ),
            (
                AMONG_FEW,
                "the same beside 1,000 such jobs: the cost should not grow. The goal is twice it at most",
            ),
        ],
    );
    let sizes: &[usize] = measuring.either(&[1_000, 10_000, 100_000], &[1_000, 10_000, 100_000, 1_000_000]);
    for kind in KINDS {
        let spreads = ticks_among(measuring, kind, sizes, false)?;
        let mut curve = Curve::new(kind);
        curve.points.extend(sizes.iter().zip(&spreads).map(|(size, spread)| (*size as f64, spread.median)));
        measuring.figures.ticks.push(curve);
        compare(&mut family, &format!("{kind}: tick of 100"), sizes, &spreads);
    }
    let ends = [sizes[0], sizes[sizes.len() - 1]];
    for kind in KINDS {
        let spreads = ticks_among(measuring, kind, &ends, true)?;
        compare(&mut family, &format!("{kind}: tick of 100 after an add"), &ends, &spreads);
        calls_among(measuring, &mut family, kind, ends)?;
    }
    Ok(family)
}

fn compare(family: &mut Family, work: &str, sizes: &[usize], spreads: &[Spread]) {
    if let (Some(first), Some(last), Some(most)) = (spreads.first(), spreads.last(), sizes.last()) {
        family.versus(format!("{work} among {most}"), MICROS, *last, AMONG_FEW, *first, Some(0.5));
    }
}

fn store_with(kind: &str, directory: &Path, jobs: Vec<Job>) -> Box<dyn JobStore> {
    match kind {
        "memory" => Box::new(memory_with(jobs)),
        "file" => Box::new(file_with(directory, jobs)),
        _ => Box::new(sqlite_with(directory, jobs)),
    }
}

fn directories(sizes: &[usize]) -> Result<Vec<TempDir>, std::io::Error> {
    sizes.iter().map(|_| TempDir::new()).collect()
}

/// Ticks of 100 among so many jobs that are not due; each after a job was added, if `adds`, which is not counted.
fn ticks_among(
    measuring: &Measuring,
    kind: &'static str,
    sizes: &[usize],
    adds: bool,
) -> Result<Vec<Spread>, Box<dyn Error>> {
    let directories = directories(sizes)?;
    let places = sizes.iter().zip(&directories);
    let mut stores: Vec<Box<dyn JobStore>> =
        places.map(|(size, directory)| store_with(kind, directory.path(), jobs(FEW, *size))).collect();
    let mut contest = Contest::new();
    for (store, size) in stores.iter_mut().zip(sizes) {
        let next = Cell::new(FEW + size);
        contest = contest.with(kind, move || {
            if !adds {
                return micros_a_tick(20, || ours(&mut **store, FEW as i64));
            }
            let ticks = 20;
            let taken: f64 = (0..ticks)
                .map(|_| {
                    let number = next.replace(next.get() + 1);
                    store.add(job(number, FAR + number as i64), OnConflict::Refuse).expect("added");
                    seconds(|| ours(&mut **store, FEW as i64))
                })
                .sum();
            taken * 1e6 / f64::from(ticks)
        });
    }
    Ok(contest.run(measuring.either(5, 9)).into_iter().map(|(_, spread)| spread).collect())
}

type Call = fn(&BlockingScheduler);

/// Calls of a handle among few and among many jobs.
fn calls_among(
    measuring: &Measuring,
    family: &mut Family,
    kind: &'static str,
    sizes: [usize; 2],
) -> Result<(), Box<dyn Error>> {
    let directories = directories(&sizes)?;
    let places = sizes.iter().zip(&directories);
    let schedulers: Vec<BlockingScheduler> = places
        .map(|(size, directory)| {
            let store = store_with(kind, directory.path(), jobs(0, *size));
            let builder = SchedulerBuilder::new().store("default", store);
            builder.executor("default", ThreadExecutor::new()).blocking().expect("a scheduler")
        })
        .collect();
    for scheduler in &schedulers {
        scheduler.register("send-report", || ())?;
    }
    let calls: [(&str, Call); 3] = [
        ("a job without an id added and removed", |scheduler| {
            let job = scheduler.add(DateTrigger::new(second(FAR)).task("send-report")).expect("added");
            job.remove().expect("removed");
        }),
        ("10 listed by the start of their ids", |scheduler| {
            let query = JobQuery::default().id_prefix("job-00005").limit(10);
            assert_eq!(scheduler.list(&query).expect("a list").len(), 10);
        }),
        ("10 listed by next fire time", |scheduler| {
            let query = JobQuery::default().order(JobOrder::NextFire).limit(10);
            assert_eq!(scheduler.list(&query).expect("a list").len(), 10);
        }),
    ];
    let rounds = measuring.either(5, 9);
    for (work, call) in calls {
        let mut contest = Contest::new();
        for scheduler in &schedulers {
            contest = contest.with(kind, move || micros_a_tick(20, || call(scheduler)));
        }
        let spreads: Vec<Spread> = contest.run(rounds).into_iter().map(|(_, spread)| spread).collect();
        compare(family, &format!("{kind}: {work}"), &sizes, &spreads);
    }
    let mut removals = Vec::new();
    for (scheduler, size) in schedulers.iter().zip(sizes) {
        let mut removed = 0;
        let taken = seconds(|| removed = scheduler.remove_all(&StoreName::default()).expect("removed"));
        assert_eq!(removed, size);
        removals.push(Spread::exactly(taken * 1e6 / size as f64));
    }
    compare(family, &format!("{kind}: all removed, for each"), &sizes, &removals);
    Ok(())
}
