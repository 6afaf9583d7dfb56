//! Local time: the one module in which an instant becomes a clock on a wall, and back.
//!
//! A zone is kept as its *spans*: stretches of time with one offset from UTC. Both directions are one search in that
//! table, and the gaps and overlaps lie at its seams.

use std::fmt;
use std::str::FromStr;
use std::sync::{LazyLock, OnceLock};

use chrono::{DateTime, FixedOffset, NaiveDateTime, Offset, TimeZone, Utc};
use chrono_tz::{TZ_VARIANTS, Tz};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::civil::{SECONDS_PER_DAY, days_from_civil};

/// A time zone of the tz database, by name: `Europe/Berlin`. Copying is free.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Zone {
    tz: Tz,
    spans: &'static [Span],
}

/// A stretch of time with one offset; it ends where the next begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    /// UTC seconds; `i64::MIN` for the first.
    pub(crate) start: i64,
    /// Seconds to add to UTC.
    pub(crate) offset: i64,
}

/// A name that no time zone has.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("there is no time zone {name:?}{}; names are those of the tz database, such as Europe/Berlin", suggestion(.nearest.as_deref()))]
pub struct UnknownZone {
    /// The name asked for.
    pub name: String,
    /// A name near to it, if there is one.
    pub nearest: Option<String>,
}

fn suggestion(nearest: Option<&str>) -> String {
    nearest.map(|nearest| format!(" (did you mean {nearest:?}?)")).unwrap_or_default()
}

impl Zone {
    /// Coordinated Universal Time, the zone of everything that names none.
    pub fn utc() -> Self {
        Self::from(Tz::UTC)
    }

    /// The zone of this name in the tz database.
    ///
    /// # Errors
    /// When there is none; the error suggests the nearest.
    pub fn named(name: &str) -> Result<Self, UnknownZone> {
        name.parse::<Tz>().map(Self::from).map_err(|_| {
            // A longer text is near to no name.
            let wanted = name.chars().take(40).collect::<String>().to_lowercase();
            let nearest = TZ_VARIANTS
                .iter()
                .map(|tz| (strsim::damerau_levenshtein(&wanted, &tz.name().to_lowercase()), tz.name()))
                .min()
                .filter(|(distance, _)| *distance <= 1 + name.len() / 5)
                .map(|(_, nearest)| nearest.to_owned());
            UnknownZone { name: name.to_owned(), nearest }
        })
    }

    /// Whether a zone has this name.
    pub(crate) fn exists(name: &str) -> bool {
        name.parse::<Tz>().is_ok()
    }

    #[cfg(feature = "cron")]
    pub(crate) fn tz(self) -> Tz {
        self.tz
    }

    /// Its name in the tz database.
    pub fn name(self) -> &'static str {
        self.tz.name()
    }

    /// The local date and time at `instant`.
    pub fn local(self, instant: DateTime<Utc>) -> NaiveDateTime {
        self.with_offset(instant).naive_local()
    }

    /// `instant` with the offset of this zone, for showing.
    pub fn with_offset(self, instant: DateTime<Utc>) -> DateTime<FixedOffset> {
        instant.with_timezone(&self.tz.offset_from_utc_datetime(&instant.naive_utc()).fix())
    }

    /// The instant of a *fixed local time*: one that occurs twice is at its first occurrence; one that the clocks
    /// skip is at the first instant after the gap. `None` only beyond the years that chrono can hold.
    pub fn instant_of(self, local: NaiveDateTime) -> Option<DateTime<Utc>> {
        let utc = local.and_utc();
        let (instant, in_gap) = self.resolve(utc.timestamp());
        DateTime::from_timestamp(instant, if in_gap { 0 } else { utc.timestamp_subsec_nanos() })
    }

    /// The span that holds the UTC second `instant`, as an index for [`span`](Self::span).
    pub(crate) fn span_at(self, instant: i64) -> usize {
        self.spans.partition_point(|span| span.start <= instant).max(1) - 1
    }

    pub(crate) fn span(self, index: usize) -> Option<Span> {
        self.spans.get(index).copied()
    }

    /// Local seconds to UTC seconds by the rule of fixed local times, and whether they were in a gap.
    pub(crate) fn resolve(self, local: i64) -> (i64, bool) {
        // The last span that has begun by that local time holds it, or lies after its gap; an earlier one that
        // still runs at that local time has its first occurrence.
        let spans = self.spans;
        let last = spans.partition_point(|span| span.start.saturating_add(span.offset) <= local).max(1) - 1;
        let end_of = |index: usize| spans.get(index + 1).map_or(i64::MAX, |next| next.start);
        let mut first = last;
        while first > 0 && local < end_of(first - 1).saturating_add(spans[first - 1].offset) {
            first -= 1;
        }
        let instant = local - spans[first].offset;
        let end = end_of(first);
        if instant >= end { (end, true) } else { (instant, false) }
    }
}

