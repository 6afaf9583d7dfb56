//! Which of the runs that have ended a tick takes in: all, or where due jobs come first only those that these depend on.

use std::collections::VecDeque;

use foldhash::{HashSet, HashSetExt};
use matins_core::{Claimed, RunId, RunReport};

use crate::running::Running;

/// A run that has ended, and how.
pub(crate) type Ended = (Running, RunReport);

/// The reports that a tick takes in.
#[derive(Debug)]
pub(super) struct Taken {
    /// None is at this place, or behind it.
    end: usize,
    /// Of those before it, the ones of these runs, and of runs in a group, which other jobs wait for. `None` for all.
    only: Option<HashSet<RunId>>,
}

impl Taken {
    /// All; where due jobs come first, those of runs in a group.
    pub(super) fn of(ended: &VecDeque<Ended>, due_first: bool) -> Self {
        if !due_first {
            return Self { end: ended.len(), only: None };
        }
        let last_of_group = ended.iter().rposition(|(running, _)| running.group.is_some());
        Self { end: last_of_group.map_or(0, |place| place + 1), only: Some(HashSet::new()) }
    }

    /// What is decided about claimed jobs depends on the reports of their runs: those are taken too.
    pub(super) fn add_needed(&mut self, ended: &VecDeque<Ended>, claimed: &[Claimed]) {
        let Some(only) = &mut self.only else { return };
        only.extend(claimed.iter().flat_map(|job| job.runs.running.iter().copied()));
        if !only.is_empty() {
            let last = ended.iter().rposition(|(_, report)| only.contains(&report.run));
            self.end = last.map_or(self.end, |place| self.end.max(place + 1));
        }
    }

    fn has(&self, (running, report): &Ended) -> bool {
        let is_needed = |only: &HashSet<RunId>| running.group.is_some() || only.contains(&report.run);
        self.only.as_ref().is_none_or(is_needed)
    }

    /// The reports, in the order of their coming.
    pub(super) fn iter<'e>(&self, ended: &'e VecDeque<Ended>) -> impl Iterator<Item = &'e Ended> {
        ended.range(..self.end).filter(|ended| self.has(ended))
    }

    /// Drops them, once they are taken in.
    pub(super) fn drop_from(&self, ended: &mut VecDeque<Ended>) {
        if self.only.is_none() {
            return ended.clear();
        }
        // Those behind the last, which may be many, are not looked at.
        let mut places = 0..self.end;
        if !places.is_empty() {
            ended.retain(|ended| places.next().is_none() || !self.has(ended));
        }
    }

    /// At most so many.
    pub(super) fn most(&self) -> usize {
        self.end
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use chrono::TimeDelta;
    use matins_core::{Group, GroupName, JobId, JobRuns, Outcome, Policy, Run, RunQuery, StoreName};
    use matins_triggers::{TimeUnits, after, every};
    use proptest::prelude::*;

    use super::*;
    use crate::decide::rig::{job, second};
    use crate::engine::Engine;
    use crate::lane::rig::{alone, node, shared, start};
    use crate::{Schedule, VirtualClock};

    /// The report of a run, whose job is in a group or not.
    fn ended(number: u64, is_in_group: bool) -> Ended {
        let name = GroupName::new("group").unwrap();
        let group = is_in_group.then(|| Group::new(&name, 1).unwrap());
        let job = job(Policy::default().with(|policy| policy.group = group));
        let run = Run::started(RunId(number), job.id.clone(), second(0), second(0));
        let report = RunReport::new(RunId(number), second(1), Outcome::Succeeded);
        (Running::new(Arc::new(run), &job), report)
    }

    fn claimed(running: &[u64]) -> Claimed {
        let running = running.iter().map(|number| RunId(*number)).collect();
        let runs = JobRuns { running, ..JobRuns::default() };
        let id = JobId::new("job").unwrap();
        Claimed { id, job: None, runs, abandoned: Vec::new(), followers: Vec::new() }
    }

    fn numbers<'e>(ended: impl Iterator<Item = &'e Ended>) -> Vec<u64> {
        ended.map(|(_, report)| report.run.0).collect()
    }

    /// A job each second, one that runs after it, and so many each second that a tick does not take all that is due. The runs are in
    /// progress for a moment, and what has ended waits while jobs are due. Returns how many runs of the second job have succeeded, and how
    /// many of the first.
    fn chain_in_a_backlog(engine: &Engine, clock: &VirtualClock) -> (usize, usize) {
        for number in 0..20 {
            engine.add(every(1.seconds()).task("report").id(format!("other {number:02}"))).unwrap();
        }
        engine.add(every(1.seconds()).task("report").id("first")).unwrap();
        engine.add(after("first").task("report").id("second")).unwrap();
        for _ in 0..20 {
            clock.advance(TimeDelta::seconds(1));
            // The clock moves on before all that are due had their turn.
            for _ in 0..5 {
                let (submissions, _) = engine.turn();
                for run in submissions {
                    run.done.finish(run.request.execute());
                }
            }
        }
        for _ in 0..100 {
            for run in engine.turn().0 {
                run.done.finish(run.request.execute());
            }
        }
        let succeeded = |job: &str| {
            let query = RunQuery::default().job(JobId::new(job).unwrap());
            let runs = engine.runs_in(&StoreName::default(), &query).unwrap();
            runs.iter().filter(|run| run.outcome == Some(Outcome::Succeeded)).count()
        };
        (succeeded("second"), succeeded("first"))
    }

    #[test]
    fn a_chain_loses_no_run_while_reports_wait() {
        let clock = VirtualClock::new(start());
        let (second, first) = chain_in_a_backlog(&alone(&clock), &clock);
        assert!(first > 5 && second == first, "{second} of {first}");
    }

    #[test]
    fn a_chain_in_a_shared_store_loses_no_run() {
        let (clock, store) = shared();
        let (second, first) = chain_in_a_backlog(&node(&clock, &store), &clock);
        assert!(first > 5 && second == first, "{second} of {first}");
    }

    proptest! {
        #[test]
        fn those_that_are_not_taken_stay_in_their_order(
            in_group in prop::collection::vec(prop::bool::weighted(0.1), 0..40),
            due_first in any::<bool>(),
            running in prop::collection::vec(0_u64..50, 0..5),
        ) {
            let all = || (0_u64..).zip(&in_group);
            let mut reports: VecDeque<Ended> = all().map(|(number, in_group)| ended(number, *in_group)).collect();
            let mut taken = Taken::of(&reports, due_first);
            let is_certain = |(_, in_group): &(u64, &bool)| !due_first || **in_group;
            let certain: Vec<u64> = all().filter(is_certain).map(|(number, _)| number).collect();
            prop_assert_eq!(numbers(taken.iter(&reports)), certain);

            taken.add_needed(&reports, &[claimed(&running)]);
            let comes = |one: &(u64, &bool)| is_certain(one) || running.contains(&one.0);
            let coming: Vec<u64> = all().filter(comes).map(|(number, _)| number).collect();
            prop_assert_eq!(numbers(taken.iter(&reports)), coming);
            prop_assert!(taken.most() <= reports.len());

            taken.drop_from(&mut reports);
            let staying: Vec<u64> = all().filter(|one| !comes(one)).map(|(number, _)| number).collect();
            prop_assert_eq!(numbers(reports.iter()), staying);
        }
    }
}
