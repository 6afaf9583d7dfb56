//! What is told of jobs, of the daemon and of its store.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use matins::{Job, Run, RunId};
use serde::{Deserialize, Serialize};

use crate::orphans::OrphanView;

/// How many fires to come are told of a job.
const UPCOMING: usize = 3;

/// A job, with what people want to know of it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct JobView {
    #[serde(flatten)]
    pub(crate) job: Job,
    /// Its trigger in English.
    pub(crate) description: String,
    /// Its next fire times.
    pub(crate) upcoming: Vec<DateTime<Utc>>,
}

impl JobView {
    pub(crate) fn of(job: Job) -> Self {
        let upcoming = std::iter::successors(job.next_fire, |last| job.trigger.next_after(*last));
        // With a delay, those after the next depend on when the run ends.
        let known = if job.policy.delay.is_some() { 1 } else { UPCOMING };
        Self { description: job.trigger.describe(), upcoming: upcoming.take(known).collect(), job }
    }
}

/// A run, with what is known of it beside its row of the ledger.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct RunView {
    #[serde(flatten)]
    pub(crate) run: Run,
    /// Where it is, unless it has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) state: Option<RunState>,
    /// The job of the run that it follows, where the ledger still has that run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cause_job: Option<String>,
}

/// Where a run is that has not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RunState {
    /// It waits for an earlier run of its job to end, or for the turn of its next attempt.
    Waiting,
    /// The executor has taken it, and has no free thread for it yet.
    Queued,
    /// Its work has begun.
    Running,
}

impl RunState {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Queued => "queued",
            Self::Running => "running",
        }
    }
}

impl RunView {
    /// Of a run that has started: when its work did, which may be later than it was handed over.
    pub(crate) fn of(mut run: Run, in_flight: &BTreeMap<RunId, Option<DateTime<Utc>>>) -> Self {
        let state = match (run.outcome, run.started, in_flight.get(&run.id)) {
            (Some(_), ..) => None,
            (None, _, Some(began)) => {
                run.started = *began;
                Some(if began.is_some() { RunState::Running } else { RunState::Queued })
            }
            (None, Some(_), None) => Some(RunState::Running),
            (None, None, None) => Some(RunState::Waiting),
        };
        Self { run, state, cause_job: None }
    }

    /// What it follows, for people: `run 812 of backup`.
    pub(crate) fn cause(&self) -> Option<String> {
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

/// How the daemon is.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Status {
    pub(crate) version: String,
    pub(crate) pid: u32,
    /// Since when it has run.
    pub(crate) since: DateTime<Utc>,
    pub(crate) state: String,
    pub(crate) store: String,
    pub(crate) timezone: String,
    /// The tz database that it uses, and what is wrong with it.
    #[serde(default)]
    pub(crate) tz_database: String,
    #[serde(default)]
    pub(crate) tz_problems: Vec<String>,
    pub(crate) jobs: usize,
    /// The job that fires next.
    pub(crate) next: Option<(String, DateTime<Utc>)>,
    /// The runs that are in progress or wait, the oldest first: the first thousand of them.
    pub(crate) running: Vec<RunView>,
    /// How many there are.
    #[serde(default)]
    pub(crate) unfinished: usize,
    /// Commands that are still running although the daemon that started them was killed.
    #[serde(default)]
    pub(crate) orphans: Vec<OrphanView>,
    /// How many runs ended so since it started, and how many fires were missed for what.
    pub(crate) outcomes: BTreeMap<String, u64>,
    /// How often its store has failed.
    pub(crate) store_failures: u64,
    /// Why the files were refused when they were read last: the jobs are as they were before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) files_refused: Option<String>,
}

/// What a store holds.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct StoreInfo {
    pub(crate) store: String,
    pub(crate) jobs: usize,
    pub(crate) paused: usize,
    pub(crate) runs: usize,
    pub(crate) oldest_run: Option<DateTime<Utc>>,
    pub(crate) set_aside: Vec<String>,
    /// Its files and their lengths in bytes.
    pub(crate) files: BTreeMap<String, u64>,
}
