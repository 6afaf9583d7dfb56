//! Runs that other schedulers of a shared store have: how they end, and how they are cancelled.

use std::time::Duration;

use matins_core::{JobId, Run, RunId, RunOrder, RunQuery, StoreError};

use super::OpenLane;
use crate::outcomes::Awaited;
use crate::reading::Reading;

/// How soon the ledger is looked at for runs that somebody here waits for; the time doubles with each look up to the second.
const LOOK_FIRST: Duration = Duration::from_millis(50);
const LOOK_LONGEST: Duration = Duration::from_secs(1);

/// Of so many of the newest runs of a job, the one that ended first since somebody waits for it is told.
const NEWEST: usize = 20;

/// When the ledger is looked at again.
#[derive(Debug, Clone, Copy)]
pub(super) struct Look {
    pub(super) at: Duration,
    delay: Duration,
}

impl OpenLane<'_> {
    /// Tells those who wait here for runs of other schedulers what has become of them.
    pub(super) fn look_elsewhere(&mut self, reading: &Reading) -> Result<(), StoreError> {
        if !self.lane.is_shared {
            return Ok(());
        }
        let mut awaited = self.engine.hub().waiters.awaited(self.lane.number);
        if !awaited.runs.is_empty() {
            let in_flight = self.lane.in_flight.lock();
            let is_here = |run: &RunId| {
                in_flight.contains_key(run) || self.work.ended.iter().any(|(_, report)| report.run == *run)
            };
            awaited.runs.retain(|run| !is_here(run));
        }
        let look = self.work.look.filter(|_| !awaited.is_empty());
        if awaited.is_empty() || look.is_some_and(|look| look.at > reading.monotonic) {
            self.work.look = look;
            return Ok(());
        }
        let delay = look.map_or(LOOK_FIRST, |look| (look.delay * 2).min(LOOK_LONGEST));
        self.work.look = Some(Look { at: reading.monotonic.saturating_add(delay), delay });
        self.tell_awaited(awaited)
    }

    fn tell_awaited(&mut self, awaited: Awaited) -> Result<(), StoreError> {
        let number = self.lane.number;
        for run in awaited.runs {
            let before = RunId(run.0.saturating_sub(1));
            let rows = self.work.store.runs(&RunQuery::default().after(before).limit(1))?;
            let ended = rows.into_iter().find(|row| row.id == run && row.outcome.is_some());
            if let Some(row) = ended {
                self.engine.hub().waiters.tell(number, &row);
            }
        }
        for (job, since) in awaited.jobs {
            let newest = RunQuery::of_job(&job).order(RunOrder::NewestFirst).limit(NEWEST);
            let rows = self.work.store.runs(&newest)?;
            let goes_on = rows.iter().any(|row| row.outcome.is_none());
            let ended = rows.into_iter().filter(|row| row.finished.is_some_and(|finished| finished >= since));
            if let Some(row) = ended.min_by_key(|row: &Run| row.finished) {
                self.engine.hub().waiters.tell(number, &row);
            } else if !goes_on && self.is_gone(&job)? {
                self.engine.hub().waiters.job_is_gone(number, &job);
            }
        }
        Ok(())
    }

    fn is_gone(&mut self, job: &JobId) -> Result<bool, StoreError> {
        Ok(self.work.store.get(job)?.is_none())
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use matins_core::{Outcome, StoreName};
    use matins_task_function::TaskRegistry;
    use matins_triggers::DateTrigger;

    use crate::commands::Cancelling;
    use crate::engine::{Engine, Next, Submission};
    use crate::lane::rig::{node, node_with, shared, start};
    use crate::{Event, Schedule, SchedulerError};

    /// Turns a scheduler until it wants to wait.
    fn turn(engine: &Engine) -> Vec<Submission> {
        let mut all = Vec::new();
        loop {
            let (submissions, next) = engine.turn();
            all.extend(submissions);
            if matches!(next, Next::WaitUntil(_)) && !engine.has_reports() {
                return all;
            }
        }
    }

    #[test]
    fn a_run_that_was_asked_for_here_and_is_done_elsewhere_is_waited_for_and_cancelled_here() {
        let (clock, store) = shared();
        let (here, elsewhere) = (node_with(TaskRegistry::default(), &clock, &store), node(&clock, &store));
        assert!(turn(&here).is_empty() && turn(&elsewhere).is_empty());
        let id = elsewhere.add(DateTrigger::new(start() + TimeDelta::hours(1)).task("report").id("report"));
        let id = id.unwrap().id;

        let of_run = here.run_now(&id).unwrap();
        let of_job = here.next_outcome(&id).unwrap();
        assert!(turn(&here).is_empty(), "it has not the task");
        let mut runs = turn(&elsewhere);
        assert_eq!(runs.len(), 1);
        let Submission { request, done, .. } = runs.remove(0);

        let cancelling = here.cancel(&StoreName::default(), request.run).unwrap();
        assert!(matches!(cancelling, Cancelling::Elsewhere), "{cancelling:?}");
        assert!(!request.cancel.is_cancelled());
        clock.advance(TimeDelta::seconds(5));
        assert!(turn(&elsewhere).is_empty());
        assert!(request.cancel.is_cancelled(), "its owner has heard of it");

        done.finish(request.ended(None, Outcome::Cancelled, None));
        turn(&elsewhere);
        assert!(of_run.wait_within(std::time::Duration::ZERO).unwrap().is_none(), "not looked at yet");
        clock.advance(TimeDelta::seconds(1));
        turn(&here);
        for pending in [of_run, of_job] {
            let told = pending.wait_within(std::time::Duration::ZERO).unwrap().expect("told");
            assert_eq!((told.id, told.outcome, told.manual), (request.run, Some(Outcome::Cancelled), true));
        }
        let cancelling = here.cancel(&StoreName::default(), request.run).unwrap();
        assert!(matches!(cancelling, Cancelling::Nothing), "it has ended: {cancelling:?}");

        let of_job = here.next_outcome(&id).unwrap();
        elsewhere.remove(&id).unwrap();
        clock.advance(TimeDelta::seconds(1));
        turn(&here);
        let gone = of_job.wait_within(std::time::Duration::ZERO);
        assert!(matches!(gone, Err(SchedulerError::JobGone { .. })), "{gone:?}");
    }

    #[test]
    fn a_job_that_nobody_can_start_is_told_once() {
        let (clock, store) = shared();
        let (here, elsewhere) = (node_with(TaskRegistry::default(), &clock, &store), node(&clock, &store));
        turn(&elsewhere);
        let soon = start() + TimeDelta::seconds(1);
        elsewhere.add(DateTrigger::new(soon).task("report").id("report")).unwrap();
        let events = here.hub().listeners.subscribe(|event| matches!(event, Event::JobNotServed { .. }));
        drop(elsewhere);
        store.expire(2);
        for _ in 0..12 {
            clock.advance(TimeDelta::seconds(5));
            assert!(turn(&here).is_empty());
            here.deliver_events();
        }
        let told: Vec<Event> = std::iter::from_fn(|| events.try_next()).collect();
        assert_eq!(told.len(), 1, "{told:?}");
        let late = node(&clock, &store);
        turn(&late);
        assert_eq!(store.rows().len(), 1, "one that has the task decides about it");
    }
}
