//! What users of other schedulers reported, one test each: it does not happen here. The numbers are their issues'.

use std::time::Duration;

use chrono::TimeDelta;
use matins_core::{Clock, Overlap, RunQuery};
use matins_scheduler::{Retention, Schedule, SchedulerError};
use matins_store_file::FileStore;
use matins_store_memory::MemoryStore;
use matins_triggers::{CronTrigger, TimeUnits, cron, every};

use crate::rig::{Rig, second, seconds, start, ticking};

/// agronholm/apscheduler #182, #292, #296, #476: the default grace of one second.
#[test]
fn a_run_that_is_some_seconds_late_is_not_dropped() {
    let rig = Rig::new();
    rig.add(ticking());
    rig.at(13, &["started 10 running"]);
}

/// agronholm/apscheduler #1095: after a long run, the missed fire waits for the next slot.
#[test]
fn a_fire_that_was_held_up_runs_as_soon_as_the_long_run_ends() {
    let rig = Rig::new();
    rig.add(ticking().overlap(Overlap::QueueOne));
    rig.at(10, &["started 10 running"]);
    rig.clock.set(second(21));
    rig.finish(&["finished 10 succeeded", "started 20 running"]);
}

/// agronholm/apscheduler #606, #980, #1059: an endless loop, or a day without a run, at the changes of the clock.
#[test]
fn a_nightly_job_runs_once_on_the_nights_when_the_clocks_change() {
    let rig = Rig::new();
    let nightly = CronTrigger::parse("30 2 * * *", "Europe/Berlin").unwrap();
    rig.add(nightly.run(|| ()).id("nightly").first_fire("2026-03-28T01:30:00Z".parse().unwrap()));
    let mut fires = Vec::new();
    for _ in 0..3 {
        let next = rig.scheduler.get("nightly").unwrap().unwrap().next_fire.unwrap();
        fires.push(next.format("%d %H:%M").to_string());
        rig.clock.set(next);
        let shown = seconds(next);
        rig.expect(&[&format!("started {shown} running")]);
        rig.finish(&[&format!("finished {shown} succeeded")]);
    }
    // 02:30 does not exist on the 29th: it fires at 03:00, which is 01:00 UTC.
    assert_eq!(fires, ["28 01:30", "29 01:00", "30 00:30"]);
}

/// agronholm/apscheduler #160, #655, #766: several workers run the same job.
#[test]
fn a_second_scheduler_on_the_same_store_is_refused_by_the_first_ones_name() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("jobs");
    let _first = FileStore::open(&path).unwrap();
    let refused = FileStore::open(&path).unwrap_err().to_string();
    assert!(refused.contains(&std::process::id().to_string()), "{refused}");
}

/// agronholm/apscheduler #166, #609: no history, failures unseen.
#[test]
fn what_failed_is_in_the_ledger_with_its_message() {
    let rig = Rig::new();
    rig.add(every(10.seconds()).run(|| Err::<(), _>("disk on fire")).id("fail"));
    rig.at(10, &["started 10 running"]);
    rig.finish(&["finished 10 failed"]);
    let runs = rig.scheduler.runs_in("default", &RunQuery::default()).unwrap();
    assert_eq!(runs[0].message.as_deref(), Some("disk on fire"));
}

/// tokio-cron-scheduler #113: repeated jobs stop firing for good under load; and, measured, a fifth of 10,000 fires that
/// are due at once never comes.
#[test]
fn ten_thousand_fires_at_one_instant_are_all_accounted_for() {
    const JOBS: usize = 10_000;
    let rig = Rig::with(MemoryStore::new(), usize::MAX, Retention::default());
    for number in 0..JOBS {
        rig.scheduler.add(ticking().id(format!("job {number}"))).unwrap();
    }
    rig.clock.set(second(10));
    let mut ended = 0;
    while ended < JOBS {
        let (run, done) = rig.held.take_first();
        done.finish(run.execute());
        ended += 1;
    }
    let unfinished = RunQuery::default().unfinished();
    while !rig.scheduler.runs_in("default", &unfinished).unwrap().is_empty() {
        std::thread::yield_now();
    }
    let stats = rig.scheduler.stats();
    assert_eq!((stats.started, &stats.finished), (JOBS as u64, &[("succeeded", JOBS as u64)].into()));
    for number in 0..JOBS {
        assert_eq!(rig.next_fire(&format!("job {number}")), Some(20), "it goes on");
    }
}

/// apalis #598: after a downtime every missed run is replayed, one by one.
#[test]
fn after_a_downtime_the_latest_fire_stands_for_all() {
    let rig = Rig::new();
    rig.add(ticking());
    rig.at(100_005, &["missed 10..99990 x9999 missed: coalesced", "started 100000 running"]);
}

/// robfig/cron #346: changing the machine's clock makes it spin, or fire storms; and a suspended laptop loses the slot.
#[test]
fn a_clock_that_is_set_fires_nothing_twice_and_what_was_slept_through_once() {
    let rig = Rig::new();
    rig.add(ticking());
    rig.at(10, &["started 10 running"]);
    rig.finish(&["finished 10 succeeded"]);
    rig.clock.step(TimeDelta::seconds(-3));
    assert_eq!(rig.next_fire("tick"), Some(20));
    // The clock is right again, and the laptop was closed over the slot.
    rig.at(3_605, &["missed 20..3590 x358 missed: coalesced", "started 3600 running"]);
    assert_eq!(rig.clock.now(), second(3_605));
}

/// kandev #3514 and others: 30 February is accepted and never fires, or loops.
#[test]
fn a_date_that_never_comes_is_refused_when_the_job_is_added() {
    let rig = Rig::new();
    let error = rig.scheduler.add(cron("0 0 30 2 *").run(|| ())).unwrap_err();
    assert!(matches!(error, SchedulerError::Trigger(_)), "{error}");
}

/// robfig/cron #554: an empty or bad zone panics.
#[test]
fn a_zone_that_is_none_is_an_error_with_a_suggestion() {
    let rig = Rig::new();
    for (zone, suggestion) in [("Europe/Berlim", "Europe/Berlin"), ("", "")] {
        let error = rig.scheduler.add(cron("0 9 * * *").in_zone(zone).run(|| ())).unwrap_err().to_string();
        assert!(error.contains(suggestion), "{error}");
    }
}

/// zeptoclaw #253: a tick sleeps after work, so that fires drift.
#[test]
fn fires_stay_on_their_grid_however_long_runs_take() {
    let rig = Rig::new();
    rig.add(ticking().overlap(Overlap::Allow(9)).misfire_grace(Duration::from_secs(5)));
    for fire in 1..6 {
        rig.at(fire * 10 + 3, &[&format!("started {} running", fire * 10)]);
    }
    assert_eq!(rig.next_fire("tick"), Some(60));
    assert_eq!(seconds(start()), 0);
}
