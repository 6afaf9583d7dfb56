//! Concurrency groups: a limit of runs that several jobs share.

use std::path::Path;
use std::time::Duration;

use matins_core::{Backoff, Coalesce, Group, OnInterrupt, Outcome, Overlap, Retry, Run, RunQuery};
use matins_scheduler::{NewJob, Retention, Schedule, SchedulerError};
use matins_store_file::FileStore;
use matins_triggers::{DateTrigger, TimeUnits, after, every};

use crate::rig::{Rig, second, seconds};

/// Each 10 seconds, in a group that is a mutex.
fn exclusive(id: &str) -> NewJob {
    every(10.seconds()).run(|| ()).id(id).group("database", 1)
}

fn once(at: i64) -> DateTrigger {
    DateTrigger::new(second(at))
}

/// Waits until so many runs wait: nothing tells of a run that begins to.
fn until_waiting(rig: &Rig, count: usize) {
    while rig.scheduler.stats().waiting != count {
        std::thread::yield_now();
    }
}

/// Each row: its job, its fire time, and how it is.
fn rows(rig: &Rig) -> Vec<String> {
    let shown = |run: &Run| {
        let state =
            run.outcome.map_or(if run.started.is_some() { "running" } else { "waiting" }, Outcome::as_str);
        format!("{} {} {state}", run.job, seconds(run.scheduled()))
    };
    rig.scheduler.runs_in("default", &RunQuery::default()).unwrap().iter().map(shown).collect()
}

/// Asked for in db-scheduler#207 and jobrunr#123.
#[test]
fn jobs_of_a_group_with_the_limit_one_exclude_each_other() {
    let rig = Rig::new();
    rig.add(exclusive("backup"));
    rig.add(exclusive("vacuum"));
    rig.add(every(10.seconds()).run(|| ()).id("other"));
    rig.at(10, &["started 10 running", "started 10 running"]);
    assert_eq!(rows(&rig).iter().filter(|row| row.ends_with("running")).count(), 2, "{:?}", rows(&rig));
    let held: Vec<String> = rig.held.runs().iter().map(|(run, _)| run.job.to_string()).collect();
    assert!(held.contains(&"other".to_owned()), "a job in no group waits for none: {held:?}");
    rig.clock.set(second(13));
    while rig.held.runs().iter().any(|(run, _)| run.job.as_str() == "other") {
        let mut held = rig.held.runs();
        let place = held.iter().position(|(run, _)| run.job.as_str() == "other").unwrap();
        let (run, done) = held.remove(place);
        drop(held);
        done.finish(run.execute());
    }
    rig.expect(&["finished 10 succeeded"]);
    // The other one begins in the moment in which the first one ends.
    rig.finish(&["finished 10 succeeded", "started 10 running"]);
    let run = &rig.scheduler.runs_in("default", &RunQuery::default()).unwrap();
    assert!(run.iter().any(|run| run.started == Some(second(13))), "{run:?}");
    rig.finish(&["finished 10 succeeded"]);
}

#[test]
fn what_waits_begins_by_priority_and_then_by_fire_time() {
    let rig = Rig::new();
    rig.add(exclusive("first").priority(100));
    rig.at(10, &["started 10 running"]);
    rig.scheduler.pause("first").unwrap();
    rig.expect(&["job paused"]);
    let at = |id: &str, second_: i64| once(second_).run(|| ()).id(id).group("database", 1);
    for (id, fire, priority) in [("later", 12, 0), ("sooner", 11, 0), ("urgent", 13, 5), ("idle", 11, -5)] {
        rig.add(at(id, fire).priority(priority));
    }
    rig.clock.set(second(15));
    until_waiting(&rig, 4);
    let mut order = Vec::new();
    rig.finish(&["finished 10 succeeded", "started 13 running"]);
    for next in ["started 11 running", "started 12 running", "started 11 running"] {
        order.push(rig.held.some()[0].0.job.to_string());
        let (run, done) = rig.held.take_first();
        let ended = format!("finished {} succeeded", seconds(run.scheduled));
        done.finish(run.execute());
        rig.expect(&[&ended, "job removed", next]);
    }
    order.push(rig.held.some()[0].0.job.to_string());
    assert_eq!(order, ["urgent", "sooner", "later", "idle"]);
}

