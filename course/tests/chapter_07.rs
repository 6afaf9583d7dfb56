//! Chapter 7: the engine.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc::channel;

use chrono::{DateTime, TimeDelta, Utc};
use scheduler::driver::drive;
use scheduler::engine::{
    Coalesce, Decision, Definition, Engine, Overlap, Plan, Policy, Reason, plan,
};
use scheduler::executor::{End, ThreadPool};
use scheduler::run_loop::SystemClock;
use scheduler::store::{LogStore, MemoryStore, Outcome, Run, SimDisk, Store};
use scheduler::trigger::{Every, Once, Trigger};

use simulated_day::{definitions, simulate};

use Decision::{Miss, Start};
use Reason::{Coalesced, Overlapping, TooLate};

#[path = "simulated_day.rs"]
mod simulated_day;

fn at(minute: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(60 * minute, 0).unwrap()
}

fn every(minutes: i64) -> Every {
    Every::new(at(0), TimeDelta::minutes(minutes)).unwrap()
}

/// Late fires count, the latest stands for all, and none overlaps.
const USUAL: Policy =
    Policy { grace: None, coalesce: Coalesce::Latest, overlap: Overlap::Skip };

/// The plan for a job every ten minutes, as minutes.
fn planned(
    policy: Policy,
    next_fire: i64,
    now: i64,
    running: usize,
) -> (Vec<(i64, Decision)>, i64) {
    let Plan { fires, next_fire } =
        plan(&every(10), &policy, at(next_fire), at(now), running);
    let minute = |time: DateTime<Utc>| time.timestamp() / 60;
    let fires = fires.into_iter().map(|(fire, what)| (minute(fire), what));
    (fires.collect(), minute(next_fire.unwrap()))
}

/// Expects: a fire that is due starts, and the job moves on. One that is not
/// due yet is left alone.
/// Read: A pure decision
#[test]
fn a_due_fire_starts() {
    assert_eq!(planned(USUAL, 20, 20, 0), (vec![(20, Start)], 30));
    assert_eq!(planned(USUAL, 20, 19, 0), (vec![], 20));
}

/// Expects: a fire that is later than the grace is missed. One that is as late
/// as the grace is not.
/// Read: Misfires
#[test]
fn a_fire_that_is_too_late_is_missed() {
    let grace = Some(TimeDelta::minutes(5));
    let strict = Policy { grace, ..USUAL };
    assert_eq!(planned(strict, 20, 25, 0), (vec![(20, Start)], 30));
    assert_eq!(planned(strict, 20, 26, 0), (vec![(20, Miss(TooLate))], 30));
    let expected = vec![(20, Miss(TooLate)), (30, Miss(TooLate)), (40, Start)];
    assert_eq!(planned(strict, 20, 42, 0), (expected, 50));
}

/// Expects: of several fires that are due, the latest one starts, or all.
/// Read: Coalescing
#[test]
fn many_due_fires_are_one_or_all() {
    let expected =
        vec![(20, Miss(Coalesced)), (30, Miss(Coalesced)), (40, Start)];
    assert_eq!(planned(USUAL, 20, 45, 0), (expected, 50));
    let all =
        Policy { coalesce: Coalesce::All, overlap: Overlap::Allow(9), ..USUAL };
    let expected = vec![(20, Start), (30, Start), (40, Start)];
    assert_eq!(planned(all, 20, 45, 0), (expected, 50));
}

/// Expects: while a run of the job is in progress, a fire is missed, or stays
/// due, or starts if there are fewer runs than allowed.
/// Read: Overlap
#[test]
fn a_fire_may_find_its_job_running() {
    let missed = vec![(20, Miss(Overlapping))];
    assert_eq!(planned(USUAL, 20, 20, 1), (missed.clone(), 30));
    let wait = Policy { overlap: Overlap::Wait, ..USUAL };
    assert_eq!(planned(wait, 20, 25, 1), (vec![], 20));
    assert_eq!(planned(wait, 20, 25, 0), (vec![(20, Start)], 30));
    let two = Policy { overlap: Overlap::Allow(2), ..USUAL };
    assert_eq!(planned(two, 20, 20, 1), (vec![(20, Start)], 30));
    assert_eq!(planned(two, 20, 20, 2), (missed, 30));
}

