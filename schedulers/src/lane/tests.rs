//! When a lane that has nothing to do wakes up.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use matins_conformance::shared::SharedModel;
use matins_conformance::wrapped::{Fault, WrappedStore};
use matins_core::{Clock, Overlap, RunQuery, Shutdown, StoreName};
use matins_store_memory::MemoryStore;
use matins_triggers::{DateTrigger, TimeUnits, at, every};

use super::rig::{alone_with, node, start};
use crate::engine::{Engine, Next};
use crate::stopping::CANCEL_GRACE;
use crate::{Retention, Schedule, VirtualClock};

/// What the driver would wait for, with nothing left to do before.
fn waits_until(engine: &Engine) -> Option<DateTime<Utc>> {
    loop {
        let (submissions, next) = engine.turn();
        engine.deliver_events();
        let is_idle = submissions.is_empty();
        for run in submissions {
            run.done.finish(run.request.execute());
        }
        match next {
            Next::WaitUntil(until) if is_idle => return until,
            _ => {}
        }
    }
}

#[test]
fn rows_that_grow_too_old_go_though_no_job_is_due_and_then_nobody_wakes_up() {
    let start: DateTime<Utc> = "2026-01-01T00:00:00Z".parse().unwrap();
    let clock = VirtualClock::new(start);
    let engine = alone_with(
        &clock,
        MemoryStore::new(),
        Retention { age: Some(Duration::from_secs(3 * 3600)), ..Retention::EVERYTHING },
    );
    assert_eq!(waits_until(&engine), None, "an empty ledger");
    engine.add(at("2026-01-01T00:30:00Z").run(|| ())).unwrap();
    let mut looks = 0;
    while let Some(until) = waits_until(&engine) {
        clock.set(until);
        looks += 1;
    }
    assert!(clock.now() > start + TimeDelta::hours(3), "{}", clock.now());
    assert!(looks <= 6, "{looks} looks: once an hour, and once for the job");
    assert!(engine.runs_in(&StoreName::default(), &RunQuery::default()).unwrap().is_empty());
}

/// A burst of one-off jobs, closures, all due at one instant.
fn burst(engine: &Engine, clock: &VirtualClock, jobs: u64) {
    let soon = clock.now() + TimeDelta::seconds(1);
    for number in 0..jobs {
        let held = "held ".repeat(20);
        let job = DateTrigger::new(soon).run(move || assert_eq!(held.len(), 100));
        engine.add(job.id(format!("job {number}"))).unwrap();
        engine.deliver_events();
    }
    clock.set(soon);
    while let Some(until) = waits_until(engine).filter(|until| *until <= clock.now()) {
        clock.set(until);
    }
}

#[test]
fn after_a_burst_an_idle_scheduler_holds_nothing() {
    const JOBS: u64 = 20_000;
    let clock = VirtualClock::new("2026-01-01T00:00:00Z".parse().unwrap());
    let engine =
        alone_with(&clock, MemoryStore::new(), Retention { ended_jobs: Some(10), ..Retention::default() });
    burst(&engine, &clock, 100);
    let used = allocation_counter::measure(|| burst(&engine, &clock, JOBS));
    assert!(used.bytes_max > 500 * JOBS, "{used:?}");
    assert!(used.bytes_current < 600_000, "{used:?}");

    let lanes = engine.lanes();
    let guard = lanes[0].lock();
    let work = guard.as_ref().unwrap();
    let [unpruned, gone] = work.pruning.entries();
    assert_eq!((unpruned, work.closures.len(), lanes[0].in_flight.counts()), (0, 0, (0, 0)));
    // The rows of those that ended with the last tick are dropped with the next one.
    assert!(gone <= 10 + 3, "{gone}");
    assert!(work.local.postponed.is_empty() && work.ended.is_empty() && work.pending.is_empty());
    assert_eq!((engine.tasks.names().len(), engine.hub().discarded.len()), (0, 0));
}

