//! Events as the control socket sends them.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use matins_core::{JobId, Run, RunId};
use matins_scheduler::Event;
use serde::{Deserialize, Serialize};

/// An event in JSON, with its name in the field `event`. What each means is said at [`Event`].
///
/// ```
/// use matins_control::EventView;
/// use matins_core::ExecutorName;
/// use matins_scheduler::Event;
/// use serde_json::json;
///
/// let view = EventView::of(Event::SchedulerPaused).unwrap();
/// assert_eq!(json!(view), json!({"event": "scheduler_paused"}));
/// // Events about executors are not sent to clients.
/// assert!(EventView::of(Event::ExecutorAdded { executor: ExecutorName::default() }).is_none());
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum EventView {
    /// The scheduler began to fire jobs.
    SchedulerStarted,
    /// The whole scheduler was paused.
    SchedulerPaused,
    /// The whole scheduler was resumed.
    SchedulerResumed,
    /// The scheduler has shut down.
    SchedulerShutDown,
    /// A job was added.
    JobAdded {
        /// The job's id.
        job: String,
    },
    /// A job was changed.
    JobModified {
        /// The job's id.
        job: String,
    },
    /// A job was paused.
    JobPaused {
        /// The job's id.
        job: String,
    },
    /// A job was paused by the scheduler, after failures in a row.
    JobDisabled {
        /// The job's id.
        job: String,
        /// How many.
        failures: u32,
    },
    /// A job is due, and no scheduler of its store has its task and its executor.
    JobNotServed {
        /// The job's id.
        job: String,
    },
    /// A job was resumed.
    JobResumed {
        /// The job's id.
        job: String,
    },
    /// A job was removed.
    JobRemoved {
        /// The job's id.
        job: String,
    },
    /// All jobs of a store were removed.
    AllJobsRemoved,
    /// A run was handed to its executor.
    RunStarted {
        /// The run.
        run: Run,
    },
    /// A run could not begin, and is started again later.
    RunPostponed {
        /// The run.
        run: Run,
        /// When it is started again.
        until: DateTime<Utc>,
    },
    /// A run did not stop at its time limit.
    RunLeftBehind {
        /// The run.
        run: Run,
    },
    /// The work of a run that was left behind has ended.
    WorkEnded {
        /// The job's id.
        job: String,
        /// The run's number.
        run_id: RunId,
    },
    /// A run has ended.
    RunFinished {
        /// The run.
        run: Run,
    },
    /// A fire was missed.
    RunMissed {
        /// The run.
        run: Run,
    },
    /// A store failed, and is tried again.
    StoreFailed {
        /// The store's name.
        store: String,
        /// The error.
        error: String,
    },
    /// A store has lost what this scheduler had committed: fires of that time run again.
    StoreLostHistory {
        /// The store's name.
        store: String,
    },
    /// A store works again.
    StoreRecovered {
        /// The store's name.
        store: String,
    },
    /// A job or run is unreadable, and was quarantined.
    JobQuarantined {
        /// The store's name.
        store: String,
        /// What it is.
        what: String,
    },
    /// The trigger of a job failed; the job is paused.
    TriggerFailed {
        /// The job's id.
        job: String,
        /// The error.
        error: String,
    },
    /// The clock was ahead and was set back.
    ClockCorrected {
        /// The store's name.
        store: String,
        /// By how much, in seconds.
        by_seconds: i64,
        /// How many jobs have another next fire time.
        jobs: u64,
    },
    /// This client was too slow: so many events are left out.
    Lost {
        /// How many.
        count: u64,
    },
}

/// An event with the time at which it was sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TimedEvent {
    /// When it was sent.
    pub at: DateTime<Utc>,
    /// The event.
    #[serde(flatten)]
    pub event: EventView,
}

impl EventView {
    /// Returns the view of an event, or `None` for an event that clients are not sent: that an executor or a store was added
    /// or removed.
    ///
    /// ```
    /// use matins_control::EventView;
    /// use matins_scheduler::Event;
    ///
    /// assert_eq!(EventView::of(Event::Lost { count: 7 }), Some(EventView::Lost { count: 7 }));
    /// ```
    pub fn of(event: Event) -> Option<Self> {
        let name = |job: JobId| job.to_string();
        let owned = |run: Arc<Run>| Arc::unwrap_or_clone(run);
        Some(match event {
            Event::SchedulerStarted => Self::SchedulerStarted,
            Event::SchedulerPaused => Self::SchedulerPaused,
            Event::SchedulerResumed => Self::SchedulerResumed,
            Event::SchedulerShutDown => Self::SchedulerShutDown,
            Event::JobAdded { job, .. } => Self::JobAdded { job: name(job) },
            Event::JobModified { job, .. } => Self::JobModified { job: name(job) },
            Event::JobPaused { job, .. } => Self::JobPaused { job: name(job) },
            Event::JobDisabled { job, failures, .. } => Self::JobDisabled { job: name(job), failures },
            Event::JobNotServed { job, .. } => Self::JobNotServed { job: name(job) },
            Event::JobResumed { job, .. } => Self::JobResumed { job: name(job) },
            Event::JobRemoved { job, .. } => Self::JobRemoved { job: name(job) },
            Event::AllJobsRemoved { .. } => Self::AllJobsRemoved,
            Event::RunStarted { run, .. } => Self::RunStarted { run: owned(run) },
            Event::RunPostponed { run, until, .. } => Self::RunPostponed { run: owned(run), until },
            Event::RunLeftBehind { run, .. } => Self::RunLeftBehind { run: owned(run) },
            Event::WorkEnded { job, run, .. } => Self::WorkEnded { job: name(job), run_id: run },
            Event::RunFinished { run, .. } => Self::RunFinished { run: owned(run) },
            Event::RunMissed { run, .. } => Self::RunMissed { run: owned(run) },
            Event::StoreFailed { store, error } => Self::StoreFailed { store: store.to_string(), error },
            Event::StoreLostHistory { store } => Self::StoreLostHistory { store: store.to_string() },
            Event::StoreRecovered { store } => Self::StoreRecovered { store: store.to_string() },
            Event::JobQuarantined { store, job } => {
                Self::JobQuarantined { store: store.to_string(), what: job.to_string() }
            }
            Event::TriggerFailed { job, error, .. } => Self::TriggerFailed { job: name(job), error },
            Event::ClockCorrected { store, by, jobs } => {
                Self::ClockCorrected { store: store.to_string(), by_seconds: by.num_seconds(), jobs }
            }
            Event::Lost { count } => Self::Lost { count },
            _ => return None,
        })
    }

    /// Adds the time at which it is sent.
    ///
    /// ```
    /// use matins_control::EventView;
    /// use serde_json::json;
    ///
    /// let timed = EventView::SchedulerPaused.at("2026-11-24T12:00:00Z".parse()?);
    /// assert_eq!(json!(timed), json!({"at": "2026-11-24T12:00:00Z", "event": "scheduler_paused"}));
    /// # Ok::<(), chrono::ParseError>(())
    /// ```
    pub fn at(self, at: DateTime<Utc>) -> TimedEvent {
        TimedEvent { at, event: self }
    }
}
