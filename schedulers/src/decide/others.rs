//! Runs that other schedulers start, since this one has not the task or the executor.

use matins_core::Run;

use super::tick::Tick;

impl Tick<'_> {
    /// A run that is decided about here waits for its turn, which has come, for a scheduler that has its task.
    pub(super) fn leave_to_others(&mut self, at: usize, run: Run) {
        let run = run.with(|run| {
            run.started = None;
            run.turn = Some(self.now);
        });
        self.jobs[at].runs.ready.push(run.clone());
        self.record(run);
    }
}

#[cfg(test)]
mod tests {
    use matins_core::{Group, JobRuns, OnInterrupt, Overlap, Policy, RunId, Served, Transition};
    use proptest::prelude::*;

    use std::sync::Arc;

    use super::*;
    use crate::decide::rig::{claim, job, second};
    use crate::decide::tick::MayStart;
    use crate::local::Local;
    use crate::pruning::Pruning;
    use crate::retention::Retention;

    proptest! {
        /// A job of another scheduler is claimed because somebody runs it by hand, changes it when it is due, or takes a run over.
        #[test]
        fn what_is_decided_here_about_a_job_of_others_is_left_to_them(
            by_hand in any::<bool>(),
            is_due in any::<bool>(),
            is_abandoned in any::<bool>(),
            is_in_group in any::<bool>(),
            overlap in prop_oneof![Just(Overlap::Skip), Just(Overlap::QueueOne), Just(Overlap::Allow(5))],
        ) {
            let job = job(Policy::default().with(|policy| {
                (policy.on_interrupt, policy.overlap) = (OnInterrupt::RunAgain, overlap);
                policy.group = is_in_group.then(|| Group::new("group", 1).unwrap());
            }));
            let local = Local { served: Some(Served::default()), ..Local::default() };
            let (retention, mut pruning) = (Retention::EVERYTHING, Pruning::default());
            let mut claim = claim(second(100), &job, JobRuns::default(), false, RunId(1_000));
            if is_abandoned {
                claim.jobs[0].abandoned = vec![Run::started(RunId(1), job.id.clone(), second(1), second(50))];
            }
            let mut tick = Tick::new(claim, &local, &retention, &mut pruning);
            tick.recover(Vec::new(), MayStart::Yes);
            tick.start_what_waits();
            if by_hand {
                tick.start_by_hand(0);
            }
            if is_due {
                let due = std::sync::Arc::new(job.clone().with(|job| job.next_fire = Some(second(100))));
                tick.due_as(0, &due);
            }
            let (settlement, effects) = tick.into_parts();
            prop_assert!(effects.starts.is_empty());
            let recorded = settlement.batch.iter().filter_map(|step| match step {
                Transition::Record(run) if run.outcome.is_none() => Some(run),
                _ => None,
            });
            let recorded: Vec<&Arc<Run>> = recorded.collect();
            prop_assert!(recorded.iter().all(|run| run.started.is_none()));
            let ready = &settlement.runs[0].1.ready;
            prop_assert!(ready.iter().all(|run| run.turn == Some(second(100))));
            let has_place = overlap == Overlap::Allow(5) || !(by_hand || is_abandoned);
            let fires = usize::from(is_due && (has_place || overlap == Overlap::QueueOne));
            prop_assert_eq!(recorded.len(), usize::from(by_hand) + usize::from(is_abandoned) + fires);
        }
    }
}
