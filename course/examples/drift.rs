//! Two loops beside each other: one sleeps for a period, one until a time.
//! The work takes 300 ms, and the clock is a `ManualClock`.

use chrono::{DateTime, TimeDelta, Utc};
use scheduler::run_loop::{Clock, ManualClock, run};
use scheduler::trigger::Every;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let start: DateTime<Utc> = "2026-12-24T18:00:00Z".parse()?;
    let minute = TimeDelta::minutes(1);
    let work = TimeDelta::milliseconds(300);
    let end = start + TimeDelta::hours(1);

    // ANCHOR: naive
    let clock = ManualClock::new(start);
    let mut naive = Vec::new();
    while clock.now() < end {
        clock.sleep_until(clock.now() + minute);
        naive.push(clock.now());
        clock.advance(work);
    }
    // ANCHOR_END: naive

    let clock = ManualClock::new(start);
    let mut even = Vec::new();
    run(&Every::new(start, minute)?, &clock, end, |_| {
        even.push(clock.now());
        clock.advance(work);
    });

    println!("fire   sleep(period)   sleep_until(fire)");
    for number in [1, 2, 10, 30, 60] {
        let show = |time: &DateTime<Utc>| time.time().to_string();
        let (naive, even) = (show(&naive[number - 1]), show(&even[number - 1]));
        println!("{number:>4}   {naive:<14}  {even}");
    }
    Ok(())
}
