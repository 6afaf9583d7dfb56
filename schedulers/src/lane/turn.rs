//! A turn of a lane: all that is due of its jobs now, in one commit; and when to turn it again.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use foldhash::HashSet;
use matins_core::{
    CancelToken, ClaimStore, JobId, Outcome, Quarantined, Run, RunId, RunQuery, StoreError, Transition, Want,
    text_of_panic,
};

use super::leftovers::Leftovers;
use super::membership::Membership;
use super::reports::{Ended, Taken};
use super::{Failing, Lane, OpenLane, Work};
use crate::Event;
use crate::decide::tick::{MayStart, Tick};
use crate::engine::{Engine, State, Submission, not_run};
use crate::observe::{queues, timed};
use crate::pruning::shrink;
use crate::reading::Reading;

/// At most so many jobs in one tick, so that neither memory nor delay grows with a backlog. A store that writes to a disk is worth larger
/// ones; in memory, what a smaller one works on stays in the processor's caches.
const JOBS_PER_TICK: usize = if cfg!(test) { 3 } else { 512 };
const JOBS_PER_TICK_IN_MEMORY: usize = if cfg!(test) { 3 } else { 256 };

/// At most so many jobs in a tick after one that had less than it may have: of many jobs that are due together, the first begin soon.
const JOBS_OF_FIRST_TICK: usize = if cfg!(test) { 3 } else { 128 };

/// Room for so many reports is kept after a turn.
const MOST_SPARE: usize = 2 * JOBS_PER_TICK;

/// At most so many reports wait while due jobs come first.
const MOST_PUT_OFF: usize = if cfg!(test) { 30 } else { 10_000 };

/// The first wait after a store has failed; it doubles with each failure up to the second.
const RETRY_FIRST: Duration = Duration::from_secs(1);
const RETRY_LONGEST: Duration = Duration::from_secs(60);

const PRUNE_BY_AGE_EVERY: Duration = Duration::from_secs(3600);

/// What a turn comes to.
pub(crate) struct Turned {
    /// Runs to hand over, once no lock is held.
    pub(crate) submissions: Vec<Submission>,
    /// What tells runs to stop, once no lock is held: what it calls may use a handle.
    pub(crate) cancels: Vec<CancelToken>,
    /// When to turn it again.
    pub(crate) wake_at: Option<DateTime<Utc>>,
    /// To be discarded once no lock is held.
    pub(crate) leftovers: Leftovers,
    /// Nothing of its jobs is in flight or waits for a commit.
    pub(crate) is_idle: bool,
    /// Its store was given back.
    pub(crate) is_gone: bool,
}

impl Lane {
    /// Does all that is due now.
    pub(crate) fn turn(&self, engine: &Engine, state: State) -> Turned {
        let mut guard = self.lock();
        let reading = Reading::of(&*engine.clock);
        let now = reading.now;
        let Some(work) = guard.as_mut() else {
            return Turned {
                submissions: Vec::new(),
                cancels: Vec::new(),
                leftovers: Leftovers::default(),
                wake_at: None,
                is_idle: true,
                is_gone: true,
            };
        };
        let (mut submissions, mut cancels) = (std::mem::take(&mut work.pending), Vec::new());
        let mut lane = OpenLane { engine, lane: self, work };
        #[cfg(feature = "metrics")]
        engine.hub().listeners.next_turn();
        lane.note_clock(&reading);
        lane.take_reports(now);
        if matches!(state, State::Cancelling { leave_at } if leave_at <= reading.monotonic) {
            lane.leave_behind("left running when the scheduler was shut down", now);
        }
        if matches!(state, State::Cancelling { .. } | State::Stopping { cancel_at: None }) {
            let let_go = lane.lane.in_flight.let_go_of_survivors();
            lane.work.leftovers.add_let_go(let_go);
        }
        lane.advance_leaving(&reading, &mut cancels);
        if lane.work.failing.as_ref().is_none_or(|failing| failing.retry_at <= reading.monotonic) {
            // The store is foreign code: one that panics has failed.
            let all = || {
                lane.keep_membership(reading.monotonic, &mut cancels)?;
                lane.move_turns()?;
                lane.tick(&reading, state, &mut submissions)?;
                lane.note_clock_of_store(&reading);
                lane.look_elsewhere(&reading)?;
                lane.check_next_fires(state)
            };
            let ticked = catch_unwind(AssertUnwindSafe(all)).unwrap_or_else(|panic| Err(panicked(panic)));
            match ticked.and_then(|()| lane.may_hand_over(&mut submissions, &mut cancels)) {
                Ok(()) => lane.works(),
                Err(error) => {
                    lane.has_lost_membership(&error, &mut cancels);
                    lane.has_failed(&reading, &error);
                }
            }
        }
        lane.drop_what_others_may_have(&mut submissions);
        queues(self, lane.work);
        let is_idle = lane.is_idle();
        let is_over = lane.work.leaving.as_ref();
        let is_over = is_over.is_some_and(|leaving| leaving.is_over(is_idle, lane.work.is_failing()));
        let wake_at = lane.wake_at(&reading, state);
        lane.work.waits_until = wake_at;
        let leftovers = std::mem::take(&mut lane.work.leftovers);
        if is_over && let Some(work) = guard.take() {
            drop(guard);
            engine.let_go(self, work);
            return Turned { submissions, cancels, leftovers, wake_at: None, is_idle: true, is_gone: true };
        }
        Turned { submissions, cancels, leftovers, wake_at, is_idle, is_gone: false }
    }
}

