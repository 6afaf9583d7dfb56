//! What the API answers.

use chrono::{DateTime, Utc};
use matins_control::{JobView, NodeView, RunView, Status};
use matins_core::JobState;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

/// A page of a list of jobs.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct JobPage {
    /// The jobs.
    pub(crate) items: Vec<Job>,
    /// `after` of the next page, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<String>,
}

/// A page of a list of runs.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RunPage {
    /// The runs.
    pub(crate) items: Vec<Run>,
    /// `after` of the next page, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<String>,
}

/// A job.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Job {
    /// Its id.
    id: String,
    /// Its trigger in English: `at 02:30 every day, UTC`.
    description: String,
    /// The store that keeps it, unless that is the first one.
    store: Option<String>,
    /// Whether it is paused: it does not fire then.
    paused: bool,
    /// When it fires next.
    next_fire: Option<DateTime<Utc>>,
    /// Its next fire times.
    upcoming: Vec<DateTime<Utc>>,
    /// The task that it runs; `command` for a command.
    task: String,
    /// What the task is given: for a command, its program, arguments and environment.
    arguments: Value,
    /// Its trigger, as stores keep it.
    trigger: Value,
    /// What happens when it is late, overlaps itself, or fails.
    policy: Value,
    /// Words to find it by.
    tags: Vec<String>,
    /// What else was noted of it, such as the file that defines it.
    metadata: Value,
    /// When it was added.
    created: DateTime<Utc>,
    /// How often it has been changed.
    revision: u64,
}

impl From<JobView> for Job {
    fn from(JobView { job, store, description, upcoming }: JobView) -> Self {
        Self {
            id: job.id.to_string(),
            description,
            store,
            paused: job.state == JobState::Paused,
            next_fire: job.next_fire,
            upcoming,
            task: job.task.to_string(),
            trigger: serde_json::to_value(&*job.trigger).unwrap_or_default(),
            arguments: job.arguments,
            policy: json!(job.policy),
            tags: job.tags.into_iter().collect(),
            metadata: json!(job.metadata),
            created: job.created,
            revision: job.revision,
        }
    }
}

/// A run, or fires that were missed one after the other for the same reason.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Run {
    /// Its number.
    id: u64,
    /// Its job.
    job: String,
    /// When it was due.
    scheduled: DateTime<Utc>,
    /// The last of its fires. A row of missed fires covers several.
    last_scheduled: DateTime<Utc>,
    /// How many fires the row covers.
    fires: u64,
    /// Which attempt it is, from 1.
    attempt: u32,
    /// Whether it was started manually, in addition to the schedule.
    manual: bool,
    /// When it began.
    started: Option<DateTime<Utc>>,
    /// When it ended.
    finished: Option<DateTime<Utc>>,
    /// How it ended: `succeeded`, `failed`, `timed out`, `cancelled`, `interrupted`, `missed: overlap` and the like.
    outcome: Option<String>,
    /// What it does, unless it has ended: `waiting`, `queued` or `running`.
    state: Option<String>,
    /// Why it ended so.
    message: Option<String>,
    /// What it has printed: the end of it.
    output: Option<String>,
    /// What it has returned.
    result: Option<Value>,
    /// The run that it follows.
    cause: Option<u64>,
    /// The store whose ledger has it, unless that is the first one.
    store: Option<String>,
    /// The scheduler that has begun it, where several share the store.
    node: Option<String>,
}

impl From<RunView> for Run {
    fn from(view: RunView) -> Self {
        let run = view.run;
        Self {
            id: run.id.0,
            job: run.job.to_string(),
            scheduled: run.fires.first,
            last_scheduled: run.fires.last,
            fires: run.fires.count,
            attempt: run.attempt,
            manual: run.manual,
            started: run.started,
            finished: run.finished,
            outcome: run.outcome.map(|outcome| outcome.as_str().to_owned()),
            state: view.state.map(|state| state.as_str().to_owned()),
            message: run.message,
            output: run.output,
            result: run.result,
            cause: run.cause.map(|cause| cause.0),
            store: view.store,
            node: view.node,
        }
    }
}

/// The scheduler and its process.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StatusBody {
    /// Its version.
    version: String,
    /// Its process.
    pid: u32,
    /// The application that embeds it; none for `matins run`.
    application: Option<String>,
    /// Since when it runs.
    since: DateTime<Utc>,
    /// `starting`, `running`, `paused`, `stopping` or `stopped`.
    state: String,
    /// Its store.
    store: String,
    /// The zone of jobs that name none.
    timezone: String,
    /// The tz database that it uses.
    tz_database: String,
    /// How many jobs there are.
    jobs: usize,
    /// The job that fires next, and when.
    next: Option<NextFire>,
    /// How many runs are in progress or wait.
    unfinished: usize,
    /// How many runs ended with each outcome since it was started, and how many fires were missed for each reason.
    outcomes: std::collections::BTreeMap<String, u64>,
    /// How often its store has failed.
    store_failures: u64,
    /// Why its files were refused when they were read last.
    files_refused: Option<String>,
    /// Whether this server refuses changes.
    read_only: bool,
}

/// A job and when it fires next.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NextFire {
    /// The job.
    job: String,
    /// When it fires.
    at: DateTime<Utc>,
}

impl StatusBody {
    pub(crate) fn of(status: Status, read_only: bool) -> Self {
        Self {
            version: status.version,
            pid: status.pid,
            application: status.application,
            since: status.since,
            state: status.state,
            store: status.store,
            timezone: status.timezone,
            tz_database: status.tz_database,
            jobs: status.jobs,
            next: status.next.map(|(job, at)| NextFire { job, at }),
            unfinished: status.unfinished,
            outcomes: status.outcomes,
            store_failures: status.store_failures,
            files_refused: status.files_refused,
            read_only,
        }
    }
}

/// A scheduler that shares the store.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Node {
    /// Its number.
    id: u64,
    /// Its label.
    label: String,
    /// `up`, `late` (its lease has ended) or `dead`.
    state: String,
    /// Whether it is the one that answers.
    own: bool,
    /// When it joined.
    joined: DateTime<Utc>,
    /// How much of its lease is left, in seconds; negative when it has ended.
    lease_left_seconds: f64,
    /// How many runs it has in progress.
    running: u64,
    /// Its version.
    version: String,
}

impl From<NodeView> for Node {
    fn from(node: NodeView) -> Self {
        Self {
            id: node.id,
            label: node.label,
            state: node.state.as_str().to_owned(),
            own: node.is_self,
            joined: node.joined,
            lease_left_seconds: node.lease_left_seconds,
            running: node.running,
            version: node.version,
        }
    }
}
