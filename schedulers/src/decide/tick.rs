//! One tick of one store: from reports and due jobs to a batch of transitions, without touching anything yet.
//!
//! What the tick would change is kept beside what is ([`Tick::jobs`] over [`Live`]), so that a commit that fails
//! leaves all as it was.

use std::sync::Arc;

use ahash::AHashMap as HashMap;
use chrono::{DateTime, Utc};
use matins_core::{Job, JobId, MissedReason, OnExhausted, Run, RunId, RunReport, Transition};

use super::claimed::Jobs;
use super::plan::plan;
use super::postponed::{self, Decision, Postponed};
use super::retry;
use crate::live::{JobRuns, Live, Retries, Running};
use crate::retention::Retention;

pub(crate) struct Tick<'a> {
    pub(super) now: DateTime<Utc>,
    pub(super) live: &'a Live,
    retention: &'a Retention,
    /// Rows that each job has got since its old ones were last dropped.
    unpruned: &'a mut HashMap<JobId, u32>,
    pub(crate) next_run: RunId,
    pub(crate) batch: Vec<Transition>,
    /// The runs of the jobs that this tick is about, as they will be.
    pub(crate) jobs: HashMap<JobId, JobRuns>,
    /// Further attempts that wait for their turn, as of this tick, and those whose turn has come.
    pub(crate) retries: Retries,
    pub(crate) begun_retries: Vec<(DateTime<Utc>, RunId)>,
    /// Runs that could not begin, and when each is started again.
    pub(crate) postponed: Vec<(Run, DateTime<Utc>, Postponed)>,
    /// To be handed to executors once the batch is committed.
    pub(crate) starts: Vec<(Arc<Job>, Run)>,
    pub(crate) finished: Vec<Run>,
    pub(crate) missed: Vec<Run>,
    pub(crate) ended: Vec<JobId>,
}

/// What a tick changes beside the store, once its batch is committed.
pub(crate) struct Effects {
    pub(crate) next_run: RunId,
    pub(crate) jobs: HashMap<JobId, JobRuns>,
    pub(crate) retries: Retries,
    pub(crate) begun_retries: Vec<(DateTime<Utc>, RunId)>,
    pub(crate) postponed: Vec<(Run, DateTime<Utc>, Postponed)>,
    pub(crate) starts: Vec<(Arc<Job>, Run)>,
    pub(crate) finished: Vec<Run>,
    pub(crate) missed: Vec<Run>,
    pub(crate) ended: Vec<JobId>,
}

impl<'a> Tick<'a> {
    pub(crate) fn new(
        now: DateTime<Utc>,
        live: &'a Live,
        retention: &'a Retention,
        unpruned: &'a mut HashMap<JobId, u32>,
        next_run: RunId,
    ) -> Self {
        Self {
            now,
            live,
            retention,
            unpruned,
            next_run,
            batch: Vec::new(),
            jobs: HashMap::new(),
            retries: Retries::new(),
            begun_retries: Vec::new(),
            postponed: Vec::new(),
            starts: Vec::new(),
            finished: Vec::new(),
            missed: Vec::new(),
            ended: Vec::new(),
        }
    }

    pub(crate) fn into_effects(self) -> Effects {
        let Self {
            next_run, jobs, retries, begun_retries, postponed, starts, finished, missed, ended, ..
        } = self;
        Effects { next_run, jobs, retries, begun_retries, postponed, starts, finished, missed, ended }
    }

    /// Makes room for what so many due jobs and reports come to, for the most part.
    pub(crate) fn expect(&mut self, due: usize, reports: usize) {
        self.batch.reserve(2 * due + reports);
        self.jobs.reserve(due.max(reports));
        self.starts.reserve(due);
        self.finished.reserve(reports);
    }

