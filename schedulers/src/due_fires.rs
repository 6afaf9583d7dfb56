//! Accounts for the fires that are due when a job is changed or removed, so that none disappears without a row.

use matins_core::{Job, MissedReason, OnExhausted, Policy, RunQuery};

use crate::SchedulerError;
use crate::engine::{Engine, State};
use crate::tick::Tick;

/// So many due fires of a job are decided one by one; what is beyond that is missed.
const MOST_DECIDED: u32 = 1_000;

impl Engine {
    /// Decides the fires of `old` that are due, by the misfire policy and the task of `new`. The job's next fire time has
    /// then to be set: it may be past.
    ///
    /// Where the scheduler does not fire jobs yet, or not any more, the run waits for the next start.
    pub(crate) fn decide_due(&mut self, index: usize, old: &Job, new: &Job) -> Result<(), SchedulerError> {
        if old.next_fire.is_none_or(|due| due > self.clock.now()) {
            return Ok(());
        }
        // The job stays, though its old trigger may have had its last fire.
        let policy = Policy { on_exhausted: OnExhausted::Keep, ..new.policy.clone() };
        let mut job = Job { trigger: old.trigger.clone(), next_fire: old.next_fire, policy, ..new.clone() };
        let fires = matches!(self.state, State::Running | State::Paused) && self.stores[index].is_known;
        if !fires {
            let query = RunQuery { job: Some(job.id.clone()), unfinished: true, ..RunQuery::default() };
            let unfinished = self.stores[index].store.runs(&query)?;
            let has_waiting = unfinished.iter().any(|run| run.started.is_none());
            return self.commit_decision(index, |tick| tick.due_at_next_start(&job, has_waiting));
        }
        for _ in 0..MOST_DECIDED {
            self.commit_decision(index, |tick| tick.due(job.clone()))?;
            job.next_fire = self.stores[index].store.get(&job.id)?.and_then(|job| job.next_fire);
            if job.next_fire.is_none_or(|due| due > self.clock.now()) {
                return Ok(());
            }
        }
        self.miss_due(index, &job, MissedReason::JobChanged)
    }

    /// Records the fires of a job that are due as missed.
    pub(crate) fn miss_due(
        &mut self,
        index: usize,
        job: &Job,
        reason: MissedReason,
    ) -> Result<(), SchedulerError> {
        self.commit_decision(index, |tick| tick.miss_due(job, reason))
    }

    /// Commits what `decide` decides about jobs of a store, and applies it. Runs that it starts are handed over by the
    /// driver's next turn.
    pub(crate) fn commit_decision<T>(
        &mut self,
        index: usize,
        decide: impl FnOnce(&mut Tick<'_>) -> T,
    ) -> Result<T, SchedulerError> {
        let slot = &mut self.stores[index];
        let now = self.clock.now();
        let mut tick = Tick::new(now, &slot.live, &self.retention, &mut slot.unpruned, slot.next_run);
        if !slot.is_known {
            tick.next_run = tick.next_run.max(slot.store.next_run_id()?);
        }
        let decided = decide(&mut tick);
        if tick.batch.is_empty() {
            return Ok(decided);
        }
        if let Err(error) = slot.store.commit(&tick.batch) {
            // It may have been made: the next tick looks.
            slot.is_known = false;
            return Err(error.into());
        }
        slot.has_rows = true;
        let effects = tick.into_effects();
        let mut submissions = std::mem::take(&mut self.pending);
        self.apply(index, effects, &mut submissions);
        self.pending = submissions;
        Ok(decided)
    }
}
