//! An executor as a configuration says it.

use std::path::PathBuf;

use matins_core::Executor;
use serde::Deserialize;

use crate::{ConfigError, HumanDuration, NatsUrl};

/// An executor by its kind, with the settings of that kind's builder; what is not set is as the builder has it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "Executor"))]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
#[non_exhaustive]
pub enum ExecutorConfig {
    /// A pool of threads.
    Thread {
        /// Threads, and so runs at once.
        workers: Option<usize>,
        /// Runs that may wait for a thread.
        queue: Option<usize>,
        /// How long a thread stays that has nothing to do: `10s`.
        idle_timeout: Option<HumanDuration>,
        /// How long cancelled runs have to return: `5s`.
        cancel_grace: Option<HumanDuration>,
    },
    /// A rayon pool. For programs: the command has none.
    Rayon {
        /// Threads of the pool; without this, as many as there are processors.
        threads: Option<usize>,
        /// Runs that may wait.
        queue: Option<usize>,
        /// How long cancelled runs have to return: `5s`.
        cancel_grace: Option<HumanDuration>,
    },
    /// The tokio runtime that the scheduler is built on. For programs: the command has none.
    Tokio {
        /// Runs at once.
        at_once: Option<usize>,
        /// Runs that may wait.
        queue: Option<usize>,
        /// How long cancelled runs have to return: `5s`.
        cancel_grace: Option<HumanDuration>,
    },
    /// Worker processes of this same program. For programs: the command has none.
    Process {
        /// Processes, and so runs at once.
        workers: Option<usize>,
        /// Runs that may wait.
        queue: Option<usize>,
        /// After so many runs a worker is replaced.
        runs_per_worker: Option<u64>,
        /// How long a worker has to start: `10s`.
        start_timeout: Option<HumanDuration>,
        /// How long cancelled runs have to return before their worker is killed.
        kill_grace: Option<HumanDuration>,
        /// The most memory that a worker may have, in bytes.
        memory_limit: Option<u64>,
        /// The most CPU time that a worker may use in its life.
        cpu_time_limit: Option<HumanDuration>,
        /// So much of what a task prints is kept, in bytes.
        output_limit: Option<usize>,
    },
    /// Workers elsewhere, which take their runs from a NATS server: those of the command are started with `matins worker`. The crate
    /// `matins-executor-nats` says what each setting means.
    Nats {
        /// The server: `nats://HOST`, or several of one cluster, separated by commas.
        #[cfg_attr(feature = "schema", schemars(with = "String"))]
        url: NatsUrl,
        /// The file with this side's credentials.
        credentials: Option<PathBuf>,
        /// The file with the certificates that the server's own is checked against.
        certificates: Option<PathBuf>,
        /// This side's certificate, and its key.
        identity: Option<(PathBuf, PathBuf)>,
        /// The beginning of the subjects on which this side hears answers.
        inbox: Option<String>,
        /// The namespace within the server. The default is `matins`.
        namespace: Option<String>,
        /// The pool of workers within the namespace. The default is `default`.
        pool: Option<String>,
        /// After how long without a sign of life a worker counts as lost: `30s`.
        ack_wait: Option<HumanDuration>,
        /// Runs handed to the server at once.
        at_once: Option<usize>,
        /// Runs that may wait for that.
        queue: Option<usize>,
        /// How long cancelled runs have to end: `5s`.
        cancel_grace: Option<HumanDuration>,
        /// Whether runs continue when this side ends. It must be `false` for jobs in memory.
        keep_runs: Option<bool>,
        /// Runs that the server may hold.
        max_stored_runs: Option<u32>,
        /// Servers of a cluster that hold each run.
        replicas: Option<usize>,
    },
}

impl Default for ExecutorConfig {
    /// Threads, as their builder has them.
    fn default() -> Self {
        Self::Thread { workers: None, queue: None, idle_timeout: None, cancel_grace: None }
    }
}

