//! Workers in other processes, which take their runs from a NATS server.

use std::io::Read;

use matins::nats::{NatsExecutor, NatsServer, Worker};
use matins::{Shutdown, TaskRegistry};

use crate::executors::{Ours, register};

/// What a worker does at once.
pub const AT_ONCE: usize = 64;

/// An executor on a NATS server, whose worker is another process.
///
/// # Panics
/// If the server cannot be reached.
pub fn ours(url: &str, namespace: &str) -> Ours {
    let server = NatsServer::new(url).namespace(namespace);
    let executor = NatsExecutor::builder(server).keep_runs(false).at_once(10_000).build();
    Ours::new(executor.expect("the server is there"))
}

/// Works for [`ours`] until nobody is left who writes to this process.
///
/// # Panics
/// If the server cannot be reached.
pub fn work_for_ours(url: &str, namespace: &str) {
    let tasks = TaskRegistry::default();
    register(&tasks).expect("names");
    let server = NatsServer::new(url).namespace(namespace);
    let worker = Worker::builder(server).at_once(AT_ONCE).start(tasks);
    let mut worker = worker.expect("the server is there");
    until_left_alone();
    worker.stop(Shutdown::Now);
}

fn until_left_alone() {
    let mut rest = Vec::new();
    // Whatever ends it, nobody is there any more.
    let _ = std::io::stdin().read_to_end(&mut rest);
}