/// Expects: the policies work together: too late, then coalesced, then
/// overlapping.
/// Read: Overlap
#[test]
fn policies_are_applied_in_their_order() {
    let grace = Some(TimeDelta::minutes(15));
    let coalesce = Coalesce::All;
    let overlap = Overlap::Allow(1);
    let policy = Policy { grace, coalesce, overlap };
    let expected =
        vec![(20, Miss(TooLate)), (30, Start), (40, Miss(Overlapping))];
    assert_eq!(planned(policy, 20, 45, 0), (expected, 50));
    // What waits stays due, with all that follow it.
    let wait = Policy { overlap: Overlap::Wait, ..policy };
    let expected = vec![(20, Miss(TooLate)), (30, Start)];
    assert_eq!(planned(wait, 20, 45, 0), (expected, 40));
    let latest = Policy { coalesce: Coalesce::Latest, ..wait };
    let expected = vec![(20, Miss(TooLate)), (30, Miss(Coalesced))];
    assert_eq!(planned(latest, 20, 45, 1), (expected, 40));
}

fn job(
    id: u64,
    trigger: impl Trigger + Send + Sync + 'static,
    policy: Policy,
) -> Definition {
    Definition {
        id,
        schedule: format!("job {id}"),
        command: format!("command {id}"),
        trigger: Box::new(trigger),
        policy,
    }
}

/// An engine in memory, begun at minute 0.
fn engine(definitions: Vec<Definition>) -> Engine<MemoryStore> {
    Engine::open(MemoryStore::default(), definitions, at(0)).unwrap()
}

/// Gives the engine a turn at a minute. Returns the runs that start, as job
/// and minute, and when the next turn is wanted.
fn turn<S: Store>(
    engine: &mut Engine<S>,
    minute: i64,
    ended: &[u64],
) -> (Vec<(u64, i64)>, Option<i64>) {
    let reports: Vec<_> =
        ended.iter().map(|run| (*run, End::Succeeded)).collect();
    let turn = engine.turn(at(minute), &reports).unwrap();
    let start = turn.start.iter();
    let start = start.map(|(run, _)| (run.job, run.fire.timestamp() / 60));
    (start.collect(), turn.next.map(|next| next.timestamp() / 60))
}

/// The ledger, as job, minute and outcome.
fn ledger<S: Store>(engine: &Engine<S>) -> Vec<(u64, i64, Outcome)> {
    let rows = engine.store().state().runs.values();
    rows.map(|run| (run.job, run.fire.timestamp() / 60, run.outcome)).collect()
}

/// Expects: a turn starts what is due, in the order of time, and says when it
/// wants the next one. It works for a job that ends, too.
/// Read: A turn
#[test]
fn a_turn_says_what_to_start_and_when_to_come_again() {
    let once = job(2, Once(at(7)), USUAL);
    let mut engine = engine(vec![job(1, every(5), USUAL), once]);
    assert_eq!(turn(&mut engine, 0, &[]), (vec![], Some(5)));
    assert_eq!(turn(&mut engine, 4, &[]), (vec![], Some(5)));
    assert_eq!(turn(&mut engine, 5, &[]), (vec![(1, 5)], Some(7)));
    let full = engine.turn(at(7), &[(1, End::Succeeded)]).unwrap();
    let run = Run { id: 2, job: 2, fire: at(7), outcome: Outcome::Running };
    assert_eq!(full.start, [(run, "command 2".to_owned())]);
    assert_eq!(full.next, Some(at(10)));
    assert_eq!(
        ledger(&engine),
        [(1, 5, Outcome::Succeeded), (2, 7, Outcome::Running)]
    );
}

