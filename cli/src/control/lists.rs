//! Lists of jobs and runs. They are read from the store a page at a time and sent before the next page is read, so that
//! neither memory nor the time for which the scheduler is held up grows with the list.
//!
//! Conditions that the store would have to look for in job after job are checked here, page by page.

use matins::prelude::*;
use matins::{JobOrder, JobState, Run, RunId};
use matins::{JobPosition, RunOrder, StoreName};
use serde_json::{Value, json};

use super::items::{Item, Items};
use super::operator::Operator;
use super::protocol::{JobsOrder, JobsRequest, Place, Problem, RunsRequest};
use super::{JobView, RunView};

/// How many jobs or runs are read at once.
const PAGE: usize = 100;

/// How many runs the status names.
const RUNS_IN_STATUS: usize = 1_000;

impl Operator {
    pub(super) fn jobs(&self, request: &JobsRequest, items: &mut dyn Items) -> Result<Value, Problem> {
        let state = request.paused.map(|paused| if paused { JobState::Paused } else { JobState::Active });
        let mut conditions = JobQuery::default().state(state);
        conditions.tag.clone_from(&request.tag);
        let order = match request.order {
            JobsOrder::Id => JobOrder::Id,
            JobsOrder::NextFire => JobOrder::NextFire,
        };
        let after = request.after.clone().map(JobPosition::try_from).transpose()?;
        let mut query = JobQuery::default().order(order).after(after).limit(PAGE);
        query.id_prefix.clone_from(&request.prefix);
        let most = request.page.unwrap_or(usize::MAX).max(1);
        let mut count = 0;
        loop {
            let page = self.handle.list(&query)?;
            let is_last = page.len() < PAGE;
            query.after = page.last().map(|(_, job)| JobPosition::of(job));
            for (_, job) in page.into_iter().filter(|(_, job)| conditions.matches(job)) {
                let place = Place::of(&job);
                if !items.put(Item::of(&JobView::of(job))) {
                    return Ok(json!({"jobs": count}));
                }
                count += 1;
                if count == most {
                    return Ok(json!({"jobs": count, "next": place}));
                }
            }
            if is_last || !items.flush() {
                return Ok(json!({"jobs": count}));
            }
        }
    }

    pub(super) fn runs(&self, request: &RunsRequest, items: &mut dyn Items) -> Result<Value, Problem> {
        let any_miss = request.outcome.as_deref() == Some("missed");
        let outcome = match request.outcome.as_deref() {
            None | Some("missed") => None,
            Some(word) => Some(word.parse::<Outcome>().map_err(|error| {
                let words = "succeeded, failed, timed out, cancelled, interrupted, missed";
                Problem::bad(format!("{error}; there are {words}, and `missed: overlap` and the like"))
            })?),
        };
        let job = request.job.as_deref().map(matins::JobId::new).transpose();
        let job = job.map_err(|error| Problem::bad(matins::error_chain(&error)))?;
        let after = request.after.map(RunId);
        let mut query = RunQuery::default().job(job).after(after).order(RunOrder::NewestFirst).limit(PAGE);
        let conditions = RunQuery::default().outcome(outcome).since(request.since).until(request.until);
        let is_wanted = |run: &Run| {
            conditions.matches(run) && (!any_miss || matches!(run.outcome, Some(Outcome::Missed(_))))
        };
        let limit = if request.limit == 0 { usize::MAX } else { request.limit };
        let most = request.page.unwrap_or(usize::MAX).max(1);
        let mut count = 0;
        let mut causes = self.causes();
        loop {
            let page = self.handle.runs_in("default", &query)?;
            // After the rows: one that ends meanwhile is shown as running, and none as lost.
            let in_flight = self.handle.in_flight(&StoreName::default())?;
            query.after = page.last().map(|run| run.id);
            let is_last = page.len() < PAGE;
            causes.note(&page);
            for run in page.into_iter().filter(|run| is_wanted(run)) {
                let id = run.id;
                if count == limit {
                    return Ok(json!({"runs": count}));
                }
                let mut view = RunView::of(run, &in_flight);
                view.cause_job = causes.job_of(&view.run)?;
                if !items.put(Item::of(&view)) {
                    return Ok(json!({"runs": count}));
                }
                count += 1;
                if count == most && count < limit {
                    return Ok(json!({"runs": count, "next": id}));
                }
            }
            if is_last || count == limit || !items.flush() {
                return Ok(json!({"runs": count}));
            }
        }
    }

    /// The runs that are in progress or wait, the oldest first; as many as a status may name, and how many there are.
    pub(super) fn unfinished(&self) -> Result<(Vec<RunView>, usize), Problem> {
        let unfinished = RunQuery::default().unfinished().limit(RUNS_IN_STATUS);
        let in_flight = self.in_flight()?;
        let runs = self.handle.runs_in("default", &unfinished)?;
        let count = if runs.len() < RUNS_IN_STATUS {
            runs.len()
        } else {
            self.handle.count_runs_in("default", &unfinished)?
        };
        Ok((runs.into_iter().map(|run| RunView::of(run, &in_flight)).collect(), count))
    }
}
