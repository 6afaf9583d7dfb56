//! What people and programs change while the scheduler is running.

use std::time::Duration;

use matins_core::{
    Coalesce, JobId, JobQuery, OnExhausted, Outcome, Run, RunQuery, Shutdown, StoreName, Value,
};
use matins_executor_thread::ThreadExecutor;
use matins_scheduler::{Retention, Schedule, SchedulerBuilder, SchedulerError, SchedulerState, VirtualClock};
use matins_store_memory::MemoryStore;
use matins_triggers::{TimeUnits, at, every};

use crate::rig::{GENEROUS, Rig, second, seconds, start, ticking};

#[test]
fn a_job_runs_now_beside_its_schedule_and_the_ledger_says_so() {
    let rig = Rig::new();
    rig.add(every(10.seconds()).run(|| Ok::<_, String>(42)).id("answer"));
    rig.clock.set(second(4));
    let outcome = rig.scheduler.run_now("answer").unwrap();
    rig.expect(&["started 4 running"]);
    assert_eq!(outcome.wait_within(Duration::ZERO).unwrap(), None);
    // It is not in the way of the schedule, but the schedule may be in its own.
    rig.at(10, &["missed 10 missed: overlap"]);
    rig.finish(&["finished 4 succeeded"]);
    let run = outcome.wait().unwrap();
    assert_eq!((run.result, run.manual), (Some(Value::from(42)), true));
    assert_eq!(rig.next_fire("answer"), Some(20));
    let runs = rig.scheduler.runs_in("default", &RunQuery::default()).unwrap();
    assert_eq!(runs.iter().map(|run| run.manual).collect::<Vec<_>>(), [true, false]);
}

#[test]
fn a_paused_job_runs_now_and_stays_paused() {
    let rig = Rig::new();
    rig.add(ticking().paused());
    let outcome = rig.scheduler.run_now("tick").unwrap();
    rig.expect(&["started 0 running"]);
    rig.finish(&["finished 0 succeeded"]);
    assert!(outcome.wait().unwrap().outcome.is_some());
    assert_eq!(rig.next_fire("tick"), None);
}

#[test]
fn the_next_outcome_of_a_job_can_be_waited_for() {
    let rig = Rig::new();
    rig.add(ticking());
    let next = rig.scheduler.next_outcome("tick").unwrap();
    rig.at(10, &["started 10 running"]);
    rig.finish(&["finished 10 succeeded"]);
    assert_eq!(seconds(next.wait_within(GENEROUS).unwrap().unwrap().scheduled()), 10);
    let after_shutdown = rig.scheduler.next_outcome("tick").unwrap();
    rig.scheduler.handle().request_shutdown(Shutdown::Now);
    rig.held.close();
    assert!(matches!(after_shutdown.wait(), Err(SchedulerError::ShutDown)));
}

#[test]
fn nobody_waits_for_the_next_outcome_of_a_job_that_is_gone() {
    let is_gone = |told: Result<Option<Run>, SchedulerError>| {
        assert!(matches!(&told, Err(SchedulerError::JobGone { id }) if id.as_str() == "tick"), "{told:?}");
    };
    let rig = Rig::new();
    rig.add(ticking());
    let idle = rig.scheduler.next_outcome("tick").unwrap();
    rig.scheduler.remove("tick").unwrap();
    is_gone(idle.wait_within(GENEROUS));

    rig.expect(&["job removed"]);
    rig.add(ticking());
    let running = rig.scheduler.next_outcome("tick").unwrap();
    rig.at(10, &["started 10 running"]);
    rig.scheduler.remove("tick").unwrap();
    rig.expect(&["job removed"]);
    rig.finish(&["finished 10 succeeded"]);
    assert_eq!(running.wait_within(GENEROUS).unwrap().unwrap().outcome, Some(Outcome::Succeeded));

    rig.add(ticking());
    let behind_its_back = rig.scheduler.next_outcome("tick").unwrap();
    rig.scheduler.with_store("default", |store| store.remove(&JobId::new("tick").unwrap())).unwrap().unwrap();
    is_gone(behind_its_back.wait_within(GENEROUS));
}

#[test]
fn who_waits_for_a_job_hears_of_it_from_the_store_that_it_moves_to() {
    let rig = Rig::new();
    rig.scheduler.add_store("other", MemoryStore::new()).unwrap();
    rig.expect(&["store other added"]);
    rig.add(ticking());
    let next = rig.scheduler.next_outcome("tick").unwrap();
    rig.scheduler.move_to("tick", &StoreName::new("other").unwrap()).unwrap();
    rig.clock.set(second(10));
    let (run, done) = rig.held.take_first();
    done.finish(run.execute());
    assert_eq!(seconds(next.wait_within(GENEROUS).unwrap().unwrap().scheduled()), 10);
}

#[test]
fn a_job_does_not_move_away_from_a_run_in_progress() {
    let rig = Rig::new();
    let other = StoreName::new("other").unwrap();
    rig.scheduler.add_store("other", MemoryStore::new()).unwrap();
    rig.expect(&["store other added"]);
    rig.add(ticking());
    rig.at(10, &["started 10 running"]);
    let refused = rig.scheduler.move_to("tick", &other).unwrap_err();
    assert!(
        matches!(&refused, SchedulerError::JobIsRunning { store, .. } if *store == "default"),
        "{refused}"
    );
    rig.finish(&["finished 10 succeeded"]);
    rig.scheduler.move_to("tick", &other).unwrap();
}

