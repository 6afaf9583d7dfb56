//! The executor: it takes runs, and has each of them carried to a worker and back.

mod builder;
mod carry;
mod exchange;
mod link;
mod roster;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use matins_core::{Completion, Executor, Refusal, Refused, RunId, RunRequest, Shutdown, WaitMode};
use matins_executor_inflight::{InFlight, PriorityQueue};
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;

use crate::NatsServer;

pub use builder::NatsExecutorBuilder;
use carry::{Admitted, TicketGuard};
use link::Link;

/// Hands runs to workers through NATS JetStream. See the [crate's page](crate).
pub struct NatsExecutor {
    runs: Arc<InFlight>,
    link: Arc<Link>,
    /// Those that were not handed over.
    waiting: Arc<PriorityQueue<Admitted>>,
    /// For runs that are handed over.
    places: Arc<Semaphore>,
    keeps_runs: bool,
    runtime: Mutex<Option<Runtime>>,
}

impl NatsExecutor {
    /// Returns the builder of an executor for the workers of a server.
    ///
    /// ```
    /// use matins_executor_nats::{NatsExecutor, NatsServer};
    ///
    /// # let Some(url) = matins_conformance::nats::nats() else { return Ok(()) };
    /// # let namespace = matins_conformance::servers::schema("example");
    /// let server = NatsServer::new("nats://127.0.0.1");
    /// # let server = NatsServer::new(url).namespace(namespace);
    /// let executor = NatsExecutor::builder(server).build()?;
    /// # drop(executor);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn builder(server: NatsServer) -> NatsExecutorBuilder {
        NatsExecutorBuilder::new(server)
    }

    fn admit(&self, run: &RunRequest, done: Completion) -> Result<(TicketGuard, Completion), Refused> {
        match self.runs.admit(run) {
            Ok(ticket) => Ok((TicketGuard::new(self.runs.clone(), ticket), done)),
            Err(reason) => Err(Refused { reason, done }),
        }
    }

    fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) -> bool {
        let runtime = self.runtime.lock().unwrap_or_else(PoisonError::into_inner);
        runtime.as_ref().map(|runtime| runtime.spawn(work)).is_some()
    }

    /// Lets go of all runs without ending them.
    fn leave(&self) {
        self.runs.close();
        self.link.leave();
        self.runs.wait_for_end(Some(Duration::from_secs(5)));
    }
}

#[deny(clippy::missing_trait_methods)]
impl Executor for NatsExecutor {
    fn submit(&mut self, run: RunRequest, done: Completion) -> Result<(), Refused> {
        let priority = run.priority;
        let (held, done) = self.admit(&run, done)?;
        self.waiting.push(priority, Admitted { held, run, done });
        let (link, waiting, places) = (self.link.clone(), self.waiting.clone(), self.places.clone());
        self.spawn(async move {
            let Ok(_place) = places.acquire_owned().await else { return };
            if let Some(next) = waiting.pop() {
                next.carry(&link, false).await;
            }
        });
        Ok(())
    }

    /// Where the executor [keeps its runs](NatsExecutorBuilder::keep_runs), a deadline lets go of them instead of cancelling them.
    fn shutdown(&mut self, how: Shutdown) -> Vec<RunId> {
        if !self.keeps_runs || how == Shutdown::Wait {
            return self.runs.shut_down(how);
        }
        if let Shutdown::Deadline(time) = how {
            self.runs.close();
            self.runs.wait_for_end(Some(time));
        }
        self.leave();
        Vec::new()
    }

    fn wait_mode(&self) -> WaitMode {
        WaitMode::Block
    }

    fn survives(&self) -> bool {
        self.keeps_runs
    }

    fn reattach(&mut self, run: RunRequest, done: Completion) -> Result<(), Refused> {
        if !self.keeps_runs {
            return Err(Refused { reason: Refusal::NotAttachable, done });
        }
        let (held, done) = self.admit(&run, done)?;
        let link = self.link.clone();
        self.spawn(async move { Admitted { held, run, done }.carry(&link, true).await });
        Ok(())
    }
}

impl Drop for NatsExecutor {
    /// Cancels the runs, or lets go of them: see [`keep_runs`](NatsExecutorBuilder::keep_runs).
    fn drop(&mut self) {
        self.shutdown(Shutdown::Now);
        if let Some(runtime) = self.runtime.lock().unwrap_or_else(PoisonError::into_inner).take() {
            runtime.shutdown_background();
        }
    }
}

impl fmt::Debug for NatsExecutor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NatsExecutor")
            .field("server", &self.link.server)
            .field("runs", &self.runs)
            .field("keeps_runs", &self.keeps_runs)
            .finish_non_exhaustive()
    }
}
