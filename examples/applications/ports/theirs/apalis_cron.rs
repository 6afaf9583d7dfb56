//! A worker for each schedule, with shared data, that stops after three ticks:
//! apalis-cron 1.0.

// ANCHOR: program
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use apalis_core::error::BoxDynError;
use apalis_core::task::data::Data;
use apalis_core::worker::builder::WorkerBuilder;
use apalis_core::worker::context::WorkerContext;
use apalis_cron::{CronScheduler, Tick};
use chrono_tz::Tz;
use cron::Schedule;

async fn feed(
    tick: Tick<Tz>,
    meals: Data<Arc<AtomicU32>>,
    worker: WorkerContext,
) -> Result<(), BoxDynError> {
    let meal = meals.fetch_add(1, Ordering::Relaxed) + 1;
    println!("meal {meal} at {}", tick.get_timestamp());
    if meal == 3 {
        worker.stop()?;
    }
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), BoxDynError> {
    let meals = Arc::new(AtomicU32::new(0));
    let schedule = Schedule::from_str("* * * * * *")?;
    let backend =
        CronScheduler::new(schedule).with_timezone(chrono_tz::Europe::Berlin);
    let worker = WorkerBuilder::new("feed")
        .backend(backend)
        .data(meals.clone())
        .build(feed);
    worker.run().await?;
    println!("{} meals", meals.load(Ordering::Relaxed));
    Ok(())
}
// ANCHOR_END: program
