//! A job scheduler in parts that you can mix.
//!
//! **Triggers** say when, **job stores** remember, **executors** run, **schedulers** drive. This crate names them all;
//! each is a crate of its own too, for a program that needs only one.
//!
//! ```no_run
//! use matins::prelude::*;
//!
//! fn main() -> Result<(), SchedulerError> {
//!     let scheduler = matins::scheduler().blocking()?;
//!     scheduler.add(every(3.seconds()).run(|| println!("tick")))?;
//!     scheduler.add(cron("0 9 * * MON-FRI").in_zone("Europe/Berlin").run(|| println!("good morning")))?;
//!     scheduler.run();
//!     Ok(())
//! }
//! ```
//!
//! | feature | what it adds | in the default |
//! | --- | --- | --- |
//! | `memory` | `MemoryStore` | yes |
//! | `sqlite` | `SqliteStore`: jobs and ledger in one file, durable | |
//! | `postgres` | `PostgresStore`: jobs and ledger in a database that many schedulers share; not part of `full` | |
//! | `file` | `FileStore`: jobs and ledger in a directory of plain files, durable | |
//! | `transfer` | `transfer`: everything out of a store, and into another, as JSON Lines | |
//! | `thread` | `ThreadExecutor`: a pool of threads | yes |
//! | `rayon` | `RayonExecutor`: a rayon pool, for work that keeps a processor busy | |
//! | `tokio` | `TokioExecutor`: async tasks, on a tokio runtime; `AsyncScheduler`: a scheduler to await | |
//! | `nats` | `nats::NatsExecutor` and `nats::Worker`: workers on other machines, through NATS JetStream; not part of `full` | |
//! | `process` | `ProcessExecutor`: worker processes, for tasks that crash, leak or hang | |
//! | `command` | `CommandTask`: tasks that run a program | |
//! | `config` | `config::SchedulerConfig`: stores, executors and defaults from TOML or JSON | |
//! | `definitions` | `definitions`: jobs that files define: configurations of the command, and crontabs | |
//! | `simulate` | `simulate::Simulation`: what jobs will do, on a clock that leaps; `simulate::Timeline` draws it | |
//! | `control` | `control::serve`: a socket on which the command `matins` lists, pauses, runs and explains jobs | |
//! | `web` | `web::serve`: an HTTP API and a page for operating a scheduler | |
//! | `tracing` | what happens, as events of the crate `tracing`, and a span around each run | |
//! | `metrics` | counters and histograms through the facade `metrics` | |
//! | `signals` | `shutdown_on_signals` of schedulers and handles: Ctrl-C and SIGTERM | |
//! | `cron` | `triggers::ScheduleTrigger`: schedules of the crate `cron` | |
//! | `chrono-tz` | zones of the crate `chrono-tz` wherever a time zone is given | |
//! | `full` | all of them | |
//!
//! On Windows, the features `memory`, `thread`, `rayon`, `tokio`, `transfer`, `config`, `tracing`, `metrics`, `cron` and `chrono-tz`
//! compile. `file`, `sqlite`, `process`, `command`, `definitions`, `simulate`, `control`, `web` and `signals` need a Unix, and say so when they
//! are compiled elsewhere.
//!
//! What a trigger, a store, an executor owes is written at its trait: [`Trigger`],
//! [`JobStore`], [`Executor`].
#![cfg_attr(docsrs, feature(doc_cfg))]

pub use matins_core::*;
pub use matins_scheduler::{
    AddOutcome, BackgroundScheduler, BlockingScheduler, Event, Events, Handle, JobHandle, NewJob, Occupied,
    PendingOutcome, Retention, Schedule, SchedulerBuilder, SchedulerError, SchedulerState, Stats,
    SystemClock, VirtualClock,
};
pub use matins_task_function::{
    IntoTask, IntoTaskResult, LayeredTask, MissingState, RegisterError, State, States, TaskRegistry,
};
pub use matins_triggers as triggers;

#[cfg(feature = "tracing")]
pub use matins_scheduler::TraceLayer;
#[cfg(feature = "tokio")]
pub use matins_scheduler::{AsyncEvents, AsyncHandle, AsyncJobHandle, AsyncScheduler};

#[cfg(feature = "config")]
pub use matins_config as config;
#[cfg(feature = "control")]
pub use matins_control as control;
#[cfg(feature = "definitions")]
pub use matins_definitions as definitions;
#[cfg(feature = "nats")]
pub use matins_executor_nats as nats;
#[cfg(feature = "process")]
pub use matins_executor_process::{self as process, ProcessExecutor};
#[cfg(feature = "rayon")]
pub use matins_executor_rayon::RayonExecutor;
#[cfg(feature = "thread")]
pub use matins_executor_thread::ThreadExecutor;
#[cfg(feature = "tokio")]
pub use matins_executor_tokio::{NotOnRuntime, TokioExecutor};
#[cfg(feature = "simulate")]
pub use matins_simulate as simulate;
#[cfg(feature = "file")]
pub use matins_store_file as file;
#[cfg(feature = "file")]
pub use matins_store_file::{FileStore, FileStoreOptions};
#[cfg(feature = "memory")]
pub use matins_store_memory::MemoryStore;
#[cfg(feature = "postgres")]
pub use matins_store_postgres::{
    PostgresMigration, PostgresOptions, PostgresOptionsError, PostgresRole, PostgresRoleError, PostgresStore,
};
pub use matins_store_query::{JobQueryExt, RunQueryExt};
#[cfg(feature = "sqlite")]
pub use matins_store_sqlite::{Durability, SqliteStore, SqliteStoreOptions};
#[cfg(feature = "transfer")]
pub use matins_store_transfer as transfer;
#[cfg(feature = "command")]
pub use matins_task_command as command;
#[cfg(feature = "command")]
pub use matins_task_command::{Command, CommandTask, Encoding, Inherit, OnOrphan};
#[cfg(feature = "web")]
pub use matins_web as web;

