//! How late runs begin.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::error::Error;

use matins_benches::contest::{Contest, Spread};
use matins_benches::schedulers::Late;

use super::Measuring;
use crate::card::{Family, MILLIS, PERCENT};
use crate::child::{Fires, late_at_once, late_over_time};

const AT_ONCE: usize = 10_000;
const A_SECOND: usize = 1_000;

const TOKIO_CRON_SCHEDULER: &str = "tokio-cron-scheduler";
/// That peer with its default channels.
const AS_IT_COMES: &str = "with its defaults";
const APALIS: &str = "apalis-cron";
const APSCHEDULER: &str = "APScheduler";

const WHY: &str = "each fire is in the ledger before it begins and its outcome after, on the scheduler's one thread: 1.2 µs a fire \
                   when all of it is in the processor's caches, 2 at the first fire of a job; the goals leave 0.5 µs";

const SHARES: [(usize, &str); 3] = [(50, "p50"), (99, "p99"), (100, "the last")];

/// All that each of several measured, by name.
type Measured = RefCell<BTreeMap<&'static str, Vec<Late>>>;

fn keep(all: &Measured, name: &'static str, late: Late) -> f64 {
    let p99 = late.at(99);
    all.borrow_mut().entry(name).or_default().push(late);
    p99
}

pub(crate) fn lateness(measuring: &mut Measuring, name: &'static str) -> Result<Family, Box<dyn Error>> {
    let mut family = Family::new(
        name,
        &[
            (
                "matins",
                "10,000 jobs due at one instant, memory store: from that instant to the beginning of the task; each run is in the ledger before it begins. On tokio the task is async",
            ),
            (
                TOKIO_CRON_SCHEDULER,
                "the same by cron expressions of one second; it looks twice a second, keeps no ledger, and has channels of 40,000",
            ),
            (AS_IT_COMES, "the same with its default channels: some fires do not come"),
            (APALIS, "10,000 workers, a timer each; no ledger, no job store"),
            (APSCHEDULER, "the same jobs in its memory store, 20 threads; no ledger"),
        ],
    );
    let all = Measured::default();
    let jobs = AT_ONCE;
    let late = |name, who| keep(&all, name, late_at_once(who, jobs));
    let mut contest = Contest::new()
        .with("thread", || late("thread", Fires::Thread))
        .with(TOKIO_CRON_SCHEDULER, || late(TOKIO_CRON_SCHEDULER, Fires::TokioCronScheduler))
        .with("rayon", || late("rayon", Fires::Rayon))
        .with(APALIS, || late(APALIS, Fires::ApalisCron))
        .with("tokio", || late("tokio", Fires::Tokio));
    if let Some(python) = &measuring.python {
        contest = contest.with(APSCHEDULER, || {
            let late: Vec<f64> = python.measure("burst", &[&jobs.to_string()]);
            keep(&all, APSCHEDULER, Late::of(late, jobs))
        });
    }
    if !measuring.is_quick {
        contest = contest.with(AS_IT_COMES, || late(AS_IT_COMES, Fires::TokioCronSchedulerAsItComes));
    }
    contest.run_cold(measuring.either(2, 5));

    let all = all.into_inner();
    let at = |name: &str, percent| {
        let late = all.get(name)?;
        Some(Spread::of(late.iter().map(|late| late.at(percent)).collect()))
    };
    let came = |name: &str| {
        let late = all.get(name)?;
        Some(Spread::of(late.iter().map(Late::came).collect()))
    };
    for executor in ["thread", "rayon", "tokio"] {
        for (peer, goal) in [(TOKIO_CRON_SCHEDULER, 100.0), (APALIS, 5.0), (APSCHEDULER, 50.0)] {
            for (percent, share) in SHARES {
                let (Some(ours), Some(theirs)) = (at(executor, percent), at(peer, percent)) else { continue };
                let goal = Some(goal).filter(|_| percent == 99);
                family.versus(
                    format!("{executor}: 10,000 at once, {share}"),
                    MILLIS,
                    ours,
                    peer,
                    theirs,
                    goal,
                );
                family.because(WHY);
            }
        }
        if let Some(first) = at(executor, 0) {
            family.at_most(format!("{executor}: 10,000 at once, the first"), MILLIS, first, 1.0);
        }
        if let Some(ours) = came(executor) {
            family.versus(
                format!("{executor}: 10,000 at once, came"),
                PERCENT,
                ours,
                "the limit set",
                Spread::exactly(100.0),
                Some(1.0),
            );
        }
        if let (Some(ours), Some(theirs)) = (came(executor), came(AS_IT_COMES)) {
            family.versus(
                format!("{executor}: 10,000 at once, came"),
                PERCENT,
                ours,
                "tokio-cron-scheduler with its defaults",
                theirs,
                None,
            );
        }
    }
    for (name, late) in all {
        if let Some(last) = late.into_iter().next_back().filter(|_| name != AS_IT_COMES) {
            measuring.figures.lateness.push((name, last.millis));
        }
    }
    spread_over_time(measuring, &mut family);
    Ok(family)
}

/// 1,000 fires a second, evenly spread.
fn spread_over_time(measuring: &Measuring, family: &mut Family) {
    let all = Measured::default();
    let time = measuring.either(3, 10);
    let late = |name, who| keep(&all, name, late_over_time(who, A_SECOND, time));
    let mut contest = Contest::new()
        .with("thread", || late("thread", Fires::Thread))
        .with("rayon", || late("rayon", Fires::Rayon))
        .with("tokio", || late("tokio", Fires::Tokio));
    if let Some(python) = &measuring.python {
        contest = contest.with(APSCHEDULER, || {
            let late: Vec<f64> = python.measure("spread-out", &[&A_SECOND.to_string(), &time.to_string()]);
            keep(&all, APSCHEDULER, Late::of(late, A_SECOND * time))
        });
    }
    contest.run_cold(measuring.either(1, 3));
    let all = all.into_inner();
    let at =
        |late: &[Late], percent| Spread::of(late.iter().map(|late| late.at(percent)).collect::<Vec<f64>>());
    for executor in ["thread", "rayon", "tokio"] {
        let Some(ours) = all.get(executor) else { continue };
        for (percent, share) in SHARES {
            let work = format!("{executor}: 1,000 a second, {share}");
            match all.get(APSCHEDULER) {
                Some(theirs) => {
                    family.versus(work, MILLIS, at(ours, percent), APSCHEDULER, at(theirs, percent), None);
                }
                None => family.alone(work, MILLIS, at(ours, percent)),
            }
        }
        let came = Spread::of(ours.iter().map(Late::came).collect());
        family.versus(
            format!("{executor}: 1,000 a second, came"),
            PERCENT,
            came,
            "the limit set",
            Spread::exactly(100.0),
            Some(1.0),
        );
    }
}
