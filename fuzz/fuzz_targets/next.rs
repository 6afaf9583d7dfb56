//! Any expression that can be read keeps the laws of triggers at any two instants, in a zone with all kinds of changes.
#![no_main]

use std::sync::Arc;

use arbitrary::Arbitrary;
use chrono::{DateTime, Utc};
use libfuzzer_sys::fuzz_target;
use matins_conformance::{laws, strategies::ZONES};
use matins_core::Trigger;
use matins_triggers::CronTrigger;

#[derive(Debug, Arbitrary)]
struct Question<'a> {
    at: i64,
    other: i64,
    nanos: u32,
    zone: u8,
    text: &'a str,
}

/// Any instant from 1900 to 10100.
fn instant(second: i64, nanos: u32) -> DateTime<Utc> {
    let second = -2_208_988_800 + second.rem_euclid(8200 * 31_556_952);
    DateTime::from_timestamp(second, nanos % 1_000_000_000).expect("in range")
}

fuzz_target!(|question: Question<'_>| {
    let zone = ZONES[usize::from(question.zone) % ZONES.len()];
    if let Ok(trigger) = CronTrigger::parse(question.text, zone) {
        let trigger: Arc<dyn Trigger> = Arc::new(trigger);
        laws::all(&trigger, instant(question.at, question.nanos), instant(question.other, 0));
        drop(trigger.describe());
    }
});
