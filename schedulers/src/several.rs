//! Several schedulers on one store, from a seed: some stop for longer than their lease, some die, their clocks are wrong and are set.
//! Whatever happens, each fire is decided once, and no job runs beside its overlap limit.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use matins_conformance::shared::SharedModel;
use matins_core::{
    After, AfterOutcome, Clock, Coalesce, ExecutorName, Group, JobId, OnExhausted, OnInterrupt, Outcome,
    Overlap, Policy, Retry, Run, RunId, StoreName, Trigger,
};
use matins_task_function::TaskRegistry;
use matins_triggers::{AfterTrigger, IntervalTrigger};
use proptest::prelude::Rng;
use proptest::test_runner::{RngAlgorithm, TestRng};

use crate::engine::{Engine, Next, Parts, Submission};
use crate::occupied::WHEN_IT_ENDS;
use crate::{Retention, Schedule, VirtualClock};

const NODES: usize = 3;

/// The tasks of the jobs. The first node has both, so that no job waits forever.
const TASKS: [&str; 2] = ["task", "other task"];
const STEPS: usize = 150;

struct Node {
    engine: Engine,
    clock: VirtualClock,
    held: Vec<Submission>,
}

struct Cluster {
    random: TestRng,
    clock: VirtualClock,
    store: SharedModel,
    nodes: Vec<Node>,
    handed_over: BTreeMap<RunId, usize>,
    jobs: BTreeMap<JobId, (IntervalTrigger, Overlap)>,
    /// Jobs that run after one of them.
    followers: BTreeMap<JobId, (After, Overlap)>,
    /// The groups of the jobs that are in one.
    groups: BTreeMap<JobId, Group>,
}

fn second(second: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::seconds(second)
}

impl Cluster {
    fn new(seed: u64) -> Self {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let clock = VirtualClock::new(second(100_000));
        let store = SharedModel::new(Arc::new(clock.clone()));
        let random = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
        let mut cluster = Self {
            random,
            clock,
            store,
            nodes: Vec::new(),
            handed_over: BTreeMap::new(),
            jobs: BTreeMap::new(),
            followers: BTreeMap::new(),
            groups: BTreeMap::new(),
        };
        for number in 0..NODES {
            let node = cluster.node(number);
            cluster.nodes.push(node);
        }
        cluster.add_jobs();
        cluster.add_followers();
        cluster
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.random.next_u64() % limit
    }

    /// A scheduler that has just been started, on a machine whose clock may be wrong. It may have only one of the tasks.
    fn node(&mut self, number: usize) -> Node {
        let skew = TimeDelta::seconds(self.below(7200) as i64 - 3600);
        let clock = VirtualClock::new(self.clock.now() + skew);
        let tasks = TaskRegistry::default();
        let without = if number == 0 { TASKS.len() } else { self.below(3) as usize };
        for (_, task) in TASKS.iter().enumerate().filter(|(task, _)| *task != without) {
            tasks.register(*task, || ()).unwrap();
        }
        let engine = Engine::new(Parts {
            clock: Arc::new(clock.clone()),
            tasks,
            stores: vec![(StoreName::default(), Box::new(self.store.member()))],
            executors: [ExecutorName::default()].into(),
            surviving: [].into(),
            retention: Retention::EVERYTHING,
            job_defaults: Policy::default(),
        })
        .expect("a store that works");
        engine.start();
        Node { engine, clock, held: Vec::new() }
    }

    fn overlap(&mut self) -> Overlap {
        [Overlap::Skip, Overlap::QueueOne, Overlap::Allow(2)][self.below(3) as usize]
    }

    /// A job after another one, and one after that.
    fn add_followers(&mut self) {
        for (leader, id) in [("job 0", "second"), ("second", "third")] {
            let outcome =
                [AfterOutcome::Succeeded, AfterOutcome::Failed, AfterOutcome::Any][self.below(3) as usize];
            let after = After::new(JobId::new(leader).unwrap(), outcome);
            let (id, overlap, task) =
                (JobId::new(id).unwrap(), self.overlap(), TASKS[self.below(2) as usize]);
            let new = AfterTrigger::new(after.job.clone(), outcome).task(task).id(&id).overlap(overlap);
            let on_interrupt = [OnInterrupt::Leave, OnInterrupt::RunAgain][self.below(2) as usize];
            self.nodes[0].engine.add(new.on_interrupt(on_interrupt)).unwrap();
            self.followers.insert(id, (after, overlap));
        }
    }

