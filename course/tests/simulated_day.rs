//! A day of a scheduler with crashes, from a seed: for the tests of chapter 7.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use scheduler::engine::{Coalesce, Definition, Engine, Overlap, Policy};
use scheduler::executor::End;
use scheduler::store::{LogStore, Run, SimDisk, Store};

use super::{at, every, job};
use random::Random;

#[path = "random.rs"]
mod random;

/// The jobs of a seed. They are the same after each restart.
pub fn definitions(seed: u64) -> Vec<Definition> {
    let mut random = Random(seed);
    let mut definition = |id| {
        let overlap = match random.below(3) {
            0 => Overlap::Skip,
            1 => Overlap::Wait,
            _ => Overlap::Allow(2),
        };
        let grace = match random.below(2) {
            0 => None,
            _ => Some(TimeDelta::minutes(random.below(60) as i64)),
        };
        let coalesce = match random.below(2) {
            0 => Coalesce::Latest,
            _ => Coalesce::All,
        };
        let period = 1 + random.below(40) as i64;
        job(id, every(period), Policy { grace, coalesce, overlap })
    };
    (1..=3).map(&mut definition).collect()
}

/// What was started, the ledger, and the runs in progress.
pub type Day = (Vec<(u64, DateTime<Utc>)>, Vec<Run>, BTreeSet<u64>);

// ANCHOR: simulate
/// Runs a day with crashes, power cuts and downtime, all of it from a seed.
/// Returns what was started, as job and fire, and the ledger at the end, with
/// the runs that are then in progress.
pub fn simulate(seed: u64) -> Day {
    let mut random = Random(seed ^ 0xC0FF_EE00);
    let (mut now, end) = (at(0), at(24 * 60));
    let mut started = Vec::new();
    let mut disk = SimDisk::default();
    loop {
        // A process begins. Nothing of the one before it is left but the disk.
        let store = LogStore::open(disk.clone()).unwrap();
        let mut engine = Engine::open(store, definitions(seed), now).unwrap();
        let mut ends: BTreeMap<u64, DateTime<Utc>> = BTreeMap::new();
        let mut running: BTreeMap<u64, u64> = BTreeMap::new();
        // The power fails after so many further calls of the disk.
        let is_last = now > at(20 * 60);
        if !is_last {
            disk.fail_after(random.below(60) as usize);
        }
        loop {
            let over = ends.iter().filter(|(_, end)| **end <= now);
            let over: Vec<u64> = over.map(|(run, _)| *run).collect();
            for run in &over {
                ends.remove(run);
                running.remove(run);
            }
            let reports: Vec<_> =
                over.iter().map(|run| (*run, End::Succeeded)).collect();
            let Ok(turn) = engine.turn(now, &reports) else { break };
            for (run, _) in &turn.start {
                assert!(run.fire <= now, "seed {seed}: {run:?} is too early");
                started.push((run.job, run.fire));
                running.insert(run.id, run.job);
                let minutes = 1 + random.below(50) as i64;
                ends.insert(run.id, now + TimeDelta::minutes(minutes));
            }
            for job in definitions(seed) {
                let count =
                    running.values().filter(|it| **it == job.id).count();
                let allowed = match job.policy.overlap {
                    Overlap::Skip | Overlap::Wait => 1,
                    Overlap::Allow(limit) => limit,
                };
                assert!(
                    count <= allowed,
                    "seed {seed}: job {} overlaps",
                    job.id
                );
            }
            let next =
                ends.values().min().copied().into_iter().chain(turn.next);
            let next = next.min().expect("a job fires without end");
            if is_last && next > end {
                let rows = engine.store().state().runs.values();
                let in_progress = running.into_keys().collect();
                return (started, rows.cloned().collect(), in_progress);
            }
            now = next.max(now) + TimeDelta::minutes(random.below(3) as i64);
            assert!(
                now < at(3 * 24 * 60),
                "seed {seed}: the power failed, and the engine reports no error"
            );
        }
        // Some of what was not synced may have reached the disk.
        let kept = random.below(1 + disk.pending() as u64) as usize;
        disk = disk.reboot(kept);
        now += TimeDelta::minutes(random.below(90) as i64);
    }
}
// ANCHOR_END: simulate
