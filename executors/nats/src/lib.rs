//! An executor that hands runs to workers through [NATS JetStream](https://docs.nats.io/nats-concepts/jetstream): on other machines, in
//! other networks, in other languages.
//!
//! A worker takes the runs of the tasks that it has, as many at once as it can do, and reports them. Workers may start and end at any time; nobody
//! lists them. A program is a worker with [`Worker`]; what it says to the server is described in `protocol/README.md` of this crate,
//! for workers in other languages.
//!
//! | | |
//! | --- | --- |
//! | for tasks that | belong on other machines |
//! | at once | as many as all workers together |
//! | waiting | in a queue with a limit, then in the server |
//! | a run over its time limit | is stopped by its worker |
//! | a panic | ends the run; a worker that dies, the runs that it had |
//!
//! ```no_run
//! use matins_executor_nats::{NatsExecutor, NatsServer, Worker};
//! use matins_task_function::TaskRegistry;
//! # use matins_scheduler::{Schedule, SchedulerBuilder};
//! # use matins_store_memory::MemoryStore;
//! # use matins_triggers::{TimeUnits, every};
//!
//! fn greet(name: String) {
//!     println!("good morning, {name}");
//! }
//!
//! // On one machine:
//! let tasks = TaskRegistry::default();
//! tasks.register("greet", greet)?;
//! let worker = Worker::builder(NatsServer::new("nats://nats.example")).start(tasks)?;
//!
//! // On another one:
//! let executor = NatsExecutor::builder(NatsServer::new("nats://nats.example")).keep_runs(false).build()?;
//! let mut scheduler = SchedulerBuilder::new()
//!     .store("default", MemoryStore::new())
//!     .executor("default", executor)
//!     .background()?;
//! scheduler.register("greet", greet)?;
//! scheduler.start()?;
//! scheduler.add(every(1.hours()).task("greet").arguments("Ada"))?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is promised
//! **A run is begun at most once.** A worker begins a run only after it has created the run's claim in the server, and the server lets
//! one claim be created. A message that is delivered again, copied, or sent again by a scheduler finds the claim. Another attempt is a
//! run of its own, with a number of its own: only the scheduler begins it, as the job's policies say.
//!
//! **A run has one outcome.** The server keeps the first result of a run and refuses all others.
//!
//! **Runs outlast their scheduler.** A scheduler with a persistent store that ends, which does not wait for them, or is killed, takes the runs up again when it is back;
//! with a [shared store](https://docs.rs/matins-store-postgres), another scheduler does. What has ended meanwhile is reported then. If the
//! job was removed, or has another executor by then, its run counts as interrupted. So each scheduler of a shared store needs the executor.
//!
//! **A lost worker is noticed.** A worker gives three signs of life in each [`ack_wait`](NatsServer::ack_wait). A run whose worker was not
//! heard for twice that time is *interrupted*. So is one that another worker is given by the server meanwhile. A worker that cannot reach
//! the server for four fifths of `ack_wait` stops its runs by itself.
//!
//! **The server is not the truth; the job store is.** A NATS server writes its files to the disk some time after it has acknowledged a
//! message. If it loses a run that no worker has begun, the executor hands it over again; any other loss ends as *interrupted*. One
//! loss cannot be noticed: that of a claim whose run is handed out again. Use three [replicas](NatsExecutorBuilder::replicas) where that matters.
//!
//! The number of a run rises with each run of its job. A task that writes to a system which refuses lower numbers can pass it on, as a
//! fencing token.
//!
//! # Who may do what
//! `protocol/nats-server.conf` of this crate is a sample configuration of a server: a worker can neither publish runs, nor read the runs or
//! results of tasks that it does not have. [`NatsServer`] takes credentials files and certificates. Nothing is logged.
//!
//! # What is in the server
//! For a namespace `NS`, the executor creates what is not there:
//!
//! | name | kind | content |
//! | --- | --- | --- |
//! | `matins_NS_runs` | stream, work queue | the runs, until a worker has ended them, or for 24 hours |
//! | `matins_NS_claims` | key-value bucket | who has begun which run, for 25 hours |
//! | `matins_NS_results` | stream | the result of each run, for 25 hours |
//!
//! NATS 2.9 or later is needed.
//!
//! # Limits
//! Arguments may have 512 KiB of JSON, results 256 KiB, and the last 8 KiB of what a run logs and prints are kept. For more, pass the
//! place where the data is.

mod executor;
mod names;
mod protocol;
mod server;
mod server_calls;
mod worker;

pub use executor::{NatsExecutor, NatsExecutorBuilder};
pub use server::{NatsError, NatsServer};
pub use worker::{Worker, WorkerBuilder};
