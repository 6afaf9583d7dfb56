//! Runs that do not respond to their time limit count for the overlap policy of their jobs until their work ends, and take the
//! threads of an executor from no other job.

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use matins_core::{Backoff, MissedReason, Outcome, Overlap, Retry, Run, RunId, RunQuery, Shutdown};
use matins_executor_thread::ThreadExecutor;
use matins_scheduler::{
    BackgroundScheduler, Event, Events, NewJob, Schedule, SchedulerBuilder, VirtualClock,
};
use matins_store_memory::MemoryStore;
use matins_triggers::{TimeUnits, every};

/// Longer than anything here takes on a machine that is busy with other things.
const GENEROUS: Duration = Duration::from_secs(60);

/// Where runs hang until it is opened.
#[derive(Clone, Default)]
struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    fn pass(&self) {
        let is_open = self.0.0.lock().unwrap();
        drop(self.0.1.wait_timeout_while(is_open, GENEROUS, |is_open| !*is_open).unwrap());
    }

    fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }
}

struct Rig {
    scheduler: BackgroundScheduler,
    clock: VirtualClock,
    events: Events,
    gate: Gate,
}

impl Rig {
    fn new(workers: usize) -> Self {
        let start: DateTime<Utc> = "2026-01-01T00:00:00Z".parse().unwrap();
        let clock = VirtualClock::new(start);
        let executor = ThreadExecutor::builder().workers(workers).replacements(0);
        let mut scheduler = SchedulerBuilder::new()
            .store("default", MemoryStore::new())
            .executor("default", executor.cancel_grace(Duration::from_millis(5)).build())
            .clock(clock.clone())
            .background()
            .unwrap();
        let events = scheduler.subscribe_to(|event| {
            matches!(
                event,
                Event::RunLeftBehind { .. }
                    | Event::WorkEnded { .. }
                    | Event::RunFinished { .. }
                    | Event::RunMissed { .. }
            )
        });
        scheduler.start().unwrap();
        Self { scheduler, clock, events, gate: Gate::default() }
    }

    /// A job that hangs at the gate, each 10 seconds.
    fn hangs(&self) -> NewJob {
        let gate = self.gate.clone();
        every(10.seconds()).run(move || gate.pass()).id("hangs").time_limit(Duration::from_millis(5))
    }

    fn next(&self) -> Event {
        self.events.next_within(GENEROUS).expect("an event comes")
    }

    /// The next event is of a run that was left behind, and then it has timed out.
    fn is_left_behind(&self) -> RunId {
        let left = match self.next() {
            Event::RunLeftBehind { run, .. } => run,
            other => panic!("{other:?}"),
        };
        let ended = self.finished();
        assert_eq!((ended.id, ended.outcome), (left.id, Some(Outcome::TimedOut)));
        left.id
    }

