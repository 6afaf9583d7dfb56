//! Runs that an earlier process, or a commit whose answer was lost, has left without an outcome.

use chrono::{DateTime, Utc};
use matins_core::{Job, OnExhausted, OnInterrupt, Outcome, Run, Transition};

use super::claimed::{Jobs, Unfinished};
use super::retry;
use super::tick::Tick;
use crate::occupied::WHEN_IT_ENDS;

impl Tick<'_> {
    /// Takes up what an earlier process left, or a commit whose answer was lost: runs that were not finished, and runs
    /// that were not begun. Those that are in flight here are left alone.
    pub(crate) fn recover(&mut self, unfinished: Unfinished, jobs: &Jobs) {
        let Unfinished { runs, before } = unfinished;
        let live = self.live;
        let (interrupted, waiting): (Vec<Run>, Vec<Run>) =
            runs.into_iter().partition(|run| run.started.is_some());
        // One that could not begin says so, and keeps its place as an attempt does.
        let (retries, waiting): (Vec<Run>, Vec<Run>) =
            waiting.into_iter().partition(|run| run.attempt > 1 || run.message.is_some());
        for run in retries {
            let could_not_begin = run.message.is_some();
            let turn = if could_not_begin { self.now } else { self.turn_of(&run, before.get(&run.id), jobs) };
            self.runs_of(&run.job).running.push(run.id);
            self.retries.insert((turn, run.id), run);
        }
        for run in waiting {
            let id = run.job.clone();
            self.runs_of(&id).waiting = Some(Box::new(run));
        }
        for run in interrupted {
            let job = jobs.get(&run.job);
            let mut message = "the process ended while it ran, or before it was handed over".to_owned();
            if let Some(why) = live.occupations.why(&run.job) {
                message = format!("{message}; {why}");
            }
            let interrupted = Run {
                finished: Some(self.now),
                outcome: Some(Outcome::Interrupted),
                message: Some(message),
                ..run
            };
            self.batch.push(Transition::Finish(interrupted.clone()));
            if let Some(job) = job {
                self.runs_of(&job.id).last_one = ends_with_its_last_run(&job);
                if job.policy.on_interrupt == OnInterrupt::RunAgain && self.is_kept_waiting(&job, 1) {
                    self.try_again_at(&interrupted, WHEN_IT_ENDS);
                } else if job.policy.on_interrupt == OnInterrupt::RunAgain {
                    let attempt = interrupted.attempt + 1;
                    let number = self.take_number();
                    let run = Run::started(number, job.id.clone(), interrupted.scheduled(), self.now);
                    let run = Run { attempt, by_hand: interrupted.by_hand, ..run };
                    self.runs_of(&job.id).running.push(run.id);
                    self.record(run.clone());
                    self.starts.push((job, run));
                } else if let Some(delay) =
                    retry::delay_after(&job.policy.retry, Outcome::Interrupted, interrupted.attempt, &job.id)
                {
                    self.try_again(&interrupted, self.now, delay);
                }
            }
            self.finished.push(interrupted);
        }
        for id in self.jobs.keys().cloned().collect::<Vec<_>>() {
            if let Some(job) = jobs.get(&id) {
                self.runs_of(&id).last_one = ends_with_its_last_run(&job);
            }
            self.start_waiting(&id, jobs);
            self.end_if_over(&id);
        }
    }

    /// When a further attempt is to begin that an earlier process has recorded: told from the attempt before it.
    fn turn_of(&self, run: &Run, before: Option<&Run>, jobs: &Jobs) -> DateTime<Utc> {
        let ended = before.and_then(|row| Some((row.finished?, row.attempt)));
        let (Some((finished, attempt)), Some(job)) = (ended, jobs.get(&run.job)) else { return self.now };
        retry::later(finished, retry::delay(job.policy.retry.backoff, attempt, &job.id))
    }
}

fn ends_with_its_last_run(job: &Job) -> bool {
    job.is_exhausted() && job.policy.on_exhausted == OnExhausted::Remove
}

#[cfg(test)]
mod tests {
    use ahash::AHashMap as HashMap;
    use matins_core::{Backoff, Policy, Retry, RunId};
    use proptest::prelude::*;
    use std::time::Duration;

    use super::*;
    use crate::decide::rig::{job, second};
    use crate::live::Live;
    use crate::retention::Retention;

    proptest! {
        /// Some runs were in flight when the process ended, each of a fire of its own, at some attempt.
        #[test]
        fn a_run_that_was_in_flight_is_interrupted_once_and_tried_again_as_its_job_says(
            attempts in prop::collection::vec(1_u32..4, 0..5),
            runs_again in any::<bool>(),
            times in 0_u32..3,
            is_gone in any::<bool>(),
        ) {
            let on_interrupt = if runs_again { OnInterrupt::RunAgain } else { OnInterrupt::Leave };
            let retry = Retry::times(times).backoff(Backoff::Fixed(Duration::from_secs(5)));
            let retry = retry.after_outcomes([Outcome::Interrupted]);
            let job = job(Policy { on_interrupt, retry, ..Policy::default() });
            let mut jobs = Jobs::default();
            if !is_gone {
                jobs.put(job.clone());
            }
            let run = |(number, attempt): (i64, &u32)| {
                let run = Run::started(RunId(number as u64), job.id.clone(), second(number), second(50));
                Run { attempt: *attempt, ..run }
            };
            let runs: Vec<Run> = (1_i64..).zip(&attempts).map(run).collect();
            let (live, retention, mut unpruned) = (Live::default(), Retention::EVERYTHING, HashMap::new());
            let mut tick = Tick::new(second(100), &live, &retention, &mut unpruned, RunId(1_000));
            tick.recover(Unfinished { runs: runs.clone(), ..Unfinished::default() }, &jobs);
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
            let effects = tick.into_effects();
            prop_assert_eq!(effects.finished.len(), runs.len());
            prop_assert_eq!(effects.starts.len(), if runs_again && !is_gone { runs.len() } else { 0 });
            prop_assert!(effects.retries.keys().all(|(turn, _)| *turn == second(105)));
        }
    }
}
