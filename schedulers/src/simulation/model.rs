//! What the ledger must say: told from the triggers, the commands, and the next fire times that were computed again because the clock
//! was set back.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use matins_core::{Job, JobId, Run, Trigger, round_up_to_microsecond};

use crate::decide::clock_set::CORRECTION;
use crate::reading::Reading;

const MICROSECOND: TimeDelta = TimeDelta::microseconds(1);

/// What the model knows of a job.
pub(super) struct Known {
    pub(super) trigger: Arc<dyn Trigger>,
    /// Its fires are expected after this instant; `None` while it is paused, or removed.
    pub(super) since: Option<DateTime<Utc>>,
    pub(super) expected: Vec<DateTime<Utc>>,
    /// The first fire time that it was given.
    pub(super) given: Option<DateTime<Utc>>,
    /// Its next fire time, and what the clock showed when it got that.
    pub(super) next: Option<(DateTime<Utc>, Reading)>,
    /// A next fire time that may pass over others, because the clock was set twice before the engine could follow. After a crash, no
    /// engine knows why it is so late.
    inexact: Option<DateTime<Utc>>,
}

impl Known {
    pub(super) fn new(trigger: Arc<dyn Trigger>, since: DateTime<Utc>, given: Option<DateTime<Utc>>) -> Self {
        let since = Some(given.map_or(since, |given| given - MICROSECOND));
        Self { trigger, since, expected: Vec::new(), given, next: None, inexact: None }
    }

    fn fire_after(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let given = self.given.filter(|given| after < *given);
        given.or_else(|| self.trigger.next_after(after).map(round_up_to_microsecond))
    }

    /// Its fires so far have been decided: those before its next one, `next`, and those up to `now`.
    pub(super) fn decided(&mut self, next: Option<DateTime<Utc>>, now: Option<DateTime<Utc>>) {
        let Some(mut after) = self.since else { return };
        while let Some(fire) = self
            .fire_after(after)
            .filter(|fire| next.is_none_or(|next| *fire < next) || now.is_some_and(|now| *fire <= now))
        {
            self.expected.push(fire);
            after = fire;
        }
    }

    /// It fires no more, or by another trigger, after `now`.
    pub(super) fn close(&mut self, next: Option<DateTime<Utc>>, now: DateTime<Utc>) {
        self.decided(next, Some(now));
        (self.since, self.given) = (None, None);
    }

    /// Its trigger is broken: the fire that was due has a row, and those after it are not known.
    pub(super) fn is_broken(&mut self, due: DateTime<Utc>) {
        self.decided(Some(due), None);
        self.expected.push(due);
        (self.since, self.given) = (None, None);
    }

    /// Its next fire time was computed again, as the clock `reading` was set back from up to `latest`.
    pub(super) fn follows_clock(
        &mut self,
        id: &JobId,
        (from, to): (DateTime<Utc>, DateTime<Utc>),
        trigger: Option<Arc<dyn Trigger>>,
        reading: &Reading,
        (latest, steps): (DateTime<Utc>, u32),
    ) {
        let now = reading.now;
        assert!(to > now, "{id:?}: a next fire time that is past");
        assert!(now < latest, "{id:?}: from {from} to {to}, and the clock was never set back");
        if self.given == Some(from) {
            assert_eq!(from, to, "{id:?}: somebody gave it");
            self.trigger = trigger.expect("another trigger");
            return;
        }
        let is_correction = latest - now > CORRECTION;
        assert!(
            is_correction || !self.trigger.has_fixed_times(),
            "{id:?}: a fixed time comes again: from {from} to {to} at {now}"
        );
        self.decided(Some(from), None);
        // Where the clock was set again before the engine could follow, what was decided in between comes early once.
        let is_exact = !is_correction && steps <= 1 && self.inexact != Some(from);
        self.inexact = (!is_exact).then_some(to);
        if is_exact && let Some((_, set)) = self.next.filter(|(next, _)| *next == from) {
            let rest = to - now;
            let passed = TimeDelta::from_std(reading.monotonic.saturating_sub(set.monotonic)).unwrap();
            let gap = self.expected.last().map_or(TimeDelta::MAX, |last| from - *last);
            let is_early = rest + passed + TimeDelta::seconds(1) < from - set.now && rest < gap;
            assert!(
                !is_early,
                "{id:?}: from {from}, which it had since {}, to {to} at {now} after {passed}: it fires early",
                set.now
            );
        }
        if let Some(trigger) = trigger {
            self.trigger = trigger;
        }
        (self.since, self.given) = (Some(to - MICROSECOND), None);
    }

    /// Checks that the job still fires: its next fire time is no further ahead than the rule allows.
    pub(super) fn check_alive(&self, job: &Job, next: DateTime<Utc>, now: DateTime<Utc>) {
        let id = &job.id;
        assert!(next > now, "{id:?}: due, and not fired");
        // A first fire time that was given is kept, also after the clock was set back to before it.
        if job.first_fire == Some(next) {
            return;
        }
        let limit = if self.trigger.has_fixed_times() {
            self.fire_after(now + CORRECTION)
        } else {
            // One may be passed over, so that none comes early.
            (0..4).try_fold(now, |after, _| self.fire_after(after))
        };
        assert!(
            limit.is_none_or(|limit| next <= limit),
            "{id:?}: it stands still until {next} at {now}: {:?}",
            self.trigger
        );
    }
}

/// How long a run waits for its turn at most, if time passes.
pub(super) const LONGEST_WAIT: Duration = Duration::from_secs(40);

/// Whether the rows stand for these fires, each of them once. A range may have holes, of which other rows tell: then what
/// lies within is given to the row that ends first, which finds a way where there is one.
pub(super) fn account(id: &JobId, expected: &[DateTime<Utc>], rows: &[&Run]) {
    let mut left = expected.to_vec();
    let mut open: Vec<(DateTime<Utc>, DateTime<Utc>, u64)> = Vec::new();
    for row in rows {
        let range = row.fires;
        let ends = if range.count == 1 { vec![range.first] } else { vec![range.first, range.last] };
        for end in &ends {
            let Ok(place) = left.binary_search(end) else {
                panic!("{id:?}: {end} is not expected, or reported twice: {row:?}")
            };
            left.remove(place);
        }
        if range.count > 2 {
            open.push((range.last, range.first, range.count - 2));
        }
    }
    open.sort_unstable();
    for fire in left {
        let within = |(last, first, rest): &&mut (DateTime<Utc>, DateTime<Utc>, u64)| {
            *first <= fire && fire <= *last && *rest > 0
        };
        let row = open.iter_mut().find(within);
        row.unwrap_or_else(|| panic!("{id:?}: {fire} is not in the ledger")).2 -= 1;
    }
    assert!(
        open.iter().all(|(_, _, rest)| *rest == 0),
        "{id:?}: the ledger tells of more fires than there were: {open:?}"
    );
}
