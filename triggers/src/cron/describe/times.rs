//! The times of day.

use super::{Progression, and, one, ordinal, period, progression, ranges};
use crate::cron::CronExpression;
use crate::cron::search::bits;

/// So many times of a day are always listed; more are described if that is shorter.
const LISTED: u32 = 6;
/// So many times are listed where no shorter description exists.
const LISTED_AT_MOST: u32 = 12;
const EVERY_HOUR: u64 = 0xff_ffff;

/// Returns the times, and whether they are listed one by one.
///
/// Fixed local times are never "every hour": the clocks can skip an hour, or show it twice.
pub(super) fn of(expression: &CronExpression) -> (String, bool) {
    let CronExpression { seconds, minutes, hours, .. } = *expression;
    let hours = u64::from(hours);
    if seconds.count_ones() * minutes.count_ones() * hours.count_ones() <= LISTED {
        return (list(seconds, minutes, hours, seconds != 1), true);
    }
    if seconds != 1 {
        return (with_seconds(expression), false);
    }
    match one(minutes) {
        Some(minute) => at_one_minute(minute, hours, expression.is_fixed()),
        None => (at_minutes(minutes, hours, is_always(expression)), false),
    }
}

/// Whether an expression matches in every hour that passes.
fn is_always(expression: &CronExpression) -> bool {
    u64::from(expression.hours) == EVERY_HOUR && !expression.is_fixed()
}

/// Returns `at 09:00 and 09:30`.
fn list(seconds: u64, minutes: u64, hours: u64, with_seconds: bool) -> String {
    let mut times = Vec::new();
    for hour in bits(hours) {
        for minute in bits(minutes) {
            for second in bits(seconds) {
                let time = clock(hour, minute);
                times.push(if with_seconds { format!("{time}:{second:02}") } else { time });
            }
        }
    }
    format!("at {}", and(&times))
}

/// Several minutes of an hour; `always` in every hour that passes.
fn at_minutes(minutes: u64, hours: u64, always: bool) -> String {
    if let Some(step) = period(minutes, 60) {
        let every = every(step, "minute");
        return match run(hours) {
            _ if always => every,
            Some((first, last)) => format!("{every} from {} to {}", clock(first, 0), clock(last, 60 - step)),
            None => format!("{every} of {}", hours_in_words(hours, always)),
        };
    }
    if let (Some(hour), Some(Progression { first, last, step })) = (one(hours), progression(minutes)) {
        return format!("{} from {} to {}", every(step, "minute"), clock(hour, first), clock(hour, last));
    }
    let past = format!("at {} minutes past", ranges(minutes, |minute| minute.to_string()));
    if always { format!("{past} the hour") } else { format!("{past} {}", hours_in_words(hours, always)) }
}

/// The same minute of more than a few hours.
fn at_one_minute(minute: u32, hours: u64, is_fixed: bool) -> (String, bool) {
    let past = match minute {
        1 => "at 1 minute past".to_owned(),
        minute => format!("at {minute} minutes past"),
    };
    let elapsed = period(hours, 24).filter(|_| !is_fixed);
    let times = match (minute, elapsed, progression(hours)) {
        (0, Some(step), _) => every(step, "hour"),
        (_, Some(1), _) => format!("{past} the hour"),
        (_, _, Some(Progression { first, last, step })) => {
            format!("{} from {} to {}", every(step, "hour"), clock(first, minute), clock(last, minute))
        }
        _ if hours.count_ones() <= LISTED_AT_MOST => return (list(1, 1 << minute, hours, false), true),
        _ => format!("{past} {}", hours_in_words(hours, false)),
    };
    (times, false)
}

fn with_seconds(expression: &CronExpression) -> String {
    let CronExpression { seconds, minutes, hours, .. } = *expression;
    let (hours, always) = (u64::from(hours), is_always(expression));
    let step = period(seconds, 60);
    let second = match (step, one(seconds)) {
        (Some(step), _) => every(step, "second"),
        (None, Some(second)) => format!("at second {second}"),
        (None, None) => format!("at the seconds {}", ranges(seconds, |second| second.to_string())),
    };
    let every_minute = period(minutes, 60) == Some(1);
    match (step, run(hours)) {
        (Some(_), _) if every_minute && always => return second,
        (Some(step), Some((first, last))) if every_minute => {
            return format!("{second} from {}:00 to {}:{}", clock(first, 0), clock(last, 59), 60 - step);
        }
        _ => {}
    }
    if minutes.count_ones() * hours.count_ones() <= LISTED {
        let times = list(1, minutes, hours, false);
        return format!(
            "{second} of the minute{} {}",
            plural(minutes, hours),
            times.trim_start_matches("at ")
        );
    }
    let minute = match (period(minutes, 60), one(minutes)) {
        (Some(1), _) => "every minute".to_owned(),
        (Some(step), _) => format!("every {} minute", ordinal(step)),
        (None, Some(minute)) => format!("minute {minute}"),
        (None, None) => format!("the minutes {}", ranges(minutes, |minute| minute.to_string())),
    };
    if every_minute && always {
        return format!("{second} of every minute");
    }
    format!("{second} of {minute} of {}", hours_in_words(hours, always))
}

fn plural(minutes: u64, hours: u64) -> &'static str {
    if minutes.is_power_of_two() && hours.is_power_of_two() { "" } else { "s" }
}

fn hours_in_words(hours: u64, always: bool) -> String {
    let two_digits = |hour: u32| format!("{hour:02}");
    match (period(hours, 24), one(hours)) {
        _ if always => "every hour".to_owned(),
        (Some(step), _) if step > 1 => format!("every {} hour from 00:00", ordinal(step)),
        (_, Some(hour)) => format!("the hour {hour:02}"),
        _ => format!("the hours {}", ranges(hours, two_digits)),
    }
}

/// Returns `every minute` or `every 5 minutes`.
fn every(step: u32, unit: &str) -> String {
    if step == 1 { format!("every {unit}") } else { format!("every {step} {unit}s") }
}

/// Returns the first and the last value of a set without a gap.
fn run(set: u64) -> Option<(u32, u32)> {
    let (first, last) = (set.trailing_zeros(), set.checked_ilog2()?);
    (set.count_ones() == last - first + 1).then_some((first, last))
}

fn clock(hour: u32, minute: u32) -> String {
    format!("{hour:02}:{minute:02}")
}
