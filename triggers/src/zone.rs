//! Local time: the one module in which an instant becomes a clock on a wall, and back.
//!
//! A zone is kept as its *spans*: stretches of time with one offset from UTC. Both directions are one look into that
//! table, which is indexed by year, and the gaps and overlaps lie at its seams.

use std::fmt;
use std::str::FromStr;
use std::sync::{LazyLock, OnceLock};

use chrono::{DateTime, Datelike, FixedOffset, NaiveDateTime, Offset, TimeZone, Utc};
use chrono_tz::{TZ_VARIANTS, Tz};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A time zone of the tz database, by name: `Europe/Berlin`. Copying is free.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Zone {
    tz: Tz,
    table: &'static Table,
}

/// What a local time comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LocalTime {
    /// The clocks show it once.
    Once(DateTime<Utc>),
    /// They skip it: they go from `from` to `to`, both local, at the instant `at`.
    Skipped {
        /// The instant at which they jump.
        at: DateTime<Utc>,
        /// What they would show then.
        from: NaiveDateTime,
        /// What they show instead.
        to: NaiveDateTime,
    },
    /// They show it twice.
    Twice {
        /// The first time.
        first: DateTime<Utc>,
        /// The second time.
        second: DateTime<Utc>,
    },
}

/// A stretch of time with one offset; it ends where the next begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    /// UTC; the least that can be held for the first.
    pub(crate) start: NaiveDateTime,
    pub(crate) offset: FixedOffset,
    /// What the clocks show when it begins.
    local_start: NaiveDateTime,
    /// What they would show then had the offset not changed. In an overlap that is later than the start: up to here
    /// they show what they have shown before.
    pub(crate) shown_before: NaiveDateTime,
    /// The second before it begins.
    eve: NaiveDateTime,
}

impl Span {
    /// From UTC to what the clocks show; at the ends of time, as far as can be held.
    #[inline]
    pub(crate) fn local(&self, utc: NaiveDateTime) -> NaiveDateTime {
        utc.checked_add_offset(self.offset).unwrap_or(utc)
    }

    /// From what the clocks show to UTC.
    #[inline]
    pub(crate) fn utc(&self, local: NaiveDateTime) -> NaiveDateTime {
        local.checked_sub_offset(self.offset).unwrap_or(local)
    }
}

/// All spans of a zone.
#[derive(Debug)]
struct Table {
    spans: Box<[Span]>,
    /// For each year from [`FIRST_YEAR`] on, the span that holds its first instant in UTC.
    of_year: Box<[u16]>,
}

/// The tz database knows standard times from 1847 on; chrono-tz writes its rules out up to the year 2100.
const FIRST_YEAR: i32 = 1840;
const LAST_YEAR: i32 = 2101;

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
            // A longer text is near to no name, and no name is nearer than the difference of lengths.
            let wanted = name.chars().take(40).collect::<String>().to_lowercase();
            let nearest = TZ_VARIANTS
                .iter()
                .filter(|tz| tz.name().len().abs_diff(wanted.len()) <= 1 + wanted.len() / 5)
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
        let utc = instant.naive_utc();
        self.spans()[self.span_at(utc)].local(utc)
    }

    /// `instant` with the offset of this zone, for showing.
    pub fn with_offset(self, instant: DateTime<Utc>) -> DateTime<FixedOffset> {
        instant.with_timezone(&self.spans()[self.span_at(instant.naive_utc())].offset)
    }

    /// The instant of a *fixed local time*: one that occurs twice is at its first occurrence; one that the clocks
    /// skip is at the first instant after the gap. `None` only beyond the years that chrono can hold.
    pub fn instant_of(self, local: NaiveDateTime) -> Option<DateTime<Utc>> {
        let utc = self.resolve(local);
        // At the ends of time there is nothing to add an offset to.
        (utc != NaiveDateTime::MIN && utc != NaiveDateTime::MAX).then(|| utc.and_utc())
    }

    /// What a local time comes to here. `None` only beyond the years that chrono can hold.
    ///
    /// ```
    /// use matins_triggers::{LocalTime, Zone};
    ///
    /// let berlin = Zone::named("Europe/Berlin").unwrap();
    /// let night = "2026-03-29T02:30:00".parse().unwrap();
    /// let Some(LocalTime::Skipped { from, to, .. }) = berlin.local_time(night) else { panic!("the clocks skip it") };
    /// assert_eq!((from.to_string(), to.to_string()), ("2026-03-29 02:00:00".to_owned(), "2026-03-29 03:00:00".to_owned()));
    /// ```
    pub fn local_time(self, local: NaiveDateTime) -> Option<LocalTime> {
        let first = self.instant_of(local)?;
        let index = self.span_at(first.naive_utc());
        let span = &self.spans()[index];
        if span.local(first.naive_utc()) != local {
            return Some(LocalTime::Skipped { at: first, from: span.shown_before, to: span.local_start });
        }
        // What is shown once more is shown by the next span, after it has set the clocks back.
        let again = self.spans().get(index + 1).map(|next| (next.start, next.utc(local)));
        Some(match again {
            Some((start, second)) if second >= start && self.local(second.and_utc()) == local => {
                LocalTime::Twice { first, second: second.and_utc() }
            }
            _ => LocalTime::Once(first),
        })
    }

    /// The spans, in order; never empty.
    #[inline]
    pub(crate) fn spans(self) -> &'static [Span] {
        &self.table.spans
    }

    /// The span that holds the instant, as an index into [`spans`](Self::spans).
    #[inline]
    pub(crate) fn span_at(self, utc: NaiveDateTime) -> usize {
        self.last_span(utc, |span| span.start)
    }

    /// The span that holds the instant, and the next one where there is one.
    pub(crate) fn run_at(self, utc: NaiveDateTime) -> (&'static Span, Option<&'static Span>) {
        let index = self.span_at(utc);
        (&self.spans()[index], self.spans().get(index + 1))
    }

    /// The span that holds the next whole second after the instant.
    #[inline]
    pub(crate) fn span_after(self, utc: NaiveDateTime) -> usize {
        self.last_span(utc, |span| span.eve)
    }

    #[inline]
    fn last_span(self, utc: NaiveDateTime, begin: impl Fn(&Span) -> NaiveDateTime) -> usize {
        let spans = self.spans();
        let mut index = self.first_of_year(utc);
        while spans.get(index + 1).is_some_and(|next| begin(next) <= utc) {
            index += 1;
        }
        index
    }

    /// The span that holds the first instant of that year in UTC.
    #[inline]
    fn first_of_year(self, time: NaiveDateTime) -> usize {
        let year = (time.year().clamp(FIRST_YEAR, LAST_YEAR) - FIRST_YEAR) as usize;
        usize::from(self.table.of_year[year])
    }

    /// Local time to UTC by the rule of fixed local times.
    pub(crate) fn resolve(self, local: NaiveDateTime) -> NaiveDateTime {
        // The last span before which the clocks could not have shown that: in an overlap that is the earlier one, and what
        // it never shows lies in the gap at its beginning.
        let spans = self.spans();
        let mut index = self.first_of_year(local);
        while index > 0 && local < spans[index].shown_before {
            index -= 1;
        }
        while spans.get(index + 1).is_some_and(|next| next.shown_before <= local) {
            index += 1;
        }
        let span = &spans[index];
        if local < span.local_start { span.start } else { span.utc(local) }
    }
}

