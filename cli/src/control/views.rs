//! What is told of jobs, of the daemon and of its store.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use matins::{Job, Run};
use serde::{Deserialize, Serialize};

use crate::secrets;

/// How many fires to come are told of a job.
const UPCOMING: usize = 3;

/// A job, with what people want to know of it; values under names that look secret are left out.
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
    pub(crate) fn of(mut job: Job) -> Self {
        secrets::hide(&mut job.arguments);
        if let Some(definition) = job.metadata.get_mut("definition") {
            secrets::hide(definition);
        }
        let upcoming = std::iter::successors(job.next_fire, |last| job.trigger.next_after(*last));
        Self { description: job.trigger.describe(), upcoming: upcoming.take(UPCOMING).collect(), job }
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
    /// What goes on.
    pub(crate) running: Vec<Run>,
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
