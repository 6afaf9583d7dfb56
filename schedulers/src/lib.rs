//! The scheduler: one engine that decides, and drivers that wait.
//!
//! [`BlockingScheduler::run`] drives it on the calling thread and returns after shutdown;
//! [`BackgroundScheduler::start`] drives it on a thread of its own and returns at once; with the feature `tokio`,
//! `AsyncScheduler::run` is a future to await. All are made by a [`SchedulerBuilder`], and all give out handles, which add,
//! list, change and remove jobs from anywhere.
//!
//! | driver | who waits |
//! | --- | --- |
//! | [`BlockingScheduler`] | the thread that calls `run` |
//! | [`BackgroundScheduler`] | a thread of its own |
//! | `AsyncScheduler` | a thread of its own; what is awaited is a future that ends with it |
//!
//! ```
//! use matins_core::Shutdown;
//! use matins_executor_thread::ThreadExecutor;
//! use matins_scheduler::{Schedule, SchedulerBuilder};
//! use matins_store_memory::MemoryStore;
//! use matins_triggers::cron;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut scheduler = SchedulerBuilder::new()
//!     .store("default", MemoryStore::new())
//!     .executor("default", ThreadExecutor::builder().build())
//!     .background()?;
//! scheduler.start()?;
//! let job = scheduler.add(cron("@yearly").run(|| println!("happy new year")))?;
//! let run = job.run_now()?.wait()?;
//! println!("{:?}", run.outcome);
//! scheduler.shutdown_and_wait(Shutdown::Wait);
//! # Ok(())
//! # }
//! ```
//!
//! # One commit per tick
//! A tick reads the jobs that are due from each store, decides about each fire ([`Policy`]), and commits the
//! decisions to the store in one batch *before* anything is handed to an executor. Runs that have ended since are in
//! the same batch. So the store always knows at least as much as the world: a process that dies between the commit and
//! the work leaves a run that is recorded as started, which the next start records as interrupted.
//!
//! The engine does no waiting of its own, and reads no clock but the [`Clock`] it is given: with a [`VirtualClock`],
//! a year of schedule passes in a moment.
//!
//! [`Policy`]: matins_core::Policy
//! [`Clock`]: matins_core::Clock
#![doc = include_str!("observation.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(all(feature = "signals", not(unix)))]
compile_error!(
    "the feature `signals` needs Unix: it waits for SIGINT and SIGTERM. Elsewhere, call `Handle::shutdown` when the program is to end."
);

mod add_commands;
#[cfg(feature = "tokio")]
mod asynchronous;
mod builder;
mod callbacks;
mod clock;
mod clock_steps;
mod commands;
mod decide;
mod due_fires;
mod engine;
mod error;
mod event;
mod events;
mod exclusive;
mod followers;
mod group_queues;
mod handle;
mod job_commands;
mod job_handle;
#[cfg(feature = "metrics")]
mod job_meters;
mod lane;
mod lists;
mod local;
mod new_job;
mod observe;
mod occupied;
mod one_owner;
mod outcomes;
mod pruning;
mod reading;
mod retention;
mod run_layers;
mod running;
#[cfg(feature = "tokio")]
mod runtime_layer;
mod schedule;
mod scheduler;
#[cfg(test)]
mod several;
mod shared;
#[cfg(all(feature = "signals", unix))]
mod signals;
#[cfg(test)]
mod simulation;
mod stats;
mod stopping;
mod store_removal;
mod testing;
#[cfg(feature = "tracing")]
mod trace_layer;
mod wakeup;

mod wakes;

pub use add_commands::AddOutcome;
#[cfg(feature = "tokio")]
pub use asynchronous::{AsyncEvents, AsyncHandle, AsyncJobHandle, AsyncScheduler};
pub use builder::SchedulerBuilder;
pub use clock::{SystemClock, VirtualClock};
pub use error::SchedulerError;
pub use event::Event;
pub use events::Events;
pub use exclusive::Exclusive;
pub use handle::{Handle, SchedulerState};
pub use job_handle::JobHandle;
pub use new_job::NewJob;
pub use occupied::Occupied;
pub use one_owner::OneOwner;
pub use outcomes::PendingOutcome;
pub use retention::Retention;
pub use schedule::Schedule;
pub use scheduler::{BackgroundScheduler, BlockingScheduler};
pub use stats::Stats;
pub use testing::TestScheduler;
#[cfg(feature = "tracing")]
pub use trace_layer::TraceLayer;
