//! Walking from fire to fire: what was worked out for a day serves all fires of that day.

use chrono::{DateTime, NaiveTime, TimeDelta, Timelike, Utc};
use matins_core::Trigger;

use super::CronTrigger;

/// The fires of a [`CronTrigger`] after an instant, in order; made by [`CronTrigger::fires_after`].
#[derive(Debug, Clone)]
pub struct Fires<'a> {
    trigger: &'a CronTrigger,
    last: DateTime<Utc>,
    today: Option<Today>,
}

/// A stretch of one local day in which the clocks run evenly and show nothing for the second time.
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
        Fires { trigger: self, last: after, today: None }
    }

    fn today(&self, fire: DateTime<Utc>) -> Option<Today> {
        let utc = fire.naive_utc();
        let (span, span_end) = self.zone.run_at(utc);
        let local = span.local(utc);
        if local < span.shown_before {
            return None;
        }
        let midnight = span.utc(local.date().and_time(NaiveTime::MIN)).and_utc();
        let left = span_end.map_or(86_400, |end| (end.and_utc() - midnight).num_seconds().min(86_400));
        Some(Today {
            midnight,
            end: u32::try_from(left).unwrap_or(0),
            second: local.num_seconds_from_midnight(),
        })
    }
}

impl Iterator for Fires<'_> {
    type Item = DateTime<Utc>;

    fn next(&mut self) -> Option<DateTime<Utc>> {
        if let Some(today) = &mut self.today
            && let Some(second) = self.trigger.expression.next_time(today.second + 1)
            && second < today.end
        {
            today.second = second;
            self.last = today.midnight + TimeDelta::seconds(second.into());
            return self.trigger.limits.allow_end(self.last).then_some(self.last);
        }
        self.last = self.trigger.next_after(self.last)?;
        self.today = self.trigger.today(self.last);
        Some(self.last)
    }
}
