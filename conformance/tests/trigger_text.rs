//! Every trigger is read back from its text.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use matins_conformance::proof;
use matins_conformance::strategies::{instant, text, trigger};
use matins_core::{AfterOutcome, JobId, Trigger};
use matins_triggers::{
    AfterTrigger, AllTrigger, AnyTrigger, ExceptTrigger, JitterTrigger, NeverTrigger, ParseTriggerError,
    WindowTrigger, parse_trigger, trigger_text,
};
use proptest::collection::vec;
use proptest::prelude::*;

/// Triggers that are made of others, several levels deep.
fn nested() -> impl Strategy<Value = Arc<dyn Trigger>> {
    trigger().prop_recursive(4, 16, 3, |inner| {
        let any = vec(inner.clone(), 1..3)
            .prop_map(|of| Arc::new(AnyTrigger::new(of).unwrap()) as Arc<dyn Trigger>);
        let jitter =
            (inner.clone(), 0_i64..=i64::MAX, prop::option::of(any_seed())).prop_map(|(of, max, seed)| {
                let max = TimeDelta::microseconds(max);
                let jitter = match seed {
                    Some(seed) => JitterTrigger::new(of, max, seed),
                    None => JitterTrigger::unseeded(of, max),
                };
                Arc::new(jitter.unwrap()) as Arc<dyn Trigger>
            });
        let window = (inner, prop::option::of(instant()), prop::option::of(instant()));
        let window = window.prop_filter_map("ends before it starts", |(of, start, end)| {
            let window = WindowTrigger::new(of);
            let window = start.map_or(Ok(window.clone()), |start| window.starting(start)).ok()?;
            let window = end.map_or(Ok(window.clone()), |end| window.until(end)).ok()?;
            Some(Arc::new(window) as Arc<dyn Trigger>)
        });
        prop_oneof![any, jitter, window]
    })
}

fn any_seed() -> impl Strategy<Value = u64> {
    proptest::prelude::any::<u64>()
}

proptest! {
    #![proptest_config(proof::config(300))]

    #[test]
    fn a_trigger_is_read_back_from_its_text(trigger in nested()) {
        let text = trigger_text(&*trigger);
        let read = parse_trigger(&text).map_err(|error| TestCaseError::fail(format!("{text}: {}", matins_core::error_chain(&error))))?;
        prop_assert!(*read == *trigger, "{text} is read as {}", trigger_text(&*read));
        prop_assert_eq!(trigger_text(&*read), text);
    }

    #[test]
    fn names_and_schedules_may_be_any_text(text in text(), outcome in 0_usize..3) {
        let outcome = [AfterOutcome::Succeeded, AfterOutcome::Failed, AfterOutcome::Any][outcome];
        let never = NeverTrigger::new(text.clone());
        prop_assert_eq!(&never.to_string().parse::<NeverTrigger>().unwrap(), &never);
        if let Ok(job) = JobId::new(&text) {
            let after = AfterTrigger::new(job, outcome);
            prop_assert_eq!(&after.to_string().parse::<AfterTrigger>().unwrap(), &after);
        }
    }

    #[test]
    fn no_text_makes_it_panic(text in "[anyleftjirdows_(); P0-9T:*\"{},]{0,60}") {
        let _ = parse_trigger(&text);
    }
}

/// A trigger of somebody else's.
#[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
struct Moons {
    phase: String,
}

#[typetag::serde(name = "moons")]
impl Trigger for Moons {
    fn next_after(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        after.checked_add_signed(TimeDelta::days(29))
    }
}

#[test]
fn a_third_party_trigger_is_written_as_it_is_saved() {
    let moons = Arc::new(Moons { phase: "); new \"".to_owned() }) as Arc<dyn Trigger>;
    let any = AnyTrigger::new([moons.clone(), parse_trigger("0 9 * * *").unwrap()]).unwrap();
    let jitter = JitterTrigger::unseeded(Arc::new(any), TimeDelta::seconds(5)).unwrap();
    let text = jitter.to_string();
    assert!(text.starts_with("jitter(any({"), "{text}");
    let jitter: &dyn Trigger = &jitter;
    assert!(*parse_trigger(&text).unwrap() == *jitter);
    assert!(*parse_trigger(&trigger_text(&*moons)).unwrap() == *moons);
}

#[test]
fn forms_that_people_write_are_read() {
    let same = |one: &str, other: &str| {
        assert!(*parse_trigger(one).unwrap() == *parse_trigger(other).unwrap(), "{one}");
    };
    same(
        "  any( 0 9 * * MON-FRI ;0 11 * * SAT )  ",
        "any(CRON_TZ=UTC 0 9 * * MON-FRI; CRON_TZ=UTC 0 11 * * SAT)",
    );
    same("@daily", "0 0 * * *");
    same(
        "except(0 9 * * * Europe/Berlin; 0 9 25 12 * Europe/Berlin)",
        "except(CRON_TZ=Europe/Berlin 0 9 * * *; CRON_TZ=Europe/Berlin 0 9 25 12 *)",
    );
    same(
        "all(P2D from 2026-01-01T00:00:00Z; P3D from 2026-01-01T00:00:00Z)",
        "all(PT48H from 2026-01-01T00:00:00Z; PT72H from 2026-01-01T00:00:00Z)",
    );
    same(
        "window(0 9 * * *; until 2026-05-31T00:00:00Z)",
        "window(0 9 * * *;until 2026-05-31T02:00:00+02:00)",
    );
    same("2026-12-24", "2026-12-24T00:00:00 UTC");
    let all: AllTrigger = "all(0 9 * * *; 0 9 * * MON)".parse().unwrap();
    assert_eq!(all.to_string(), "all(CRON_TZ=UTC 0 9 * * *; CRON_TZ=UTC 0 9 * * MON)");
    let other = "any(0 9 * * *)".parse::<ExceptTrigger>().unwrap_err();
    assert_eq!(other.to_string(), "\"any(0 9 * * *)\" is not of the form except(trigger; without)");
}

#[test]
fn an_error_says_what_is_wrong_where() {
    let error = |text: &str| matins_core::error_chain(&parse_trigger(text).unwrap_err());
    let unknown = "there is no trigger `or(...)`; there are any, all, except, except_dates, jitter, window, after, never";
    assert_eq!(error("or(0 9 * * *; 0 10 * * *)"), unknown);
    assert!(error("any(0 9 * * *; 0 25 * * *)").starts_with("cannot read the trigger \"0 25 * * *\": "));
    assert!(error("any(0 9 * * *").starts_with("write any(one; other; ...)"));
    assert!(error("any()").starts_with("cannot read the trigger \"\""));
    assert!(error("jitter(0 9 * * *; 5 minutes)").contains("found \"5 minutes\""));
    assert!(error("jitter(0 9 * * *; PT5M; seeds 7)").contains("found \"seeds 7\""));
    assert!(error("except(0 9 * * *)").starts_with("write except(trigger; without)"));
    assert!(error("0 9 * * *) x").contains("nothing may follow a trigger, but \") x\" does"));
    assert!(error("all(0 9 1 * *; 0 10 * * *)").contains("never fire at the same instant"));
    assert!(error("after(backup; succeeded)").starts_with("write after(\"job\"; succeeded)"));
    assert!(error("P1M from yesterday Europe/Berlin").contains("P1M from yesterday"));
    assert!(error("{\"sun\": 1}").starts_with("cannot read the trigger"));
    let deep = "any(".repeat(100_000);
    assert!(matches!(parse_trigger(&deep), Err(ParseTriggerError::TooDeep { .. })));
}
