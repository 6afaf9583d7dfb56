//! Accounts for the fires that are due when a job is changed or removed, so that none disappears without a row.

use std::panic::{AssertUnwindSafe, catch_unwind};

use matins_core::{Job, JobId, MissedReason, OnExhausted, StoreError, Want};

use crate::SchedulerError;
use crate::decide::tick::Tick;
use crate::engine::State;
use crate::lane::{OpenLane, panicked};

/// So many due fires of a job are decided one by one; what is beyond that is missed.
const MOST_DECIDED: u32 = 1_000;

impl OpenLane<'_> {
    /// Decides the fires of `old` that are due, by the misfire policy and the task of `new`. The job's next fire time has
    /// then to be set: it may be past.
    ///
    /// Where the scheduler does not fire jobs yet, or not any more, the run waits for the next start.
    pub(crate) fn decide_due(&mut self, old: &Job, new: &Job) -> Result<(), SchedulerError> {
        let now = self.now();
        if old.next_fire.is_none_or(|due| due > now) {
            return Ok(());
        }
        // The job stays, though its old trigger may have had its last fire.
        let policy = new.policy.clone().with(|policy| policy.on_exhausted = OnExhausted::Keep);
        let mut job = new.clone().with(|job| {
            job.trigger = old.trigger.clone();
            job.next_fire = old.next_fire;
            job.policy = policy;
        });
        let fires = matches!(self.engine.state(), State::Running | State::Paused) && self.work.is_known;
        if !fires {
            return self.decide(&old.id, |tick, at| tick.due_at_next_start(at, &job));
        }
        for _ in 0..MOST_DECIDED {
            self.decide(&old.id, |tick, at| tick.due_if_claimed_so(at, &job))?;
            job.next_fire = self.work.store.get(&job.id)?.and_then(|job| job.next_fire);
            if job.next_fire.is_none_or(|due| due > self.now()) {
                return Ok(());
            }
        }
        self.decide(&old.id, |tick, at| tick.miss_due(at, &job, MissedReason::JobChanged))
    }

    /// Claims a job, and settles what `decide` decides about it, where the tick has the job at the place that it is given.
    pub(crate) fn decide<T>(
        &mut self,
        job: &JobId,
        decide: impl FnOnce(&mut Tick<'_>, usize) -> T,
    ) -> Result<T, SchedulerError> {
        self.decide_about(std::slice::from_ref(job), |tick| {
            let at = tick.place_of(job);
            decide(tick, at)
        })
    }

    /// Claims jobs, each named once, and settles what `decide` decides about them. Runs that it starts are handed over by the driver's
    /// next turn.
    pub(crate) fn decide_about<T>(
        &mut self,
        jobs: &[JobId],
        decide: impl FnOnce(&mut Tick<'_>) -> T,
    ) -> Result<T, SchedulerError> {
        Ok(self.settle_about(jobs, decide)?)
    }

    /// As [`decide_about`](Self::decide_about), for callers that can only meet errors of the store.
    pub(crate) fn settle_about<T>(
        &mut self,
        jobs: &[JobId],
        decide: impl FnOnce(&mut Tick<'_>) -> T,
    ) -> Result<T, StoreError> {
        let (work, engine) = (&mut *self.work, self.engine);
        let now = engine.clock.now();
        let claim = work.store.claim(&Want::at(now).jobs(jobs).outside(work.local.occupations.groups()))?;
        let mut tick = Tick::new(claim, &work.local, &engine.retention, &mut work.pruning);
        let decided = decide(&mut tick);
        if tick.changes_nothing() {
            work.store.release();
            return Ok(decided);
        }
        let (settlement, effects) = tick.into_parts();
        // The store is foreign code: one that panics has failed.
        let settled = catch_unwind(AssertUnwindSafe(|| work.store.settle(settlement)));
        let settled = match settled.unwrap_or_else(|panic| Err(panicked(panic))) {
            Ok(settled) => settled,
            Err(error) => {
                // It may have been made: the next tick looks.
                work.is_known = false;
                return Err(error);
            }
        };
        work.has_rows = true;
        self.lane.set_waiting(settled.waiting);
        let mut submissions = std::mem::take(&mut self.work.pending);
        self.apply(effects, &mut submissions);
        self.work.pending = submissions;
        Ok(decided)
    }
}
