//! Workers in other processes, which take their runs from a server: ours from NATS, apalis's from Redis.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use apalis_core::backend::TaskSink;
use apalis_core::error::BoxDynError;
use apalis_core::worker::builder::WorkerBuilder;
use apalis_redis::{Config, RedisStorage};
use matins::nats::{NatsExecutor, NatsServer, Worker};
use matins::{Shutdown, TaskRegistry};
use serde::{Deserialize, Serialize};
use tokio::runtime::Runtime;

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

/// A Redis server in a directory of its own, at a port of 127.0.0.1.
#[derive(Debug)]
pub struct Redis {
    server: Child,
    directory: tempfile::TempDir,
    port: u16,
}

impl Redis {
    /// Starts one; `None` where Redis is not installed. Each second it flushes what was written, as it comes.
    ///
    /// # Panics
    /// If it is installed and does not start.
    pub fn start() -> Option<Self> {
        let directory = tempfile::tempdir().expect("a directory");
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|free| free.local_addr());
        let port = free.expect("a free port").port();
        let log = fs::File::create(directory.path().join("log")).expect("a log");
        let server = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--appendonly", "yes", "--dir"])
            .arg(directory.path())
            .stdin(Stdio::null())
            .stdout(log)
            .spawn()
            .ok()?;
        let until = Instant::now() + Duration::from_secs(30);
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            assert!(Instant::now() < until, "redis-server does not listen");
            thread::yield_now();
        }
        Some(Self { server, directory, port })
    }

    /// Returns its address.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.server.kill();
        let _ = self.server.wait();
        let _ = fs::remove_file(self.directory.path().join("log"));
    }
}

/// A task that does nothing.
#[derive(Debug, Serialize, Deserialize)]
struct Nothing {
    number: usize,
}

/// A worker that has found nothing looks again at its next heartbeat, which is 30 seconds by default.
fn queue() -> Config {
    let often = Duration::from_millis(10);
    Config { heartbeat_interval: often, missed_heartbeats: 6_000, ..Config::default().queue("empty") }
}

/// A queue of apalis in Redis, whose worker is another process. It says of each task that it was done.
#[derive(Debug)]
pub struct Theirs {
    runtime: Runtime,
    storage: RedisStorage<Nothing>,
    worker: Child,
    done: ChildStdout,
}

impl Theirs {
    /// Connects, and starts a worker, which is this program with these arguments.
    ///
    /// # Panics
    /// If Redis cannot be reached, and if the worker cannot be started.
    pub fn start(url: &str, worker: &[&str]) -> Self {
        let runtime = crate::executors::runtime();
        let connected = runtime.block_on(apalis_redis::connect(url)).expect("the server is there");
        let program = std::env::current_exe().expect("this program");
        let worker = Command::new(program).args(worker).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut worker = worker.expect("a worker");
        let done = worker.stdout.take().expect("its answers");
        Self { runtime, storage: RedisStorage::new(connected).with_config(queue()), worker, done }
    }

    /// Pushes so many tasks, and waits until the worker has done them.
    ///
    /// # Panics
    /// If the server or the worker ends.
    pub fn run(&mut self, count: usize) {
        let tasks = (0..count).map(|number| Nothing { number }).collect();
        self.runtime.block_on(self.storage.push_bulk(tasks)).expect("pushed");
        let mut done = vec![0; count];
        self.done.read_exact(&mut done).expect("the worker is there");
    }
}

impl Drop for Theirs {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.worker.kill();
        let _ = self.worker.wait();
    }
}

/// Works for [`Theirs`], and writes a byte for each task.
///
/// # Panics
/// If the server cannot be reached.
pub fn work_for_theirs(url: &str) {
    let runtime = crate::executors::runtime();
    let connected = runtime.block_on(apalis_redis::connect(url)).expect("the server is there");
    let storage = RedisStorage::<Nothing>::new(connected).with_config(queue());
    let worker = WorkerBuilder::new("worker").backend(storage).build(move |_nothing: Nothing| {
        let told = std::io::stdout().write_all(b".").and_then(|()| std::io::stdout().flush());
        async move { told.map_err(BoxDynError::from) }
    });
    runtime.block_on(worker.run()).expect("the server stays");
}
