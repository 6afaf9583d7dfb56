//! Each kind of answer, from a ledger and a history as the scheduler leaves them; and the days of the vectors on which the
//! clocks change.

mod chain;
mod clock_changes;
mod scene;

use std::sync::Arc;

use matins_core::{FireRange, JobId, MissedReason, Outcome, Trigger};
use matins_scheduler::Schedule;
use matins_triggers::{CronTrigger, DateTrigger, IntervalTrigger, JitterTrigger};

use super::fire_before::fire_before;
use super::*;
use crate::HistoryEvent;
use crate::{Request, RunsRequest};
use scene::{Scene, instant};

#[test]
fn a_time_that_is_not_in_the_trigger() {
    let scene = Scene::new();
    scene.now("2026-02-10T00:00:00Z");
    let words =
        ["did not fire", "hour 10 is not in 2", "02:30 on 1 February 2026 and at 02:30 on 2 February 2026"];
    let why = scene.asked("2026-02-01T10:30", ExplanationKind::NotInTrigger, &words);
    assert_eq!(why.fire_before, Some(instant("2026-02-01T01:30:00Z")));
    assert_eq!(why.fire_after, Some(instant("2026-02-02T01:30:00Z")));
    scene.asked(
        "2026-02-20T02:31",
        ExplanationKind::NotInTrigger,
        &["does not fire", "minute 31 is not in 30"],
    );
    scene.note("2026-02-05T00:00:00Z", HistoryEvent::Edited { job: "backup".into() }, "bob (uid 1001)");
    scene.asked(
        "2026-02-01T10:30",
        ExplanationKind::NotInTrigger,
        &["was changed at 01:00 on 5 February 2026 by bob"],
    );
}

#[test]
fn paused_then_and_by_whom() {
    let scene = Scene::new();
    scene.note("2026-02-01T00:00:00Z", HistoryEvent::Paused { job: "backup".into() }, "ada (uid 1000)");
    scene.note("2026-02-03T00:00:00Z", HistoryEvent::Resumed { job: "backup".into() }, "bob (uid 1001)");
    scene.now("2026-02-10T00:00:00Z");
    let words = [
        "was paused at 01:00 on 1 February 2026 by ada",
        "resumed at 01:00 on 3 February 2026 by bob",
        "did not fire",
    ];
    scene.asked("2026-02-02T02:30", ExplanationKind::Paused, &words);
    scene.asked("2026-02-04T02:30", ExplanationKind::NotRecorded, &[]);
    scene.operator.handle().pause("backup").unwrap();
    scene.asked("2026-02-12T02:30", ExplanationKind::Paused, &["is paused", "only if it is resumed"]);
    scene.note("2026-02-10T00:00:00Z", HistoryEvent::Paused { job: "backup".into() }, "eve (uid 1002)");
    scene.asked("2026-02-12T02:30", ExplanationKind::Paused, &["by eve", "and is still"]);
}

#[test]
fn later_than_its_grace_allows() {
    let mut scene = Scene::with(|job| job.misfire_grace(std::time::Duration::from_secs(600)));
    scene.now("2026-02-10T00:00:00Z");
    let due = "2026-02-01T01:30:00Z";
    scene.missed(due, due, 1, MissedReason::TooLate, "2026-02-01T02:30:00Z");
    scene.asked(
        "2026-02-01T02:30",
        ExplanationKind::TooLate,
        &["it came 1 h late, and may be 10 min late"].map(|words| words),
    );
}

#[test]
fn folded_into_another_fire() {
    let mut scene = Scene::new();
    scene.now("2026-02-10T00:00:00Z");
    let back = "2026-02-04T02:00:00Z";
    scene.missed("2026-02-01T01:30:00Z", "2026-02-03T01:30:00Z", 3, MissedReason::Coalesced, back);
    scene.ran("2026-02-04T01:30:00Z", TimeDelta::minutes(30), Outcome::Succeeded);
    let words = ["folded, as 3 were, into that of 02:30 on 4 February 2026, as run 2"];
    scene.asked("2026-02-02T02:30", ExplanationKind::Coalesced, &words);

    // The one that was to stand for them was missed too: no run from another day is named.
    let mut scene = Scene::new();
    scene.now("2026-02-10T00:00:00Z");
    scene.ran("2026-01-31T01:30:00Z", TimeDelta::zero(), Outcome::Succeeded);
    scene.missed("2026-02-01T01:30:00Z", "2026-02-03T01:30:00Z", 3, MissedReason::Coalesced, back);
    let why = scene.asked("2026-02-02T02:30", ExplanationKind::Coalesced, &["they were due together"]);
    assert!(!why.answer.contains("as run"), "{}", why.answer);
}

