//! Chapter 8: many schedulers.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use chrono::{DateTime, TimeDelta, Utc};
use scheduler::crontab::{Problem, parse};
use scheduler::engine::{Coalesce, Definition, Overlap, Policy};
use scheduler::shared::{Effects, Fenced, Register, SharedStore};
use scheduler::store::{FileDisk, LogStore, Outcome, Run, Store};
use scheduler::trigger::Every;

#[path = "random.rs"]
mod random;

use random::Random;

fn at(minute: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(60 * minute, 0).unwrap()
}

fn minutes(number: i64) -> TimeDelta {
    TimeDelta::minutes(number)
}

/// Jobs with these periods in minutes, numbered from 1.
fn jobs(periods: &[i64], overlap: Overlap) -> BTreeMap<u64, Definition> {
    let policy = Policy { grace: None, coalesce: Coalesce::All, overlap };
    let job = |(id, period): (u64, &i64)| {
        let trigger = Every::new(at(0), minutes(*period)).unwrap();
        let definition = Definition {
            id,
            schedule: format!("every {period}"),
            command: format!("command {id}"),
            trigger: Box::new(trigger),
            policy,
        };
        (id, definition)
    };
    (1..).zip(periods).map(job).collect()
}

const LEASE: TimeDelta = TimeDelta::minutes(3);

/// A store with jobs, at minute 0.
fn store_with(jobs: &BTreeMap<u64, Definition>) -> SharedStore {
    let store = SharedStore::default();
    store.set_now(at(0));
    store.add(jobs);
    store
}

fn runs(claimed: Result<Vec<(Run, String)>, Fenced>) -> Vec<(u64, i64)> {
    let minute = |run: &Run| run.fire.timestamp() / 60;
    claimed.unwrap().iter().map(|(run, _)| (run.job, minute(run))).collect()
}

/// Expects: of two nodes that claim, one gets each fire.
/// Read: Claim in one transaction
#[test]
fn a_fire_is_claimed_once() {
    let jobs = jobs(&[10, 15], Overlap::Skip);
    let store = store_with(&jobs);
    let (a, b) = (store.join(LEASE), store.join(LEASE));
    assert_eq!(runs(store.claim(a, &jobs)), []);
    store.set_now(at(10));
    assert_eq!(runs(store.claim(a, &jobs)), [(1, 10)]);
    assert_eq!(runs(store.claim(b, &jobs)), []);
    store.set_now(at(15));
    assert_eq!(runs(store.claim(b, &jobs)), [(2, 15)]);
    let claimed = store.state().runs.into_values().map(|run| run.outcome);
    assert!(claimed.eq([Outcome::Running; 2]));
    assert_eq!(store.state().jobs[&1].next_fire, Some(at(20)));
}

/// Expects: threads that claim at the same time get each fire once, together.
/// Read: Claim in one transaction
#[test]
fn a_race_has_one_winner() {
    let jobs = jobs(&[1; 20], Overlap::Allow(1000));
    let store = store_with(&jobs);
    store.set_now(at(30));
    let nodes: Vec<_> = (0..4).map(|_| store.join(LEASE)).collect();
    let claimed: Vec<Vec<_>> = std::thread::scope(|scope| {
        let claim = |node| {
            scope.spawn({
                let (store, jobs) = (&store, &jobs);
                move || runs(store.claim(node, jobs))
            })
        };
        let threads: Vec<_> = nodes.into_iter().map(claim).collect();
        threads.into_iter().map(|it| it.join().unwrap()).collect()
    });
    let all: Vec<_> = claimed.concat();
    let once: BTreeSet<_> = all.iter().collect();
    assert_eq!((all.len(), once.len()), (600, 600));
}

/// Expects: the overlap policy counts the runs of all nodes.
/// Read: Claim in one transaction
#[test]
fn overlap_counts_the_runs_of_all_nodes() {
    let jobs = jobs(&[10], Overlap::Skip);
    let store = store_with(&jobs);
    let (a, b) = (store.join(LEASE), store.join(LEASE));
    store.set_now(at(10));
    let run = store.claim(a, &jobs).unwrap()[0].0.id;
    store.set_now(at(20));
    assert_eq!(runs(store.claim(b, &jobs)), []);
    assert_eq!(store.finish(a, run, Outcome::Succeeded), Ok(true));
    store.set_now(at(30));
    assert_eq!(runs(store.claim(b, &jobs)), [(1, 30)]);
    let outcomes = store.state().runs.into_values().map(|run| run.outcome);
    use Outcome::{Missed, Running, Succeeded};
    assert!(outcomes.eq([Succeeded, Missed, Running]));
}

