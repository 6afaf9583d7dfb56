//! What triggers answer when the clock was set back: which are at fixed times, and which count from when their jobs were added.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use matins_core::{IntoTrigger, Trigger};
use matins_triggers::{
    CalendarTrigger, Combine, CronTrigger, IntervalTrigger, JitterTrigger, NeverTrigger, TimeUnits, at, cron,
    every,
};

fn instant(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn built(sentence: impl IntoTrigger) -> Arc<dyn Trigger> {
    sentence.into_trigger(instant("2037-05-05T12:00:00Z")).unwrap()
}

#[test]
fn fixed_local_times_are_told_from_elapsed_time() {
    let daily = CalendarTrigger::from_date("2026-01-01".parse().unwrap()).days(1).build().unwrap();
    let fixed: [Arc<dyn Trigger>; 9] = [
        built(cron("30 9 * * *")),
        built(cron("@daily")),
        built(cron("*/10 30 9,10 * * *")),
        built(at("2040-01-01T00:00:00Z")),
        Arc::new(daily),
        built(cron("30 9 * * *").jitter(5.minutes())),
        built(cron("30 9 * * *").or(cron("0 18 * * FRI"))),
        built(cron("0 9 * * *").and(every(1.minutes()).starting(instant("2026-01-01T00:00:00Z")))),
        built(cron("0 9 * * *").not_before(instant("2026-01-01T00:00:00Z")).except(cron("0 9 1 * *"))),
    ];
    let elapsed: [Arc<dyn Trigger>; 8] = [
        built(every(10.seconds())),
        built(every(1.days())),
        built(cron("* * * * *")),
        built(cron("@hourly")),
        built(cron("30 */2 * * *")),
        built(every(10.seconds()).jitter(5.seconds())),
        built(cron("30 9 * * *").or(every(10.seconds()))),
        built(cron("* 9 * * *").except(cron("0 9 * * *"))),
    ];
    for trigger in fixed {
        assert!(trigger.has_fixed_times(), "{}", trigger.describe());
    }
    for trigger in elapsed {
        assert!(!trigger.has_fixed_times(), "{}", trigger.describe());
    }
}

#[cfg(feature = "cron")]
#[test]
fn a_schedule_of_the_crate_cron_is_at_fixed_times_as_an_expression_is() {
    use matins_triggers::{ScheduleTrigger, Zone};
    for (text, is_fixed) in [
        ("0 30 9 * * *", true),
        ("* 30 9 * * *", true),
        ("0 * 9 * * *", false),
        ("0 0 */2 * * *", false),
        ("@daily", true),
        ("@hourly", false),
    ] {
        let trigger = ScheduleTrigger::new(text.parse().unwrap(), Zone::utc());
        assert_eq!(trigger.has_fixed_times(), is_fixed, "{text}");
    }
}

#[test]
fn an_interval_without_a_start_is_as_if_it_had_been_added_at_the_other_time() {
    let (wrong, right) = (instant("2037-05-05T12:00:00Z"), instant("2026-11-26T12:00:00Z"));
    let before = instant("2026-01-01T00:00:00Z");
    let sentences: [&dyn Fn(DateTime<Utc>) -> Arc<dyn Trigger>; 6] = [
        &|added| every(10.seconds()).into_trigger(added).unwrap(),
        &|added| every(90.minutes()).until(instant("2050-01-01T00:00:00Z")).into_trigger(added).unwrap(),
        &|added| every(10.seconds()).jitter_with_seed(5.seconds(), 7).into_trigger(added).unwrap(),
        &|added| every(10.seconds()).or(cron("0 9 * * *")).into_trigger(added).unwrap(),
        &|added| every(10.seconds()).not_before(before).into_trigger(added).unwrap(),
        &|added| every(10.seconds()).except(cron("* 9 * * *")).into_trigger(added).unwrap(),
    ];
    for sentence in sentences {
        let (added, other) = (sentence(wrong), sentence(right));
        let moved = added.added_at(wrong, right).unwrap_or_else(|| panic!("{}", added.describe()));
        assert_eq!(moved.next_after(right), other.next_after(right), "{}", added.describe());
        assert!(*moved == *other, "{}", added.describe());
    }
}

#[test]
fn a_start_that_was_chosen_stays() {
    let (wrong, right) = (instant("2037-05-05T12:00:00Z"), instant("2026-11-26T12:00:00Z"));
    let chosen = every(10.seconds()).starting(instant("2037-06-01T00:00:00Z")).into_trigger(wrong).unwrap();
    let seconds = IntervalTrigger::new(instant("2037-06-01T00:00:00Z"), TimeDelta::seconds(1)).unwrap();
    let hourly: CronTrigger = "0 * * * *".parse().unwrap();
    let jittered = JitterTrigger::new(Arc::new(hourly.clone()), TimeDelta::minutes(5), 1).unwrap();
    assert!(chosen.added_at(wrong, right).is_none());
    assert!(seconds.added_at(wrong, right).is_none());
    assert!(hourly.added_at(wrong, right).is_none());
    assert!(jittered.added_at(wrong, right).is_none());
    assert!(NeverTrigger::new("0 0 31 2 *").added_at(wrong, right).is_none());
}
