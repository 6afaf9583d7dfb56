//! Runs, in the ledgers of all stores.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use matins_core::{JobId, JobQuery, Run, RunId, RunQuery, StoreName};
use serde_json::json;

use crate::operator::Done;
use crate::{JobView, Operator, Problem, ProblemKind, RunView};

/// How many runs the status names.
const RUNS_IN_STATUS: usize = 1_000;

impl Operator {
    /// Finds a run by its number: each store has numbers of its own.
    pub(crate) fn find_run(&self, run: u64, store: Option<&str>) -> Result<(StoreName, Run), Problem> {
        let stores = match store {
            Some(store) => vec![StoreName::new(store).map_err(|error| Problem::bad(error.to_string()))?],
            None => self.stores()?,
        };
        let mut found = Vec::new();
        for store in stores {
            if let Some(row) = self.row(&store, RunId(run))? {
                found.push((store, row));
            }
        }
        let last = found.pop();
        if let (Some((store, _)), false) = (&last, found.is_empty()) {
            let stores: Vec<String> =
                found.iter().map(|(store, _)| store).chain([store]).map(ToString::to_string).collect();
            let message = format!(
                "several stores have a run {run}: {}; name one of them with --in-store",
                stores.join(", ")
            );
            return Err(Problem::new(ProblemKind::Conflict, message));
        }
        last.ok_or_else(|| {
            let message = format!("the ledger has no run {run}; `matins runs` lists those that it has");
            Problem::new(ProblemKind::NotFound, message)
        })
    }

    pub(crate) fn row(&self, store: &StoreName, run: RunId) -> Result<Option<Run>, Problem> {
        // The first row whose number is not below it.
        let query = RunQuery::default().after(run.0.checked_sub(1).map(RunId)).limit(1);
        Ok(self.handle().runs_in(store, &query)?.into_iter().find(|found| found.id == run))
    }

    /// The store that has a job, or its runs; the first one if none has.
    pub(crate) fn store_of(&self, job: &JobId) -> Result<StoreName, Problem> {
        if let Some(store) = self.store_with_job(job.as_str())? {
            return Ok(store);
        }
        let query = RunQuery::of_job(job).limit(1);
        for store in self.stores()? {
            if !self.handle().runs_in(&store, &query)?.is_empty() {
                return Ok(store);
            }
        }
        self.first_store()
    }

    /// Returns the store that has a job; `None` if none has.
    ///
    /// ```
    /// use matins_control::Operator;
    /// # use matins_scheduler::{Schedule, SchedulerBuilder};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::cron;
    /// # let start = "2026-01-01T00:00:00Z".parse()?;
    /// # let scheduler = SchedulerBuilder::new().store("default", MemoryStore::new()).testing(start)?;
    /// scheduler.add(cron("30 2 * * *").run(|| ()).id("backup"))?;
    /// let operator = Operator::new(&scheduler.handle());
    /// assert_eq!(operator.store_with_job("backup")?.unwrap(), "default");
    /// assert!(operator.store_with_job("back")?.is_none());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When the stores cannot be read.
    pub fn store_with_job(&self, id: &str) -> Result<Option<StoreName>, Problem> {
        let listed = self.handle().list(&JobQuery::default().id_prefix(id).limit(1))?;
        Ok(listed.into_iter().find(|(_, job)| job.id.as_str() == id).map(|(store, _)| store))
    }

    /// Returns what is shown of a job: the answer to [`Request::Job`](crate::Request::Job).
    ///
    /// ```
    /// use matins_control::Operator;
    /// # use matins_scheduler::{Schedule, SchedulerBuilder};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::cron;
    /// # let start = "2026-01-01T00:00:00Z".parse()?;
    /// # let scheduler = SchedulerBuilder::new().store("default", MemoryStore::new()).testing(start)?;
    /// scheduler.add(cron("30 2 * * *").run(|| ()).id("backup"))?;
    /// let view = Operator::new(&scheduler.handle()).job_view("backup")?;
    /// assert_eq!(view.description, "at 02:30 every day, UTC");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When there is no such job, and when the stores cannot be read.
    pub fn job_view(&self, id: &str) -> Result<JobView, Problem> {
        let job = self.job(id)?;
        let has_several = self.stores()?.len() > 1;
        let store = if has_several { self.shown_store(&self.store_of(&job.id)?)? } else { None };
        Ok(JobView { store, ..JobView::of(job) })
    }

    /// The name of a store, as it is shown beside a job or run: none for the first one.
    pub(crate) fn shown_store(&self, store: &StoreName) -> Result<Option<String>, Problem> {
        Ok((*store != self.first_store()?).then(|| store.to_string()))
    }

    pub(crate) fn run(&self, run: u64, store: Option<&str>) -> Done {
        let (store, found) = self.find_run(run, store)?;
        let progress = self.handle().progress(&store, found.id)?;
        let mut view = RunView::of(found, &self.handle().in_flight(&store)?);
        view.cause_job = self.causes(&store).job_of(&view.run)?;
        view.store = self.shown_store(&store)?;
        if view.run.outcome.is_none() {
            view.run.output = self.handle().output(&store, view.run.id)?;
        }
        self.name_owner(&store, &mut view)?;
        let mut value = json!(view);
        if let Some(progress) = progress {
            value["progress"] = json!({"done": progress.done, "total": progress.total});
        }
        Ok(value)
    }

    /// The runs that are in progress or wait, the oldest first; as many as a status may name, and how many there are.
    pub(crate) fn unfinished(&self) -> Result<(Vec<RunView>, usize), Problem> {
        let unfinished = RunQuery::default().unfinished();
        let (mut views, mut count) = (Vec::new(), 0);
        for store in self.stores()? {
            let in_flight: BTreeMap<RunId, Option<DateTime<Utc>>> = self.handle().in_flight(&store)?;
            let shown = self.shown_store(&store)?;
            let runs = self.handle().runs_in(&store, &unfinished.clone().limit(RUNS_IN_STATUS))?;
            count += if runs.len() < RUNS_IN_STATUS {
                runs.len()
            } else {
                self.handle().count_runs_in(&store, &unfinished)?
            };
            let mut owners = self.owners(&store, &runs.iter().map(|run| run.id).collect::<Vec<_>>())?;
            let view = |run: Run| {
                let node = owners.remove(&run.id);
                RunView { store: shown.clone(), node, ..RunView::of(run, &in_flight) }
            };
            views.extend(runs.into_iter().map(view).take(RUNS_IN_STATUS - views.len()));
        }
        Ok((views, count))
    }
}