impl OpenLane<'_> {
    /// Takes in what runs have reported. Of one that is over already (left behind at a deadline, and late), nothing more is told.
    fn take_reports(&mut self, now: DateTime<Utc>) {
        let mut reports = self.lane.inbox.take(std::mem::take(&mut self.work.spare_reports));
        if reports.is_empty() {
            self.work.spare_reports = reports;
            return;
        }
        let ahead = self.work.ahead;
        let mut in_flight = self.lane.in_flight.lock();
        let ended = reports.drain(..).filter_map(|mut report| {
            let running = in_flight.remove(&report.run)?;
            // One that was made before the clock was set back ended now at the latest.
            let over = if report.finished > now { report.finished - now } else { TimeDelta::zero() };
            let step = ahead - over;
            if !step.is_zero() {
                let by_the_store =
                    |instant: DateTime<Utc>| instant.checked_add_signed(step).unwrap_or(instant);
                report.started = report.started.map(by_the_store);
                report.finished = by_the_store(report.finished);
            }
            Some((running, report))
        });
        self.work.ended.extend(ended);
        shrink(&mut in_flight);
        drop(in_flight);
        if reports.capacity() <= MOST_SPARE {
            self.work.spare_reports = reports;
        }
    }

    /// All runs that are still in flight count as interrupted.
    pub(crate) fn leave_behind(&mut self, why: &str, now: DateTime<Utc>) {
        let left = std::mem::take(&mut *self.lane.in_flight.lock());
        let ended = left.into_values().map(|mut running| {
            // Nobody runs it again: its work may go on.
            running.runs_again = false;
            let report = not_run(&running.run, now, Outcome::Interrupted, why.to_owned());
            (running, report)
        });
        self.work.ended.extend(ended);
    }

    fn is_idle(&self) -> bool {
        self.work.ended.is_empty() && self.lane.in_flight.is_empty() && self.lane.inbox.is_empty()
    }

    fn wake_at(&mut self, reading: &Reading, state: State) -> Option<DateTime<Utc>> {
        let (work, now) = (&mut *self.work, reading.now);
        let mut wake_at = match state {
            State::Cancelling { leave_at } => {
                Some(leave_at).filter(|leave_at| *leave_at > reading.monotonic).map(|at| reading.at(at))
            }
            _ => None,
        };
        let mut earlier = |instant: Option<DateTime<Utc>>| {
            wake_at = wake_at.into_iter().chain(instant).min();
        };
        if let Some(leaving) = &work.leaving {
            earlier(leaving.next().map(|at| reading.at(at)));
        }
        if let Some(failing) = &work.failing {
            earlier(Some(reading.at(failing.retry_at)));
            return wake_at;
        }
        if let Some(membership) = &work.membership {
            earlier(Some(reading.at(membership.next(reading.monotonic))));
        }
        if let Some(look) = work.look {
            earlier(Some(reading.at(look.at)));
        }
        if !work.ended.is_empty() {
            earlier(Some(now));
        }
        if work.leaving.is_some() {
            return wake_at;
        }
        if self.engine.retention.age.is_some() && work.has_rows {
            earlier(Some(reading.at(work.prune_by_age_at)));
        }
        if matches!(state, State::Running | State::Paused) {
            if work.clock_set.has_jobs_to_check() {
                earlier(Some(now));
            }
            let next = catch_unwind(AssertUnwindSafe(|| work.store.next(state == State::Running)));
            match next.unwrap_or_else(|panic| Err(panicked(panic))) {
                Ok(next) => earlier(next.and_then(|next| next.checked_sub_signed(work.ahead))),
                Err(error) => {
                    self.has_failed(reading, &error);
                    let retry_at = self.work.failing.as_ref().map(|failing| reading.at(failing.retry_at));
                    return wake_at.into_iter().chain(retry_at).min();
                }
            }
        }
        wake_at
    }

    fn tick(
        &mut self,
        reading: &Reading,
        state: State,
        submissions: &mut Vec<Submission>,
    ) -> Result<(), StoreError> {
        self.work.local.surviving.clone_from(&self.engine.hub().surviving);
        let (retention, now) = (&self.engine.retention, reading.now);
        let lost = if self.work.is_known { Vec::new() } else { self.lost_runs()? };
        let Work {
            store,
            local,
            ended,
            pruning,
            leaving,
            was_full,
            ahead,
            prune_by_age_at,
            has_rows,
            leftovers,
            ..
        } = &mut *self.work;
        let (store, name) = (&mut **store, &self.lane.name);
        let surplus = pruning.surplus(self.lane.most_ended_jobs(retention));
        let come_again = come_again(store, &surplus)?;
        let fires = state == State::Running && leaving.is_none();
        let may_start = match state {
            State::Running | State::Paused if leaving.is_none() => MayStart::Yes,
            _ => MayStart::No,
        };
        // Where more jobs are due than a tick takes, they come first: of the reports, only those that they depend on.
        // A shared store tells what follows on a job only where the claim names it as one whose run has ended.
        let due_first = *was_full && fires && ended.len() <= MOST_PUT_OFF && !self.lane.is_shared;
        let mut taken = Taken::of(ended, due_first);
        let reported: Vec<JobId> = taken.iter(ended).map(|(running, _)| running.run.job.clone()).collect();
        let mut named: Vec<JobId> = local.occupations.ended.clone();
        named.extend(lost.iter().map(|run| run.job.clone()));
        // Another attempt may begin in this tick already, if it waits for nothing; for that its job is read.
        let may_try_again = |(running, report): &&Ended| {
            report.outcome != Outcome::Succeeded && (running.retry.is_some() || running.runs_again)
        };
        named.extend(taken.iter(ended).filter(may_try_again).map(|(running, _)| running.run.job.clone()));
        named.sort_unstable();
        named.dedup();
        let mut want =
            Want::at(now).takes_over().ended(&reported).jobs(&named).outside(local.occupations.groups());
        let most = if self.lane.is_persistent { JOBS_PER_TICK } else { JOBS_PER_TICK_IN_MEMORY };
        let limit = if *was_full { most } else { JOBS_OF_FIRST_TICK };
        want.limit = if fires { limit } else { 0 };
        want.starts = may_start == MayStart::Yes;
        let claim = timed(name, "claim", || store.claim(&want))?;
        let due = claim.due;
        // A store that was slow looks as if it were ahead, and never as if it were behind: fires that were decided would come again.
        *ahead = claim.now - now;
        taken.add_needed(ended, &claim.jobs);

        let mut tick = Tick::new(claim, local, retention, pruning);
        tick.expect(due, taken.most().min(2 * limit));
        tick.recover(lost, may_start);
        for (running, report) in taken.iter(ended) {
            tick.report(running, report, may_start);
        }
        if may_start == MayStart::Yes {
            tick.start_what_waits();
        }
        for at in 0..due {
            tick.due(at);
            if tick.has_done_enough() {
                break;
            }
        }
        let prunes = reading.monotonic >= *prune_by_age_at;
        // An age that reaches beyond the first instant keeps all.
        let age = retention.age.and_then(|age| TimeDelta::from_std(age).ok());
        if prunes && let Some(before) = age.and_then(|age| now.checked_sub_signed(age)) {
            tick.batch.push(Transition::PruneBefore { before });
        }
        tick.drop_rows_of(surplus.iter().filter(|job| !come_again.contains(job)));
        let (settlement, mut effects) = tick.into_parts();
        *has_rows |= !settlement.batch.is_empty();
        let settled = timed(name, "settle", || store.settle(settlement))?;
        if !settled.lost.is_empty() {
            effects.finished.retain(|run| !settled.lost.contains(&run.id));
            effects
                .starts
                .retain(|start| !start.is_taken_up || !settled.lost.contains(&start.running.run.id));
        }

        pruning.forget(&surplus, |job| come_again.contains(job));
        *was_full = due == limit;
        taken.iter(ended).for_each(|(running, _)| leftovers.add_ended(running));
        taken.drop_from(ended);
        if prunes {
            *prune_by_age_at = reading.monotonic.saturating_add(PRUNE_BY_AGE_EVERY);
            let one = RunQuery::default().limit(1);
            *has_rows = !store.runs(&one).is_ok_and(|rows| rows.is_empty());
        }
        if may_start == MayStart::Yes {
            local.occupations.ended.clear();
        }
        self.work.is_known = true;
        self.lane.set_waiting(settled.waiting);
        self.apply(effects, submissions);
        Ok(())
    }

    /// Runs that the store has as begun here and that are not in flight: a commit whose answer was lost has begun them.
    fn lost_runs(&mut self) -> Result<Vec<Run>, StoreError> {
        let mut held = self.work.store.held()?;
        if held.is_empty() {
            return Ok(held);
        }
        let mut known: HashSet<RunId> = self.lane.in_flight.lock().keys().copied().collect();
        known.extend(self.work.ended.iter().map(|(running, _)| running.run.id));
        held.retain(|run| !known.contains(&run.id));
        Ok(held)
    }

    /// The store has done what it was asked for.
    fn works(&mut self) {
        let store = &self.lane.name;
        if self.work.failing.take().is_some() {
            self.engine.hub().listeners.tell(|| Event::StoreRecovered { store: store.clone() });
        }
        // The jobs that it has met and cannot read are announced, each once.
        let met = self.work.store.quarantined();
        if met != self.work.quarantined {
            let known = &self.work.quarantined;
            let new: Vec<Quarantined> = met.iter().filter(|job| !known.contains(job)).cloned().collect();
            self.work.quarantined = met.to_vec();
            let mut hub = self.engine.hub();
            for job in new {
                hub.listeners.tell(|| Event::JobQuarantined { store: store.clone(), job });
            }
        }
    }

    fn has_failed(&mut self, reading: &Reading, error: &StoreError) {
        let (before, membership) = (self.work.failing.as_ref(), self.work.membership.as_ref());
        // A member comes back within its lease: others may have taken its runs over, and it may be needed.
        let longest = membership.map_or(RETRY_LONGEST, Membership::longest_retry).max(RETRY_FIRST);
        let delay = before.map_or(RETRY_FIRST, |failing| (failing.delay * 2).min(longest));
        self.work.failing = Some(Failing { retry_at: reading.monotonic.saturating_add(delay), delay });
        self.work.is_known = false;
        let mut hub = self.engine.hub();
        hub.stats.store_failures += 1;
        let store = self.lane.name.clone();
        hub.listeners.tell(|| Event::StoreFailed { store, error: matins_core::error_chain(error) });
    }
}

/// Those of these jobs, which were gone, that have come again.
fn come_again(store: &mut dyn ClaimStore, gone: &[JobId]) -> Result<Vec<JobId>, StoreError> {
    let mut come_again = Vec::new();
    for job in gone {
        if store.get(job)?.is_some() {
            come_again.push(job.clone());
        }
    }
    Ok(come_again)
}

pub(crate) fn panicked(panic: Box<dyn Any + Send>) -> StoreError {
    let doing = format!("the store panicked: {}", text_of_panic(panic));
    StoreError::Backend { doing, source: "this is a fault of the store".into() }
}
