//! Every so many years, months, weeks and days, at a local time of day.

mod builder;
mod previous;

use std::error::Error;
use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Utc};
use matins_core::{CountBudget, CountProgress, Trigger, round_up_to_microsecond};
use serde::{Deserialize, Serialize};

use crate::duration::{self, Parts};
use crate::interval::list;
use crate::saved::Saved;
use crate::zone::{UnknownZone, Zone};

pub use builder::CalendarBuilder;

/// Fires at a local time of day, every so many years, months, weeks and days from a date on.
///
/// From each date to the next: the years and months are added, again and again until that day exists; then the weeks and
/// days. So every month from 31 January on is January, March, May, July and so on; with
/// [`last_day`](CalendarBuilder::last_day) the months without that day have their last one instead. Where only years and
/// months are given, they are counted from the first date, whose day of the month stays.
///
/// The local time is a fixed one: see the crate's page for the days on which the clocks change. Where they change by three
/// hours or more, a time that is skipped does not fire, and one that comes a second time fires again. The rule of dates is that
/// of APScheduler's `CalendarIntervalTrigger`.
///
/// ```
/// use matins_core::Trigger;
/// use matins_triggers::CalendarTrigger;
///
/// let rent = CalendarTrigger::from_date("2026-01-31".parse().unwrap())
///     .months(1)
///     .last_day()
///     .at("08:00:00".parse().unwrap())
///     .zone("Europe/Berlin")
///     .build()
///     .unwrap();
/// let fire = rent.next_after("2026-02-01T00:00:00Z".parse().unwrap()).unwrap();
/// assert_eq!(fire.to_rfc3339(), "2026-02-28T07:00:00+00:00");
/// assert_eq!(rent.to_string(), "P1M from 2026-01-31T08:00:00 Europe/Berlin or last day");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Saved<CalendarBuilder>", into = "CalendarBuilder")]
pub struct CalendarTrigger {
    pub(crate) months: u32,
    days: u32,
    pub(crate) builder: CalendarBuilder,
    zone: Zone,
}

/// What makes no calendar trigger.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CalendarError {
    /// No period.
    NoPeriod,
    /// A period longer than any calendar.
    TooLong,
    /// It ends before it starts.
    EndsBeforeStart {
        /// The start given.
        start: NaiveDate,
        /// The end given.
        end: NaiveDate,
    },
    /// The zone.
    Zone(UnknownZone),
    /// A text that cannot be read.
    Unreadable {
        /// The text.
        text: String,
    },
}

impl fmt::Display for CalendarError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoPeriod => {
                f.write_str("a calendar trigger needs a period; give years, months, weeks or days")
            }
            Self::TooLong => f.write_str("a calendar period must be shorter than 8,000 years"),
            Self::EndsBeforeStart { start, end } => {
                write!(f, "a calendar trigger from {start} to {end} ends before it starts; exchange the two")
            }
            Self::Zone(error) => error.fmt(f),
            Self::Unreadable { text } => write!(
                f,
                "cannot read {text:?}; write such as \"P1M from 2026-01-31T08:00:00 Europe/Berlin until \
                 2027-01-31 or last day\", the end and \"or last day\" as you like"
            ),
        }
    }
}

impl Error for CalendarError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Zone(error) => error.source(),
            _ => None,
        }
    }
}

impl From<UnknownZone> for CalendarError {
    fn from(error: UnknownZone) -> Self {
        Self::Zone(error)
    }
}

/// Dates end with this year.
pub(crate) const LAST_YEAR: i32 = 9999;

impl CalendarTrigger {
    /// Begins to build a trigger whose first date is `start`, at midnight in UTC unless more is said.
    pub fn from_date(start: NaiveDate) -> CalendarBuilder {
        CalendarBuilder {
            start,
            years: 0,
            months: 0,
            weeks: 0,
            days: 0,
            time: NaiveTime::MIN,
            zone: None,
            end: None,
            last_day: false,
        }
    }

    /// The zone.
    pub fn zone(&self) -> Zone {
        self.zone
    }