#[test]
fn an_earlier_run_was_going() {
    let mut scene = Scene::new();
    scene.now("2026-02-10T00:00:00Z");
    let long = scene.put(|run| {
        run.started = Some(run.scheduled());
        run.finished = Some(run.scheduled() + TimeDelta::hours(30));
        run.outcome = Some(Outcome::Succeeded);
    });
    let due = "2026-02-02T01:30:00Z";
    scene.missed(due, due, 1, MissedReason::Overlap, "2026-02-02T01:30:00.005Z");
    let run = format!("run {long}, which had begun at 02:30:00 and was until 08:30:00, was going");
    scene.asked("2026-02-02T02:30", ExplanationKind::Overlap, &[&run]);
}

#[test]
fn a_run_of_a_scheduler_that_was_killed_is_not_said_to_go_on() {
    let mut scene = Scene::new();
    scene.now("2026-02-10T00:00:00Z");
    scene.put(|run| run.started = Some(run.scheduled()));
    let due = "2026-02-02T01:30:00Z";
    scene.missed(due, due, 1, MissedReason::Overlap, "2026-02-02T01:30:00.005Z");
    scene.asked("2026-02-01T02:30", ExplanationKind::Running, &["has been going since 02:30:00"]);
    scene.asked("2026-02-02T02:30", ExplanationKind::Overlap, &["and is still"]);
    scene.process.goes_down();
    scene.asked(
        "2026-02-01T02:30",
        ExplanationKind::SchedulerDown,
        &["had begun at 02:30:00 when the scheduler went"],
    );
    scene.asked("2026-02-02T02:30", ExplanationKind::Overlap, &["was until the scheduler went"]);
}

/// A run that an executor has taken and not begun: the scheduler here is never driven, so that nothing begins.
#[test]
fn a_queued_run_is_not_said_to_run() {
    let scene = Scene::new();
    scene.now("2026-02-10T00:00:00Z");
    let _outcome = scene.operator.handle().run_now("backup").unwrap();
    scene.asked(
        "2026-02-10T01:00",
        ExplanationKind::Queued,
        &["Run 1 has been queued since 01:00:00", "no thread is free"],
    );
    let mut shown = Vec::new();
    let runs = Request::Runs(RunsRequest::default());
    let keep = &mut |run: serde_json::Value| {
        shown.push(run);
        true
    };
    scene.operator.answer(runs, "ada", &[], keep).unwrap();
    assert_eq!((&shown[0]["state"], &shown[0]["started"]), (&"queued".into(), &serde_json::Value::Null));
    let run = scene
        .operator
        .answer(Request::Run { run: 1, store: None }, "ada", &[], &mut |_: serde_json::Value| true)
        .unwrap();
    assert_eq!(run["state"], "queued");
    let status =
        scene.operator.answer(Request::Status, "ada", &[], &mut |_: serde_json::Value| true).unwrap();
    assert_eq!(status["running"][0]["state"], "queued");
}

