//! How many fires a trigger at local times has between two instants: counted on the local clock, span by span.

use chrono::NaiveDateTime;

use super::span::{NANOSECOND, Rules};

/// How local times become fires; see the crate's page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Clocks {
    /// *Fixed local times*: what is skipped fires once at the end of the gap, and what comes twice fires the first time.
    Fixed,
    /// *Elapsed time*: what is skipped does not fire, and what comes twice fires twice.
    Elapsed,
}

impl Rules {
    /// Counts the fires in `(after, until]`. `local` counts local times in `(from, to]`, and `fires_at` says whether a fire
    /// is at an instant, which is asked where a span begins.
    pub(crate) fn count_fires(
        &self,
        clocks: Clocks,
        after: NaiveDateTime,
        until: NaiveDateTime,
        mut local: impl FnMut(NaiveDateTime, NaiveDateTime) -> u64,
        mut fires_at: impl FnMut(NaiveDateTime) -> bool,
    ) -> u64 {
        let mut index = self.span_at(after);
        let mut after = after;
        let mut count: u64 = 0;
        loop {
            let span = &self.spans()[index];
            let mut from = span.local(after);
            // As in `next_fixed`: in the second pass of an overlap, all that the first pass showed has fired.
            if clocks == Clocks::Fixed && from < span.shown_before && index != usize::from(span.era.first) {
                from = span.shown_before - NANOSECOND;
            }
            let next = self.spans().get(index + 1).filter(|next| next.start <= until);
            let to = next.map_or_else(|| span.local(until), |next| next.shown_before - NANOSECOND);
            if from < to {
                count = count.saturating_add(local(from, to));
            }
            let Some(next) = next else { return count };
            after = match clocks {
                // What was skipped fires when the span begins, together with what the clocks show then.
                Clocks::Fixed => {
                    count = count.saturating_add(fires_at(next.start).into());
                    next.start
                }
                Clocks::Elapsed => next.start - NANOSECOND,
            };
            index += 1;
        }
    }
}
