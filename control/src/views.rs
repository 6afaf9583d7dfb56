//! What answers have of jobs, runs, the scheduler and its stores.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use matins_core::{Job, Run, RunId};
use serde::{Deserialize, Serialize};

use crate::{NodeView, SharedView};

/// How many of its next fire times a job is shown with.
const UPCOMING: usize = 3;

/// A job, with its trigger in English and its next fire times.
///
/// ```
/// use matins_control::JobView;
/// # use matins_scheduler::{Schedule, SchedulerBuilder};
/// # use matins_store_memory::MemoryStore;
/// # use matins_triggers::cron;
/// # let start = "2026-01-01T00:00:00Z".parse()?;
/// # let mut scheduler = SchedulerBuilder::new().store("default", MemoryStore::new()).testing(start)?;
/// scheduler.add(cron("30 2 * * *").run(|| ()).id("backup"))?;
/// let view = JobView::of(scheduler.get("backup")?.unwrap());
/// assert_eq!(view.description, "at 02:30 every day, UTC");
/// assert_eq!(view.upcoming.len(), 3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Serialize, Deserialize)]
pub struct JobView {
    /// The job.
    #[serde(flatten)]
    pub job: Job,
    /// The store that keeps it, unless that is the first one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store: Option<String>,
    /// Its trigger in English.
    pub description: String,
    /// Its next fire times.
    pub upcoming: Vec<DateTime<Utc>>,
}

impl JobView {
    /// Returns the view of a job that the first store keeps.
    pub fn of(job: Job) -> Self {
        let upcoming = std::iter::successors(job.next_fire, |last| job.trigger.next_after(*last));
        // With a delay, those after the next depend on when the run ends.
        let known = if job.policy.delay.is_some() { 1 } else { UPCOMING };
        Self {
            store: None,
            description: job.trigger.describe(),
            upcoming: upcoming.take(known).collect(),
            job,
        }
    }
}

/// A run: its row of the ledger, and what else is known of it.
///
/// ```
/// use std::collections::BTreeMap;
///
/// use matins_control::{RunState, RunView};
/// use matins_core::{JobId, Run, RunId};
///
/// let now = "2026-01-01T00:00:00Z".parse()?;
/// let run = Run::started(RunId(8), JobId::new("report")?, now, now).with(|run| run.cause = Some(RunId(7)));
/// // An executor has it, and its work has not begun.
/// let mut view = RunView::of(run, &BTreeMap::from([(RunId(8), None)]));
/// assert_eq!(view.state, Some(RunState::Queued));
/// view.cause_job = Some("backup".to_owned());
/// assert_eq!(view.cause().unwrap(), "run 7 of backup");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Serialize, Deserialize)]
pub struct RunView {
    /// The row of the ledger.
    #[serde(flatten)]
    pub run: Run,
    /// The store that has it, unless that is the first one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store: Option<String>,
    /// What it does, unless it has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<RunState>,
    /// The job of the run that it follows, if the ledger still has that run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause_job: Option<String>,
    /// The label of the scheduler that has begun it, where several share the store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
}

/// What a run does that has not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// It waits for an earlier run of its job to end, or for its next attempt.
    Waiting,
    /// It waits for a free thread or worker of its executor.
    Queued,
    /// Its work has begun.
    Running,
}

impl RunState {
    /// Returns its name, as in JSON.
    ///
    /// ```
    /// use matins_control::RunState;
    ///
    /// assert_eq!(RunState::Queued.as_str(), "queued");
    /// ```
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Queued => "queued",
            Self::Running => "running",
        }
    }
}

