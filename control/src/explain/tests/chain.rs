//! A job that runs after another: `backup` follows `dump` here.

use chrono::TimeDelta;
use matins_core::{AfterOutcome, FireRange, JobId, MissedReason, Outcome, RunId};
use matins_scheduler::Schedule;
use matins_triggers::{AfterTrigger, CronTrigger};

use super::scene::{Scene, instant};
use crate::ExplanationKind;
use crate::HistoryEvent;
use crate::{Request, RunView, RunsRequest};

fn scene() -> Scene {
    let after = AfterTrigger::new(JobId::new("dump").unwrap(), AfterOutcome::Succeeded);
    let scene = Scene::of(after, "2026-01-01T00:00:00Z", |job| job);
    let dump = CronTrigger::parse("0 2 * * *", "UTC").unwrap();
    scene.operator.handle().add(dump.task("command").id("dump")).unwrap();
    scene.now("2026-02-10T00:00:00Z");
    scene
}

/// A run of `dump`, an hour and a half long.
fn dumped(scene: &mut Scene, due: &str, outcome: Outcome, attempt: u32) -> u64 {
    let due = instant(due);
    scene.put(|run| {
        run.job = JobId::new("dump").unwrap();
        (run.fires, run.attempt) = (FireRange::single(due), attempt);
        let begun = due + TimeDelta::hours(2) * (attempt as i32 - 1);
        (run.started, run.finished) = (Some(begun), Some(begun + TimeDelta::minutes(90)));
        run.outcome = Some(outcome);
    })
}

#[test]
fn a_run_tells_what_it_followed_whenever_it_is_asked_for() {
    let mut scene = scene();
    let dump = dumped(&mut scene, "2026-02-01T02:00:00Z", Outcome::Succeeded, 1);
    let run = scene.put(|run| {
        run.fires = FireRange::single(instant("2026-02-01T03:30:00Z"));
        run.cause = Some(RunId(dump));
        (run.started, run.finished) = (Some(run.scheduled()), Some(run.scheduled()));
        run.outcome = Some(Outcome::Succeeded);
    });
    let followed = "It followed run 1 of dump, which succeeded at 03:30 on 1 February 2026.";
    for time in ["2026-02-01T03:30", "2026-02-01T03:30:00Z", "2026-02-01T02:00", "2026-02-01T02:45"] {
        let why = scene.asked(time, ExplanationKind::Ran, &["Run 2 succeeded in 0 ms", followed]);
        assert_eq!((why.run, why.cause), (Some(run), Some(dump)));
        assert!(!why.answer.contains("trigger"), "{}", why.answer);
    }
    let mut shown = Vec::new();
    let keep = &mut |run: serde_json::Value| {
        shown.push(run);
        true
    };
    let runs = Request::Runs(RunsRequest::default());
    scene.operator.answer(runs, "ada", &[], keep).unwrap();
    let none = &mut |_: serde_json::Value| true;
    shown.push(scene.operator.answer(Request::Run { run, store: None }, "ada", &[], none).unwrap());
    for shown in [&shown[0], &shown[2]] {
        assert_eq!((&shown["cause"], &shown["cause_job"]), (&1.into(), &"dump".into()));
        let view: RunView = serde_json::from_value(shown.clone()).unwrap();
        assert_eq!(view.cause(), Some("run 1 of dump".to_owned()));
    }
}

#[test]
fn why_there_was_none() {
    let mut scene = scene();
    scene.asked(
        "2026-02-20T02:00",
        ExplanationKind::NotInTrigger,
        &["runs after dump has succeeded", "The next fire of dump is at 02:00"],
    );
    scene.asked(
        "2026-02-01T02:00",
        ExplanationKind::NotFollowed,
        &["No run of dump is recorded from before that"],
    );

    let failed = dumped(&mut scene, "2026-02-01T02:00:00Z", Outcome::Failed, 1);
    let words =
        ["backup runs after dump has succeeded, and at no time of its own.", "Run 1 of dump failed at 03:30"];
    let why = scene.asked("2026-02-01T02:00", ExplanationKind::NotFollowed, &words);
    assert_eq!((why.run, why.cause), (None, Some(failed)));
    scene.asked("2026-02-01T14:00", ExplanationKind::NotFollowed, &words);

    dumped(&mut scene, "2026-02-02T02:00:00Z", Outcome::Failed, 1);
    dumped(&mut scene, "2026-02-02T02:00:00Z", Outcome::TimedOut, 2);
    let words = ["Run 2 of dump failed at 03:30", "was tried again", "Run 3 of dump timed out at 05:30"];
    scene.asked("2026-02-02T02:00", ExplanationKind::NotFollowed, &words[2..]);
    scene.asked("2026-02-02T03:00", ExplanationKind::NotFollowed, &words[2..]);

    scene.put(|run| {
        run.job = JobId::new("dump").unwrap();
        run.fires = FireRange::single(instant("2026-02-03T02:00:00Z"));
        run.finished = Some(run.scheduled());
        run.outcome = Some(Outcome::Missed(MissedReason::Overlap));
    });
    let words = ["The fire of dump at 02:00 on 3 February 2026 was missed (an earlier run was still going)"];
    scene.asked("2026-02-03T02:00", ExplanationKind::NotFollowed, &words);

    dumped(&mut scene, "2026-02-04T02:00:00Z", Outcome::Succeeded, 1);
    scene.asked(
        "2026-02-04T02:00",
        ExplanationKind::NotRecorded,
        &["Run 5 of dump succeeded", "Nothing is recorded"],
    );
    scene.note("2026-02-04T00:00:00Z", HistoryEvent::Paused { job: "backup".into() }, "ada (uid 1000)");
    scene.note("2026-02-04T12:00:00Z", HistoryEvent::Resumed { job: "backup".into() }, "ada (uid 1000)");
    let words = [
        "Run 5 of dump succeeded",
        "backup was paused at 00:00 on 4 February 2026 by ada (uid 1000), and resumed",
    ];
    scene.asked("2026-02-04T02:00", ExplanationKind::Paused, &words);
}
