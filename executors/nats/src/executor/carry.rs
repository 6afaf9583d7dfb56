//! One run, from when it was taken until it is reported.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::Poll;
use std::thread;

use chrono::{DateTime, TimeDelta, Utc};
use matins_core::{Completion, Outcome, RunLog, RunReport, RunRequest, TaskFuture, TaskResult, drop_caught};
use matins_executor_inflight::{InFlight, Ticket};

use super::exchange::{Remote, Verdict};
use super::link::Link;
use crate::protocol::ResultFrame;

/// A run that was taken.
pub(crate) struct Admitted {
    pub(super) held: TicketGuard,
    pub(super) run: RunRequest,
    pub(super) done: Completion,
}

/// A run's ticket, which is given back even where the runtime drops the run.
pub(crate) struct TicketGuard {
    runs: Arc<InFlight>,
    ticket: Option<Ticket>,
}

impl TicketGuard {
    pub(super) fn new(runs: Arc<InFlight>, ticket: Ticket) -> Self {
        Self { runs, ticket: Some(ticket) }
    }

    fn finish(mut self, report: RunReport, done: Completion) {
        if let Some(ticket) = self.ticket.take() {
            self.runs.finish(ticket, report, done);
        }
    }
}

impl Drop for TicketGuard {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.runs.cede(ticket);
        }
    }
}

impl Admitted {
    /// Has it done by a worker, and reports it. One that was submitted earlier may be anywhere on its way.
    pub(super) async fn carry(self, link: &Arc<Link>, was_submitted: bool) {
        let Self { held, run, done } = self;
        if link.is_leaving() {
            return done.leave();
        }
        let started = if was_submitted { run.recorded } else { run.clock.now() };
        if let Some(report) = run.not_to_begin(started).filter(|_| !was_submitted) {
            return held.finish(report, done);
        }
        let remote = Arc::new(Remote::new(link.clone(), &run, was_submitted));
        let mut run = run.with_task(remote.clone());
        let context = run.context(started);
        let work = catch_unwind(AssertUnwindSafe(|| {
            let _scope = run.enter();
            run.task.future(&run.arguments, &context)
        }));
        let result = match work {
            Ok(Some(work)) => drive(&run, work).await,
            // The task has a future, and layers keep it.
            Ok(None) => return held.finish(run.ended(None, Outcome::Failed, None), done),
            Err(panic) => Err(panic),
        };
        let verdict = remote.verdict();
        if matches!(verdict, Some(Verdict::Left)) {
            return done.leave();
        }
        // What the run has logged is in the worker's report, as far as there is one.
        if matches!(verdict, Some(Verdict::Ended(_))) {
            run.log = RunLog::default();
        }
        let mut report = run.report(started, result);
        match verdict {
            Some(Verdict::Ended(ended)) => report = ended_as(report, ended, was_submitted),
            Some(Verdict::NotBegun(outcome, message)) => {
                (report.started, report.outcome, report.message) = (None, outcome, Some(message));
            }
            Some(Verdict::Left) | None => {}
        }
        held.finish(report, done);
    }
}

/// The report of a run that a worker has ended, as the layers leave it.
fn ended_as(report: RunReport, ended: ResultFrame, was_submitted: bool) -> RunReport {
    let mut report = report;
    if !matches!(ended.outcome, Outcome::Succeeded | Outcome::Failed) {
        (report.outcome, report.message, report.result) = (ended.outcome, ended.message, None);
        report.output = ended.output;
    }
    report.not_started = ended.not_started && report.outcome == Outcome::Failed;
    if was_submitted {
        report.finished = report.finished.min(ended.finished);
    }
    report.started = ended.took_us.and_then(|took| before(report.finished, took));
    report
}

fn before(finished: DateTime<Utc>, took_us: u64) -> Option<DateTime<Utc>> {
    let took = TimeDelta::microseconds(i64::try_from(took_us).ok()?);
    finished.checked_sub_signed(took)
}

/// Drives the work to its end. A panic is of a layer.
async fn drive(run: &RunRequest, mut work: TaskFuture) -> thread::Result<TaskResult> {
    let result = poll_fn(|context| {
        let _scope = run.enter();
        match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context))) {
            Ok(poll) => poll.map(Ok),
            Err(panic) => Poll::Ready(Err(panic)),
        }
    })
    .await;
    let _scope = run.enter();
    drop_caught(work);
    result
}
