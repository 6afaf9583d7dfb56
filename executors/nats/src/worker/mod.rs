//! A worker: it takes runs from the server, has them done, and reports them.

mod builder;
mod claim;
mod fetch;
mod run;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_nats::jetstream::Context;
use async_nats::{Client, Subscriber, connection};
use matins_core::{CancelReason, CancelToken, Executor, Shutdown};
use matins_task_function::TaskRegistry;
use tokio::runtime::Runtime;
use tokio::sync::{Semaphore, watch};

use crate::names::Names;
use crate::protocol::{AliveFrame, CancelFrame, VERSION};
use crate::server_calls::{next, payload};
use crate::{NatsError, NatsServer};

pub use builder::WorkerBuilder;

/// Does runs that [`NatsExecutor`](crate::NatsExecutor)s hand over, in this process. Dropping it cancels what it does.
///
/// ```
/// use matins_core::Shutdown;
/// use matins_executor_nats::{NatsServer, Worker};
/// use matins_task_function::TaskRegistry;
///
/// # let Some(url) = matins_conformance::nats::nats() else { return Ok(()) };
/// # let namespace = matins_conformance::servers::schema("example");
/// let tasks = TaskRegistry::default();
/// tasks.register("greet", |name: String| println!("good morning, {name}"))?;
/// let server = NatsServer::new("nats://127.0.0.1");
/// # let server = NatsServer::new(url).namespace(namespace);
/// let mut worker = Worker::builder(server).at_once(8).start(tasks)?;
/// # let until_the_process_is_asked_to_end = || ();
/// until_the_process_is_asked_to_end();
/// // It takes no more runs, and ends what it has begun.
/// worker.stop(Shutdown::Wait);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Worker {
    shared: Arc<Shared>,
    executor: Arc<Mutex<Box<dyn Executor>>>,
    /// The connection's; and that of the tasks, where the worker has made it.
    runtimes: Vec<Runtime>,
    is_stopped: bool,
}

/// What the parts of a worker share.
pub(crate) struct Shared {
    server: NatsServer,
    /// No other worker has had it, nor will.
    name: String,
    names: Names,
    client: Client,
    jetstream: Context,
    tasks: TaskRegistry,
    places: Arc<Semaphore>,
    runs: Mutex<HashMap<String, Held>>,
    /// It takes no more runs.
    draining: watch::Sender<bool>,
    /// A run has begun for whose scheduler the worker has to give signs of life more often than before.
    hastened: tokio::sync::Notify,
    /// How many messages are dealt with: runs that are claimed, done or reported.
    handled: watch::Sender<usize>,
}

/// A run that this worker has claimed and not ended.
#[derive(Clone)]
pub(crate) struct Held {
    /// The `ack_wait` of its scheduler.
    silence: Duration,
    cancel: CancelToken,
    /// The message with which the server hands the run out, or the last one of them.
    message: watch::Sender<Arc<async_nats::jetstream::Message>>,
}

