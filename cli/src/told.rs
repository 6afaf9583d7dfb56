//! Events as the control socket, `watch --json` and the log in JSON tell them.

use chrono::{DateTime, Utc};
use matins::Run;
use matins::prelude::*;
use serde::{Deserialize, Serialize};

/// An event, with its name in the field `event`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(crate) enum Told {
    SchedulerStarted,
    SchedulerPaused,
    SchedulerResumed,
    SchedulerShutDown,
    JobAdded { job: String },
    JobModified { job: String },
    JobPaused { job: String },
    JobDisabled { job: String, failures: u32 },
    JobNotServed { job: String },
    JobResumed { job: String },
    JobRemoved { job: String },
    AllJobsRemoved,
    RunStarted { run: Run },
    RunPostponed { run: Run, until: DateTime<Utc> },
    RunLeftBehind { run: Run },
    WorkEnded { job: String, run_id: matins::RunId },
    RunFinished { run: Run },
    RunMissed { run: Run },
    StoreFailed { store: String, error: String },
    StoreRecovered { store: String },
    JobSetAside { store: String, what: String },
    TriggerFailed { job: String, error: String },
    ClockCorrected { store: String, by_seconds: i64, jobs: u64 },
    Lost { count: u64 },
}

/// An event with the instant at which it was told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Timed {
    pub(crate) at: DateTime<Utc>,
    #[serde(flatten)]
    pub(crate) told: Told,
}

impl Told {
    /// What is told of an event; `None` for those of executors and stores that come and go, which the command has none of.
    pub(crate) fn of(event: Event) -> Option<Self> {
        let name = |job: matins::JobId| job.to_string();
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
            Event::RunStarted { run, .. } => Self::RunStarted { run },
            Event::RunPostponed { run, until, .. } => Self::RunPostponed { run, until },
            Event::RunLeftBehind { run, .. } => Self::RunLeftBehind { run },
            Event::WorkEnded { job, run, .. } => Self::WorkEnded { job: name(job), run_id: run },
            Event::RunFinished { run, .. } => Self::RunFinished { run },
            Event::RunMissed { run, .. } => Self::RunMissed { run },
            Event::StoreFailed { store, error } => Self::StoreFailed { store: store.to_string(), error },
            Event::StoreRecovered { store } => Self::StoreRecovered { store: store.to_string() },
            Event::JobSetAside { store, job } => {
                Self::JobSetAside { store: store.to_string(), what: job.to_string() }
            }
            Event::TriggerFailed { job, error, .. } => Self::TriggerFailed { job: name(job), error },
            Event::ClockCorrected { store, by, jobs } => {
                Self::ClockCorrected { store: store.to_string(), by_seconds: by.num_seconds(), jobs }
            }
            Event::Lost { count } => Self::Lost { count },
            _ => return None,
        })
    }

    pub(crate) fn at(self, at: DateTime<Utc>) -> Timed {
        Timed { at, told: self }
    }
}