/// Expects: a node ends only its own runs, and each only once.
/// Read: Claim in one transaction
#[test]
fn only_the_owner_ends_a_run() {
    let jobs = jobs(&[10], Overlap::Skip);
    let store = store_with(&jobs);
    let (a, b) = (store.join(LEASE), store.join(LEASE));
    store.set_now(at(10));
    let run = store.claim(a, &jobs).unwrap()[0].0.id;
    assert_eq!(store.finish(b, run, Outcome::Failed), Ok(false));
    assert_eq!(store.finish(a, run, Outcome::Succeeded), Ok(true));
    assert_eq!(store.finish(a, run, Outcome::Failed), Ok(false));
    assert_eq!(store.finish(a, 99, Outcome::Failed), Ok(false));
    assert_eq!(store.state().runs[&run].outcome, Outcome::Succeeded);
}

/// Expects: a node whose lease is over is declared dead by another one. Its
/// runs are interrupted, and run again on that node, with new numbers.
/// Read: Leases
#[test]
fn runs_of_a_dead_node_run_again() {
    let jobs = jobs(&[10], Overlap::Skip);
    let store = store_with(&jobs);
    let (a, b) = (store.join(LEASE), store.join(LEASE));
    store.set_now(at(10));
    let (a, b) = match (store.heartbeat(a), store.heartbeat(b)) {
        (Ok(()), Ok(())) => (a, b),
        other => panic!("{other:?}"),
    };
    let lost = store.claim(a, &jobs).unwrap()[0].0.clone();
    store.set_now(at(12));
    store.heartbeat(b).unwrap();
    assert_eq!(runs(store.reap(b)), [], "the lease of a is not over");
    store.set_now(at(14));
    let again = store.reap(b).unwrap();
    let (run, command) = &again[0];
    assert_eq!((run.job, run.fire), (lost.job, lost.fire));
    assert!(run.id > lost.id && command == "command 1");
    assert_eq!(store.state().runs[&lost.id].outcome, Outcome::Interrupted);
    assert_eq!(store.state().runs[&run.id].outcome, Outcome::Running);
    assert_eq!(store.reap(b).unwrap(), [], "it is taken over once");
    assert_eq!(store.finish(b, run.id, Outcome::Succeeded), Ok(true));
}

/// Expects: heartbeats renew a lease, also a late one, if nobody has declared
/// the node dead meanwhile.
/// Read: Leases
#[test]
fn heartbeats_keep_a_node_alive() {
    let store = store_with(&BTreeMap::new());
    let (a, b) = (store.join(LEASE), store.join(LEASE));
    for minute in 1..20 {
        store.set_now(at(minute));
        assert_eq!(store.heartbeat(a), Ok(()));
        assert_eq!(store.reap(a), Ok(Vec::new()));
    }
    assert_eq!(store.heartbeat(b), Err(Fenced));
    // A lease that is over, and that nobody has noticed.
    store.set_now(at(100));
    assert_eq!(store.heartbeat(a), Ok(()));
}

/// Expects: a node that was declared dead can change nothing, however alive it
/// is. It joins again under another number.
/// Read: Fencing
#[test]
fn a_dead_node_is_fenced() {
    let jobs = jobs(&[10], Overlap::Allow(9));
    let store = store_with(&jobs);
    let a = store.join(LEASE);
    store.set_now(at(10));
    let lost = store.claim(a, &jobs).unwrap()[0].0.clone();
    store.set_now(at(14));
    let b = store.join(LEASE);
    let again = store.reap(b).unwrap()[0].0.clone();
    // a was only stopped for a while, and continues.
    store.set_now(at(20));
    let before = store.state();
    assert_eq!(store.finish(a, lost.id, Outcome::Succeeded), Err(Fenced));
    assert_eq!(store.finish(a, again.id, Outcome::Succeeded), Err(Fenced));
    assert_eq!(store.claim(a, &jobs), Err(Fenced));
    assert_eq!(store.reap(a), Err(Fenced));
    assert_eq!(store.heartbeat(a), Err(Fenced));
    assert_eq!(store.state(), before);
    let new = store.join(LEASE);
    assert!(new != a && new != b);
    assert_eq!(runs(store.claim(new, &jobs)), [(1, 20)]);
    assert_eq!(store.heartbeat(99), Err(Fenced), "a node that never joined");
}

