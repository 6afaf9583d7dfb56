//! Runs a crontab: `my_cron CRONTAB LOG`. With `--rehearse FROM UNTIL` it does
//! what is due between two times at once, without waiting.

use std::fs;
use std::path::Path;
use std::sync::mpsc::channel;

use chrono::{DateTime, Utc};
use scheduler::crontab::{parse, rehearse};
use scheduler::driver::drive;
use scheduler::engine::Engine;
use scheduler::executor::{ThreadPool, command};
use scheduler::run_loop::SystemClock;
use scheduler::store::{FileDisk, LogStore};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (crontab, log, rehearsal) = match arguments[..] {
        [crontab, log] => (crontab, log, None),
        [crontab, log, "--rehearse", from, until] => {
            (crontab, log, Some((from.parse()?, until.parse()?)))
        }
        _ => return Err("write the names of a crontab and of a log".into()),
    };
    let jobs = parse(&fs::read_to_string(crontab)?)
        .map_err(|error| format!("{crontab}: {error}"))?;
    let store = LogStore::open(FileDisk::open(Path::new(log))?)?;
    if let Some((from, until)) = rehearsal {
        let mut engine = Engine::open(store, jobs, from)?;
        rehearse(&mut engine, from, until, command)?;
        return Ok(());
    }
    // ANCHOR: run
    let channel = channel();
    let pool = ThreadPool::new(4, 100, channel.0.clone());
    let mut engine = Engine::open(store, jobs, Utc::now())?;
    let end = DateTime::<Utc>::MAX_UTC;
    drive(&mut engine, &SystemClock, end, &pool, &channel, command)?;
    pool.shutdown();
    // ANCHOR_END: run
    Ok(())
}