/// The other job of the group has the number of its run from the scheduler.
#[test]
fn a_run_that_waits_or_has_waited_for_its_group_says_for_which_run() {
    let mut scene = Scene::with(|job| job.group("database", 1));
    let hourly = CronTrigger::parse("0 * * * *", "Europe/Berlin").unwrap();
    let vacuum = hourly.task("command").id("vacuum").group("database", 1);
    scene.operator.handle().add(vacuum).unwrap();
    scene.now("2026-02-01T01:31:00Z");
    let vacuum = scene.put(|run| {
        run.job = JobId::new("vacuum").unwrap();
        run.started = Some(run.scheduled() - TimeDelta::minutes(5));
    });
    let waits = scene.put(|_| {});
    let words = [
        format!("Run {waits} waits for its group database, of which 1 may be in progress at once"),
        format!("run {vacuum} of vacuum has not ended"),
    ];
    scene.asked("2026-02-01T02:30", ExplanationKind::Running, &words.each_ref().map(String::as_str));

    let mut scene = Scene::with(|job| job.group("database", 1));
    let hourly = CronTrigger::parse("0 * * * *", "Europe/Berlin").unwrap();
    let vacuum = hourly.task("command").id("vacuum").group("database", 1);
    scene.operator.handle().add(vacuum).unwrap();
    scene.now("2026-02-10T00:00:00Z");
    scene.put(|run| {
        run.job = JobId::new("vacuum").unwrap();
        run.started = Some(run.scheduled() - TimeDelta::minutes(5));
        run.finished = Some(run.scheduled() + TimeDelta::minutes(5));
        run.outcome = Some(Outcome::Succeeded);
    });
    scene.ran("2026-02-01T01:30:00Z", TimeDelta::minutes(5), Outcome::Succeeded);
    let words = ["5 min late, after it had waited for its group database: run 1 of vacuum was in progress"];
    scene.asked("2026-02-01T02:30", ExplanationKind::Ran, &words);
}

/// Its command is one that a daemon which was killed has left running.
#[test]
fn work_that_is_not_the_schedulers_own_was_in_the_way() {
    let mut scene = Scene::new();
    scene.now("2026-02-10T00:00:00Z");
    scene.put(|run| {
        run.finished = Some(run.scheduled());
        run.outcome = Some(Outcome::Missed(MissedReason::Overlap));
        run.message = Some("the command of run 7 is still running".into());
    });
    scene.asked(
        "2026-02-01T02:30",
        ExplanationKind::Overlap,
        &["missed, because the command of run 7 is still running"],
    );
}

#[test]
fn the_executor_was_full() {
    let mut scene = Scene::new();
    scene.now("2026-02-10T00:00:00Z");
    let due = "2026-02-02T01:30:00Z";
    scene.missed(due, due, 1, MissedReason::ExecutorFull, "2026-02-02T01:30:00.005Z");
    scene.asked("2026-02-02T02:30", ExplanationKind::ExecutorFull, &["no room"]);
}

#[test]
fn due_several_times_in_the_minute_that_was_named() {
    let every = IntervalTrigger::new(instant("2026-01-01T00:00:00.5Z"), TimeDelta::seconds(20)).unwrap();
    let mut scene = Scene::of(every, "2026-01-01T00:00:00.5Z", |job| job);
    scene.now("2026-01-01T00:10:00Z");
    // At the instant at which it is added it does not fire, though its trigger has it.
    scene.asked("2026-01-01T00:00", ExplanationKind::NotYetAdded, &["was added at 00:00:00.500"]);
    for second in ["00:20", "00:40", "01:00", "01:20"] {
        scene.ran(&format!("2026-01-01T00:{second}.5Z"), TimeDelta::zero(), Outcome::Succeeded);
    }
    let words = ["was due 2 times in that minute: 2 succeeded", "The first was due at 00:00:20.500", "Run 1"];
    scene.asked("2026-01-01T00:00", ExplanationKind::Ran, &words);
    // A first attempt that failed does not count where the second succeeded.
    scene.ran("2026-01-01T00:01:40.5Z", TimeDelta::zero(), Outcome::Failed);
    scene.put(|run| {
        run.fires = FireRange::single(instant("2026-01-01T00:01:40.5Z"));
        (run.attempt, run.outcome) = (2, Some(Outcome::Succeeded));
    });
    scene.asked("2026-01-01T00:01", ExplanationKind::Ran, &["was due 3 times in that minute: 3 succeeded"]);
    for second in ["03:00", "03:20"] {
        scene.ran(&format!("2026-01-01T00:{second}.5Z"), TimeDelta::zero(), Outcome::Succeeded);
    }
    let due = "2026-01-01T00:03:40.5Z";
    scene.missed(due, due, 1, MissedReason::ExecutorFull, due);
    let words = [
        "3 times in that minute: 1 missed: executor full, 2 succeeded",
        "did not succeed was due at 00:03:40.500",
        "no room",
    ];
    scene.asked("2026-01-01T00:03", ExplanationKind::ExecutorFull, &words);
    scene.asked("2026-01-01T00:03:00", ExplanationKind::Ran, &["Run 7 succeeded"]);
}