/// Expects: a report ends the row of its run, with the outcome that it says.
/// Read: A turn
#[test]
fn reports_end_rows() {
    let allow = Policy { overlap: Overlap::Allow(9), ..USUAL };
    let mut engine = engine(vec![job(1, every(5), allow)]);
    for minute in [5, 10, 15, 20] {
        turn(&mut engine, minute, &[]);
    }
    let ends = [
        (1, End::Succeeded),
        (2, End::Failed("no".to_owned())),
        (3, End::TimedOut),
    ];
    engine.turn(at(21), &ends).unwrap();
    use Outcome::{Failed, Running, Succeeded};
    let outcomes: Vec<_> =
        ledger(&engine).into_iter().map(|row| row.2).collect();
    assert_eq!(outcomes, [Succeeded, Failed, Failed, Running]);
}

/// Expects: a fire that waits starts in the turn in which the run before it
/// ends, once for all that came due meanwhile, and nobody is woken for it
/// before.
/// Read: Waiting without a timer
#[test]
fn a_fire_waits_for_the_end_of_the_run_before_it() {
    let wait = Policy { overlap: Overlap::Wait, ..USUAL };
    let mut engine = engine(vec![job(1, every(10), wait)]);
    assert_eq!(turn(&mut engine, 10, &[]), (vec![(1, 10)], Some(20)));
    assert_eq!(turn(&mut engine, 20, &[]), (vec![], None));
    assert_eq!(turn(&mut engine, 35, &[1]), (vec![(1, 30)], Some(40)));
    assert_eq!(
        ledger(&engine),
        [
            (1, 10, Outcome::Succeeded),
            (1, 20, Outcome::Missed),
            (1, 30, Outcome::Running)
        ]
    );
}

/// Expects: all that a turn decides is one commit, before anything starts. If
/// the commit fails, nothing starts.
/// Read: One commit
#[test]
fn a_turn_is_one_commit() {
    let disk = SimDisk::default();
    let definitions = || (1..=50).map(|id| job(id, every(5), USUAL)).collect();
    let store = LogStore::open(disk.clone()).unwrap();
    let mut engine = Engine::open(store, definitions(), at(0)).unwrap();
    // A commit is two calls of the disk.
    disk.fail_after(2);
    assert_eq!(engine.turn(at(5), &[]).unwrap().start.len(), 50);
    assert!(engine.turn(at(10), &[]).is_err());

    let store = LogStore::open(disk.reboot(0)).unwrap();
    assert_eq!(store.state().runs.len(), 50);
    // A turn without news writes nothing.
    let disk = SimDisk::default();
    let store = LogStore::open(disk.clone()).unwrap();
    let mut engine = Engine::open(store, definitions(), at(0)).unwrap();
    disk.fail_after(0);
    assert!(engine.turn(at(4), &[]).unwrap().start.is_empty());
}

/// Expects: after a restart, jobs continue where they were: missed fires are
/// decided by the policy, and runs in progress were interrupted. Run numbers
/// are not used again.
/// Read: Restart
#[test]
fn a_restart_continues() {
    let definitions = || vec![job(1, every(10), USUAL)];
    let disk = SimDisk::default();
    let store = LogStore::open(disk.clone()).unwrap();
    let mut engine = Engine::open(store, definitions(), at(0)).unwrap();
    assert_eq!(turn(&mut engine, 10, &[]), (vec![(1, 10)], Some(20)));

    let store = LogStore::open(disk.reboot(0)).unwrap();
    let mut engine = Engine::open(store, definitions(), at(35)).unwrap();
    assert_eq!(turn(&mut engine, 35, &[]), (vec![(1, 30)], Some(40)));
    assert_eq!(
        ledger(&engine),
        [
            (1, 10, Outcome::Interrupted),
            (1, 20, Outcome::Missed),
            (1, 30, Outcome::Running)
        ]
    );
}

