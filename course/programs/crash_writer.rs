//! Commits to a log as fast as it can, until it is killed. Prints the number
//! of each commit when it has returned: `crash_writer FILE`.

use std::io::Write;
use std::path::Path;

use chrono::DateTime;
use scheduler::store::{Change, FileDisk, Job, LogStore, Outcome, Run, Store};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let file = std::env::args().nth(1).ok_or("write the name of a file")?;
    let mut store = LogStore::open(FileDisk::open(Path::new(&file))?)?;
    let begin = store.state().jobs.keys().last().map_or(0, |last| last + 1);
    // ANCHOR: loop
    for number in begin.. {
        let fire = DateTime::from_timestamp(60 * number as i64, 0);
        let fire = fire.ok_or("no such time")?;
        let job = Job {
            id: number,
            schedule: "* * * * *".to_owned(),
            command: format!("echo {number}"),
            next_fire: Some(fire),
        };
        let outcome = Outcome::Running;
        let run = Run { id: number, job: number, fire, outcome };
        store.commit(&[Change::PutJob(job), Change::Record(run)])?;
        println!("{number}");
        std::io::stdout().flush()?;
    }
    // ANCHOR_END: loop
    Ok(())
}