    fn add_jobs(&mut self) {
        for number in 0..4 {
            let overlap = self.overlap();
            let coalesce = [Coalesce::Latest, Coalesce::Earliest, Coalesce::All][self.below(3) as usize];
            let on_interrupt = [OnInterrupt::Leave, OnInterrupt::RunAgain][self.below(2) as usize];
            let period = TimeDelta::seconds(1 + self.below(20) as i64);
            let task = TASKS[self.below(2) as usize];
            let trigger = IntervalTrigger::new(self.clock.now() + TimeDelta::seconds(5), period).unwrap();
            let id = JobId::new(format!("job {number}")).unwrap();
            let new = (Arc::new(trigger.clone()) as Arc<dyn Trigger>).task(task).id(&id);
            let new = new.overlap(overlap).coalesce(coalesce).on_interrupt(on_interrupt);
            let new = new.on_exhausted(OnExhausted::Keep).retry(Retry::times(self.below(2) as u32));
            let group = [None, Some(1), Some(2)][self.below(3) as usize];
            let new = match group.map(|limit| Group::new(format!("group of {limit}"), limit).unwrap()) {
                None => new,
                Some(group) => {
                    let new = new.group(&group.name, group.limit() as u32);
                    self.groups.insert(id.clone(), group);
                    new
                }
            };
            let new = new.priority(self.below(3) as i32);
            // Its first fire by the store's clock, whatever the node's says.
            self.nodes[0].engine.add(new.first_fire(trigger.next_after(self.clock.now()).unwrap())).unwrap();
            self.jobs.insert(id, (trigger, overlap));
        }
    }

    /// Turns a node until it wants to wait.
    fn turn(&mut self, number: usize) {
        for _ in 0..1_000 {
            let node = &mut self.nodes[number];
            let (submissions, next) = node.engine.turn();
            for submission in submissions {
                let before = self.handed_over.insert(submission.request.run, number);
                assert_eq!(before, None, "no run is handed over twice");
                node.held.push(submission);
            }
            match next {
                Next::WaitUntil(_) if !node.engine.has_reports() => return,
                Next::Again | Next::WaitUntil(_) => {}
                Next::Stop => panic!("nobody shut it down"),
            }
        }
        panic!("it never rests");
    }

    fn pass(&mut self, seconds: u64) {
        let by = TimeDelta::seconds(seconds as i64);
        self.clock.advance(by);
        self.nodes.iter().for_each(|node| node.clock.advance(by));
    }

    fn finish_one(&mut self, number: usize) {
        if self.nodes[number].held.is_empty() {
            return;
        }
        let which = self.below(self.nodes[number].held.len() as u64) as usize;
        let outcome = [Outcome::Succeeded, Outcome::Failed][self.below(2) as usize];
        let node = &mut self.nodes[number];
        let Submission { request, done, .. } = node.held.swap_remove(which);
        done.finish(request.ended(None, outcome, None));
    }

    fn step(&mut self) {
        let number = self.below(NODES as u64) as usize;
        match self.below(13) {
            0..=5 => self.turn(number),
            6..=7 => self.finish_one(number),
            8..=9 => {
                let seconds = self.below(8);
                self.pass(seconds);
            }
            10 => {
                // Longer than a lease, in which some are turned and some are not.
                let seconds = 10 + self.below(20);
                self.pass(seconds);
            }
            11 => {
                // Somebody sets the clock of a machine, by up to a day. What decides is the store's.
                let by = TimeDelta::seconds(self.below(172_800) as i64 - 86_400);
                self.nodes[number].clock.step(by);
            }
            _ => self.nodes[number] = self.node(number),
        }
    }

    /// Lets all that is in progress end, and the leases of the dead.
    fn come_to_rest(&mut self) {
        for _ in 0..4 {
            for number in 0..NODES {
                while !self.nodes[number].held.is_empty() {
                    self.finish_one(number);
                }
                self.turn(number);
            }
            self.pass(16);
            (0..NODES).for_each(|number| self.turn(number));
        }
    }

