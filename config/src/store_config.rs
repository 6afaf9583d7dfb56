//! A store, and how it is opened.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use matins_core::{JobStore, StoreError, StoreName};
use matins_scheduler::SchedulerBuilder;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use thiserror::Error;

use crate::store_url::parameters;
use crate::{ConfigError, HumanDuration, HumanDurationError, StoreUrl, StoreUrlError};

/// A store, and how it is opened: a URL with parameters, or a table.
///
/// | parameter, key | says | default |
/// | --- | --- | --- |
/// | `wait_for_owner` | how long to wait for another process that owns the store, such as the previous one in a deployment | not at all |
///
/// ```
/// use matins_config::{SchedulerConfig, StoreConfig, StoreUrl};
///
/// let store: StoreConfig = "sqlite:jobs.db?wait_for_owner=30s".parse().unwrap();
/// assert_eq!(store.url, StoreUrl::Sqlite("jobs.db".into()));
/// assert_eq!(store.wait_for_owner, Some("30s".parse().unwrap()));
/// // The same, as a table.
/// let config = r#"stores.default = { url = "sqlite:jobs.db", wait_for_owner = "30s" }"#;
/// let config = SchedulerConfig::from_toml(config).unwrap();
/// assert!(config.stores.values().eq([&store]));
/// ```
///
/// A `?` in a path is part of it, unless a name and `=` follow.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(with = "Written", inline, description = "A store: its URL, or a table.")
)]
#[non_exhaustive]
pub struct StoreConfig {
    /// The store.
    pub url: StoreUrl,
    /// How long opening it waits for another process that owns it.
    pub wait_for_owner: Option<HumanDuration>,
}

/// Why a text is not a store.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum StoreConfigError {
    /// It has no URL of a store.
    #[error(transparent)]
    Url(#[from] StoreUrlError),
    /// A parameter is not known.
    #[error("{text:?} has the parameter {name:?}, which no store has; write ?wait_for_owner=30s")]
    Parameter {
        /// The whole text.
        text: String,
        /// The parameter.
        name: String,
    },
    /// How long to wait for an owner is no duration.
    #[error("wait_for_owner")]
    WaitForOwner(#[source] HumanDurationError),
    /// A store in memory has no other owner.
    #[error(
        "wait_for_owner is of no use with a store in memory, which no other process can own; leave it out"
    )]
    Memory,
    /// A store that schedulers share has no owner to wait for.
    #[error("wait_for_owner is of no use with a store that schedulers share; leave it out")]
    Shared,
}

impl StoreConfig {
    /// Opens the store, or creates it. The calling thread sleeps while it waits for an owner.
    ///
    /// # Errors
    /// When it cannot be opened, when another process still owns it after the wait, and when this program was built without its
    /// feature.
    ///
    /// ```
    /// use matins_config::StoreConfig;
    ///
    /// let store = "memory:".parse::<StoreConfig>().unwrap().open().unwrap();
    /// assert!(!store.is_persistent());
    /// ```
    pub fn open(&self) -> Result<Box<dyn JobStore>, ConfigError> {
        #[allow(unused_variables)] // Where no store that can fail is built in.
        let (limit, failed) =
            (self.wait_for_owner.map_or(Duration::ZERO, Duration::from), |source: StoreError| {
                ConfigError::Store { url: self.url.clone(), source }
            });
        match &self.url {
            #[cfg(feature = "sqlite")]
            StoreUrl::Sqlite(path) => {
                let options = matins_store_sqlite::SqliteStore::options().wait_for_owner(limit);
                Ok(Box::new(options.open(path).map_err(failed)?))
            }
            #[cfg(feature = "file")]
            StoreUrl::File(path) => {
                let options = matins_store_file::FileStore::options().wait_for_owner(limit);
                Ok(Box::new(options.open(path).map_err(failed)?))
            }
            _ => self.url.open(),
        }
    }

    /// Opens the store, and gives it to a scheduler under a name.
    ///
    /// ```
    /// use matins_config::StoreConfig;
    /// use matins_core::StoreName;
    /// use matins_scheduler::SchedulerBuilder;
    ///
    /// let store: StoreConfig = "memory:".parse()?;
    /// let scheduler = store.give_to(SchedulerBuilder::new(), &StoreName::default())?.blocking()?;
    /// assert_eq!(scheduler.stores()?, ["default"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn give_to(
        &self,
        builder: SchedulerBuilder,
        name: &StoreName,
    ) -> Result<SchedulerBuilder, ConfigError> {
        match &self.url {
            #[cfg(feature = "postgres")]
            StoreUrl::Postgres(url) => {
                let failed = |source| ConfigError::Store { url: self.url.clone(), source };
                let store = postgres_options(url)
                    .and_then(matins_store_postgres::PostgresOptions::open)
                    .map_err(failed)?;
                Ok(builder.shared_store(name, store))
            }
            #[cfg(not(feature = "postgres"))]
            StoreUrl::Postgres(_) => Err(ConfigError::not_built(&self.url, "postgres")),
            _ => Ok(builder.store(name, self.open()?)),
        }
    }

    fn checked(self) -> Result<Self, StoreConfigError> {
        match self {
            Self { url: StoreUrl::Memory, wait_for_owner: Some(_) } => Err(StoreConfigError::Memory),
            Self { url: StoreUrl::Postgres(_), wait_for_owner: Some(_) } => Err(StoreConfigError::Shared),
            config => Ok(config),
        }
    }
}