    /// The first date at or after the `hint`th period, and after it: where the search may begin. Where months and days
    /// are mixed each date depends on the one before, and the walk begins at the first.
    #[inline]
    pub(crate) fn begin(&self, around: NaiveDate) -> i64 {
        let start = self.builder.start;
        let periods = match (self.months, self.days) {
            (0, days) => (around - start).num_days() / i64::from(days.max(1)),
            (months, 0) => (month_number(around) - month_number(start)) / i64::from(months),
            _ => 0,
        };
        (periods - 2).max(0)
    }

    /// The date of this number where only months or only days count; `None` where that day does not exist.
    // Without this, it costs the hot path of `next_after` a twentieth more.
    #[allow(clippy::inline_always)]
    #[inline(always)]
    pub(crate) fn date(&self, number: i64) -> Option<NaiveDate> {
        if self.months == 0 {
            let days = number.checked_mul(i64::from(self.days))?;
            return self.builder.start.checked_add_signed(TimeDelta::try_days(days)?);
        }
        let months = number.checked_mul(i64::from(self.months))?;
        self.add_months(self.builder.start, months)
    }

    // Without this, it costs the hot path of `next_after` a twentieth more.
    #[allow(clippy::inline_always)]
    #[inline(always)]
    fn add_months(&self, date: NaiveDate, months: i64) -> Option<NaiveDate> {
        let number = month_number(date) + months;
        let (year, month) = (i32::try_from(number.div_euclid(12)).ok()?, number.rem_euclid(12) as u32 + 1);
        let exact = NaiveDate::from_ymd_opt(year, month, date.day());
        if exact.is_some() || !self.builder.last_day {
            return exact;
        }
        let first = NaiveDate::from_ymd_opt(year, month, 1)?;
        first.with_day(u32::from(first.num_days_in_month()))
    }

    /// The date after `date` where months and days are mixed.
    fn date_after(&self, date: NaiveDate) -> Option<NaiveDate> {
        let mut months = i64::from(self.months);
        let monthly = loop {
            if let Some(found) = self.add_months(date, months) {
                break found;
            }
            months += i64::from(self.months);
            if months > 12 * 8000 {
                return None;
            }
        };
        monthly.checked_add_signed(TimeDelta::try_days(i64::from(self.days))?)
    }

    /// The local time that it names on a date; `None` after its end.
    #[inline]
    pub(crate) fn local(&self, date: NaiveDate) -> Option<NaiveDateTime> {
        if date.year() > LAST_YEAR || self.builder.end.is_some_and(|end| date > end) {
            return None;
        }
        Some(round_up_to_microsecond(date.and_time(self.builder.time).and_utc()).naive_utc())
    }

    /// Whether each date depends on the one before.
    fn is_mixed(&self) -> bool {
        self.months != 0 && self.days != 0
    }

    /// The first local time after `shown` where months and days are mixed. The search begins with a date of the trigger; the
    /// last one before the answer is left there.
    pub(crate) fn next_mixed(&self, shown: NaiveDateTime, from: &mut NaiveDate) -> Option<NaiveDateTime> {
        // A time of day is rounded up to the next midnight at most.
        let nearby = shown.date().pred_opt().unwrap_or(NaiveDate::MIN);
        let mut date = *from;
        loop {
            if date >= nearby {
                let local = self.local(date)?;
                if local > shown {
                    return Some(local);
                }
            }
            *from = date;
            date = self.date_after(date)?;
        }
    }

    /// The first local time after `shown` that it names.
    #[inline(never)]
    fn next_local(&self, shown: NaiveDateTime) -> Option<NaiveDateTime> {
        if self.is_mixed() {
            return self.next_mixed(shown, &mut { self.builder.start });
        }
        let around = shown.date().max(DateTime::UNIX_EPOCH.date_naive() - TimeDelta::days(800_000));
        // A day that exists comes again within 12 x 400 years, and the local time ends the search beyond the last year.
        for number in self.begin(around)..=i64::MAX {
            let Some(date) = self.date(number) else {
                if month_number(self.builder.start) + number * i64::from(self.months)
                    > i64::from(LAST_YEAR) * 12
                {
                    return None;
                }
                continue;
            };
            let local = self.local(date)?;
            if local > shown {
                return Some(local);
            }
        }
        None
    }
}

fn month_number(date: NaiveDate) -> i64 {
    i64::from(date.year()) * 12 + i64::from(date.month0())
}

