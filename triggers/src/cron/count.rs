//! How many fires there are between two instants, by arithmetic: the times of a day and the days of a month are bits to
//! count, and the changes of the clocks are gone through one by one.

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Timelike, Utc};
use matins_core::{CountBudget, FireRange};

use super::search::Year;
use super::{CronTrigger, YEARS, search};
use crate::last_fire::{just_before, last_fire};
use crate::zone::Clocks;

/// So many fires are looked up one by one, before there is arithmetic for the rest.
const LOOKED_UP: usize = 16;

/// About what a count costs, in steps, for each year.
const STEPS_A_YEAR: i64 = 4;

impl CronTrigger {
    /// The fires in `(after, until]`.
    pub(super) fn count(
        &self,
        after: DateTime<Utc>,
        until: DateTime<Utc>,
        budget: &mut CountBudget,
    ) -> Option<FireRange> {
        let mut fires = self.fires_after(after).take_while(|fire| *fire <= until);
        budget.spend(1);
        let mut counted = FireRange::single(fires.next()?);
        for looked_up in 0..=LOOKED_UP {
            let Some(fire) = fires.next() else { return Some(counted) };
            budget.spend(1);
            if looked_up < LOOKED_UP {
                counted = counted.joined(FireRange::single(fire));
            }
        }
        let count = count_common(&[self], counted.last, until, budget)?;
        let last = last_fire(self, counted.last, until, budget);
        Some(FireRange { last, count: counted.count.saturating_add(count), ..counted })
    }
}

/// Counts the fires in `(after, until]` that all of these have; `None` where that needs more than arithmetic, because they
/// are in different zones.
pub(crate) fn count_common(
    crons: &[&CronTrigger],
    after: DateTime<Utc>,
    until: DateTime<Utc>,
    budget: &mut CountBudget,
) -> Option<u64> {
    let (first, others) = crons.split_first()?;
    if others.iter().any(|other| other.zone != first.zone) {
        return None;
    }
    // No zone is a day away from Greenwich.
    let begin = NaiveDate::from_ymd_opt(*YEARS.start() - 1, 12, 30)?.and_time(NaiveTime::MIN).and_utc();
    let end = NaiveDate::from_ymd_opt(*YEARS.end() + 1, 1, 2)?.and_time(NaiveTime::MIN).and_utc();
    let after = crons.iter().map(|cron| cron.limits.search_from(after)).fold(begin, DateTime::max);
    let until = crons.iter().filter_map(|cron| cron.limits.end).fold(until.min(end), DateTime::min);
    if after >= until {
        return Some(0);
    }
    let steps = (until - after).num_days() / 365 * STEPS_A_YEAR + STEPS_A_YEAR;
    budget.spend(steps.unsigned_abs());
    let is_fixed = crons.iter().any(|cron| cron.expression.is_fixed());
    let clocks = if is_fixed { Clocks::Fixed } else { Clocks::Elapsed };
    let mut shared = Shared::new(crons);
    let fires_at = |instant: NaiveDateTime| {
        let before = just_before(instant.and_utc());
        let next = |cron: &&CronTrigger| search::next_after(&cron.expression, cron.zone, before);
        crons.iter().all(|cron| next(cron) == Some(instant.and_utc()))
    };
    let local = |from, to| shared.count(from, to);
    let rules = first.zone.rules();
    Some(rules.count_fires(clocks, after.naive_utc(), until.naive_utc(), local, fires_at))
}

/// The local times that match all of some expressions.
struct Shared<'a> {
    of: &'a [&'a CronTrigger],
    hours: u32,
    minutes: u64,
    seconds: u64,
    /// How many days match in a year of each kind, where no years are listed; `UNKNOWN` until it is needed.
    days_of_kind: [u16; Year::KINDS],
}

const UNKNOWN: u16 = u16::MAX;

