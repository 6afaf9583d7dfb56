//! Five ticks of the machine's clock, one a second.

// ANCHOR: tick
use chrono::{TimeDelta, Utc};
use scheduler::run_loop::{SystemClock, run};
use scheduler::trigger::Every;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let start = Utc::now();
    let every_second = Every::new(start, TimeDelta::seconds(1))?;
    run(&every_second, &SystemClock, start + TimeDelta::seconds(5), |fire| {
        println!("{fire} was due, it is {}", Utc::now());
    });
    Ok(())
}
// ANCHOR_END: tick
