//! apalis with a queue in Redis.

use std::process;
use std::time::Duration;

use apalis_core::backend::TaskSink;
use apalis_core::backend::ext::BackendExt;
use apalis_core::error::BoxDynError;
use apalis_core::worker::builder::WorkerBuilder;
use apalis_redis::{Config, RedisStorage};
use serde::{Deserialize, Serialize};
use tokio::runtime::Runtime;
use tower::limit::ConcurrencyLimitLayer;

use super::{AT_ONCE, SILENCE_SECONDS, Told, Workers};
use crate::executors;

/// How often a worker that has found nothing looks again.
const INTERVAL: Duration = Duration::from_millis(10);

/// A task that waits for so many milliseconds.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Pause {
    number: u64,
    millis: u64,
}

fn queue() -> Config {
    let heartbeat_interval = Duration::from_secs(1);
    let missed_heartbeats = SILENCE_SECONDS as usize;
    Config { heartbeat_interval, missed_heartbeats, ..Config::default().queue("pauses") }
}

/// A queue of apalis in Redis, whose worker is another process.
#[derive(Debug)]
pub struct Theirs {
    runtime: Runtime,
    storage: RedisStorage<Pause>,
    /// The process that does the tasks.
    pub workers: Workers,
}

impl Theirs {
    /// Connects, and starts a worker, which is this program with these arguments.
    ///
    /// # Panics
    /// If Redis cannot be reached, and if the worker cannot be started.
    pub fn start(url: &str, worker: &[&str]) -> Self {
        let runtime = executors::runtime();
        let connected = runtime.block_on(apalis_redis::connect(url)).expect("the server is there");
        let storage = RedisStorage::new(connected).with_config(queue());
        Self { runtime, storage, workers: Workers::start(worker) }
    }

    /// Pushes so many tasks that wait for so many milliseconds.
    ///
    /// # Panics
    /// If the server has ended.
    pub fn push(&mut self, count: usize, millis: u64) {
        let tasks = (0..count as u64).map(|number| Pause { number, millis }).collect();
        self.runtime.block_on(self.storage.push_bulk(tasks)).expect("the server is there");
    }

    /// Pushes so many tasks that do nothing, and waits until the worker has done them.
    ///
    /// # Panics
    /// If the server or the worker ends.
    pub fn run(&mut self, count: usize) {
        self.push(count, 0);
        let ended = self.workers.told().iter().filter(|told| matches!(told, Told::Ended(_)));
        assert_eq!(ended.take(count).count(), count, "the worker has ended");
    }
}

/// Works for [`Theirs`].
///
/// # Panics
/// If the server cannot be reached.
pub fn work_for_theirs(url: &str) {
    let runtime = executors::runtime();
    let connected = runtime.block_on(apalis_redis::connect(url)).expect("the server is there");
    let storage = RedisStorage::<Pause>::new(connected).with_config(queue()).poll_with_interval(INTERVAL);
    // Each worker of a queue has a name of its own.
    let worker = WorkerBuilder::new(format!("worker-{}", process::id()));
    let worker = worker.backend(storage).layer(ConcurrencyLimitLayer::new(AT_ONCE)).build(done);
    runtime.block_on(worker.run()).expect("the server stays");
}

async fn done(Pause { number, millis }: Pause) -> Result<(), BoxDynError> {
    if millis > 0 {
        Told::Begun(number).tell()?;
        tokio::time::sleep(Duration::from_millis(millis)).await;
    }
    Ok(Told::Ended(number).tell()?)
}
