//! Cron expressions, by ours and by the crates `saffron`, `cron` and `croner`.

use std::str::FromStr;

use chrono::{DateTime, TimeDelta, TimeZone, Utc};
use matins::triggers::CronTrigger;

/// The expressions of the comparison.
pub const EXPRESSIONS: [&str; 4] = ["*/5 * * * *", "0 9 * * MON-FRI", "0 0 29 2 *", "30 2 * * SUN"];

/// Answers that lie far off: they should cost little more than near ones. The second usually comes once in 28 years.
pub const FAR: [&str; 2] = ["0 0 29 2 1#5", "0 0 29 2 +SUN"];

/// Ours.
///
/// # Panics
/// When it is no expression, or there is no such zone.
pub fn matins(text: &str, zone: &str) -> CronTrigger {
    CronTrigger::parse(text, zone).expect("an expression")
}

/// As `cron` has it: with seconds in front.
///
/// # Panics
/// When it is no expression.
pub fn cron(text: &str) -> cron::Schedule {
    cron::Schedule::from_str(&format!("0 {text}")).expect("an expression")
}

/// As `croner` has it.
///
/// # Panics
/// When it is no expression.
pub fn croner(text: &str) -> croner::Cron {
    croner::Cron::from_str(text).expect("an expression")
}

/// As `saffron` has it.
///
/// # Panics
/// When it is no expression.
pub fn saffron(text: &str) -> saffron::Cron {
    text.parse().expect("an expression")
}

/// The beginning of 2026.
pub fn start() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 1, 1, 0, 0, 0).single().unwrap_or_default()
}

/// Instants all over a year, so that no branch is learnt by heart.
pub fn instants() -> Vec<DateTime<Utc>> {
    (0..256).map(|step| start() + TimeDelta::seconds(step * 123_457)).collect()
}
