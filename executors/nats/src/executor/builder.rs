//! What an executor is like.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use matins_core::IntoDuration;
use matins_executor_inflight::InFlight;
use tokio::runtime::Builder;
use tokio::sync::Semaphore;

use super::NatsExecutor;
use super::link::{Limits, Link};
use crate::{NatsError, NatsServer};

/// What a [`NatsExecutor`] is like.
#[derive(Debug, Clone)]
#[must_use]
pub struct NatsExecutorBuilder {
    server: NatsServer,
    at_once: usize,
    queue: usize,
    cancel_grace: Duration,
    keep_runs: bool,
    limits: Limits,
}

impl NatsExecutorBuilder {
    pub(super) fn new(server: NatsServer) -> Self {
        Self {
            server,
            at_once: 1_000,
            queue: 100_000,
            cancel_grace: Duration::from_secs(5),
            keep_runs: true,
            limits: Limits::default(),
        }
    }

    /// Sets how many runs are handed to the server at once, those in progress included; 0 counts as 1. The others wait in this
    /// process, and the most urgent of them is handed over next: within the server, runs are first come, first served. So this
    /// should be a little more than all workers together do at once. Default: 1,000.
    ///
    /// ```
    /// # use matins_executor_nats::{NatsExecutor, NatsServer};
    /// # let Some(url) = matins_conformance::nats::nats() else { return Ok(()) };
    /// # let namespace = matins_conformance::servers::schema("example");
    /// let server = NatsServer::new("nats://127.0.0.1");
    /// # let server = NatsServer::new(url).namespace(namespace);
    /// let executor = NatsExecutor::builder(server).at_once(64).build()?;
    /// # drop(executor);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn at_once(self, at_once: usize) -> Self {
        Self { at_once: at_once.clamp(1, Semaphore::MAX_PERMITS), ..self }
    }

    /// Sets how many runs may wait in this process. With 0, a run that cannot be handed over at once is refused, and recorded as missed.
    /// Default: 100,000.
    ///
    /// ```
    /// # use matins_executor_nats::{NatsExecutor, NatsServer};
    /// # let Some(url) = matins_conformance::nats::nats() else { return Ok(()) };
    /// # let namespace = matins_conformance::servers::schema("example");
    /// let server = NatsServer::new("nats://127.0.0.1");
    /// # let server = NatsServer::new(url).namespace(namespace);
    /// let executor = NatsExecutor::builder(server).queue(10_000).build()?;
    /// # drop(executor);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn queue(self, queue: usize) -> Self {
        Self { queue, ..self }
    }

    /// Sets how long runs that are cancelled at a shutdown have to end, before they are left behind. Default: 5 seconds. A negative
    /// duration counts as zero.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use matins_executor_nats::{NatsExecutor, NatsServer};
    /// # let Some(url) = matins_conformance::nats::nats() else { return Ok(()) };
    /// # let namespace = matins_conformance::servers::schema("example");
    /// let server = NatsServer::new("nats://127.0.0.1");
    /// # let server = NatsServer::new(url).namespace(namespace);
    /// let executor = NatsExecutor::builder(server).cancel_grace(Duration::from_secs(30)).build()?;
    /// # drop(executor);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn cancel_grace(self, grace: impl IntoDuration) -> Self {
        Self { cancel_grace: grace.into_duration().unwrap_or_default(), ..self }
    }

    /// Sets whether runs continue on their workers when this executor ends, to be [taken up](matins_core::Executor::reattach) by the next
    /// one. Otherwise they are cancelled, and those of a scheduler that was killed are interrupted. A store in memory forgets its runs with
    /// its process: nobody could take them up. Default: they continue.
    ///
    /// ```
    /// # use matins_executor_nats::{NatsExecutor, NatsServer};
    /// use matins_core::Executor;
    ///
    /// # let Some(url) = matins_conformance::nats::nats() else { return Ok(()) };
    /// # let namespace = matins_conformance::servers::schema("example");
    /// let server = NatsServer::new("nats://127.0.0.1");
    /// # let server = NatsServer::new(url).namespace(namespace);
    /// let executor = NatsExecutor::builder(server).keep_runs(false).build()?;
    /// assert!(!executor.survives(), "they end with it");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn keep_runs(self, keep_runs: bool) -> Self {
        Self { keep_runs, ..self }
    }

    /// Sets how many runs the server may hold for the whole namespace. A run for which it has no room is recorded as missed, because the
    /// executor is full. It counts where the streams are created: those that exist are left as they are. Default: no limit.
    ///
    /// ```
    /// # use matins_executor_nats::{NatsExecutor, NatsServer};
    /// # let Some(url) = matins_conformance::nats::nats() else { return Ok(()) };
    /// # let namespace = matins_conformance::servers::schema("example");
    /// let server = NatsServer::new("nats://127.0.0.1");
    /// # let server = NatsServer::new(url).namespace(namespace);
    /// let executor = NatsExecutor::builder(server).max_stored_runs(1_000_000).build()?;
    /// # drop(executor);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn max_stored_runs(mut self, runs: u32) -> Self {
        self.limits.runs = Some(runs.max(1));
        self
    }

    /// Sets how many servers of a cluster hold each message, from 1 to 5, where the streams are created. Default: 1.
    ///
    /// ```
    /// # use matins_executor_nats::{NatsExecutor, NatsServer};
    /// # let Some(url) = matins_conformance::nats::nats() else { return Ok(()) };
    /// # let namespace = matins_conformance::servers::schema("example");
    /// let servers = NatsServer::new("nats://nats-1,nats://nats-2,nats://nats-3");
    /// # let servers = NatsServer::new(url).namespace(namespace);
    /// let builder = NatsExecutor::builder(servers).replicas(3);
    /// # let _ = builder;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn replicas(mut self, replicas: usize) -> Self {
        self.limits.replicas = replicas.clamp(1, 5);
        self
    }

    /// Connects to the server, creates in it what is not there yet, and returns the executor. What it creates is in the
    /// [crate's page](crate#what-is-in-the-server).
    ///
    /// ```
    /// # use matins_executor_nats::{NatsExecutor, NatsServer};
    /// # let Some(url) = matins_conformance::nats::nats() else { return Ok(()) };
    /// # let namespace = matins_conformance::servers::schema("example");
    /// let server = NatsServer::new("nats://127.0.0.1");
    /// # let server = NatsServer::new(url).namespace(namespace);
    /// let executor = NatsExecutor::builder(server).build()?;
    /// # drop(executor);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If the server cannot be reached, refuses the credentials, or has JetStream disabled.
    pub fn build(self) -> Result<NatsExecutor, NatsError> {
        let names = self.server.names()?;
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("matins-nats")
            .enable_all()
            .build()
            .map_err(NatsError::Runtime)?;
        let link = match runtime.block_on(Link::open(self.server, names, self.limits)) {
            Ok(link) => link,
            Err(error) => {
                runtime.shutdown_background();
                return Err(error);
            }
        };
        Ok(NatsExecutor {
            runs: InFlight::new(self.at_once.saturating_add(self.queue), self.cancel_grace),
            link,
            waiting: Arc::default(),
            places: Arc::new(Semaphore::new(self.at_once)),
            keeps_runs: self.keep_runs,
            runtime: Mutex::new(Some(runtime)),
        })
    }
}