impl From<Tz> for Zone {
    fn from(tz: Tz) -> Self {
        type Spans = OnceLock<Box<[Span]>>;
        static TABLES: LazyLock<Box<[Spans]>> =
            LazyLock::new(|| TZ_VARIANTS.iter().map(|_| OnceLock::new()).collect());
        Self { tz, spans: TABLES[tz as usize].get_or_init(|| spans_of(tz)) }
    }
}

/// Reads a zone's spans off chrono-tz, which keeps its own table to itself: the offset is asked once a day, and the
/// seam is found by halving wherever it changed.
fn spans_of(tz: Tz) -> Box<[Span]> {
    // The tz database knows standard times from 1847 on; chrono-tz writes its rules out up to the year 2100.
    let begin = days_from_civil(1840, 1, 1) * SECONDS_PER_DAY;
    let end = days_from_civil(2101, 1, 1) * SECONDS_PER_DAY;
    let offset_at = |instant: i64| {
        let instant = DateTime::from_timestamp(instant, 0).unwrap_or_default();
        i64::from(tz.offset_from_utc_datetime(&instant.naive_utc()).fix().local_minus_utc())
    };
    let mut spans = vec![Span { start: i64::MIN, offset: offset_at(begin) }];
    let mut offset = spans[0].offset;
    let mut day = begin;
    while day < end {
        let next_day = day + SECONDS_PER_DAY;
        let next_offset = offset_at(next_day);
        let mut from = day;
        while offset != next_offset {
            let (mut same, mut other) = (from, next_day);
            while other - same > 1 {
                let middle = same + (other - same) / 2;
                if offset_at(middle) == offset { same = middle } else { other = middle }
            }
            offset = offset_at(other);
            spans.push(Span { start: other, offset });
            from = other;
        }
        day = next_day;
    }
    spans.into()
}

impl PartialEq for Zone {
    fn eq(&self, other: &Self) -> bool {
        self.tz == other.tz
    }
}

impl Eq for Zone {}

impl Default for Zone {
    /// [`Zone::utc`].
    fn default() -> Self {
        Self::utc()
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Zone({})", self.name())
    }
}

impl FromStr for Zone {
    type Err = UnknownZone;

    fn from_str(name: &str) -> Result<Self, UnknownZone> {
        Self::named(name)
    }
}

impl TryFrom<String> for Zone {
    type Error = UnknownZone;

    fn try_from(name: String) -> Result<Self, UnknownZone> {
        Self::named(&name)
    }
}

impl From<Zone> for String {
    fn from(zone: Zone) -> Self {
        zone.name().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::LocalResult;

    /// In every zone, half an hour before and after each seam and at the seam itself, both directions agree with
    /// chrono-tz; and so do instants between seams, some weeks apart.
    #[test]
    fn the_spans_of_every_zone_agree_with_chrono_tz() {
        for tz in TZ_VARIANTS {
            let zone = Zone::from(tz);
            let seams = zone.spans[1..].iter().flat_map(|span| (-3..=3).map(move |k| span.start + k * 1799));
            let between = (0..2_000).map(|k| -3_000_000_000 + k * 37 * 3600 * 27);
            for second in seams.chain(between) {
                let instant = DateTime::from_timestamp(second, 0).unwrap();
                let expected = tz.offset_from_utc_datetime(&instant.naive_utc()).fix().local_minus_utc();
                let span = zone.span(zone.span_at(second)).unwrap();
                assert_eq!(span.offset, i64::from(expected), "{tz} {instant}");
                let local = instant.naive_utc();
                match tz.from_local_datetime(&local) {
                    LocalResult::Single(one) | LocalResult::Ambiguous(one, _) => {
                        assert_eq!(zone.resolve(second), (one.timestamp(), false), "{tz} {local}");
                    }
                    LocalResult::None => {
                        let (after_gap, in_gap) = zone.resolve(second);
                        assert!(in_gap, "{tz} {local}");
                        let index = zone.span_at(after_gap);
                        assert_eq!(zone.spans[index].start, after_gap, "{tz} {local}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_misspelt_zone_gets_a_suggestion() {
        let error = Zone::named("Europe/Berlim").unwrap_err();
        assert_eq!(error.nearest.as_deref(), Some("Europe/Berlin"));
        assert!(Zone::named("").unwrap_err().nearest.is_none());
    }
}
