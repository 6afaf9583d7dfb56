//! The next second that an expression matches: bit sets within a day and a month, the calendar by chrono's tables, the
//! zone's spans from offset to offset.

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Timelike, Utc};

use super::{CronExpression, DayRule, DaysOfMonth, YEARS, YearRange};
use crate::zone::{Rules, Zone};

/// The first second after `after` at which the clocks of `zone` match.
pub(super) fn next_after(
    expression: &CronExpression,
    zone: Zone,
    after: DateTime<Utc>,
) -> Option<DateTime<Utc>> {
    let after = after.naive_utc();
    let fire = if zone.is_utc() {
        expression.next_local(after)
    } else {
        next_in_zone(expression, zone.rules(), after)
    };
    fire.map(|fire| fire.and_utc())
}

/// Not inlined, so that UTC does not pay for what it does not need.
#[inline(never)]
fn next_in_zone(expression: &CronExpression, rules: &Rules, after: NaiveDateTime) -> Option<NaiveDateTime> {
    match rules.spans() {
        [always] => Some(always.utc(expression.next_local(always.local(after))?)),
        _ if expression.is_fixed() => rules.next_fixed(after, |local| expression.next_local(local)),
        _ => next_elapsed(expression, rules, after),
    }
}

/// Elapsed time: the search runs along each span by itself, so that what is in a gap is left out and what is in an
/// overlap comes twice.
fn next_elapsed(expression: &CronExpression, rules: &Rules, after: NaiveDateTime) -> Option<NaiveDateTime> {
    /// More than the sum of the largest offsets east and west of Greenwich.
    const MARGIN: TimeDelta = TimeDelta::days(2);
    const SECOND: TimeDelta = TimeDelta::seconds(1);
    let spans = rules.spans();
    let mut after = after;
    loop {
        let index = rules.span_after(after);
        let span = &spans[index];
        let local = expression.next_local(span.local(after))?;
        let instant = span.utc(local);
        let Some(next) = spans.get(index + 1).filter(|next| local >= next.shown_before) else {
            return Some(instant);
        };
        // Nothing matches from here until `instant` on any clock, so spans that lie well between can be passed over;
        // one that begins soon may repeat local times from before here.
        let before_next = next.start - SECOND;
        after = if next.start > after + MARGIN { before_next.max(instant - MARGIN) } else { before_next };
    }
}

impl CronExpression {
    /// The first local second after `after` that matches.
    pub(super) fn next_local(&self, after: NaiveDateTime) -> Option<NaiveDateTime> {
        let mut date = after.date();
        let mut from = after.num_seconds_from_midnight() + 1;
        if date.year() < *YEARS.start() {
            (date, from) = (NaiveDate::from_ymd_opt(*YEARS.start(), 1, 1)?, 0);
        }
        if date.year() > *YEARS.end() {
            return None;
        }
        let (day, month) = (date.day(), date.month());
        if self.months >> month & 1 == 1 && self.matches_year(date.year()) {
            let every_day = self.day_rule == DayRule::Every && self.weeks == 0;
            if every_day {
                if let Some(time) = self.next_time(from) {
                    return on(date, time);
                }
            }
            let days = self.days_of(&Year::of(date), month);
            if !every_day && days >> day & 1 == 1 {
                if let Some(time) = self.next_time(from) {
                    return on(date, time);
                }
            }
            // Shifted in two steps, as there may be no day left to shift over.
            let later = days >> day >> 1;
            if later != 0 {
                return on(date.with_day(day + 1 + later.trailing_zeros())?, self.first_time());
            }
        }
        self.first_after_month(date, month)
    }

    /// The first matching second after the month of `date`.
    fn first_after_month(&self, date: NaiveDate, month: u32) -> Option<NaiveDateTime> {
        if let Some((of_year, day)) = self.yearly {
            let (of_year, day) = (u32::from(of_year), u32::from(day));
            let mut year = date.year() + i32::from(of_year <= month);
            if (of_year, day) == (2, 29) {
                year = (year + 3) & !3;
                year += if is_leap(year) { 0 } else { 4 };
            }
            let date =
                NaiveDate::from_ymd_opt(year, of_year, day).filter(|date| YEARS.contains(&date.year()));
            return on(date?, self.first_time());
        }
        let mut year = Year::of(date);
        let mut after = month;
        loop {
            let months =
                if self.matches_year(year.number) { u32::from(self.months) >> after >> 1 } else { 0 };
            if months == 0 {
                year = self.next_year(year.next())?;
                after = 0;
                continue;
            }
            let month = after + 1 + months.trailing_zeros();
            let days = self.days_of(&year, month);
            if days != 0 {
                return on(
                    NaiveDate::from_ymd_opt(year.number, month, days.trailing_zeros())?,
                    self.first_time(),
                );
            }
            after = month;
        }
    }

    /// Whether a day that matches has one time that does.
    pub(super) fn is_once_a_day(&self) -> bool {
        self.hours.is_power_of_two() && self.minutes.is_power_of_two() && self.seconds.is_power_of_two()
    }

