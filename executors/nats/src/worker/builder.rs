//! What a worker is like.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use async_nats::jetstream;
use matins_core::{Executor, IntoDuration};
use matins_executor_tokio::TokioExecutor;
use matins_task_function::TaskRegistry;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Notify, Semaphore, watch};

use super::{Shared, Worker, fetch};
use crate::names::{Names, task_part};
use crate::{NatsError, NatsServer};

/// What a [`Worker`] is like.
#[must_use]
pub struct WorkerBuilder {
    server: NatsServer,
    at_once: usize,
    cancel_grace: Duration,
    executor: Option<Box<dyn Executor>>,
}

impl WorkerBuilder {
    pub(super) fn new(server: NatsServer) -> Self {
        Self {
            server,
            at_once: thread::available_parallelism().map_or(1, usize::from),
            cancel_grace: Duration::from_secs(5),
            executor: None,
        }
    }

    /// Sets how many runs it does at once; 0 counts as 1. Default: one for each processor.
    ///
    /// ```
    /// # use matins_executor_nats::{NatsServer, Worker};
    /// # let Some(url) = matins_conformance::nats::nats() else { return Ok(()) };
    /// # let namespace = matins_conformance::servers::schema("example");
    /// # let tasks = matins_task_function::TaskRegistry::default();
    /// # tasks.register("greet", |name: String| println!("good morning, {name}"))?;
    /// let server = NatsServer::new("nats://127.0.0.1");
    /// # let server = NatsServer::new(url).namespace(namespace);
    /// let worker = Worker::builder(server).at_once(500).start(tasks)?;
    /// # drop(worker);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn at_once(self, at_once: usize) -> Self {
        Self { at_once: at_once.clamp(1, Semaphore::MAX_PERMITS), ..self }
    }

    /// Sets how long a run has to return once it was told to stop. Then it is reported without it, and keeps its place until it
    /// returns. Default: 5 seconds. It counts for the worker's own executor.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use matins_executor_nats::{NatsServer, Worker};
    /// # let Some(url) = matins_conformance::nats::nats() else { return Ok(()) };
    /// # let namespace = matins_conformance::servers::schema("example");
    /// # let tasks = matins_task_function::TaskRegistry::default();
    /// # tasks.register("greet", |name: String| println!("good morning, {name}"))?;
    /// let server = NatsServer::new("nats://127.0.0.1");
    /// # let server = NatsServer::new(url).namespace(namespace);
    /// let builder = Worker::builder(server);
    /// let worker = builder.cancel_grace(Duration::from_secs(30)).start(tasks)?;
    /// # drop(worker);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn cancel_grace(self, grace: impl IntoDuration) -> Self {
        Self { cancel_grace: grace.into_duration().unwrap_or_default(), ..self }
    }

    /// Sets the executor that does the runs in this process, such as a `ProcessExecutor` for tasks that may crash. It needs room for
    /// [`at_once`](Self::at_once) runs. Default: a tokio executor, which does async tasks and blocking ones.
    ///
    /// ```
    /// # use matins_executor_nats::{NatsServer, Worker};
    /// # use matins_executor_tokio::TokioExecutor;
    /// # let Some(url) = matins_conformance::nats::nats() else { return Ok(()) };
    /// # let namespace = matins_conformance::servers::schema("example");
    /// # let tasks = matins_task_function::TaskRegistry::default();
    /// # tasks.register("greet", |name: String| println!("good morning, {name}"))?;
    /// # let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    /// let executor = TokioExecutor::builder(runtime.handle().clone()).at_once(8).build();
    /// let server = NatsServer::new("nats://127.0.0.1");
    /// # let server = NatsServer::new(url).namespace(namespace);
    /// let builder = Worker::builder(server).at_once(8);
    /// let worker = builder.executor(executor).start(tasks)?;
    /// # drop(worker);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn executor(self, executor: impl Executor + 'static) -> Self {
        Self { executor: Some(Box::new(executor)), ..self }
    }

    /// Connects to the server, and takes runs of these tasks from now on. Runs of other tasks are left to other workers.
    ///
    /// ```
    /// # use matins_executor_nats::{NatsServer, Worker};
    /// # use matins_task_function::TaskRegistry;
    /// # let Some(url) = matins_conformance::nats::nats() else { return Ok(()) };
    /// # let namespace = matins_conformance::servers::schema("example");
    /// let tasks = TaskRegistry::default();
    /// tasks.register("greet", |name: String| println!("good morning, {name}"))?;
    /// let server = NatsServer::new("nats://127.0.0.1");
    /// # let server = NatsServer::new(url).namespace(namespace);
    /// let worker = Worker::builder(server).start(tasks)?;
    /// # drop(worker);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If there are no tasks, and if the server cannot be reached or refuses the credentials.
    pub fn start(self, tasks: TaskRegistry) -> Result<Worker, NatsError> {
        let names = self.server.names()?;
        let mut parts = Vec::new();
        for task in tasks.names() {
            let part = task_part(task.as_str());
            parts.push(part.ok_or_else(|| NatsError::TaskName(task.as_str().to_owned()))?);
        }
        if parts.is_empty() {
            return Err(NatsError::NoTasks);
        }
        // The signs of life must not wait for tasks that block.
        let link = runtime("matins-worker", 1, 1)?;
        let mut runtimes = vec![link];
        let executor = if let Some(executor) = self.executor {
            executor
        } else {
            let threads = thread::available_parallelism().map_or(1, usize::from);
            let own = runtime("matins-tasks", threads, self.at_once.saturating_add(16))?;
            let builder = TokioExecutor::builder(own.handle().clone());
            let executor = builder.at_once(self.at_once).cancel_grace(self.cancel_grace).build();
            runtimes.push(own);
            Box::new(executor)
        };
        let executor = Arc::new(Mutex::new(executor));
        let opened = {
            let (server, executor) = (self.server, executor.clone());
            runtimes[0].block_on(open(server, names, tasks, self.at_once, parts, executor))
        };
        match opened {
            Ok(shared) => Ok(Worker { shared, executor, runtimes, is_stopped: false }),
            Err(error) => {
                runtimes.into_iter().for_each(Runtime::shutdown_background);
                Err(error)
            }
        }
    }
}

