//! Our executor on a NATS server, and its worker.

use std::io::{self, Read};
use std::thread;
use std::time::Duration;

use matins::nats::{NatsExecutor, NatsServer, Worker};
use matins::{Shutdown, TaskContext, TaskRegistry};

use super::{AT_ONCE, SILENCE_SECONDS, Told};
use crate::executors::{Ours, register};

/// A task that says that it begins, and waits for so many milliseconds.
pub const TELL_AND_PAUSE: &str = "tell and pause";

/// An executor on a NATS server, whose worker is another process.
///
/// # Panics
/// If the server cannot be reached.
pub fn ours(url: &str, namespace: &str) -> Ours {
    let executor = NatsExecutor::builder(server(url, namespace)).keep_runs(false).at_once(10_000).build();
    Ours::new(executor.expect("the server is there")).with_task(TELL_AND_PAUSE, tell_and_pause)
}

/// Works for [`ours`] until nobody is left who writes to this process.
///
/// # Panics
/// If the server cannot be reached.
pub fn work_for_ours(url: &str, namespace: &str) {
    let tasks = TaskRegistry::default();
    register(&tasks).expect("names");
    tasks.register(TELL_AND_PAUSE, tell_and_pause).expect("a name");
    let worker = Worker::builder(server(url, namespace)).at_once(AT_ONCE).start(tasks);
    let mut worker = worker.expect("the server is there");
    until_left_alone();
    worker.stop(Shutdown::Now);
}

fn server(url: &str, namespace: &str) -> NatsServer {
    NatsServer::new(url).namespace(namespace).ack_wait(Duration::from_secs(SILENCE_SECONDS))
}

fn tell_and_pause(millis: u64, context: &TaskContext) -> io::Result<()> {
    Told::Begun(context.run.0).tell()?;
    thread::sleep(Duration::from_millis(millis));
    Ok(())
}

fn until_left_alone() {
    let mut rest = Vec::new();
    // Whatever ends it, nobody is there any more.
    let _ = io::stdin().read_to_end(&mut rest);
}