/// Expects: a job whose schedule has changed begins from now, one that is
/// not defined any more is removed, and a new one is added.
/// Read: Restart
#[test]
fn a_restart_takes_changed_definitions() {
    let disk = SimDisk::default();
    let store = LogStore::open(disk.clone()).unwrap();
    let first = vec![job(1, every(10), USUAL), job(2, every(10), USUAL)];
    drop(Engine::open(store, first, at(0)).unwrap());

    let mut changed = job(2, every(7), USUAL);
    changed.schedule = "another".to_owned();
    let store = LogStore::open(disk.reboot(0)).unwrap();
    let second = vec![changed, job(3, every(10), USUAL)];
    let mut engine = Engine::open(store, second, at(25)).unwrap();
    assert_eq!(turn(&mut engine, 25, &[]), (vec![], Some(28)));
    assert_eq!(turn(&mut engine, 30, &[]).0, [(2, 28), (3, 30)]);
    assert!(!engine.store().state().jobs.contains_key(&1));
    assert_eq!(engine.store().state().jobs[&2].schedule, "another");
}

/// Expects: the driver runs real work on a real clock: each fire once, and it
/// ends when all runs have ended.
/// Read: A driver
#[test]
fn a_driver_runs_an_engine() {
    let start = Utc::now();
    let soon = |number| start + TimeDelta::milliseconds(20 * number);
    let definitions =
        (1..=4).map(|id| job(id, Once(soon(id as i64)), USUAL)).collect();
    let mut engine =
        Engine::open(MemoryStore::default(), definitions, start).unwrap();
    let (done, ran) = channel();
    let channel = channel();
    let pool = ThreadPool::new(2, 4, channel.0.clone());
    let until = start + TimeDelta::hours(1);
    drive(&mut engine, &SystemClock, until, &pool, &channel, |line| {
        let (done, line) = (done.clone(), line.to_owned());
        Box::new(move |_| done.send(line).map_err(|error| error.to_string()))
    })
    .unwrap();
    assert!(Utc::now() >= soon(4));
    pool.shutdown();
    drop(done);
    let ran: BTreeSet<String> = ran.iter().collect();
    let expected = (1..=4).map(|id| format!("command {id}"));
    assert_eq!(ran, expected.collect());
    let rows = engine.store().state().runs.values();
    assert_eq!(rows.filter(|run| run.outcome == Outcome::Succeeded).count(), 4);
}

/// Expects: in every simulated day, each fire of each job has one row, nothing
/// runs twice or without a row, and what ran is not recorded as missed.
/// Read: A day from a seed
#[test]
fn every_fire_of_a_day_with_crashes_is_accounted_for() {
    for seed in 0..40 {
        let (started, rows, in_progress) = simulate(seed);
        let mut found = BTreeMap::new();
        for row in &rows {
            let before = found.insert((row.job, row.fire), row.outcome);
            assert_eq!(before, None, "seed {seed}: {row:?} is a second row");
            let is_running = row.outcome == Outcome::Running;
            let in_progress = in_progress.contains(&row.id);
            assert!(
                in_progress || !is_running,
                "seed {seed}: the row says running, and nothing runs: {row:?}"
            );
            assert!(
                is_running || !in_progress,
                "seed {seed}: the row has ended, its run has not: {row:?}"
            );
        }
        for job in definitions(seed) {
            let last = rows.iter().filter(|row| row.job == job.id);
            let last = last.map(|row| row.fire).max().unwrap();
            let next = |fire: &DateTime<Utc>| job.trigger.next_after(*fire);
            let walk = std::iter::successors(next(&at(0)), next);
            for fire in walk.take_while(|fire| *fire <= last) {
                let row = found.get(&(job.id, fire));
                assert!(
                    row.is_some(),
                    "seed {seed}: {fire} of {} is lost",
                    job.id
                );
            }
        }
        let mut once = BTreeSet::new();
        for run in started {
            assert!(once.insert(run), "seed {seed}: {run:?} ran twice");
            let outcome = found.get(&run);
            let ran = outcome.is_some_and(|it| *it != Outcome::Missed);
            assert!(ran, "seed {seed}: {run:?} ran, its row says {outcome:?}");
        }
    }
}

/// Expects: the same seed has the same day, to the last row.
/// Read: A day from a seed
#[test]
fn a_seed_is_a_day() {
    assert_eq!(simulate(7), simulate(7));
    assert_ne!(simulate(7), simulate(8));
}
