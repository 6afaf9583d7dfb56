//! Cron expressions: five sets of numbers.

use chrono::{
    DateTime, Datelike, NaiveDate, NaiveDateTime, TimeDelta, Timelike, Utc,
};

use crate::trigger::Trigger;

mod parse;
mod set;

pub use parse::CronError;
pub use set::Set;

// ANCHOR: cron
/// An expression such as `30 2 * * MON-FRI`: which minutes of which hours of
/// which days.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cron {
    minutes: Set,
    hours: Set,
    days: Set,
    months: Set,
    /// Sunday is 0, and may be 7 too.
    weekdays: Set,
    /// Whether a day matches if one of `days` and `weekdays` has it. Otherwise
    /// both must have it.
    either_day: bool,
}
// ANCHOR_END: cron

/// The number of months after which days and weekdays repeat.
const CYCLE: usize = 400 * 12;

impl Cron {
    // ANCHOR: days
    /// Returns the days of a month that match.
    fn days_of(&self, first: NaiveDate) -> Set {
        let all = Set::range(1, u32::from(first.num_days_in_month()), 1);
        let offset = first.weekday().num_days_from_sunday();
        // Day 1 has the weekday `offset`, and every seventh day has the same.
        let weekdays = (0..7).filter(|day| self.weekdays.contains(*day));
        let by_weekday = weekdays.fold(Set::default(), |days, weekday| {
            days.or(Set::range(1 + (7 + weekday - offset) % 7, 31, 7))
        });
        let found = match self.either_day {
            true => self.days.or(by_weekday),
            false => self.days.and(by_weekday),
        };
        found.and(all)
    }
    // ANCHOR_END: days

    // ANCHOR: matches
    /// Returns whether a minute matches.
    pub fn matches(&self, time: NaiveDateTime) -> bool {
        let first = time.date().with_day(1);
        self.months.contains(time.month())
            && first.is_some_and(|it| self.days_of(it).contains(time.day()))
            && self.hours.contains(time.hour())
            && self.minutes.contains(time.minute())
    }
    // ANCHOR_END: matches

    // ANCHOR: next_day
    /// Returns the first day that matches and is not before `from`.
    fn next_day(&self, from: NaiveDate) -> Option<NaiveDate> {
        let mut first = from.with_day(1)?;
        let mut day = from.day();
        for _ in 0..=CYCLE {
            if self.months.contains(first.month())
                && let Some(found) = self.days_of(first).next(day)
            {
                return first.with_day(found);
            }
            first = first.checked_add_months(chrono::Months::new(1))?;
            day = 1;
        }
        None
    }
    // ANCHOR_END: next_day

    /// Returns the last day that matches and is not after `to`.
    fn previous_day(&self, to: NaiveDate) -> Option<NaiveDate> {
        let mut first = to.with_day(1)?;
        let mut day = to.day();
        for _ in 0..=CYCLE {
            if self.months.contains(first.month())
                && let Some(found) = self.days_of(first).previous(day)
            {
                return first.with_day(found);
            }
            first = first.checked_sub_months(chrono::Months::new(1))?;
            day = 31;
        }
        None
    }

    // ANCHOR: next
    /// Returns the first full minute that matches and is later than `after`.
    pub fn next_local(&self, after: NaiveDateTime) -> Option<NaiveDateTime> {
        let from = full_minute(after)?.checked_add_signed(MINUTE)?;
        let day = self.next_day(from.date())?;
        if day == from.date() {
            // Later in this hour, or in a later hour of this day.
            let minute = self.minutes.next(from.minute());
            if self.hours.contains(from.hour())
                && let Some(minute) = minute
            {
                return day.and_hms_opt(from.hour(), minute, 0);
            }
            if let Some(hour) = self.hours.next(from.hour() + 1) {
                return day.and_hms_opt(hour, self.minutes.next(0)?, 0);
            }
            let day = self.next_day(day.succ_opt()?)?;
            return self.first_of(day);
        }
        self.first_of(day)
    }

    fn first_of(&self, day: NaiveDate) -> Option<NaiveDateTime> {
        day.and_hms_opt(self.hours.next(0)?, self.minutes.next(0)?, 0)
    }
    // ANCHOR_END: next

    // ANCHOR: previous
    /// Returns the last full minute that matches and is earlier than `before`.
    pub fn previous_local(
        &self,
        before: NaiveDateTime,
    ) -> Option<NaiveDateTime> {
        let to = full_minute(before.checked_sub_signed(INSTANT)?)?;
        let day = self.previous_day(to.date())?;
        if day == to.date() {
            let minute = self.minutes.previous(to.minute());
            if self.hours.contains(to.hour())
                && let Some(minute) = minute
            {
                return day.and_hms_opt(to.hour(), minute, 0);
            }
            let earlier = to.hour().checked_sub(1);
            if let Some(hour) = earlier.and_then(|it| self.hours.previous(it)) {
                return day.and_hms_opt(hour, self.minutes.previous(59)?, 0);
            }
            let day = self.previous_day(day.pred_opt()?)?;
            return self.last_of(day);
        }
        self.last_of(day)
    }

    fn last_of(&self, day: NaiveDate) -> Option<NaiveDateTime> {
        day.and_hms_opt(self.hours.previous(23)?, self.minutes.previous(59)?, 0)
    }
    // ANCHOR_END: previous
}

const MINUTE: TimeDelta = TimeDelta::minutes(1);
/// The shortest time that chrono knows.
const INSTANT: TimeDelta = TimeDelta::nanoseconds(1);

fn full_minute(time: NaiveDateTime) -> Option<NaiveDateTime> {
    time.with_second(0)?.with_nanosecond(0)
}

// ANCHOR: utc
/// An expression is a trigger whose fields are read in UTC.
impl Trigger for Cron {
    fn next_after(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        Some(self.next_local(after.naive_utc())?.and_utc())
    }
}
// ANCHOR_END: utc
