//! A server that the tests of this process share, and an executor that has a worker with it.

#![allow(dead_code, reason = "not every test uses all of it")]

use std::time::Duration;

use matins_conformance::executor_suite::{self, Limits};
use matins_conformance::{nats, servers};
use matins_core::{Completion, Executor, Refused, RunId, RunRequest, Shutdown};
use matins_executor_nats::{NatsExecutor, NatsServer, Worker};
use matins_task_function::TaskRegistry;

/// The server's address; `None`, with a line that says so, where there is no server.
pub(crate) fn server() -> Option<String> {
    nats::nats()
}

/// A namespace that no other test has, where workers count as lost soon.
pub(crate) fn namespace(url: &str, test: &str) -> NatsServer {
    NatsServer::new(url).namespace(servers::schema(test)).ack_wait(Duration::from_secs(2))
}

/// The tasks of the suite.
pub(crate) fn tasks() -> TaskRegistry {
    let tasks = TaskRegistry::default();
    executor_suite::register(&tasks).expect("names");
    tasks
}

/// An executor, and the one worker that it has.
pub(crate) struct WithWorker {
    // Dropped first: it waits for the worker.
    executor: NatsExecutor,
    _worker: Worker,
}

impl WithWorker {
    pub(crate) fn new(limits: Limits) -> Self {
        let server = namespace(&server().expect("a server"), "suite");
        let executor = NatsExecutor::builder(server.clone()).at_once(limits.at_once).queue(limits.waiting);
        let executor = executor.build().expect("an executor");
        let worker = Worker::builder(server).at_once(limits.at_once).cancel_grace(Duration::from_secs(1));
        Self { executor, _worker: worker.start(tasks()).expect("a worker") }
    }
}

impl Executor for WithWorker {
    fn submit(&mut self, run: RunRequest, done: Completion) -> Result<(), Refused> {
        self.executor.submit(run, done)
    }

    fn shutdown(&mut self, how: Shutdown) -> Vec<RunId> {
        self.executor.shutdown(how)
    }
}
