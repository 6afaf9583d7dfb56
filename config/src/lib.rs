//! A scheduler from a configuration: stores by URL, executors by kind, defaults for jobs.
//!
//! | key or table | says |
//! | --- | --- |
//! | `timezone` | the default time zone of jobs |
//! | `stores` | name and URL of each job store; `store` is the one of the name `default` |
//! | `executors` | name, kind and limits of each executor |
//! | `job_defaults` | the policy of jobs that say nothing |
//! | `ledger` | how much of what has been is kept |
//!
//! ```
//! use matins_config::SchedulerConfig;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let directory = tempfile::tempdir()?;
//! # std::env::set_current_dir(&directory)?;
//! let config = SchedulerConfig::from_toml(r#"
//!     timezone = "Europe/Berlin"
//!
//!     [stores]
//!     default = "sqlite:jobs.db"
//!     scratch = "memory:"
//!
//!     [executors.default]
//!     kind = "thread"
//!     workers = 4
//!
//!     [job_defaults]
//!     misfire_grace = "10m"
//!     overlap = { allow = 2 }
//!     retry = { times = 3, wait = "30s" }
//!
//!     [ledger]
//!     runs_per_job = 1000
//!     days = "all"
//! "#)?;
//! let scheduler = config.builder()?.blocking()?;
//! # drop(scheduler);
//! # Ok(())
//! # }
//! ```
//!
//! | key | value | default |
//! | --- | --- | --- |
//! | `store` | the store `default`: the same as `stores.default` | `memory:` |
//! | `stores.NAME` | `memory:`, `sqlite:PATH` or `file:DIRECTORY`, paths from the working directory; `postgres://USER@HOST/DATABASE`; or a table with `url`: see [`StoreConfig`] | `default = "memory:"` |
//! | `executors.NAME` | `kind`: `thread`, `rayon`, `tokio`, `process` or `nats`, and the settings of [that kind](ExecutorConfig) | `default = { kind = "thread" }` |
//! | `timezone` | the zone of local times that name none, such as `Europe/Berlin`: see [`SchedulerBuilder::time_zone`] | `UTC` |
//! | `job_defaults` | what jobs get that say nothing else: see [`JobDefaults`] | |
//! | `ledger` | how much of it is kept: see [`LedgerConfig`] | 100 runs of each job, 30 days; in memory those of 1,000 jobs that are gone |
//!
//! Times are written as people write them: `30s`, `5m`, `1h 30m`, `250ms`, `2days`. JSON has the same keys
//! ([`from_json`](SchedulerConfig::from_json)), and so has whatever else serde reads. A key that is not known is refused.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod error;
mod executor;
mod human_duration;
mod job_defaults;
mod job_spec;
mod ledger;
mod nats_url;
mod postgres_url;
#[cfg(feature = "schema")]
mod schema;
mod store_config;
mod store_url;

use std::collections::BTreeMap;

use matins_core::{ExecutorName, StoreName};
use matins_scheduler::SchedulerBuilder;
use matins_triggers::Zone;
use serde::Deserialize;

pub use error::ConfigError;
pub use executor::ExecutorConfig;
pub use human_duration::{HumanDuration, HumanDurationError};
pub use job_defaults::{JobDefaults, RetryConfig};
pub use job_spec::{JobSpec, RetrySpec};
pub use ledger::{KeepLimit, LedgerConfig};
pub use nats_url::{NatsUrl, NatsUrlError};
pub use postgres_url::PostgresUrl;
#[cfg(feature = "schema")]
pub use schema::schema;
pub use store_config::{StoreConfig, StoreConfigError};
pub use store_url::{StoreUrl, StoreUrlError};

/// What a scheduler is made of. See the [crate's page](crate).
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Keys")]
#[non_exhaustive]
pub struct SchedulerConfig {
    /// Where jobs are kept. Jobs are looked for in the order of the names.
    pub stores: BTreeMap<StoreName, StoreConfig>,
    /// What runs them.
    pub executors: BTreeMap<ExecutorName, ExecutorConfig>,
    /// What jobs get that say nothing else.
    pub job_defaults: JobDefaults,
    /// The default time zone of jobs, which is UTC without it: see [`SchedulerBuilder::time_zone`].
    pub timezone: Option<Zone>,
    /// How much of the ledger is kept.
    pub ledger: LedgerConfig,
}

/// As it is written.
#[derive(Deserialize, Default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
struct Keys {
    /// The store named `default`: `sqlite:PATH`, `file:DIRECTORY`, `memory:` or `postgres://USER@HOST/DATABASE`. For the command,
    /// the option `--store` comes first, and without either it is `matins.db` in the working directory.
    store: Option<StoreConfig>,
    /// The stores, each under its name. Jobs that name none are in `default`.
    #[cfg_attr(feature = "schema", schemars(with = "BTreeMap<String, StoreConfig>"))]
    stores: BTreeMap<StoreName, StoreConfig>,
    /// What runs jobs, each under its name. Jobs that name none run on `default`.
    #[cfg_attr(feature = "schema", schemars(with = "BTreeMap<String, ExecutorConfig>"))]
    executors: BTreeMap<ExecutorName, ExecutorConfig>,
    /// What jobs get that say nothing else.
    job_defaults: JobDefaults,
    /// The time zone of all jobs that name none: `Europe/Berlin`. The default of the command is the machine's; that of a program
    /// is UTC.
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    timezone: Option<Zone>,
    /// How much of the ledger is kept.
    ledger: LedgerConfig,
}

