//! One tick of one store: from what was claimed, and reports of runs, to a batch of transitions. Nothing is touched by it: a batch that
//! cannot be committed leaves all as it was.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use foldhash::{HashMap, HashMapExt};
use matins_core::{
    Claim, Claimed, CountBudget, FireRange, GroupName, Job, JobId, JobRuns, JobState, MissedReason,
    OnExhausted, Outcome, Run, RunId, RunReport, Settlement, Transition, text_of_panic,
};

use super::counts::{Counted, plan_of};
use super::group::Applicant;
use super::postponed::{self, Decision, Postponed};
use super::recovery::MOST_RUN_AGAIN;
use super::retry::{self, later};
use crate::local::Local;
use crate::pruning::Pruning;
use crate::retention::Retention;
use crate::running::{Running, Start};

/// So many steps of counting in one tick, some milliseconds: then commands and other jobs have their turn.
const STEPS_PER_TICK: u64 = 50_000;

/// As soon as possible, and after this tick.
const AT_ONCE: Duration = Duration::from_micros(1);

pub(crate) struct Tick<'a> {
    pub(super) now: DateTime<Utc>,
    pub(super) local: &'a Local,
    pub(super) retention: &'a Retention,
    pruning: &'a mut Pruning,
    /// Numbers from this one on are of runs that are recorded here.
    pub(super) first_run: RunId,
    next_run: RunId,
    /// For counting what was missed for long.
    budget: CountBudget,
    pub(crate) batch: Vec<Transition>,
    /// The claimed jobs, with their runs as they will be. After them, others that get a run.
    pub(crate) jobs: Vec<Claimed>,
    /// How many of them were claimed.
    pub(super) claimed: usize,
    /// How many runs of each group are in progress, as it will be.
    pub(super) groups: BTreeMap<GroupName, usize>,
    pub(super) applicants: Vec<Applicant>,
    /// The runs that begin in a group.
    pub(super) began: Vec<(RunId, GroupName)>,
    /// Where each of the jobs is, once one was looked for.
    places: HashMap<JobId, usize>,
    /// Where the job is that was looked for last.
    last_place: usize,
    /// Runs that could not begin, and when each is started again.
    pub(crate) postponed: Vec<(Arc<Run>, DateTime<Utc>, Postponed)>,
    /// To be handed to executors once the batch is committed.
    pub(crate) starts: Vec<Start>,
    pub(crate) finished: Vec<Arc<Run>>,
    /// Those of them that another attempt follows.
    pub(super) tried_again: Vec<RunId>,
    pub(crate) missed: Vec<Arc<Run>>,
    pub(crate) ended: Vec<JobId>,
    /// Jobs that were paused since their triggers are broken, and how these are.
    pub(crate) broken: Vec<(JobId, String)>,
    /// Jobs that were paused since they have failed so often.
    pub(super) disabled: Vec<(JobId, u32)>,
    /// The claimed jobs that count their runs and have been changed by that, as they were.
    pub(super) counted: BTreeMap<usize, Counted>,
}

/// What a tick changes beside the store, once its batch is committed.
pub(crate) struct Effects {
    pub(crate) postponed: Vec<(Arc<Run>, DateTime<Utc>, Postponed)>,
    pub(crate) starts: Vec<Start>,
    pub(crate) finished: Vec<Arc<Run>>,
    /// Those of them that another attempt follows.
    pub(crate) tried_again: Vec<RunId>,
    pub(crate) missed: Vec<Arc<Run>>,
    pub(crate) ended: Vec<JobId>,
    pub(crate) broken: Vec<(JobId, String)>,
    pub(crate) disabled: Vec<(JobId, u32)>,
}

