//! Runs that could not begin because the system had no process, thread, descriptor or memory left: they are tried again, and no
//! attempt is counted.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use matins_core::{Backoff, MissedReason, Outcome, Run, RunReport, Transition, round_up_to_microsecond};

use super::retry;
use super::tick::Tick;

/// How long is waited before it is tried again: at first one second, later half a minute.
const BACKOFF: Backoff = Backoff::Exponential { first: Duration::from_secs(1), longest: LONGEST };
pub(super) const LONGEST: Duration = Duration::from_secs(30);

/// How long it is tried, if the job's misfire grace does not say.
const PATIENCE: TimeDelta = TimeDelta::hours(1);

/// What is known of a run that could not begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Postponed {
    /// When that was found out first.
    pub(crate) since: DateTime<Utc>,
    /// How often it has been tried.
    pub(crate) tries: u32,
}

/// What happens to a run that could not begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    /// It is tried again at this instant.
    Again(DateTime<Utc>, Postponed),
    /// It ends with this outcome.
    GiveUp(Outcome),
}

/// Decides about a run that could not begin. A first attempt is tried until its misfire grace is over, since a later start is not
/// wanted, and is missed then. Others, and those of jobs without a grace, are tried for an hour, and have failed then.
pub(crate) fn decide(
    before: Option<Postponed>,
    run: &Run,
    misfire_grace: Option<Duration>,
    report: &RunReport,
) -> Decision {
    let now = report.finished;
    let Postponed { since, tries } = before.unwrap_or(Postponed { since: now, tries: 0 });
    let grace = misfire_grace.filter(|_| run.attempt == 1 && !run.manual);
    let after = |start: DateTime<Utc>, span: TimeDelta| {
        start.checked_add_signed(span).map_or(DateTime::<Utc>::MAX_UTC, round_up_to_microsecond)
    };
    let delta = |span: Duration| TimeDelta::from_std(span).unwrap_or(TimeDelta::MAX);
    let (until, outcome) = match grace {
        Some(grace) => (after(run.scheduled(), delta(grace)), Outcome::Missed(MissedReason::TooLate)),
        None => (after(since, PATIENCE), Outcome::Failed),
    };
    if now >= until {
        return Decision::GiveUp(outcome);
    }
    let tries = tries.saturating_add(1);
    let turn = after(now, delta(retry::delay(BACKOFF, tries, &run.job))).min(until);
    Decision::Again(turn, Postponed { since, tries })
}

impl Tick<'_> {
    /// A run that could not begin waits, and keeps its place.
    pub(super) fn postpone(
        &mut self,
        at: usize,
        run: &Run,
        report: &RunReport,
        turn: DateTime<Utc>,
        postponed: Postponed,
    ) {
        let run = run.clone().with(|run| {
            run.started = None;
            run.turn = Some(turn);
            run.message.clone_from(&report.message);
        });
        let runs = &mut self.jobs[at].runs;
        runs.running.retain(|running| *running != run.id);
        runs.ready.push(run.clone());
        let run = Arc::new(run);
        self.batch.push(Transition::Finish(run.clone()));
        self.postponed.push((run, turn, postponed));
    }

    /// Starts a run that has waited; returns its row.
    pub(super) fn start_waited(&mut self, run: Run) -> Arc<Run> {
        let could_not_begin = run.message.is_some();
        let run = Arc::new(run.with(|run| {
            run.started = Some(self.now);
            run.message = None;
        }));
        let (id, started, scheduled) = (run.id, run.started, run.scheduled());
        self.batch.push(if could_not_begin {
            // The reason goes with it.
            Transition::Finish(run.clone())
        } else {
            Transition::Start { run: id, started, scheduled }
        });
        run
    }
}

#[cfg(test)]
mod tests {
    use matins_core::{JobId, RunId};

    use super::*;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(second)
    }

    fn report(second: i64) -> RunReport {
        let mut report = RunReport::new(RunId(1), at(second), Outcome::Failed);
        report.not_started = true;
        report
    }

    fn run() -> Run {
        Run::waiting(RunId(1), JobId::new("job").unwrap(), at(0))
    }

    /// The instants at which a run is tried, and what it ends with.
    fn tried(run: &Run, grace: Option<Duration>, first: i64) -> (Vec<DateTime<Utc>>, Outcome) {
        let (mut turns, mut now, mut before) = (Vec::new(), at(first), None);
        loop {
            let mut report = report(0);
            report.finished = now;
            match decide(before, run, grace, &report) {
                Decision::Again(turn, postponed) => {
                    assert!(turn > now);
                    (now, before) = (turn, Some(postponed));
                    turns.push(turn);
                }
                Decision::GiveUp(outcome) => return (turns, outcome),
            }
        }
    }

    #[test]
    fn it_is_tried_for_an_hour_with_growing_pauses() {
        // However late it was.
        let (turns, outcome) = tried(&run(), None, 100_000);
        assert_eq!(outcome, Outcome::Failed);
        assert_eq!(turns.last(), Some(&(at(100_000) + PATIENCE)));
        assert!(turns[0] <= at(100_001), "{}", turns[0]);
        let pauses: Vec<TimeDelta> = turns.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(pauses.iter().all(|pause| *pause <= TimeDelta::seconds(30)), "{pauses:?}");
        assert!((100..300).contains(&turns.len()), "{}", turns.len());
    }

    #[test]
    fn it_is_missed_when_its_misfire_grace_is_over() {
        let (turns, outcome) = tried(&run(), Some(Duration::from_secs(20)), 0);
        assert_eq!(outcome, Outcome::Missed(MissedReason::TooLate));
        assert_eq!(turns.last(), Some(&at(20)), "the last time just then");
        assert!((4..10).contains(&turns.len()), "{turns:?}");
        assert!(tried(&run(), Some(Duration::ZERO), 0).0.is_empty());
        // A grace without end.
        let forever = decide(None, &run(), Some(Duration::MAX), &report(1_000_000_000));
        assert!(matches!(forever, Decision::Again(..)));
    }

    #[test]
    fn the_grace_is_not_that_of_a_run_by_hand_or_of_a_further_attempt() {
        let grace = Some(Duration::from_secs(20));
        for run in [run().with(|run| run.manual = true), run().with(|run| run.attempt = 2)] {
            assert_eq!(tried(&run, grace, 1000).1, Outcome::Failed);
        }
    }
}
