//! What jobs get that say nothing else.

use std::num::{NonZeroU32, NonZeroU64};

use matins_core::{Backoff, Coalesce, Group, OnExhausted, OnInterrupt, Overlap, Policy, Retry};
use serde::Deserialize;

use crate::HumanDuration;
#[cfg(feature = "schema")]
use crate::schema::written;

/// What jobs get that say nothing else. Each key has the default of [`Policy`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(description = "What jobs get that say nothing else.")
)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct JobDefaults {
    /// How late a run may start: `10m`. A fire that is later is missed.
    pub misfire_grace: Option<HumanDuration>,
    /// Which of several fires that are due together runs.
    #[cfg_attr(feature = "schema", schemars(with = "written::Coalesce"))]
    pub coalesce: Coalesce,
    /// What happens to a fire that finds a run still going: `skip`, `queue_one` or `{ allow = N }`.
    #[cfg_attr(feature = "schema", schemars(with = "written::Overlap"))]
    pub overlap: Overlap,
    /// What happens to a run that was going when the scheduler stopped: `leave` or `run_again`.
    #[cfg_attr(feature = "schema", schemars(with = "written::OnInterrupt"))]
    pub on_interrupt: OnInterrupt,
    /// What happens to a job that will not fire again: `remove` or `keep`. The jobs of a file are kept.
    #[cfg_attr(feature = "schema", schemars(with = "written::OnExhausted"))]
    pub on_exhausted: OnExhausted,
    /// How long a run may take: `1h`.
    pub time_limit: Option<HumanDuration>,
    /// Whether a run that failed is tried again: `{ times = 3, wait = "30s" }`, or `{ times = 3, first = "1s", longest = "1h" }`.
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::RetrySpec>"))]
    pub retry: Option<RetryConfig>,
    /// Runs with a higher one begin first where they wait for their executor.
    pub priority: i32,
    /// The concurrency group: `"database"`, or `{ name = "database", limit = 2 }`.
    #[cfg_attr(feature = "schema", schemars(with = "Option<written::Group>"))]
    pub group: Option<Group>,
    /// How long after the end of a run the next one begins, in place of the trigger's next fire time.
    pub delay: Option<HumanDuration>,
    /// How often a job runs at most.
    pub max_runs: Option<NonZeroU64>,
    /// After how many failures in a row it is paused.
    pub max_failures: Option<NonZeroU32>,
}

/// Whether, and when, a run that ended badly is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "RetryKeys")]
#[non_exhaustive]
pub struct RetryConfig {
    /// How often.
    pub times: u32,
    /// How long it waits before.
    pub backoff: Backoff,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RetryKeys {
    times: u32,
    wait: Option<HumanDuration>,
    first: Option<HumanDuration>,
    longest: Option<HumanDuration>,
}

impl TryFrom<RetryKeys> for RetryConfig {
    type Error = &'static str;

    fn try_from(keys: RetryKeys) -> Result<Self, Self::Error> {
        let backoff = match (keys.wait, keys.first, keys.longest) {
            (Some(wait), None, None) => Backoff::Fixed(wait.into()),
            (Some(_), ..) => return Err("a retry has either `wait`, or `first` and `longest`; keep one"),
            (None, first, longest) => Backoff::Exponential {
                first: first.map_or(Backoff::FIRST, HumanDuration::into),
                longest: longest.map_or(Backoff::LONGEST, HumanDuration::into),
            },
        };
        Ok(Self { times: keys.times, backoff })
    }
}

impl From<&Policy> for JobDefaults {
    fn from(policy: &Policy) -> Self {
        let Retry { times, backoff, .. } = policy.retry;
        Self {
            misfire_grace: policy.misfire_grace.map(HumanDuration),
            coalesce: policy.coalesce,
            overlap: policy.overlap,
            on_interrupt: policy.on_interrupt,
            on_exhausted: policy.on_exhausted,
            time_limit: policy.time_limit.map(HumanDuration),
            retry: (times > 0).then_some(RetryConfig { times, backoff }),
            priority: policy.priority,
            group: policy.group.clone(),
            delay: policy.delay.map(HumanDuration),
            max_runs: policy.max_runs,
            max_failures: policy.max_failures,
        }
    }
}

impl JobDefaults {
    /// Returns the policy, for [`SchedulerBuilder::job_defaults`](matins_scheduler::SchedulerBuilder::job_defaults).
    ///
    /// ```
    /// use std::time::Duration;
    /// use matins_config::SchedulerConfig;
    ///
    /// let config = SchedulerConfig::from_toml("[job_defaults]\ntime_limit = \"1h 30m\"")?;
    /// assert_eq!(config.job_defaults.policy().time_limit, Some(Duration::from_secs(90 * 60)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn policy(&self) -> Policy {
        let mut policy = Policy::default();
        policy.misfire_grace = self.misfire_grace.map(HumanDuration::into);
        (policy.coalesce, policy.overlap) = (self.coalesce, self.overlap);
        (policy.on_interrupt, policy.on_exhausted) = (self.on_interrupt, self.on_exhausted);
        policy.time_limit = self.time_limit.map(HumanDuration::into);
        if let Some(retry) = self.retry {
            policy.retry = Retry::times(retry.times).backoff(retry.backoff);
        }
        policy.priority = self.priority;
        policy.group.clone_from(&self.group);
        policy.delay = self.delay.map(HumanDuration::into);
        (policy.max_runs, policy.max_failures) = (self.max_runs, self.max_failures);
        policy
    }
}