fn some_run(id: u64, minute: i64) -> Run {
    Run { id, job: 1, fire: at(minute), outcome: Outcome::Running }
}

/// Expects: a register refuses a run that is older than the last one that
/// wrote. A run may write twice.
/// Read: Fencing tokens
#[test]
fn a_register_refuses_an_older_run() {
    let mut register = Register::default();
    assert_eq!(register.value(), None);
    assert!(register.write(&some_run(3, 10)));
    assert!(register.write(&some_run(7, 20)));
    assert!(!register.write(&some_run(3, 10)), "it was stopped for long");
    assert_eq!(register.value(), Some(at(20)));
    assert!(register.write(&some_run(7, 20)));
}

/// Expects: the work of a fire is done once, no matter which of its runs comes
/// first, and that of another fire is not its concern.
/// Read: Idempotent work
#[test]
fn an_effect_is_there_once() {
    let mut effects = Effects::default();
    assert!(effects.apply(&some_run(3, 10)));
    assert!(effects.apply(&some_run(7, 20)));
    assert!(!effects.apply(&some_run(9, 10)));
    assert!(!effects.apply(&some_run(3, 10)));
    assert!(effects.contains(1, at(10)) && !effects.contains(2, at(10)));
}

/// A scheduler that may be stopped at any moment.
struct Simulated {
    id: u64,
    /// Runs in progress, and when their work is done.
    working: Vec<(Run, DateTime<Utc>)>,
    stopped_until: DateTime<Utc>,
}

// ANCHOR: simulate
/// Some hours of three nodes that are killed and stopped at random. Returns
/// the ledger, and the effects of the work.
fn simulate(
    seed: u64,
    jobs: &BTreeMap<u64, Definition>,
) -> (Vec<Run>, Effects) {
    let mut random = Random(seed);
    let store = store_with(jobs);
    let mut effects = Effects::default();
    let join = |now| Simulated {
        id: store.join(LEASE),
        working: Vec::new(),
        stopped_until: now,
    };
    let mut nodes = [at(0); 3].map(join);
    for minute in 1..400 {
        let now = at(minute);
        store.set_now(now);
        let is_quiet = minute > 360;
        for node in &mut nodes {
            match random.below(40) {
                // Killed, and started again as a new node.
                0 if !is_quiet => *node = join(now),
                // Stopped for a while. It does not notice.
                1 if !is_quiet => {
                    let pause = 1 + random.below(20) as i64;
                    node.stopped_until = now + minutes(pause);
                }
                _ => {}
            }
            if now < node.stopped_until {
                continue;
            }
            // What is done is done, whoever owns the run now.
            let done = node.working.extract_if(.., |work| work.1 <= now);
            for (run, _) in done.collect::<Vec<_>>() {
                effects.apply(&run);
                let _ = store.finish(node.id, run.id, Outcome::Succeeded);
            }
            let turn = store.heartbeat(node.id).and_then(|()| {
                let mut start = store.reap(node.id)?;
                start.extend(store.claim(node.id, jobs)?);
                Ok(start)
            });
            match turn {
                Ok(start) => {
                    for (run, _) in start {
                        let work = minutes(random.below(5) as i64);
                        node.working.push((run, now + work));
                    }
                }
                Err(Fenced) => node.id = store.join(LEASE),
            }
        }
    }
    (store.state().runs.into_values().collect(), effects)
}
// ANCHOR_END: simulate

/// Expects: in every simulated time with kills and stops, each fire has been
/// done, it has succeeded once, and its effect is there.
/// Read: A cluster from a seed
#[test]
fn no_fire_is_lost_in_a_cluster() {
    let jobs = jobs(&[7, 10, 13], Overlap::Allow(1000));
    let mut interrupted = 0;
    for seed in 0..150 {
        let (rows, effects) = simulate(seed, &jobs);
        let (mut first, mut succeeded) = (BTreeSet::new(), BTreeSet::new());
        for row in &rows {
            let fire = (row.job, row.fire);
            first.insert(fire);
            match row.outcome {
                Outcome::Succeeded => {
                    let is_new = succeeded.insert(fire);
                    assert!(is_new, "seed {seed}: {row:?} succeeded twice");
                }
                Outcome::Interrupted => interrupted += 1,
                _ => {}
            }
        }
        for (id, period) in [(1, 7), (2, 10), (3, 13)] {
            for number in 1..=360 / period {
                let fire = (id, at(number * period));
                assert!(first.contains(&fire), "seed {seed}: {fire:?} is lost");
                let done = succeeded.contains(&fire);
                assert!(done, "seed {seed}: {fire:?} was not done");
                let has_effect = effects.contains(fire.0, fire.1);
                assert!(has_effect, "seed {seed}: {fire:?} has no effect");
            }
        }
    }
    assert!(interrupted > 100, "{interrupted} runs were interrupted");
}