impl<'a> Tick<'a> {
    pub(crate) fn new(
        claim: Claim,
        local: &'a Local,
        retention: &'a Retention,
        pruning: &'a mut Pruning,
    ) -> Self {
        Self {
            now: claim.now,
            local,
            retention,
            pruning,
            first_run: claim.first_run,
            next_run: claim.first_run,
            budget: CountBudget::new(STEPS_PER_TICK),
            batch: Vec::new(),
            claimed: claim.jobs.len(),
            jobs: claim.jobs,
            groups: claim.groups,
            applicants: Vec::new(),
            began: Vec::new(),
            places: HashMap::new(),
            last_place: claim.due.wrapping_sub(1),
            postponed: Vec::new(),
            starts: Vec::new(),
            finished: Vec::new(),
            tried_again: Vec::new(),
            missed: Vec::new(),
            ended: Vec::new(),
            broken: Vec::new(),
            disabled: Vec::new(),
            counted: BTreeMap::new(),
        }
    }

    pub(crate) fn into_parts(self) -> (Settlement, Effects) {
        let mut tick = self;
        if !tick.applicants.is_empty() {
            tick.begin_in_groups();
        }
        tick.write_counted();
        let (began, tried_again) = (std::mem::take(&mut tick.began), std::mem::take(&mut tick.tried_again));
        let Self { batch, jobs, postponed, starts, finished, missed, ended, broken, disabled, .. } = tick;
        let runs = jobs.into_iter().map(|claimed| (claimed.id, claimed.runs)).collect();
        let effects = Effects { postponed, starts, finished, tried_again, missed, ended, broken, disabled };
        (Settlement { batch, runs, groups: began }, effects)
    }

    /// Makes room for what so many due jobs and reports come to, for the most part.
    pub(crate) fn expect(&mut self, due: usize, reports: usize) {
        self.batch.reserve(2 * due + reports);
        self.starts.reserve(due);
        self.finished.reserve(reports);
    }

    /// Where a job is among those that were claimed.
    pub(crate) fn place_of(&mut self, id: &JobId) -> usize {
        // Jobs are mostly claimed in the order of the reports.
        let next = self.last_place.wrapping_add(1);
        if self.jobs.get(next).is_some_and(|job| job.id == *id) {
            self.last_place = next;
            return next;
        }
        let at = self.searched_place(id);
        self.last_place = at;
        at
    }

    fn searched_place(&mut self, id: &JobId) -> usize {
        if self.places.is_empty() {
            self.places = self.jobs.iter().enumerate().map(|(at, job)| (job.id.clone(), at)).collect();
        }
        if let Some(at) = self.places.get(id) {
            return *at;
        }
        let (runs, abandoned, followers) = (JobRuns::default(), Vec::new(), Vec::new());
        self.jobs.push(Claimed { id: id.clone(), job: None, runs, abandoned, followers });
        self.places.insert(id.clone(), self.jobs.len() - 1);
        self.jobs.len() - 1
    }

    /// Whether a claimed job has runs that have not ended.
    pub(crate) fn is_busy(&self, at: usize) -> bool {
        self.jobs[at].runs.is_busy()
    }

    /// Whether a claimed job has a run in progress.
    pub(crate) fn is_running(&self, at: usize) -> bool {
        !self.jobs[at].runs.running.is_empty()
    }

