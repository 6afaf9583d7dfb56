//! What two cron triggers have in common, by arithmetic on their fields instead of a walk from fire to fire.

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Utc};

use super::search::{Year, all_days, bits, length_of};
use super::{CronExpression, CronTrigger, YEARS};

const MINUTES_A_DAY: i32 = 24 * 60;

impl CronTrigger {
    /// For a fire that both have: an instant, that fire or a later one, up to which every fire of this trigger is one of
    /// `other` too. There may be more beyond it.
    pub(crate) fn shared_until(&self, other: &Self, fire: DateTime<Utc>) -> DateTime<Utc> {
        self.first_not_shared(other, fire.naive_utc())
            .map_or(fire, |first| (first.and_utc() - TimeDelta::nanoseconds(1)).max(fire))
    }

    /// A lower bound of the first fire after `fire` that is not one of `other` too. It looks no further than to the next
    /// offset change, since up to there both clocks run evenly.
    fn first_not_shared(&self, other: &Self, fire: NaiveDateTime) -> Option<NaiveDateTime> {
        let ((span, next), (other_span, other_next)) =
            (self.zone.rules().run_at(fire), other.zone.rules().run_at(fire));
        let other_local = other_span.local(fire);
        // In the second pass of an overlap, an expression at fixed local times is silent, and another is not.
        if span.local(fire) < span.shown_before || other_local < other_span.shown_before {
            return None;
        }
        let shift = other_span.offset.local_minus_utc() - span.offset.local_minus_utc();
        if !self.expression.times_lie_in(&other.expression, shift) {
            return None;
        }
        let limit = other.limits.end.map(|end| end.naive_utc() + TimeDelta::nanoseconds(1));
        let changes = [next, other_next].into_iter().flatten().map(|span| span.start);
        let end = changes.chain(limit).min().unwrap_or(NaiveDateTime::MAX);
        let differ = |year: &Year, month| {
            // Where the two calendars show the same dates, those that this trigger skips do not matter.
            let wanted = if shift == 0 {
                self.expression.dates_of(year, month)
            } else {
                all_days(length_of(month, year.is_leap))
            };
            wanted & !other.expression.dates_of(year, month)
        };
        let last = other_span.local(end).date();
        let date = first_date_after(other_local.date(), last, differ);
        Some(date.map_or(end, |date| other_span.utc(date.and_time(NaiveTime::MIN)).min(end)))
    }

    /// The field that keeps the two from ever firing at one instant, where that is plain.
    pub(crate) fn never_meets(&self, other: &Self) -> Option<&'static str> {
        // At fixed local times, what falls in a gap moves to its end, and there all can meet.
        let moved = (self.expression.is_fixed() || other.expression.is_fixed())
            && self.zone.rules().spans().len() > 1;
        if self.zone != other.zone || moved {
            return None;
        }
        let (one, other) = (&self.expression, &other.expression);
        let fields = [
            ("second", one.seconds & other.seconds),
            ("minute", one.minutes & other.minutes),
            ("hour", u64::from(one.hours & other.hours)),
            ("month", u64::from(one.months & other.months)),
        ];
        fields.into_iter().find(|(_, shared)| *shared == 0).map(|(field, _)| field)
    }
}

impl CronExpression {
    /// Whether each time of day of this expression is one of `other`, on clocks that show `shift` seconds more.
    fn times_lie_in(&self, other: &Self, shift: i32) -> bool {
        if self.seconds & !other.seconds != 0 || shift % 60 != 0 {
            return false;
        }
        if shift == 0 {
            return self.minutes & !other.minutes == 0 && self.hours & !other.hours == 0;
        }
        bits(self.hours.into()).all(|hour| {
            bits(self.minutes).all(|minute| {
                let shown = ((hour * 60 + minute) as i32 + shift / 60).rem_euclid(MINUTES_A_DAY);
                other.hours >> (shown / 60) & 1 == 1 && other.minutes >> (shown % 60) & 1 == 1
            })
        })
    }

    /// The days that match of a month of a year, both fields included, as bits 1 to 31.
    pub(super) fn dates_of(&self, year: &Year, month: u32) -> u32 {
        if self.months >> month & 1 == 1 && self.matches_year(year.number) {
            self.days_of(year, month)
        } else {
            0
        }
    }
}

/// The first date after `date`, up to `last`, among those that `days_of` gives for each month.
fn first_date_after(
    date: NaiveDate,
    last: NaiveDate,
    days_of: impl Fn(&Year, u32) -> u32,
) -> Option<NaiveDate> {
    let mut year = Year::of(date);
    let mut month = date.month();
    let mut days = days_of(&year, month) >> date.day() >> 1 << date.day() << 1;
    while days == 0 {
        (year, month) = if month == 12 { (year.next(), 1) } else { (year, month + 1) };
        if year.number > *YEARS.end() || (year.number, month) > (last.year(), last.month()) {
            return None;
        }
        days = days_of(&year, month);
    }
    NaiveDate::from_ymd_opt(year.number, month, days.trailing_zeros())
}
