//! Whom commands ask, as the command line names them.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use matins::config::StoreUrl;
use matins_daemon::{Client, DEFAULT_STORE, Failure, Paged, Taker};

/// Which store, or which daemon.
#[derive(Debug, Clone, Args)]
pub(crate) struct Target {
    /// The store of the jobs: `sqlite:PATH`, `file:DIRECTORY` or `postgres://USER@HOST/DATABASE`. The daemon of a file is asked if one
    /// runs.
    #[arg(long, value_name = "STORE", env = "MATINS_STORE", hide_env_values = true, default_value = DEFAULT_STORE, global = true)]
    pub(crate) store: String,
    /// The daemon's socket, where it is not beside the store.
    #[arg(long, value_name = "PATH", global = true)]
    pub(crate) socket: Option<PathBuf>,
    /// How long to wait for a daemon that says nothing [default: 30s; 10m where it reads or writes all of its store]
    #[arg(long, value_name = "TIME", global = true, value_parser = humantime::parse_duration)]
    pub(crate) timeout: Option<Duration>,
}

impl Target {
    /// The daemon of this store, or the store.
    pub(crate) fn of(store: &StoreUrl) -> Self {
        Self { store: store.to_string(), socket: None, timeout: None }
    }

    pub(crate) fn named(&self) -> matins_daemon::Target {
        let Self { store, socket, timeout } = self.clone();
        matins_daemon::Target { store, socket, timeout }
    }

    pub(crate) fn daemon(&self) -> Result<Client, Failure> {
        self.named().daemon()
    }

    pub(crate) fn daemon_or_shared_store(&self) -> Result<Client, Failure> {
        self.named().daemon_or_shared_store()
    }

    pub(crate) fn client(&self) -> Result<Client, Failure> {
        self.named().client()
    }

    pub(crate) fn client_or_new_store(&self) -> Result<Client, Failure> {
        self.named().client_or_new_store()
    }

    pub(crate) fn ask_in_pages(&self, request: impl Paged, taker: &mut dyn Taker) -> Result<(), Failure> {
        self.named().ask_in_pages(request, taker)
    }
}
