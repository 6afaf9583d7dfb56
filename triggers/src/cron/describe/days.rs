//! The days that the two day fields allow.

use super::{Progression, and, ordinal, progression, ranges};
use crate::cron::search::bits;
use crate::cron::{CronExpression, DayRule, DaysOfMonth, DaysOfWeek};

const WEEKDAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const NTH: [&str; 5] = ["first", "second", "third", "fourth", "fifth"];
/// So many days of the month are always listed.
const LISTED: u32 = 4;

/// Whether the days say in which months they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Months {
    Said,
    Unsaid,
}

impl CronExpression {
    /// Whether its days are alternatives, of which a restriction at the sentence's end would seem to concern the last alone.
    pub(super) fn has_alternatives(&self) -> bool {
        let mixed = !self.weekdays.is_plain() && self.weekdays.weekdays != 0;
        self.day_rule == DayRule::Either || self.day_rule == DayRule::DayOfWeek && mixed
    }
}

/// Returns the days in words, empty for every day. `month` is the only month of the expression.
pub(super) fn of(expression: &CronExpression, month: Option<&str>) -> (String, Months) {
    let CronExpression { days, weekdays, day_rule, .. } = expression;
    // "The 15th of June or Mondays" would be the Mondays of the year.
    let all_of_month = match day_rule {
        DayRule::Every => false,
        DayRule::DayOfMonth | DayRule::Both => true,
        DayRule::DayOfWeek | DayRule::Either => weekdays.weekdays == 0,
    };
    let said = month.filter(|_| all_of_month);
    let of_month = format!("of {}", said.unwrap_or("the month"));
    let text = match day_rule {
        DayRule::Every => String::new(),
        DayRule::DayOfMonth => days_of_month(days, &of_month),
        DayRule::DayOfWeek => days_of_week(weekdays, &of_month),
        DayRule::Both => {
            format!("{}, but only on {}", days_of_month(days, &of_month), days_of_week(weekdays, &of_month))
        }
        DayRule::Either => {
            format!("{} or on {}", days_of_month(days, &of_month), days_of_week(weekdays, &of_month))
        }
    };
    (text, if said.is_some() { Months::Said } else { Months::Unsaid })
}

fn days_of_month(days: &DaysOfMonth, of_month: &str) -> String {
    let mut parts = Vec::new();
    let plain = u64::from(days.days);
    match progression(plain) {
        Some(Progression { first, last, step }) if step > 1 && plain.count_ones() > LISTED => {
            let end = if last + step > 31 { String::new() } else { format!(" to the {}", ordinal(last)) };
            parts.push(format!("every {} day {of_month} from the {}{end}", ordinal(step), ordinal(first)));
        }
        _ if plain != 0 => parts.push(format!("the {} {of_month}", ranges(plain, ordinal))),
        _ => {}
    }
    for back in bits(days.from_last.into()) {
        parts.push(format!("{} {of_month}", before_last(back)));
    }
    for day in bits(days.nearest_weekday.into()) {
        parts.push(format!("the weekday nearest the {} {of_month}", ordinal(day)));
    }
    for back in bits(days.nearest_from_last.into()) {
        parts.push(match back {
            0 => format!("the last weekday {of_month}"),
            back => format!("the weekday nearest {} {of_month}", before_last(back)),
        });
    }
    if !days.by_weekday.is_plain() {
        parts.push(days_of_week(&days.by_weekday, of_month));
    }
    and(&parts)
}

/// Returns the day so many days before the last.
fn before_last(back: u32) -> String {
    match back {
        0 => "the last day".to_owned(),
        1 => "the day before the last day".to_owned(),
        back => format!("the {} day before the last day", ordinal(back)),
    }
}

impl DaysOfWeek {
    /// Whether each of its weekdays is meant in every week.
    fn is_plain(&self) -> bool {
        self.nth == 0 && self.last == 0
    }
}

fn days_of_week(days: &DaysOfWeek, of_month: &str) -> String {
    let mut parts = Vec::new();
    match days.weekdays {
        0 => {}
        0b011_1110 => parts.push("weekdays".to_owned()),
        0b100_0001 => parts.push("weekends".to_owned()),
        // From Monday on, as people count.
        weekdays => parts.extend(
            (1..=7)
                .map(|day| day % 7)
                .filter(|day| weekdays >> day & 1 == 1)
                .map(|day| format!("{}s", WEEKDAYS[day])),
        ),
    }
    for bit in bits(days.nth) {
        parts.push(format!("the {} {} {of_month}", NTH[(bit % 5) as usize], WEEKDAYS[(bit / 5) as usize]));
    }
    for weekday in bits(days.last.into()) {
        parts.push(format!("the last {} {of_month}", WEEKDAYS[weekday as usize]));
    }
    and(&parts)
}
