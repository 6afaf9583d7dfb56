//! Jobs that run after other jobs.

use std::time::Duration;

use matins_core::{AfterOutcome, JobQuery, OnConflict, Overlap, Retry, Run, RunId, RunQuery};
use matins_scheduler::{NewJob, Retention, Schedule, SchedulerError};
use matins_triggers::{Combine, TimeUnits, after, every};

use crate::rig::{Rig, ticking};

fn following(id: &str) -> NewJob {
    after("tick").run(|| ()).id(id)
}

/// Each row, with the number of the run that it follows.
fn rows(rig: &Rig) -> Vec<String> {
    let shown = |run: &Run| {
        let cause = run.cause.map_or(String::new(), |cause| format!(" after {cause}"));
        format!("{} {}{cause}", run.job, run.outcome.map_or("-", matins_core::Outcome::as_str))
    };
    rig.scheduler.runs_in("default", &RunQuery::default()).unwrap().iter().map(shown).collect()
}

#[test]
fn a_job_runs_after_each_success_of_another_and_is_told_its_run() {
    let rig = Rig::new();
    rig.add(ticking());
    rig.add(following("report"));
    assert_eq!(rig.next_fire("report"), None);
    rig.at(10, &["started 10 running"]);
    rig.clock.set(crate::rig::second(13));
    rig.finish(&["finished 10 succeeded", "started 13 running"]);
    assert_eq!(rig.held.some()[0].0.cause, Some(RunId(1)));
    rig.finish(&["finished 13 succeeded"]);
    rig.at(20, &["started 20 running"]);
    rig.finish(&["finished 20 succeeded", "started 20 running"]);
    rig.finish(&["finished 20 succeeded"]);
    let expected =
        ["tick succeeded", "report succeeded after 1", "tick succeeded", "report succeeded after 3"];
    assert_eq!(rows(&rig), expected);
    assert_eq!(rig.scheduler.list(&JobQuery::default().follows()).unwrap().len(), 1, "it stays");
}

#[test]
fn the_outcome_decides_and_of_attempts_the_last_one() {
    let rig = Rig::new();
    let fails = every(10.seconds()).run(|| Err::<(), _>("no")).id("tick").retry(Retry::times(1));
    rig.add(fails);
    rig.add(following("on success"));
    rig.add(after("tick").outcome(AfterOutcome::Failed).run(|| ()).id("on failure"));
    rig.add(after("tick").outcome(AfterOutcome::Any).run(|| ()).id("at each end"));
    rig.at(10, &["started 10 running"]);
    rig.finish(&["finished 10 failed"]);
    rig.clock.set(crate::rig::second(15));
    rig.expect(&["started 10 running (attempt 2)"]);
    rig.finish(&["finished 10 failed (attempt 2)", "started 15 running", "started 15 running"]);
    let expected = ["tick failed", "tick failed", "on failure - after 2", "at each end - after 2"];
    assert_eq!(rows(&rig), expected);
}

/// Once, such a job had left its chain, or another had got into it.
#[test]
fn a_job_that_is_refused_changes_no_chain() {
    let rig = Rig::new();
    rig.add(ticking());
    rig.add(following("second"));
    rig.add(every(1.hours()).run(|| ()).id("hourly"));
    assert!(rig.scheduler.add(every(1.hours()).run(|| ()).id("second")).is_err());
    assert!(rig.scheduler.add(following("hourly")).is_err());
    let several = [following("new"), following("hourly")];
    assert!(rig.scheduler.add_many(several).is_err());
    rig.expect(&["job added"]);
    rig.at(10, &["started 10 running"]);
    rig.finish(&["finished 10 succeeded", "started 10 running", "started 10 running"]);
    let mut started: Vec<String> =
        rig.held.runs().iter().map(|(run, _)| run.job.as_str().to_owned()).collect();
    started.sort();
    assert_eq!(started, ["new", "second"]);
}

