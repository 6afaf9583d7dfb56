//! Opening a store for a daemon, or for a command that asks or changes something.

use std::collections::BTreeMap;
use std::path::PathBuf;

use matins::config::{ConfigError, PostgresUrl, StoreConfig, StoreUrl};
use matins::prelude::*;
use matins::triggers::tzdb;
use matins::{PostgresOptions, SchedulerBuilder, StoreError, StoreName};
use matins_terminal::notice;

use crate::{Failure, safety};

/// Why a store could not be opened.
#[derive(Debug)]
pub enum OpenError {
    /// Somebody else has it open, perhaps for a moment only.
    Owned(StoreError),
    /// Anything else.
    Other(String),
}

impl From<StoreError> for OpenError {
    fn from(error: StoreError) -> Self {
        match error {
            error @ StoreError::Owned { .. } => Self::Owned(error),
            error => Self::Other(matins::error_chain(&error)),
        }
    }
}

impl From<OpenError> for String {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Owned(error) => matins::error_chain(&error),
            OpenError::Other(message) => message,
        }
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        Self::BadInput(error.into())
    }
}

/// Refuses one store under two names, and an address of a database that cannot be one.
pub(crate) fn refuse_stores<'s>(
    stores: impl IntoIterator<Item = (&'s StoreName, &'s StoreUrl)>,
) -> Result<(), String> {
    let mut places: BTreeMap<PathBuf, &StoreName> = BTreeMap::new();
    for (name, url) in stores {
        match url {
            StoreUrl::Sqlite(path) | StoreUrl::File(path) => {
                let absolute = std::path::absolute(path).unwrap_or_else(|_| path.clone());
                // Without a slash at its end, and through links where it is there.
                let absolute: PathBuf = absolute.components().collect();
                let place = absolute.canonicalize().unwrap_or(absolute);
                if let Some(other) = places.insert(place, name) {
                    return Err(format!(
                        "the stores `{other}` and `{name}` are both {url}; keep one of them"
                    ));
                }
            }
            StoreUrl::Postgres(url) => {
                drop(postgres_options(url, false).map_err(|error| matins::error_chain(&error))?);
            }
            _ => {}
        }
    }
    Ok(())
}

/// Opens a store and gives it to a scheduler under a name. One that others can write is refused. `visits` is for a command, which is no
/// scheduler among those that share a store.
///
/// # Errors
/// If it cannot be opened, or others can write it.
pub fn give_to(
    builder: SchedulerBuilder,
    name: &StoreName,
    url: &StoreUrl,
    visits: bool,
) -> Result<SchedulerBuilder, OpenError> {
    safety::check_store(url).map_err(OpenError::Other)?;
    if let StoreUrl::Postgres(url) = url {
        return Ok(builder.shared_store(name, postgres_options(url, visits)?.open()?));
    }
    if let StoreUrl::File(directory) = url {
        let store = FileStore::open(directory)?;
        if let Some(torn) = store.torn_tail() {
            notice::warn(torn);
        }
        return Ok(builder.store(name, store));
    }
    StoreConfig::from(url.clone()).give_to(builder, name).map_err(|error| match error {
        ConfigError::Store { source, .. } => source.into(),
        error => OpenError::Other(matins::error_chain(&error)),
    })
}

/// What its URL says. `visits` is for a command that asks or changes something and ends: it is no scheduler.
///
/// # Errors
/// If the URL cannot be read.
pub fn postgres_options(url: &PostgresUrl, visits: bool) -> Result<PostgresOptions, StoreError> {
    let options: Result<PostgresOptions, _> = url.with_password().parse();
    let options = options.map_err(|error| StoreError::Backend {
        doing: format!("reading the URL {url}"),
        source: error.into(),
    })?;
    let options = options.time_zones(tzdb::version().to_string());
    Ok(if visits { options.visiting() } else { options })
}
