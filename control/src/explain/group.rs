//! The runs of a concurrency group that a run has waited for.

use chrono::{DateTime, Utc};
use matins_core::{Group, Job, JobQuery, Run, RunOrder, RunQuery, StoreName};

use crate::{Operator, Problem};

/// So many jobs of a group are looked at, and so many runs of each.
const MOST_JOBS: usize = 100;
const MOST_RUNS: usize = 100;

/// The group of a job, and the runs of the other jobs in it.
pub(super) struct GroupRuns {
    pub(super) group: Group,
    runs: Vec<Run>,
}

impl GroupRuns {
    /// Returns `None` where the job is in no group.
    pub(super) fn of(operator: &Operator, job: Option<&Job>) -> Result<Option<Self>, Problem> {
        let Some((job, group)) = job.and_then(|job| Some((job, job.policy.group.clone()?))) else {
            return Ok(None);
        };
        let jobs = operator.handle().list(&JobQuery::default())?;
        let is_other = |(_, other): &&(StoreName, Job)| {
            other.id != job.id
                && other.policy.group.as_ref().is_some_and(|of_other| of_other.name == group.name)
        };
        let mut runs = Vec::new();
        for (store, other) in jobs.iter().filter(is_other).take(MOST_JOBS) {
            let query = RunQuery::of_job(&other.id).order(RunOrder::NewestFirst).limit(MOST_RUNS);
            runs.extend(operator.handle().runs_in(store, &query)?);
        }
        Ok(Some(Self { group, runs }))
    }

    /// Names the runs of other jobs that were in progress at an instant, if there were any: `run 7 of vacuum`.
    pub(super) fn in_progress_at(&self, at: DateTime<Utc>) -> Option<String> {
        let was_in_progress = |run: &&Run| {
            run.started.is_some_and(|started| started <= at)
                && run.finished.is_none_or(|finished| finished > at)
        };
        let named: Vec<String> = self
            .runs
            .iter()
            .filter(was_in_progress)
            .map(|run| format!("run {} of {}", run.id, run.job))
            .collect();
        (!named.is_empty()).then(|| named.join(" and "))
    }
}
