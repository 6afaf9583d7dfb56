//! Walking from fire to fire: what was worked out for a day serves all fires of that day, and the offset of a zone all fires up
//! to its next change.

use chrono::{DateTime, NaiveDateTime, NaiveTime, TimeDelta, Timelike, Utc};
use matins_core::Trigger;

use super::CronTrigger;
use crate::zone::Span;

/// The fires of a [`CronTrigger`] after an instant, in order; made by [`CronTrigger::fires_after`].
#[derive(Debug, Clone)]
pub struct Fires<'a> {
    trigger: &'a CronTrigger,
    last: DateTime<Utc>,
    run: Option<Run>,
    today: Option<Today>,
}

/// A range of time in which the clocks run evenly and show nothing for the second time.
#[derive(Debug, Clone, Copy)]
struct Run {
    span: &'static Span,
    /// The local time from which on the next change matters.
    local_end: Option<NaiveDateTime>,
    /// When it begins, in UTC.
    end: Option<NaiveDateTime>,
}

/// The part of a [`Run`] in one local day.
#[derive(Debug, Clone, Copy)]
struct Today {
    /// Where its midnight would lie by the offset of now.
    midnight: DateTime<Utc>,
    /// In seconds from that midnight; the first one that is past it.
    end: u32,
    /// The second of the last fire.
    second: u32,
}

impl CronTrigger {
    /// The fires after `after`, in order. It gives what [`next_after`](Trigger::next_after) would give from fire to fire,
    /// and takes a part of the time.
    ///
    /// ```
    /// use matins_triggers::CronTrigger;
    ///
    /// let trigger: CronTrigger = "0 */12 * * *".parse().unwrap();
    /// let fires = trigger.fires_after("2026-12-24T18:00:00Z".parse().unwrap());
    /// let fires: Vec<String> = fires.take(2).map(|fire| fire.to_rfc3339()).collect();
    /// assert_eq!(fires, ["2026-12-25T00:00:00+00:00", "2026-12-25T12:00:00+00:00"]);
    /// ```
    pub fn fires_after(&self, after: DateTime<Utc>) -> Fires<'_> {
        Fires { trigger: self, last: after, run: None, today: None }
    }

    /// The range that a fire lies in; `None` where the clocks show it for the second time.
    fn run_of(&self, fire: NaiveDateTime) -> Option<Run> {
        let (span, next) = self.zone.rules().run_at(fire);
        let is_first_time = span.local(fire) >= span.shown_before;
        let (end, local_end) = next.map(|next| (next.start, next.shown_before)).unzip();
        is_first_time.then_some(Run { span, local_end, end })
    }
}

impl Run {
    fn day_of(&self, local: NaiveDateTime) -> Today {
        let midnight = self.span.utc(local.date().and_time(NaiveTime::MIN)).and_utc();
        let left = self.end.map_or(86_400, |end| (end.and_utc() - midnight).num_seconds().min(86_400));
        Today { midnight, end: u32::try_from(left).unwrap_or(0), second: local.num_seconds_from_midnight() }
    }
}

impl Fires<'_> {
    /// The next fire, where it lies in the same range as the last one.
    fn along_the_run(&self) -> Option<NaiveDateTime> {
        let run = self.run.as_ref()?;
        let local = self.trigger.expression.next_local(run.span.local(self.last.naive_utc()))?;
        run.local_end.is_none_or(|end| local < end).then(|| run.span.utc(local))
    }
}

impl Iterator for Fires<'_> {
    type Item = DateTime<Utc>;

    fn next(&mut self) -> Option<DateTime<Utc>> {
        let trigger = self.trigger;
        if let Some(today) = &mut self.today {
            let second = trigger.expression.next_time(today.second + 1);
            if let Some(second) = second.filter(|second| *second < today.end) {
                today.second = second;
                self.last = today.midnight + TimeDelta::seconds(second.into());
                return trigger.limits.allow_end(self.last).then_some(self.last);
            }
        }
        if let Some(fire) = self.along_the_run() {
            self.last = fire.and_utc();
            if !trigger.limits.allow_end(self.last) {
                return None;
            }
        } else {
            self.last = trigger.next_after(self.last)?;
            self.run = trigger.run_of(self.last.naive_utc());
        }
        // Of a day with one fire nothing is left.
        self.today = self
            .run
            .filter(|_| !trigger.expression.is_once_a_day())
            .map(|run| run.day_of(run.span.local(self.last.naive_utc())));
        Some(self.last)
    }
}