#[test]
fn a_chain_has_many_links_and_no_cycle() {
    let rig = Rig::new();
    rig.add(ticking());
    // In any order: what is not there yet is followed when it comes.
    rig.add(after("second").run(|| ()).id("third"));
    rig.add(after("tick").run(|| ()).id("second"));
    let cycle = [
        rig.scheduler.add(after("third").run(|| ()).id("tick").on_conflict(OnConflict::Update)).unwrap_err(),
        rig.scheduler.add(after("self").run(|| ()).id("self")).unwrap_err(),
        rig.scheduler.reschedule("second", after("third")).unwrap_err(),
        rig.scheduler.add_many([after("b").run(|| ()).id("a"), after("a").run(|| ()).id("b")]).unwrap_err(),
    ];
    let chains = cycle.map(|error| match error {
        SchedulerError::Cycle { chain } => chain,
        other => panic!("{other}"),
    });
    assert_eq!(chains[0], r#""tick", then "second", then "third", then "tick""#);
    assert_eq!(chains[1], r#""self", then "self""#);
    rig.expect(&["job added"]);
    rig.at(10, &["started 10 running"]);
    for started in [true, true, false] {
        rig.finish(&["finished 10 succeeded"]);
        if started {
            rig.expect(&["started 10 running"]);
        }
    }
    assert_eq!(rows(&rig), ["tick succeeded", "second succeeded after 1", "third succeeded after 2"]);
}

#[test]
fn a_run_that_follows_obeys_the_overlap_rule_the_grace_and_a_pause() {
    let rig = Rig::new();
    rig.add(ticking().overlap(Overlap::Allow(9)));
    rig.add(following("skips"));
    rig.add(following("queues").overlap(Overlap::QueueOne));
    rig.add(following("paused"));
    rig.scheduler.pause("paused").unwrap();
    rig.expect(&["job paused"]);
    rig.at(10, &["started 10 running"]);
    rig.finish(&["finished 10 succeeded", "started 10 running", "started 10 running"]);
    rig.at(20, &["started 20 running"]);
    let (tick, done) = rig.held.runs().remove(2);
    done.finish(tick.execute());
    rig.expect(&["finished 20 succeeded", "missed 20 missed: overlap"]);
    for _ in 0..2 {
        let (run, done) = rig.held.take_first();
        done.finish(run.execute());
        rig.expect(&["finished 10 succeeded"]);
        if run.job.as_str() == "queues" {
            rig.expect(&["started 20 running"]);
        }
    }
}

#[test]
fn what_follows_is_recorded_with_the_end_and_begins_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let open = || matins_store_file::FileStore::open(directory.path().join("jobs")).unwrap();
    {
        let rig = Rig::with(open(), 10, Retention::default());
        rig.scheduler.register("task", || ()).unwrap();
        rig.add(every(10.seconds()).task("task").id("tick"));
        rig.add(after("tick").task("task").id("report").misfire_grace(Duration::from_secs(60)));
        rig.at(10, &["started 10 running"]);
        rig.scheduler.handle().request_shutdown(matins_core::Shutdown::Wait);
        let (run, done) = rig.held.take_first();
        done.finish(run.execute());
        rig.expect(&["finished 10 succeeded", "scheduler shut down"]);
    }
    let rig = Rig::with(open(), 10, Retention::default());
    rig.scheduler.register("task", || ()).unwrap();
    rig.clock.set(crate::rig::second(10));
    let started = rig.held.some().first().map(|(run, _)| (run.job.to_string(), run.cause));
    assert_eq!(started, Some(("report".to_owned(), Some(RunId(1)))));
}

#[test]
fn a_job_with_times_of_its_own_may_follow_another_too() {
    let rig = Rig::new();
    rig.add(ticking());
    rig.add(every(15.seconds()).or(after("tick")).run(|| ()).id("report"));
    assert_eq!(rig.next_fire("report"), Some(15));
    rig.at(10, &["started 10 running"]);
    rig.finish(&["finished 10 succeeded", "started 10 running"]);
    rig.finish(&["finished 10 succeeded"]);
    assert_eq!(rig.next_fire("report"), Some(15), "its own times are as they were");
    rig.at(15, &["started 15 running"]);
    rig.finish(&["finished 15 succeeded"]);
    assert_eq!(rows(&rig), ["tick succeeded", "report succeeded after 1", "report succeeded"]);
}
