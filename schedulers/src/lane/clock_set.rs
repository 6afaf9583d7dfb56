//! What a lane does when the clock was set: waits continue by the time that has passed, and next fire times that were computed by a
//! clock which was ahead are computed again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use matins_core::{JobId, JobPosition, JobQuery, JobState, Run, RunId, RunQuery, StoreError};

use super::OpenLane;
use crate::Event;
use crate::decide::clock_set::{Moved, SetBack, moved_caught};
use crate::engine::State;
use crate::occupied::WHEN_IT_ENDS;
use crate::reading::Reading;
use crate::running::Running;

/// At most so many jobs are checked in one turn.
const JOBS_PER_TURN: usize = if cfg!(test) { 3 } else { 200 };

/// What is to be done because the clock was set.
#[derive(Debug)]
pub(crate) struct ClockSet {
    /// The clock as it was last read.
    reading: Reading,
    /// That of a store that others share.
    of_store: Option<Reading>,
    /// The jobs whose next fire times are still to be checked, in slices; `None` if nothing is to be checked.
    check: Option<Check>,
    /// By how much the turns of runs that wait are to be moved, of those that were not read yet.
    unread: TimeDelta,
    /// The turns that waiting runs are to get, once the store takes them.
    turns: BTreeMap<RunId, (JobId, DateTime<Utc>)>,
}

/// A look at the next fire times of all jobs, in the order of their ids.
#[derive(Debug, Default)]
struct Check {
    /// Each step, back if it is positive, and the last job that was looked at before it: those up to there have followed the steps before.
    steps: Vec<(Option<JobId>, TimeDelta)>,
    /// How far it has come.
    at: Option<JobPosition>,
    /// The clock was wrong, by this much at least: all next fire times are computed again.
    correction: Option<TimeDelta>,
    /// What was decided about the jobs last read, until the store has taken it.
    pending: Option<Page>,
    /// How many jobs have another next fire time.
    moved: u64,
    /// It was seen that the clock was set. Otherwise only next fire times can show it.
    is_certain: bool,
    /// The runs that wait have still to be looked at, for what an earlier process has left.
    looks_at_runs: bool,
}

/// What was decided about a page of jobs.
#[derive(Debug, Clone)]
struct Page {
    /// The jobs that change: the next fire time that each has, and what it gets.
    moves: Vec<(JobId, DateTime<Utc>, Moved)>,
    last: JobPosition,
}

impl Check {
    /// How the clock was set back for this job.
    fn set_back_for(&self, job: &JobId) -> SetBack {
        let since = self.steps.iter().filter(|(after, _)| after.as_ref().is_none_or(|after| job > after));
        let by = since.fold(TimeDelta::zero(), |sum, (_, by)| sum.checked_add(by).unwrap_or(TimeDelta::MAX));
        SetBack { by: self.correction.unwrap_or_default().max(by) }
    }

    /// The clock was set by more, back (`by` is positive) or forward: it is begun again.
    fn begin_again(&mut self, by: TimeDelta) {
        let reached = self.at.take().map(|at| at.id);
        // Those of a page that may be committed have followed it.
        let reached = reached.max(self.pending.as_ref().map(|page| page.last.id.clone()));
        for (after, _) in &mut self.steps {
            *after = after.take().max(reached.clone());
        }
        self.steps.push((None, by));
        let sum = |sum: TimeDelta, (_, by): &(_, TimeDelta)| sum.checked_add(by).unwrap_or(TimeDelta::MAX);
        let by = self.steps.iter().fold(TimeDelta::zero(), sum);
        self.correction = (SetBack { by }).is_correction().then_some(by);
    }
}

impl ClockSet {
    /// Nothing, except for what an earlier process has left in a store that outlives it.
    pub(super) fn new(reading: Reading, is_persistent: bool) -> Self {
        let check = is_persistent.then(|| Check { looks_at_runs: true, ..Check::default() });
        Self { reading, of_store: None, check, unread: TimeDelta::zero(), turns: BTreeMap::new() }
    }

    /// Whether there are jobs to look at.
    pub(super) fn has_jobs_to_check(&self) -> bool {
        self.check.is_some()
    }
}

