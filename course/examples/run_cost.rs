//! What a run costs that does nothing:
//! `cargo run --release --example run_cost`.

use std::process::Command;
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta};
use scheduler::coroutine::Executor;
use scheduler::executor::{ThreadPool, Work};
use scheduler::run_loop::ManualClock;

/// Does something again and again. Returns microseconds for each time.
fn measure(mut run: impl FnMut()) -> f64 {
    let (begun, mut runs) = (Instant::now(), 0);
    while begun.elapsed() < Duration::from_millis(500) {
        run();
        runs += 1;
    }
    begun.elapsed().as_secs_f64() * 1e6 / f64::from(runs)
}

fn main() {
    let (sender, reports) = channel();
    let pool = ThreadPool::new(1, 1, sender);
    let pooled = measure(|| {
        let task = Box::new(|_: &_| Ok(()));
        let taken = pool.submit(Work { run: 1, limit: None, task });
        taken.expect("the pool has room");
        reports.recv().expect("a report");
    });
    pool.shutdown();
    let thread = measure(|| thread::spawn(|| ()).join().expect("no panic"));
    let process = measure(|| {
        Command::new("true").status().expect("`true` exists");
    });
    let coroutine = measure(|| {
        let clock = ManualClock::new(DateTime::UNIX_EPOCH);
        let mut executor = Executor::new(&clock);
        for number in 0..100 {
            let time = DateTime::UNIX_EPOCH + TimeDelta::seconds(number);
            executor.spawn(executor.timers().sleep_until(time));
        }
        assert_eq!(executor.run(), 0);
    }) / 100.0;
    println!("a coroutine that sleeps once  {coroutine:>8.1} us");
    println!("a run on a pool of threads    {pooled:>8.1} us");
    println!("a new thread                  {thread:>8.1} us");
    println!("a new process                 {process:>8.1} us");
}
