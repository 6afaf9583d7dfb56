//! Decides about the fires that are due when their job is changed, paused or removed.

use std::sync::Arc;

use matins_core::{Coalesce, CountBudget, GroupTurn, Job, JobState, MissedReason, Run, Transition};

use super::counts::{due_of, plan_of};
use super::plan::Fires;
use super::tick::{Tick, ends_with_its_last_run};
use crate::occupied::WHEN_IT_ENDS;

impl Tick<'_> {
    /// The fires of a job that are due are missed for this reason. Other schedulers may have fired it since `job` was read: what was
    /// claimed counts.
    pub(crate) fn miss_due(&mut self, at: usize, job: &Job, reason: MissedReason) {
        let claimed = self.jobs[at].job.clone();
        let job = claimed.as_deref().unwrap_or(job);
        if let Some(due) = job.next_fire.filter(|due| *due <= self.now) {
            let (fires, next) = due_of(job, due, self.now);
            self.batch.push(Transition::Advance { job: job.id.clone(), from: job.next_fire, to: next });
            self.miss(at, fires, reason);
        }
    }

    /// The fires of a job that are due are accounted for by its misfire policy, for a scheduler that does not run yet: the
    /// one that is to run waits for the next start, or is folded into the one that waits already.
    pub(crate) fn due_at_next_start(&mut self, at: usize, job: &Job) {
        let job = &self.as_claimed(at, job);
        let Some(due) = job.next_fire.filter(|due| *due <= self.now) else { return };
        // One run waits at the most, so that all fires are folded into it.
        let coalesce = match job.policy.coalesce {
            Coalesce::All => Coalesce::Latest,
            coalesce => coalesce,
        };
        let folding =
            job.clone().with(|job| job.policy = job.policy.clone().with(|policy| policy.coalesce = coalesce));
        let planned = plan_of(&folding, due, self.now, &mut CountBudget::unlimited());
        // A trigger that stands still has no fire that could be told: the new one takes its place.
        let Ok(plan) = planned else { return };
        self.batch.push(Transition::Advance { job: job.id.clone(), from: job.next_fire, to: plan.next });
        if let Some(late) = plan.too_late {
            self.miss(at, late, MissedReason::TooLate);
        }
        let runs = &self.jobs[at].runs;
        match plan.fires {
            fires if runs.waiting.is_some() || !runs.ready.is_empty() => {
                if let Some(all) = fires.whole() {
                    self.miss(at, all, MissedReason::Coalesced);
                }
            }
            Fires::One { before, fire, after } => {
                for folded in [before, after].into_iter().flatten() {
                    self.miss(at, folded, MissedReason::Coalesced);
                }
                let run = Run::waiting(self.take_number(), job.id.clone(), fire);
                self.jobs[at].runs.waiting = Some(Box::new(run.clone()));
                self.record(run);
            }
            Fires::None | Fires::Each(_) => {}
        }
    }

    /// Decides about the fires of a claimed job that are due, by the trigger and the policy of `job`.
    pub(crate) fn due_if_claimed_so(&mut self, at: usize, job: &Job) {
        let job = self.as_claimed(at, job);
        if job.next_fire.is_some_and(|due| due <= self.now) {
            self.due_as(at, &Arc::new(job));
        }
    }

    /// Returns `job` with the next fire time of the claimed one: other schedulers may have fired it since `job` was read.
    fn as_claimed(&self, at: usize, job: &Job) -> Job {
        let next_fire = self.jobs[at].job.as_ref().map_or(job.next_fire, |claimed| claimed.next_fire);
        job.clone().with(|job| job.next_fire = next_fire)
    }

    /// `job` takes the place of the claimed one: its next revision, whose next missed fires begin a row of their own.
    pub(crate) fn update(&mut self, at: usize, job: Job) {
        let claimed = &mut self.jobs[at];
        claimed.runs.missed = None;
        claimed.runs.ends = (!job.policy.counts_runs()).then(|| ends_with_its_last_run(&job));
        let is_resumed = job.state == JobState::Active
            && claimed.job.as_ref().is_some_and(|before| before.state == JobState::Paused);
        let has_new_turn = claimed.runs.group.as_ref().is_some_and(|turn| {
            GroupTurn::of(&job, turn.fire).as_ref() != Some(&**turn) && job.state == JobState::Active
        });
        if has_new_turn || job.state == JobState::Paused {
            claimed.runs.group = None;
        }
        claimed.job = Some(Arc::new(job.clone()));
        self.counted.remove(&at);
        self.batch.push(Transition::Update(Box::new(job)));
        if is_resumed || has_new_turn {
            self.have_their_turn(at);
        }
    }

    /// The runs of a job that have waited for it to be resumed, or for a group that it has left, begin with the next tick.
    fn have_their_turn(&mut self, at: usize) {
        let (now, runs) = (self.now, &mut self.jobs[at].runs);
        let mut changed = Vec::new();
        for run in runs.ready.iter_mut().filter(|run| run.turn == Some(WHEN_IT_ENDS)) {
            run.turn = Some(now);
            changed.push(Arc::new(run.clone()));
        }
        // One that waits for others, further attempts among them, is started when the last of these has ended.
        if runs.occupied() == 0
            && let Some(waiting) = runs.waiting.take()
        {
            let run = (*waiting).with(|run| run.turn = Some(now));
            runs.ready.push(run.clone());
            changed.push(Arc::new(run));
        }
        self.batch.extend(changed.into_iter().map(Transition::Finish));
    }

    /// A claimed job goes, and with it its runs that have not begun. Returns whether others are in progress.
    pub(crate) fn remove(&mut self, at: usize) -> bool {
        self.give_up_all_waiting(at);
        let claimed = &mut self.jobs[at];
        (claimed.runs.missed, claimed.runs.ends, claimed.job) = (None, Some(false), None);
        let job = claimed.id.clone();
        self.batch.push(Transition::End { job });
        self.jobs[at].runs.is_busy()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use matins_core::{JobRuns, Policy, RunId};
    use proptest::prelude::*;

    use super::*;
    use crate::decide::rig::{claim, job, second};
    use crate::local::Local;
    use crate::pruning::Pruning;
    use crate::retention::Retention;

    fn policy() -> impl Strategy<Value = Policy> {
        let coalesce = prop_oneof![Just(Coalesce::Latest), Just(Coalesce::Earliest), Just(Coalesce::All)];
        (coalesce, prop::option::of(0_u64..30)).prop_map(|(coalesce, grace)| {
            Policy::default().with(|policy| {
                policy.coalesce = coalesce;
                policy.misfire_grace = grace.map(Duration::from_secs);
            })
        })
    }

    /// How many fires the rows of a batch stand for, and where it leaves the job.
    fn account(batch: &[Transition]) -> (u64, Option<chrono::DateTime<chrono::Utc>>) {
        let mut next = None;
        let mut fires = 0;
        for transition in batch {
            match transition {
                Transition::Record(run) => fires += run.fires.count,
                Transition::Advance { to, .. } => next = *to,
                other => panic!("{other:?}"),
            }
        }
        (fires, next)
    }

    proptest! {
        #[test]
        fn every_fire_that_is_due_has_a_row_and_no_other(
            policy in policy(), now in -5_i64..90, decides in any::<bool>(), has_waiting in any::<bool>(),
        ) {
            let (local, retention, mut pruning) = (Local::default(), Retention::EVERYTHING, Pruning::default());
            let job = job(policy);
            let waiting = has_waiting.then(|| Box::new(Run::waiting(RunId(1), job.id.clone(), second(-1))));
            let claim = claim(second(now), &job, JobRuns { waiting, ..JobRuns::default() }, false, RunId(2));
            let mut tick = Tick::new(claim, &local, &retention, &mut pruning);
            if decides {
                tick.due_at_next_start(0, &job);
            } else {
                tick.miss_due(0, &job, MissedReason::JobChanged);
            }
            let due = u64::try_from(now + 1).unwrap_or(0);
            let next = (due > 0).then(|| second(now + 1));
            prop_assert_eq!(account(&tick.batch), (due, next));
            let waiting = tick.batch.iter().filter(|row| matches!(row, Transition::Record(run) if run.outcome.is_none()));
            prop_assert!(waiting.count() <= usize::from(decides && !has_waiting && due > 0));
        }
    }
}