impl Worker {
    /// Returns the builder of a worker for a server.
    ///
    /// ```
    /// # use matins_executor_nats::{NatsServer, Worker};
    /// # let Some(url) = matins_conformance::nats::nats() else { return Ok(()) };
    /// # let namespace = matins_conformance::servers::schema("example");
    /// # let tasks = matins_task_function::TaskRegistry::default();
    /// # tasks.register("greet", |name: String| println!("good morning, {name}"))?;
    /// let server = NatsServer::new("nats://127.0.0.1").pool("gpu");
    /// # let server = NatsServer::new(url).namespace(namespace);
    /// let worker = Worker::builder(server).at_once(1).start(tasks)?;
    /// # drop(worker);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn builder(server: NatsServer) -> WorkerBuilder {
        WorkerBuilder::new(server)
    }

    /// Returns the worker's name, which no other worker has.
    ///
    /// ```
    /// # use matins_executor_nats::{NatsServer, Worker};
    /// # let Some(url) = matins_conformance::nats::nats() else { return Ok(()) };
    /// # let namespace = matins_conformance::servers::schema("example");
    /// # let tasks = matins_task_function::TaskRegistry::default();
    /// # tasks.register("greet", |name: String| println!("good morning, {name}"))?;
    /// let server = NatsServer::new("nats://127.0.0.1");
    /// # let server = NatsServer::new(url).namespace(namespace);
    /// let worker = Worker::builder(server).start(tasks)?;
    /// println!("this worker is {}", worker.name());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// Returns how many runs it has in progress.
    ///
    /// ```
    /// # use matins_executor_nats::{NatsServer, Worker};
    /// # let Some(url) = matins_conformance::nats::nats() else { return Ok(()) };
    /// # let namespace = matins_conformance::servers::schema("example");
    /// # let tasks = matins_task_function::TaskRegistry::default();
    /// # tasks.register("greet", |name: String| println!("good morning, {name}"))?;
    /// let server = NatsServer::new("nats://127.0.0.1");
    /// # let server = NatsServer::new(url).namespace(namespace);
    /// let worker = Worker::builder(server).start(tasks)?;
    /// assert_eq!(worker.in_flight(), 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn in_flight(&self) -> usize {
        self.shared.lock().len()
    }

    /// Returns whether it is connected to the server, and takes runs.
    ///
    /// ```
    /// # use matins_executor_nats::{NatsServer, Worker};
    /// # let Some(url) = matins_conformance::nats::nats() else { return Ok(()) };
    /// # let namespace = matins_conformance::servers::schema("example");
    /// # let tasks = matins_task_function::TaskRegistry::default();
    /// # tasks.register("greet", |name: String| println!("good morning, {name}"))?;
    /// let server = NatsServer::new("nats://127.0.0.1");
    /// # let server = NatsServer::new(url).namespace(namespace);
    /// let worker = Worker::builder(server).start(tasks)?;
    /// assert!(worker.is_ready());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_ready(&self) -> bool {
        !self.shared.is_draining() && self.shared.client.connection_state() == connection::State::Connected
    }

    /// Takes no more runs. Those that it has continue: [`in_flight`](Self::in_flight) counts them, and [`stop`](Self::stop) ends the worker.
    ///
    /// ```
    /// # use matins_core::Shutdown;
    /// # use matins_executor_nats::{NatsServer, Worker};
    /// # let Some(url) = matins_conformance::nats::nats() else { return Ok(()) };
    /// # let namespace = matins_conformance::servers::schema("example");
    /// # let tasks = matins_task_function::TaskRegistry::default();
    /// # tasks.register("greet", |name: String| println!("good morning, {name}"))?;
    /// let server = NatsServer::new("nats://127.0.0.1");
    /// # let server = NatsServer::new(url).namespace(namespace);
    /// let mut worker = Worker::builder(server).start(tasks)?;
    /// worker.drain();
    /// assert!(!worker.is_ready() && worker.in_flight() == 0);
    /// worker.stop(Shutdown::Wait);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn drain(&self) {
        self.shared.draining.send_replace(true);
        let tokens: Vec<CancelToken> = self.shared.lock().values().map(|held| held.cancel.clone()).collect();
        for token in tokens {
            token.note_shutdown().call_in_background();
        }
    }

    /// Takes no more runs, and waits until those that it has are reported; after a deadline, or at once, it cancels them first. Tasks
    /// can [see](matins_core::TaskContext::is_shutting_down) that this has begun. Calling it again does nothing.
    ///
    /// ```
    /// # use std::time::Duration;
    /// use matins_core::Shutdown;
    /// # use matins_executor_nats::{NatsServer, Worker};
    /// # let Some(url) = matins_conformance::nats::nats() else { return Ok(()) };
    /// # let namespace = matins_conformance::servers::schema("example");
    /// # let tasks = matins_task_function::TaskRegistry::default();
    /// # tasks.register("greet", |name: String| println!("good morning, {name}"))?;
    /// let server = NatsServer::new("nats://127.0.0.1");
    /// # let server = NatsServer::new(url).namespace(namespace);
    /// let mut worker = Worker::builder(server).start(tasks)?;
    /// worker.stop(Shutdown::within(Duration::from_secs(30)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn stop(&mut self, how: Shutdown) {
        if std::mem::replace(&mut self.is_stopped, true) {
            return;
        }
        self.drain();
        let Some(link) = self.runtimes.first() else { return };
        let shared = self.shared.clone();
        let wait = |time: Option<Duration>| {
            let (shared, until) = (shared.clone(), time.and_then(|time| Instant::now().checked_add(time)));
            link.block_on(async move { shared.until_idle(until).await })
        };
        let is_over = match how {
            Shutdown::Wait => wait(None),
            Shutdown::Deadline(time) => wait(Some(time)),
            _ => false,
        };
        if !is_over {
            self.executor.lock().unwrap_or_else(PoisonError::into_inner).shutdown(Shutdown::Now);
            // What has ended is still to be reported.
            wait(Some(REPORTS_WITHIN));
        }
        let client = self.shared.client.clone();
        link.block_on(async move {
            // What could not be sent by now is not.
            let _ = tokio::time::timeout(REPORTS_WITHIN, client.flush()).await;
        });
    }
}

