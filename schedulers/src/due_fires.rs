//! Accounts for the fires that are due when a job is changed or removed, so that none disappears without a row.

use matins_core::{Job, MissedReason, OnExhausted, Policy, RunQuery};

use crate::SchedulerError;
use crate::decide::tick::Tick;
use crate::engine::State;
use crate::lane::OpenLane;

/// So many due fires of a job are decided one by one; what is beyond that is missed.
const MOST_DECIDED: u32 = 1_000;

impl OpenLane<'_> {
    /// Decides the fires of `old` that are due, by the misfire policy and the task of `new`. The job's next fire time has
    /// then to be set: it may be past.
    ///
    /// Where the scheduler does not fire jobs yet, or not any more, the run waits for the next start.
    pub(crate) fn decide_due(&mut self, old: &Job, new: &Job) -> Result<(), SchedulerError> {
        if old.next_fire.is_none_or(|due| due > self.engine.clock.now()) {
            return Ok(());
        }
        // The job stays, though its old trigger may have had its last fire.
        let policy = Policy { on_exhausted: OnExhausted::Keep, ..new.policy.clone() };
        let mut job = Job { trigger: old.trigger.clone(), next_fire: old.next_fire, policy, ..new.clone() };
        let fires = matches!(self.engine.state(), State::Running | State::Paused) && self.work.is_known;
        if !fires {
            let query = RunQuery { job: Some(job.id.clone()), unfinished: true, ..RunQuery::default() };
            let unfinished = self.work.store.runs(&query)?;
            let has_waiting = unfinished.iter().any(|run| run.started.is_none());
            return self.commit_decision(|tick| tick.due_at_next_start(&job, has_waiting));
        }
        for _ in 0..MOST_DECIDED {
            self.commit_decision(|tick| tick.due(job.clone()))?;
            job.next_fire = self.work.store.get(&job.id)?.and_then(|job| job.next_fire);
            if job.next_fire.is_none_or(|due| due > self.engine.clock.now()) {
                return Ok(());
            }
        }
        self.miss_due(&job, MissedReason::JobChanged)
    }

    /// Records the fires of a job that are due as missed.
    pub(crate) fn miss_due(&mut self, job: &Job, reason: MissedReason) -> Result<(), SchedulerError> {
        self.commit_decision(|tick| tick.miss_due(job, reason))
    }

    /// Commits what `decide` decides about jobs of the store, and applies it. Runs that it starts are handed over by the
    /// driver's next turn.
    pub(crate) fn commit_decision<T>(
        &mut self,
        decide: impl FnOnce(&mut Tick<'_>) -> T,
    ) -> Result<T, SchedulerError> {
        let (work, engine) = (&mut *self.work, self.engine);
        let now = engine.clock.now();
        let mut tick = Tick::new(now, &work.live, &engine.retention, &mut work.unpruned, work.next_run);
        if !work.is_known {
            tick.next_run = tick.next_run.max(work.store.next_run_id()?);
        }
        let decided = decide(&mut tick);
        if tick.batch.is_empty() {
            return Ok(decided);
        }
        if let Err(error) = work.store.commit(&tick.batch) {
            // It may have been made: the next tick looks.
            work.is_known = false;
            return Err(error.into());
        }
        work.has_rows = true;
        let effects = tick.into_effects();
        let mut submissions = std::mem::take(&mut work.pending);
        self.apply(effects, &mut submissions);
        self.work.pending = submissions;
        Ok(decided)
    }
}
