//! Nothing that others have written runs under a lock of the scheduler, or on a thread that it depends on. Each of these tests
//! would hang, and fails instead after a generous time.

mod callbacks;
mod dropping;
mod ending;

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use chrono::TimeDelta;
use matins_conformance::inline::InlineExecutor;
use matins_core::{
    ArgumentsError, JobQuery, OnConflict, Outcome, RunQuery, Shutdown, Task, TaskContext, TaskOutput,
    TaskResult, Value,
};
use matins_executor_thread::ThreadExecutor;
use matins_scheduler::{
    BackgroundScheduler, Event, Handle, Schedule, SchedulerBuilder, SchedulerError, SchedulerState,
    VirtualClock,
};
use matins_store_memory::MemoryStore;
use matins_triggers::{TimeUnits, every};

/// Longer than anything here takes on a machine that is busy with other things.
const GENEROUS: Duration = Duration::from_secs(60);

fn builder() -> SchedulerBuilder {
    SchedulerBuilder::new()
        .store("default", MemoryStore::new())
        .executor("default", ThreadExecutor::builder().cancel_grace(Duration::from_millis(50)).build())
}

fn started() -> BackgroundScheduler {
    let mut scheduler = builder().background().unwrap();
    scheduler.start().unwrap();
    scheduler
}

/// Does `work` on a thread of its own, and panics if it does not end.
#[track_caller]
fn ends<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, ended) = mpsc::channel();
    thread::spawn(move || {
        let _ = done.send(work());
    });
    ended.recv_timeout(GENEROUS).expect("it ends")
}
