//! What is wrong with a configuration.

use std::error::Error;

use matins_core::StoreError;
use thiserror::Error;

use crate::StoreUrl;

/// Why a configuration makes no scheduler.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The text cannot be read, or says what cannot be.
    #[error("{line}:{column}: {what}")]
    Syntax {
        /// From 1.
        line: usize,
        /// In characters, from 1.
        column: usize,
        /// What is wrong there.
        what: String,
    },
    /// A store cannot be opened.
    #[error("store {url}")]
    Store {
        /// Which.
        url: StoreUrl,
        /// Why.
        source: StoreError,
    },
    /// The store is one that schedulers share, and was to be opened for one owner.
    #[error("store {url} is shared by schedulers; give it to one with StoreConfig::give_to")]
    Shared {
        /// Which.
        url: StoreUrl,
    },
    /// An executor cannot be started.
    #[error("an executor of kind {kind} cannot be started")]
    Executor {
        /// Its kind.
        kind: &'static str,
        /// Why.
        source: Box<dyn Error + Send + Sync>,
    },
    /// This program was built without it.
    #[error("this program was built without {what}; build it with the feature {feature:?}")]
    NotBuilt {
        /// What is missing.
        what: String,
        /// The feature of `matins`, or `matins-config`, that has it.
        feature: &'static str,
    },
}

impl ConfigError {
    #[allow(dead_code)] // Unused where every feature is on.
    pub(crate) fn not_built(what: impl ToString, feature: &'static str) -> Self {
        Self::NotBuilt { what: what.to_string(), feature }
    }
}
