//! What do the clocks of a place show, and when do they show it?

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, TimeDelta, Utc};

/// The rules of a time zone: offsets from UTC, each until the next change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone {
    /// The offset before the first change.
    first: TimeDelta,
    /// From each of these instants on, the offset beside it, in order.
    changes: Vec<(DateTime<Utc>, TimeDelta)>,
}

/// A stretch of time without a change of the clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Its first instant, unless it is the first span.
    pub start: Option<DateTime<Utc>>,
    /// The first instant of the next span, unless it is the last one.
    pub end: Option<DateTime<Utc>>,
    /// What the clocks show, less UTC.
    pub offset: TimeDelta,
}

/// The instants at which the clocks show a local time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Instants {
    /// The usual case.
    One(DateTime<Utc>),
    /// The clocks never show it: at this instant they jump over it.
    Gap(DateTime<Utc>),
    /// The clocks show it twice.
    Two(DateTime<Utc>, DateTime<Utc>),
}

impl Zone {
    /// Returns a zone with an offset before all changes, and changes in order,
    /// each with the offset that begins there.
    pub fn new(
        first: TimeDelta,
        changes: Vec<(DateTime<Utc>, TimeDelta)>,
    ) -> Self {
        debug_assert!(changes.is_sorted_by_key(|change| change.0));
        Self { first, changes }
    }

    /// Returns a zone without changes.
    pub fn fixed(offset: TimeDelta) -> Self {
        Self::new(offset, Vec::new())
    }

    /// Returns the rules of Berlin from 1996 to 2099: UTC + 1 h, and UTC + 2 h
    /// from the last Sunday in March to the last one in October, 01:00 UTC.
    pub fn berlin() -> Self {
        let last_sunday = |year, month| {
            let last = NaiveDate::from_ymd_opt(year, month, 31)?;
            let back = last.weekday().num_days_from_sunday();
            let sunday = last - TimeDelta::days(i64::from(back));
            Some(sunday.and_hms_opt(1, 0, 0)?.and_utc())
        };
        let (winter, summer) = (TimeDelta::hours(1), TimeDelta::hours(2));
        let changes = (1996..2100).flat_map(|year| {
            [(3, summer), (10, winter)].into_iter().filter_map(
                move |(month, offset)| {
                    Some((last_sunday(year, month)?, offset))
                },
            )
        });
        Self::new(winter, changes.collect())
    }

    /// Returns the number of the span that an instant is in, from 0.
    pub fn span_at(&self, instant: DateTime<Utc>) -> usize {
        unimplemented!("chapter 4: how many changes are not later")
    }

    /// Returns a span by its number, or `None` after the last one.
    pub fn span(&self, number: usize) -> Option<Span> {
        unimplemented!("chapter 4: the change before and the change after")
    }

    /// Returns what the clocks show at an instant.
    pub fn to_local(&self, instant: DateTime<Utc>) -> NaiveDateTime {
        unimplemented!("chapter 4: the instant and its offset")
    }

    /// Returns when the clocks show a local time.
    pub fn instants(&self, local: NaiveDateTime) -> Instants {
        unimplemented!("chapter 4: try the offsets of the spans around it")
    }
}
