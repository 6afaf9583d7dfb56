//! Waiting for the outcome of a run.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::future::IntoFuture;
use std::pin::Pin;

use chrono::{DateTime, Utc};
use matins_core::{IntoDuration, JobId, Run, RunId};

use crate::SchedulerError;

/// What is to become of a run: [`wait`](Self::wait) for it on a thread, or `.await` it.
///
/// Dropping it changes nothing for the run.
#[derive(Debug)]
#[must_use = "it does nothing unless it is waited for"]
pub struct PendingOutcome {
    receiver: oneshot::Receiver<OutcomeResult>,
}

/// The run's row, or why there will be none.
type OutcomeResult = Result<Run, SchedulerError>;

impl PendingOutcome {
    /// Waits until the run has ended, and gives its row of the ledger. Not to be called from the scheduler's own thread.
    ///
    /// ```
    /// # use matins_executor_thread::ThreadExecutor;
    /// # use matins_scheduler::{Schedule, SchedulerBuilder};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::{TimeUnits, every};
    /// # let mut scheduler = SchedulerBuilder::new()
    /// #     .store("default", MemoryStore::new())
    /// #     .executor("default", ThreadExecutor::new())
    /// #     .background()?;
    /// # scheduler.start()?;
    /// let job = scheduler.add(every(1.hours()).run(|| 6 * 7))?;
    /// let run = job.run_now()?.wait()?;
    /// assert_eq!(run.result, Some(42.into()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`SchedulerError::JobGone`] when the job is removed first and no run of it is in progress;
    /// [`SchedulerError::ShutDown`] when the scheduler shuts down, or the job's store is taken away, first.
    pub fn wait(self) -> Result<Run, SchedulerError> {
        self.receiver.recv().unwrap_or(Err(SchedulerError::ShutDown))
    }

    /// Waits for at most `timeout`. Returns `None` if the run has not ended by then.
    ///
    /// ```
    /// # use matins_core::Outcome;
    /// # use matins_executor_thread::ThreadExecutor;
    /// # use matins_scheduler::{Schedule, SchedulerBuilder};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::{TimeUnits, every};
    /// # let mut scheduler = SchedulerBuilder::new()
    /// #     .store("default", MemoryStore::new())
    /// #     .executor("default", ThreadExecutor::new())
    /// #     .background()?;
    /// # scheduler.start()?;
    /// let job = scheduler.add(every(1.hours()).run(|| ()))?;
    /// // Its next fire is an hour away.
    /// let outcome = job.next_outcome()?;
    /// assert!(outcome.wait_within(1.milliseconds())?.is_none());
    ///
    /// job.run_now()?.wait()?;
    /// let run = outcome.wait_within(1.minutes())?.expect("a run has ended");
    /// assert_eq!(run.outcome, Some(Outcome::Succeeded));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`wait`](Self::wait), and if the duration is negative.
    pub fn wait_within(&self, timeout: impl IntoDuration) -> Result<Option<Run>, SchedulerError> {
        match self.receiver.recv_timeout(timeout.into_duration()?) {
            Ok(told) => told.map(Some),
            Err(oneshot::RecvTimeoutError::Timeout) => Ok(None),
            Err(oneshot::RecvTimeoutError::Disconnected) => Err(SchedulerError::ShutDown),
        }
    }
}

impl IntoFuture for PendingOutcome {
    type Output = Result<Run, SchedulerError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { self.receiver.into_future().await.unwrap_or(Err(SchedulerError::ShutDown)) })
    }
}

/// Those who wait, by store (its place) and run or job.
#[derive(Debug, Default)]
pub(crate) struct Waiters {
    runs: HashMap<(usize, RunId), Vec<oneshot::Sender<OutcomeResult>>>,
    jobs: HashMap<(usize, JobId), OfJob>,
}

/// Those who wait for the next run of a job.
#[derive(Debug)]
struct OfJob {
    waiters: Vec<oneshot::Sender<OutcomeResult>>,
    /// Since when the first of them does, by the store's clock.
    since: DateTime<Utc>,
}

impl OfJob {
    fn is_awaited(&self) -> bool {
        self.waiters.iter().any(|waiter| !waiter.is_closed())
    }
}

/// What is waited for in one store.
#[derive(Debug, Default)]
pub(crate) struct Awaited {
    pub(crate) runs: Vec<RunId>,
    /// The next run of a job that has ended since then.
    pub(crate) jobs: Vec<(JobId, DateTime<Utc>)>,
}

impl Awaited {
    pub(crate) fn is_empty(&self) -> bool {
        self.runs.is_empty() && self.jobs.is_empty()
    }
}

impl Waiters {
    pub(crate) fn for_run(&mut self, store: usize, run: RunId) -> PendingOutcome {
        wait_among(self.runs.entry((store, run)).or_default())
    }