    /// A run has ended: its row is finished, and the one that waits for it starts.
    pub(crate) fn report(&mut self, running: &Running, report: &RunReport, may_start: MayStart) {
        let at = self.place_of(&running.run.job);
        let is_known = self.jobs[at].runs.running.contains(&report.run);
        if is_known {
            self.leave_group(running.group.as_ref());
        }
        let (mut started, mut outcome) = (report.started.or(running.run.started), report.outcome);
        if report.not_started && is_known {
            let before = self.local.postponed.get(&report.run).copied();
            match postponed::decide(before, &running.run, running.misfire_grace, report) {
                Decision::Again(turn, postponed) => {
                    self.postpone(at, &running.run, report, turn, postponed);
                    return;
                }
                Decision::GiveUp(end) => (started, outcome) = (None, end),
            }
        }
        let mut run = Run::clone(&running.run);
        run.started = started.map(|started| started.min(report.finished));
        run.finished = Some(report.finished);
        run.outcome = Some(outcome);
        run.message.clone_from(&report.message);
        run.output.clone_from(&report.output);
        run.result.clone_from(&report.result);
        let run = Arc::new(run);
        // The worker of one that went on without a scheduler was lost.
        let runs_again =
            outcome == Outcome::Interrupted && running.runs_again && run.attempt <= MOST_RUN_AGAIN;
        let retry = running.retry.as_ref().filter(|_| !runs_again);
        let delay = retry.and_then(|retry| retry::delay_after(retry, outcome, run.attempt, &run.job));
        // With the next tick: the job may not have been read for this one.
        let delay = if runs_again { Some(AT_ONCE) } else { delay };
        if delay.is_some() {
            self.tried_again.push(run.id);
        }
        if !is_known {
            // A commit whose answer was lost has ended it, with all that follows; it was not told yet. Or it has put it off, and the run
            // has not ended.
            if self.jobs[at].runs.ready.iter().all(|ready| ready.id != run.id) {
                self.finished.push(run);
            } else {
                self.tried_again.retain(|tried_again| *tried_again != run.id);
            }
            return;
        }
        let runs = &mut self.jobs[at].runs;
        runs.running.retain(|running| *running != run.id);
        runs.missed = None;
        self.batch.push(Transition::Finish(run.clone()));
        if let Some(delay) = delay {
            let from = if runs_again { self.now.max(report.finished) } else { report.finished };
            self.try_again(at, &run, from, delay);
        } else {
            self.has_ended(at, &run);
        }
        self.finished.push(run);
        if may_start == MayStart::Yes {
            self.start_waiting(at);
        }
        self.end_if_over(at);
    }

    /// A claimed job is due: each of its fire times that have come runs, waits, or is missed.
    pub(crate) fn due(&mut self, at: usize) {
        // The end of a run may have put its next fire time off.
        let job = self.jobs[at].job.clone().filter(|job| job.next_fire.is_some_and(|due| due <= self.now));
        if let Some(job) = job {
            self.due_as(at, &job);
        }
    }

    /// As [`due`](Self::due), by the trigger and the policy of `job`.
    pub(crate) fn due_as(&mut self, at: usize, job: &Arc<Job>) {
        let Some(due) = job.next_fire else { return };
        if self.is_before_its_delay(at, job) {
            let to = Some(later(self.now, job.policy.delay.unwrap_or_default()));
            self.advance(at, job, to);
            return;
        }
        let (now, budget) = (self.now, &mut self.budget);
        // The trigger is foreign code.
        let planned = catch_unwind(AssertUnwindSafe(|| plan_of(job, due, now, budget)));
        let plan = match planned {
            Ok(Ok(plan)) => plan,
            Ok(Err(error)) => return self.pause_broken(at, job, due, matins_core::error_chain(&error)),
            Err(panic) => {
                let why = format!("its trigger panicked: {}", text_of_panic(panic));
                return self.pause_broken(at, job, due, why);
            }
        };
        self.advance(at, job, plan.next);
        let is_last = plan.next.is_none() && job.policy.on_exhausted == OnExhausted::Remove;
        self.jobs[at].runs.ends = (!job.policy.counts_runs()).then_some(is_last);
        if let Some(late) = plan.too_late {
            self.miss(at, late, MissedReason::TooLate);
        }
        if let Some(coalesced) = plan.coalesced {
            self.miss(at, coalesced, MissedReason::Coalesced);
        }
        self.fire(at, job, plan.fires);
        self.end_if_over(at);
    }

    fn advance(&mut self, at: usize, job: &Job, to: Option<DateTime<Utc>>) {
        if self.count(at, |job| job.next_fire = to).is_none() {
            self.batch.push(Transition::Advance { job: job.id.clone(), from: job.next_fire, to });
        }
    }

    /// Whether nothing was decided that a store or anybody has to know of.
    pub(crate) fn changes_nothing(&self) -> bool {
        self.batch.is_empty() && self.counted.is_empty() && self.applicants.is_empty()
    }

