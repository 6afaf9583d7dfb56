//! The stores of a daemon: the one that it is known by, which has what belongs to the daemon beside it, and any others.

use std::time::Duration;

use matins::config::{ExecutorConfig, StoreConfigError, StoreUrl};
use matins::definitions::Definition;
use matins::prelude::*;
use matins::{BlockingScheduler, ExecutorName, StoreName};

use crate::open_store::{OpenError, give_to, refuse_stores};
use crate::run::WORKERS;
use crate::sources::Defined;
use crate::target::DEFAULT_STORE;

/// Where jobs are kept.
#[derive(Debug, Clone)]
pub(crate) struct Stores {
    /// The one named `default`.
    pub(crate) first: StoreUrl,
    others: Vec<(StoreName, StoreUrl)>,
    /// How long to wait for other processes that own them: the longest that one of them says.
    pub(crate) wait_for_owner: Option<Duration>,
}

impl Stores {
    /// The store that the command line names, else the configuration's, else the default; and the others of the configuration.
    pub(crate) fn chosen(argument: Option<&str>, defined: &Defined) -> Result<Self, String> {
        let first = match (argument, defined.stores.get(&StoreName::default())) {
            (None, Some(store)) => store.clone(),
            (text, _) => {
                let store = text.unwrap_or(DEFAULT_STORE).parse();
                store.map_err(|error: StoreConfigError| matins::error_chain(&error))?
            }
        };
        let others = || defined.stores.iter().filter(|(name, _)| **name != StoreName::default());
        let waits = others().map(|(_, store)| store).chain([&first]).filter_map(|store| store.wait_for_owner);
        let wait_for_owner = waits.max().map(Duration::from);
        let first = first.url;
        let others: Vec<_> = others().map(|(name, store)| (name.clone(), store.url.clone())).collect();
        let default = StoreName::default();
        refuse_stores([(&default, &first)].into_iter().chain(others.iter().map(|(name, url)| (name, url))))?;
        Ok(Self { first, others, wait_for_owner })
    }

    /// All of them, the first one first.
    pub(crate) fn urls(&self) -> impl Iterator<Item = &StoreUrl> {
        std::iter::once(&self.first).chain(self.others.iter().map(|(_, url)| url))
    }

    /// What they are, for people.
    pub(crate) fn describe(&self) -> String {
        let first = self.first.to_string();
        self.others.iter().fold(first, |text, (name, url)| format!("{text}, {name} in {url}"))
    }

    /// Opens them, and builds the scheduler that has them and its executors.
    pub(crate) fn take(&self, defined: &Defined) -> Result<BlockingScheduler, OpenError> {
        self.refuse_remote_runs_in_memory(defined).map_err(OpenError::Other)?;
        let builder = SchedulerBuilder::new().retention(defined.ledger.retention());
        let mut builder = give_to(builder, &StoreName::default(), &self.first, false)?;
        for (name, url) in &self.others {
            builder = give_to(builder, name, url, false)?;
        }
        if !defined.executors.contains_key(&ExecutorName::default()) {
            builder = builder.executor("default", ThreadExecutor::builder().workers(WORKERS).build());
        }
        for (name, executor) in &defined.executors {
            let mut executor = executor.clone();
            if let (ExecutorConfig::Nats { keep_runs, .. }, StoreUrl::Memory) = (&mut executor, &self.first) {
                // A store in memory forgets the runs that would be taken up.
                if *keep_runs == Some(true) {
                    return Err(OpenError::Other(format!(
                        "the executor {name:?} has keep_runs = true, and the store is in memory: leave the key out, or use another store"
                    )));
                }
                *keep_runs = Some(false);
            }
            builder = builder.executor(
                name,
                executor.build().map_err(|error| OpenError::Other(matins::error_chain(&error)))?,
            );
        }
        builder.blocking().map_err(|error| OpenError::Other(matins::error_chain(&error)))
    }

    /// Refuses a job whose runs would be kept elsewhere, while its own store forgets them.
    fn refuse_remote_runs_in_memory(&self, defined: &Defined) -> Result<(), String> {
        let is_in_memory = |job: &&Definition| {
            self.others.iter().any(|(name, url)| *name == job.store && *url == StoreUrl::Memory)
        };
        let keeps_runs = |job: &&Definition| {
            let executor = defined.executors.get(&job.executor);
            matches!(executor, Some(ExecutorConfig::Nats { keep_runs, .. }) if *keep_runs != Some(false))
        };
        match defined.definitions().filter(is_in_memory).find(keeps_runs) {
            None => Ok(()),
            Some(job) => Err(format!(
                "the job {:?} is in memory, and its executor {:?} keeps runs when the daemon ends: give the executor \
                 keep_runs = false, or the job another store",
                job.id, job.executor
            )),
        }
    }
}