fn runtime(name: &str, threads: usize, most_blocking: usize) -> Result<Runtime, NatsError> {
    Builder::new_multi_thread()
        .worker_threads(threads)
        .max_blocking_threads(most_blocking)
        .thread_name(name)
        .enable_all()
        .build()
        .map_err(NatsError::Runtime)
}

async fn open(
    server: NatsServer,
    names: Names,
    tasks: TaskRegistry,
    at_once: usize,
    parts: Vec<String>,
    executor: Arc<Mutex<Box<dyn Executor>>>,
) -> Result<Arc<Shared>, NatsError> {
    let client = server.connect("matins worker").await?;
    let shared = Arc::new(Shared {
        // Random enough that no two are the same.
        name: client.new_inbox().rsplit('.').next().unwrap_or_default().to_owned(),
        jetstream: jetstream::new(client.clone()),
        client,
        names,
        tasks,
        places: Arc::new(Semaphore::new(at_once)),
        runs: Mutex::new(HashMap::new()),
        draining: watch::Sender::new(false),
        hastened: Notify::new(),
        handled: watch::Sender::new(0),
        server,
    });
    shared.listen().await?;
    for task in parts {
        tokio::spawn(fetch::take_runs(shared.clone(), executor.clone(), task));
    }
    Ok(shared)
}

impl fmt::Debug for WorkerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkerBuilder")
            .field("server", &self.server)
            .field("at_once", &self.at_once)
            .finish_non_exhaustive()
    }
}