/// The builder with each setting that is there.
#[allow(unused_macros)] // Where no executor is built in.
macro_rules! set {
    ($builder:expr, $($setting:ident),+) => {{
        let mut builder = $builder;
        $(if let Some(value) = $setting {
            builder = builder.$setting(Clone::clone(value));
        })+
        builder
    }};
}

impl ExecutorConfig {
    /// Builds the executor.
    ///
    /// ```
    /// use matins_config::SchedulerConfig;
    /// use matins_core::{ExecutorName, Shutdown};
    ///
    /// let config = SchedulerConfig::from_toml("[executors.default]\nkind = \"thread\"\nworkers = 2")?;
    /// let mut executor = config.executors[&ExecutorName::default()].build()?;
    /// assert!(executor.shutdown(Shutdown::Wait).is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If it cannot be started (`tokio` outside a runtime, for instance), and if this program was built without it.
    pub fn build(&self) -> Result<Box<dyn Executor>, ConfigError> {
        match self {
            #[cfg(feature = "thread")]
            Self::Thread { workers, queue, idle_timeout, cancel_grace } => {
                let builder = matins_executor_thread::ThreadExecutor::builder();
                Ok(Box::new(set!(builder, workers, queue, idle_timeout, cancel_grace).build()))
            }
            #[cfg(feature = "rayon")]
            Self::Rayon { threads, queue, cancel_grace } => {
                let builder = matins_executor_rayon::RayonExecutor::builder();
                let executor = set!(builder, threads, queue, cancel_grace).build();
                Ok(Box::new(executor.map_err(|error| failed("rayon", error))?))
            }
            #[cfg(feature = "tokio")]
            Self::Tokio { at_once, queue, cancel_grace } => {
                let runtime =
                    tokio::runtime::Handle::try_current().map_err(|error| failed("tokio", error))?;
                let builder = matins_executor_tokio::TokioExecutor::builder(runtime);
                Ok(Box::new(set!(builder, at_once, queue, cancel_grace).build()))
            }
            #[cfg(feature = "process")]
            Self::Process {
                workers,
                queue,
                runs_per_worker,
                start_timeout,
                kill_grace,
                memory_limit,
                cpu_time_limit,
                output_limit,
            } => {
                let builder = matins_executor_process::ProcessExecutor::builder();
                let builder = set!(
                    builder,
                    workers,
                    queue,
                    runs_per_worker,
                    start_timeout,
                    kill_grace,
                    memory_limit,
                    cpu_time_limit,
                    output_limit
                );
                Ok(Box::new(builder.build().map_err(|error| failed("process", error))?))
            }
            #[cfg(feature = "nats")]
            Self::Nats {
                url,
                credentials,
                certificates,
                identity,
                inbox,
                namespace,
                pool,
                ack_wait,
                at_once,
                queue,
                cancel_grace,
                keep_runs,
                max_stored_runs,
                replicas,
            } => {
                let server = matins_executor_nats::NatsServer::new(url.with_password());
                let mut server = set!(server, credentials, certificates, inbox, namespace, pool, ack_wait);
                if let Some((certificate, key)) = identity {
                    server = server.identity(certificate, key);
                }
                let builder = matins_executor_nats::NatsExecutor::builder(server);
                let builder =
                    set!(builder, at_once, queue, cancel_grace, keep_runs, max_stored_runs, replicas);
                Ok(Box::new(builder.build().map_err(|error| failed("nats", error))?))
            }
            #[allow(unreachable_patterns)] // Where all are built in.
            other => {
                let kind = other.kind();
                Err(ConfigError::not_built(format!("the {kind} executor"), kind))
            }
        }
    }

    #[allow(dead_code)] // Unused where all are built in.
    fn kind(&self) -> &'static str {
        match self {
            Self::Thread { .. } => "thread",
            Self::Rayon { .. } => "rayon",
            Self::Tokio { .. } => "tokio",
            Self::Process { .. } => "process",
            Self::Nats { .. } => "nats",
        }
    }
}

#[allow(dead_code)] // Unused where none is built in that can fail.
fn failed(kind: &'static str, error: impl std::error::Error + Send + Sync + 'static) -> ConfigError {
    ConfigError::Executor { kind, source: error.into() }
}
