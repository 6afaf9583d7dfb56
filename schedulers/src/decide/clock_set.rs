//! Decides about a next fire time when the clock was set back. The rule is that of Debian's cron (cron(8)).

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use matins_core::{Job, JobId, Run, RunId, Transition, Trigger};

use super::plan::next_after;
use super::tick::Tick;
use super::{postponed, retry};
use crate::occupied::WHEN_IT_ENDS;

/// A clock that was set back by more than this was wrong before: the new time counts at once.
pub(crate) const CORRECTION: TimeDelta = TimeDelta::hours(3);

/// The least that can be asked about.
const TICK: TimeDelta = TimeDelta::nanoseconds(1);

/// How the clock was set back, as far as is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SetBack {
    /// By how much, at least.
    pub(crate) by: TimeDelta,
}

impl SetBack {
    /// The clock was wrong: every next fire time is computed again.
    pub(crate) fn is_correction(self) -> bool {
        self.by > CORRECTION
    }
}

/// What a job gets because the clock was set back.
#[derive(Debug, Clone)]
pub(crate) struct Moved {
    /// Its next fire time.
    pub(crate) to: DateTime<Utc>,
    /// By how much the clock was set back, at least, as the job shows.
    pub(crate) by: TimeDelta,
    /// Its trigger, and when it was added, by the new time: it was added by a clock that was ahead.
    pub(crate) added: Option<(Arc<dyn Trigger>, DateTime<Utc>)>,
}

/// Returns what a job gets at `now` because the clock was set back, or `None` if it stays as it is.
///
/// A next fire time that lies further ahead than the first that the trigger has from now shows that the clock has been ahead:
/// the fire times in between were decided then. A job that was added in the future shows it too.
pub(crate) fn moved(job: &Job, now: DateTime<Utc>, set_back: SetBack) -> Option<Moved> {
    let next = job.next_fire.filter(|next| *next > now)?;
    let own = next_after(&*job.trigger, now).filter(|own| *own > now);
    let was_ahead = own.is_some_and(|own| own < next) && job.first_fire != Some(next);
    if !was_ahead && job.created <= now {
        return None;
    }
    // A delay after a run is no instant of the trigger: only one that is longer than it can be shows a clock that was ahead.
    if let Some(latest) =
        job.policy.delay.map(|delay| retry::later(now, delay)).filter(|_| job.created <= now)
    {
        let by = set_back.by.max(next - latest);
        return (next > latest).then_some(Moved { to: latest, by, added: None });
    }
    // The clock has shown the last fire time that was decided.
    let last = if was_ahead { last_before(&*job.trigger, now, next).or(own) } else { None };
    let by = last.map_or(set_back.by, |last| set_back.by.max(last - now));
    if job.created > now {
        // And when the job was added.
        let by = by.max(job.created - now);
        let created = job.created.checked_sub_signed(by)?;
        if let Some(trigger) = job.trigger.added_at(job.created, created) {
            let to = if job.first_fire == Some(next) { Some(next) } else { sooner(&*trigger, next, now, by) };
            return Some(Moved { to: to.unwrap_or(next), by, added: Some((trigger, created)) });
        }
    }
    // What was passed over when the clock was set back before shows nothing of this step, by which elapsed times move.
    let passed_over = last.map_or(TimeDelta::zero(), |last| next - last);
    let is_known = set_back.by > TimeDelta::zero() && by <= set_back.by + passed_over;
    let step = if is_known && !(SetBack { by }).is_correction() { set_back.by } else { by };
    let to = if was_ahead { sooner(&*job.trigger, next, now, step) } else { None };
    Some(Moved { to: to?, by, added: None })
}

/// The next fire time in place of `next`, where the clock was set back by so much; `None` if it stays.
fn sooner(
    trigger: &dyn Trigger,
    next: DateTime<Utc>,
    now: DateTime<Utc>,
    by: TimeDelta,
) -> Option<DateTime<Utc>> {
    let after = if (SetBack { by }).is_correction() {
        now
    } else if trigger.has_fixed_times() {
        return None;
    } else {
        // Elapsed time: as much of it passes before the next fire as would have passed.
        next.checked_sub_signed(by)?.checked_sub_signed(TICK)?.max(now)
    };
    next_after(trigger, after).filter(|to| *to > now && *to < next)
}

