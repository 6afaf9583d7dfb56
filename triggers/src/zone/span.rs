//! The rules of a zone as a table: ranges of time with one offset from UTC.
//!
//! Both directions, from UTC to local time and back, are one look into that table, which is indexed by year. The gaps and
//! overlaps of local time lie where one span ends and the next begins.

use std::sync::OnceLock;

use chrono::{DateTime, Datelike, FixedOffset, NaiveDateTime, TimeDelta};

/// The tz database knows standard times from 1847 on. Rules without an end are written out up to the last year.
pub(super) const FIRST_YEAR: i32 = 1840;
pub(super) const LAST_YEAR: i32 = 2101;
pub(super) const YEARS: usize = (LAST_YEAR - FIRST_YEAR + 1) as usize;

/// A change of the clocks by this much or more is a correction (cron(8) of Debian): the new time counts at once. Fixed
/// local times that are skipped do not fire, and those that come a second time fire again.
pub(crate) const CORRECTION: TimeDelta = TimeDelta::hours(3);

/// A range of time with one offset; it ends where the next begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    /// UTC; the least that can be held for the first.
    pub(crate) start: NaiveDateTime,
    pub(crate) offset: FixedOffset,
    /// What the clocks show when it begins.
    pub(crate) local_start: NaiveDateTime,
    /// What they would show then had the offset not changed. In an overlap that is later than the start: up to here
    /// they show what they have shown before.
    pub(crate) shown_before: NaiveDateTime,
    /// The second before it begins.
    pub(super) eve: NaiveDateTime,
    /// The era that it belongs to.
    pub(super) era: Era,
}

/// Spans between two corrections, as indices: the first one, and the one after the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Era {
    pub(super) first: u16,
    pub(super) end: u16,
}

impl Span {
    /// The span without a beginning, alone in its era.
    pub(super) const fn first(offset: FixedOffset) -> Self {
        let start = NaiveDateTime::MIN;
        let era = Era { first: 0, end: 1 };
        Self { start, offset, local_start: start, shown_before: start, eve: start, era }
    }

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

    /// By how much the clocks change when it begins.
    pub(super) fn change(&self) -> TimeDelta {
        self.local_start - self.shown_before
    }
}

/// The rules of a zone, as one version of the tz database has them. They live as long as the process.
#[derive(Debug)]
pub(crate) struct Rules {
    pub(super) name: &'static str,
    pub(super) table: Table,
    /// Those of a version that was read later, where they differ.
    pub(super) newer: OnceLock<&'static Rules>,
}

/// All spans of a zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Table {
    /// In order; never empty.
    pub(super) spans: &'static [Span],
    /// For each year from [`FIRST_YEAR`] on, the span that holds its first instant in UTC.
    pub(super) of_year: &'static [u16; YEARS],
}

impl Rules {
    pub(super) const fn new(name: &'static str, table: Table) -> Self {
        Self { name, table, newer: OnceLock::new() }
    }

    /// The newest rules of this zone.
    #[inline]
    pub(super) fn newest(&'static self) -> &'static Self {
        let mut rules = self;
        while let Some(newer) = rules.newer.get() {
            rules = newer;
        }
        rules
    }

    /// The spans, in order; never empty.
    #[inline]
    pub(crate) fn spans(&self) -> &'static [Span] {
        self.table.spans
    }

    /// The span that holds the instant, as an index into [`spans`](Self::spans).
    #[inline]
    pub(crate) fn span_at(&self, utc: NaiveDateTime) -> usize {
        self.last_span(utc, |span| span.start)
    }

    /// The span that holds the instant, and the next one where there is one.
    pub(crate) fn run_at(&self, utc: NaiveDateTime) -> (&'static Span, Option<&'static Span>) {
        let index = self.span_at(utc);
        (&self.spans()[index], self.spans().get(index + 1))
    }

    /// The span that holds the next whole second after the instant.
    #[inline]
    pub(crate) fn span_after(&self, utc: NaiveDateTime) -> usize {
        self.last_span(utc, |span| span.eve)
    }

    #[inline]
    fn last_span(&self, utc: NaiveDateTime, begin: impl Fn(&Span) -> NaiveDateTime) -> usize {
        let spans = self.spans();
        let mut index = self.first_of_year(utc);
        while spans.get(index + 1).is_some_and(|next| begin(next) <= utc) {
            index += 1;
        }
        index
    }

    /// The span that holds the first instant of that year in UTC.
    #[inline]
    fn first_of_year(&self, time: NaiveDateTime) -> usize {
        let year = (time.year().clamp(FIRST_YEAR, LAST_YEAR) - FIRST_YEAR) as usize;
        usize::from(self.table.of_year[year])
    }

    /// Local time to UTC: a time that comes twice is at its first occurrence, one that is skipped at the first instant
    /// after the gap.
    #[inline]
    pub(crate) fn resolve(&self, local: NaiveDateTime) -> NaiveDateTime {
        self.resolve_among(local, 0, self.spans().len())
    }

