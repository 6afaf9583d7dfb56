//! A walk through the minutes and the search, beside each other:
//! `cargo run --release --example cron_search`.

use std::hint::black_box;
use std::time::Instant;

use chrono::{DateTime, NaiveDateTime, TimeDelta};
use scheduler::cron::Cron;

// ANCHOR: walk
/// Looks at each minute. Returns the first one that matches.
fn walk(cron: &Cron, after: NaiveDateTime) -> NaiveDateTime {
    let mut time = after + TimeDelta::minutes(1);
    while !cron.matches(time) {
        time += TimeDelta::minutes(1);
    }
    time
}
// ANCHOR_END: walk

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let after: DateTime<chrono::Utc> = "2026-12-24T18:00:00Z".parse()?;
    let after = after.naive_utc();
    println!("expression         minutes walked          walk       search");
    for text in ["*/5 * * * *", "30 2 * * *", "0 9 1 * *", "0 0 29 2 *"] {
        let cron: Cron = text.parse()?;
        let begun = Instant::now();
        let found = walk(&cron, after);
        let walked = begun.elapsed();
        assert_eq!(cron.next_local(after), Some(found));
        let begun = Instant::now();
        for _ in 0..1000 {
            black_box(cron.next_local(black_box(after)));
        }
        let searched = begun.elapsed() / 1000;
        let minutes = (found - after).num_minutes();
        println!(
            "{text:<16} {minutes:>16} {:>10.1} us {:>9.3} us",
            walked.as_secs_f64() * 1e6,
            searched.as_secs_f64() * 1e6
        );
    }
    Ok(())
}
