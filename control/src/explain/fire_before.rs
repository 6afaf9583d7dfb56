//! A trigger knows the instant after one; this finds the one before.

use chrono::{DateTime, TimeDelta, Utc};
use matins_core::Trigger;

use super::TICK;

/// The last instant of a trigger before `at`, within 400 years: the calendar repeats itself after that.
pub(super) fn fire_before(trigger: &dyn Trigger, at: DateTime<Utc>) -> Option<DateTime<Utc>> {
    // Seen from an early enough instant the next fire is before `at`; seen from a late enough one it is not.
    let before = |from: DateTime<Utc>| trigger.next_after(from).filter(|fire| *fire < at);
    let mut back = TimeDelta::seconds(1);
    let mut late = at;
    let (mut early, mut fire) = loop {
        let from = at.checked_sub_signed(back)?;
        match before(from) {
            Some(fire) => break (from, fire),
            None if back > TimeDelta::days(400 * 366) => return None,
            None => (late, back) = (from, back * 2),
        }
    };
    while late - early > TICK {
        let middle = early + (late - early) / 2;
        match before(middle) {
            Some(later) => (early, fire) = (middle, later),
            None => late = middle,
        }
    }
    Some(fire)
}
