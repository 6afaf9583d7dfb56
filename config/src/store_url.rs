//! A store as people name it.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use matins_core::JobStore;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{ConfigError, PostgresUrl};

/// A store as people name it: `memory:`, `sqlite:PATH`, `file:DIRECTORY`, `postgres://USER@HOST/DATABASE`. How it is opened is said by [`StoreConfig`](crate::StoreConfig).
///
/// ```
/// use matins_config::StoreUrl;
///
/// assert_eq!("sqlite:jobs.db".parse(), Ok(StoreUrl::Sqlite("jobs.db".into())));
/// assert_eq!(StoreUrl::File("/var/lib/jobs".into()).to_string(), "file:/var/lib/jobs");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[non_exhaustive]
pub enum StoreUrl {
    /// It ends with the process; `memory` without the colon is the same.
    Memory,
    /// One SQLite file.
    Sqlite(PathBuf),
    /// A directory of plain files.
    File(PathBuf),
    /// A PostgreSQL database, which several schedulers may share.
    Postgres(PostgresUrl),
}

/// A text that names no store.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{text:?} {what}")]
pub struct StoreUrlError {
    text: String,
    what: &'static str,
}

impl StoreUrl {
    /// Opens the store, or creates it.
    ///
    /// ```
    /// use matins_config::StoreUrl;
    ///
    /// let directory = tempfile::tempdir()?;
    /// let path = directory.path().join("jobs.db");
    /// assert!(StoreUrl::Sqlite(path.clone()).open()?.is_persistent());
    /// assert!(path.is_file());
    /// assert!(!StoreUrl::Memory.open()?.is_persistent());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If it cannot be opened, if this program was built without its feature, and if it is one that schedulers share: such a store is
    /// given to a scheduler by [`StoreConfig::give_to`](crate::StoreConfig::give_to).
    pub fn open(&self) -> Result<Box<dyn JobStore>, ConfigError> {
        #[allow(unused_variables)] // Where no store that can fail is built in.
        let failed = |source| ConfigError::Store { url: self.clone(), source };
        match self {
            #[cfg(feature = "memory")]
            Self::Memory => Ok(Box::new(matins_store_memory::MemoryStore::new())),
            #[cfg(not(feature = "memory"))]
            Self::Memory => Err(ConfigError::not_built(self, "memory")),
            #[cfg(feature = "sqlite")]
            Self::Sqlite(path) => Ok(Box::new(matins_store_sqlite::SqliteStore::open(path).map_err(failed)?)),
            #[cfg(not(feature = "sqlite"))]
            Self::Sqlite(_) => Err(ConfigError::not_built(self, "sqlite")),
            #[cfg(feature = "file")]
            Self::File(path) => Ok(Box::new(matins_store_file::FileStore::open(path).map_err(failed)?)),
            #[cfg(not(feature = "file"))]
            Self::File(_) => Err(ConfigError::not_built(self, "file")),
            Self::Postgres(_) => Err(ConfigError::Shared { url: self.clone() }),
        }
    }
}

impl FromStr for StoreUrl {
    type Err = StoreUrlError;

    fn from_str(text: &str) -> Result<Self, StoreUrlError> {
        if let Some(url) = PostgresUrl::new(text) {
            return Ok(Self::Postgres(url));
        }
        let refused = |what| StoreUrlError { text: text.to_owned(), what };
        if parameters(text).is_some() {
            return Err(refused("has parameters, and a URL without them is expected here"));
        }
        match text.split_once(':') {
            None | Some((_, "")) if text.trim_end_matches(':') == "memory" => Ok(Self::Memory),
            Some(("sqlite", path)) if !path.is_empty() => Ok(Self::Sqlite(path.into())),
            Some(("file", path)) if !path.is_empty() => Ok(Self::File(path.into())),
            _ => Err(refused(
                "is no store; write sqlite:PATH, file:DIRECTORY, memory: or postgres://USER@HOST/DATABASE",
            )),
        }
    }
}

/// Divides a URL of a store on this machine from its parameters: what follows a `?`, if a name and `=` come first.
pub(crate) fn parameters(text: &str) -> Option<(&str, &str)> {
    let is_local = ["sqlite:", "file:", "memory"].iter().any(|start| text.starts_with(start));
    let (url, parameters) = text.rsplit_once('?').filter(|_| is_local)?;
    let (name, _) = parameters.split_once('=')?;
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphabetic() || c == '_');
    is_name.then_some((url, parameters))
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => f.write_str("memory:"),
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::File(path) => write!(f, "file:{}", path.display()),
            Self::Postgres(url) => url.fmt(f),
        }
    }
}

impl TryFrom<String> for StoreUrl {
    type Error = StoreUrlError;

    fn try_from(text: String) -> Result<Self, StoreUrlError> {
        text.parse()
    }
}

impl From<StoreUrl> for String {
    fn from(url: StoreUrl) -> Self {
        url.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_is_read_as_people_write_it() {
        assert_eq!("memory".parse(), Ok(StoreUrl::Memory));
        assert_eq!("memory:".parse(), Ok(StoreUrl::Memory));
        assert_eq!("sqlite:jobs.db".parse(), Ok(StoreUrl::Sqlite("jobs.db".into())));
        assert_eq!("file:/var/lib/jobs".parse(), Ok(StoreUrl::File("/var/lib/jobs".into())));
        for wrong in ["", "sqlite", "sqlite:", "file:", "redis:x", "memory:x", "memory::"] {
            assert!(wrong.parse::<StoreUrl>().is_err(), "{wrong}");
        }
    }
}
