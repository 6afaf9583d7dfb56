//! Whether a run that ended badly is followed by another attempt, and when.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use matins_core::{
    Backoff, JobId, JobState, Outcome, Retry, Run, RunId, Transition, round_up_to_microsecond,
};

use super::follow::is_first_turn;
use super::tick::Tick;
use crate::occupied::WHEN_IT_ENDS;
use crate::running::Start;

/// How long to wait before the next attempt of `job`, where attempt number `attempt` (from 1) ended so; `None` where there is to
/// be none.
pub(crate) fn delay_after(retry: &Retry, outcome: Outcome, attempt: u32, job: &JobId) -> Option<Duration> {
    (attempt <= retry.times && retry.outcomes.contains(&outcome)).then(|| delay(retry.backoff, attempt, job))
}

/// The wait after attempt number `attempt` (from 1) of `job`.
pub(crate) fn delay(backoff: Backoff, attempt: u32, job: &JobId) -> Duration {
    match backoff {
        Backoff::Fixed(delay) => delay,
        Backoff::Exponential { first, longest } => {
            let doublings = attempt.saturating_sub(1).min(31);
            let whole = first.saturating_mul(1 << doublings).min(longest);
            let mut hasher = DefaultHasher::new();
            (job, attempt).hash(&mut hasher);
            let part = f64::from(hasher.finish() as u32) / f64::from(u32::MAX);
            (whole / 2).saturating_add((whole / 2).mul_f64(part)).min(longest)
        }
        // A kind that this version does not know waits as long as the default does at most.
        _ => Backoff::LONGEST,
    }
}

/// As far off as there are instants, where it would be farther.
pub(super) fn later(instant: DateTime<Utc>, delay: Duration) -> DateTime<Utc> {
    let delay = TimeDelta::from_std(delay).unwrap_or(TimeDelta::MAX);
    instant.checked_add_signed(delay).map_or(DateTime::<Utc>::MAX_UTC, round_up_to_microsecond)
}

impl Tick<'_> {
    /// The next attempt waits for its turn, and keeps the place of the one that ended.
    pub(super) fn try_again(&mut self, at: usize, ended: &Run, finished: DateTime<Utc>, delay: Duration) {
        self.try_again_at(at, ended, later(finished, delay));
    }

    pub(super) fn try_again_at(&mut self, at: usize, ended: &Run, turn: DateTime<Utc>) {
        let run = Run::waiting(self.take_number(), ended.job.clone(), ended.scheduled());
        let attempt = ended.attempt.saturating_add(1);
        let run = run.with(|run| {
            run.attempt = attempt;
            run.manual = ended.manual;
            run.cause = ended.cause;
            run.turn = Some(turn);
        });
        self.jobs[at].runs.ready.push(run.clone());
        self.record(run);
    }

    /// Starts what waits of the claimed jobs and may begin. What a job got that was not claimed is left to the claim that has it.
    pub(crate) fn start_what_waits(&mut self) {
        for at in 0..self.claimed {
            if self.jobs[at].job.as_ref().is_some_and(|job| self.local.leaves_to_others(job)) {
                continue;
            }
            // Whether its group keeps it waiting is found again.
            self.jobs[at].runs.group = None;
            if !self.jobs[at].runs.ready.is_empty() {
                self.start_ready(at);
            }
            if self.jobs[at].runs.waiting.is_some() {
                self.start_waiting(at);
            }
        }
    }

    /// Starts what waits and may begin: runs whose turn has come, and what waited for work outside of the scheduler.
    fn start_ready(&mut self, at: usize) {
        let may_begin = |run: &&Run| run.turn.is_none_or(|turn| turn <= self.now || turn == WHEN_IT_ENDS);
        let ready: Vec<RunId> = self.jobs[at].runs.ready.iter().filter(may_begin).map(|run| run.id).collect();
        for id in ready {
            match self.jobs[at].job.clone() {
                // It has its place among those that run already.
                Some(job) if job.state == JobState::Paused => self.keep_waiting(at, id),
                Some(job) if self.is_following(at, id) => self.begin_following(at, &job, id),
                Some(job) if self.is_kept_waiting(at, &job, 0) => self.keep_waiting(at, id),
                Some(job) if job.policy.group.is_some() => self.apply_ready(at, &job, id),
                Some(job) => {
                    let Some(run) = self.take_ready(at, id) else { continue };
                    self.jobs[at].runs.running.push(id);
                    // One that could not begin was counted when it was first handed over.
                    let is_counted = run.message.is_some();
                    let run = self.start_waited(run);
                    if !is_counted {
                        self.count_run(at, &run);
                    }
                    self.starts.push(Start::new(&job, run));
                }
                // Its job was not read for this tick: it is looked for in the next one.
                None if id >= self.first_run => {}
                None => {
                    let Some(run) = self.take_ready(at, id) else { continue };
                    self.give_up_waiting(run);
                }
            }
        }
    }

    fn is_following(&self, at: usize, id: RunId) -> bool {
        self.jobs[at].runs.ready.iter().any(|run| run.id == id && is_first_turn(run))
    }

    /// A run waits until work outside of the scheduler has ended, or its job is resumed.
    fn keep_waiting(&mut self, at: usize, id: RunId) {
        let Some(run) = self.jobs[at].runs.ready.iter_mut().find(|run| run.id == id) else { return };
        if run.turn != Some(WHEN_IT_ENDS) {
            run.turn = Some(WHEN_IT_ENDS);
            let run = run.clone();
            self.batch.push(Transition::Finish(run.into()));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn job(number: u32) -> JobId {
        JobId::new(format!("job {number}")).unwrap()
    }

    proptest! {
        #[test]
        fn a_run_is_followed_by_another_attempt_while_its_outcome_and_its_number_allow(
            times in 0_u32..5, attempt in 1_u32..8, index in 0_usize..3,
        ) {
            let outcomes = [Outcome::Failed, Outcome::TimedOut, Outcome::Cancelled];
            let retry = Retry::times(times).backoff(Backoff::Fixed(Duration::from_secs(30)));
            let expected = (attempt <= times && index < 2).then_some(Duration::from_secs(30));
            prop_assert_eq!(delay_after(&retry, outcomes[index], attempt, &job(1)), expected);
        }

        #[test]
        fn an_exponential_backoff_doubles_within_its_half_and_ends_at_its_longest(
            first in 0_u64..100, longest in 0_u64..10_000, attempt in 1_u32..100, number in 0_u32..100,
        ) {
            let (first, longest) = (Duration::from_secs(first), Duration::from_secs(longest));
            let backoff = Backoff::Exponential { first, longest };
            let whole = first.saturating_mul(1 << attempt.min(20).saturating_sub(1)).min(longest);
            let found = delay(backoff, attempt, &job(number));
            prop_assert!(found >= whole / 2 && found <= whole, "{attempt}: {found:?} of {whole:?}");
            prop_assert_eq!(found, delay(backoff, attempt, &job(number)), "the same job, the same delay");
        }
    }

    #[test]
    fn jobs_that_failed_together_do_not_come_back_together() {
        let delays: BTreeSet<Duration> =
            (0..100).map(|number| delay(Backoff::default(), 1, &job(number))).collect();
        assert!(delays.len() > 90);
        let huge = Backoff::Exponential { first: Duration::MAX, longest: Duration::MAX };
        assert!(delay(huge, u32::MAX, &job(1)) >= Duration::MAX / 4);
    }
}
