//! A scheduler that ends by itself, for looking at.

use std::sync::Mutex;

use matins_conformance::inline::InlineExecutor;
use matins_core::Shutdown;
use matins_scheduler::{BlockingScheduler, Schedule, SchedulerBuilder, VirtualClock};
use matins_store_memory::MemoryStore;
use matins_triggers::{TimeUnits, every};

/// Three runs, of which the last fails and shuts the scheduler down.
pub(crate) fn scheduler() -> BlockingScheduler {
    let scheduler = SchedulerBuilder::new()
        .store("default", MemoryStore::new())
        .executor("default", InlineExecutor)
        .clock(VirtualClock::leaping("2026-01-01T00:00:00Z".parse().unwrap()))
        .blocking()
        .unwrap();
    let handle = scheduler.handle();
    let count = Mutex::new(0);
    let work = move || {
        let mut count = count.lock().unwrap();
        *count += 1;
        if *count < 3 {
            return Ok(());
        }
        handle.request_shutdown(Shutdown::Wait);
        Err("no luck")
    };
    scheduler.add(every(10.seconds()).run(work).id("count")).unwrap();
    scheduler
}
