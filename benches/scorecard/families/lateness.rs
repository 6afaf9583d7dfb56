//! How late runs begin.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::error::Error;

use matins::{Executor, RayonExecutor, ThreadExecutor, TokioExecutor};
use matins_benches::contest::{Contest, Spread};
use matins_benches::schedulers::{
    Late, burst, burst_of_apalis, burst_of_tokio_cron_scheduler, runtime, spread_out,
};

use super::Measuring;
use crate::card::{Family, MILLIS, PERCENT};

const AT_ONCE: usize = 10_000;
const A_SECOND: usize = 1_000;

const TOKIO_CRON_SCHEDULER: &str = "tokio-cron-scheduler";
const APALIS: &str = "apalis-cron";
const APSCHEDULER: &str = "APScheduler";

const WHY: &str = "each fire is in the ledger before it begins and its outcome after: 2 to 3 µs a fire on the scheduler's one \
                   thread, so the last of 10,000 begins 25 ms late; the goals leave 0.5 µs";

const SHARES: [(usize, &str); 3] = [(50, "p50"), (99, "p99"), (100, "the last")];

/// All that each of several measured, by name.
type Measured = RefCell<BTreeMap<&'static str, Vec<Late>>>;

fn keep(all: &Measured, name: &'static str, late: Late) -> f64 {
    let p99 = late.at(99);
    all.borrow_mut().entry(name).or_default().push(late);
    p99
}

fn on_tokio(work: impl FnOnce(Box<dyn Executor>) -> Late) -> Late {
    let runtime = runtime();
    work(Box::new(TokioExecutor::builder(runtime.handle().clone()).build()))
}

fn on_rayon() -> Box<dyn Executor> {
    Box::new(RayonExecutor::builder().build().expect("a pool"))
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
            ("with its defaults", "the same with its default channels: some fires do not come"),
            (APALIS, "10,000 workers, a timer each; no ledger, no job store"),
            (APSCHEDULER, "the same jobs in its memory store, 20 threads; no ledger"),
        ],
    );
    let all = Measured::default();
    let jobs = AT_ONCE;
    let mut contest = Contest::new()
        .with("thread", || keep(&all, "thread", burst(Box::new(ThreadExecutor::new()), false, jobs)))
        .with(TOKIO_CRON_SCHEDULER, || {
            keep(&all, TOKIO_CRON_SCHEDULER, burst_of_tokio_cron_scheduler(jobs, Some(4 * jobs)))
        })
        .with("rayon", || keep(&all, "rayon", burst(on_rayon(), false, jobs)))
        .with(APALIS, || keep(&all, APALIS, burst_of_apalis(jobs)))
        .with("tokio", || keep(&all, "tokio", on_tokio(|executor| burst(executor, true, jobs))));
    if let Some(python) = &measuring.python {
        contest = contest.with(APSCHEDULER, || {
            let late: Vec<f64> = python.measure("burst", &[&jobs.to_string()]);
            keep(&all, APSCHEDULER, Late::of(late, jobs))
        });
    }
    if !measuring.is_quick {
        contest = contest.with("with its defaults", || {
            keep(&all, "with its defaults", burst_of_tokio_cron_scheduler(jobs, None))
        });
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
        if let (Some(ours), Some(theirs)) = (came(executor), came("with its defaults")) {
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
        if let Some(last) = late.into_iter().next_back().filter(|_| name != "with its defaults") {
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
    let mut contest = Contest::new()
        .with("thread", || {
            keep(&all, "thread", spread_out(Box::new(ThreadExecutor::new()), false, A_SECOND, time))
        })
        .with("rayon", || keep(&all, "rayon", spread_out(on_rayon(), false, A_SECOND, time)))
        .with("tokio", || {
            keep(&all, "tokio", on_tokio(|executor| spread_out(executor, true, A_SECOND, time)))
        });
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
