//! A job as files, the command line and the HTTP API write it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use matins_core::{AfterOutcome, Coalesce, OnExhausted, OnInterrupt, Overlap};
use serde::{Deserialize, Serialize};
use serde_json::Value;

#[cfg(feature = "schema")]
use crate::schema::written;

/// A job that runs a command, as it is written: the table `[jobs.NAME]` of a configuration, and the same keys in JSON.
///
/// Texts are as they were written: what reads a job checks them, and can say where one is wrong. With the feature `schema`, this
/// has a JSON Schema.
///
/// ```
/// use matins_config::JobSpec;
///
/// let spec: JobSpec = serde_json::from_str(r#"{"every": "5m", "shell": "echo hello"}"#)?;
/// assert_eq!(spec.every.as_deref(), Some("5m"));
/// assert_eq!(serde_json::to_string(&spec)?, r#"{"every":"5m","shell":"echo hello"}"#);
/// assert!(serde_json::from_str::<JobSpec>(r#"{"interval": "5m"}"#).is_err());
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(description = "A job that runs a command.")
)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct JobSpec {
    /// Fires every so often, from the time at which the job is added: `5m`, `1h 30m`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub every: Option<String>,
    /// Fires when a cron expression says so: `0 9 * * MON-FRI`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cron: Option<String>,
    /// Fires once, at a time: `2026-12-24T18:00`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// Fires once, so long from now: `10s`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub r#in: Option<String>,
    /// Runs after each run of this job.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// How a run of that job has to end to be followed: `succeeded` (the default), `failed` or `any`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<written::On>"))]
    pub on: Option<AfterOutcome>,
    /// The zone in which `cron` and `at` are meant: `Europe/Berlin`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
    /// Each fire is so much later at most, always by the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jitter: Option<String>,
    /// The program and its arguments; no shell reads them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<Vec<String>>,
    /// A line for `/bin/sh`, in place of `command`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shell: Option<String>,
    /// Environment variables.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub environment: BTreeMap<String, String>,
    /// Whether it has nothing else in its environment.
    #[serde(skip_serializing_if = "is_false")]
    pub clear_environment: bool,
    /// The directory that it runs in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub directory: Option<PathBuf>,
    /// What it reads from its standard input.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stdin: Option<String>,
    /// The permissions that its files do not get, in octal: `077`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub umask: Option<String>,
    /// How far it stands back for others: -20 to 19.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nice: Option<i64>,
    /// The user that it runs as, where the scheduler is root.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The store that it is in: a name of the table `stores`. The default is `default`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub store: Option<String>,
    /// The executor that runs it: a name of the table `executors`. The default is `default`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub executor: Option<String>,
    /// How late it may start: `10m`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub misfire_grace: Option<String>,
    /// How long a run may take: `1h`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_limit: Option<String>,
    /// Whether a run that failed is tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry: Option<RetrySpec>,
    /// Runs with a higher one begin first where they wait.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<i64>,
    /// The concurrency group: a name, or a name and a limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<written::Group>"))]
    pub group: Option<Value>,
    /// How long after the end of a run the next one begins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delay: Option<String>,
    /// How often it runs at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_runs: Option<i64>,
    /// After how many failures in a row it is paused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_failures: Option<i64>,
    /// How long a run is expected to take, for simulations.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected_duration: Option<String>,
    /// Which of several fires that are due together runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<written::Coalesce>"))]
    pub coalesce: Option<Coalesce>,
    /// What happens to a fire that finds a run still going.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<written::Overlap>"))]
    pub overlap: Option<Overlap>,
    /// What happens to a run that was going when the scheduler stopped.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<written::OnInterrupt>"))]
    pub on_interrupt: Option<OnInterrupt>,
    /// What happens to a job that will not fire again. Of the defaults of jobs only: those of a file are kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(skip))]
    pub on_exhausted: Option<OnExhausted>,
    /// What happens to a command that is still running although its scheduler was killed: `wait` (the default), `kill` or
    /// `ignore`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<written::OnOrphan>"))]
    pub on_orphan: Option<String>,
    /// Whether it is added paused.
    #[serde(skip_serializing_if = "is_false")]
    pub paused: bool,
    /// Words to find it by.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub tags: BTreeSet<String>,
}

/// `{ times = 3, wait = "30s" }`, or with a wait that grows from `first` to `longest`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(description = "When a run that failed is tried again.")
)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct RetrySpec {
    /// How often.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub times: Option<i64>,
    /// How long it waits before each.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wait: Option<String>,
    /// How long it waits before the first; twice as long before each further one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first: Option<String>,
    /// How long it waits at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub longest: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_false(flag: &bool) -> bool {
    !flag
}