#[test]
fn each_job_obeys_its_own_limit() {
    let rig = Rig::new();
    let job = |id: &str, limit| every(10.seconds()).run(|| ()).id(id).group("database", limit);
    rig.add(job("two", 2).overlap(Overlap::Allow(3)));
    rig.add(job("one", 1).priority(-1));
    rig.at(10, &["started 10 running"]);
    until_waiting(&rig, 1);
    rig.at(20, &["missed 20 missed: overlap", "started 20 running"]);
    rig.clock.set(second(30));
    rig.expect(&["missed 30 missed: overlap"]);
    until_waiting(&rig, 2);
    // Three may run beside each other by the job's own rule, two by that of its group.
    rig.finish(&["finished 10 succeeded", "started 30 running"]);
    rig.finish(&["finished 20 succeeded"]);
    rig.finish(&["finished 30 succeeded", "started 10 running"]);
    assert_eq!(rig.held.some()[0].0.job.as_str(), "one");
}

#[test]
fn further_fires_of_a_job_that_waits_are_missed_or_folded_by_its_overlap_rule() {
    let rig = Rig::new();
    rig.add(exclusive("holds").overlap(Overlap::Skip).priority(1));
    rig.at(10, &["started 10 running"]);
    rig.scheduler.pause("holds").unwrap();
    rig.expect(&["job paused"]);
    rig.add(exclusive("skips"));
    rig.clock.set(second(20));
    until_waiting(&rig, 1);
    rig.at(30, &["missed 30 missed: overlap"]);
    rig.at(40, &["missed 40 missed: overlap"]);
    rig.finish(&["finished 10 succeeded", "started 20 running"]);
    rig.finish(&["finished 20 succeeded"]);
    assert!(rig.scheduler.remove("skips").is_ok());
    rig.expect(&["job removed"]);
    rig.scheduler.resume("holds").unwrap();
    rig.expect(&["job resumed"]);
    rig.at(50, &["started 50 running"]);
    rig.scheduler.pause("holds").unwrap();
    rig.expect(&["job paused"]);
    for (id, coalesce) in [("latest", Coalesce::Latest), ("earliest", Coalesce::Earliest)] {
        rig.add(exclusive(id).overlap(Overlap::QueueOne).coalesce(coalesce));
    }
    rig.clock.set(second(60));
    until_waiting(&rig, 2);
    rig.clock.set(second(70));
    let folded = ["missed 60 missed: coalesced", "missed 70 missed: coalesced"];
    let mut told: Vec<String> = (0..2)
        .map(|_| crate::rig::describe(&rig.events.next_within(crate::rig::GENEROUS).unwrap()))
        .collect();
    told.sort();
    assert_eq!(told, folded);
    rig.finish(&["finished 50 succeeded", "started 60 running"]);
    rig.finish(&["finished 60 succeeded", "started 70 running"]);
}

#[test]
fn the_misfire_grace_counts_while_a_run_waits_for_its_group() {
    let rig = Rig::new();
    rig.add(exclusive("holds").priority(1));
    rig.at(10, &["started 10 running"]);
    rig.scheduler.pause("holds").unwrap();
    rig.expect(&["job paused"]);
    rig.add(exclusive("in time").misfire_grace(Duration::from_secs(9)));
    rig.add(exclusive("too late").misfire_grace(Duration::from_secs(4)).priority(1));
    rig.add(exclusive("queued").misfire_grace(Duration::from_secs(4)).overlap(Overlap::QueueOne).priority(1));
    rig.clock.set(second(20));
    until_waiting(&rig, 3);
    rig.clock.set(second(25));
    let late = "missed 20 missed: too late";
    // What is missed does not keep the group from the others.
    rig.finish(&["finished 10 succeeded", late, late, "started 20 running"]);
    assert_eq!(rig.held.some()[0].0.job.as_str(), "in time");
}