impl From<Tz> for Zone {
    fn from(tz: Tz) -> Self {
        static TABLES: LazyLock<Box<[OnceLock<Table>]>> =
            LazyLock::new(|| TZ_VARIANTS.iter().map(|_| OnceLock::new()).collect());
        Self { tz, table: TABLES[tz as usize].get_or_init(|| table_of(tz)) }
    }
}

/// Reads a zone's spans off chrono-tz, which keeps its own table to itself: the offset is asked once a day, and the
/// seam is found by halving wherever it changed.
fn table_of(tz: Tz) -> Table {
    const DAY: i64 = 86_400;
    let first_of = |year: i32| Utc.with_ymd_and_hms(year, 1, 1, 0, 0, 0).unwrap().timestamp();
    let instant = |second: i64| DateTime::from_timestamp(second, 0).unwrap_or_default().naive_utc();
    let offset_at = |second: i64| tz.offset_from_utc_datetime(&instant(second)).fix();

    let mut day = first_of(FIRST_YEAR);
    let mut offset = offset_at(day);
    let start = NaiveDateTime::MIN;
    let mut spans = vec![Span { start, offset, local_start: start, shown_before: start, eve: start }];
    let mut of_year = Vec::new();
    while day < first_of(LAST_YEAR + 1) {
        let date = instant(day);
        if date.ordinal() == 1 {
            of_year.push((spans.len() - 1) as u16);
        }
        let next_day = day + DAY;
        let next_offset = offset_at(next_day);
        let mut from = day;
        while offset != next_offset {
            let (mut same, mut other) = (from, next_day);
            while other - same > 1 {
                let middle = same + (other - same) / 2;
                if offset_at(middle) == offset { same = middle } else { other = middle }
            }
            let start = instant(other);
            let shown_before = start + offset;
            offset = offset_at(other);
            let eve = instant(other - 1);
            spans.push(Span { start, offset, local_start: start + offset, shown_before, eve });
            from = other;
        }
        day = next_day;
    }
    Table { spans: spans.into(), of_year: of_year.into() }
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
            let starts = zone.spans()[1..].iter().map(|span| span.start.and_utc().timestamp());
            let seams = starts.flat_map(|start| (-3..=3).map(move |k| start + k * 1799));
            let between = (0..2_000).map(|k| -3_000_000_000 + k * 37 * 3600 * 27);
            for second in seams.chain(between) {
                let utc = DateTime::from_timestamp(second, 0).unwrap().naive_utc();
                let offset = tz.offset_from_utc_datetime(&utc).fix();
                assert_eq!(zone.spans()[zone.span_at(utc)].offset, offset, "{tz} {utc}");
                let local = utc;
                let resolved = zone.resolve(local);
                let comes_to = zone.local_time(local).unwrap();
                match tz.from_local_datetime(&local) {
                    LocalResult::Single(one) => {
                        assert_eq!(resolved, one.naive_utc(), "{tz} {local}");
                        assert_eq!(comes_to, LocalTime::Once(one.to_utc()), "{tz} {local}");
                    }
                    LocalResult::Ambiguous(one, two) => {
                        assert_eq!(resolved, one.naive_utc(), "{tz} {local}");
                        let twice = LocalTime::Twice { first: one.to_utc(), second: two.to_utc() };
                        assert_eq!(comes_to, twice, "{tz} {local}");
                    }
                    LocalResult::None => {
                        let LocalTime::Skipped { at, from, to } = comes_to else {
                            panic!("{tz} {local}: {comes_to:?}")
                        };
                        assert_eq!(at.naive_utc(), resolved, "{tz} {local}");
                        assert!(from <= local && local < to, "{tz} {local}");
                        assert!(zone.spans().iter().any(|span| span.start == resolved), "{tz} {local}");
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
