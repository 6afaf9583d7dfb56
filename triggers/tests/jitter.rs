//! When a trigger with a jitter first fires, and where its seed comes from.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use matins_core::{IntoTrigger, JobId, Trigger};
use matins_triggers::{
    AnyTrigger, Combine, CronTrigger, ExceptDatesTrigger, ExceptTrigger, JitterTrigger, TimeUnits,
    WindowTrigger, Zone, at, cron, every,
};

fn now() -> DateTime<Utc> {
    "2026-11-25T10:00:00.123456Z".parse().unwrap()
}

fn of_job(trigger: &dyn Trigger, id: &str) -> Arc<dyn Trigger> {
    trigger.with_seed(JobId::new(id).unwrap().seed()).expect("it needs a seed")
}

/// The instant at which the job was added was shifted too, to 1.6 s after it.
#[test]
fn an_interval_with_a_jitter_first_fires_one_period_after_it_was_added_or_later() {
    let trigger = every(30.seconds()).jitter(10.seconds()).into_trigger(now()).unwrap();
    for number in 0..500 {
        let trigger = of_job(&*trigger, &format!("job-{number}"));
        let first = trigger.next_after(now()).unwrap();
        let second = trigger.next_after(first).unwrap();
        for (periods, fire) in [(1, first), (2, second)] {
            let plain = now() + TimeDelta::seconds(30) * periods;
            assert!(fire >= plain && fire <= plain + TimeDelta::seconds(10), "{number}: {fire}");
        }
    }
}

#[test]
fn an_interval_without_a_start_has_no_instant_at_which_its_job_is_added() {
    let trigger = every(30.seconds()).into_trigger(now()).unwrap();
    let just_before = now() - TimeDelta::nanoseconds(1);
    assert_eq!(trigger.next_after(just_before), Some(now() + TimeDelta::seconds(30)));
    assert!(every(TimeDelta::MAX).into_trigger(now()).is_err());
    let beyond_the_calendar = every(TimeDelta::days(100_000_000)).into_trigger(now());
    assert!(beyond_the_calendar.unwrap_err().to_string().contains("longer than can be held"));
}

#[test]
fn jobs_with_one_schedule_are_spread_by_their_ids_and_a_seed_that_was_given_stays() {
    let unseeded = cron("0 * * * *").jitter(5.minutes()).into_trigger(now()).unwrap();
    let [one, other] = ["one", "other"].map(|id| of_job(&*unseeded, id));
    assert_ne!(one.next_after(now()), other.next_after(now()));
    assert_eq!(one.next_after(now()), of_job(&*unseeded, "one").next_after(now()));
    assert!(one.with_seed(99).is_none(), "a seed is given once");

    let given = cron("0 * * * *").jitter_with_seed(5.minutes(), 7).into_trigger(now()).unwrap();
    assert!(given.with_seed(99).is_none());
    assert!(cron("0 * * * *").into_trigger(now()).unwrap().with_seed(99).is_none());
}

#[test]
fn the_seed_is_saved_and_what_was_saved_with_a_seed_is_read() {
    let unseeded = every(1.hours()).jitter(5.minutes()).into_trigger(now()).unwrap();
    for trigger in [of_job(&*unseeded, "one"), unseeded] {
        let saved = serde_json::to_string(&trigger).unwrap();
        let read: Arc<dyn Trigger> = serde_json::from_str(&saved).unwrap();
        assert_eq!(read.next_after(now()), trigger.next_after(now()));
        assert_eq!(serde_json::to_string(&read).unwrap(), saved);
    }
    let earlier = r#"{"type":"jitter","of":{"type":"date","instant":"2026-12-01T00:00:00Z"},"max_micros":60000000,"seed":7}"#;
    let read: Arc<dyn Trigger> = serde_json::from_str(earlier).unwrap();
    assert!(read.with_seed(1).is_none());
    assert_eq!(serde_json::to_string(&read).unwrap(), earlier);
}

#[test]
fn every_combination_passes_the_seed_on_to_its_members() {
    let hourly = || Arc::new("0 * * * *".parse::<CronTrigger>().unwrap()) as Arc<dyn Trigger>;
    let half_past = || Arc::new("30 * * * *".parse::<CronTrigger>().unwrap()) as Arc<dyn Trigger>;
    let jittered =
        || Arc::new(JitterTrigger::unseeded(hourly(), TimeDelta::minutes(20)).unwrap()) as Arc<dyn Trigger>;
    let day = "2026-11-26".parse().unwrap();
    let combined: Vec<Arc<dyn Trigger>> = vec![
        Arc::new(AnyTrigger::new([half_past(), jittered()]).unwrap()),
        Arc::new(ExceptTrigger::new(jittered(), half_past()).unwrap()),
        Arc::new(ExceptDatesTrigger::new(jittered(), [day], Zone::utc())),
        Arc::new(WindowTrigger::new(jittered()).starting(now()).unwrap()),
        Arc::new(JitterTrigger::new(jittered(), TimeDelta::minutes(1), 7).unwrap()),
        at("2026-11-25T11:00:00Z").jitter(20.minutes()).and(jittered()).into_trigger(now()).unwrap(),
    ];
    let before = now() + TimeDelta::minutes(40);
    for trigger in combined {
        let fires = |id: &str| of_job(&*trigger, id).next_after(before);
        let apart = (0..20).any(|number| fires(&format!("job-{number}")) != fires("other"));
        assert!(apart, "{}", trigger.describe());
        assert!(of_job(&*trigger, "one").with_seed(1).is_none(), "{}", trigger.describe());
    }
    // The excluded trigger of a difference too.
    let except = ExceptTrigger::new(half_past(), jittered()).unwrap();
    assert!(of_job(&except, "one").with_seed(1).is_none());
}