impl RunView {
    /// Returns the view of a run. `in_flight` has the runs that executors have taken: the work of one may begin later than it
    /// was handed over.
    pub fn of(mut run: Run, in_flight: &BTreeMap<RunId, Option<DateTime<Utc>>>) -> Self {
        let state = match (run.outcome, run.started, in_flight.get(&run.id)) {
            (Some(_), ..) => None,
            (None, _, Some(began)) => {
                run.started = *began;
                Some(if began.is_some() { RunState::Running } else { RunState::Queued })
            }
            (None, Some(_), None) => Some(RunState::Running),
            (None, None, None) => Some(RunState::Waiting),
        };
        Self { run, store: None, state, cause_job: None, node: None }
    }

    /// Returns what it follows, for people: `run 812 of backup`.
    pub fn cause(&self) -> Option<String> {
        let cause = self.run.cause?;
        let job = self.cause_job.as_ref().map(|job| format!(" of {job}"));
        Some(format!("run {cause}{}", job.unwrap_or_default()))
    }
}

impl From<Run> for RunView {
    fn from(run: Run) -> Self {
        Self::of(run, &BTreeMap::new())
    }
}

/// The state of a scheduler and its process.
#[derive(Debug, Serialize, Deserialize)]
pub struct Status {
    /// The version of the server.
    pub version: String,
    /// The process.
    pub pid: u32,
    /// The name of the application that embeds the scheduler; `None` for the daemon of `matins run`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub application: Option<String>,
    /// When the daemon was started, or the socket was served.
    pub since: DateTime<Utc>,
    /// `starting`, `running`, `paused`, `stopping` or `stopped`; `visiting` for a command that looks at a shared store itself.
    pub state: String,
    /// The store, or the names of several.
    pub store: String,
    /// The zone of jobs that name none.
    pub timezone: String,
    /// The tz database that it uses.
    #[serde(default)]
    pub tz_database: String,
    /// What is wrong with that.
    #[serde(default)]
    pub tz_problems: Vec<String>,
    /// How many jobs there are.
    pub jobs: usize,
    /// The job that fires next, and when.
    pub next: Option<(String, DateTime<Utc>)>,
    /// The runs that are in progress or wait, the oldest first: the first thousand of them.
    pub running: Vec<RunView>,
    /// How many runs are in progress or wait.
    #[serde(default)]
    pub unfinished: usize,
    /// Commands that are still running although the daemon that started them was killed.
    #[serde(default)]
    pub orphans: Vec<OrphanView>,
    /// How many runs ended with each outcome since it was started, and how many fires were missed for each reason.
    pub outcomes: BTreeMap<String, u64>,
    /// How often its store has failed.
    pub store_failures: u64,
    /// The schedulers that share the store, if it is shared.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<NodeView>,
    /// Why the files were refused when they were read last: the jobs have not changed then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files_refused: Option<String>,
}

/// A command that is still running although the daemon that started it was killed.
///
/// ```
/// use matins_control::OrphanView;
///
/// let orphan = OrphanView { job: "backup".to_owned(), run: 7, pid: 4711 };
/// assert!(orphan.describe().ends_with("is still running as process 4711"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrphanView {
    /// The job's id.
    pub job: String,
    /// The run that started it.
    pub run: u64,
    /// The process of the command.
    pub pid: u32,
}

impl OrphanView {
    /// Returns a clause for people, and for the message of a run that is missed because of it.
    pub fn describe(&self) -> String {
        format!(
            "the command of run {}, started by a daemon that was killed, is still running as process {}",
            self.run, self.pid
        )
    }
}

/// What the stores hold.
#[derive(Debug, Serialize, Deserialize)]
pub struct StoreInfo {
    /// The store, or the names of several.
    pub store: String,
    /// How many jobs there are.
    pub jobs: usize,
    /// How many of them are paused.
    pub paused: usize,
    /// How many runs the ledger has.
    pub runs: usize,
    /// When the oldest run was due.
    pub oldest_run: Option<DateTime<Utc>>,
    /// What is unreadable and was quarantined.
    pub quarantined: Vec<String>,
    /// The files of the store and their lengths in bytes.
    pub files: BTreeMap<String, u64>,
    /// What else is known of a store that schedulers share.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared: Option<SharedView>,
}
