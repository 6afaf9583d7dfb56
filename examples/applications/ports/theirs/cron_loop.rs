//! A loop around the crate `cron`: sleep until the next time, do the work, and
//! stop when asked to.

#![allow(clippy::unnecessary_wraps, reason = "all jobs have one type")]

// ANCHOR: program
use std::error::Error;
use std::str::FromStr;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use chrono::Utc;
use cron::Schedule;

fn backup() -> Result<(), Box<dyn Error + Send + Sync>> {
    println!("backup");
    Ok(())
}

fn report() -> Result<(), Box<dyn Error + Send + Sync>> {
    Err("there is nothing to report".into())
}

type Work = fn() -> Result<(), Box<dyn Error + Send + Sync>>;

fn main() -> Result<(), Box<dyn Error>> {
    let jobs: [(&str, &str, Work); 2] = [
        ("backup", "* * * * * *", backup),
        ("report", "*/2 * * * * *", report),
    ];
    let mut loops = Vec::new();
    for (name, expression, work) in jobs {
        let schedule = Schedule::from_str(expression)?;
        let (stop, stopped) = mpsc::channel::<()>();
        let thread = thread::spawn(move || {
            for next in schedule.upcoming(chrono_tz::Europe::Berlin) {
                let wait =
                    (next.to_utc() - Utc::now()).to_std().unwrap_or_default();
                match stopped.recv_timeout(wait) {
                    Err(RecvTimeoutError::Timeout) => {}
                    Ok(()) | Err(RecvTimeoutError::Disconnected) => return,
                }
                if let Err(error) = work() {
                    println!("{name} failed: {error}");
                }
            }
        });
        loops.push((stop, thread));
    }
    thread::sleep(Duration::from_millis(2500));
    for (stop, thread) in loops {
        drop(stop);
        thread.join().map_err(|_panic| "a job panicked, and its loop ended")?;
    }
    Ok(())
}
// ANCHOR_END: program
