//! What can be asked on the control socket.

use chrono::{DateTime, Utc};
use matins_core::{Job, JobId, JobPosition, OnConflict};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::Problem;

/// A request. In JSON its name is in the field `command`.
///
/// ```
/// use matins_control::Request;
///
/// let request = Request::Pause { job: "backup".to_owned() };
/// let json = serde_json::to_value(&request).unwrap();
/// assert_eq!(json, serde_json::json!({"command": "pause", "job": "backup"}));
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Request {
    /// Describes the scheduler and its process: a [`Status`](crate::Status).
    Status,
    /// Lists jobs: an item for each, a [`JobView`](crate::JobView).
    Jobs(JobsRequest),
    /// Describes a job: a [`JobView`](crate::JobView).
    Job {
        /// The job's id.
        job: String,
    },
    /// Lists runs, the newest first: an item for each, a [`RunView`](crate::RunView).
    Runs(RunsRequest),
    /// Describes a run with all its output, up to now if it is in progress: a [`RunView`](crate::RunView).
    Run {
        /// The run's number.
        run: u64,
        /// The store whose ledger has the run; needed if several have a run with this number.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        store: Option<String>,
    },
    /// Adds a job.
    Add {
        /// The job's id.
        job: String,
        /// The keys of a job in a configuration.
        keys: Map<String, Value>,
        /// What happens if there is a job with this id.
        #[serde(default)]
        on_conflict: OnConflict,
    },
    /// Changes some keys of a job.
    Edit {
        /// The job's id.
        job: String,
        /// The keys of a job in a configuration that change; `null` restores the default.
        keys: Map<String, Value>,
    },
    /// Removes a job.
    Remove {
        /// The job's id.
        job: String,
    },
    /// Removes several jobs.
    RemoveMany(RemoveManyRequest),
    /// Pauses a job.
    Pause {
        /// The job's id.
        job: String,
    },
    /// Resumes a job.
    Resume {
        /// The job's id.
        job: String,
    },
    /// Runs a job now.
    Now {
        /// The job's id.
        job: String,
        /// Whether the answer comes when the run has ended.
        #[serde(default)]
        wait: bool,
    },
    /// Cancels a run.
    Cancel {
        /// The run's number.
        run: u64,
        /// The store whose ledger has the run; needed if several have a run with this number.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        store: Option<String>,
    },
    /// Explains what happened, or will happen, to a job at a time: an [`Explanation`](crate::Explanation).
    Why {
        /// The job's id.
        job: String,
        /// `2026-03-29T02:30` in the job's zone, or with an offset; `02:30` is today's.
        at: String,
    },
    /// Writes all that a store holds: an item for each line.
    Export,
    /// Reads the lines of an export, which follow the request.
    Import {
        /// What happens if there is a job with an id of an imported one.
        #[serde(default)]
        on_conflict: OnConflict,
        /// How many bytes follow.
        bytes: u64,
    },
    /// Counts what the stores hold: a [`StoreInfo`](crate::StoreInfo).
    Info,
    /// Reads the daemon's files again and applies what has changed.
    Reload {
        /// Whether the changes are reported only.
        #[serde(default)]
        dry_run: bool,
    },
    /// Shuts the daemon down.
    Stop {
        /// What happens to runs in progress.
        #[serde(default)]
        how: StopMode,
    },
    /// Sends events from now on: an item for each, a [`TimedEvent`](crate::TimedEvent).
    Watch,
}

/// The names of all requests.
pub(crate) const COMMANDS: [&str; 20] = [
    "status",
    "jobs",
    "job",
    "runs",
    "run",
    "add",
    "edit",
    "remove",
    "remove_many",
    "pause",
    "resume",
    "now",
    "cancel",
    "why",
    "export",
    "import",
    "info",
    "reload",
    "stop",
    "watch",
];