#[test]
fn a_run_of_a_paused_job_does_not_take_its_turn() {
    let rig = Rig::new();
    rig.add(exclusive("holds").priority(1));
    rig.at(10, &["started 10 running"]);
    rig.scheduler.pause("holds").unwrap();
    rig.expect(&["job paused"]);
    rig.add(exclusive("paused").priority(5));
    rig.add(exclusive("queued").priority(4).overlap(Overlap::QueueOne));
    rig.add(exclusive("next"));
    rig.clock.set(second(20));
    until_waiting(&rig, 3);
    for id in ["paused", "queued"] {
        rig.scheduler.pause(id).unwrap();
        rig.expect(&["job paused"]);
    }
    rig.finish(&["finished 10 succeeded", "started 20 running"]);
    assert_eq!(rig.held.some()[0].0.job.as_str(), "next");
    rig.scheduler.resume("queued").unwrap();
    rig.expect(&["job resumed"]);
    rig.finish(&["finished 20 succeeded", "started 20 running"]);
    assert_eq!(rig.held.some()[0].0.job.as_str(), "queued");
    rig.finish(&["finished 20 succeeded"]);
    rig.scheduler.resume("paused").unwrap();
    rig.expect(&["job resumed", "started 20 running"]);
}

#[test]
fn attempts_and_runs_that_follow_others_wait_too() {
    let rig = Rig::new();
    let retry = Retry::times(1).backoff(Backoff::Fixed(Duration::from_secs(5)));
    let fails = every(10.seconds()).run(|| Err::<(), _>("no")).id("fails").retry(retry);
    rig.add(fails.group("database", 1).priority(2));
    rig.add(
        after("fails").outcome(matins_core::AfterOutcome::Any).run(|| ()).id("follows").group("database", 1),
    );
    rig.at(10, &["started 10 running"]);
    rig.add(once(12).run(|| ()).id("between").group("database", 1));
    rig.clock.set(second(12));
    until_waiting(&rig, 1);
    // While an attempt waits for its backoff, it takes no place in the group.
    rig.finish(&["finished 10 failed", "started 12 running"]);
    rig.clock.set(second(17));
    until_waiting(&rig, 1);
    rig.finish(&["finished 12 succeeded", "job removed", "started 10 running (attempt 2)"]);
    rig.finish(&["finished 10 failed (attempt 2)", "started 17 running"]);
    assert_eq!(rig.held.some()[0].0.job.as_str(), "follows");
}

#[test]
fn of_several_runs_that_follow_and_wait_the_overlap_rule_keeps_one() {
    let rig = Rig::new();
    rig.add(exclusive("holds").overlap(Overlap::Skip));
    rig.add(every(4.seconds()).run(|| ()).id("tick"));
    rig.add(after("tick").run(|| ()).id("follows").group("database", 1));
    rig.at(4, &["started 4 running"]);
    rig.at(8, &["missed 8 missed: overlap"]);
    rig.at(10, &["started 10 running"]);
    rig.finish(&["finished 4 succeeded"]);
    until_waiting(&rig, 1);
    rig.clock.set(second(12));
    rig.expect(&["started 12 running"]);
    let (run, done) = rig.held.runs().pop().unwrap();
    done.finish(run.execute());
    rig.expect(&["finished 12 succeeded", "missed 12 missed: overlap"]);
    rig.finish(&["finished 10 succeeded", "started 10 running"]);
    assert_eq!(rig.held.some()[0].0.job.as_str(), "follows");
}

#[test]
fn a_run_that_somebody_asks_for_waits_for_its_group() {
    let rig = Rig::new();
    rig.add(exclusive("holds"));
    rig.add(exclusive("asked for").paused());
    let first = rig.scheduler.run_now("asked for").unwrap();
    rig.expect(&["started 0 running"]);
    rig.clock.set(second(10));
    until_waiting(&rig, 1);
    rig.finish(&["finished 0 succeeded", "started 10 running"]);
    assert_eq!(first.wait().unwrap().outcome, Some(Outcome::Succeeded));
    let second_one = rig.scheduler.run_now("holds").unwrap();
    until_waiting(&rig, 1);
    assert_eq!(second_one.wait_within(Duration::ZERO).unwrap(), None);
    rig.finish(&["finished 10 succeeded", "started 10 running"]);
    rig.finish(&["finished 10 succeeded"]);
    assert!(second_one.wait().unwrap().manual);
}