/// Expects: a crontab has comments, empty lines, zones and commands. The job's
/// number is that of its line.
/// Read: A crontab
#[test]
fn a_crontab_is_read() {
    let text = "\n# every night\n30 2 * * *  backup --all  \nCRON_TZ=Europe/Berlin\n\t0 9 * * MON-FRI\techo 'a b'\n";
    let jobs = parse(text).unwrap();
    let read: Vec<_> = jobs
        .iter()
        .map(|job| (job.id, &*job.schedule, &*job.command))
        .collect();
    let expected = [
        (3, "30 2 * * *", "backup --all"),
        (5, "0 9 * * MON-FRI", "echo 'a b'"),
    ];
    assert_eq!(read, expected);
    let christmas: DateTime<Utc> = "2026-12-24T12:00:00Z".parse().unwrap();
    let next =
        |index: usize| jobs[index].trigger.next_after(christmas).unwrap();
    assert_eq!(next(0).to_rfc3339(), "2026-12-25T02:30:00+00:00");
    assert_eq!(next(1).to_rfc3339(), "2026-12-25T08:00:00+00:00");
}

/// Expects: a wrong line is refused with its number.
/// Read: A crontab
#[test]
fn a_wrong_line_of_a_crontab_is_named() {
    let error = |text| parse(text).map(drop).unwrap_err();
    let missing = error("# x\n* * * * *\n");
    assert_eq!((missing.line, &missing.problem), (2, &Problem::NoCommand));
    let zone = error("CRON_TZ=Mars\n");
    assert_eq!(zone.problem, Problem::Zone("Mars".to_owned()));
    let field = error("* * * * * ok\n\n61 * * * * no\n");
    assert!(field.to_string().starts_with("line 3: minute"), "{field}");
}

/// Expects: the program runs a week of a real crontab, with real commands, and
/// a second start continues where the first one has ended.
/// Read: A crontab
#[test]
fn a_program_of_your_parts_runs_a_crontab() {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join(format!("my-cron-{}", std::process::id()));
    let _ = fs::remove_dir_all(&directory);
    fs::create_dir(&directory).unwrap();
    let out = directory.join("out");
    let crontab = format!(
        "CRON_TZ=Europe/Berlin\n\
         30 2 * * * echo night >>'{0}'\n\
         0 9 * * MON-FRI echo work >>'{0}'\n\
         0 12 * * SUN exit 3\n",
        out.display()
    );
    fs::write(directory.join("crontab"), crontab).unwrap();
    let run = |from: &str, until: &str| {
        let status = Command::new(env!("CARGO_BIN_EXE_my_cron"))
            .args(["crontab", "log", "--rehearse", from, until])
            .current_dir(&directory)
            .status();
        assert!(status.unwrap().success());
    };
    // The week in which the clocks of Berlin go forward.
    run("2026-03-23T00:00:00Z", "2026-03-26T12:00:00Z");
    run("2026-03-26T12:00:00Z", "2026-03-30T00:00:00Z");
    let text = fs::read_to_string(&out).unwrap();
    let count = |word| text.lines().filter(|line| *line == word).count();
    assert_eq!((count("night"), count("work")), (7, 5));

    let log = FileDisk::open(&directory.join("log")).unwrap();
    let store = LogStore::open(log).unwrap();
    let rows: Vec<&Run> = store.state().runs.values().collect();
    let with =
        |outcome| rows.iter().filter(|run| run.outcome == outcome).count();
    assert_eq!(rows.len(), 13);
    assert_eq!((with(Outcome::Succeeded), with(Outcome::Failed)), (12, 1));
    fs::remove_dir_all(directory).unwrap();
}
