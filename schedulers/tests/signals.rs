//! A scheduler that a signal shuts down. Signals are the process's own, so that this is the only test in it.
#![cfg(feature = "signals")]

use std::sync::mpsc;

use matins_core::{Outcome, Shutdown, TaskContext};
use matins_executor_thread::ThreadExecutor;
use matins_scheduler::{Schedule, SchedulerBuilder, SchedulerState};
use matins_store_memory::MemoryStore;
use matins_triggers::{TimeUnits, every};
use signal_hook::consts::SIGTERM;
use signal_hook::low_level::raise;

#[test]
fn the_first_signal_waits_for_runs_and_the_second_cancels_them() {
    let mut scheduler = SchedulerBuilder::new()
        .store("default", MemoryStore::new())
        .executor("default", ThreadExecutor::new())
        .background()
        .unwrap();
    scheduler.start().unwrap();
    scheduler.shutdown_on_signals(Shutdown::Wait).unwrap();
    let (begun, begins) = mpsc::channel();
    let task = move |context: &TaskContext| {
        let (cancel, cancelled) = mpsc::channel();
        context.cancel.on_cancel(move || cancel.send(()).unwrap());
        begun.send(()).unwrap();
        cancelled.recv().map_err(|error| error.to_string())?;
        Err::<(), _>("stopped".to_owned())
    };
    let outcome = scheduler.add(every(1.hours()).run(task)).unwrap().run_now().unwrap();
    begins.recv().unwrap();
    raise(SIGTERM).unwrap();
    while scheduler.state() != SchedulerState::ShuttingDown {
        std::thread::yield_now();
    }
    raise(SIGTERM).unwrap();
    assert_eq!(outcome.wait().unwrap().outcome, Some(Outcome::Cancelled));
    scheduler.wait_until_shut_down();
    an_async_scheduler_ends_too();
}

#[cfg(feature = "tokio")]
fn an_async_scheduler_ends_too() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for by_its_handle in [false, true] {
        runtime.block_on(async {
            let store = MemoryStore::new();
            let scheduler = SchedulerBuilder::new().store("default", store).asynchronous().unwrap();
            let handle = scheduler.handle();
            if by_its_handle {
                handle.shutdown_on_signals(Shutdown::Wait).unwrap();
            } else {
                scheduler.shutdown_on_signals(Shutdown::Wait).unwrap();
            }
            let running = tokio::spawn(scheduler.run());
            raise(SIGTERM).unwrap();
            running.await.unwrap().unwrap();
            assert_eq!(handle.state().await, SchedulerState::ShutDown);
        });
    }
}

#[cfg(not(feature = "tokio"))]
fn an_async_scheduler_ends_too() {}