/// A store that does everything but tell when it is needed next is asked again after a while, not at once.
#[test]
fn a_store_that_fails_or_panics_where_it_is_asked_for_the_next_fire_is_tried_again_later() {
    for panics in [false, true] {
        let start: DateTime<Utc> = "2026-01-01T00:00:00Z".parse().unwrap();
        let clock = VirtualClock::new(start);
        let is_broken = Arc::new(AtomicBool::new(false));
        let plan = is_broken.clone();
        let store = WrappedStore::faulty(MemoryStore::new(), move |call| {
            let fails = call == "next_due" && plan.load(Ordering::Relaxed);
            assert!(!(fails && panics), "out of luck");
            if fails { Fault::Refused } else { Fault::None }
        });
        let engine = alone_with(&clock, store, Retention::EVERYTHING);
        engine.add(every(10.seconds()).run(|| ()).id("tick")).unwrap();
        is_broken.store(true, Ordering::Relaxed);
        for time in [10, 20, 30] {
            clock.set(start + TimeDelta::seconds(time));
            let until = waits_until(&engine);
            assert!(until.is_some_and(|until| until > clock.now()), "{until:?} at {time}");
            assert!(engine.is_failing());
        }
        let fires = engine.runs_in(&StoreName::default(), &RunQuery::default()).unwrap().len();
        assert_eq!(fires, 3, "what is due is done all the same");
        is_broken.store(false, Ordering::Relaxed);
        clock.set(start + TimeDelta::seconds(39));
        assert_eq!(waits_until(&engine), Some(start + TimeDelta::seconds(40)));
        assert!(!engine.is_failing());
    }
}

/// They are more than a tick takes in otherwise.
#[test]
fn the_end_of_each_run_that_is_left_behind_at_a_shutdown_is_recorded() {
    const JOBS: usize = 40;
    let clock = VirtualClock::new("2026-01-01T00:00:00Z".parse().unwrap());
    let engine = alone_with(&clock, MemoryStore::new(), Retention::EVERYTHING);
    let soon = clock.now() + TimeDelta::seconds(1);
    for number in 0..JOBS {
        engine.add(DateTrigger::new(soon).run(|| ()).id(format!("job {number}"))).unwrap();
    }
    clock.set(soon);
    let mut in_progress = Vec::new();
    while in_progress.len() < JOBS {
        in_progress.extend(engine.turn().0);
    }
    engine.shutdown(Shutdown::Now);
    engine.turn();
    clock.advance(CANCEL_GRACE);
    while !matches!(engine.turn().1, Next::Stop) {}
    assert_eq!(engine.hub().stats.finished["interrupted"], JOBS as u64);
}

/// A store's clock, after whose reading some time passes before the answer is there: once, at the call with this number.
#[derive(Debug)]
struct SlowToAnswer {
    clock: VirtualClock,
    calls: Arc<AtomicU32>,
    slow: u32,
}

impl Clock for SlowToAnswer {
    fn now(&self) -> DateTime<Utc> {
        let now = self.clock.now();
        if self.calls.fetch_add(1, Ordering::Relaxed) == self.slow {
            self.clock.advance(TimeDelta::seconds(7));
        }
        now
    }

    fn sleep_until(&self, _until: DateTime<Utc>) -> Option<Duration> {
        None
    }
}

/// A process that is stopped while it waits for an answer is not one whose store's clock was set back.
#[test]
fn an_answer_that_comes_late_makes_no_fire_come_again() {
    let job = |number: u32| {
        every(1.seconds()).task("report").id(format!("job {number}")).overlap(Overlap::Allow(99))
    };
    let calls = Arc::<AtomicU32>::default();
    for slow in 0..40 {
        let clock = VirtualClock::new(start());
        calls.store(0, Ordering::Relaxed);
        let store =
            SharedModel::new(Arc::new(SlowToAnswer { clock: clock.clone(), calls: calls.clone(), slow }));
        let engine = node(&clock, &store);
        engine.add(job(1)).unwrap();
        for _ in 0..20 {
            clock.advance(TimeDelta::seconds(1));
            engine.turn();
            // By a clock that seemed to be behind, what other schedulers have fired meanwhile would be found to be due again.
            let ahead = engine.lanes()[0].lock().as_ref().unwrap().ahead;
            assert!(ahead >= TimeDelta::zero(), "{ahead} where reading {slow} of the clock is slow");
        }
        let mut fires: Vec<_> = store.rows().iter().map(|row| row.fires).collect();
        fires.sort_by_key(|fires| fires.first);
        let come_again = fires.windows(2).find(|pair| pair[1].first <= pair[0].last);
        assert_eq!(come_again, None, "where reading {slow} of the clock is slow");
    }
}
