//! One tick of one store: from reports and due jobs to a batch of transitions, without touching anything yet.
//!
//! What the tick would change is kept beside what is ([`Tick::jobs`] over [`Live`]), so that a commit that fails
//! leaves all as it was.

use std::sync::Arc;
use std::time::Duration;

use ahash::{AHashMap as HashMap, AHashSet as HashSet};
use chrono::{DateTime, TimeDelta, Utc};
use matins_core::{
    Coalesce, Job, JobId, JobStore, MissedReason, OnExhausted, OnInterrupt, Outcome, Overlap, Policy, Run,
    RunId, RunQuery, RunReport, StoreError, Stretch, Transition, round_up_to_microsecond,
};

use crate::decide::postponed::{self, Decision, Postponed};
use crate::decide::retry;
use crate::live::{JobRuns, Live, Retries, Running};
use crate::occupied::WHEN_IT_ENDS;
use crate::plan::{Fires, beginning, next_after, plan};
use crate::retention::Retention;

pub(crate) struct Tick<'a> {
    now: DateTime<Utc>,
    live: &'a Live,
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
    pub(crate) fn report(
        &mut self,
        running: &Running,
        report: &RunReport,
        store: &mut dyn JobStore,
        may_start: MayStart,
    ) -> Result<(), StoreError> {
        if !self.runs_of(&running.run.job).running.contains(&report.run) {
            return Ok(());
        }
        let (mut started, mut outcome) = (report.started.or(running.run.started), report.outcome);
        if report.not_started {
            let before = self.live.postponed.get(&report.run).copied();
            match postponed::decide(before, &running.run, running.misfire_grace, report) {
                Decision::Again(turn, postponed) => {
                    self.postpone(&running.run, report, turn, postponed);
                    return Ok(());
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
            self.start_waiting(&id, store)?;
        }
        self.end_if_over(&id);
        Ok(())
    }

    /// A run that could not begin waits, and keeps its place.
    fn postpone(&mut self, run: &Run, report: &RunReport, turn: DateTime<Utc>, postponed: Postponed) {
        let run = Run { started: None, message: report.message.clone(), ..run.clone() };
        self.batch.push(Transition::Finish(run.clone()));
        self.postponed.push((run, turn, postponed));
    }

    /// Starts a run that has waited; returns its row.
    fn start_waited(&mut self, run: Run) -> Run {
        let could_not_begin = run.message.is_some();
        let run = Run { started: Some(self.now), message: None, ..run };
        let (id, started, scheduled) = (run.id, run.started, run.scheduled());
        self.batch.push(if could_not_begin {
            // The reason goes with it.
            Transition::Finish(run.clone())
        } else {
            Transition::Start { run: id, started, scheduled }
        });
        run
    }

    /// The next attempt waits for its turn, and keeps the place of the one that ended.
    fn try_again(&mut self, ended: &Run, finished: DateTime<Utc>, delay: Duration) {
        self.try_again_at(ended, later(finished, delay));
    }

    fn try_again_at(&mut self, ended: &Run, turn: DateTime<Utc>) {
        let run = Run::waiting(self.take_number(), ended.job.clone(), ended.scheduled());
        let run = Run { attempt: ended.attempt.saturating_add(1), by_hand: ended.by_hand, ..run };
        self.runs_of(&run.job).running.push(run.id);
        self.record(run.clone());
        self.retries.insert((turn, run.id), run);
    }

    /// Starts the attempts whose turn has come.
    pub(crate) fn start_retries(&mut self, store: &mut dyn JobStore) -> Result<(), StoreError> {
        let live = self.live;
        for (turn, run) in live.retries.range(..=(self.now, RunId(u64::MAX))) {
            self.begun_retries.push(*turn);
            match store.get(&run.job)? {
                // It has its place among those that run already.
                Some(job) if self.is_kept_waiting(&job, 0) => {
                    self.retries.insert((WHEN_IT_ENDS, run.id), run.clone());
                }
                Some(job) => {
                    let run = self.start_waited(run.clone());
                    self.starts.push((Arc::new(job), run));
                }
                None => self.give_up_waiting(run.clone()),
            }
        }
        Ok(())
    }

    /// Whether an attempt has to wait since work of the job that goes on outside of the scheduler takes its place, where
    /// `more` are to run beside those that do.
    fn is_kept_waiting(&mut self, job: &Job, more: usize) -> bool {
        let occupied = self.live.occupations.count(&job.id);
        occupied > 0 && self.runs_of(&job.id).running.len() + more + occupied > job.policy.overlap.limit()
    }

    /// Starts what has waited for work outside of the scheduler that has ended since the last tick.
    pub(crate) fn start_vacated(&mut self, store: &mut dyn JobStore) -> Result<(), StoreError> {
        let live = self.live;
        for id in &live.occupations.ended {
            self.start_waiting(id, store)?;
            self.end_if_over(id);
        }
        Ok(())
    }

    fn start_waiting(&mut self, id: &JobId, store: &mut dyn JobStore) -> Result<(), StoreError> {
        let is_occupied = self.live.occupations.count(id) > 0;
        let runs = self.runs_of(id);
        if runs.waiting.is_none() || !runs.running.is_empty() || is_occupied {
            return Ok(());
        }
        let Some(waiting) = runs.waiting.take() else { return Ok(()) };
        runs.running.push(waiting.id);
        match store.get(id)? {
            Some(job) => {
                let run = self.start_waited(*waiting);
                self.starts.push((Arc::new(job), run));
            }
            None => self.give_up_waiting(*waiting),
        }
        Ok(())
    }

    /// The job of a waiting run is gone.
    pub(crate) fn give_up_waiting(&mut self, waiting: Run) {
        let runs = self.runs_of(&waiting.job);
        runs.running.retain(|running| *running != waiting.id);
        if runs.waiting.as_ref().is_some_and(|run| run.id == waiting.id) {
            runs.waiting = None;
        }
        let outcome = Some(Outcome::Missed(MissedReason::JobRemoved));
        let run = Run { finished: Some(self.now), outcome, ..waiting };
        self.batch.push(Transition::Finish(run.clone()));
        self.missed.push(run);
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

    fn fire(&mut self, job: &Arc<Job>, fires: Fires) {
        let limit = job.policy.overlap.limit();
        let occupied = self.live.occupations.count(&job.id);
        let runs = self.runs_of(&job.id);
        let has_room = runs.running.len() + occupied < limit && runs.waiting.is_none();
        if !has_room && job.policy.overlap != Overlap::QueueOne {
            if let Some(all) = fires.whole() {
                self.miss(&job.id, all, MissedReason::Overlap);
            }
            return;
        }
        match fires {
            Fires::None => {}
            Fires::One { before, fire, after } => {
                let mut before = before;
                if has_room {
                    if let Some(before) = before {
                        self.miss(&job.id, before, MissedReason::Coalesced);
                    }
                    self.start(job, fire);
                } else {
                    self.wait(job, &mut before, fire);
                }
                if let Some(after) = after {
                    self.miss(&job.id, after, MissedReason::Coalesced);
                }
            }
            Fires::Each(fires) => {
                for fire in fires {
                    let runs = self.runs_of(&job.id);
                    if runs.running.len() + occupied < limit && runs.waiting.is_none() {
                        self.start(job, fire);
                    } else if job.policy.overlap == Overlap::QueueOne && runs.waiting.is_none() {
                        self.wait(job, &mut None, fire);
                    } else {
                        self.miss(&job.id, Stretch::single(fire), MissedReason::Overlap);
                    }
                }
            }
        }
    }

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

    /// A run that somebody asked for, whatever else of the job goes on.
    pub(crate) fn start_by_hand(&mut self, job: &Arc<Job>) -> RunId {
        let run = Run::started(self.take_number(), job.id.clone(), self.now, self.now);
        self.start_run(job, Run { by_hand: true, ..run })
    }

    fn start(&mut self, job: &Arc<Job>, scheduled: DateTime<Utc>) {
        let run = Run::started(self.take_number(), job.id.clone(), scheduled, self.now);
        self.start_run(job, run);
    }

    fn start_run(&mut self, job: &Arc<Job>, run: Run) -> RunId {
        let runs = self.runs_of(&job.id);
        runs.running.push(run.id);
        runs.missed = None;
        let id = run.id;
        self.record(run.clone());
        self.starts.push((job.clone(), run));
        id
    }

    /// The fire waits for the run that goes on, or is folded together with the one that waits already.
    fn wait(&mut self, job: &Job, before: &mut Option<Stretch>, fire: DateTime<Utc>) {
        let waiting = self.runs_of(&job.id).waiting.clone();
        let Some(mut waiting) = waiting else {
            if let Some(before) = before.take() {
                self.miss(&job.id, before, MissedReason::Coalesced);
            }
            let run = Run::waiting(self.take_number(), job.id.clone(), fire);
            self.runs_of(&job.id).waiting = Some(Box::new(run.clone()));
            self.record(run);
            return;
        };
        let join = |one: Stretch, two: Option<Stretch>| two.map_or(one, |two| one.joined(two));
        let folded = if job.policy.coalesce == Coalesce::Earliest {
            join(Stretch::single(fire), before.take())
        } else {
            let folded = join(waiting.fires, before.take());
            waiting.fires = Stretch::single(fire);
            self.batch.push(Transition::Start { run: waiting.id, started: None, scheduled: fire });
            self.runs_of(&job.id).waiting = Some(waiting);
            folded
        };
        self.miss(&job.id, folded, MissedReason::Coalesced);
    }

    fn miss(&mut self, id: &JobId, fires: Stretch, reason: MissedReason) {
        let outcome = Some(Outcome::Missed(reason));
        let live = self.live;
        let occupied = live.occupations.count(id);
        // Where nothing in here is in its way.
        let is_outside =
            reason == MissedReason::Overlap && occupied > 0 && self.runs_of(id).running.is_empty();
        let why = if is_outside { live.occupations.why(id) } else { None };
        let open = self.runs_of(id).missed.clone();
        let open = open.filter(|open| open.outcome == outcome && open.message.as_deref() == why);
        let row = if let Some(open) = open {
            let row = Run { fires: open.fires.joined(fires), ..*open };
            self.batch.push(Transition::Extend { run: row.id, fires: row.fires });
            row
        } else {
            let row = Run::missed(self.take_number(), id.clone(), fires, reason, self.now);
            let row = Run { message: why.map(str::to_owned), ..row };
            self.record(row.clone());
            row
        };
        self.missed.push(Run { fires, ..row.clone() });
        // Only while runs go on can the next missed fires be of the same kind for the same cause.
        let runs = self.runs_of(id);
        runs.missed = (!runs.running.is_empty() || occupied > 0).then(|| Box::new(row));
    }

    /// Takes up what an earlier process left, or a commit whose answer was lost: runs that were not finished, and runs
    /// that were not begun. Those that are in flight here are left alone.
    pub(crate) fn recover(
        &mut self,
        store: &mut dyn JobStore,
        in_flight: &HashSet<RunId>,
    ) -> Result<(), StoreError> {
        let mut unfinished = store.runs(&RunQuery { unfinished: true, ..RunQuery::default() })?;
        let live = self.live;
        unfinished.retain(|run| !in_flight.contains(&run.id) && !live.has_waiting(run));
        let (interrupted, waiting): (Vec<Run>, Vec<Run>) =
            unfinished.into_iter().partition(|run| run.started.is_some());
        // One that could not begin says so, and keeps its place as an attempt does.
        let (retries, waiting): (Vec<Run>, Vec<Run>) =
            waiting.into_iter().partition(|run| run.attempt > 1 || run.message.is_some());
        for run in retries {
            let turn = if run.message.is_some() { self.now } else { self.turn_of(&run, store)? };
            self.runs_of(&run.job).running.push(run.id);
            self.retries.insert((turn, run.id), run);
        }
        for run in waiting {
            let id = run.job.clone();
            self.runs_of(&id).waiting = Some(Box::new(run));
        }
        for run in interrupted {
            let job = store.get(&run.job)?;
            let mut message = "the process ended while it ran, or before it was handed over".to_owned();
            if let Some(why) = live.occupations.why(&run.job) {
                message = format!("{message}; {why}");
            }
            let interrupted = Run {
                finished: Some(self.now),
                outcome: Some(Outcome::Interrupted),
                message: Some(message),
                ..run
            };
            self.batch.push(Transition::Finish(interrupted.clone()));
            if let Some(job) = job {
                self.runs_of(&job.id).last_one = ends_with_its_last_run(&job);
                if job.policy.on_interrupt == OnInterrupt::RunAgain && self.is_kept_waiting(&job, 1) {
                    self.try_again_at(&interrupted, WHEN_IT_ENDS);
                } else if job.policy.on_interrupt == OnInterrupt::RunAgain {
                    let attempt = interrupted.attempt + 1;
                    let number = self.take_number();
                    let run = Run::started(number, job.id.clone(), interrupted.scheduled(), self.now);
                    let run = Run { attempt, by_hand: interrupted.by_hand, ..run };
                    self.runs_of(&job.id).running.push(run.id);
                    self.record(run.clone());
                    self.starts.push((Arc::new(job), run));
                } else if let Some(delay) =
                    retry::delay_after(&job.policy.retry, Outcome::Interrupted, interrupted.attempt, &job.id)
                {
                    self.try_again(&interrupted, self.now, delay);
                }
            }
            self.finished.push(interrupted);
        }
        for id in self.jobs.keys().cloned().collect::<Vec<_>>() {
            if let Some(job) = store.get(&id)? {
                self.runs_of(&id).last_one = ends_with_its_last_run(&job);
            }
            self.start_waiting(&id, store)?;
            self.end_if_over(&id);
        }
        Ok(())
    }

    /// When a further attempt is to begin that an earlier process has recorded: told from the attempt before it.
    fn turn_of(&self, run: &Run, store: &mut dyn JobStore) -> Result<DateTime<Utc>, StoreError> {
        let query = RunQuery { job: Some(run.job.clone()), ..RunQuery::default() };
        let rows = store.runs(&query)?;
        let before = |row: &&Run| row.fires == run.fires && row.attempt.saturating_add(1) == run.attempt;
        let ended = rows.iter().find(before).and_then(|row| Some((row.finished?, row.attempt)));
        let (Some((finished, attempt)), Some(job)) = (ended, store.get(&run.job)?) else {
            return Ok(self.now);
        };
        Ok(later(finished, retry::delay(job.policy.retry.backoff, attempt, &job.id)))
    }

    fn end_if_over(&mut self, id: &JobId) {
        let runs = self.runs_of(id);
        if runs.last_one && runs.running.is_empty() && runs.waiting.is_none() {
            runs.last_one = false;
            self.batch.push(Transition::End { job: id.clone() });
            self.ended.push(id.clone());
        }
    }

    fn record(&mut self, run: Run) {
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

    fn take_number(&mut self) -> RunId {
        let number = self.next_run;
        self.next_run = number.next();
        number
    }

    fn runs_of(&mut self, id: &JobId) -> &mut JobRuns {
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

/// As far off as there are instants, where it would be farther.
fn later(instant: DateTime<Utc>, delay: Duration) -> DateTime<Utc> {
    let delay = TimeDelta::from_std(delay).unwrap_or(TimeDelta::MAX);
    instant.checked_add_signed(delay).map_or(DateTime::<Utc>::MAX_UTC, round_up_to_microsecond)
}

fn ends_with_its_last_run(job: &Job) -> bool {
    job.is_exhausted() && job.policy.on_exhausted == OnExhausted::Remove
}