    fn check(&self) {
        let rows = self.store.rows();
        let without_task = rows.iter().find(|run| {
            run.message.as_ref().is_some_and(|message| message.starts_with("no task is registered"))
        });
        assert_eq!(without_task, None, "each run is started by a node that has its task");
        self.check_followers(&rows);
        for job in self.store.jobs() {
            let Some((trigger, overlap)) = self.jobs.get(&job.id) else { continue };
            let of_job: Vec<&Run> = rows.iter().filter(|run| run.job == job.id).collect();
            let first = trigger.next_after(second(100_000)).unwrap();
            let mut expected = 0_u64;
            let mut fire = Some(first);
            while let Some(at) = fire.filter(|at| Some(*at) < job.next_fire) {
                let within = |run: &&&Run| {
                    let fires = run.fires;
                    run.attempt == 1
                        && fires.first <= at
                        && at <= fires.last
                        && (fires.count > 1 || fires.first == at)
                };
                assert!(of_job.iter().any(|run| within(&run)), "{}: {at} has no row", job.id);
                expected += 1;
                fire = trigger.next_after(at);
            }
            let told: u64 = of_job.iter().filter(|run| run.attempt == 1).map(|run| run.fires.count).sum();
            assert_eq!(told, expected, "{}: each fire has one row", job.id);
            check_limit(&of_job, &of_job, overlap.limit());
        }
        for (job, group) in &self.groups {
            let is_of_group = |run: &&Run| self.groups.get(&run.job) == Some(group);
            let in_group: Vec<&Run> = rows.iter().filter(is_of_group).collect();
            let of_job: Vec<&Run> = in_group.iter().copied().filter(|run| run.job == *job).collect();
            check_limit(&of_job, &in_group, group.limit());
            let waits = |run: &Run| run.outcome.is_none() && run.started.is_none();
            let in_progress = in_group.iter().filter(|run| run.started.is_some() && run.outcome.is_none());
            let is_full = in_progress.count() >= group.limit();
            let waiting = of_job.iter().find(|run| waits(run) && run.turn == Some(WHEN_IT_ENDS));
            assert!(waiting.is_none() || is_full, "{waiting:?} waits for a group that has room");
        }
    }
}

impl Cluster {
    /// Each run that has ended, with all of its attempts, is followed once where its outcome is one that is followed.
    fn check_followers(&self, rows: &[Run]) {
        for (follower, (after, overlap)) in &self.followers {
            let of_follower: Vec<&Run> = rows.iter().filter(|run| run.job == *follower).collect();
            check_limit(&of_follower, &of_follower, overlap.limit());
            for run in rows.iter().filter(|run| run.job == after.job && run.started.is_some()) {
                let is_next = |other: &&Run| {
                    (&other.job, other.fires.first, other.cause, other.attempt)
                        == (&run.job, run.fires.first, run.cause, run.attempt + 1)
                };
                let is_last = rows.iter().find(is_next).is_none();
                let Some(outcome) = run.outcome else { continue };
                let expected = usize::from(is_last && after.outcome.includes(outcome));
                let follows = |row: &&&Run| row.cause == Some(run.id) && row.attempt == 1;
                assert_eq!(of_follower.iter().filter(follows).count(), expected, "{follower} after {run:?}");
            }
        }
    }
}

/// When one of these runs began, fewer than the limit of all those that count were in progress, as the ledger has it.
fn check_limit(rows: &[&Run], all: &[&Run], limit: usize) {
    let span = |run: &Run| Some((run.started?, run.finished.unwrap_or(DateTime::<Utc>::MAX_UTC)));
    for run in rows {
        let Some((started, _)) = span(run).filter(|(started, end)| started < end) else { continue };
        // Those that were in progress when it began.
        let is_beside = |other: &&&Run| {
            span(other).is_some_and(|(begun, over)| (begun, other.id) < (started, run.id) && started < over)
        };
        let beside = all.iter().filter(is_beside).count();
        assert!(beside < limit, "run {} began beside {beside} others, of at most {limit}", run.id);
    }
}

#[test]
fn each_fire_is_decided_once_however_many_schedulers_share_the_store() {
    let one = std::env::var("MATINS_SIMULATION_SEED").ok().and_then(|seed| seed.parse::<u64>().ok());
    let count = u64::from(matins_conformance::proof::cases().unwrap_or(200));
    for seed in one.map_or(0..count, |seed| seed..seed + 1) {
        let run = std::panic::catch_unwind(|| {
            let mut cluster = Cluster::new(seed);
            for _ in 0..STEPS {
                cluster.step();
            }
            cluster.come_to_rest();
            cluster.check();
        });
        assert!(run.is_ok(), "seed {seed}: repeat it with MATINS_SIMULATION_SEED={seed}");
    }
}
