//! What a scheduler costs that has nothing to do: CPU time of ten seconds with 1,000,000 jobs far in the future, beside
//! that of ten seconds in which one thread only sleeps.
//!
//! `cargo bench -p matins-benches --bench idle`

use std::thread;
use std::time::{Duration, Instant};

use chrono::{TimeDelta, Utc};
use matins::prelude::*;
use rustix::time::{ClockId, clock_gettime};

const JOBS: u32 = 1_000_000;
const WATCHED: Duration = Duration::from_secs(10);
/// The most that is allowed.
const LIMIT: Duration = Duration::from_millis(20);

fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// The CPU time that passes while this thread sleeps.
fn idle() -> Duration {
    let before = cpu_time();
    thread::sleep(WATCHED);
    cpu_time().saturating_sub(before)
}

fn main() -> Result<(), SchedulerError> {
    let nothing = idle();
    let mut scheduler = matins::scheduler().background()?;
    scheduler.register("nothing", || ()).map_err(SchedulerError::from)?;
    scheduler.start()?;
    let begun = Instant::now();
    let far = Utc::now() + TimeDelta::days(365);
    for number in 0..JOBS {
        let fire = far + TimeDelta::seconds(number.into());
        scheduler.add(DateTrigger::new(fire).task("nothing").id(format!("job-{number}")))?;
    }
    let adding = begun.elapsed();
    let scheduler_idle = idle();
    scheduler.shutdown_and_wait(Shutdown::Now);

    println!("idle/sleeping thread       {:>8.3} ms of CPU in {WATCHED:?}", nothing.as_secs_f64() * 1e3);
    println!(
        "idle/{JOBS} jobs in memory {:>8.3} ms of CPU in {WATCHED:?} (limit {LIMIT:?}); adding them took {adding:.2?}",
        scheduler_idle.as_secs_f64() * 1e3
    );
    assert!(scheduler_idle < LIMIT, "the limit is passed");
    Ok(())
}
