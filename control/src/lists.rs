//! Lists of jobs and runs. They are read from the store a page at a time, and each page is sent before the next one is
//! read. So neither memory nor the time for which the scheduler is held up grows with the list.
//!
//! Conditions that the store would have to look for in job after job are checked here, page by page.

use matins_core::{
    JobId, JobOrder, JobPosition, JobQuery, JobState, Outcome, Run, RunId, RunOrder, RunQuery, StoreName,
    error_chain,
};
use matins_store_query::{JobQueryExt, RunQueryExt};
use serde_json::json;

use crate::operator::Done;
use crate::{
    Item, ItemSink, JobView, JobsOrder, JobsRequest, Operator, PagePosition, Problem, RunPosition, RunView,
    RunsRequest,
};

/// How many jobs or runs are read at once.
const PAGE: usize = 100;

impl Operator {
    pub(crate) fn jobs(&self, request: &JobsRequest, items: &mut dyn ItemSink) -> Done {
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
        let (first, mut count) = (self.first_store()?, 0);
        loop {
            let page = self.handle().list(&query)?;
            query.after = page.get(PAGE - 1).map(|(_, job)| JobPosition::of(job));
            for (store, job) in page.into_iter().filter(|(_, job)| conditions.matches(job)) {
                let position = PagePosition::of(&job);
                let view = JobView { store: (store != first).then(|| store.to_string()), ..JobView::of(job) };
                if !items.put(Item::of(&view)) {
                    return Ok(json!({"jobs": count}));
                }
                count += 1;
                if count == most {
                    return Ok(json!({"jobs": count, "next": position}));
                }
            }
            if query.after.is_none() || !items.flush() {
                return Ok(json!({"jobs": count}));
            }
        }
    }

    pub(crate) fn runs(&self, request: &RunsRequest, items: &mut dyn ItemSink) -> Done {
        let wanted = WantedRuns::of(request)?;
        let (first, after) = match &request.after {
            None => (None, None),
            Some(RunPosition::Run(run)) => (Some(self.first_store()?), Some(RunId(*run))),
            Some(RunPosition::InStore { store, run }) => {
                let store = StoreName::new(store).map_err(|error| Problem::bad(format!("after: {error}")))?;
                (Some(store), Some(RunId(*run)))
            }
        };
        let limit = if request.limit == 0 { usize::MAX } else { request.limit };
        let most = request.page.unwrap_or(usize::MAX).max(1);
        let mut query = wanted.of_job.clone().after(after);
        let mut count = 0;
        let stores = self.stores()?;
        for store in stores.into_iter().skip_while(|store| first.as_ref().is_some_and(|first| first != store))
        {
            let shown = self.shown_store(&store)?;
            let mut causes = self.causes(&store);
            loop {
                let page = self.handle().runs_in(&store, &query)?;
                // After the rows: one that ends meanwhile is shown as running, and none as lost.
                let in_flight = self.handle().in_flight(&store)?;
                query.after = page.last().map(|run| run.id);
                let is_last = page.len() < PAGE;
                causes.note(&page);
                let mut owners = self.owners(&store, &page.iter().map(|run| run.id).collect::<Vec<_>>())?;
                for run in page.into_iter().filter(|run| wanted.includes(run)) {
                    let id = run.id.0;
                    if count == limit {
                        return Ok(json!({"runs": count}));
                    }
                    let mut view = RunView::of(run, &in_flight);
                    view.cause_job = causes.job_of(&view.run)?;
                    view.store.clone_from(&shown);
                    view.node = owners.remove(&view.run.id);
                    if !items.put(Item::of(&view)) {
                        return Ok(json!({"runs": count}));
                    }
                    count += 1;
                    if count == most && count < limit {
                        let next = match shown {
                            None => RunPosition::Run(id),
                            Some(store) => RunPosition::InStore { store, run: id },
                        };
                        return Ok(json!({"runs": count, "next": next}));
                    }
                }
                if count == limit || !items.flush() {
                    return Ok(json!({"runs": count}));
                }
                if is_last {
                    break;
                }
            }
            query.after = None;
        }
        Ok(json!({"runs": count}))
    }
}

/// The conditions of a list of runs.
struct WantedRuns {
    /// What the store looks for.
    of_job: RunQuery,
    /// What is checked here.
    conditions: RunQuery,
    any_miss: bool,
}

impl WantedRuns {
    fn of(request: &RunsRequest) -> Result<Self, Problem> {
        let outcome = match request.outcome.as_deref() {
            None | Some("missed") => None,
            Some(word) => Some(word.parse::<Outcome>().map_err(|error| {
                let words = "succeeded, failed, timed out, cancelled, interrupted, missed";
                Problem::bad(format!("{error}; there are {words}, and `missed: overlap` and the like"))
            })?),
        };
        let job = request.job.as_deref().map(JobId::new).transpose();
        let job = job.map_err(|error| Problem::bad(error_chain(&error)))?;
        Ok(Self {
            of_job: RunQuery::default().job(job).order(RunOrder::NewestFirst).limit(PAGE),
            conditions: RunQuery::default().outcome(outcome).since(request.since).until(request.until),
            any_miss: request.outcome.as_deref() == Some("missed"),
        })
    }

    fn includes(&self, run: &Run) -> bool {
        self.conditions.matches(run) && (!self.any_miss || matches!(run.outcome, Some(Outcome::Missed(_))))
    }
}