#[typetag::serde(name = "calendar")]
impl Trigger for CalendarTrigger {
    fn next_after(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        if after.year() > LAST_YEAR {
            return None;
        }
        let fire = self.zone.rules().next_fixed(after.naive_utc(), |shown| self.next_local(shown))?;
        Some(fire.and_utc())
    }

    fn previous_before(&self, before: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let fire =
            self.zone.rules().previous_fixed(before.naive_utc(), |shown| self.previous_local(shown))?;
        Some(fire.and_utc())
    }

    fn fire_range_within(
        &self,
        after: DateTime<Utc>,
        until: DateTime<Utc>,
        budget: &mut CountBudget,
    ) -> CountProgress {
        if self.is_mixed() {
            return self.walk(after, until, budget);
        }
        CountProgress { fires: self.count(after, until, budget), through: until }
    }

    fn has_fixed_times(&self) -> bool {
        true
    }

    fn describe(&self) -> String {
        let CalendarBuilder { start, years, months, weeks, days, time, end, last_day, .. } = &self.builder;
        let parts = [(*years, "year"), (*months, "month"), (*weeks, "week"), (*days, "day")];
        let parts: Vec<(u64, &str)> = parts
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, unit)| (count.into(), unit))
            .collect();
        let missing = if *last_day { " (or the month's last day)" } else { "" };
        let end = end.map(|end| format!(" until {end}")).unwrap_or_default();
        format!("every {} at {}, from {start}{missing}{end}, {}", list(&parts), clock(*time), self.zone)
    }
}

/// `09:00`, with seconds where there are some.
fn clock(time: NaiveTime) -> String {
    let text = time.format("%H:%M:%S%.f").to_string();
    text.strip_suffix(":00").map(str::to_owned).unwrap_or(text)
}

impl Display for CalendarTrigger {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let CalendarBuilder { start, years, months, weeks, days, time, end, last_day, .. } = self.builder;
        let period = duration::write(Parts { years, months, weeks, days, micros: 0 });
        write!(f, "{period} from {start}T{} {}", time.format("%H:%M:%S%.f"), self.zone)?;
        if let Some(end) = end {
            write!(f, " until {end}")?;
        }
        if last_day { f.write_str(" or last day") } else { Ok(()) }
    }
}

impl FromStr for CalendarTrigger {
    type Err = CalendarError;

    /// Reads what `Display` writes.
    fn from_str(text: &str) -> Result<Self, CalendarError> {
        let unreadable = || CalendarError::Unreadable { text: text.to_owned() };
        let trimmed = text.trim();
        let (rest, last_day) =
            trimmed.strip_suffix("or last day").map_or((trimmed, false), |rest| (rest, true));
        let words: Vec<&str> = rest.split_whitespace().collect();
        let (period, start, zone, end) = match words[..] {
            [period, "from", start, zone] => (period, start, zone, None),
            [period, "from", start, zone, "until", end] => (period, start, zone, Some(end)),
            _ => return Err(unreadable()),
        };
        let parts = duration::read(period).filter(|parts| parts.micros == 0).ok_or_else(unreadable)?;
        let start: NaiveDateTime = start.parse().map_err(|_| unreadable())?;
        let end = end.map(str::parse).transpose().map_err(|_| unreadable())?;
        CalendarBuilder {
            start: start.date(),
            years: parts.years,
            months: parts.months,
            weeks: parts.weeks,
            days: parts.days,
            time: start.time(),
            zone: Some(zone.to_owned()),
            end,
            last_day,
        }
        .build()
    }
}

impl TryFrom<CalendarBuilder> for CalendarTrigger {
    type Error = CalendarError;

    fn try_from(builder: CalendarBuilder) -> Result<Self, CalendarError> {
        builder.build()
    }
}

impl TryFrom<Saved<CalendarBuilder>> for CalendarTrigger {
    type Error = CalendarError;

    fn try_from(Saved(builder): Saved<CalendarBuilder>) -> Result<Self, CalendarError> {
        builder.build()
    }
}

impl From<CalendarTrigger> for CalendarBuilder {
    fn from(trigger: CalendarTrigger) -> Self {
        trigger.builder
    }
}