impl TryFrom<Keys> for SchedulerConfig {
    type Error = StoreTwice;

    fn try_from(keys: Keys) -> Result<Self, StoreTwice> {
        let Keys { store, mut stores, executors, job_defaults, timezone, ledger } = keys;
        if let Some(store) = store
            && stores.insert(StoreName::default(), store).is_some()
        {
            return Err(StoreTwice);
        }
        Ok(Self { stores, executors, job_defaults, timezone, ledger })
    }
}

/// Two stores of the name `default`.
#[derive(Debug, thiserror::Error)]
#[error("`store` and `stores.default` are the same store; keep one of them")]
struct StoreTwice;

impl SchedulerConfig {
    /// Reads TOML.
    ///
    /// ```
    /// use matins_config::SchedulerConfig;
    ///
    /// let config = SchedulerConfig::from_toml("timezone = \"Europe/Berlin\"")?;
    /// assert_eq!(config.timezone.unwrap().name(), "Europe/Berlin");
    /// let error = SchedulerConfig::from_toml("timezone = \"Europe/Berlin\"\ntimezome = 1").unwrap_err();
    /// assert!(error.to_string().starts_with("2:1: "), "{error}");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The first fault, with its line and column.
    pub fn from_toml(text: &str) -> Result<Self, ConfigError> {
        toml::from_str(text).map_err(|error| {
            let before = &text[..error.span().map_or(0, |span| span.start).min(text.len())];
            let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
            ConfigError::Syntax {
                line: before.matches('\n').count() + 1,
                column: before[line_start..].chars().count() + 1,
                what: error.message().trim_end().to_owned(),
            }
        })
    }

    /// Reads JSON.
    ///
    /// ```
    /// use matins_config::SchedulerConfig;
    ///
    /// let config = SchedulerConfig::from_json(r#"{"timezone": "Europe/Berlin", "ledger": {"days": 7}}"#)?;
    /// assert_eq!(config.timezone.unwrap().name(), "Europe/Berlin");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The first fault, with its line and column.
    pub fn from_json(text: &str) -> Result<Self, ConfigError> {
        serde_json::from_str(text).map_err(|error| {
            let place = format!(" at line {} column {}", error.line(), error.column());
            let what = error.to_string();
            ConfigError::Syntax {
                line: error.line(),
                column: error.column(),
                what: what.strip_suffix(&place).unwrap_or(&what).to_owned(),
            }
        })
    }

    /// Opens the stores, starts the executors, and returns a builder that has both. More can be added to it.
    ///
    /// ```
    /// use matins_config::SchedulerConfig;
    /// use matins_core::JobQuery;
    ///
    /// // Without stores and executors in it: jobs in memory, run on threads.
    /// let config = SchedulerConfig::from_toml("[job_defaults]\nmisfire_grace = \"10m\"")?;
    /// let scheduler = config.builder()?.state("shared by all tasks".to_owned()).blocking()?;
    /// assert_eq!(scheduler.count(&JobQuery::default())?, 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If a store cannot be opened or an executor cannot be started, and if this program was built without one of them.
    pub fn builder(&self) -> Result<SchedulerBuilder, ConfigError> {
        let mut builder = SchedulerBuilder::new()
            .time_zone(self.timezone.unwrap_or_default())
            .job_defaults(self.job_defaults.policy())
            .retention(self.ledger.retention());
        if !self.stores.contains_key(&StoreName::default()) {
            builder = builder.store(StoreName::default(), StoreUrl::Memory.open()?);
        }
        for (name, store) in &self.stores {
            builder = store.give_to(builder, name)?;
        }
        if !self.executors.contains_key(&ExecutorName::default()) {
            builder = builder.executor(ExecutorName::default(), ExecutorConfig::default().build()?);
        }
        for (name, executor) in &self.executors {
            builder = builder.executor(name, executor.build()?);
        }
        Ok(builder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_store_has_a_short_form() {
        let config =
            SchedulerConfig::from_toml("store = \"sqlite:a.db\"\n[stores]\nscratch = \"memory:\"\n").unwrap();
        assert_eq!(config.stores.keys().map(StoreName::as_str).collect::<Vec<_>>(), ["default", "scratch"]);
        let twice =
            SchedulerConfig::from_toml("store = \"memory:\"\nstores.default = \"memory:\"\n").unwrap_err();
        assert!(twice.to_string().contains("the same store; keep one"), "{twice}");
    }
}