/// Which jobs are removed: those that are named, or those that meet both conditions.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct RemoveManyRequest {
    /// The ids of the jobs. If one of them does not exist, no job is removed.
    pub jobs: Vec<String>,
    /// Jobs whose id begins so.
    pub prefix: Option<String>,
    /// Jobs that have this tag.
    pub tag: Option<String>,
}

/// Which jobs are listed, and how.
///
/// ```
/// use matins_control::{JobsRequest, Request};
///
/// let paused = JobsRequest { paused: Some(true), ..JobsRequest::default() };
/// let request = Request::Jobs(paused);
/// # let _ = request;
/// ```
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct JobsRequest {
    /// Only those whose id begins so.
    pub prefix: Option<String>,
    /// Only those that have this tag.
    pub tag: Option<String>,
    /// Only those that are paused, or only those that are not.
    pub paused: Option<bool>,
    /// Their order.
    pub order: JobsOrder,
    /// Only those behind this place: the `next` of the page before.
    pub after: Option<PagePosition>,
    /// How many this answer has at most. By default it has all of them.
    pub page: Option<usize>,
}

/// The order of a list of jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobsOrder {
    /// By id.
    #[default]
    Id,
    /// By next fire time, then by id; jobs without one come last.
    NextFire,
}

/// The place of a job in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PagePosition {
    /// The job's id.
    pub id: String,
    /// Its next fire time.
    #[serde(default)]
    pub next_fire: Option<DateTime<Utc>>,
}

impl PagePosition {
    pub(crate) fn of(job: &Job) -> Self {
        Self { id: job.id.to_string(), next_fire: job.next_fire }
    }
}

impl TryFrom<PagePosition> for JobPosition {
    type Error = Problem;

    fn try_from(position: PagePosition) -> Result<Self, Problem> {
        let id = JobId::new(&position.id).map_err(|error| Problem::bad(format!("after: {error}")))?;
        Ok(Self { id, next_fire: position.next_fire })
    }
}

/// Which runs are listed.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct RunsRequest {
    /// Only those of this job.
    pub job: Option<String>,
    /// Only those with this outcome, as the ledger names it; `missed` is all of them, for whatever reason.
    pub outcome: Option<String>,
    /// Only those that were due at this instant or later.
    pub since: Option<DateTime<Utc>>,
    /// Only those that were due before this instant.
    pub until: Option<DateTime<Utc>>,
    /// How many at most, over all pages; 0 is all of them.
    pub limit: usize,
    /// Only those behind this run: the `next` of the page before.
    pub after: Option<RunPosition>,
    /// How many this answer has at most. By default it has all of them.
    pub page: Option<usize>,
}

/// The place of a run in a list.
///
/// In JSON a run of the first store is its number alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum RunPosition {
    /// A run of the first store.
    Run(u64),
    /// A run of another store.
    InStore {
        /// The store's name.
        store: String,
        /// The run's number.
        run: u64,
    },
}

/// What happens to runs in progress when the daemon is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopMode {
    /// The daemon waits for them.
    #[default]
    Wait,
    /// They are cancelled.
    Now,
}

impl Request {
    /// Returns whether the request changes nothing. It is dropped if its client has gone.
    ///
    /// ```
    /// use matins_control::Request;
    ///
    /// assert!(Request::Status.is_read_only());
    /// assert!(!Request::Pause { job: "backup".to_owned() }.is_read_only());
    /// ```
    pub fn is_read_only(&self) -> bool {
        match self {
            Self::Status
            | Self::Jobs(_)
            | Self::Job { .. }
            | Self::Runs(_)
            | Self::Run { .. }
            | Self::Why { .. }
            | Self::Export
            | Self::Info
            | Self::Watch => true,
            Self::Reload { dry_run } => *dry_run,
            Self::Add { .. }
            | Self::Edit { .. }
            | Self::Remove { .. }
            | Self::RemoveMany(_)
            | Self::Pause { .. }
            | Self::Resume { .. }
            | Self::Now { .. }
            | Self::Cancel { .. }
            | Self::Import { .. }
            | Self::Stop { .. } => false,
        }
    }
}