    fn first_time(&self) -> u32 {
        (self.hours.trailing_zeros() * 60 + self.minutes.trailing_zeros()) * 60
            + self.seconds.trailing_zeros()
    }

    /// The first matching second of a day at or after `from`, which may lie past its end.
    pub(super) fn next_time(&self, from: u32) -> Option<u32> {
        let (hour, minute, second) = (from / 3600, from / 60 % 60, from % 60);
        if self.hours >> hour & 1 == 1 {
            if self.minutes >> minute & 1 == 1 {
                if let Some(second) = first_bit(self.seconds >> second << second) {
                    return Some((hour * 60 + minute) * 60 + second);
                }
            }
            if let Some(minute) = first_bit(self.minutes >> (minute + 1) << (minute + 1)) {
                return Some((hour * 60 + minute) * 60 + self.seconds.trailing_zeros());
            }
        }
        let hour = first_bit(u64::from(self.hours) >> (hour + 1) << (hour + 1))?;
        Some((hour * 60 + self.minutes.trailing_zeros()) * 60 + self.seconds.trailing_zeros())
    }

    pub(super) fn matches_year(&self, year: i32) -> bool {
        self.years.as_ref().is_none_or(|ranges| ranges.iter().any(|range| range.contains(year)))
    }

    /// The first matching year from this one on, of a kind that has a matching day.
    fn next_year(&self, from: Year) -> Option<Year> {
        let mut year = from;
        while self.year_kinds >> year.kind() & 1 == 0 || !self.matches_year(year.number) {
            if year.number >= *YEARS.end() {
                return None;
            }
            year = match &self.years {
                // Listed years may lie far apart.
                Some(_) => Year::starting(self.next_listed_year(year.number + 1)?)?,
                None => year.next(),
            };
        }
        YEARS.contains(&year.number).then_some(year)
    }

    fn next_listed_year(&self, from: i32) -> Option<i32> {
        self.years.as_ref()?.iter().filter_map(|range| range.next(from)).min()
    }

    /// The days that match of a month, as bits 1 to 31.
    pub(super) fn days_of(&self, year: &Year, month: u32) -> u32 {
        let length = length_of(month, year.is_leap);
        let days = self.days_of_shape(length, year.first_weekday_of(month));
        if self.weeks == 0 { days } else { days & self.days_of_weeks(year.number, month) }
    }

    /// The days that match, weeks quarantined, of a month of this length which begins on this weekday.
    fn days_of_shape(&self, length: u32, first_weekday: u32) -> u32 {
        let days = || self.days.of_month(length, first_weekday);
        let weekdays = || self.weekdays.of_month(length, first_weekday);
        match self.day_rule {
            DayRule::Every => all_days(length),
            DayRule::DayOfMonth => days(),
            DayRule::DayOfWeek => weekdays(),
            DayRule::Both => days() & weekdays(),
            DayRule::Either => days() | weekdays(),
        }
    }

    /// The days of a month in matching ISO weeks, as bits 1 to 31.
    #[cold]
    fn days_of_weeks(&self, year: i32, month: u32) -> u32 {
        (1..=31)
            .filter(|day| {
                NaiveDate::from_ymd_opt(year, month, *day)
                    .is_some_and(|date| self.weeks >> date.iso_week().week() & 1 == 1)
            })
            .fold(0, |days, day| days | 1 << day)
    }

    /// The expression with its years looked through; `None` when no day ever matches.
    pub(super) fn completed(mut self) -> Option<Self> {
        let all_days = self.days.days == 0xffff_fffe;
        let all_weekdays = self.weekdays.weekdays == 0x7f;
        self.day_rule = match (all_days, all_weekdays, self.both_days) {
            (true, true, _) | (true, _, false) | (_, true, false) => DayRule::Every,
            (false, true, true) => DayRule::DayOfMonth,
            (true, false, true) => DayRule::DayOfWeek,
            (false, false, true) => DayRule::Both,
            (false, false, false) => DayRule::Either,
        };
        self.yearly = self.find_yearly();
        self.year_kinds = if self.matches_in_every_month() { ALL_KINDS } else { self.find_year_kinds() };
        self.is_possible().then_some(self)
    }

    fn find_yearly(&self) -> Option<(u8, u8)> {
        let plain = DaysOfMonth { days: self.days.days, star: self.days.star, ..DaysOfMonth::default() };
        let is_one = self.months.is_power_of_two() && plain.days.is_power_of_two() && plain == self.days;
        let is_free = self.day_rule == DayRule::DayOfMonth && self.weeks == 0 && self.years.is_none();
        (is_one && is_free).then(|| (self.months.trailing_zeros() as u8, plain.days.trailing_zeros() as u8))
    }

    /// Whether it is plain that every month of every year has a day that matches.
    fn matches_in_every_month(&self) -> bool {
        const EVERY_MONTH: u32 = 0x1fff_fffe;
        let days = self.days.days & EVERY_MONTH;
        let weekdays = self.weekdays.weekdays;
        if self.both_days {
            (weekdays == 0x7f && days != 0) || (days == EVERY_MONTH && weekdays != 0)
        } else {
            days != 0 || weekdays != 0
        }
    }

