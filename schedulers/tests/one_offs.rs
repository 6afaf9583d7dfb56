//! Memory does not grow with the number of one-off jobs that a scheduler has done, on a virtual clock.
//!
//! `MATINS_SOAK_ONE_OFFS` says how many (default: 100,000): `MATINS_SOAK_ONE_OFFS=10000000 cargo test --release -p matins-scheduler
//! --test one_offs`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use chrono::{DateTime, TimeDelta, Utc};
use matins_conformance::inline::InlineExecutor;
use matins_core::{Clock, Shutdown};
use matins_scheduler::{Schedule, SchedulerBuilder, VirtualClock};
use matins_store_memory::MemoryStore;
use matins_triggers::{DateTrigger, TimeUnits, every};

/// So many are added each second of the virtual clock.
const EACH_SECOND: u64 = 100;

/// Returns the most memory, in bytes, that was in use at a time while so many one-off jobs were added and done: half of them
/// closures, half of them of a registered task.
fn peak_of(one_offs: u64) -> u64 {
    let done = Arc::new(AtomicU64::new(0));
    let used = allocation_counter::measure(|| {
        let start: DateTime<Utc> = "2026-01-01T00:00:00Z".parse().unwrap();
        let clock = VirtualClock::leaping(start);
        let scheduler = SchedulerBuilder::new()
            .store("default", MemoryStore::new())
            .executor("default", InlineExecutor)
            .clock(clock.clone())
            .blocking()
            .unwrap();
        let (handle, count) = (scheduler.handle(), done.clone());
        scheduler
            .register("count", move || {
                count.fetch_add(1, Ordering::Relaxed);
            })
            .unwrap();
        let (count, mut added) = (done.clone(), 0);
        let feed = move || {
            if added == one_offs {
                return handle.request_shutdown(Shutdown::Wait);
            }
            let soon = DateTrigger::new(clock.now() + TimeDelta::milliseconds(500));
            for number in added..added + EACH_SECOND {
                let count = count.clone();
                let job = if number % 2 == 0 {
                    soon.clone().task("count")
                } else {
                    soon.clone().run(move || {
                        count.fetch_add(1, Ordering::Relaxed);
                    })
                };
                handle.add(job.id(format!("reminder {number}"))).unwrap();
            }
            added += EACH_SECOND;
        };
        let feed = std::sync::Mutex::new(feed);
        scheduler.add(every(1.seconds()).run(move || feed.lock().unwrap()()).id("feed")).unwrap();
        scheduler.run();
    });
    assert_eq!(done.load(Ordering::Relaxed), one_offs);
    used.bytes_max
}

#[test]
fn memory_is_flat_over_many_one_off_jobs() {
    let one_offs = std::env::var("MATINS_SOAK_ONE_OFFS");
    let one_offs: u64 = one_offs.map_or(100_000, |text| text.parse().expect("a number of jobs"));
    // Until all tables, and the ledger of the job that adds the others, have the size that they need.
    let few = peak_of(15_000);
    let many = peak_of(one_offs);
    println!("at most {few} bytes over 15,000 one-off jobs, {many} over {one_offs}");
    assert!(many <= few + few / 10, "{few} bytes over 15,000 jobs, {many} over {one_offs}");
}