/// What the URL says, and the tz database of this process.
#[cfg(feature = "postgres")]
fn postgres_options(
    url: &crate::PostgresUrl,
) -> Result<matins_store_postgres::PostgresOptions, matins_core::StoreError> {
    let options: Result<matins_store_postgres::PostgresOptions, _> = url.with_password().parse();
    let options = options.map_err(|error| matins_core::StoreError::Backend {
        doing: "reading the URL of the database".to_owned(),
        source: error.into(),
    })?;
    Ok(options.time_zones(matins_triggers::tzdb::version().to_string()))
}

impl From<StoreUrl> for StoreConfig {
    fn from(url: StoreUrl) -> Self {
        Self { url, wait_for_owner: None }
    }
}

impl FromStr for StoreConfig {
    type Err = StoreConfigError;

    fn from_str(text: &str) -> Result<Self, StoreConfigError> {
        let Some((url, parameters)) = parameters(text) else { return Ok(text.parse::<StoreUrl>()?.into()) };
        let mut config = Self::from(url.parse::<StoreUrl>()?);
        for parameter in parameters.split('&') {
            match parameter.split_once('=') {
                Some(("wait_for_owner", limit)) => {
                    config.wait_for_owner = Some(limit.parse().map_err(StoreConfigError::WaitForOwner)?);
                }
                other => {
                    let name = other.map_or(parameter, |(name, _)| name).to_owned();
                    return Err(StoreConfigError::Parameter { text: text.to_owned(), name });
                }
            }
        }
        config.checked()
    }
}

/// As it is parsed.
impl fmt::Display for StoreConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.url.fmt(f)?;
        self.wait_for_owner.map_or(Ok(()), |limit| {
            // Without the spaces between its units, which a shell would take for ends.
            write!(f, "?wait_for_owner={}", limit.to_string().replace(' ', ""))
        })
    }
}

/// A text or a table.
impl<'de> Deserialize<'de> for StoreConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextOrTable)
    }
}

struct TextOrTable;

#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(inline))]
#[serde(deny_unknown_fields)]
struct Table {
    /// `sqlite:PATH`, `file:DIRECTORY`, `memory:` or `postgres://USER@HOST/DATABASE`.
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    url: StoreUrl,
    /// How long opening it waits for another process that owns it: `30s`.
    wait_for_owner: Option<HumanDuration>,
}

/// How it is written.
#[cfg(feature = "schema")]
#[derive(schemars::JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "Store", description = "A store: its URL, or a table.")]
#[allow(dead_code, reason = "only its schema is used")]
enum Written {
    Url(String),
    Table(Table),
}

impl<'de> Visitor<'de> for TextOrTable {
    type Value = StoreConfig;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a store such as \"sqlite:jobs.db\", or a table with its url")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<StoreConfig, E> {
        text.parse().map_err(|error| E::custom(matins_core::error_chain(&error)))
    }

    fn visit_map<M: MapAccess<'de>>(self, table: M) -> Result<StoreConfig, M::Error> {
        let Table { url, wait_for_owner } = Table::deserialize(MapAccessDeserializer::new(table))?;
        StoreConfig { url, wait_for_owner }.checked().map_err(M::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str) -> String {
        matins_core::error_chain(&text.parse::<StoreConfig>().unwrap_err())
    }

    #[test]
    fn parameters_are_read_and_written() {
        let wait = |seconds| Some(HumanDuration(Duration::from_secs(seconds)));
        for (text, url, wait_for_owner, written) in [
            ("sqlite:jobs.db", "sqlite:jobs.db", None, "sqlite:jobs.db"),
            ("sqlite:a?wait_for_owner=1h 30m", "sqlite:a", wait(5400), "sqlite:a?wait_for_owner=1h30m"),
            ("file:a?wait_for_owner=0s", "file:a", wait(0), "file:a?wait_for_owner=0s"),
            ("file:why?/jobs", "file:why?/jobs", None, "file:why?/jobs"),
            ("memory", "memory:", None, "memory:"),
        ] {
            let config: StoreConfig = text.parse().unwrap();
            assert_eq!(config, StoreConfig { url: url.parse().unwrap(), wait_for_owner }, "{text}");
            assert_eq!(config.to_string(), written);
            assert_eq!(written.parse(), Ok(config));
        }
    }

    #[test]
    fn wrong_parameters_are_refused() {
        assert_eq!(
            fault("sqlite:a?wait=3s"),
            "\"sqlite:a?wait=3s\" has the parameter \"wait\", which no store has; write ?wait_for_owner=30s"
        );
        assert!(fault("sqlite:a?wait_for_owner=3s&x").contains("the parameter \"x\""));
        assert!(
            fault("sqlite:a?wait_for_owner=soon").starts_with("wait_for_owner: \"soon\" is no duration: ")
        );
        assert!(fault("sqlite:a?wait_for_owner=").starts_with("wait_for_owner: \"\" is no duration"));
        assert!(
            fault("memory:?wait_for_owner=3s")
                .starts_with("wait_for_owner is of no use with a store in memory")
        );
        assert!(fault("sqlite:?wait_for_owner=3s").contains("is no store"));
    }

    /// A program that reads only a URL must not make a file of the parameter's name.
    #[test]
    fn a_url_without_its_parameters_is_refused_where_it_has_some() {
        let error = "sqlite:jobs.db?wait_for_owner=3s".parse::<StoreUrl>().unwrap_err().to_string();
        assert!(error.contains("has parameters"), "{error}");
    }
}