/// A scheduler's builder with what most programs want: jobs in memory, run on a pool of threads, both under the
/// name `default`. Naming another store or executor `default` takes their place.
///
/// ```
/// use matins::prelude::*;
///
/// # fn main() -> Result<(), SchedulerError> {
/// let mut scheduler = matins::scheduler().background()?;
/// scheduler.start()?;
/// let job = scheduler.add(cron("0 9 * * MON-FRI").in_zone("Europe/Berlin").run(|| "good morning"))?;
/// // Once without waiting for nine o'clock.
/// assert_eq!(job.run_now()?.wait()?.result, Some("good morning".into()));
/// # Ok(())
/// # }
/// ```
#[cfg(all(feature = "memory", feature = "thread"))]
pub fn scheduler() -> SchedulerBuilder {
    SchedulerBuilder::new().store("default", MemoryStore::new()).executor("default", ThreadExecutor::new())
}

/// An async scheduler's builder with what most programs want: jobs in memory, run on the runtime that this is called in, both
/// under the name `default`. Naming another store or executor `default` takes their place.
///
/// ```
/// use matins::prelude::*;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let scheduler = matins::async_scheduler()?.asynchronous()?;
/// let handle = scheduler.handle();
/// handle.add(every(10.milliseconds()).run(async || println!("tick")).id("tick")).await?;
/// let running = tokio::spawn(scheduler.run());
/// handle.run_now("tick").await?.await?;
/// handle.shutdown(Shutdown::Wait).await;
/// running.await??;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// Outside a tokio runtime.
#[cfg(all(feature = "memory", feature = "tokio"))]
pub fn async_scheduler() -> Result<SchedulerBuilder, NotOnRuntime> {
    let executor = TokioExecutor::current()?;
    Ok(SchedulerBuilder::new().store("default", MemoryStore::new()).executor("default", executor))
}

/// A scheduler for tests: [`SchedulerBuilder::testing`]. For async code under tokio's paused time there is
/// `SchedulerBuilder::testing_async`, with the feature `tokio`.
pub mod testing {
    pub use matins_scheduler::TestScheduler;
}

/// What most programs need: `use matins::prelude::*`.
///
/// It leaves out names that programs import from elsewhere: [`Handle`] is also tokio's, and `Command` is also that of
/// the standard library and of clap. Import them from the root of this crate. Traits whose methods alone are used, such as
/// [`Schedule`], are imported without their names.
pub mod prelude {
    pub use crate::triggers::{
        AfterTrigger, CalendarTrigger, Combine as _, CronFields, CronTrigger, DateTrigger, IntervalTrigger,
        TimeUnits as _, after, at, cron, every,
    };
    pub use crate::{
        AfterOutcome, BackgroundScheduler, Backoff, BlockingScheduler, Coalesce, Event, JobQuery, NewJob,
        OnConflict, Outcome, Overlap, Retry, RunQuery, SchedulerBuilder, SchedulerError, Shutdown,
        TaskContext, Trigger,
    };
    pub use crate::{Schedule as _, TriggerExt as _};

    #[cfg(feature = "command")]
    pub use crate::CommandTask;
    #[cfg(feature = "file")]
    pub use crate::FileStore;
    #[cfg(feature = "memory")]
    pub use crate::MemoryStore;
    #[cfg(feature = "process")]
    pub use crate::ProcessExecutor;
    #[cfg(feature = "rayon")]
    pub use crate::RayonExecutor;
    #[cfg(feature = "sqlite")]
    pub use crate::SqliteStore;
    #[cfg(feature = "thread")]
    pub use crate::ThreadExecutor;
    #[cfg(feature = "tokio")]
    pub use crate::{AsyncHandle, AsyncScheduler, TokioExecutor};
}

/// The program in the README compiles.
#[cfg(all(doctest, feature = "full"))]
#[doc = include_str!("../README.md")]
mod readme {}

/// The program in the README of the package compiles.
#[cfg(all(doctest, feature = "full"))]
#[doc = include_str!("README.md")]
mod package_readme {}

/// The program in COMPARE.md compiles.
#[cfg(all(doctest, feature = "full"))]
#[doc = include_str!("../COMPARE.md")]
mod compare {}
