//! The jobs whose runs other runs follow.

use std::collections::HashMap;

use matins_core::{JobId, Run, RunId, StoreName};

use crate::{Operator, Problem};

/// Finds the job of the run that a run follows, in what was read already or else in the ledger.
pub(crate) struct Causes<'a> {
    operator: &'a Operator,
    store: StoreName,
    /// Of the page that was read last.
    jobs: HashMap<RunId, JobId>,
}

impl Operator {
    /// Those of the runs of a store.
    pub(crate) fn causes(&self, store: &StoreName) -> Causes<'_> {
        Causes { operator: self, store: store.clone(), jobs: HashMap::new() }
    }
}

impl Causes<'_> {
    /// These rows were read.
    pub(crate) fn note(&mut self, page: &[Run]) {
        self.jobs.clear();
        if page.iter().any(|run| run.cause.is_some()) {
            self.jobs.extend(page.iter().map(|run| (run.id, run.job.clone())));
        }
    }

    /// The job of the run that `run` follows, unless its row is gone.
    pub(crate) fn job_of(&self, run: &Run) -> Result<Option<String>, Problem> {
        let Some(cause) = run.cause else { return Ok(None) };
        if let Some(job) = self.jobs.get(&cause) {
            return Ok(Some(job.to_string()));
        }
        Ok(self.operator.row(&self.store, cause)?.map(|run| run.job.to_string()))
    }
}
