//! Whether a fire starts, waits or is missed where the job is running already, here or outside of the scheduler.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use matins_core::{Coalesce, FireRange, Job, JobState, MissedReason, Outcome, Overlap, Run, Transition};

use super::plan::Fires;
use super::tick::Tick;
use crate::running::Start;

impl Tick<'_> {
    /// Its fires start, wait or are missed, as the overlap rule says.
    pub(super) fn fire(&mut self, at: usize, job: &Arc<Job>, fires: Fires) {
        if self.has_had_all_runs(at) {
            return;
        }
        let limit = job.policy.overlap.limit();
        let outside = self.local.occupations.count(&job.id);
        let runs = &self.jobs[at].runs;
        let has_room = runs.occupied() + outside < limit && runs.waiting.is_none();
        if !has_room && job.policy.overlap != Overlap::QueueOne {
            if let Some(all) = fires.whole() {
                self.miss(at, all, MissedReason::Overlap);
            }
            return;
        }
        match fires {
            Fires::None => {}
            Fires::One { before, fire, after } => {
                let mut before = before;
                if has_room {
                    if let Some(before) = before {
                        self.miss(at, before, MissedReason::Coalesced);
                    }
                    self.start(at, job, fire);
                } else {
                    self.wait(at, job, &mut before, fire);
                }
                if let Some(after) = after {
                    self.miss(at, after, MissedReason::Coalesced);
                }
            }
            Fires::Each(fires) => {
                for fire in fires {
                    if self.has_had_all_runs(at) {
                        return;
                    }
                    let runs = &self.jobs[at].runs;
                    if runs.occupied() + outside < limit && runs.waiting.is_none() {
                        self.start(at, job, fire);
                    } else if job.policy.overlap == Overlap::QueueOne && runs.waiting.is_none() {
                        self.wait(at, job, &mut None, fire);
                    } else {
                        self.miss(at, FireRange::single(fire), MissedReason::Overlap);
                    }
                }
            }
        }
    }

    /// The fire waits for the run in progress, or is folded together with the one that waits already.
    fn wait(&mut self, at: usize, job: &Job, before: &mut Option<FireRange>, fire: DateTime<Utc>) {
        let Some(mut waiting) = self.jobs[at].runs.waiting.clone() else {
            if let Some(before) = before.take() {
                self.miss(at, before, MissedReason::Coalesced);
            }
            let run = Run::waiting(self.take_number(), job.id.clone(), fire);
            self.jobs[at].runs.waiting = Some(Box::new(run.clone()));
            self.record(run);
            return;
        };
        let join = |one: FireRange, two: Option<FireRange>| two.map_or(one, |two| one.joined(two));
        if let Some(first) = before.filter(|before| before.first <= waiting.fires.last) {
            // The clock was set back since it began to wait.
            self.miss(at, first, MissedReason::Coalesced);
            *before = None;
        }
        let folded = if job.policy.coalesce == Coalesce::Earliest {
            join(FireRange::single(fire), before.take())
        } else {
            let folded = join(waiting.fires, before.take());
            waiting.fires = FireRange::single(fire);
            self.batch.push(Transition::Start { run: waiting.id, started: None, scheduled: fire });
            self.jobs[at].runs.waiting = Some(waiting);
            folded
        };
        self.miss(at, folded, MissedReason::Coalesced);
    }

    /// Starts the run of a job that waits, if nothing is in its way any more.
    pub(crate) fn start_waiting(&mut self, at: usize) {
        let claimed = &mut self.jobs[at];
        let is_in_the_way = claimed.runs.occupied() > 0 || self.local.occupations.count(&claimed.id) > 0;
        let has_to_wait = |job: &Arc<Job>| job.state == JobState::Paused || self.local.leaves_to_others(job);
        let has_to_wait = claimed.job.as_ref().is_some_and(has_to_wait);
        if claimed.runs.waiting.is_none() || is_in_the_way || has_to_wait {
            return;
        }
        if let Some(job) = claimed.job.clone().filter(|job| job.policy.group.is_some())
            && let Some(id) = claimed.runs.waiting.as_ref().map(|run| run.id)
        {
            return self.apply_waiting(at, &job, id);
        }
        let Some(waiting) = claimed.runs.waiting.take() else { return };
        if self.has_had_all_runs(at) {
            self.give_up_waiting(*waiting);
            return self.end_if_over(at);
        }
        let claimed = &mut self.jobs[at];
        match claimed.job.clone() {
            Some(job) if is_too_late(&job, &waiting, self.now) => {
                let outcome = Some(Outcome::Missed(MissedReason::TooLate));
                let run = Arc::new((*waiting).with(|run| {
                    run.finished = Some(self.now);
                    run.outcome = outcome;
                }));
                self.batch.push(Transition::Finish(run.clone()));
                self.missed.push(run);
            }
            Some(job) => {
                claimed.runs.running.push(waiting.id);
                let run = Arc::new((*waiting).with(|run| run.started = Some(self.now)));
                let scheduled = run.scheduled();
                self.batch.push(Transition::Start { run: run.id, started: run.started, scheduled });
                self.count_run(at, &run);
                self.starts.push(Start::new(&job, run));
            }
            None => self.give_up_waiting(*waiting),
        }
    }

    /// Whether an attempt has to wait since work of the job outside of the scheduler takes its place, where
    /// `more` are to run beside those that do.
    pub(super) fn is_kept_waiting(&self, at: usize, job: &Job, more: usize) -> bool {
        let outside = self.local.occupations.count(&job.id);
        outside > 0 && self.jobs[at].runs.occupied() + more + outside > job.policy.overlap.limit()
    }
}

