//! Builds the table of a zone from TZif data or from a POSIX rule. The crate `jiff-core` reads both.

use std::iter;
use std::sync::LazyLock;

use chrono::{FixedOffset, NaiveDate, NaiveDateTime, NaiveTime};
use jiff_core::Timestamp;
use jiff_core::tz::{Offset, Transition, posix, tzif};

use super::span::{CORRECTION, Era, FIRST_YEAR, LAST_YEAR, Span, Table, YEARS, naive};

/// The most changes of an offset that a zone may have. Those of the tz database have some 500 up to the last year.
const MOST_SPANS: usize = 4096;

/// UTC, which never changes.
pub(super) const UTC: Table = {
    static SPANS: [Span; 1] = [Span::first(FixedOffset::east_opt(0).unwrap())];
    static OF_YEAR: [u16; YEARS] = [0; YEARS];
    Table { spans: &SPANS, of_year: &OF_YEAR }
};

/// A table that was just built and is not yet kept.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Built {
    spans: Vec<Span>,
    of_year: Box<[u16; YEARS]>,
}

impl Built {
    /// Whether it says the same as a table that is kept.
    pub(super) fn is_like(&self, table: &Table) -> bool {
        self.spans[..] == *table.spans && *self.of_year == *table.of_year
    }

    /// Keeps it for the rest of the process.
    pub(super) fn keep(self) -> Table {
        Table { spans: self.spans.leak(), of_year: Box::leak(self.of_year) }
    }

    /// The offset of a zone that has one only, in seconds east of UTC.
    pub(super) fn only_offset(&self) -> Option<i32> {
        match self.spans[..] {
            [span] => Some(span.offset.local_minus_utc()),
            _ => None,
        }
    }
}

/// Reads TZif data (RFC 9636).
///
/// # Errors
/// Says what is wrong with the data.
pub(super) fn of_tzif(data: &[u8]) -> Result<Built, String> {
    if counts_leap_seconds(data) {
        return Err("it counts leap seconds, which a scheduler's clock does not".to_owned());
    }
    let zone =
        tzif::TimeZone::parse(data).map_err(|error| format!("it is not a valid TZif file: {error}"))?;
    build(&|at| zone.to_offset(at), &|after| zone.next_transition(after))
}

/// Reads a POSIX rule such as `CET-1CEST,M3.5.0,M10.5.0/3`.
///
/// # Errors
/// Says what is wrong with it.
pub(super) fn of_rule(rule: &str) -> Result<Built, String> {
    let zone = posix::TimeZone::parse(rule).map_err(|error| error.to_string())?;
    build(&|at| zone.to_offset(at), &|after| zone.next_transition(after))
}

/// Whether TZif data has records of leap seconds, as the files under `right/` have.
fn counts_leap_seconds(data: &[u8]) -> bool {
    const HEADER: usize = 44;
    /// The length of the block after a version 1 header, and its number of leap seconds.
    fn block(header: &[u8]) -> Option<(u64, u32)> {
        let number = |place: usize| Some(u32::from_be_bytes(header.get(place..place + 4)?.try_into().ok()?));
        let [ut, standard, leaps, times, types, chars] =
            [number(20)?, number(24)?, number(28)?, number(32)?, number(36)?, number(40)?];
        let [ut, standard, leap_length, times, types, chars] =
            [ut, standard, leaps, times, types, chars].map(u64::from);
        Some((ut + standard + leap_length * 8 + times * 5 + types * 6 + chars, leaps))
    }
    let Some((length, leaps)) = block(data) else { return false };
    // From version 2 on, a second block with longer times follows, and the first may be empty.
    let second = usize::try_from(length).ok().and_then(|length| data.get(HEADER.checked_add(length)?..));
    leaps > 0 || (data[4] != 0 && second.and_then(block).is_some_and(|(_, leaps)| leaps > 0))
}

fn build(
    to_offset: &dyn Fn(Timestamp) -> Offset,
    next_transition: &dyn Fn(Timestamp) -> Option<Transition>,
) -> Result<Built, String> {
    static YEARS_BEGIN: LazyLock<Box<[NaiveDateTime]>> = LazyLock::new(|| {
        (FIRST_YEAR..=LAST_YEAR + 1)
            .map(|year| NaiveDate::from_ymd_opt(year, 1, 1).unwrap_or_default().and_time(NaiveTime::MIN))
            .collect()
    });
    let seconds = |time: NaiveDateTime| time.and_utc().timestamp();
    let (begin, end) = (seconds(YEARS_BEGIN[0]), seconds(YEARS_BEGIN[YEARS]));
    let begin = Timestamp::from_second(begin).map_err(|error| error.to_string())?;

    let mut offset = offset(to_offset(begin))?;
    let mut spans = vec![Span::first(offset)];
    let mut last = begin.as_second();
    let transitions = iter::successors(next_transition(begin), |last| next_transition(last.timestamp()));
    for transition in transitions {
        let second = transition.timestamp().as_second();
        // Of data without a rule for the time to come, jiff-core repeats the last change without end.
        if second >= end || second <= last {
            break;
        }
        last = second;
        let next = self::offset(transition.offset())?;
        if next == offset {
            continue;
        }
        if spans.len() == MOST_SPANS {
            return Err(format!("its offset changes more than {MOST_SPANS} times"));
        }
        let (start, eve) = (naive(second), naive(second - 1));
        let (shown_before, local_start) = (start + offset, start + next);
        let era = Era { first: 0, end: 0 };
        spans.push(Span { start, offset: next, local_start, shown_before, eve, era });
        offset = next;
    }
    mark_eras(&mut spans);

    let mut of_year = Box::new([0; YEARS]);
    let mut index = 0;
    for (of_year, begin) in of_year.iter_mut().zip(YEARS_BEGIN.iter()) {
        while spans.get(index + 1).is_some_and(|next| next.start <= *begin) {
            index += 1;
        }
        *of_year = index as u16;
    }
    Ok(Built { spans, of_year })
}

/// Divides the spans at the corrections.
fn mark_eras(spans: &mut [Span]) {
    let mut first = 0;
    while first < spans.len() {
        let is_correction = |span: &Span| span.change().abs() >= CORRECTION;
        let end =
            spans[first + 1..].iter().position(is_correction).map_or(spans.len(), |more| first + 1 + more);
        for span in &mut spans[first..end] {
            span.era = Era { first: first as u16, end: end as u16 };
        }
        first = end;
    }
}

fn offset(offset: Offset) -> Result<FixedOffset, String> {
    let seconds = offset.seconds();
    FixedOffset::east_opt(seconds).ok_or_else(|| format!("its offset of {seconds} seconds is a day or more"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::Datelike;

    #[test]
    fn years_are_indexed_from_the_first_to_the_last() {
        let built = of_rule("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        assert_eq!(built.of_year[0], 0);
        assert_eq!(built.spans.last().unwrap().start.year(), LAST_YEAR, "rules are written out up to there");
    }
}
