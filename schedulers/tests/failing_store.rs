//! A store that fails now and then: the scheduler waits, tries again, and each fire still has one outcome.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use matins_conformance::inline::InlineExecutor;
use matins_conformance::wrapped::{Fault, WrappedStore};
use matins_core::{JobQuery, Outcome, RunQuery, Shutdown};
use matins_scheduler::Event;
use matins_scheduler::{
    BackgroundScheduler, Events, Retention, Schedule, SchedulerBuilder, SchedulerError, VirtualClock,
};
use matins_store_memory::MemoryStore;
use matins_triggers::{TimeUnits, every};

/// Longer than anything here takes on a machine that is busy with other things.
const GENEROUS: Duration = Duration::from_secs(60);

/// A job every ten seconds in a store whose next commits go as the plan says.
struct Rig {
    scheduler: BackgroundScheduler,
    clock: VirtualClock,
    events: Events,
    plan: Arc<Mutex<VecDeque<Fault>>>,
}

fn second(second: i64) -> DateTime<Utc> {
    "2026-01-01T00:00:00Z".parse::<DateTime<Utc>>().unwrap() + TimeDelta::seconds(second)
}

impl Rig {
    fn new() -> Self {
        let (clock, plan) = (VirtualClock::new(second(0)), Arc::<Mutex<VecDeque<Fault>>>::default());
        let planned = plan.clone();
        let store = WrappedStore::faulty(MemoryStore::new(), move |method| match method {
            "commit" => planned.lock().unwrap().pop_front().unwrap_or(Fault::None),
            _ => Fault::None,
        });
        let builder = SchedulerBuilder::new().store("default", store).executor("default", InlineExecutor);
        // Without an age limit nothing is committed at the start, which would use up a planned fault.
        let builder = builder.retention(Retention { age: None, ..Retention::default() });
        let mut scheduler = builder.clock(clock.clone()).background().unwrap();
        scheduler.add(every(10.seconds()).run(|| ()).id("tick")).unwrap();
        let events = scheduler.subscribe();
        scheduler.start().unwrap();
        Self { scheduler, clock, events, plan }
    }

    fn fails(&self, faults: &[Fault]) {
        self.plan.lock().unwrap().extend(faults);
    }

    /// Moves the clock, and waits for the first event of a kind.
    fn at(&self, time: i64, awaited: impl Fn(&Event) -> bool) {
        self.clock.set(second(time));
        while let Some(event) = self.events.next_within(GENEROUS) {
            if awaited(&event) {
                return;
            }
        }
        panic!("the event of second {time} did not come");
    }

    fn ledger(&self) -> Vec<(i64, Option<Outcome>)> {
        let runs = self.scheduler.runs_in("default", &RunQuery::default()).unwrap();
        runs.iter().map(|run| ((run.scheduled() - second(0)).num_seconds(), run.outcome)).collect()
    }
}

fn failed(event: &Event) -> bool {
    matches!(event, Event::StoreFailed { .. })
}

fn recovered(event: &Event) -> bool {
    matches!(event, Event::StoreRecovered { .. })
}

fn finished(event: &Event) -> bool {
    matches!(event, Event::RunFinished { .. })
}

#[test]
fn a_fire_whose_commit_was_refused_runs_when_the_store_works_again() {
    let rig = Rig::new();
    rig.fails(&[Fault::Refused, Fault::Refused]);
    rig.at(10, failed);
    rig.at(11, failed);
    rig.at(13, finished);
    assert_eq!(rig.ledger(), [(10, Some(Outcome::Succeeded))]);
    rig.at(20, finished);
    assert_eq!(rig.ledger().len(), 2);
}

#[test]
fn a_fire_whose_commit_was_made_and_its_answer_lost_is_interrupted_and_never_twice() {
    let rig = Rig::new();
    rig.fails(&[Fault::DoneAndLost]);
    rig.at(10, failed);
    rig.at(11, recovered);
    rig.at(20, finished);
    let outcomes = [(10, Some(Outcome::Interrupted)), (20, Some(Outcome::Succeeded))];
    assert_eq!(rig.ledger(), outcomes);
}

#[test]
fn an_outcome_whose_commit_was_lost_is_written_again() {
    for fault in [Fault::Refused, Fault::DoneAndLost] {
        let rig = Rig::new();
        // The first commit is that of the fire.
        rig.fails(&[Fault::None, fault]);
        rig.at(10, failed);
        rig.at(11, finished);
        assert_eq!(rig.ledger(), [(10, Some(Outcome::Succeeded))], "{fault:?}");
    }
}

#[test]
fn a_run_by_hand_whose_commit_was_lost_is_interrupted_and_the_next_one_runs() {
    for (fault, lost) in [(Fault::Refused, 0), (Fault::DoneAndLost, 1)] {
        let rig = Rig::new();
        // Past the commits of the start.
        rig.at(10, finished);
        rig.fails(&[fault]);
        assert!(rig.scheduler.run_now("tick").is_err(), "{fault:?}");
        let run = rig.scheduler.run_now("tick").unwrap().wait_within(GENEROUS).unwrap().unwrap();
        assert_eq!(run.outcome, Some(Outcome::Succeeded), "{fault:?}");
        let interrupted = rig.ledger().iter().filter(|(_, end)| *end == Some(Outcome::Interrupted)).count();
        assert_eq!(interrupted, lost, "{fault:?}");
        assert!(rig.ledger().iter().all(|(_, end)| end.is_some()), "{fault:?}: nothing is left unfinished");
    }
}

#[test]
fn a_store_that_works_no_more_can_be_taken_away_and_nobody_waits_for_its_outcomes() {
    let rig = Rig::new();
    rig.at(10, |event| matches!(event, Event::RunFinished { .. }));
    // The next run begins, and its end cannot be committed.
    rig.fails(&[Fault::None]);
    rig.fails(&[Fault::Refused; 1_000]);
    rig.at(20, |event| matches!(event, Event::StoreFailed { .. }));
    let outcome = rig.scheduler.next_outcome("tick").unwrap();
    let mut store = thread::scope(|scope| {
        let taken = scope.spawn(|| rig.scheduler.remove_store("default", Shutdown::Now).unwrap());
        while !taken.is_finished() {
            rig.clock.advance(TimeDelta::seconds(1));
            thread::yield_now();
        }
        taken.join().unwrap()
    });
    assert!(matches!(outcome.wait(), Err(SchedulerError::ShutDown)));
    // What the store could not take in is as it is after a crash: the next scheduler finds it interrupted.
    let runs = store.runs(&RunQuery::default()).unwrap();
    assert_eq!(runs.iter().map(|run| run.outcome).collect::<Vec<_>>(), [Some(Outcome::Succeeded), None]);
    assert!(rig.scheduler.list(&JobQuery::default()).unwrap().is_empty());
}
