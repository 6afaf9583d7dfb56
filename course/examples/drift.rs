//! Two loops beside each other: one sleeps for a period, one until a time.
//! The work takes 300 ms, and the clock is a `ManualClock`.

use chrono::{DateTime, TimeDelta, Utc};
use scheduler::run_loop::{Clock, ManualClock, run};
use scheduler::trigger::Every;

const MINUTE: TimeDelta = TimeDelta::minutes(1);
const WORK: TimeDelta = TimeDelta::milliseconds(300);

// ANCHOR: naive
/// Returns the times of the fires, from `start` until `end`.
fn naive(start: DateTime<Utc>, end: DateTime<Utc>) -> Vec<DateTime<Utc>> {
    let clock = ManualClock::new(start);
    let mut fires = Vec::new();
    while clock.now() < end {
        clock.sleep_until(clock.now() + MINUTE);
        fires.push(clock.now());
        clock.advance(WORK);
    }
    fires
}
// ANCHOR_END: naive

/// Returns the times of the fires of the loop of chapter 1.
fn even(start: DateTime<Utc>, end: DateTime<Utc>) -> Vec<DateTime<Utc>> {
    let clock = ManualClock::new(start);
    let every = Every::new(start, MINUTE).expect("a period");
    let mut fires = Vec::new();
    run(&every, &clock, end, |_| {
        fires.push(clock.now());
        clock.advance(WORK);
    });
    fires
}

fn main() {
    let start = "2026-12-24T18:00:00Z".parse().expect("a time");
    let end = start + TimeDelta::hours(1);
    let (naive, even) = (naive(start, end), even(start, end));
    println!("fire   sleep(period)   sleep_until(fire)");
    for number in [1, 2, 10, 30, 60] {
        let show =
            |fires: &[DateTime<Utc>]| fires[number - 1].time().to_string();
        println!("{number:>4}   {:<14}  {}", show(&naive), show(&even));
    }
}