    /// Whether so much was counted that the other due jobs are left to the next tick.
    pub(crate) fn has_done_enough(&self) -> bool {
        self.budget.is_spent()
    }

    /// A job whose trigger is broken fires no more until somebody resumes it; its due fire is missed for that.
    fn pause_broken(&mut self, at: usize, job: &Job, due: DateTime<Utc>, why: String) {
        let number = self.take_number();
        let fires = FireRange::single(due);
        let row = Run::missed(number, job.id.clone(), fires, MissedReason::JobPaused, self.now);
        let row = Arc::new(row.with(|run| run.message = Some(why.clone())));
        self.record(row.clone());
        self.missed.push(row);
        let paused = job.clone().with(|job| {
            job.state = JobState::Paused;
            job.next_fire = None;
            job.revision += 1;
        });
        self.update(at, paused);
        self.broken.push((job.id.clone(), why));
    }

    /// A run that somebody asked for, even if others of the job are in progress.
    pub(crate) fn start_by_hand(&mut self, at: usize) -> Option<RunId> {
        let job = self.jobs[at].job.clone()?;
        let run = Run::started(self.take_number(), job.id.clone(), self.now, self.now);
        Some(self.start_run(at, &job, run.with(|run| run.manual = true)))
    }

    pub(super) fn start(&mut self, at: usize, job: &Arc<Job>, scheduled: DateTime<Utc>) {
        let run = Run::started(self.take_number(), job.id.clone(), scheduled, self.now);
        self.start_run(at, job, run);
    }

    /// Starts a run, unless it has to wait for its group.
    pub(super) fn start_run(&mut self, at: usize, job: &Arc<Job>, run: Run) -> RunId {
        let runs = &mut self.jobs[at].runs;
        runs.missed = None;
        let id = run.id;
        if self.local.leaves_to_others(job) {
            self.leave_to_others(at, run);
            return id;
        }
        if job.policy.group.is_some() {
            self.apply_new(at, job, run);
            return id;
        }
        let run = Arc::new(run);
        runs.running.push(id);
        self.record(run.clone());
        self.count_run(at, &run);
        self.starts.push(Start::new(job, run));
        id
    }

    pub(crate) fn end_if_over(&mut self, at: usize) {
        let claimed = &mut self.jobs[at];
        let mut ends = claimed.runs.ends;
        if ends.is_none()
            && let Some(job) = &claimed.job
        {
            ends = Some(ends_with_its_last_run(job));
            // A job that counts its runs is looked at each time that one has ended.
            claimed.runs.ends = ends.filter(|_| !job.policy.counts_runs());
        }
        if ends == Some(true) && !claimed.runs.is_busy() {
            claimed.runs.ends = Some(false);
            self.counted.remove(&at);
            let id = claimed.id.clone();
            self.batch.push(Transition::End { job: id.clone() });
            self.ended.push(id);
        }
    }

    pub(super) fn record(&mut self, run: impl Into<Arc<Run>>) {
        let run = run.into();
        let keep = self.pruning.recorded(&run.job, self.retention);
        let prune = keep.map(|keep| Transition::PruneJob { job: run.job.clone(), keep });
        self.batch.push(Transition::Record(run));
        self.batch.extend(prune);
    }

    /// No rows are kept of these jobs, which are gone.
    pub(crate) fn drop_rows_of<'j>(&mut self, jobs: impl Iterator<Item = &'j JobId>) {
        self.batch.extend(jobs.map(|job| Transition::PruneJob { job: job.clone(), keep: 0 }));
    }

    pub(super) fn take_number(&mut self) -> RunId {
        let number = self.next_run;
        self.next_run = number.next();
        number
    }
}

/// Whether the trigger of a job has no more fire times, and the job goes with its last run.
pub(super) fn ends_with_its_last_run(job: &Job) -> bool {
    job.is_exhausted() && job.policy.on_exhausted == OnExhausted::Remove
}

/// Whether runs that wait may start: not while the scheduler shuts down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MayStart {
    Yes,
    No,
}
