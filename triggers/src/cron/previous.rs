//! The last second before an instant that an expression matches: `search`, mirrored.

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, TimeDelta, Timelike, Utc};

use super::search::{Year, is_leap, on};
use super::{CronExpression, DayRule, YEARS};
use crate::zone::{Rules, Zone};

/// The last second before `before` at which the clocks of `zone` match.
pub(super) fn previous_before(
    expression: &CronExpression,
    zone: Zone,
    before: DateTime<Utc>,
) -> Option<DateTime<Utc>> {
    let before = before.naive_utc();
    let fire = if zone.is_utc() {
        expression.previous_local(before)
    } else {
        previous_in_zone(expression, zone.rules(), before)
    };
    fire.map(|fire| fire.and_utc())
}

/// Not inlined, so that UTC does not pay for what it does not need.
#[inline(never)]
fn previous_in_zone(
    expression: &CronExpression,
    rules: &Rules,
    before: NaiveDateTime,
) -> Option<NaiveDateTime> {
    match rules.spans() {
        [always] => Some(always.utc(expression.previous_local(always.local(before))?)),
        _ if expression.is_fixed() => rules.previous_fixed(before, |local| expression.previous_local(local)),
        _ => previous_elapsed(expression, rules, before),
    }
}

/// Elapsed time: the search runs along each span by itself, from its end to its start.
fn previous_elapsed(
    expression: &CronExpression,
    rules: &Rules,
    before: NaiveDateTime,
) -> Option<NaiveDateTime> {
    /// More than the sum of the largest offsets east and west of Greenwich.
    const MARGIN: TimeDelta = TimeDelta::days(2);
    const NANOSECOND: TimeDelta = TimeDelta::nanoseconds(1);
    let mut before = before;
    loop {
        let span = &rules.spans()[rules.span_at(before.checked_sub_signed(NANOSECOND)?)];
        let local = expression.previous_local(span.local(before))?;
        let instant = span.utc(local);
        if local >= span.local_start {
            return Some(instant);
        }
        // Nothing matches between `instant` and here on any clock, so spans that lie well between can be passed over;
        // one that ends soon before here may have shown later local times.
        before = if span.start < before - MARGIN { span.start.min(instant + MARGIN) } else { span.start };
    }
}

impl CronExpression {
    /// The last local second before `before` that matches.
    pub(super) fn previous_local(&self, before: NaiveDateTime) -> Option<NaiveDateTime> {
        let mut date = before.date();
        // The last second of that day that may match, or none.
        let second = before.num_seconds_from_midnight();
        let mut until = if before.nanosecond() == 0 { second.checked_sub(1) } else { Some(second) };
        if date.year() > *YEARS.end() {
            (date, until) = (NaiveDate::from_ymd_opt(*YEARS.end(), 12, 31)?, Some(86_399));
        }
        if date.year() < *YEARS.start() {
            return None;
        }
        let (day, month) = (date.day(), date.month());
        if self.months >> month & 1 == 1 && self.matches_year(date.year()) {
            let every_day = self.day_rule == DayRule::Every && self.weeks == 0;
            let time = until.and_then(|until| self.previous_time(until));
            if let Some(time) = time.filter(|_| every_day) {
                return on(date, time);
            }
            let days = self.days_of(&Year::of(date), month);
            if let Some(time) = time.filter(|_| !every_day && days >> day & 1 == 1) {
                return on(date, time);
            }
            if let Some(day) = last_bit(u64::from(days) & below(day)) {
                return on(date.with_day(day)?, self.last_time());
            }
        }
        self.last_before_month(date, month)
    }

    /// The last matching second before the month of `date`.
    fn last_before_month(&self, date: NaiveDate, month: u32) -> Option<NaiveDateTime> {
        if let Some((of_year, day)) = self.yearly {
            let (of_year, day) = (u32::from(of_year), u32::from(day));
            let mut year = date.year() - i32::from(of_year >= month);
            if (of_year, day) == (2, 29) {
                year &= !3;
                year -= if is_leap(year) { 0 } else { 4 };
            }
            let date =
                NaiveDate::from_ymd_opt(year, of_year, day).filter(|date| YEARS.contains(&date.year()));
            return on(date?, self.last_time());
        }
        let mut year = Year::of(date);
        let mut before = month;
        loop {
            let months = if self.matches_year(year.number) { u64::from(self.months) } else { 0 };
            let Some(month) = last_bit(months & below(before)) else {
                year = self.previous_year(year.previous())?;
                before = 13;
                continue;
            };
            if let Some(day) = last_bit(self.days_of(&year, month).into()) {
                return on(NaiveDate::from_ymd_opt(year.number, month, day)?, self.last_time());
            }
            before = month;
        }
    }

