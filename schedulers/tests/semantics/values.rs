//! Values that are too deep or too long: refused when a job is added or changed, and made to fit when a run reports.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta};
use matins_core::{Backoff, Clock, JobQuery, JobStore, Limits, Outcome, RunQuery, Shutdown, Trigger, Value};
use matins_executor_thread::ThreadExecutor;
use matins_executor_tokio::TokioExecutor;
use matins_scheduler::{NewJob, Retention, Schedule, SchedulerBuilder, SchedulerError, VirtualClock};
use matins_store_file::FileStore;
use matins_triggers::{AnyTrigger, CronTrigger, TimeUnits, every};

use crate::rig::Rig;

fn nested(levels: usize) -> Value {
    (0..levels).fold(Value::Null, |value, _| Value::Array(vec![value]))
}

fn long(bytes: usize) -> Value {
    "x".repeat(bytes).into()
}

/// Triggers in a trigger.
fn within(levels: usize) -> AnyTrigger {
    let cron = CronTrigger::parse("0 9 * * *", "UTC").unwrap();
    let first = AnyTrigger::new([Arc::new(cron) as Arc<dyn Trigger>]).unwrap();
    (1..levels).fold(first, |inner, _| AnyTrigger::new([Arc::new(inner) as Arc<dyn Trigger>]).unwrap())
}

/// It takes any arguments.
fn ticking() -> NewJob {
    every(10.seconds()).run(|_: Value| ()).id("tick")
}

/// Each of them is over one limit.
fn over() -> Vec<(&'static str, NewJob)> {
    vec![
        ("nested more than 100 levels deep", ticking().arguments(nested(101))),
        ("nested more than 100 levels deep", ticking().metadata("key", nested(101))),
        ("nested more than 500 levels deep", ticking().arguments(nested(1_000))),
        ("1048578 bytes as JSON, and the limit is 1048576", ticking().arguments(long(1 << 20))),
        ("bytes as JSON, and the limit is 1048576", ticking().metadata("key", long(1 << 20))),
        ("bytes as JSON, and the limit is 1048576", ticking().tag("x".repeat(1 << 20))),
        ("nested more than 64 levels deep", within(40).run(|_: Value| ())),
        ("nested more than 64 levels deep", within(1_000).run(|_: Value| ()).id("tick")),
        (
            "is reserved by serde_json",
            ticking().arguments(
                [("$serde_json::private::RawValue", "[]")]
                    .into_iter()
                    .collect::<std::collections::BTreeMap<_, _>>(),
            ),
        ),
    ]
}

#[test]
fn a_job_that_is_over_a_limit_is_refused_and_one_that_is_not_is_added() {
    let rig = Rig::new();
    for (what, job) in over() {
        let error = rig.scheduler.add(job).unwrap_err();
        assert!(matches!(error, SchedulerError::Value(_)), "{error}");
        assert!(error.to_string().contains(what), "{error}");
    }
    // Also where many are added together: those before it are there.
    let mut before = 0;
    for (what, job) in over() {
        let first = every(1.hours()).run(|_: Value| ());
        let error = rig.scheduler.add_many([first, job]).unwrap_err();
        assert!(error.to_string().contains(what), "{error}");
        before += 1;
        assert_eq!(rig.scheduler.count(&JobQuery::default()).unwrap(), before);
    }
    rig.scheduler.add(within(30).run(|| ())).unwrap();
    let full = Limits::DEFAULT;
    let job = ticking().arguments(nested(full.depth)).metadata("key", nested(full.depth));
    rig.scheduler.add(job.metadata("more", long(full.metadata - 1_000))).unwrap();
}

