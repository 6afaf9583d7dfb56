//! Runs that continue when their scheduler has ended, because their executor keeps them.

use std::path::Path;
use std::sync::{Arc, Mutex};

use matins_core::{
    Completion, Executor, OnInterrupt, Outcome, Refusal, Refused, Run, RunId, RunQuery, RunRequest, Shutdown,
};
use matins_scheduler::{BackgroundScheduler, Events, NewJob, Schedule, SchedulerBuilder, VirtualClock};
use matins_store_file::FileStore;
use matins_triggers::{TimeUnits, every};

use crate::rig::{GENEROUS, Held, describe, second, shown, start};

/// Keeps its runs when its scheduler ends.
struct Keeping {
    held: Arc<Held>,
    left: Arc<Mutex<Vec<RunRequest>>>,
    knows_runs: bool,
}

impl Executor for Keeping {
    fn submit(&mut self, run: RunRequest, done: Completion) -> Result<(), Refused> {
        self.held.put(run, done);
        Ok(())
    }

    fn shutdown(&mut self, _how: Shutdown) -> Vec<RunId> {
        for (run, done) in self.held.runs().drain(..) {
            self.left.lock().unwrap().push(run);
            done.leave();
        }
        Vec::new()
    }

    fn survives(&self) -> bool {
        true
    }

    fn reattach(&mut self, run: RunRequest, done: Completion) -> Result<(), Refused> {
        if !self.knows_runs {
            return Err(Refused { reason: Refusal::NotAttachable, done });
        }
        self.submit(run, done)
    }
}

/// One process.
struct Life {
    scheduler: BackgroundScheduler,
    clock: VirtualClock,
    events: Events,
    held: Arc<Held>,
    left: Arc<Mutex<Vec<RunRequest>>>,
}

impl Life {
    fn begin(directory: &Path, at: i64, knows_runs: bool) -> Self {
        let (clock, held, left) =
            (VirtualClock::new(second(at)), Arc::<Held>::default(), Arc::<Mutex<Vec<_>>>::default());
        let mut scheduler = SchedulerBuilder::new()
            .store("jobs", FileStore::open(directory).unwrap())
            .executor("elsewhere", Keeping { held: held.clone(), left: left.clone(), knows_runs })
            .clock(clock.clone())
            .background()
            .unwrap();
        scheduler.register("work", || ()).unwrap();
        let events = scheduler.subscribe();
        scheduler.start().unwrap();
        let life = Self { scheduler, clock, events, held, left };
        life.expect(&["scheduler started"]);
        life
    }

    fn expect(&self, expected: &[&str]) {
        for expected in expected {
            let event =
                self.events.next_within(GENEROUS).unwrap_or_else(|| panic!("waited for {expected:?}"));
            assert_eq!(describe(&event), *expected);
        }
    }

    fn rows(&self) -> Vec<Run> {
        self.scheduler.runs_in("jobs", &RunQuery::default()).unwrap()
    }

    fn ledger(&self) -> Vec<String> {
        self.rows().iter().map(shown).collect()
    }

    /// Ends it as a deployment does, and returns the run that the executor has kept.
    fn end(self, how: Shutdown) -> RunRequest {
        self.scheduler.shutdown_and_wait(how);
        let mut left = std::mem::take(&mut *self.left.lock().unwrap());
        assert_eq!(left.len(), 1);
        left.remove(0)
    }
}

fn job() -> NewJob {
    every(10.seconds()).starting(start()).task("work").id("tick").executor("elsewhere").store("jobs")
}

/// A first life, in which the fire of second 10 begins.
fn first_life(directory: &Path, job: NewJob) -> RunRequest {
    first_life_that_ends(directory, job, Shutdown::Now)
}

fn first_life_that_ends(directory: &Path, job: NewJob, how: Shutdown) -> RunRequest {
    let life = Life::begin(directory, 1, true);
    life.scheduler.add(job).unwrap();
    life.expect(&["job added"]);
    life.clock.set(second(10));
    life.expect(&["started 10 running"]);
    drop(life.held.some());
    let kept = life.end(how);
    assert!(!kept.cancel.is_cancelled(), "it continues");
    kept
}