impl OpenLane<'_> {
    /// Finds out whether the scheduler's clock was set since the last turn.
    pub(super) fn note_clock(&mut self, reading: &Reading) {
        let step = reading.step_since(&self.work.clock_set.reading);
        self.work.clock_set.reading = *reading;
        let Some(step) = step else { return };
        if self.lane.is_shared {
            // What decides there is the store's clock.
            self.work.ahead = self.work.ahead.checked_sub(&step).unwrap_or_default();
        } else {
            self.clock_was_set(step);
        }
    }

    /// Before a command: what waits has followed the clock, so that it is told from what the command adds. If the store fails, the
    /// command fails too, or the next turn tries again.
    pub(crate) fn follow_clock(&mut self) {
        self.note_clock(&Reading::of(&*self.engine.clock));
        let _ = self.move_turns();
    }

    /// Finds out whether the clock of a shared store was set since the last claim.
    pub(super) fn note_clock_of_store(&mut self, reading: &Reading) {
        if !self.lane.is_shared {
            return;
        }
        let now = reading.now.checked_add_signed(self.work.ahead).unwrap_or(reading.now);
        let of_store = Reading { now, ..*reading };
        let before = self.work.clock_set.of_store.replace(of_store);
        if let Some(step) = before.and_then(|before| of_store.step_since(&before)) {
            self.clock_was_set(step);
        }
    }

    /// The clock that decides was set.
    fn clock_was_set(&mut self, step: TimeDelta) {
        let clock_set = &mut self.work.clock_set;
        // In a shared store others follow it too: only next fire times show what is left to do.
        let by = if self.lane.is_shared { TimeDelta::zero() } else { -step };
        if step < TimeDelta::zero() {
            let check = clock_set.check.get_or_insert_default();
            check.is_certain = true;
            check.begin_again(by);
        } else if let Some(check) = &mut clock_set.check {
            check.begin_again(by);
        }
        let moved = |instant: DateTime<Utc>| instant.checked_add_signed(step).unwrap_or(instant);
        let move_start = |running: &mut Running| {
            let run = Arc::make_mut(&mut running.run);
            run.started = run.started.map(moved);
        };
        for running in self.lane.in_flight.lock().values_mut() {
            move_start(running);
        }
        for (running, report) in &mut self.work.ended {
            move_start(running);
            report.started = report.started.map(moved);
            report.finished = moved(report.finished);
        }
        self.work.local.clock_was_set(step);
        if !self.lane.is_shared {
            clock_set.unread = clock_set.unread.checked_add(&step).unwrap_or_default();
            for (_, turn) in clock_set.turns.values_mut() {
                *turn = moved(*turn);
            }
        }
    }

    /// Runs that wait for their turns wait for time to pass: their turns are set as the clock was.
    pub(super) fn move_turns(&mut self) -> Result<(), StoreError> {
        let clock_set = &mut self.work.clock_set;
        if !clock_set.unread.is_zero() {
            let by = clock_set.unread;
            let rows = waiting_runs(self.work.store.runs(&RunQuery::default().unfinished())?);
            let clock_set = &mut self.work.clock_set;
            for (run, job, turn) in rows {
                let turn = turn.checked_add_signed(by).map_or(turn, |moved| moved.min(WHEN_IT_ENDS));
                clock_set.turns.entry(run).or_insert((job, turn));
            }
            clock_set.unread = TimeDelta::zero();
        }
        if self.work.clock_set.turns.is_empty() {
            return Ok(());
        }
        // Where the answer of the commit is lost, the same is committed again.
        let turns = self.work.clock_set.turns.clone();
        let jobs: BTreeSet<JobId> = turns.values().map(|(job, _)| job.clone()).collect();
        let jobs: Vec<JobId> = jobs.into_iter().collect();
        self.settle_about(&jobs, |tick| {
            for job in &jobs {
                let at = tick.place_of(job);
                tick.set_turns(at, &turns);
            }
        })?;
        self.work.clock_set.turns.clear();
        Ok(())
    }

    /// Looks at the next fire times of some jobs.
    pub(super) fn check_next_fires(&mut self, state: State) -> Result<(), StoreError> {
        if !matches!(state, State::Running | State::Paused) || self.work.leaving.is_some() {
            return Ok(());
        }
        let Some(check) = &self.work.clock_set.check else { return Ok(()) };
        if check.looks_at_runs {
            self.look_at_runs()?;
        }
        self.settle_page()?;
        let Some(check) = &self.work.clock_set.check else { return Ok(()) };
        let query = JobQuery::default().state(JobState::Active).after(check.at.clone()).limit(JOBS_PER_TURN);
        let jobs = self.work.store.list(&query)?;
        let now = self.now();
        let Some(check) = &mut self.work.clock_set.check else { return Ok(()) };
        let mut moves = Vec::new();
        for job in &jobs {
            let moved = moved_caught(job, now, check.set_back_for(&job.id));
            let (Some(moved), Some(from)) = (moved, job.next_fire) else { continue };
            if (SetBack { by: moved.by }).is_correction() && check.correction.is_none() {
                // From the first job on, with what is known now.
                (check.correction, check.at) = (Some(moved.by), None);
                return Ok(());
            }
            check.correction = check.correction.map(|by| by.max(moved.by));
            moves.push((job.id.clone(), from, moved));
        }
        check.pending = jobs.last().map(|last| Page { moves, last: JobPosition::of(last) });
        self.settle_page()?;
        if jobs.len() == JOBS_PER_TURN {
            return Ok(());
        }
        let Check { correction, moved, is_certain, .. } =
            self.work.clock_set.check.take().unwrap_or_default();
        if let Some(by) = correction.filter(|_| is_certain || moved > 0) {
            let store = self.lane.name.clone();
            let event = || Event::ClockCorrected { store, by, jobs: moved };
            self.engine.hub().listeners.tell(event);
        }
        Ok(())
    }

    /// Commits what was decided about a page of jobs. If the answer of the store is lost, the same is committed again, which changes
    /// nothing that was changed.
    fn settle_page(&mut self) -> Result<(), StoreError> {
        let Some(page) = self.work.clock_set.check.as_ref().and_then(|check| check.pending.clone()) else {
            return Ok(());
        };
        let ids: Vec<JobId> = page.moves.iter().map(|(id, ..)| id.clone()).collect();
        if !ids.is_empty() {
            self.settle_about(&ids, |tick| {
                for (id, from, moved) in &page.moves {
                    let at = tick.place_of(id);
                    tick.follow_clock(at, *from, moved);
                }
            })?;
        }
        if let Some(check) = &mut self.work.clock_set.check {
            check.pending = None;
            check.moved += page.moves.len() as u64;
            check.at = Some(page.last);
        }
        Ok(())
    }

    /// Runs that an earlier process has left waiting wait no longer than their jobs have them wait.
    fn look_at_runs(&mut self) -> Result<(), StoreError> {
        if !self.lane.is_shared {
            let now = self.now();
            let rows = waiting_runs(self.work.store.runs(&RunQuery::default().unfinished())?);
            let later = rows.filter(|(_, _, turn)| *turn > now).map(|(_, job, _)| job);
            let jobs: BTreeSet<JobId> = later.collect();
            let jobs: Vec<JobId> = jobs.into_iter().collect();
            if !jobs.is_empty() {
                self.settle_about(&jobs, |tick| {
                    for job in &jobs {
                        let at = tick.place_of(job);
                        tick.shorten_waits(at);
                    }
                })?;
            }
        }
        if let Some(check) = &mut self.work.clock_set.check {
            check.looks_at_runs = false;
        }
        Ok(())
    }
}

/// The runs among these that wait for a turn, with their jobs and their turns.
fn waiting_runs(rows: Vec<Run>) -> impl Iterator<Item = (RunId, JobId, DateTime<Utc>)> {
    let waits = |run: Run| {
        let turn = run.turn.filter(|turn| run.started.is_none() && *turn != WHEN_IT_ENDS)?;
        Some((run.id, run.job, turn))
    };
    rows.into_iter().filter_map(waits)
}
