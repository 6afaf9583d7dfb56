//! The process executor survives ten thousand runs under chaos, and leaves nothing behind.

mod program;

use matins_conformance::chaos::{children, survive};
use rustix::process::{Pid, Signal, kill_process};

#[test]
fn ten_thousand_runs_while_workers_are_killed() {
    let make = || Box::new(program::builder().workers(8).build().expect("an executor")) as _;
    let kill_one = |random: u64| {
        let workers = children();
        if let Some(worker) = workers.get(random as usize % workers.len().max(1)) {
            let worker = Pid::from_raw(*worker as i32).expect("a process");
            // It may have ended by itself meanwhile.
            let _ = kill_process(worker, Signal::KILL);
        }
    };
    let may_be_lost = |message: &str| {
        message.contains("killed by signal 9")
            || message.starts_with("the worker ended before it could begin")
    };
    assert!(survive(10_000, 4, make, kill_one, may_be_lost) > 10);
}