impl<'a> Shared<'a> {
    fn new(of: &'a [&'a CronTrigger]) -> Self {
        let expressions = || of.iter().map(|cron| &cron.expression);
        Self {
            of,
            hours: expressions().fold(!0, |hours, one| hours & one.hours),
            minutes: expressions().fold(!0, |minutes, one| minutes & one.minutes),
            seconds: expressions().fold(!0, |seconds, one| seconds & one.seconds),
            days_of_kind: [UNKNOWN; Year::KINDS],
        }
    }

    /// Counts the local times in `(from, to]`.
    fn count(&mut self, from: NaiveDateTime, to: NaiveDateTime) -> u64 {
        const SECOND: TimeDelta = TimeDelta::seconds(1);
        let limit =
            |year| NaiveDate::from_ymd_opt(year, 1, 1).map(|date| date.and_time(NaiveTime::MIN) - SECOND);
        let (Some(begin), Some(end)) = (limit(*YEARS.start()), limit(*YEARS.end() + 1)) else { return 0 };
        let (from, to) = (from.max(begin), to.min(end));
        let a_day = self.times_until(86_399);
        if from >= to || a_day == 0 {
            return 0;
        }
        let is_on = |date: NaiveDate| u64::from(self.days(&Year::of(date), date.month()) >> date.day() & 1);
        let (until_from, until_to) = (
            self.times_until(from.num_seconds_from_midnight()),
            self.times_until(to.num_seconds_from_midnight()),
        );
        let (first, last) = (from.date(), to.date());
        if first == last {
            return is_on(first) * (until_to - until_from);
        }
        let ends = is_on(first) * (a_day - until_from) + is_on(last) * until_to;
        ends + self.days_between(first, last) * a_day
    }

    /// Counts the matching times of a day up to this second, inclusive.
    fn times_until(&self, second: u32) -> u64 {
        let ones = |set: u64| u64::from(set.count_ones());
        // The bits below this one.
        let below = |bit: u32| (1_u64 << bit) - 1;
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        let a_minute = ones(self.seconds);
        let an_hour = ones(self.minutes) * a_minute;
        let mut count = ones(u64::from(self.hours) & below(hour)) * an_hour;
        if self.hours >> hour & 1 == 1 {
            count += ones(self.minutes & below(minute)) * a_minute;
            if self.minutes >> minute & 1 == 1 {
                count += ones(self.seconds & below(second + 1));
            }
        }
        count
    }

    /// The days of a month that match, as bits 1 to 31.
    fn days(&self, year: &Year, month: u32) -> u32 {
        self.of.iter().fold(!0, |days, cron| days & cron.expression.dates_of(year, month))
    }

    fn days_of_year(&mut self, year: &Year) -> u64 {
        if !self.of.iter().all(|cron| cron.expression.matches_year(year.number)) {
            return 0;
        }
        let kind = year.kind_with_the_year_before();
        if self.days_of_kind[kind] == UNKNOWN {
            self.days_of_kind[kind] = (1..=12).map(|month| self.days(year, month).count_ones() as u16).sum();
        }
        self.days_of_kind[kind].into()
    }

    /// Counts the matching days between two, both left out; the second must be later than the first.
    fn days_between(&mut self, after: NaiveDate, before: NaiveDate) -> u64 {
        let mut year = Year::of(after);
        let mut month = after.month();
        // Shifted in two steps, as the day may be the last that there is room for.
        let mut days: u32 = !0 << after.day() << 1;
        let mut count = 0;
        loop {
            let is_last = (year.number, month) == (before.year(), before.month());
            if is_last {
                days &= (1 << before.day()) - 1;
            }
            count += u64::from((self.days(&year, month) & days).count_ones());
            if is_last {
                return count;
            }
            days = !0;
            month += 1;
            if month > 12 {
                (year, month) = (year.next(), 1);
                while year.number < before.year() {
                    count += self.days_of_year(&year);
                    year = year.next();
                }
            }
        }
    }
}