/// Runs that have ended at a shutdown have so long to be reported.
const REPORTS_WITHIN: Duration = Duration::from_secs(5);

impl Drop for Worker {
    fn drop(&mut self) {
        self.stop(Shutdown::Now);
        for runtime in self.runtimes.drain(..) {
            runtime.shutdown_background();
        }
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker")
            .field("name", &self.shared.name)
            .field("server", &self.shared.server)
            .field("in_flight", &self.in_flight())
            .finish_non_exhaustive()
    }
}

impl Shared {
    pub(crate) fn lock(&self) -> MutexGuard<'_, HashMap<String, Held>> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_draining(&self) -> bool {
        *self.draining.borrow()
    }

    /// Waits until nothing is dealt with, at most until an instant; returns whether it came to that.
    async fn until_idle(&self, until: Option<Instant>) -> bool {
        let mut handled = self.handled.subscribe();
        let idle = handled.wait_for(|count| *count == 0);
        match until {
            Some(until) => tokio::time::timeout_at(until.into(), idle).await.is_ok(),
            None => idle.await.is_ok(),
        }
    }

    /// The shortest `ack_wait` of its runs, and its own.
    fn silence(&self) -> Duration {
        let own = self.server.silence();
        self.lock().values().map(|held| held.silence).fold(own, Duration::min)
    }

    /// Says three times in each `ack_wait` that the worker is alive, and which runs it has.
    async fn beat(self: Arc<Self>) {
        loop {
            let runs: Vec<String> = self.lock().keys().cloned().collect();
            let frame = payload(&AliveFrame { version: VERSION, runs });
            // Where it cannot be said, it is not heard.
            let _ = self.client.publish(self.names.alive(&self.name), frame.into()).await;
            let shortest = self.silence();
            tokio::select! {
                () = tokio::time::sleep(shortest / 3) => {}
                () = self.hastened.notified() => {}
            }
        }
    }

    /// Hears which runs are to stop.
    async fn hear_cancels(self: Arc<Self>, mut cancels: Subscriber) {
        while let Some(message) = next(&mut cancels).await {
            let Ok(CancelFrame { id, .. }) = serde_json::from_slice(&message.payload) else { continue };
            let token = self.lock().get(&id).map(|held| held.cancel.clone());
            if let Some(token) = token {
                token.set(CancelReason::Asked).call_in_background();
            }
        }
    }

    async fn listen(self: &Arc<Self>) -> Result<(), NatsError> {
        let subject = self.names.cancel(&self.name);
        let cancels = self.client.subscribe(subject.clone()).await.map_err(|error| NatsError::Setup {
            doing: format!("subscribe to {subject}"),
            server: self.server.to_string(),
            source: Box::new(error),
        })?;
        tokio::spawn(self.clone().hear_cancels(cancels));
        tokio::spawn(self.clone().beat());
        Ok(())
    }
}