#[test]
fn the_scheduler_was_down() {
    let mut scene = Scene::new();
    scene.note("2026-02-01T12:00:00Z", HistoryEvent::Stopped, "root (uid 0)");
    scene.note("2026-02-03T12:00:00Z", HistoryEvent::Started, "root (uid 0)");
    scene.now("2026-02-10T00:00:00Z");
    let words = ["down from 13:00 on 1 February 2026 to 13:00 on 3 February 2026"];
    scene.asked("2026-02-02T02:30", ExplanationKind::SchedulerDown, &words);
    // What came of it when it was back.
    scene.ran("2026-02-03T01:30:00Z", TimeDelta::minutes(630), Outcome::Succeeded);
    scene.asked(
        "2026-02-03T02:30",
        ExplanationKind::SchedulerDown,
        &[words[0], "Run 1 succeeded in 2 min, 10 h 30 min late"],
    );
    // Killed: it did not say when. Its last sign of life is a run.
    scene.ran("2026-02-05T01:30:00Z", TimeDelta::zero(), Outcome::Succeeded);
    scene.note("2026-02-07T12:00:00Z", HistoryEvent::Started, "root (uid 0)");
    let words = ["some time after 02:32 on 5 February 2026 (it was killed", "to 13:00 on 7 February 2026"];
    scene.asked("2026-02-06T02:30", ExplanationKind::SchedulerDown, &words);
    scene.asked("2026-02-08T02:30", ExplanationKind::NotRecorded, &[]);
    // And nobody has started it again.
    scene.note("2026-02-09T00:00:00Z", HistoryEvent::Stopped, "root (uid 0)");
    scene.process.goes_down();
    scene.asked(
        "2026-02-09T02:30",
        ExplanationKind::SchedulerDown,
        &["has been down since 01:00 on 9 February 2026"],
    );
    scene.asked("2026-02-11T02:30", ExplanationKind::WillFire, &["has to run by then"]);
}

#[test]
fn the_job_was_not_there_yet_or_not_any_more() {
    let mut scene = Scene::new();
    scene.now("2026-02-10T00:00:00Z");
    let words = ["did not exist yet: it was added at 01:00 on 1 January 2026 by ada (uid 1000)"];
    scene.asked("2025-12-24T02:30", ExplanationKind::NotYetAdded, &words);

    scene.ran("2026-02-01T01:30:00Z", TimeDelta::zero(), Outcome::Succeeded);
    scene.operator.handle().remove("backup").unwrap();
    scene.note("2026-02-05T00:00:00Z", HistoryEvent::Removed { job: "backup".into() }, "eve (uid 1002)");
    // Its zone went with its trigger: times are UTC now.
    scene.asked(
        "2026-02-06T01:30",
        ExplanationKind::Removed,
        &["removed before that, at 00:00 on 5 February 2026 by eve"],
    );
    scene.asked("2026-02-01T01:30", ExplanationKind::Ran, &["Run 1 succeeded"]);
    let gone = "2026-02-05T01:30:00Z";
    scene.missed(gone, gone, 1, MissedReason::JobRemoved, gone);
    scene.asked("2026-02-05T01:30", ExplanationKind::Removed, &["the job was removed at 00:00:00 by eve"]);
    assert!(
        explain(&scene.operator, "restore", "2026-02-05T01:30")
            .unwrap_err()
            .message
            .contains("there is no job")
    );
}

