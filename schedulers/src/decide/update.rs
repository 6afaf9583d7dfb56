//! What becomes of the fires that are due when their job is changed, paused or removed.

use matins_core::{Coalesce, Job, MissedReason, Policy, Run, Transition};

use super::plan::{Fires, beginning, next_after, plan};
use super::tick::Tick;

impl Tick<'_> {
    /// The fires of a job that are due are missed for this reason.
    pub(crate) fn miss_due(&mut self, job: &Job, reason: MissedReason) {
        if let Some(due) = job.next_fire.filter(|due| *due <= self.now) {
            let fires = beginning(&*job.trigger, due, self.now);
            let next = next_after(&*job.trigger, self.now);
            self.batch.push(Transition::Advance { job: job.id.clone(), from: job.next_fire, to: next });
            self.miss(&job.id, fires, reason);
        }
    }

    /// The fires of a job that are due are accounted for by its misfire policy, for a scheduler that does not run yet: the
    /// one that is to run waits for the next start, or is folded into the one that waits already.
    pub(crate) fn due_at_next_start(&mut self, job: &Job, has_waiting: bool) {
        let Some(due) = job.next_fire.filter(|due| *due <= self.now) else { return };
        // One run waits at the most, so that all fires are folded into it.
        let coalesce = match job.policy.coalesce {
            Coalesce::All => Coalesce::Latest,
            coalesce => coalesce,
        };
        let plan = plan(&*job.trigger, &Policy { coalesce, ..job.policy.clone() }, due, self.now);
        self.batch.push(Transition::Advance { job: job.id.clone(), from: job.next_fire, to: plan.next });
        if let Some(late) = plan.too_late {
            self.miss(&job.id, late, MissedReason::TooLate);
        }
        match plan.fires {
            fires if has_waiting => {
                if let Some(all) = fires.whole() {
                    self.miss(&job.id, all, MissedReason::Coalesced);
                }
            }
            Fires::One { before, fire, after } => {
                for folded in [before, after].into_iter().flatten() {
                    self.miss(&job.id, folded, MissedReason::Coalesced);
                }
                let run = Run::waiting(self.take_number(), job.id.clone(), fire);
                self.record(run);
            }
            Fires::None | Fires::Each(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use ahash::AHashMap as HashMap;
    use matins_core::RunId;
    use proptest::prelude::*;

    use super::*;
    use crate::decide::rig::{job, second};
    use crate::live::Live;
    use crate::retention::Retention;

    fn policy() -> impl Strategy<Value = Policy> {
        let coalesce = prop_oneof![Just(Coalesce::Latest), Just(Coalesce::Earliest), Just(Coalesce::All)];
        (coalesce, prop::option::of(0_u64..30)).prop_map(|(coalesce, grace)| Policy {
            coalesce,
            misfire_grace: grace.map(Duration::from_secs),
            ..Policy::default()
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
            let (live, retention, mut unpruned) = (Live::default(), Retention::EVERYTHING, HashMap::new());
            let mut tick = Tick::new(second(now), &live, &retention, &mut unpruned, RunId(1));
            let job = job(policy);
            if decides {
                tick.due_at_next_start(&job, has_waiting);
            } else {
                tick.miss_due(&job, MissedReason::JobChanged);
            }
            let due = u64::try_from(now + 1).unwrap_or(0);
            let next = (due > 0).then(|| second(now + 1));
            prop_assert_eq!(account(&tick.batch), (due, next));
            let waiting = tick.batch.iter().filter(|row| matches!(row, Transition::Record(run) if run.outcome.is_none()));
            prop_assert!(waiting.count() <= usize::from(decides && !has_waiting && due > 0));
        }
    }
}
