//! What the lines of a crontab would do in a week, without running them.
//!
//! ```text
//! cargo run --example forecast
//! ```

// ANCHOR: program
use std::error::Error;

use chrono::TimeDelta;
use matins::definitions::crontab::{self, Form, Options};
use matins::simulate::Simulation;
use matins::triggers::Zone;

const CRONTAB: &str = "\
CRON_TZ=Europe/Berlin
30 2 * * *       pg_dump shop | gzip > shop.gz
*/15 8-17 * * 1-5  fetch-orders
";

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::new(Zone::utc(), Form::User);
    let mut read = crontab::parse(CRONTAB.as_bytes(), &options)
        .map_err(|faults| format!("line {}", faults[0]))?;
    // Each line gets an id, from its program.
    crontab::assign_ids(&mut read.jobs, &[], |_| false);

    let from = "2026-10-19T00:00:00Z".parse()?;
    let forecast = Simulation::new(&read.jobs, from, TimeDelta::days(7))
        .run_time(TimeDelta::minutes(20))
        .run()?;
    println!("{} jobs, {} fires", forecast.jobs, forecast.fires);
    for (reason, jobs) in &forecast.missed {
        println!("missed, {reason}: {jobs:?}");
    }
    Ok(())
}
// ANCHOR_END: program