    /// A run has ended: its row is finished, and the one that waits for it starts.
    pub(crate) fn report(&mut self, running: &Running, report: &RunReport, jobs: &Jobs, may_start: MayStart) {
        if !self.runs_of(&running.run.job).running.contains(&report.run) {
            return;
        }
        let (mut started, mut outcome) = (report.started.or(running.run.started), report.outcome);
        if report.not_started {
            let before = self.live.postponed.get(&report.run).copied();
            match postponed::decide(before, &running.run, running.misfire_grace, report) {
                Decision::Again(turn, postponed) => {
                    self.postpone(&running.run, report, turn, postponed);
                    return;
                }
                Decision::GiveUp(end) => (started, outcome) = (None, end),
            }
        }
        let run = Run {
            started,
            finished: Some(report.finished),
            outcome: Some(outcome),
            message: report.message.clone(),
            output: report.output.clone(),
            result: report.result.clone(),
            ..running.run.clone()
        };
        let id = run.job.clone();
        let runs = self.runs_of(&id);
        runs.running.retain(|running| *running != run.id);
        runs.missed = None;
        self.batch.push(Transition::Finish(run.clone()));
        if let Some(delay) =
            running.retry.as_ref().and_then(|retry| retry::delay_after(retry, outcome, run.attempt, &id))
        {
            self.try_again(&run, report.finished, delay);
        }
        self.finished.push(run);
        if may_start == MayStart::Yes {
            self.start_waiting(&id, jobs);
        }
        self.end_if_over(&id);
    }

    /// A job is due: each of its fire times that have come runs, waits, or is missed.
    pub(crate) fn due(&mut self, job: Job) {
        let job = Arc::new(job);
        let Some(due) = job.next_fire else { return };
        let plan = plan(&*job.trigger, &job.policy, due, self.now);
        self.batch.push(Transition::Advance { job: job.id.clone(), from: job.next_fire, to: plan.next });
        let is_last = plan.next.is_none() && job.policy.on_exhausted == OnExhausted::Remove;
        self.runs_of(&job.id).last_one = is_last;
        if let Some(late) = plan.too_late {
            self.miss(&job.id, late, MissedReason::TooLate);
        }
        self.fire(&job, plan.fires);
        self.end_if_over(&job.id);
    }

    /// A run that somebody asked for, even if others of the job are in progress.
    pub(crate) fn start_by_hand(&mut self, job: &Arc<Job>) -> RunId {
        let run = Run::started(self.take_number(), job.id.clone(), self.now, self.now);
        self.start_run(job, Run { by_hand: true, ..run })
    }

    pub(super) fn start(&mut self, job: &Arc<Job>, scheduled: DateTime<Utc>) {
        let run = Run::started(self.take_number(), job.id.clone(), scheduled, self.now);
        self.start_run(job, run);
    }

    pub(super) fn start_run(&mut self, job: &Arc<Job>, run: Run) -> RunId {
        let runs = self.runs_of(&job.id);
        runs.running.push(run.id);
        runs.missed = None;
        let id = run.id;
        self.record(run.clone());
        self.starts.push((job.clone(), run));
        id
    }

    pub(super) fn end_if_over(&mut self, id: &JobId) {
        let runs = self.runs_of(id);
        if runs.last_one && runs.running.is_empty() && runs.waiting.is_none() {
            runs.last_one = false;
            self.batch.push(Transition::End { job: id.clone() });
            self.ended.push(id.clone());
        }
    }

    pub(super) fn record(&mut self, run: Run) {
        let job = run.job.clone();
        self.batch.push(Transition::Record(run));
        if let Some((keep, batch)) = self.retention.batch() {
            let count = self.unpruned.entry(job.clone()).or_default();
            *count += 1;
            if *count >= batch {
                *count = 0;
                self.batch.push(Transition::PruneJob { job, keep });
            }
        }
    }

    pub(super) fn take_number(&mut self) -> RunId {
        let number = self.next_run;
        self.next_run = number.next();
        number
    }

    pub(super) fn runs_of(&mut self, id: &JobId) -> &mut JobRuns {
        let live = self.live;
        self.jobs.entry(id.clone()).or_insert_with(|| live.jobs.get(id).cloned().unwrap_or_default())
    }
}

/// Whether runs that wait may start: not while the scheduler shuts down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MayStart {
    Yes,
    No,
}
