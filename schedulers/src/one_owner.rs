//! A store that schedulers share, as a store with one owner.

use std::fmt;
use std::ops::DerefMut;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use matins_core::{
    ClaimStore, Job, JobId, JobOrder, JobQuery, JobStore, OnConflict, Quarantined, Run, RunId, RunQuery,
    Settlement, StoreError, Transition, Want,
};

/// A store that schedulers share, as a [`JobStore`], for programs that work on it beside them: export, import, lists.
///
/// Each commit is a claim of its own, so it is safe while schedulers use the store. One of their claims may hold it up for a moment, or
/// refuse it.
///
/// ```
/// # use std::sync::Arc;
/// # use std::time::Duration;
/// # use matins_conformance::shared::SharedModel;
/// # use matins_core::{ClaimStore, JobStore, Node};
/// # use matins_scheduler::SystemClock;
/// use matins_scheduler::OneOwner;
///
/// # let mut store: Box<dyn ClaimStore> = Box::new(SharedModel::new(Arc::new(SystemClock)).member());
/// store.join(&Node::new("export", Duration::from_secs(15)))?;
/// let mut jobs = OneOwner::new(store);
/// assert_eq!(jobs.next_due()?, None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct OneOwner<S> {
    store: S,
}

impl<S: DerefMut<Target = dyn ClaimStore> + Send> OneOwner<S> {
    /// Returns the view of a store that was joined, such as a `Box<dyn ClaimStore>` or a `&mut dyn ClaimStore`.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use matins_conformance::shared::SharedModel;
    /// # use matins_core::{ClaimStore, JobStore};
    /// # use matins_scheduler::{OneOwner, SystemClock};
    /// # let store = SharedModel::new(Arc::new(SystemClock)).member();
    /// let store: Box<dyn ClaimStore> = Box::new(store);
    /// assert!(OneOwner::new(store).is_persistent());
    /// ```
    pub fn new(store: S) -> Self {
        Self { store }
    }

    /// Claims jobs, with the runs that dead schedulers have left, and settles a batch.
    fn settle(&mut self, jobs: &[JobId], batch: Vec<Transition>) -> Result<(), StoreError> {
        self.store.claim(&Want::default().takes_over().jobs(jobs))?;
        self.store.settle(Settlement { batch, ..Settlement::default() }).map(drop)
    }

    /// The job of a run.
    fn job_of(&mut self, run: RunId) -> Result<Option<JobId>, StoreError> {
        let before = RunId(run.0.saturating_sub(1));
        let rows = self.store.runs(&RunQuery::default().after(before).limit(1))?;
        Ok(rows.into_iter().find(|row| row.id == run).map(|row| row.job))
    }
}

impl<S: DerefMut<Target = dyn ClaimStore> + Send> JobStore for OneOwner<S> {
    fn is_persistent(&self) -> bool {
        self.store.capabilities().durable
    }

    fn import(&mut self, jobs: Vec<Job>, runs: Vec<Run>, on_conflict: OnConflict) -> Result<(), StoreError> {
        self.store.import(jobs, runs, on_conflict)
    }

    fn add(&mut self, job: Job, on_conflict: OnConflict) -> Result<(), StoreError> {
        self.store.import(vec![job], Vec::new(), on_conflict)
    }

    fn update(&mut self, job: Job) -> Result<(), StoreError> {
        if self.store.get(&job.id)?.is_none() {
            return Err(StoreError::NotFound { id: job.id });
        }
        self.store.import(vec![job], Vec::new(), OnConflict::Replace)
    }

    fn remove(&mut self, id: &JobId) -> Result<Job, StoreError> {
        let job = self.store.get(id)?.ok_or_else(|| StoreError::NotFound { id: id.clone() })?;
        self.settle(std::slice::from_ref(id), vec![Transition::End { job: id.clone() }])?;
        Ok(job)
    }

    fn get(&mut self, id: &JobId) -> Result<Option<Job>, StoreError> {
        self.store.get(id)
    }

    fn list(&mut self, query: &JobQuery) -> Result<Vec<Job>, StoreError> {
        self.store.list(query)
    }

    fn count(&mut self, query: &JobQuery) -> Result<usize, StoreError> {
        self.store.count(query)
    }

    fn next_due(&mut self) -> Result<Option<DateTime<Utc>>, StoreError> {
        let first = self.store.list(&JobQuery::default().order(JobOrder::NextFire).limit(1))?;
        Ok(first.first().and_then(|job| job.next_fire))
    }

    fn due(&mut self, now: DateTime<Utc>, limit: usize) -> Result<Vec<Arc<Job>>, StoreError> {
        let after = now.checked_add_signed(TimeDelta::microseconds(1)).unwrap_or(now);
        let due = JobQuery::default().due_before(after).order(JobOrder::NextFire).limit(limit);
        Ok(self.store.list(&due)?.into_iter().map(Arc::new).collect())
    }

    fn commit(&mut self, batch: Vec<Transition>) -> Result<(), StoreError> {
        let mut jobs = Vec::new();
        for transition in &batch {
            match transition {
                Transition::Advance { job, .. } | Transition::End { job } => jobs.push(job.clone()),
                Transition::Update(job) => jobs.push(job.id.clone()),
                Transition::Record(run) | Transition::Finish(run) => jobs.push(run.job.clone()),
                Transition::Start { run, .. } | Transition::Extend { run, .. } => {
                    jobs.extend(self.job_of(*run)?);
                }
                Transition::PruneJob { .. } | Transition::PruneBefore { .. } => {}
            }
        }
        jobs.sort_unstable();
        jobs.dedup();
        self.settle(&jobs, batch)
    }

    fn runs(&mut self, query: &RunQuery) -> Result<Vec<Run>, StoreError> {
        self.store.runs(query)
    }

    fn count_runs(&mut self, query: &RunQuery) -> Result<usize, StoreError> {
        self.store.count_runs(query)
    }

    fn next_run_id(&mut self) -> Result<RunId, StoreError> {
        // A claim takes numbers, and gives back those that it has not used.
        let any = JobId::new("any").map_err(|error| StoreError::Backend {
            doing: "taking a number".to_owned(),
            source: error.into(),
        })?;
        let claim = self.store.claim(&Want::default().jobs(&[any]))?;
        self.store.release();
        Ok(claim.first_run)
    }

    fn quarantined(&self) -> &[Quarantined] {
        self.store.quarantined()
    }
}

impl<S> fmt::Debug for OneOwner<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OneOwner").finish_non_exhaustive()
    }
}