#[test]
fn a_job_that_leaves_its_group_begins_at_once_and_a_removed_one_gives_its_turn_to_the_next() {
    let rig = Rig::new();
    rig.add(exclusive("holds").priority(9));
    for (id, priority) in [("leaves", 0), ("grows", 1), ("removed", 2), ("next", 0)] {
        rig.add(exclusive(id).priority(priority));
    }
    rig.at(10, &["started 10 running"]);
    until_waiting(&rig, 4);
    rig.scheduler.modify("leaves", |job| job.policy.group = None).unwrap();
    rig.expect(&["job modified", "started 10 running"]);
    rig.scheduler.modify("grows", |job| job.policy.group = Some(Group::new("database", 2).unwrap())).unwrap();
    rig.expect(&["job modified", "started 10 running"]);
    rig.scheduler.remove("removed").unwrap();
    rig.expect(&["missed 10 missed: job removed", "job removed"]);
    // A run whose job goes counts until it ends.
    rig.scheduler.remove("holds").unwrap();
    rig.expect(&["job removed"]);
    let (run, done) = rig.held.runs().remove(2);
    assert_eq!(run.job.as_str(), "grows");
    done.finish(run.execute());
    rig.expect(&["finished 10 succeeded"]);
    rig.finish(&["finished 10 succeeded", "started 10 running"]);
    assert_eq!(rig.held.runs().last().unwrap().0.job.as_str(), "next");
}

#[test]
fn work_outside_of_the_scheduler_counts_for_its_group() {
    let rig = Rig::new();
    rig.add(exclusive("outside").paused());
    rig.add(exclusive("waits"));
    let occupied = rig.scheduler.occupy("outside", "still running as process 7").unwrap();
    rig.clock.set(second(10));
    until_waiting(&rig, 1);
    rig.at(20, &["missed 20 missed: overlap"]);
    drop(occupied);
    rig.expect(&["started 10 running"]);
}

#[test]
fn what_waits_for_its_group_is_in_the_ledger_and_begins_after_a_crash() {
    let (directory, left) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let open = |directory: &Path| FileStore::open(directory.join("jobs")).unwrap();
    let job = |id: &str| every(10.seconds()).task("task").id(id).group("database", 1);
    {
        let rig = Rig::with(open(directory.path()), 10, Retention::default());
        rig.scheduler.register("task", || ()).unwrap();
        rig.add(job("holds").priority(1).on_interrupt(OnInterrupt::RunAgain));
        rig.add(job("skips"));
        rig.add(job("queues").overlap(Overlap::QueueOne));
        rig.at(10, &["started 10 running"]);
        until_waiting(&rig, 2);
        // What a process that is killed now leaves behind.
        std::fs::create_dir(left.path().join("jobs")).unwrap();
        for file in std::fs::read_dir(directory.path().join("jobs")).unwrap().map(Result::unwrap) {
            std::fs::copy(file.path(), left.path().join("jobs").join(file.file_name())).unwrap();
        }
    }
    let rig = Rig::with(open(left.path()), 10, Retention::default());
    rig.scheduler.register("task", || ()).unwrap();
    rig.clock.set(second(15));
    let mut order = Vec::new();
    for _ in 0..3 {
        let (run, done) = rig.held.take_first();
        assert!(rig.held.runs().is_empty(), "one at a time");
        order.push((run.job.to_string(), seconds(run.scheduled), run.attempt));
        done.finish(run.execute());
    }
    order[1..].sort();
    let expected = [("holds", 10, 2), ("queues", 10, 1), ("skips", 10, 1)];
    assert_eq!(order, expected.map(|(job, fire, attempt)| (job.to_owned(), fire, attempt)));
}

#[test]
fn a_group_that_is_not_valid_is_refused_when_the_job_is_added() {
    let rig = Rig::new();
    let none = rig.scheduler.add(every(10.seconds()).run(|| ()).group("database", 0)).unwrap_err();
    assert!(matches!(none, SchedulerError::Group(_)), "{none}");
    assert!(none.to_string().contains("at least 1"), "{none}");
    let name = rig.scheduler.add(every(10.seconds()).run(|| ()).group("", 1)).unwrap_err();
    assert!(name.to_string().contains("group name"), "{name}");
}