/// Whether a run has waited for longer than the misfire grace of its job.
pub(super) fn is_too_late(job: &Job, run: &Run, now: DateTime<Utc>) -> bool {
    let grace = job.policy.misfire_grace.and_then(|grace| TimeDelta::from_std(grace).ok());
    grace.and_then(|grace| run.scheduled().checked_add_signed(grace)).is_some_and(|until| now > until)
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use matins_core::{JobRuns, Outcome, Policy, RunId, RunReport};
    use proptest::prelude::*;

    use super::*;
    use crate::decide::rig::{claim, job, second};
    use crate::decide::tick::MayStart;
    use crate::local::Local;
    use crate::pruning::Pruning;
    use crate::retention::Retention;
    use crate::running::Running;

    /// What the rule comes to, told in numbers alone.
    #[derive(Debug, Default)]
    struct Model {
        running: usize,
        is_waiting: bool,
        started: usize,
        missed: u64,
        folded: u64,
    }

    impl Model {
        fn fire(&mut self, overlap: Overlap) {
            if self.running < overlap.limit() && !self.is_waiting {
                self.running += 1;
                self.started += 1;
            } else if overlap == Overlap::QueueOne {
                self.folded += u64::from(self.is_waiting);
                self.is_waiting = true;
            } else {
                self.missed += 1;
            }
        }

        fn finish(&mut self) {
            self.running -= 1;
            if self.is_waiting && self.running == 0 {
                (self.is_waiting, self.running) = (false, 1);
                self.started += 1;
            }
        }
    }

    proptest! {
        /// A fire each second, and between two of them so many runs that end.
        #[test]
        fn fires_start_wait_and_are_missed_as_the_model_says(
            overlap in prop_oneof![Just(Overlap::Skip), Just(Overlap::QueueOne), (1..4_u32).prop_map(Overlap::Allow)],
            ends in prop::collection::vec(0_usize..3, 1..40),
        ) {
            let (local, mut pruning, mut next_run) = (Local::default(), Pruning::default(), RunId(1));
            let mut runs = JobRuns::default();
            let retention = Retention::EVERYTHING;
            let (mut model, mut in_flight) = (Model::default(), Vec::<Running>::new());
            let (mut started, mut missed, mut folded) = (0, 0, 0);
            let mut job = job(Policy::default().with(|policy| policy.overlap = overlap));
            for (turn, ends) in ends.into_iter().enumerate() {
                let now = second(turn as i64);
                let claim = claim(now, &job, runs, true, next_run);
                let mut tick = Tick::new(claim, &local, &retention, &mut pruning);
                for ended in in_flight.drain(..ends.min(in_flight.len())) {
                    let mut report = RunReport::new(ended.run.id, now, Outcome::Succeeded);
                    report.started = Some(now);
                    tick.report(&ended, &report, MayStart::Yes);
                    model.finish();
                }
                tick.due(0);
                model.fire(overlap);
                let (mut settlement, effects) = tick.into_parts();
                let recorded = settlement.batch.iter().filter_map(|step| match step {
                    Transition::Record(run) => Some(run.id.next()),
                    _ => None,
                });
                next_run = recorded.max().unwrap_or(next_run);
                runs = settlement.runs.remove(0).1;
                started += effects.starts.len();
                in_flight.extend(effects.starts.into_iter().map(|start| start.running));
                let of = |reason| {
                    let rows = effects.missed.iter().filter(move |run| run.outcome == Some(Outcome::Missed(reason)));
                    rows.map(|run| run.fires.count).sum::<u64>()
                };
                missed += of(MissedReason::Overlap);
                folded += of(MissedReason::Coalesced);
                job.next_fire = job.next_fire.map(|fire| fire + TimeDelta::seconds(1));
                prop_assert_eq!(in_flight.len(), model.running);
                prop_assert_eq!(runs.waiting.is_some(), model.is_waiting);
            }
            prop_assert_eq!((started, missed, folded), (model.started, model.missed, model.folded));
        }
    }
}
