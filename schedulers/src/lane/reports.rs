//! Which of the runs that have ended a tick takes in: of many not all, so that a tick stays small and jobs that are due come first.

use std::collections::VecDeque;

use foldhash::{HashSet, HashSetExt};
use matins_core::{Claimed, RunId, RunReport};

use crate::running::Running;

/// A run that has ended, and how.
pub(crate) type Ended = (Running, RunReport);

/// About so many in one tick.
pub(super) const REPORTS_PER_TICK: usize = if cfg!(test) { 10 } else { 512 };

/// The reports that a tick takes in.
#[derive(Debug)]
pub(super) struct Taken {
    /// The first of them, so many.
    first: usize,
    /// None is at this place, or behind it.
    end: usize,
    /// Those of these runs.
    needed: HashSet<RunId>,
}

impl Taken {
    /// The first of them, at most so many; and those of runs in a group, which other jobs wait for.
    pub(super) fn of(ended: &VecDeque<Ended>, most: usize) -> Self {
        let first = most.min(ended.len());
        let last_of_group = ended.range(first..).rposition(|(running, _)| running.group.is_some());
        let end = last_of_group.map_or(first, |place| first + place + 1);
        Self { first, end, needed: HashSet::new() }
    }

    /// What is decided about due jobs depends on the reports of their runs: those are taken too.
    pub(super) fn add_needed(&mut self, ended: &VecDeque<Ended>, due: &[Claimed]) {
        if self.first == ended.len() {
            return;
        }
        let running = due.iter().flat_map(|job| job.runs.running.iter().copied());
        let mut needed: HashSet<RunId> = running.collect();
        for (_, report) in self.iter(ended) {
            needed.remove(&report.run);
        }
        if !needed.is_empty() {
            self.end = ended.len();
            self.needed = needed;
        }
    }

    fn has(&self, place: usize, (running, report): &Ended) -> bool {
        place < self.first || running.group.is_some() || self.needed.contains(&report.run)
    }

    /// The reports, in the order of their coming.
    pub(super) fn iter<'e>(&self, ended: &'e VecDeque<Ended>) -> impl Iterator<Item = &'e Ended> {
        let looked_at = ended.range(..self.end).enumerate();
        looked_at.filter(|(place, ended)| self.has(*place, ended)).map(|(_, ended)| ended)
    }

    /// Drops them, once they are taken in.
    pub(super) fn drop_from(&self, ended: &mut VecDeque<Ended>) {
        ended.drain(..self.first);
        if self.end == self.first {
            return;
        }
        // Where only the first go, the others, which may be many, are not even looked at.
        let mut places = self.first..self.end;
        ended.retain(|ended| places.next().is_none_or(|place| !self.has(place, ended)));
    }

    /// At most so many.
    pub(super) fn most(&self) -> usize {
        self.end
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use matins_core::{Group, GroupName, JobId, JobRuns, Outcome, Policy, Run};
    use proptest::prelude::*;

    use super::*;
    use crate::decide::rig::{job, second};

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

    proptest! {
        #[test]
        fn those_that_are_not_taken_stay_in_their_order(
            in_group in prop::collection::vec(prop::bool::weighted(0.1), 0..40),
            most in 0_usize..50,
            running in prop::collection::vec(0_u64..50, 0..5),
        ) {
            let all = || (0_u64..).zip(&in_group);
            let mut reports: VecDeque<Ended> = all().map(|(number, in_group)| ended(number, *in_group)).collect();
            let mut taken = Taken::of(&reports, most);
            let is_certain = |(number, in_group): &(u64, &bool)| *number < most as u64 || **in_group;
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