/// The last fire time after `from` and before `end`, by halving: the successor function is monotone.
fn last_before(trigger: &dyn Trigger, from: DateTime<Utc>, end: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let found = |after: DateTime<Utc>| trigger.next_after(after).filter(|fire| *fire > after && *fire < end);
    let mut last = found(from)?;
    let (mut some, mut none) = (from, end);
    while none - some > TimeDelta::microseconds(1) {
        let middle = some + (none - some) / 2;
        match found(middle) {
            Some(fire) => (some, last) = (fire.min(none - TICK).max(middle), fire),
            None => none = middle,
        }
    }
    Some(last)
}

/// As [`moved`], for triggers that may panic: those keep their jobs' next fire times, and are reported when these come.
pub(crate) fn moved_caught(job: &Job, now: DateTime<Utc>, set_back: SetBack) -> Option<Moved> {
    catch_unwind(AssertUnwindSafe(|| moved(job, now, set_back))).unwrap_or_default()
}

impl Tick<'_> {
    /// Gives a claimed job what was decided because the clock was set back, if it still has the next fire time `from` for which
    /// that was decided.
    pub(crate) fn follow_clock(&mut self, at: usize, from: DateTime<Utc>, moved: &Moved) {
        let Some(job) = self.jobs[at].job.clone().filter(|job| job.next_fire == Some(from)) else { return };
        match &moved.added {
            None => {
                let to = Some(moved.to);
                self.batch.push(Transition::Advance { job: job.id.clone(), from: Some(from), to });
            }
            Some((trigger, created)) => {
                let (trigger, created, next_fire) = (trigger.clone(), *created, Some(moved.to));
                let revision = job.revision + 1;
                self.update(
                    at,
                    (*job).clone().with(|job| {
                        job.trigger = trigger;
                        job.created = created;
                        job.next_fire = next_fire;
                        job.revision = revision;
                    }),
                );
            }
        }
    }

    /// Gives these runs of a claimed job other turns, if they still wait.
    pub(crate) fn set_turns(&mut self, at: usize, turns: &BTreeMap<RunId, (JobId, DateTime<Utc>)>) {
        let mut changed = Vec::new();
        for run in &mut self.jobs[at].runs.ready {
            let turn = turns.get(&run.id).map(|(_, turn)| *turn);
            if run.turn.is_some_and(|turn| turn != WHEN_IT_ENDS) && turn.is_some() && turn != run.turn {
                run.turn = turn;
                changed.push(Arc::new(run.clone()));
            }
        }
        self.batch.extend(changed.into_iter().map(Transition::Finish));
    }

    /// A run that waits for another attempt waits no longer than its job has it wait, although the clock was set back while no
    /// scheduler was there.
    pub(crate) fn shorten_waits(&mut self, at: usize) {
        let (job, now) = (self.jobs[at].job.clone(), self.now);
        let mut changed = Vec::new();
        for run in &mut self.jobs[at].runs.ready {
            let Some(turn) = run.turn.filter(|turn| *turn != WHEN_IT_ENDS) else { continue };
            // That of a job that is gone is given up.
            let longest = job.as_ref().map_or(now, |job| retry::later(now, longest_wait(job, run)));
            if turn > longest {
                run.turn = Some(longest);
                changed.push(Arc::new(run.clone()));
            }
        }
        self.batch.extend(changed.into_iter().map(Transition::Finish));
    }
}

/// How long a run waits at most until it is tried.
fn longest_wait(job: &Job, run: &Run) -> Duration {
    if run.message.is_some() {
        return postponed::LONGEST;
    }
    retry::delay(job.policy.retry.backoff, run.attempt.saturating_sub(1).max(1), &job.id)
}