/// On the system's clock: moving a virtual one wakes the driver by itself.
#[test]
fn a_job_that_is_due_before_all_others_wakes_the_driver() {
    let mut scheduler = SchedulerBuilder::new()
        .store("default", MemoryStore::new())
        .executor("default", ThreadExecutor::new())
        .background()
        .unwrap();
    scheduler.start().unwrap();
    scheduler.add(every(1.hours()).run(|| ()).id("later")).unwrap();
    let soon = scheduler.add(every(5.milliseconds()).run(|| ()).id("soon")).unwrap();
    for _ in 0..3 {
        assert!(soon.next_outcome().unwrap().wait_within(GENEROUS).unwrap().is_some());
    }
    scheduler.shutdown_and_wait(Shutdown::Now);
}

#[test]
fn a_job_is_rescheduled_from_now_on() {
    let rig = Rig::new();
    rig.add(ticking());
    rig.clock.set(second(3));
    let job = rig.scheduler.reschedule("tick", every(7.seconds())).unwrap();
    assert_eq!(job.next_fire.map(seconds), Some(10));
    rig.expect(&["job modified"]);
    rig.at(10, &["started 10 running"]);
    rig.finish(&["finished 10 succeeded"]);
    assert_eq!(rig.next_fire("tick"), Some(17));
    let past = rig.scheduler.reschedule("tick", at("2020-01-01")).unwrap_err().to_string();
    assert!(past.contains("no fire time after now"), "{past}");
    assert_eq!(rig.next_fire("tick"), Some(17), "nothing has changed");
}

#[test]
fn a_job_is_changed_and_what_would_not_be_accepted_is_refused_whole() {
    let rig = Rig::new();
    rig.scheduler.register("count", |_: u32| ()).unwrap();
    rig.add(every(10.seconds()).task("count").arguments(1).id("count"));
    let change = |job: &mut matins_core::Job| {
        job.arguments = 2.into();
        job.policy.coalesce = Coalesce::Earliest;
        job.tags.insert("changed".into());
        job.next_fire = Some(second(3));
        job.created = second(99);
    };
    let job = rig.scheduler.modify("count", change).unwrap();
    assert_eq!(job.created, start());
    assert_eq!(rig.scheduler.get("count").unwrap(), Some(job));
    let refused = rig.scheduler.modify("count", |job| {
        job.policy.on_exhausted = OnExhausted::Keep;
        job.arguments = "three".into();
    });
    assert!(refused.unwrap_err().to_string().contains("cannot take these arguments"));
    let job = rig.scheduler.get("count").unwrap().unwrap();
    assert_eq!((job.policy.on_exhausted, job.arguments), (OnExhausted::Remove, 2.into()));
    rig.expect(&["job modified"]);
    rig.at(3, &["started 3 running"]);
}

#[test]
fn a_job_moves_to_another_store_with_its_closure() {
    let other = StoreName::new("other").unwrap();
    let scheduler = SchedulerBuilder::new()
        .store("default", MemoryStore::new())
        .store("other", MemoryStore::new())
        .executor("default", ThreadExecutor::new())
        .clock(VirtualClock::new(start()))
        .background()
        .unwrap();
    scheduler.add(ticking()).unwrap();
    scheduler.move_to("tick", &other).unwrap();
    let jobs = scheduler.list(&JobQuery::default()).unwrap();
    assert_eq!(
        jobs.iter().map(|(store, job)| (store.as_str(), job.id.as_str())).collect::<Vec<_>>(),
        [("other", "tick")]
    );
    let mut scheduler = scheduler;
    scheduler.start().unwrap();
    let outcome = scheduler.run_now("tick").unwrap();
    assert!(outcome.wait_within(GENEROUS).unwrap().unwrap().result.is_none());
    assert_eq!(scheduler.remove_all(&other).unwrap(), 1);
    assert!(scheduler.list(&JobQuery::default()).unwrap().is_empty());
}

#[test]
fn a_run_is_cancelled_by_its_number() {
    let rig = Rig::with(MemoryStore::new(), 9, Retention::default());
    rig.add(ticking());
    rig.at(10, &["started 10 running"]);
    let run = rig.scheduler.runs_in("default", &RunQuery::default()).unwrap()[0].id;
    assert!(rig.scheduler.cancel(&StoreName::default(), run).unwrap());
    assert!(rig.held.first_is_cancelled());
    rig.finish(&["finished 10 cancelled"]);
    assert!(!rig.scheduler.cancel(&StoreName::default(), run).unwrap());
}

#[test]
fn the_state_is_told() {
    let mut scheduler = SchedulerBuilder::new()
        .store("default", MemoryStore::new())
        .executor("default", ThreadExecutor::new())
        .background()
        .unwrap();
    assert_eq!(scheduler.state(), SchedulerState::NotStarted);
    scheduler.pause_all().unwrap();
    assert_eq!(scheduler.state(), SchedulerState::NotStarted);
    scheduler.start().unwrap();
    assert_eq!(scheduler.state(), SchedulerState::Paused, "it starts paused");
    scheduler.resume_all().unwrap();
    assert_eq!(scheduler.state(), SchedulerState::Running);
    scheduler.pause_all().unwrap();
    assert_eq!(scheduler.state(), SchedulerState::Paused);
    let handle = scheduler.handle();
    scheduler.shutdown_and_wait(Shutdown::Wait);
    assert_eq!(handle.state(), SchedulerState::ShutDown);
}
