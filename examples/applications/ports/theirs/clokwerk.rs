//! Intervals, times of day and weekdays, driven by a thread: clokwerk 0.4.

// ANCHOR: program
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use clokwerk::Interval::{Friday, Monday};
use clokwerk::{Job, Scheduler, TimeUnits};

fn main() {
    let mut scheduler = Scheduler::with_tz(chrono_tz::Europe::Berlin);
    let ticks = Arc::new(AtomicU32::new(0));
    let counter = ticks.clone();
    scheduler.every(1.seconds()).run(move || {
        println!("tick {}", counter.fetch_add(1, Ordering::Relaxed) + 1);
    });
    scheduler.every(1.seconds()).once().run(|| println!("only once"));
    scheduler.every(1.day()).at("15:20").run(|| println!("tea"));
    scheduler
        .every(Monday)
        .at("9:00")
        .and_every(Friday)
        .at("14:00")
        .run(|| println!("meeting"));

    let driver = scheduler.watch_thread(Duration::from_millis(100));
    thread::sleep(Duration::from_millis(2500));
    driver.stop();
    println!("{} ticks", ticks.load(Ordering::Relaxed));
}
// ANCHOR_END: program
