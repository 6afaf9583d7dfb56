//! What a scheduler tells those who listen.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use matins_core::{ExecutorName, JobId, Quarantined, Run, RunId, StoreName};

/// Something that happened.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// The scheduler began to fire jobs.
    SchedulerStarted,
    /// It was paused: no job fires until it is resumed.
    SchedulerPaused,
    /// It was resumed.
    SchedulerResumed,
    /// It stopped; the last event.
    SchedulerShutDown,
    /// An executor was added, or took the place of one of its name.
    ExecutorAdded {
        /// The executor.
        executor: ExecutorName,
    },
    /// An executor was taken away.
    ExecutorRemoved {
        /// The executor.
        executor: ExecutorName,
    },
    /// A store was added.
    StoreAdded {
        /// The store.
        store: StoreName,
    },
    /// A store was taken away; the last event of its jobs.
    StoreRemoved {
        /// The store.
        store: StoreName,
    },
    /// All jobs of a store were removed; each has had its own event.
    AllJobsRemoved {
        /// The store.
        store: StoreName,
    },
    /// A job was added, or took another's place.
    JobAdded {
        /// The store.
        store: StoreName,
        /// The job.
        job: JobId,
    },
    /// A job was changed.
    JobModified {
        /// The store.
        store: StoreName,
        /// The job.
        job: JobId,
    },
    /// A job was paused.
    JobPaused {
        /// The store.
        store: StoreName,
        /// The job.
        job: JobId,
    },
    /// A job was paused by the scheduler, since its runs have failed so often in a row: see
    /// [`Policy::max_failures`](matins_core::Policy::max_failures).
    JobDisabled {
        /// The store.
        store: StoreName,
        /// The job.
        job: JobId,
        /// How many runs have failed in a row.
        failures: u32,
    },
    /// A job of a store that several schedulers share has been due for longer than a lease, and none of them has its task and its
    /// executor. It stays due until one has; then its misfire grace says whether it still runs.
    JobNotServed {
        /// The store.
        store: StoreName,
        /// The job.
        job: JobId,
    },
    /// A job was resumed.
    JobResumed {
        /// The store.
        store: StoreName,
        /// The job.
        job: JobId,
    },
    /// A job was removed, or was over.
    JobRemoved {
        /// The store.
        store: StoreName,
        /// The job.
        job: JobId,
    },
    /// A run was handed to its executor.
    RunStarted {
        /// The store.
        store: StoreName,
        /// The run, without an outcome yet.
        run: Arc<Run>,
    },
    /// A run that was handed to its executor could not begin, because the system had no process, thread, descriptor or memory
    /// left for it. It waits, and is started again.
    RunPostponed {
        /// The store.
        store: StoreName,
        /// The run; its message says why.
        run: Arc<Run>,
        /// When it is started again.
        until: DateTime<Utc>,
    },
    /// A run did not respond when its time limit had passed, and its executor cannot end its work. It ends as timed out, and its
    /// work counts for the overlap policy of its job until [`WorkEnded`](Self::WorkEnded).
    RunLeftBehind {
        /// The store.
        store: StoreName,
        /// The run, without an outcome yet.
        run: Arc<Run>,
    },
    /// The work of a run that was [left behind](Self::RunLeftBehind) has ended.
    WorkEnded {
        /// The store.
        store: StoreName,
        /// The job.
        job: JobId,
        /// The run.
        run: RunId,
    },
    /// A run ended.
    RunFinished {
        /// The store.
        store: StoreName,
        /// The run with its outcome.
        run: Arc<Run>,
    },
    /// Fires were missed.
    RunMissed {
        /// The store.
        store: StoreName,
        /// The row of the ledger; it may grow later.
        run: Arc<Run>,
    },
    /// A store failed. The scheduler tries again by itself; the store's jobs wait until then.
    StoreFailed {
        /// The store.
        store: StoreName,
        /// What went wrong.
        error: String,
    },
    /// A job, or a row of the ledger, cannot be read, and is quarantined. A job that is quarantined does not fire; the others do.
    JobQuarantined {
        /// The store.
        store: StoreName,
        /// Which, where, and why.
        job: Quarantined,
    },
    /// The trigger of a job panicked, or answered with an instant that is not later than the one that it was asked about. The job was
    /// paused, and its due fire was missed.
    TriggerFailed {
        /// The store.
        store: StoreName,
        /// The job.
        job: JobId,
        /// What went wrong.
        error: String,
    },
    /// A callback of a job panicked, or was not called because too many calls wait: see
    /// [`NewJob::on_failure`](crate::NewJob::on_failure).
    CallbackFailed {
        /// The store.
        store: StoreName,
        /// The job.
        job: JobId,
        /// The run, or the fires that were missed, that it was called with.
        run: RunId,
        /// What went wrong.
        error: String,
    },
    /// The system's clock was wrong: it was set back by more than three hours, or next fire times show that it has been ahead by
    /// more. The next fire times of all jobs were computed again, except those that somebody gave.
    ClockCorrected {
        /// The store.
        store: StoreName,
        /// By how much the clock was ahead, at least.
        by: TimeDelta,
        /// How many jobs have another next fire time.
        jobs: u64,
    },
    /// A store that several schedulers share has lost what this one had committed: a failover to a standby server that did not have it
    /// yet. The fires of that time run again. The scheduler has joined again, and the numbers of runs continue above those that were lost.
    StoreLostHistory {
        /// The store.
        store: StoreName,
    },
    /// A store that had failed works again.
    StoreRecovered {
        /// The store.
        store: StoreName,
    },
    /// This listener was too slow, and this many events before this one were not delivered to it.
    Lost {
        /// How many.
        count: u64,
    },
}