    fn find_year_kinds(&self) -> u16 {
        let has_day = |kind: &u32| {
            let year = Year { number: 0, first_weekday: kind / 2, is_leap: kind % 2 == 1 };
            bits(self.months.into()).any(|month| {
                self.days_of_shape(length_of(month, year.is_leap), year.first_weekday_of(month)) != 0
            })
        };
        (0..14).filter(has_day).fold(0, |kinds, kind| kinds | 1 << kind)
    }

    /// Whether some day matches at all. The calendar repeats itself after 400 years.
    fn is_possible(&self) -> bool {
        if self.years.is_none() && self.weeks == 0 {
            return self.year_kinds != 0;
        }
        let mut year = Year::starting(*YEARS.start()).and_then(|first| self.next_year(first));
        for _ in 0..=400 {
            let Some(some_year) = year else { return false };
            if bits(self.months.into()).any(|month| self.days_of(&some_year, month) != 0) {
                return true;
            }
            year = self.next_year(some_year.next());
        }
        false
    }
}

/// A year, as far as the calendar depends on it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Year {
    pub(super) number: i32,
    /// That of 1 January, 0 for Sunday.
    pub(super) first_weekday: u32,
    pub(super) is_leap: bool,
}

impl Year {
    /// How many kinds there are, with the year before.
    pub(super) const KINDS: usize = 28;

    /// The kind of the year, and whether the year before was a leap year: together they tell the matching days, weeks
    /// included.
    pub(super) fn kind_with_the_year_before(&self) -> usize {
        self.kind() as usize * 2 + usize::from(is_leap(self.number - 1))
    }

    pub(super) fn starting(number: i32) -> Option<Self> {
        NaiveDate::from_yo_opt(number, 1).map(Self::of)
    }

    pub(super) fn of(date: NaiveDate) -> Self {
        // 371 is 53 weeks.
        let first_weekday = (date.weekday().num_days_from_sunday() + 371 - date.ordinal0()) % 7;
        Self { number: date.year(), first_weekday, is_leap: date.leap_year() }
    }

    pub(super) fn next(self) -> Self {
        let number = self.number + 1;
        let first_weekday = (self.first_weekday + 1 + u32::from(self.is_leap)) % 7;
        Self { number, first_weekday, is_leap: is_leap(number) }
    }

    /// Its bit in `year_kinds`.
    pub(super) fn kind(&self) -> u32 {
        self.first_weekday * 2 + u32::from(self.is_leap)
    }

    fn first_weekday_of(&self, month: u32) -> u32 {
        /// Days before the month, modulo 7, in a common year.
        const BEFORE: [u8; 13] = [0, 0, 3, 3, 6, 1, 4, 6, 2, 5, 0, 3, 5];
        let leap_day = u32::from(self.is_leap && month > 2);
        (self.first_weekday + u32::from(BEFORE[month as usize]) + leap_day) % 7
    }
}

/// Years are of 14 kinds: bit 2w + l is that of the years which begin on weekday w, leap years where l is 1. The kind tells
/// the days that match, weeks quarantined (those of early January depend on the year before as well).
const ALL_KINDS: u16 = 0x3fff;

impl YearRange {
    pub(super) fn contains(self, year: i32) -> bool {
        self.next(year) == Some(year)
    }

    /// The last year up to `until`.
    pub(super) fn previous(self, until: i32) -> Option<i32> {
        let (first, last, step) = (i32::from(self.first), i32::from(self.last), i32::from(self.step));
        let until = until.min(last);
        (until >= first).then(|| until - (until - first) % step)
    }

    fn next(self, from: i32) -> Option<i32> {
        let (first, last, step) = (i32::from(self.first), i32::from(self.last), i32::from(self.step));
        let steps = (from - first).max(0).div_euclid(step) + i32::from((from - first).max(0) % step != 0);
        Some(first + steps * step).filter(|year| *year <= last)
    }
}

pub(super) fn is_leap(year: i32) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

pub(super) fn on(date: NaiveDate, second: u32) -> Option<NaiveDateTime> {
    Some(date.and_time(NaiveTime::from_num_seconds_from_midnight_opt(second, 0)?))
}

pub(super) fn length_of(month: u32, is_leap: bool) -> u32 {
    match month {
        2 => 28 + u32::from(is_leap),
        // Thirty days have April, June, September and November.
        month => 31 - (0b1010_0101_0000 >> month & 1),
    }
}

pub(super) fn all_days(length: u32) -> u32 {
    ((1_u64 << (length + 1)) - 2) as u32
}

fn first_bit(set: u64) -> Option<u32> {
    (set != 0).then(|| set.trailing_zeros())
}

pub(super) fn bits(mut set: u64) -> impl Iterator<Item = u32> {
    std::iter::from_fn(move || {
        let bit = first_bit(set)?;
        set &= set - 1;
        Some(bit)
    })
}
