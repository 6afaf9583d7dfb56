//! Rows of the ledger for fires that do not run.

use std::sync::Arc;

use matins_core::{FireRange, MissedReason, Outcome, Run, RunId, Transition};

use super::tick::Tick;

impl Tick<'_> {
    /// These fires are missed: a row of the ledger says so, or the one before it grows.
    pub(super) fn miss(&mut self, at: usize, fires: FireRange, reason: MissedReason) {
        let outcome = Some(Outcome::Missed(reason));
        let local = self.local;
        let id = self.jobs[at].id.clone();
        let occupied = local.occupations.count(&id);
        let is_alone = self.jobs[at].runs.occupied() == 0;
        // Where nothing in here is in its way.
        let is_outside = reason == MissedReason::Overlap && occupied > 0 && is_alone;
        let why = if is_outside { local.occupations.why(&id) } else { None };
        let open = self.jobs[at].runs.missed.take();
        // Not one of later fires: they were missed before the clock was set back.
        let is_open = |open: &Run| {
            open.outcome == outcome && open.message.as_deref() == why && open.fires.last < fires.first
        };
        let open = open.filter(|open| is_open(open) && self.may_grow(open));
        let row = if let Some(open) = open {
            let row = (*open).with(|run| run.fires = run.fires.joined(fires));
            self.batch.push(Transition::Extend { run: row.id, fires: row.fires });
            row
        } else {
            let row = Run::missed(self.take_number(), id, fires, reason, self.now);
            let row = row.with(|run| run.message = why.map(str::to_owned));
            self.record(row.clone());
            row
        };
        self.missed.push(Arc::new(row.clone().with(|run| run.fires = fires)));
        // Only while runs are in progress can the next missed fires be of the same kind for the same cause.
        self.jobs[at].runs.missed = (!is_alone || occupied > 0).then(|| Box::new(row));
    }

    /// Whether an open row may still grow. Rows are dropped by their age, which counts from when the row was made: one that grew for longer
    /// than half of that would soon be dropped, with fires that have just been added to it.
    fn may_grow(&self, open: &Run) -> bool {
        let Some((age, finished)) = self.retention.age.zip(open.finished) else { return true };
        (self.now - finished).to_std().is_ok_and(|passed| passed < age / 2)
    }

    /// The job of a waiting run is gone.
    pub(super) fn give_up_waiting(&mut self, waiting: Run) {
        let outcome = Some(Outcome::Missed(MissedReason::JobRemoved));
        let run = Arc::new(waiting.with(|run| {
            run.finished = Some(self.now);
            run.outcome = outcome;
        }));
        self.batch.push(Transition::Finish(run.clone()));
        self.missed.push(run);
    }

    /// A job goes: its runs that have not begun are missed.
    pub(super) fn give_up_all_waiting(&mut self, at: usize) {
        let runs = &mut self.jobs[at].runs;
        runs.group = None;
        let waiting: Vec<Run> =
            runs.waiting.take().map(|run| *run).into_iter().chain(std::mem::take(&mut runs.ready)).collect();
        for run in waiting {
            self.give_up_waiting(run);
        }
    }

    /// Takes a run out of those that wait for their turn.
    pub(super) fn take_ready(&mut self, at: usize, run: RunId) -> Option<Run> {
        let ready = &mut self.jobs[at].runs.ready;
        let place = ready.iter().position(|ready| ready.id == run)?;
        Some(ready.remove(place))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use matins_core::{JobRuns, Policy};

    use super::*;
    use crate::decide::rig::{claim, job, second};
    use crate::local::Local;
    use crate::pruning::Pruning;
    use crate::retention::Retention;

    /// Once, such a row was dropped by its age while fires were added to it, which so had no row.
    #[test]
    fn fires_that_are_missed_for_long_get_another_row_before_the_first_is_dropped() {
        let (local, mut pruning) = (Local::default(), Pruning::default());
        let retention = Retention { age: Some(Duration::from_secs(60)), ..Retention::EVERYTHING };
        let job = job(Policy::default());
        let mut runs = JobRuns { running: [RunId(1)].into_iter().collect(), ..JobRuns::default() };
        let mut rows = Vec::new();
        for now in 1..100 {
            let claim = claim(second(now), &job, runs, false, RunId(now.unsigned_abs() + 1));
            let mut tick = Tick::new(claim, &local, &retention, &mut pruning);
            tick.miss(0, FireRange::single(second(now)), MissedReason::Overlap);
            runs = tick.jobs.remove(0).runs;
            rows.extend(tick.batch.into_iter().filter_map(|step| match step {
                Transition::Record(row) => row.finished,
                _ => None,
            }));
        }
        assert_eq!(rows, [1, 31, 61, 91].map(second));
    }
}