    /// The same, as if there were only the spans of an era.
    #[inline]
    pub(super) fn resolve_in(&self, local: NaiveDateTime, era: Era) -> NaiveDateTime {
        self.resolve_among(local, era.first.into(), era.end.into())
    }

    #[inline]
    fn resolve_among(&self, local: NaiveDateTime, first: usize, end: usize) -> NaiveDateTime {
        // The last span before which the clocks could not have shown that: in an overlap that is the earlier one, and what
        // it never shows lies in the gap at its beginning.
        let spans = &self.spans()[..end];
        let mut index = self.first_of_year(local).clamp(first, end - 1);
        while index > first && local < spans[index].shown_before {
            index -= 1;
        }
        while spans.get(index + 1).is_some_and(|next| next.shown_before <= local) {
            index += 1;
        }
        let span = &spans[index];
        if local < span.local_start { span.start } else { span.utc(local) }
    }

    /// The first fire later than `after` of a trigger at *fixed local times*, of which `next_local` gives the first one after
    /// a local time.
    ///
    /// The search runs along the local clock as if it never jumped, up to the next correction, and each local time is
    /// resolved. Several local times in one gap fire once, at its end. After a correction it begins with what the clocks
    /// show then.
    #[inline]
    pub(crate) fn next_fixed(
        &self,
        after: NaiveDateTime,
        mut next_local: impl FnMut(NaiveDateTime) -> Option<NaiveDateTime>,
    ) -> Option<NaiveDateTime> {
        let index = self.span_at(after);
        let span = &self.spans()[index];
        let mut shown = span.local(after);
        // In the second pass of an overlap, all that the first pass showed has fired.
        if shown < span.shown_before && index != usize::from(span.era.first) {
            shown = span.shown_before - NANOSECOND;
        }
        let local = next_local(shown)?;
        match self.spans().get(index + 1) {
            Some(next) if local >= next.shown_before => {
                self.next_beyond(after, span.era, local, &mut next_local)
            }
            _ => Some(span.utc(local)),
        }
    }

    /// The last fire earlier than `before` of a trigger at *fixed local times*, of which `previous_local` gives the last one
    /// before a local time. It mirrors [`next_fixed`](Self::next_fixed).
    #[inline]
    pub(crate) fn previous_fixed(
        &self,
        before: NaiveDateTime,
        mut previous_local: impl FnMut(NaiveDateTime) -> Option<NaiveDateTime>,
    ) -> Option<NaiveDateTime> {
        let index = self.span_at(before.checked_sub_signed(NANOSECOND)?);
        let span = &self.spans()[index];
        let mut shown = span.local(before);
        // In the second pass of an overlap, all that the first pass showed has fired.
        if index != usize::from(span.era.first) {
            shown = shown.max(span.shown_before);
        }
        let local = previous_local(shown)?;
        if local >= span.local_start.max(span.shown_before)
            || (local >= span.local_start && index == usize::from(span.era.first))
        {
            return Some(span.utc(local));
        }
        self.previous_beyond(before, span.era, local, &mut previous_local)
    }

    /// The last fire of `local` and what precedes it, which lie before the span that the search began in.
    fn previous_beyond(
        &self,
        before: NaiveDateTime,
        mut era: Era,
        mut local: NaiveDateTime,
        previous_local: &mut impl FnMut(NaiveDateTime) -> Option<NaiveDateTime>,
    ) -> Option<NaiveDateTime> {
        loop {
            let correction = &self.spans()[usize::from(era.first)];
            if era.first > 0 && local < correction.local_start {
                era = self.spans()[usize::from(era.first) - 1].era;
                // What is skipped by the correction does not fire.
                local = previous_local(correction.shown_before)?;
                continue;
            }
            let instant = self.resolve_in(local, era);
            if instant < before {
                return Some(instant);
            }
            local = previous_local(local)?;
        }
    }

    /// The first fire of `local` and what follows it, which lie beyond the span that the search began in.
    fn next_beyond(
        &self,
        after: NaiveDateTime,
        mut era: Era,
        mut local: NaiveDateTime,
        next_local: &mut impl FnMut(NaiveDateTime) -> Option<NaiveDateTime>,
    ) -> Option<NaiveDateTime> {
        loop {
            let correction = self.spans().get(usize::from(era.end));
            if let Some(correction) = correction.filter(|correction| local >= correction.shown_before) {
                local = next_local(correction.local_start - NANOSECOND)?;
                era = correction.era;
                continue;
            }
            let instant = self.resolve_in(local, era);
            if instant > after {
                return Some(instant);
            }
            local = next_local(local)?;
        }
    }
}

pub(super) const NANOSECOND: TimeDelta = TimeDelta::nanoseconds(1);

/// Instants in seconds to a table's terms.
pub(super) fn naive(second: i64) -> NaiveDateTime {
    DateTime::from_timestamp(second, 0).unwrap_or_default().naive_utc()
}
