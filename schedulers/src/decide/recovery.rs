//! Runs whose owner is gone: an earlier process, or one that a commit whose answer was lost has begun.

use std::sync::Arc;

use matins_core::{Job, JobState, OnInterrupt, Outcome, Run, Transition};

use super::retry;
use super::tick::{MayStart, Tick};
use crate::occupied::WHEN_IT_ENDS;
use crate::running::Start;

/// So often a run is run again since it was interrupted.
pub(super) const MOST_RUN_AGAIN: u32 = 3;

impl Tick<'_> {
    /// Ends the runs of the claimed jobs whose owner is gone, and these, which nobody has, and does what the jobs say about that. Those
    /// that their executors have kept are taken up instead.
    pub(crate) fn recover(&mut self, lost: Vec<Run>, may_start: MayStart) {
        for run in lost {
            let at = self.place_of(&run.job);
            let group = self.jobs[at].job.as_ref().and_then(|job| job.policy.group.clone());
            self.leave_group(group.map(|group| group.name).as_ref());
            self.jobs[at].runs.running.retain(|running| *running != run.id);
            self.jobs[at].abandoned.push(run);
        }
        for at in 0..self.jobs.len() {
            if self.jobs[at].abandoned.is_empty() {
                continue;
            }
            for run in std::mem::take(&mut self.jobs[at].abandoned) {
                match self.jobs[at].job.clone() {
                    Some(job) if self.local.surviving.contains(&job.executor) => self.take_up(at, job, run),
                    _ => self.interrupt(at, run, may_start),
                }
            }
            self.end_if_over(at);
        }
    }

    /// A run that its executor has kept is in progress here from now on.
    fn take_up(&mut self, at: usize, job: Arc<Job>, run: Run) {
        if let Some(group) = &job.policy.group {
            if let Some(running) = self.groups.get_mut(&group.name) {
                *running += 1;
            }
            self.began.push((run.id, group.name.clone()));
        }
        self.jobs[at].runs.running.push(run.id);
        // The row stays as it is. It belongs to this scheduler.
        let run = Arc::new(run);
        self.batch.push(Transition::Finish(run.clone()));
        self.starts.push(Start::taken_up(&job, run));
    }

    fn interrupt(&mut self, at: usize, run: Run, may_start: MayStart) {
        let mut message = "the process ended while it ran, or before it was handed over".to_owned();
        if let Some(why) = self.local.occupations.why(&run.job) {
            message = format!("{message}; {why}");
        }
        let interrupted = Arc::new(run.with(|run| {
            run.started = run.started.map(|started| started.min(self.now));
            run.finished = Some(self.now);
            run.outcome = Some(Outcome::Interrupted);
            run.message = Some(message);
        }));
        self.batch.push(Transition::Finish(interrupted.clone()));
        if let Some(job) = self.jobs[at].job.clone() {
            // A run that kills its process would otherwise kill each that comes after.
            let runs_again =
                job.policy.on_interrupt == OnInterrupt::RunAgain && interrupted.attempt <= MOST_RUN_AGAIN;
            let delay =
                retry::delay_after(&job.policy.retry, Outcome::Interrupted, interrupted.attempt, &job.id);
            if runs_again || delay.is_some() {
                self.tried_again.push(interrupted.id);
            }
            let is_held_up = job.state == JobState::Paused || self.is_kept_waiting(at, &job, 1);
            if runs_again && is_held_up {
                self.try_again_at(at, &interrupted, WHEN_IT_ENDS);
            } else if runs_again && may_start == MayStart::No {
                // For the next start, or for another scheduler.
                self.try_again_at(at, &interrupted, self.now);
            } else if runs_again {
                let attempt = interrupted.attempt.saturating_add(1);
                let number = self.take_number();
                let run = Run::started(number, job.id.clone(), interrupted.scheduled(), self.now);
                let (by_hand, cause) = (interrupted.manual, interrupted.cause);
                self.start_run(
                    at,
                    &job,
                    run.with(|run| {
                        run.attempt = attempt;
                        run.manual = by_hand;
                        run.cause = cause;
                    }),
                );
            } else if let Some(delay) = delay {
                self.try_again(at, &interrupted, self.now, delay);
            } else {
                self.has_ended(at, &interrupted);
            }
        }
        self.finished.push(interrupted);
    }
}

#[cfg(test)]
mod tests {
    use matins_core::{Backoff, JobRuns, Policy, Retry, RunId};
    use proptest::prelude::*;
    use std::time::Duration;

    use super::*;
    use crate::decide::rig::{claim, job, second};
    use crate::local::Local;
    use crate::pruning::Pruning;
    use crate::retention::Retention;

    proptest! {
        /// Some runs were in flight when the process ended, each of a fire of its own, at some attempt.
        #[test]
        fn a_run_that_was_in_flight_is_interrupted_once_and_tried_again_as_its_job_says(
            attempts in prop::collection::vec(1_u32..4, 0..5),
            runs_again in any::<bool>(),
            times in 0_u32..3,
            is_gone in any::<bool>(),
            is_paused in any::<bool>(),
            shuts_down in any::<bool>(),
        ) {
            let on_interrupt = if runs_again { OnInterrupt::RunAgain } else { OnInterrupt::Leave };
            let retry = Retry::times(times).backoff(Backoff::Fixed(Duration::from_secs(5)));
            let retry = retry.after_outcomes([Outcome::Interrupted]);
            let job = job(Policy::default().with(|policy| { policy.on_interrupt = on_interrupt; policy.retry = retry; }));
            let job = job.with(|job| job.state = if is_paused { JobState::Paused } else { JobState::Active });
            let run = |(number, attempt): (i64, &u32)| {
                let run = Run::started(RunId(number as u64), job.id.clone(), second(number), second(50));
                run.with(|run| run.attempt = *attempt)
            };
            let runs: Vec<Run> = (1_i64..).zip(&attempts).map(run).collect();
            let (local, retention, mut pruning) = (Local::default(), Retention::EVERYTHING, Pruning::default());
            let mut claim = claim(second(100), &job, JobRuns::default(), false, RunId(1_000));
            claim.jobs[0].abandoned.clone_from(&runs);
            if is_gone {
                claim.jobs[0].job = None;
            }
            let mut tick = Tick::new(claim, &local, &retention, &mut pruning);
            tick.recover(Vec::new(), if shuts_down { MayStart::No } else { MayStart::Yes });
            for run in &runs {
                let ends = |row: &&Transition| matches!(row, Transition::Finish(ended) if ended.id == run.id);
                prop_assert_eq!(tick.batch.iter().filter(ends).count(), 1);
                let attempts: Vec<u32> = tick.batch.iter().filter_map(|row| match row {
                    Transition::Record(again) if again.fires == run.fires => Some(again.attempt),
                    _ => None,
                }).collect();
                let is_tried_again = !is_gone && (runs_again || run.attempt <= times);
                prop_assert_eq!(attempts, if is_tried_again { vec![run.attempt + 1] } else { vec![] });
            }
            let (settlement, effects) = tick.into_parts();
            prop_assert_eq!(effects.finished.len(), runs.len());
            let begins = runs_again && !is_gone && !is_paused && !shuts_down;
            prop_assert_eq!(effects.starts.len(), if begins { runs.len() } else { 0 });
            let left = &settlement.runs[0].1;
            let turn = match (runs_again, is_paused) {
                (false, _) => second(105),
                (true, true) => WHEN_IT_ENDS,
                (true, false) => second(100),
            };
            prop_assert!(left.ready.iter().all(|run| run.turn == Some(turn)));
            prop_assert_eq!(left.running.len(), effects.starts.len());
        }
    }
}
