//! Runs that follow the runs of other jobs.

use std::sync::Arc;

use matins_core::{Job, MissedReason, Outcome, Overlap, Run, RunId, Transition, round_up_to_microsecond};

use super::overlap::is_too_late;
use super::tick::Tick;
use crate::occupied::WHEN_IT_ENDS;
use crate::running::Start;

impl Tick<'_> {
    /// A run has ended for good: each job that runs after it gets a run, whose turn is the next tick's. So it is there also if
    /// the process dies now, or the scheduler shuts down.
    pub(super) fn follow(&mut self, at: usize, ended: &Run) {
        let Some(outcome) = ended.outcome else { return };
        let followers = self.jobs[at].followers.iter().filter(|(_, after)| after.includes(outcome));
        let followers: Vec<_> = followers.map(|(job, _)| job.clone()).collect();
        for job in followers {
            let fire = ended.finished.map_or(self.now, round_up_to_microsecond);
            let mut run = Run::waiting(self.take_number(), job.clone(), fire);
            (run.cause, run.turn) = (Some(ended.id), Some(self.now));
            let at = self.place_of(&job);
            self.jobs[at].runs.ready.push(run.clone());
            self.record(run);
        }
    }

    /// A run that follows another has its turn: it starts, waits or is missed, as the grace and the overlap rule of its job say.
    pub(super) fn begin_following(&mut self, at: usize, job: &Arc<Job>, id: RunId) {
        let Some(run) = self.take_ready(at, id) else { return };
        if self.has_had_all_runs(at) {
            self.give_up_waiting(run);
            return self.end_if_over(at);
        }
        let runs = &self.jobs[at].runs;
        // Those that have not had their turn take no place yet.
        let further_attempts = runs.ready.iter().filter(|run| !is_first_turn(run)).count();
        let occupied = runs.running.len() + further_attempts + self.local.occupations.count(&job.id);
        let missed = if is_too_late(job, &run, self.now) {
            MissedReason::TooLate
        } else if occupied < job.policy.overlap.limit() && runs.waiting.is_none() {
            if job.policy.group.is_some() {
                self.jobs[at].runs.ready.push(run);
                self.apply_ready(at, job, id);
                return;
            }
            self.jobs[at].runs.running.push(id);
            let run = self.start_waited(run);
            self.count_run(at, &run);
            self.starts.push(Start::new(job, run));
            return;
        } else if job.policy.overlap == Overlap::QueueOne && runs.waiting.is_none() {
            let run = run.with(|run| run.turn = None);
            self.jobs[at].runs.waiting = Some(Box::new(run.clone()));
            self.batch.push(Transition::Finish(run.into()));
            return;
        } else {
            MissedReason::Overlap
        };
        let run = Arc::new(run.with(|run| {
            run.finished = Some(self.now);
            run.outcome = Some(Outcome::Missed(missed));
        }));
        self.batch.push(Transition::Finish(run.clone()));
        self.missed.push(run);
    }
}

/// Whether a run follows another, and has not begun or waited for anything else yet.
pub(super) fn is_first_turn(run: &Run) -> bool {
    run.cause.is_some() && run.attempt == 1 && run.message.is_none() && run.turn != Some(WHEN_IT_ENDS)
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;

    use matins_core::{AfterOutcome, JobId, JobRuns, Policy, RunReport};

    use super::*;
    use crate::decide::rig::{claim, job, second};
    use crate::decide::tick::MayStart;
    use crate::local::Local;
    use crate::pruning::Pruning;
    use crate::retention::Retention;
    use crate::running::Start;

    /// A store that is shared does not claim the jobs that follow: what they get waits for a claim that has them.
    #[test]
    fn a_run_of_a_job_that_was_not_claimed_waits_for_its_claim() {
        let (local, retention, mut pruning) = (Local::default(), Retention::EVERYTHING, Pruning::default());
        let first = job(Policy::default());
        let run = Run::started(RunId(1), first.id.clone(), second(0), second(0));
        let running = Start::new(&first, run.into()).running;
        let runs = JobRuns { running: [RunId(1)].into_iter().collect(), ..JobRuns::default() };
        let mut claim = claim(second(1), &first, runs, false, RunId(2));
        claim.jobs[0].followers.push((JobId::new("after").unwrap(), AfterOutcome::Any));
        let mut tick = Tick::new(claim, &local, &retention, &mut pruning);
        tick.report(&running, &RunReport::new(RunId(1), second(1), Outcome::Succeeded), MayStart::Yes);
        tick.start_what_waits();
        let (settlement, effects) = tick.into_parts();
        assert!(effects.missed.is_empty(), "{:?}", effects.missed);
        let recorded = settlement.batch.iter().filter_map(|step| match step {
            Transition::Record(run) => Some((run.job.as_str(), run.cause, run.outcome)),
            _ => None,
        });
        assert_eq!(recorded.collect::<Vec<_>>(), [("after", Some(RunId(1)), None)]);
    }

    /// Once, each of them began, although the job had had all of its runs.
    #[test]
    fn of_runs_that_follow_together_no_more_begin_than_are_left() {
        for overlap in [Overlap::Allow(2), Overlap::QueueOne] {
            let (local, retention, mut pruning) =
                (Local::default(), Retention::EVERYTHING, Pruning::default());
            let job = job(Policy::default().with(|policy| {
                (policy.max_runs, policy.overlap) = (NonZeroU64::new(1), overlap);
            }));
            let follows = |number| {
                let run = Run::waiting(RunId(number), job.id.clone(), second(0));
                run.with(|run| (run.cause, run.turn) = (Some(RunId(1)), Some(second(0))))
            };
            let runs = JobRuns { ready: vec![follows(2), follows(3)], ..JobRuns::default() };
            let mut tick =
                Tick::new(claim(second(1), &job, runs, false, RunId(4)), &local, &retention, &mut pruning);
            tick.start_what_waits();
            assert_eq!(tick.starts.len(), 1, "{overlap:?}");
            // The first has ended.
            let running = tick.starts.remove(0).running;
            let report = RunReport::new(running.run.id, second(1), Outcome::Succeeded);
            tick.report(&running, &report, MayStart::Yes);
            let (_, effects) = tick.into_parts();
            assert!(effects.starts.is_empty(), "{overlap:?}: {:?}", effects.starts);
            let missed: Vec<_> = effects.missed.iter().map(|run| (run.id, run.outcome)).collect();
            let reason = Outcome::Missed(MissedReason::JobRemoved);
            assert_eq!(missed, [(RunId(3), Some(reason))], "{overlap:?}");
        }
    }
}
