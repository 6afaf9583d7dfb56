//! The laws hold for random triggers, and crontab expressions mean what a literal reading says.

use chrono::{DateTime, TimeDelta, Utc};
use matins_conformance::literal::LiteralCrontab;
use matins_conformance::{laws, strategies};
use matins_core::Trigger;
use matins_triggers::{CronExpression, CronTrigger, Zone};
use proptest::prelude::*;

/// `MATINS_PROOF_CASES` sets the number of cases.
fn config(default: u32) -> ProptestConfig {
    let cases =
        std::env::var("MATINS_PROOF_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(default);
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config(1000))]

    #[test]
    fn every_trigger_keeps_the_laws(
        trigger in strategies::trigger(),
        at in strategies::instant(),
        other in strategies::instant(),
    ) {
        laws::all(&trigger, at, other);
    }

    #[test]
    fn an_expression_reads_back_what_it_writes(text in strategies::expression()) {
        if let Ok(expression) = CronExpression::parse(&text) {
            let written = expression.to_string();
            let read = CronExpression::parse(&written);
            prop_assert_eq!(read.as_ref(), Ok(&expression), "{} was written as {}", text, written);
            prop_assert_eq!(read.unwrap().to_string(), written);
        }
    }
}

fn fires(trigger: &CronTrigger, after: DateTime<Utc>, until: DateTime<Utc>) -> Vec<DateTime<Utc>> {
    let mut fires = Vec::new();
    let mut last = after;
    while let Some(next) = trigger.next_after(last).filter(|next| *next <= until) {
        fires.push(next);
        last = next;
    }
    fires
}

proptest! {
    #![proptest_config(config(200))]

    #[test]
    fn a_crontab_expression_fires_as_a_literal_reading_says(
        text in strategies::crontab(),
        zone in strategies::zone(),
        after in strategies::instant(),
    ) {
        if let Ok(trigger) = CronTrigger::parse(&text, zone.name()) {
            let until = after + TimeDelta::days(4);
            let literal = LiteralCrontab::new(&text).fires(zone, after, until);
            prop_assert_eq!(fires(&trigger, after, until), literal, "{} in {} after {}", text, zone, after);
        }
    }
}

/// Far answers pass over the zone's offset changes; none of the second passes on the way may be lost.
#[test]
fn a_second_pass_is_not_passed_over_on_the_way_to_a_far_answer() {
    let trigger = CronTrigger::parse("*/30 2 25 10 *", "Europe/Berlin").unwrap();
    let first_pass = "2026-10-25T00:50:00Z".parse().unwrap();
    assert_eq!(trigger.next_after(first_pass), Some("2026-10-25T01:00:00Z".parse().unwrap()));
    let literal = LiteralCrontab::new("*/30 2 25 10 *");
    let (from, until) = ("2026-10-20T00:00:00Z".parse().unwrap(), "2027-10-30T00:00:00Z".parse().unwrap());
    assert_eq!(
        fires(&trigger, from, until),
        literal.fires(Zone::named("Europe/Berlin").unwrap(), from, until)
    );
}
