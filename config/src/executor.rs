//! An executor as a configuration says it.

use matins_core::Executor;
use serde::Deserialize;

use crate::{ConfigError, HumanDuration};

/// An executor by its kind, with the settings of that kind's builder; what is not set is as the builder has it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
#[non_exhaustive]
pub enum ExecutorConfig {
    /// A pool of threads.
    Thread {
        /// Threads, and so runs at once.
        workers: Option<usize>,
        /// Runs that may wait for a thread.
        queue: Option<usize>,
        /// How long a thread stays that has nothing to do.
        idle_timeout: Option<HumanDuration>,
        /// How long cancelled runs have to return.
        cancel_grace: Option<HumanDuration>,
    },
    /// A rayon pool.
    Rayon {
        /// Threads of the pool; without this, as many as there are processors.
        threads: Option<usize>,
        /// Runs that may wait.
        queue: Option<usize>,
        /// How long cancelled runs have to return.
        cancel_grace: Option<HumanDuration>,
    },
    /// The tokio runtime that the scheduler is built on.
    Tokio {
        /// Runs at once.
        at_once: Option<usize>,
        /// Runs that may wait.
        queue: Option<usize>,
        /// How long cancelled runs have to return.
        cancel_grace: Option<HumanDuration>,
    },
    /// Worker processes of this same program.
    Process {
        /// Processes, and so runs at once.
        workers: Option<usize>,
        /// Runs that may wait.
        queue: Option<usize>,
        /// After so many runs a worker is replaced.
        runs_per_worker: Option<u64>,
        /// How long a worker has to start.
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
            builder = builder.$setting(*value);
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
        }
    }
}

#[allow(dead_code)] // Unused where none is built in that can fail.
fn failed(kind: &'static str, error: impl std::error::Error + Send + Sync + 'static) -> ConfigError {
    ConfigError::Executor { kind, source: error.into() }
}