    /// The last matching second of a day.
    fn last_time(&self) -> u32 {
        let last = |set: u64| last_bit(set).unwrap_or(0);
        (last(self.hours.into()) * 60 + last(self.minutes)) * 60 + last(self.seconds)
    }

    /// The last matching second of a day at or before `until`.
    fn previous_time(&self, until: u32) -> Option<u32> {
        let (hour, minute, second) = (until / 3600, until / 60 % 60, until % 60);
        let last_second = || last_bit(self.seconds).unwrap_or(0);
        if self.hours >> hour & 1 == 1 {
            if self.minutes >> minute & 1 == 1 {
                if let Some(second) = last_bit(self.seconds & below(second + 1)) {
                    return Some((hour * 60 + minute) * 60 + second);
                }
            }
            if let Some(minute) = last_bit(self.minutes & below(minute)) {
                return Some((hour * 60 + minute) * 60 + last_second());
            }
        }
        let hour = last_bit(u64::from(self.hours) & below(hour))?;
        Some((hour * 60 + last_bit(self.minutes).unwrap_or(0)) * 60 + last_second())
    }

    /// The last matching year up to this one, of a kind that has a matching day.
    fn previous_year(&self, until: Year) -> Option<Year> {
        let mut year = until;
        while self.year_kinds >> year.kind() & 1 == 0 || !self.matches_year(year.number) {
            if year.number <= *YEARS.start() {
                return None;
            }
            year = match &self.years {
                // Listed years may lie far apart.
                Some(listed) => {
                    let earlier = year.number - 1;
                    Year::starting(listed.iter().filter_map(|range| range.previous(earlier)).max()?)?
                }
                None => year.previous(),
            };
        }
        YEARS.contains(&year.number).then_some(year)
    }
}

impl Year {
    fn previous(self) -> Self {
        let number = self.number - 1;
        let is_leap = is_leap(number);
        let first_weekday = (self.first_weekday + 6 - u32::from(is_leap)) % 7;
        Self { number, first_weekday, is_leap }
    }
}

/// The bits below `bit`, which is at most 60.
fn below(bit: u32) -> u64 {
    (1 << bit) - 1
}

fn last_bit(set: u64) -> Option<u32> {
    set.checked_ilog2()
}

#[cfg(test)]
mod tests {
    use matins_core::Trigger;

    use crate::CronTrigger;

    #[test]
    fn the_first_and_the_last_years_have_a_previous_fire() {
        let previous = |text: &str, before: &str| {
            let trigger: CronTrigger = text.parse().unwrap();
            trigger.previous_before(before.parse().unwrap()).map(|fire| fire.to_rfc3339())
        };
        assert_eq!(previous("0 0 1 1 *", "1970-01-01T00:00:00Z"), None);
        assert_eq!(
            previous("0 0 1 1 *", "1970-01-01T00:00:00.000000001Z").unwrap(),
            "1970-01-01T00:00:00+00:00"
        );
        assert_eq!(previous("0 0 29 2 *", "2104-02-29T00:00:00Z").unwrap(), "2096-02-29T00:00:00+00:00");
        assert_eq!(
            previous("59 23 31 12 *", "+262142-12-31T00:00:00Z").unwrap(),
            "9999-12-31T23:59:00+00:00"
        );
        assert_eq!(
            previous("0 0 0 1 1 * 2000,2030-2040/4", "2033-01-01T00:00:00Z").unwrap(),
            "2030-01-01T00:00:00+00:00"
        );
        assert_eq!(previous("0 0 0 1 1 * 2030", "2030-01-01T00:00:00Z"), None);
    }
}
