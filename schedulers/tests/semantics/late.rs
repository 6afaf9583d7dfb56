//! Runs that wait: for their misfire grace, while their job is paused, and those that were interrupted too often.

use std::time::Duration;

use matins_core::{JobQuery, JobStore, OnInterrupt, Overlap, Run, RunId, Transition};
use matins_scheduler::{Retention, Schedule};
use matins_store_memory::MemoryStore;
use matins_triggers::{TimeUnits, at, every};

use crate::rig::{Rig, second, ticking};

/// Hangfire#1782: what waited for hours ran all the same.
#[test]
fn a_fire_that_waited_for_another_run_longer_than_its_grace_is_missed() {
    let rig = Rig::new();
    rig.add(ticking().overlap(Overlap::QueueOne).misfire_grace(Duration::from_secs(5)));
    rig.at(10, &["started 10 running"]);
    let (run, done) = rig.held.take_first();
    let report = run.execute();
    rig.clock.set(second(20));
    while rig.ledger().len() < 2 {
        std::thread::yield_now();
    }
    rig.clock.set(second(26));
    done.finish(report);
    rig.expect(&["finished 10 succeeded", "missed 20 missed: too late"]);
    rig.at(30, &["started 30 running"]);
}

/// The same for a place in the executor.
#[test]
fn a_run_that_waited_for_its_executor_longer_than_its_grace_is_missed() {
    let rig = Rig::new();
    rig.add(ticking().misfire_grace(Duration::from_secs(5)));
    rig.at(10, &["started 10 running"]);
    rig.clock.set(second(16));
    rig.finish(&["finished 10 missed: too late"]);
    rig.at(20, &["started 20 running"]);
    rig.clock.set(second(25));
    rig.finish(&["finished 20 succeeded"]);
}

/// bullmq#1321.
#[test]
fn a_retry_of_a_paused_job_waits_until_it_is_resumed() {
    use matins_core::{Backoff, Retry};
    let rig = Rig::new();
    let retry = Retry::times(1).backoff(Backoff::Fixed(Duration::from_secs(3)));
    rig.add(every(100.seconds()).run(|| Err::<(), _>("no luck")).id("fails").retry(retry));
    rig.at(100, &["started 100 running"]);
    rig.finish(&["finished 100 failed"]);
    rig.scheduler.pause("fails").unwrap();
    rig.expect(&["job paused"]);
    rig.clock.set(second(150));
    // Another job runs meanwhile, so that the scheduler has looked.
    rig.scheduler.add(every(10.seconds()).run(|| ()).id("other")).unwrap();
    rig.expect(&["job added"]);
    rig.at(160, &["started 160 running"]);
    rig.finish(&["finished 160 succeeded"]);
    rig.scheduler.remove("other").unwrap();
    rig.expect(&["job removed"]);
    assert_eq!(rig.ledger(), ["100 failed", "100 waiting (attempt 2)", "160 succeeded"]);
    rig.scheduler.resume("fails").unwrap();
    rig.expect(&["job resumed", "started 100 running (attempt 2)"]);
}

/// sidekiq#4633: a job that aborts its process killed each that was started after.
#[test]
fn a_run_that_was_interrupted_again_and_again_is_left() {
    for (attempt, again) in [(3, true), (4, false)] {
        let mut store = MemoryStore::new();
        let job = matins_conformance::store_suite::job("job", None);
        let mut job = job.with(|job| {
            job.next_fire = Some(second(1_000));
            job.state = matins_core::JobState::Active;
        });
        job.policy.on_interrupt = OnInterrupt::RunAgain;
        let id = job.id.clone();
        store.add(job, matins_core::OnConflict::Refuse).unwrap();
        let run = Run::started(RunId(1), id, second(10), second(10)).with(|run| run.attempt = attempt);
        store.commit(vec![Transition::Record(run.into())]).unwrap();
        let rig = Rig::with(store, 10, Retention::default());
        rig.expect(&[&format!("finished 10 interrupted (attempt {attempt})")]);
        let expected = if again { 2 } else { 1 };
        assert_eq!(rig.ledger().len(), expected, "attempt {attempt}: {:?}", rig.ledger());
    }
}

#[test]
fn a_job_that_is_changed_or_looked_at_during_its_last_run_goes_with_it() {
    for looks_at_the_store in [false, true] {
        let rig = Rig::new();
        rig.add(at("2026-01-01T00:00:10Z").run(|| ()).id("once"));
        rig.at(10, &["started 10 running"]);
        if looks_at_the_store {
            let count =
                rig.scheduler.with_store("default", |store| store.list(&JobQuery::default()).unwrap().len());
            assert_eq!(count.unwrap(), 1);
        } else {
            let tag = |job: &mut matins_core::Job| {
                job.tags.insert("seen".to_owned());
            };
            rig.scheduler.modify("once", tag).unwrap();
            rig.expect(&["job modified"]);
        }
        rig.finish(&["finished 10 succeeded", "job removed"]);
        assert!(rig.scheduler.get("once").unwrap().is_none());
    }
}
