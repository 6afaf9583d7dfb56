//! A trigger without its instants on certain dates.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};
use matins_core::{CountBudget, CountProgress, FireRange, Trigger};
use serde::{Deserialize, Serialize};

use crate::last_fire::just_before;
use crate::saved::Saved;
use crate::text;
use crate::zone::{Span, Zone};

/// A trigger's instants without those that fall on given local dates: holidays.
///
/// ```
/// use std::sync::Arc;
/// use matins_core::Trigger;
/// use matins_triggers::{CronTrigger, ExceptDatesTrigger, Zone};
///
/// let opening: CronTrigger = "0 9 * * MON-FRI Europe/Berlin".parse().unwrap();
/// let holidays = ["2026-12-24", "2026-12-25"].map(|date| date.parse().unwrap());
/// let trigger = ExceptDatesTrigger::new(Arc::new(opening), holidays, Zone::named("Europe/Berlin").unwrap());
/// let fire = trigger.next_after("2026-12-23T12:00:00Z".parse().unwrap()).unwrap();
/// assert_eq!(fire.to_rfc3339(), "2026-12-28T08:00:00+00:00");
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(from = "Saved<Fields>")]
pub struct ExceptDatesTrigger {
    of: Arc<dyn Trigger>,
    dates: BTreeSet<NaiveDate>,
    zone: Zone,
}

#[derive(Deserialize)]
struct Fields {
    of: Arc<dyn Trigger>,
    dates: BTreeSet<NaiveDate>,
    zone: Zone,
}

impl From<Saved<Fields>> for ExceptDatesTrigger {
    fn from(Saved(Fields { of, dates, zone }): Saved<Fields>) -> Self {
        Self { of, dates, zone }
    }
}

impl ExceptDatesTrigger {
    /// The instants of `of` at which the calendar in `zone` shows none of these dates.
    pub fn new(of: Arc<dyn Trigger>, dates: impl IntoIterator<Item = NaiveDate>, zone: Zone) -> Self {
        Self { of, dates: dates.into_iter().collect(), zone }
    }
}

/// `except_dates(0 9 * * *; 2026-12-24, 2026-12-25; Europe/Berlin)`: see [`parse_trigger`](crate::parse_trigger).
impl fmt::Display for ExceptDatesTrigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dates: Vec<String> = self.dates.iter().map(ToString::to_string).collect();
        text::begin(f, "except_dates", [&self.of])?;
        write!(f, "; {}; {})", dates.join(", "), self.zone)
    }
}

#[typetag::serde(name = "except_dates")]
impl Trigger for ExceptDatesTrigger {
    fn next_after(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let rules = self.zone.rules();
        let mut after = after;
        loop {
            let fire = self.of.next_after(after).filter(|fire| *fire > after)?;
            let (span, next) = rules.run_at(fire.naive_utc());
            let date = span.local(fire.naive_utc()).date();
            if !self.dates.contains(&date) {
                return Some(fire);
            }
            after = just_before(end_of(date, span, next)?).max(fire);
        }
    }

    fn previous_before(&self, before: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let rules = self.zone.rules();
        let mut before = before;
        loop {
            let fire = self.of.previous_before(before).filter(|fire| *fire < before)?;
            let (span, _) = rules.run_at(fire.naive_utc());
            let date = span.local(fire.naive_utc()).date();
            if !self.dates.contains(&date) {
                return Some(fire);
            }
            // The part of that date that lies in the span begins at or before the fire.
            before = span.utc(date.and_time(NaiveTime::MIN)).max(span.start).and_utc().min(fire);
        }
    }

    fn includes(&self, instant: DateTime<Utc>) -> bool {
        self.of.includes(instant) && !self.dates.contains(&self.zone.local(instant).date())
    }

    /// The times between the excluded dates are counted one by one.
    fn fire_range_within(
        &self,
        after: DateTime<Utc>,
        until: DateTime<Utc>,
        budget: &mut CountBudget,
    ) -> CountProgress {
        let (mut fires, mut from) = (None, after);
        while from < until {
            let excluded = self.next_excluded(from).filter(|(start, _)| *start <= until);
            let end = excluded.map_or(until, |(start, _)| just_before(start));
            if from < end {
                let part = self.of.fire_range_within(from, end, budget);
                fires = FireRange::concat(fires, part.fires);
                if part.through < end {
                    return CountProgress { fires, through: part.through };
                }
            }
            budget.spend(1);
            // A fire at the end of the excluded time counts.
            from = excluded.map_or(until, |(_, end)| just_before(end).max(from)).min(until);
            if budget.is_spent() && from > after {
                break;
            }
        }
        CountProgress { fires, through: from.max(after) }
    }

    fn with_seed(&self, seed: u64) -> Option<Arc<dyn Trigger>> {
        let of = self.of.with_seed(seed)?;
        Some(Arc::new(Self { of, dates: self.dates.clone(), zone: self.zone }))
    }

    fn has_fixed_times(&self) -> bool {
        self.of.has_fixed_times()
    }

    fn added_at(&self, from: DateTime<Utc>, to: DateTime<Utc>) -> Option<Arc<dyn Trigger>> {
        Some(Arc::new(Self { of: self.of.added_at(from, to)?, ..self.clone() }))
    }

    fn describe(&self) -> String {
        let dates: Vec<String> = self.dates.iter().map(ToString::to_string).collect();
        match &dates[..] {
            [] => self.of.describe(),
            [first, .., last] if dates.len() > 5 => {
                format!("{}; but not on {} days from {first} to {last}", self.of.describe(), dates.len())
            }
            _ => format!("{}; but not on {}", self.of.describe(), dates.join(", ")),
        }
    }
}

impl ExceptDatesTrigger {
    /// The first excluded time that holds an instant later than `after`: its start, and its end, which is not part of it.
    ///
    /// A date may be in several pieces, if the clocks are set back at midnight.
    fn next_excluded(&self, after: DateTime<Utc>) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
        let rules = self.zone.rules();
        let last = self.dates.last()?.succ_opt()?;
        let later = after.checked_add_signed(TimeDelta::nanoseconds(1))?.naive_utc();
        let mut index = rules.span_at(later);
        let mut begin = later;
        loop {
            let (span, next) = (&rules.spans()[index], rules.spans().get(index + 1));
            let date = span.local(begin).date();
            if let Some(date) = self.dates.range(date..).next() {
                let start = span.utc(date.and_time(NaiveTime::MIN)).max(span.start);
                if next.is_none_or(|next| start < next.start) {
                    return Some((start.and_utc(), end_of(*date, span, next)?));
                }
            }
            // An offset is less than a day.
            begin = next.filter(|next| next.local_start.date() <= last)?.start;
            index += 1;
        }
    }
}

/// Where the part of a date that lies in a span ends.
fn end_of(date: NaiveDate, span: &Span, next: Option<&Span>) -> Option<DateTime<Utc>> {
    let midnight = span.utc(date.succ_opt()?.and_time(NaiveTime::MIN));
    Some(next.map_or(midnight, |next| next.start.min(midnight)).and_utc())
}
