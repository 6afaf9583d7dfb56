//! A deterministic simulation: random schedules, commands, faults, panics, crashes and clocks that are set, from a seed, on the engine
//! alone; and a model that tells from the triggers what the ledger must say in the end.
//!
//! A seed that fails is printed; `MATINS_SIMULATION_SEED` repeats it. `MATINS_PROOF_CASES` says how many seeds are tried, from that one on.

mod chains;
mod commands;
mod disk;
mod fragile;
mod groups;
mod model;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use chrono::{DateTime, TimeDelta, Utc};
use matins_conformance::wrapped::{Fault, WrappedStore};
use matins_core::{
    Clock, ExecutorName, GroupName, JobId, JobState, JobStore, Outcome, Run, RunId, RunQuery, StoreName,
};
use matins_task_function::TaskRegistry;
use proptest::prelude::Rng;
use proptest::test_runner::{RngAlgorithm, TestRng};

use crate::clock::VirtualClock;
use crate::engine::{Engine, Next, Parts, Submission};
use crate::exclusive::Exclusive;
use crate::occupied::WHEN_IT_ENDS;
use crate::reading::Reading;
use crate::retention::Retention;
use chains::Chains;
use disk::Disk;
use fragile::while_panicking;
use model::{Known, LONGEST_WAIT, account};

const STEPS: usize = 150;

/// How the next calls of the store fail.
#[derive(Debug, Clone, Copy, Default)]
struct Faults {
    /// So many of them.
    count: u32,
    kind: u64,
}

struct Simulation {
    random: TestRng,
    clock: VirtualClock,
    disk: Disk,
    faults: Arc<Mutex<Faults>>,
    engine: Engine,
    /// Handed over, and not ended.
    held: Vec<Submission>,
    handed_over: BTreeSet<RunId>,
    /// The groups of those that began in one.
    groups: BTreeMap<RunId, GroupName>,
    known: BTreeMap<JobId, Known>,
    chains: Chains,
    /// The latest time that the engine may have seen.
    latest: DateTime<Utc>,
    /// How often the clock was set since the engine has last followed.
    steps: u32,
    jobs: usize,
    is_paused: bool,
    /// All times are longer by this factor: with it, the clock is set by up to years.
    scale: i64,
}

