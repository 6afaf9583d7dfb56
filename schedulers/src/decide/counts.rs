//! What a job counts: its runs, its failures in a row, and the delay from the end of a run to the next.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use matins_core::{
    CountBudget, FireRange, Job, JobCounts, JobState, Outcome, Run, Transition, round_up_to_microsecond,
};

use super::plan::{Fires, Plan, StandsStill, beginning, next_after, plan};
use super::retry::later;
use super::tick::Tick;

/// What counting runs may change of a job, as it was claimed.
pub(super) struct Counted {
    next_fire: Option<DateTime<Utc>>,
    state: JobState,
    counts: JobCounts,
}

impl Counted {
    fn of(job: &Job) -> Self {
        Self { next_fire: job.next_fire, state: job.state, counts: job.counts }
    }
}

/// Decides about the due fires of a job, as [`plan`] does, also where it fires with a delay after each run.
pub(super) fn plan_of(
    job: &Job,
    due: DateTime<Utc>,
    now: DateTime<Utc>,
    budget: &mut CountBudget,
) -> Result<Plan, StandsStill> {
    let Some(delay) = job.policy.delay else { return plan(&*job.trigger, &job.policy, due, now, budget) };
    let mut plan =
        Plan { too_late: None, coalesced: None, fires: Fires::None, next: Some(later(now, delay)) };
    let before = due.checked_sub_signed(TimeDelta::nanoseconds(1));
    if before.is_none_or(|before| job.trigger.next_after(before).is_none()) {
        plan.next = None;
        return Ok(plan);
    }
    let grace = job.policy.misfire_grace.and_then(|grace| TimeDelta::from_std(grace).ok());
    let until = grace.and_then(|grace| due.checked_add_signed(grace));
    if until.is_some_and(|until| now > until) {
        plan.too_late = Some(FireRange::single(due));
    } else {
        plan.fires = Fires::One { before: None, fire: due, after: None };
    }
    Ok(plan)
}

/// The fires of a job that are due, and its next one.
pub(super) fn due_of(
    job: &Job,
    due: DateTime<Utc>,
    now: DateTime<Utc>,
) -> (FireRange, Option<DateTime<Utc>>) {
    match job.policy.delay {
        Some(delay) => (FireRange::single(due), Some(later(now, delay))),
        None => (beginning(&*job.trigger, due, now), next_after(&*job.trigger, now)),
    }
}

impl Tick<'_> {
    /// A job with a delay is due while a run of it has not ended: it fires after that.
    pub(super) fn is_before_its_delay(&self, at: usize, job: &Job) -> bool {
        job.policy.delay.is_some() && self.jobs[at].runs.is_busy()
    }

    /// Changes a claimed job that counts its runs; `None` if it does not.
    pub(super) fn count<T>(&mut self, at: usize, change: impl FnOnce(&mut Job) -> T) -> Option<T> {
        let job = self.jobs[at].job.as_mut().filter(|job| job.policy.counts_runs())?;
        self.counted.entry(at).or_insert_with(|| Counted::of(job));
        Some(change(Arc::make_mut(job)))
    }

    /// Adds to the batch what has changed of the jobs that count their runs: a next fire time alone as a step of its own.
    pub(super) fn write_counted(&mut self) {
        for (at, before) in std::mem::take(&mut self.counted) {
            let Some(job) = &self.jobs[at].job else { continue };
            let now = Counted::of(job);
            if (now.state, now.counts) != (before.state, before.counts) {
                let changed = (**job).clone().with(|job| job.revision += 1);
                self.batch.push(Transition::Update(Box::new(changed)));
            } else if now.next_fire != before.next_fire {
                let (from, to) = (before.next_fire, now.next_fire);
                self.batch.push(Transition::Advance { job: job.id.clone(), from, to });
            }
        }
    }

    /// Whether a claimed job runs no more, as often as it has run.
    pub(super) fn has_had_all_runs(&self, at: usize) -> bool {
        self.jobs[at].job.as_ref().is_some_and(|job| job.has_had_all_runs())
    }

    /// A run begins.
    pub(super) fn count_run(&mut self, at: usize, run: &Run) {
        if run.manual || run.attempt > 1 {
            return;
        }
        self.count(at, |job| {
            if job.policy.max_runs.is_some() {
                job.counts.runs = job.counts.runs.saturating_add(1);
            }
            if job.has_had_all_runs() {
                job.next_fire = None;
            }
        });
    }

    /// A run has ended, and there is no further attempt.
    pub(super) fn has_ended(&mut self, at: usize, run: &Run) {
        self.follow(at, run);
        let now = self.now;
        let disabled = self.count(at, |job| {
            let is_missed = matches!(run.outcome, Some(Outcome::Missed(_)));
            if is_missed && job.policy.max_runs.is_some() && !run.manual && run.attempt == 1 {
                take_back(job, now);
            }
            if let Some(delay) = job.policy.delay
                && job.next_fire.is_some()
            {
                job.next_fire = Some(later(run.finished.map_or(now, round_up_to_microsecond), delay));
            }
            count_failure(job, run.outcome).map(|failures| (job.id.clone(), failures))
        });
        self.disabled.extend(disabled.flatten());
    }
}

/// A run was counted when it was handed over, and was missed.
fn take_back(job: &mut Job, now: DateTime<Utc>) {
    let was_the_last = job.has_had_all_runs();
    job.counts.runs = job.counts.runs.saturating_sub(1);
    if was_the_last && job.state == JobState::Active {
        job.next_fire = fires_after(job, now);
    }
}

/// Pauses a job that has failed too often in a row. Returns how often, if it does.
fn count_failure(job: &mut Job, outcome: Option<Outcome>) -> Option<u32> {
    let most = job.policy.max_failures?;
    match outcome {
        Some(Outcome::Succeeded) => job.counts.failures_in_a_row = 0,
        Some(Outcome::Failed | Outcome::TimedOut | Outcome::Interrupted) => {
            let failures = job.counts.failures_in_a_row.saturating_add(1);
            job.counts.failures_in_a_row = failures;
            if failures >= most.get() && job.state == JobState::Active && !job.is_exhausted() {
                (job.state, job.next_fire) = (JobState::Paused, None);
                return Some(failures);
            }
        }
        _ => {}
    }
    None
}

/// Returns the next fire time; `None` if the trigger panics.
fn fires_after(job: &Job, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    catch_unwind(AssertUnwindSafe(|| next_after(&*job.trigger, now))).unwrap_or_default()
}
