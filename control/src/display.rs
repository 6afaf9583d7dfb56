//! How instants, durations and triggers are written for people.

use std::any::Any;

use chrono::{DateTime, TimeDelta, Utc};
use matins_core::Trigger;
use matins_triggers::{DateTrigger, Zone};

/// Returns an instant as a local time: `Tue 2026-11-24 13:05:03`, with milliseconds if it has a fraction of a second.
///
/// ```
/// use matins_control::display;
/// use matins_triggers::Zone;
///
/// let instant = "2026-11-24T12:05:03Z".parse()?;
/// assert_eq!(display::local(instant, Zone::named("Europe/Berlin")?), "Tue 2026-11-24 13:05:03");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn local(instant: DateTime<Utc>, zone: Zone) -> String {
    let format = if instant.timestamp_subsec_micros() == 0 {
        "%a %Y-%m-%d %H:%M:%S"
    } else {
        "%a %Y-%m-%d %H:%M:%S%.3f"
    };
    zone.with_offset(instant).format(format).to_string()
}

/// Returns a trigger in English. If it fires at an instant, that is written in the zone.
pub fn trigger(trigger: &dyn Trigger, zone: Zone) -> String {
    let any: &dyn Any = trigger;
    match any.downcast_ref::<DateTrigger>() {
        Some(date) if date.zone().is_none() => format!("once, at {}", local(date.instant(), zone)),
        _ => trigger.describe(),
    }
}

/// Returns a number of things: `1 job`, `3 jobs`.
///
/// ```
/// use matins_control::display;
///
/// assert_eq!([1, 3].map(|count| display::counted(count, "job")), ["1 job", "3 jobs"]);
/// ```
pub fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// Returns an instant relative to another, in its two largest units: `in 3 s`, `in 2 h 5 min`, `3 s ago`.
///
/// ```
/// use chrono::TimeDelta;
/// use matins_control::display;
///
/// let now = "2026-11-24T12:00:00Z".parse()?;
/// assert_eq!(display::relative(now + TimeDelta::minutes(125), now), "in 2 h 5 min");
/// assert_eq!(display::relative(now - TimeDelta::seconds(3), now), "3 s ago");
/// # Ok::<(), chrono::ParseError>(())
/// ```
pub fn relative(instant: DateTime<Utc>, now: DateTime<Utc>) -> String {
    let distance = instant - now;
    let text = span(distance.abs());
    if distance < TimeDelta::zero() { format!("{text} ago") } else { format!("in {text}") }
}

/// Returns a duration in its two largest units: `250 ms`, `3.2 s`, `2 h 5 min`, `41 d 3 h`.
///
/// ```
/// use chrono::TimeDelta;
/// use matins_control::display;
///
/// assert_eq!(display::span(TimeDelta::seconds(7_500)), "2 h 5 min");
/// ```
pub fn span(span: TimeDelta) -> String {
    let (seconds, millis) = (span.num_seconds(), span.num_milliseconds());
    let two = |large: i64, large_unit: &str, small: i64, small_unit: &str| match small {
        0 => format!("{large} {large_unit}"),
        small => format!("{large} {large_unit} {small} {small_unit}"),
    };
    match seconds {
        0 => format!("{millis} ms"),
        1..10 if millis % 1000 != 0 => format!("{}.{} s", seconds, millis % 1000 / 100),
        1..60 => format!("{seconds} s"),
        60..3_600 => two(seconds / 60, "min", seconds % 60, "s"),
        3_600..86_400 => two(seconds / 3600, "h", seconds % 3600 / 60, "min"),
        _ => two(seconds / 86_400, "d", seconds % 86_400 / 3600, "h"),
    }
}

/// Returns how many failures in a row there were, in words.
///
/// ```
/// use matins_control::display;
///
/// assert_eq!(display::failures_in_a_row(3), "3 failures in a row");
/// ```
pub fn failures_in_a_row(failures: u32) -> String {
    if failures == 1 { "1 failure".to_owned() } else { format!("{failures} failures in a row") }
}

/// Returns the zone of a trigger that has one.
///
/// ```
/// use matins_control::display;
/// use matins_triggers::{CronTrigger, IntervalTrigger};
///
/// let trigger: CronTrigger = "0 9 * * * Europe/Berlin".parse()?;
/// assert_eq!(display::zone_of(&trigger).unwrap().name(), "Europe/Berlin");
/// let trigger: IntervalTrigger = "PT30M from 2026-01-01T00:00:00Z".parse()?;
/// assert!(display::zone_of(&trigger).is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn zone_of(trigger: &dyn Trigger) -> Option<Zone> {
    let saved = serde_json::to_value(trigger).ok()?;
    saved.get("of").unwrap_or(&saved).get("zone")?.as_str()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_is_shown_as_a_time_of_the_zone_and_a_local_time_as_it_was_given() {
        let (berlin, tokyo) = ("Europe/Berlin".parse().unwrap(), "Asia/Tokyo".parse().unwrap());
        let shown = |date: &str| trigger(&DateTrigger::parse(date, tokyo).unwrap(), berlin);
        assert_eq!(shown("2026-12-24T17:00Z"), "once, at Thu 2026-12-24 18:00:00");
        assert_eq!(shown("2026-12-24T17:00"), "once, at 2026-12-24 17:00:00, Asia/Tokyo");
    }

    #[test]
    fn spans_are_short() {
        let shown = |millis| span(TimeDelta::milliseconds(millis));
        assert_eq!(
            [4, 999, 1_000, 3_250, 59_400, 60_000, 125_000, 7_500_000, 90_000_000].map(shown),
            ["4 ms", "999 ms", "1 s", "3.2 s", "59 s", "1 min", "2 min 5 s", "2 h 5 min", "1 d 1 h"]
        );
    }
}