/// It is not waited for: it may take longer than any deployment.
#[test]
fn a_graceful_shutdown_leaves_a_run_to_the_executor_that_keeps_it() {
    let directory = tempfile::tempdir().unwrap();
    let kept = first_life_that_ends(directory.path(), job(), Shutdown::Wait);
    let life = Life::begin(directory.path(), 12, true);
    let (run, done) = life.held.take_first();
    assert_eq!(run.run, kept.run);
    done.finish(run.ended(Some(second(12)), Outcome::Succeeded, None));
    life.expect(&["finished 10 succeeded"]);
}

#[test]
fn a_run_that_its_executor_keeps_is_taken_up_by_the_next_scheduler() {
    let directory = tempfile::tempdir().unwrap();
    let kept = first_life(directory.path(), job());
    let life = Life::begin(directory.path(), 25, true);
    // The fire of second 20 came while the run was in progress.
    life.expect(&["missed 20 missed: overlap"]);
    let (run, done) = life.held.take_first();
    assert_eq!((run.run, &run.store, run.recorded), (kept.run, &kept.store, kept.recorded));
    assert_eq!((life.scheduler.stats().started, life.ledger()[0].as_str()), (0, "10 running"));
    done.finish(run.ended(Some(second(12)), Outcome::Succeeded, None));
    life.expect(&["finished 10 succeeded"]);
    let row = &life.rows()[0];
    assert_eq!((row.attempt, row.started, row.finished), (1, Some(second(12)), Some(second(25))));
    life.clock.set(second(30));
    life.expect(&["started 30 running"]);
    drop(life.held.some());
    // It is taken up as often as it takes.
    life.end(Shutdown::Now);
    let life = Life::begin(directory.path(), 31, true);
    let (run, done) = life.held.take_first();
    done.finish(run.ended(None, Outcome::Succeeded, None));
    life.expect(&["finished 30 succeeded"]);
}

#[test]
fn a_run_whose_worker_was_lost_is_interrupted_and_run_again_if_its_job_says_so() {
    let directory = tempfile::tempdir().unwrap();
    first_life(directory.path(), job().on_interrupt(OnInterrupt::RunAgain));
    let life = Life::begin(directory.path(), 11, true);
    let (run, done) = life.held.take_first();
    done.finish(run.ended(None, Outcome::Interrupted, Some("its worker is lost".to_owned())));
    life.expect(&["finished 10 interrupted"]);
    life.clock.set(second(12));
    life.expect(&["started 10 running (attempt 2)"]);
    let (again, done) = life.held.take_first();
    assert_eq!((again.attempt, again.run), (2, RunId(run.run.0 + 1)));
    done.finish(again.ended(None, Outcome::Succeeded, None));
    life.expect(&["finished 10 succeeded (attempt 2)"]);
}

#[test]
fn a_run_that_its_executor_does_not_know_is_interrupted() {
    let directory = tempfile::tempdir().unwrap();
    first_life(directory.path(), job());
    let life = Life::begin(directory.path(), 11, false);
    life.expect(&["finished 10 interrupted"]);
    let message = life.rows()[0].message.clone().unwrap_or_default();
    assert!(message.contains("does not know it"), "{message}");
}

#[test]
fn a_run_that_was_taken_up_counts_for_its_group() {
    let directory = tempfile::tempdir().unwrap();
    first_life(directory.path(), job().group("database", 1));
    let life = Life::begin(directory.path(), 11, true);
    let other = every(1.hours()).starting(second(12)).task("work").id("other").executor("elsewhere");
    life.scheduler.add(other.store("jobs").group("database", 1)).unwrap();
    life.expect(&["job added"]);
    let (run, done) = life.held.take_first();
    life.clock.set(second(13));
    // It waits for the group: the next event is the end of the first.
    done.finish(run.ended(None, Outcome::Succeeded, None));
    life.expect(&["finished 10 succeeded", "started 12 running"]);
    drop(life.held.some());
    life.end(Shutdown::Now);
}