    fn finished(&self) -> Run {
        match self.next() {
            Event::RunFinished { run, .. } => Arc::unwrap_or_clone(run),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_job_that_hangs_takes_one_thread_and_not_the_pool() {
    let rig = Rig::new(3);
    rig.scheduler.add(rig.hangs()).unwrap();
    rig.clock.advance(TimeDelta::seconds(10));
    let hangs = rig.is_left_behind();
    for _ in 0..10 {
        rig.clock.advance(TimeDelta::seconds(10));
        let Event::RunMissed { run, .. } = rig.next() else { panic!("its fire is missed") };
        assert_eq!(run.outcome, Some(Outcome::Missed(MissedReason::Overlap)));
        assert!(run.message.as_ref().unwrap().contains("its work is still in progress"));
    }
    let fires: Vec<u64> = rig
        .scheduler
        .runs_in("default", &RunQuery::default())
        .unwrap()
        .iter()
        .map(|run| run.fires.count)
        .collect();
    assert_eq!(fires, [1, 10], "one row for all that are missed");
    // All other threads are free.
    let other = rig.scheduler.add(every(1.hours()).run(|| ()).id("other")).unwrap();
    let _run = other.run_now().unwrap();
    assert_eq!(rig.finished().outcome, Some(Outcome::Succeeded));

    rig.gate.open();
    let ended = rig.next();
    assert!(matches!(&ended, Event::WorkEnded { job, run, .. } if job.as_str() == "hangs" && *run == hangs));
    rig.clock.advance(TimeDelta::seconds(10));
    assert_eq!(rig.finished().outcome, Some(Outcome::Succeeded));
}

#[test]
fn a_fire_that_waits_for_a_run_that_was_left_behind_starts_when_its_work_ends() {
    let rig = Rig::new(3);
    rig.scheduler.add(rig.hangs().overlap(Overlap::QueueOne)).unwrap();
    rig.clock.advance(TimeDelta::seconds(10));
    rig.is_left_behind();
    rig.clock.advance(TimeDelta::seconds(10));
    while rig.scheduler.runs_in("default", &RunQuery::default()).unwrap().len() < 2 {
        std::thread::yield_now();
    }
    assert_eq!(rig.scheduler.runs_in("default", &RunQuery::default()).unwrap()[1].started, None);
    rig.gate.open();
    assert!(matches!(rig.next(), Event::WorkEnded { .. }));
    assert_eq!(rig.finished().outcome, Some(Outcome::Succeeded));
}

#[test]
fn the_next_attempt_waits_for_the_work_of_one_that_was_left_behind() {
    let rig = Rig::new(3);
    let retry = Retry::times(1).backoff(Backoff::Fixed(Duration::from_secs(1)));
    rig.scheduler.add(rig.hangs().retry(retry)).unwrap();
    rig.clock.advance(TimeDelta::seconds(10));
    rig.is_left_behind();
    rig.clock.advance(TimeDelta::seconds(2));
    // Of the driver's turn that would have begun it, nothing else is to be seen.
    let other = rig.scheduler.add(every(1.hours()).run(|| ()).id("other")).unwrap();
    let _run = other.run_now().unwrap();
    assert_eq!(rig.finished().job.as_str(), "other");
    let attempt = &rig.scheduler.runs_in("default", &RunQuery::default()).unwrap()[1];
    assert_eq!((attempt.attempt, attempt.started), (2, None));
    rig.gate.open();
    assert!(matches!(rig.next(), Event::WorkEnded { .. }));
    assert_eq!(rig.finished().outcome, Some(Outcome::Succeeded));
}

#[test]
fn allowed_overlaps_count_what_was_left_behind() {
    let rig = Rig::new(3);
    rig.scheduler.add(rig.hangs().overlap(Overlap::Allow(2))).unwrap();
    for _ in 0..2 {
        rig.clock.advance(TimeDelta::seconds(10));
        rig.is_left_behind();
    }
    rig.clock.advance(TimeDelta::seconds(10));
    assert!(matches!(rig.next(), Event::RunMissed { .. }));
    rig.gate.open();
    assert!(matches!(rig.next(), Event::WorkEnded { .. }));
    assert!(matches!(rig.next(), Event::WorkEnded { .. }));
    rig.clock.advance(TimeDelta::seconds(10));
    assert_eq!(rig.finished().outcome, Some(Outcome::Succeeded));
}

#[test]
fn a_run_that_was_left_behind_counts_for_its_group_until_its_work_ends() {
    let rig = Rig::new(3);
    rig.scheduler.add(rig.hangs().group("database", 1)).unwrap();
    rig.clock.advance(TimeDelta::seconds(10));
    rig.is_left_behind();
    rig.scheduler.pause("hangs").unwrap();
    let other = rig.scheduler.add(every(1.hours()).run(|| ()).id("other").group("database", 1)).unwrap();
    let run = other.run_now().unwrap();
    // Of the driver's turn that would have begun it, nothing else is to be seen.
    let free = rig.scheduler.add(every(1.hours()).run(|| ()).id("free")).unwrap();
    let _run = free.run_now().unwrap();
    assert_eq!(rig.finished().job.as_str(), "free");
    assert_eq!(run.wait_within(Duration::ZERO).unwrap(), None);
    rig.gate.open();
    assert!(matches!(rig.next(), Event::WorkEnded { .. }));
    assert_eq!(rig.finished().job.as_str(), "other");
}

/// It is not waited for, as it is not by the executor.
#[test]
fn a_scheduler_ends_while_work_that_was_left_behind_goes_on() {
    let rig = Rig::new(3);
    rig.scheduler.add(rig.hangs()).unwrap();
    rig.clock.advance(TimeDelta::seconds(10));
    rig.is_left_behind();
    let Rig { scheduler, events, gate, .. } = rig;
    scheduler.shutdown_and_wait(Shutdown::Wait);
    assert_eq!(events.count(), 0);
    gate.open();
}
