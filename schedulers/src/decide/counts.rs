//! What a job counts: its runs, its failures in a row, and the delay from the end of a run to the next.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use matins_core::{CountBudget, Job, JobState, Outcome, Run, Stretch, round_up_to_microsecond};

use super::plan::{Fires, Plan, StandsStill, beginning, next_after, plan};
use super::retry::later;
use super::tick::Tick;

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
        plan.too_late = Some(Stretch::single(due));
    } else {
        plan.fires = Fires::One { before: None, fire: due, after: None };
    }
    Ok(plan)
}

/// The fires of a job that are due, and its next one.
pub(super) fn due_of(job: &Job, due: DateTime<Utc>, now: DateTime<Utc>) -> (Stretch, Option<DateTime<Utc>>) {
    match job.policy.delay {
        Some(delay) => (Stretch::single(due), Some(later(now, delay))),
        None => (beginning(&*job.trigger, due, now), next_after(&*job.trigger, now)),
    }
}

impl Tick<'_> {
    /// A job with a delay is due while a run of it has not ended: it fires after that.
    pub(super) fn is_before_its_delay(&self, at: usize, job: &Job) -> bool {
        job.policy.delay.is_some() && self.jobs[at].runs.is_busy()
    }

    /// The claimed job, to be changed: it is put back as it is then.
    pub(super) fn counted(&mut self, at: usize) -> Option<&mut Job> {
        let job = self.jobs[at].job.as_mut().filter(|job| job.policy.counts_runs())?;
        self.counted.insert(at);
        Some(Arc::make_mut(job))
    }

    /// Whether a claimed job runs no more, as often as it has run.
    pub(super) fn has_had_all_runs(&self, at: usize) -> bool {
        self.jobs[at].job.as_ref().is_some_and(|job| job.has_had_all_runs())
    }

    /// A run begins.
    pub(super) fn count_run(&mut self, at: usize, run: &Run) {
        if run.by_hand || run.attempt > 1 {
            return;
        }
        let Some(job) = self.counted(at).filter(|job| job.policy.max_runs.is_some()) else { return };
        job.counts.runs = job.counts.runs.saturating_add(1);
        if job.has_had_all_runs() {
            job.next_fire = None;
        }
    }

    /// A run has ended, and there is no further attempt.
    pub(super) fn has_ended(&mut self, at: usize, run: &Run) {
        self.follow(at, run);
        let now = self.now;
        let Some(job) = self.counted(at) else { return };
        let is_missed = matches!(run.outcome, Some(Outcome::Missed(_)));
        if is_missed && job.policy.max_runs.is_some() && !run.by_hand && run.attempt == 1 {
            // It was counted when it was handed over.
            let was_the_last = job.has_had_all_runs();
            job.counts.runs = job.counts.runs.saturating_sub(1);
            if was_the_last && job.state == JobState::Active {
                job.next_fire = fires_after(job, now);
            }
        }
        if let Some(delay) = job.policy.delay
            && job.next_fire.is_some()
        {
            job.next_fire = Some(later(run.finished.map_or(now, round_up_to_microsecond), delay));
        }
        self.count_failure(at, run);
    }

    fn count_failure(&mut self, at: usize, run: &Run) {
        let Some(job) = self.counted(at) else { return };
        let Some(most) = job.policy.max_failures else { return };
        match run.outcome {
            Some(Outcome::Succeeded) => job.counts.failures_in_a_row = 0,
            Some(Outcome::Failed | Outcome::TimedOut | Outcome::Interrupted) => {
                let failures = job.counts.failures_in_a_row.saturating_add(1);
                job.counts.failures_in_a_row = failures;
                if failures >= most.get() && job.state == JobState::Active && !job.is_exhausted() {
                    (job.state, job.next_fire) = (JobState::Paused, None);
                    let id = job.id.clone();
                    self.disabled.push((id, failures));
                }
            }
            _ => {}
        }
    }
}

/// The next fire time of a trigger that may panic: then there is none until somebody looks at the job.
fn fires_after(job: &Job, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    catch_unwind(AssertUnwindSafe(|| next_after(&*job.trigger, now))).unwrap_or_default()
}