#[test]
fn a_change_over_a_limit_is_refused_and_what_was_there_before_may_stay() {
    let rig = Rig::new();
    rig.add(ticking());
    let error = rig.scheduler.modify("tick", |job| job.arguments = nested(101)).unwrap_err();
    assert!(matches!(error, SchedulerError::Value(_)), "{error}");
    let error = rig.scheduler.modify("tick", |job| job.trigger = Arc::new(within(40))).unwrap_err();
    assert!(error.to_string().contains("the trigger of job \"tick\": nested"), "{error}");
    // A version without limits has added this one.
    let mut old = rig.scheduler.get("tick").unwrap().unwrap();
    old.arguments = long(2 << 20);
    rig.scheduler.with_store("default", |store| store.update(old)).unwrap().unwrap();
    rig.scheduler.modify("tick", |job| job.policy.time_limit = Some(Duration::from_secs(5))).unwrap();
    rig.scheduler.pause("tick").unwrap();
    rig.scheduler.resume("tick").unwrap();
    let error = rig.scheduler.modify("tick", |job| job.tags = ["new".to_owned()].into()).unwrap_err();
    assert!(error.to_string().contains("the arguments of job \"tick\": 2097154 bytes"), "{error}");
}

/// Reported: one result nested 200 deep made `runs` fail for the whole ledger, and 50 MiB were kept whole.
#[test]
fn a_run_whose_result_is_over_a_limit_fails_and_the_ledger_can_be_read() {
    let directory = tempfile::tempdir().unwrap();
    let builder =
        SchedulerBuilder::new().store("default", FileStore::open(directory.path().join("jobs")).unwrap());
    let mut scheduler = builder.executor("default", ThreadExecutor::new()).background().unwrap();
    scheduler.register("deep", |levels: usize| Ok::<_, String>(nested(levels))).unwrap();
    scheduler.register("long", |bytes: usize| Ok::<_, String>(long(bytes))).unwrap();
    scheduler.register("failing", |bytes: usize| Err::<(), _>("x".repeat(bytes))).unwrap();
    scheduler.start().unwrap();
    let run = |task: &str, arguments: usize| {
        let id = format!("{task} {arguments}");
        let job = scheduler.add(every(1.hours()).task(task).id(&id).arguments(arguments)).unwrap();
        job.run_now().unwrap().wait().unwrap()
    };
    assert_eq!(run("deep", 100).outcome, Some(Outcome::Succeeded));
    for (task, arguments, what) in [
        ("deep", 200, "the result of the run: nested more than 100 levels deep"),
        ("deep", 1_000, "the task's result: nested more than 500 levels deep"),
        ("long", 50 << 20, "the result of the run: 52428802 bytes as JSON, and the limit is 262144"),
        ("failing", 50 << 20, "bytes are left out]"),
    ] {
        let run = run(task, arguments);
        assert_eq!((run.outcome, &run.result), (Some(Outcome::Failed), &None), "{task} {arguments}");
        let message = run.message.unwrap();
        assert!(message.contains(what) && message.len() <= Limits::DEFAULT.message, "{what}");
    }
    assert_eq!(scheduler.runs_in("default", &RunQuery::default()).unwrap().len(), 5);
    scheduler.shutdown_and_wait(Shutdown::Wait);
    let mut store = FileStore::open(directory.path().join("jobs")).unwrap();
    assert_eq!(store.runs(&RunQuery::default()).unwrap().len(), 5);
}

#[test]
fn durations_are_of_either_type_and_a_negative_one_counts_as_zero() {
    let (of_std, of_chrono) = (Duration::from_secs(60), TimeDelta::seconds(60));
    let clock = VirtualClock::new(DateTime::UNIX_EPOCH);
    clock.advance(of_std);
    clock.advance(of_chrono);
    clock.step(of_std);
    assert_eq!(clock.now(), DateTime::UNIX_EPOCH + TimeDelta::seconds(180));
    assert_eq!(Retention::default().age(of_std), Retention::default().age(of_chrono));
    assert_eq!(Retention::default().age(-of_chrono).age, Some(Duration::ZERO));
    assert_eq!(Shutdown::within(of_chrono), Shutdown::Deadline(of_std));
    assert_eq!(Backoff::fixed(of_chrono), Backoff::Fixed(of_std));
    let executor = || ThreadExecutor::builder().cancel_grace(of_chrono).idle_timeout(-of_chrono).build();
    let tokio = |runtime| TokioExecutor::builder(runtime).cancel_grace(of_std).build();
    drop((executor(), tokio));
    let scheduler = SchedulerBuilder::new().executor("default", executor()).background().unwrap();
    assert_eq!(scheduler.subscribe().next_within(-of_chrono), None);
}