#[test]
fn it_ran_it_runs_it_will() {
    let mut scene = Scene::new();
    scene.now("2026-02-10T00:00:00Z");
    let outcomes = [
        (Outcome::Succeeded, "succeeded in 2 min, 1 s late"),
        (Outcome::Failed, "failed in 2 min"),
        (Outcome::TimedOut, "timed out in 2 min"),
        (Outcome::Cancelled, "was cancelled in 2 min"),
        (Outcome::Interrupted, "was interrupted: its process ended before it had, begun 1 s late"),
    ];
    for (day, (outcome, words)) in outcomes.into_iter().enumerate() {
        let number = scene.ran(&format!("2026-02-0{}T01:30:00Z", day + 1), TimeDelta::seconds(1), outcome);
        let why = scene.asked(&format!("2026-02-0{}T02:30", day + 1), ExplanationKind::Ran, &[words]);
        assert_eq!(why.run, Some(number));
    }
    // The last attempt is what counts.
    let due = instant("2026-02-01T01:30:00Z");
    scene.put(|run| {
        (run.fires, run.attempt, run.started) =
            (FireRange::single(due), 2, Some(due + TimeDelta::minutes(9)));
        (run.finished, run.outcome) = (Some(due + TimeDelta::minutes(10)), Some(Outcome::Failed));
        run.message = Some("exited with status 3".into());
    });
    scene.asked(
        "2026-02-01T02:30",
        ExplanationKind::Ran,
        &["failed in 1 min, 9 min late, at attempt 2: exited with status 3"],
    );
    scene.asked(
        "2026-02-10T02:30",
        ExplanationKind::WillFire,
        &["will fire at 02:30 on 10 February 2026, in 1 h 30 min"],
    );
}

#[test]
fn a_fire_with_a_jitter_is_found_by_its_plain_time() {
    let nightly = CronTrigger::parse("30 2 * * *", "Europe/Berlin").unwrap();
    let jitter = JitterTrigger::new(Arc::new(nightly), TimeDelta::minutes(40), 7).unwrap();
    let fire = jitter.next_after(instant("2026-02-01T01:29:59Z")).unwrap();
    let scene = Scene::of(jitter, "2026-01-01T00:00:00Z", |job| job);
    assert_eq!(scene.asked("2026-02-01T02:30", ExplanationKind::WillFire, &[]).at, fire);
    scene.asked("2026-02-01T10:30", ExplanationKind::NotInTrigger, &["hour 10 is not in 2"]);
    scene.asked("2026-03-29T02:30", ExplanationKind::InGap, &["fires at 03:00"]);
}

#[test]
fn a_time_without_its_second_means_any_of_the_minute() {
    let every = IntervalTrigger::new(instant("2026-01-01T00:00:12.345678Z"), TimeDelta::minutes(10)).unwrap();
    let scene = Scene::of(every, "2026-01-01T00:00:00Z", |job| job);
    let why = scene.asked("2026-01-01T00:20", ExplanationKind::WillFire, &["00:20:12.345"]);
    assert_eq!(why.at, instant("2026-01-01T00:20:12.345678Z"));
    scene.asked("2026-01-01T00:20:12", ExplanationKind::WillFire, &[]);
    scene.asked("2026-01-01T00:20:13", ExplanationKind::NotInTrigger, &[]);
    scene.asked("2026-01-01T00:21", ExplanationKind::NotInTrigger, &[]);
}

#[test]
fn what_the_ledger_has_forgotten() {
    let mut scene = Scene::new();
    scene.now("2026-03-01T00:00:00Z");
    scene.ran("2026-02-20T01:30:00Z", TimeDelta::zero(), Outcome::Succeeded);
    let words = ["nothing is recorded", "goes back to 02:30 on 20 February 2026"];
    let why = explain(&scene.operator, "backup", "2026-02-10T02:30").unwrap();
    assert_eq!(why.kind, ExplanationKind::NotRecorded);
    assert!(
        words.iter().all(|words| why.answer.to_lowercase().contains(&words.to_lowercase())),
        "{}",
        why.answer
    );
}

#[test]
fn the_fire_before_is_the_one_whose_successor_it_is() {
    for (expression, at) in [
        ("*/5 * * * *", "2026-03-29T01:02:03Z"),
        ("30 2 * * *", "2026-03-29T12:00:00Z"),
        ("0 0 29 2 *", "2103-01-01T00:00:00Z"),
        ("0 0 * * SUN#5", "2026-11-25T00:00:00Z"),
    ] {
        let trigger = CronTrigger::parse(expression, "Europe/Berlin").unwrap();
        let before = fire_before(&trigger, instant(at)).unwrap();
        assert!(before < instant(at));
        assert_eq!(trigger.next_after(before - TICK), Some(before), "it is a fire");
        assert!(trigger.next_after(before).unwrap() >= instant(at), "{expression}: and the last one");
    }
    assert_eq!(
        fire_before(&DateTrigger::new(instant("2026-01-02T00:00:00Z")), instant("2026-01-01T00:00:00Z")),
        None
    );
}
