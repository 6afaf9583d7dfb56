//! Answers about days on which clocks change, and about a clock that was wrong.

use std::any::Any;

use matins_conformance::vectors;
use matins_core::Outcome;
use matins_triggers::{CronTrigger, DateTrigger, LocalTime};

use super::super::*;
use super::scene::Scene;
use crate::HistoryEvent;

#[test]
fn a_time_in_a_gap() {
    let mut scene = Scene::new();
    scene.asked(
        "2026-03-29T02:30",
        ExplanationKind::InGap,
        &[
            "does not exist in Europe/Berlin (clocks go from 02:00 to 03:00)",
            "so it fires at 03:00",
            "in 87 d",
        ],
    );
    scene.now("2026-04-01T00:00:00Z");
    let run = scene.ran("2026-03-29T01:00:00Z", TimeDelta::milliseconds(4), Outcome::Succeeded);
    let why = scene.asked(
        "2026-03-29T02:30",
        ExplanationKind::InGap,
        &["so it fired at 03:00", "Run 1 succeeded in 2 min, 4 ms late"],
    );
    assert_eq!(why.run, Some(run));
    scene.asked("2026-03-29T02:45", ExplanationKind::InGap, &["Minute 45 is not in 30"]);

    let often = CronTrigger::parse("*/30 * * * *", "Europe/Berlin").unwrap();
    let scene = Scene::of(often, "2026-01-01T00:00:00Z", |job| job);
    let words = ["follows the time that passes", "at 01:30 on 29 March 2026 and at 03:00 on 29 March 2026"];
    scene.asked("2026-03-29T02:30", ExplanationKind::InGap, &words);
}

#[test]
fn the_second_pass_of_an_overlap() {
    let mut scene = Scene::new();
    scene.now("2026-11-01T00:00:00Z");
    scene.ran("2026-10-25T00:30:00Z", TimeDelta::zero(), Outcome::Failed);
    let words = ["the second time that the clocks of Europe/Berlin show 02:30", "1 h before", "Run 1 failed"];
    scene.asked(
        "2026-10-25T02:30:00+01:00",
        ExplanationKind::SecondPass,
        &[&words[..1], &words[2..]].concat(),
    );
    let words = ["comes twice in Europe/Berlin", "the first of the two", "Run 1 failed"];
    scene.asked("2026-10-25T02:30", ExplanationKind::Ran, &words);

    let often = CronTrigger::parse("*/30 * * * *", "Europe/Berlin").unwrap();
    let scene = Scene::of(often, "2026-01-01T00:00:00Z", |job| job);
    scene.asked(
        "2026-10-25T02:30",
        ExplanationKind::WillFire,
        &["both count", "For the first: ", "For the second: "],
    );
}

/// Samoa had no 30 December 2011.
#[test]
fn a_time_that_a_correction_skips_does_not_fire() {
    let noon = CronTrigger::parse("0 12 * * *", "Pacific/Apia").unwrap();
    let scene = Scene::of(noon, "2011-12-01T00:00:00Z", |job| job);
    let words =
        ["clocks go from 2011-12-30 00:00 to 2011-12-31 00:00", "three hours or more", "nothing fires"];
    scene.asked("2011-12-30T12:00", ExplanationKind::InGap, &words);
    // Midnight of the 31st is a fire of its own, and stands for none of the 30th.
    let twice = CronTrigger::parse("0 0,12 * * *", "Pacific/Apia").unwrap();
    Scene::of(twice, "2011-12-01T00:00:00Z", |job| job).asked(
        "2011-12-30T12:00",
        ExplanationKind::InGap,
        &["nothing fires"],
    );
    let date = DateTrigger::parse("2011-12-30T12:00", "Pacific/Apia".parse().unwrap()).unwrap();
    Scene::of(date, "2011-12-01T00:00:00Z", |job| job).asked(
        "2011-12-30T12:00",
        ExplanationKind::InGap,
        &["fires at 2011-12-31 00:00"],
    );
}

#[test]
fn a_time_that_a_correction_shows_again_fires_again() {
    let night = CronTrigger::parse("30 1 * * *", "Antarctica/Casey").unwrap();
    let scene = Scene::of(night, "2010-03-01T00:00:00Z", |job| job);
    scene.asked(
        "2010-03-05T01:30",
        ExplanationKind::WillFire,
        &["comes twice", "three hours or more", "both count"],
    );
}

/// Every fire of the vectors for days on which the clocks change is told as one; what was moved out of a gap is told by the
/// time that does not exist, and the second pass of an overlap by the first.
#[test]
fn the_days_of_the_vectors_on_which_the_clocks_change() {
    let (mut gaps, mut second_passes) = (0, 0);
    for vector in vectors::read(include_str!("../../../../conformance/vectors/rule.jsonl")).unwrap() {
        let Ok(Some(trigger)) = vector.trigger() else { continue };
        let any: &dyn Any = &*trigger;
        let Some(cron) = any.downcast_ref::<CronTrigger>().cloned() else { continue };
        if vector.fires.is_empty() {
            continue;
        }
        let (zone, fixed) = (cron.zone(), cron.expression().is_fixed());
        let scene = Scene::of(cron.clone(), &vector.after.to_rfc3339(), |job| job);
        for fire in &vector.fires {
            let why = scene.asked(&fire.to_rfc3339(), ExplanationKind::WillFire, &[]);
            assert_eq!(why.at, *fire);
            let shown = zone.local(*fire);
            if fixed && !cron.expression().excluded_by(shown).is_empty() {
                // What it would have been, within the three hours before.
                let wanted = (1..=180).map(|minutes| shown - TimeDelta::minutes(minutes)).find(|local| {
                    matches!(zone.local_time(*local), Some(LocalTime::Skipped { .. }))
                        && cron.expression().excluded_by(*local).is_empty()
                });
                if let Some(local) = wanted {
                    let text = local.format("%Y-%m-%dT%H:%M:%S").to_string();
                    let why =
                        scene.asked(&text, ExplanationKind::InGap, &["does not exist in", "fixed time"]);
                    assert_eq!(why.at, *fire, "{}", vector.id);
                    gaps += 1;
                }
            }
            if let Some(LocalTime::Twice { first, second }) = zone.local_time(shown)
                && fixed
                && first == *fire
            {
                let why =
                    scene.asked(&second.to_rfc3339(), ExplanationKind::SecondPass, &["the second time"]);
                assert_eq!(why.at, first, "{}", vector.id);
                second_passes += 1;
            }
        }
    }
    assert!(gaps > 10 && second_passes > 10, "{gaps} gaps, {second_passes} second passes");
}

/// A daemon that ran once in 2037 and was restarted with the right clock said "in 3688 d", and nothing of the clock.
#[test]
fn a_clock_that_was_wrong() {
    let scene = Scene::new();
    scene.now("2026-02-10T00:00:00Z");
    let what = HistoryEvent::ClockCorrected { by_seconds: 360_000_000, jobs: 3 };
    scene.note("2026-02-05T12:00:00Z", what, "matins");
    let words = ["The system's clock was ahead by 4166 d 16 h or more", "found at 13:00 on 5 February 2026"];
    scene.asked("2026-02-04T02:30", ExplanationKind::NotRecorded, &words);
    let after = explain(&scene.operator, "backup", "2026-02-06T02:30").unwrap();
    assert!(!after.answer.contains("clock was ahead"), "{}", after.answer);
    let to_come = explain(&scene.operator, "backup", "2026-02-12T02:30").unwrap();
    assert_eq!(to_come.kind, ExplanationKind::WillFire);
    assert!(!to_come.answer.contains("clock was ahead"), "{}", to_come.answer);
}