    /// For the first run of the job that ends after `now`, by the store's clock.
    pub(crate) fn for_job(&mut self, store: usize, job: JobId, now: DateTime<Utc>) -> PendingOutcome {
        let of_job = self.jobs.entry((store, job)).or_insert(OfJob { waiters: Vec::new(), since: now });
        if !of_job.is_awaited() {
            of_job.since = now;
        }
        wait_among(&mut of_job.waiters)
    }

    /// What somebody still waits for in a store.
    pub(crate) fn awaited(&mut self, store: usize) -> Awaited {
        self.runs.retain(|_, waiting| waiting.iter().any(|waiter| !waiter.is_closed()));
        self.jobs.retain(|_, of_job| of_job.is_awaited());
        let runs = self.runs.keys().filter(|(of, _)| *of == store).map(|(_, run)| *run).collect();
        let jobs = self.jobs.iter().filter(|((of, _), _)| *of == store);
        Awaited { runs, jobs: jobs.map(|((_, job), of_job)| (job.clone(), of_job.since)).collect() }
    }

    /// The store is gone: nobody hears of its runs any more.
    pub(crate) fn forget_store(&mut self, store: usize) {
        self.runs.retain(|(of, _), _| *of != store);
        self.jobs.retain(|(of, _), _| *of != store);
    }

    /// The job was removed, and no run of it is in progress.
    pub(crate) fn job_is_gone(&mut self, store: usize, job: &JobId) {
        if self.jobs.is_empty() {
            return;
        }
        for waiter in self.take(store, job) {
            let _ = waiter.send(Err(SchedulerError::JobGone { id: job.clone() }));
        }
    }

    /// The job continues in another store.
    pub(crate) fn job_has_moved(&mut self, from: usize, to: usize, job: &JobId) {
        let Some(of_job) = self.jobs.remove(&(from, job.clone())) else { return };
        match self.jobs.entry((to, job.clone())) {
            Entry::Vacant(entry) => drop(entry.insert(of_job)),
            Entry::Occupied(mut entry) => entry.get_mut().waiters.extend(of_job.waiters),
        }
    }

    /// The jobs of a store that somebody waits for.
    pub(crate) fn jobs_of(&self, store: usize) -> Vec<JobId> {
        self.jobs.keys().filter(|(of, _)| *of == store).map(|(_, job)| job.clone()).collect()
    }

    /// A run has ended, or was missed.
    pub(crate) fn tell(&mut self, store: usize, run: &Run) {
        if self.runs.is_empty() && self.jobs.is_empty() {
            return;
        }
        let of_run = self.runs.remove(&(store, run.id));
        let of_job = self.take(store, &run.job);
        for waiter in of_run.into_iter().flatten().chain(of_job) {
            // One that gave up is none.
            let _ = waiter.send(Ok(run.clone()));
        }
    }

    fn take(&mut self, store: usize, job: &JobId) -> Vec<oneshot::Sender<OutcomeResult>> {
        self.jobs.remove(&(store, job.clone())).map_or_else(Vec::new, |of_job| of_job.waiters)
    }
}

fn wait_among(waiters: &mut Vec<oneshot::Sender<OutcomeResult>>) -> PendingOutcome {
    let (sender, receiver) = oneshot::channel();
    waiters.retain(|waiter| !waiter.is_closed());
    waiters.push(sender);
    PendingOutcome { receiver }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    /// Once, each job that was waited for left an entry.
    #[test]
    fn nothing_is_kept_of_jobs_whose_outcome_was_told() {
        let mut waiters = Waiters::default();
        for number in 0..100 {
            let job = JobId::new(format!("job {number}")).unwrap();
            let pending = waiters.for_job(0, job.clone(), DateTime::UNIX_EPOCH);
            waiters.tell(0, &Run::waiting(RunId(number), job, DateTime::UNIX_EPOCH));
            assert_eq!(pending.wait().unwrap().id, RunId(number));
        }
        assert!(waiters.jobs.is_empty() && waiters.awaited(0).is_empty());
    }

    #[test]
    fn who_waits_for_a_job_that_moves_waits_since_the_same_instant() {
        let (mut waiters, job) = (Waiters::default(), JobId::new("job").unwrap());
        let since = DateTime::UNIX_EPOCH + TimeDelta::seconds(7);
        let _pending = waiters.for_job(0, job.clone(), since);
        let _later = waiters.for_job(0, job.clone(), since + TimeDelta::seconds(1));
        waiters.job_has_moved(0, 1, &job);
        assert!(waiters.awaited(0).is_empty());
        assert_eq!(waiters.awaited(1).jobs, [(job, since)]);
    }
}
