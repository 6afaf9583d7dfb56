//! How many fires a calendar trigger has between two instants.

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, Utc};
use matins_core::{CountBudget, CountProgress, FireRange, Trigger};

use crate::CalendarTrigger;
use crate::calendar::LAST_YEAR;
use crate::last_fire::{just_before, last_fire};
use crate::zone::Clocks;

/// About what a count costs, in steps, for each year.
const STEPS_A_YEAR: i64 = 4;

impl CalendarTrigger {
    /// The fires in `(after, until]`, where only months or only days count: by the numbers of the periods.
    pub(crate) fn count(
        &self,
        after: DateTime<Utc>,
        until: DateTime<Utc>,
        budget: &mut CountBudget,
    ) -> Option<FireRange> {
        budget.spend(1);
        let first = self.next_after(after).filter(|first| *first <= until)?;
        let years = i64::from(until.year().min(LAST_YEAR)) - i64::from(first.year());
        budget.spend(((years + 1) * STEPS_A_YEAR).unsigned_abs());
        let fires_at = |instant: NaiveDateTime| {
            self.next_after(just_before(instant.and_utc())) == Some(instant.and_utc())
        };
        let rest = self.zone().rules().count_fires(
            Clocks::Fixed,
            first.naive_utc(),
            until.naive_utc(),
            |from, to| self.count_local(from, to),
            fires_at,
        );
        let last = if rest == 0 { first } else { last_fire(self, first, until, budget) };
        Some(FireRange { first, last, count: rest.saturating_add(1) })
    }

    /// Counts the local times in `(from, to]`.
    fn count_local(&self, from: NaiveDateTime, to: NaiveDateTime) -> u64 {
        let (from, to) = (self.periods_until(from), self.periods_until(to));
        let every_date_exists = self.months == 0 || self.builder.last_day || self.builder.start.day() <= 28;
        if every_date_exists {
            return (to - from).max(0).unsigned_abs();
        }
        (from..to).filter(|number| self.date(*number).is_some()).count() as u64
    }

    /// The number of the first period after the last one that has its local time at or before `shown`.
    fn periods_until(&self, shown: NaiveDateTime) -> i64 {
        /// The search begins two periods early, and the local time is rounded up, perhaps to the next day.
        const NEARBY: i64 = 6;
        let end = NaiveDate::from_ymd_opt(LAST_YEAR, 12, 31).unwrap_or(NaiveDate::MAX);
        let end = self.builder.end.map_or(end, |date| date.min(end));
        let begin = self.begin(shown.date().clamp(self.builder.start.min(end), end));
        let is_past = |number: i64| {
            self.date(number).and_then(|date| self.local(date)).is_some_and(|local| local <= shown)
        };
        (begin..begin + NEARBY).rev().find(|number| is_past(*number)).map_or(begin, |last| last + 1)
    }

    /// From fire to fire, where months and days are mixed: fires are a month apart or more.
    pub(crate) fn walk(
        &self,
        after: DateTime<Utc>,
        until: DateTime<Utc>,
        budget: &mut CountBudget,
    ) -> CountProgress {
        let rules = self.zone().rules();
        let mut known = self.builder.start;
        let (mut fires, mut last) = (None, after);
        while last.year() <= LAST_YEAR {
            budget.spend(1);
            let next = rules.next_fixed(last.naive_utc(), |shown| {
                if self.local(known).is_none_or(|local| local > shown) {
                    known = self.builder.start;
                }
                self.next_mixed(shown, &mut known)
            });
            let Some(next) = next.map(|next| next.and_utc()).filter(|next| *next <= until) else { break };
            fires = FireRange::concat(fires, Some(FireRange::single(next)));
            last = next;
            if budget.is_spent() {
                return CountProgress { fires, through: last };
            }
        }
        CountProgress { fires, through: until }
    }
}
