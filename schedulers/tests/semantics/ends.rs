//! How a scheduler ends.

use std::hint::spin_loop;
use std::thread;
use std::time::{Duration, Instant};

use matins_core::{Overlap, Shutdown};
use matins_scheduler::SchedulerBuilder;
use matins_store_memory::MemoryStore;

use crate::rig::{GENEROUS, Rig, describe, second, ticking};

#[test]
fn shutting_down_waits_for_what_runs() {
    let rig = Rig::new();
    rig.add(ticking());
    rig.at(10, &["started 10 running"]);
    rig.scheduler.handle().request_shutdown(Shutdown::Wait);
    rig.clock.set(second(100));
    rig.finish(&["finished 10 succeeded", "scheduler shut down"]);
    assert!(rig.scheduler.add(ticking().id("late")).unwrap_err().to_string().contains("shut down"));
}

#[test]
fn at_the_deadline_what_runs_is_cancelled_and_then_left() {
    let rig = Rig::new();
    rig.add(ticking());
    rig.at(10, &["started 10 running"]);
    rig.scheduler.handle().request_shutdown(Shutdown::Deadline(Duration::from_secs(5)));
    rig.clock.set(second(14));
    assert!(!rig.held.first_is_cancelled());
    rig.clock.set(second(15));
    while !rig.held.first_is_cancelled() {
        std::thread::yield_now();
    }
    // Moved again and again: the engine reads the clock once more after it has cancelled.
    let mut now = 15;
    loop {
        now += 10;
        rig.clock.set(second(now));
        match rig.events.try_next() {
            None => std::thread::yield_now(),
            Some(event) => {
                assert_eq!(describe(&event), "finished 10 interrupted");
                break;
            }
        }
    }
    rig.expect(&["scheduler shut down"]);
}

#[test]
fn a_fire_that_waits_at_shutdown_is_left_waiting() {
    let rig = Rig::new();
    rig.add(ticking().overlap(Overlap::QueueOne));
    rig.at(10, &["started 10 running"]);
    rig.clock.set(second(20));
    while rig.ledger().len() < 2 {
        std::thread::yield_now();
    }
    rig.scheduler.handle().request_shutdown(Shutdown::Wait);
    rig.finish(&["finished 10 succeeded", "scheduler shut down"]);
}

#[test]
fn a_shutdown_that_meets_the_start_ends_the_scheduler() {
    // More threads than processors, so that the system stops each of them anywhere.
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| (0..6_000).for_each(start_and_shut_down));
        }
    });
}

fn start_and_shut_down(turn: usize) {
    let scheduler = SchedulerBuilder::new().store("default", MemoryStore::new()).blocking().unwrap();
    let handle = scheduler.handle();
    let driver = thread::spawn(move || scheduler.run());
    // Each time a little later, so that the two meet at every point of the start.
    for _ in 0..turn % 2_000 {
        spin_loop();
    }
    handle.request_shutdown(Shutdown::Wait);
    let until = Instant::now() + GENEROUS;
    while !driver.is_finished() {
        assert!(Instant::now() < until, "the driver was not told that it is over");
        thread::yield_now();
    }
}
