//! How much of the ledger is kept, as a configuration says it.

use std::time::Duration;

use matins_scheduler::Retention;
use serde::Deserialize;

/// How much of the ledger is kept: see [`Retention`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(rename = "Ledger", description = "How much of the ledger is kept.")
)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct LedgerConfig {
    /// How many of the newest runs of each job are kept. The default is 100.
    pub runs_per_job: Option<KeepLimit>,
    /// For how many days finished runs are kept. The default is 30.
    pub days: Option<KeepLimit>,
    /// Of how many jobs that are gone a store in memory keeps the runs. The default is 1,000.
    pub ended_jobs: Option<KeepLimit>,
}

/// A number, or `"all"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(inline))]
#[serde(untagged, expecting = "a number from 0 up, or \"all\"")]
pub enum KeepLimit {
    /// So many.
    Number(u32),
    /// Whatever there is: `"all"`.
    Everything(All),
}

/// The word `all`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(inline))]
#[serde(rename_all = "lowercase")]
pub enum All {
    /// `"all"`.
    All,
}

impl LedgerConfig {
    /// Returns the retention, for [`SchedulerBuilder::retention`](matins_scheduler::SchedulerBuilder::retention).
    ///
    /// ```
    /// use matins_config::SchedulerConfig;
    ///
    /// let config = SchedulerConfig::from_toml("[ledger]\nruns_per_job = 1000\ndays = \"all\"")?;
    /// let retention = config.ledger.retention();
    /// assert_eq!((retention.runs_per_job, retention.age), (Some(1000), None));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn retention(&self) -> Retention {
        let default = Retention::default();
        let days = |days: u32| Duration::from_secs(u64::from(days) * 86_400);
        Retention {
            runs_per_job: limit(self.runs_per_job, default.runs_per_job, |number| number),
            age: limit(self.days, default.age, days),
            ended_jobs: limit(self.ended_jobs, default.ended_jobs, |number| number),
        }
    }
}

fn limit<T>(keep: Option<KeepLimit>, default: Option<T>, of: impl FnOnce(u32) -> T) -> Option<T> {
    match keep {
        None => default,
        Some(KeepLimit::Number(number)) => Some(of(number)),
        Some(KeepLimit::Everything(All::All)) => None,
    }
}