fn start() -> DateTime<Utc> {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

fn engine(disk: &Disk, faults: &Arc<Mutex<Faults>>, clock: &VirtualClock) -> Engine {
    let tasks = TaskRegistry::default();
    tasks.register("task", || ()).unwrap();
    let plan = faults.clone();
    let store = WrappedStore::faulty(disk.clone(), move |_| {
        let kind = {
            let mut faults = plan.lock().unwrap();
            if faults.count == 0 {
                return Fault::None;
            }
            faults.count -= 1;
            faults.kind
        };
        match kind {
            0 => Fault::Refused,
            1 => Fault::DoneAndLost,
            // Without a message on standard error each time.
            _ => std::panic::resume_unwind(Box::new("the store was told to")),
        }
    });
    Engine::new(Parts {
        clock: Arc::new(clock.clone()),
        tasks,
        stores: vec![(StoreName::default(), Box::new(Exclusive::new(Box::new(store))))],
        executors: [ExecutorName::default()].into(),
        surviving: [].into(),
        retention: Retention::EVERYTHING,
        job_defaults: matins_core::Policy::default(),
    })
    .expect("no fault yet")
}

impl Simulation {
    fn new(seed: u64) -> Self {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let (clock, disk) = (VirtualClock::new(start()), Disk::default());
        let faults = Arc::default();
        let mut random = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
        let scale = [1, 1, 60, 3_600][(random.next_u64() % 4) as usize];
        Self {
            random,
            engine: engine(&disk, &faults, &clock),
            clock,
            disk,
            faults,
            held: Vec::new(),
            handed_over: BTreeSet::new(),
            groups: BTreeMap::new(),
            known: BTreeMap::new(),
            chains: Chains::default(),
            latest: start(),
            steps: 0,
            jobs: 0,
            is_paused: false,
            scale,
        }
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.random.next_u64() % limit
    }

    fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    fn seconds(&mut self, limit: u64) -> TimeDelta {
        TimeDelta::seconds(self.below(limit) as i64 * self.scale)
    }

    /// Turns the engine until it wants to wait for later.
    fn settle(&mut self) {
        self.settle_while(false);
    }

    fn settle_while(&mut self, panics: bool) {
        self.engine.start();
        self.latest = self.latest.max(self.now());
        for _ in 0..10_000 {
            let (submissions, next) = while_panicking(panics, || self.engine.turn());
            self.absorb();
            for submission in submissions {
                assert!(self.handed_over.insert(submission.request.run), "no run is handed over twice");
                self.note_group(&submission);
                self.held.push(submission);
            }
            self.check_limits();
            match next {
                Next::Again => {}
                Next::WaitUntil(until) => {
                    assert!(until.is_none_or(|until| until > self.now()), "it does not wait for the past");
                    if !self.engine.has_reports() {
                        return self.check_alive();
                    }
                }
                Next::Stop => panic!("nobody shut it down"),
            }
        }
        panic!("it never rests");
    }

    /// Tells the model of next fire times that a turn has set by no fire of the schedule.
    fn absorb(&mut self) {
        let (reading, seen) = (Reading::of(&self.clock), (self.latest, self.steps));
        for change in self.disk.take_changes() {
            let Some(known) = self.known.get_mut(&change.job) else { continue };
            let Some(from) = change.from else { continue };
            match (change.to, change.update) {
                (Some(to), Some((trigger, JobState::Active))) => {
                    known.follows_clock(&change.job, (from, to), Some(trigger), &reading, seen);
                }
                (Some(to), None) if to < from => {
                    known.follows_clock(&change.job, (from, to), None, &reading, seen);
                }
                (None, Some((_, JobState::Paused))) => known.is_broken(from),
                _ => {}
            }
        }
        self.note_next_fires();
    }

    fn note_next_fires(&mut self) {
        let reading = Reading::of(&self.clock);
        for job in self.disk.jobs() {
            let Some(known) = self.known.get_mut(&job.id) else { continue };
            if known.next.map(|(next, _)| next) != job.next_fire {
                known.next = job.next_fire.map(|next| (next, reading));
            }
        }
    }

    /// Whether the engine works, and no call of its store is to fail.
    fn is_sound(&self) -> bool {
        self.faults.lock().unwrap().count == 0 && !self.engine.is_failing()
    }

    /// Checks that every job continues to fire, and that no run waits for longer than it has to.
    fn check_alive(&mut self) {
        if !self.is_sound() {
            return;
        }
        self.steps = 0;
        self.check_waiting();
        self.check_overlap();
        if self.is_paused {
            return;
        }
        let now = self.now();
        for job in self.disk.jobs() {
            if let (Some(known), Some(next)) = (self.known.get(&job.id), job.next_fire) {
                known.check_alive(&job, next, now);
            }
        }
        let mut disk = self.disk.clone();
        for run in disk.runs(&RunQuery::default().unfinished()).unwrap() {
            let turn = run.turn.filter(|turn| run.started.is_none() && *turn != WHEN_IT_ENDS);
            assert!(
                turn.is_none_or(|turn| turn - now <= TimeDelta::from_std(LONGEST_WAIT).unwrap()),
                "at {now} too long a wait: {run:?}"
            );
        }
    }

    /// Whether commands can be answered: the model knows nothing of those that fail. Fires may be due meanwhile, the clock may have
    /// been set, and the engine may be paused, or not started yet.
    fn takes_commands(&self) -> bool {
        self.is_sound()
    }

    fn finish_one(&mut self) {
        if self.held.is_empty() {
            return;
        }
        let number = self.below(self.held.len() as u64) as usize;
        let Submission { request, done, .. } = self.held.swap_remove(number);
        let outcome = match self.below(4) {
            0 => Outcome::Failed,
            1 => Outcome::TimedOut,
            _ => Outcome::Succeeded,
        };
        done.finish(request.ended(Some(self.clock.now()), outcome, None));
    }

    fn crash(&mut self) {
        // The runs that were handed over end with the process, and nobody receives their reports.
        for submission in self.held.drain(..) {
            submission.done.forget();
        }
        self.faults.lock().unwrap().count = 0;
        self.engine = engine(&self.disk, &self.faults, &self.clock);
        self.is_paused = false;
    }

    /// The clock is set, by seconds to years, perhaps while no engine is there.
    fn set_clock(&mut self) {
        let longest = 100_000 * self.scale as u64;
        let most = [100, 100, 10_800, 10_800, longest][self.below(5) as usize];
        let by = TimeDelta::seconds(1 + self.below(most) as i64);
        let by = if self.below(2) == 0 { by } else { -by };
        let limit = TimeDelta::seconds(10 * longest as i64);
        if (self.now() + by - start()).abs() > limit {
            return;
        }
        if self.below(3) == 0 {
            self.crash();
        }
        self.clock.step(by);
        self.steps += 1;
        if by > TimeDelta::zero() {
            // So much less time passes before the next fires.
            let readings = self.known.values_mut().filter_map(|known| known.next.as_mut());
            readings.for_each(|(_, reading)| reading.now += by);
        }
        if self.below(3) > 0 {
            self.settle();
        }
    }

    fn step(&mut self) {
        match self.below(20) {
            0..=5 => {
                let by = [1, 3, 10, 60, 600][self.below(5) as usize];
                let by = 1 + self.below(by * 1_000) as i64 * self.scale;
                self.clock.advance(TimeDelta::milliseconds(by));
                self.settle();
            }
            6..=9 => {
                self.finish_one();
                self.settle();
            }
            10..=14 => {
                self.command();
                if self.below(2) == 0 {
                    self.settle();
                }
            }
            15 => {
                let by = self.seconds(60);
                // What was put off because the clock was set is done before.
                self.settle();
                if self.is_sound() {
                    self.clock.advance(by);
                    self.settle_while(true);
                }
            }
            16 => {
                let faults = Faults { count: 1 + self.below(4) as u32, kind: self.below(3) };
                *self.faults.lock().unwrap() = faults;
                self.settle();
            }
            17 => self.crash(),
            18 => self.set_clock(),
            _ => {
                self.is_paused = !self.is_paused;
                let change = if self.is_paused { Engine::pause } else { Engine::resume };
                change(&self.engine).unwrap();
                self.settle();
            }
        }
    }

    /// Ends all faults and all runs, and checks the ledger.
    fn check(&mut self) {
        self.faults.lock().unwrap().count = 0;
        if self.is_paused {
            self.engine.resume().unwrap();
            self.is_paused = false;
        }
        // A store that has failed is tried again after a minute at most.
        self.clock.advance(TimeDelta::minutes(5));
        self.settle();
        assert!(self.is_sound());
        self.check_chains();
        let end = self.now();
        let jobs: Vec<JobId> = self.known.keys().cloned().collect();
        for id in &jobs {
            let next = self.disk.next_fire(id);
            self.known.get_mut(id).unwrap().close(next, end);
            // Nothing new comes, and what waits goes on waiting: only what is in progress is still to be done.
            if self.disk.get(id).unwrap().is_some() {
                self.engine.pause_job(id).unwrap();
            }
        }
        self.disk.take_changes();
        for _ in 0..10_000 {
            self.settle();
            if self.held.is_empty() {
                self.clock.advance(TimeDelta::minutes(1));
                self.settle();
                if self.held.is_empty() {
                    break;
                }
            }
            self.finish_one();
        }
        let rows = self.disk.runs(&RunQuery::default()).unwrap();
        let is_in_progress = |run: &&Run| run.outcome.is_none() && run.started.is_some();
        let in_progress: Vec<&Run> = rows.iter().filter(is_in_progress).collect();
        assert!(in_progress.is_empty(), "every run ends: {in_progress:?}");
        for run in &rows {
            let took = run.started.zip(run.finished).map(|(started, finished)| finished - started);
            assert!(took.is_none_or(|took| took >= TimeDelta::zero()), "{run:?}");
        }
        for (id, known) in &mut self.known {
            let of_schedule =
                |run: &&Run| run.job == *id && run.attempt == 1 && !run.manual && run.cause.is_none();
            let rows: Vec<&Run> = rows.iter().filter(of_schedule).collect();
            known.expected.sort();
            account(id, &known.expected, &rows);
        }
    }
}

#[test]
fn every_fire_is_in_the_ledger_once_whatever_happens() {
    let asked: Option<u64> = std::env::var("MATINS_SIMULATION_SEED").ok().and_then(|seed| seed.parse().ok());
    let count = matins_conformance::proof::cases().unwrap_or(if asked.is_some() { 1 } else { 300 });
    let first = asked.unwrap_or(0);
    for seed in first..first.saturating_add(count.into()) {
        let run = std::panic::catch_unwind(|| {
            let mut simulation = Simulation::new(seed);
            for _ in 0..STEPS {
                simulation.step();
            }
            simulation.check();
        });
        assert!(run.is_ok(), "seed {seed}: repeat it with MATINS_SIMULATION_SEED={seed}");
    }
}
