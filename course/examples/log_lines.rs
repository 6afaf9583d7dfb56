//! What a log looks like after three commits.

use chrono::{DateTime, TimeDelta, Utc};
use scheduler::store::{
    Change, Disk, Job, LogStore, Outcome, Run, SimDisk, Store,
};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let fire: DateTime<Utc> = "2026-12-24T18:05:00Z".parse()?;
    let job = Job {
        id: 1,
        schedule: "*/5 * * * *".to_owned(),
        command: "echo hello".to_owned(),
        next_fire: Some(fire),
    };
    let run = Run { id: 1, job: 1, fire, outcome: Outcome::Running };
    let disk = SimDisk::default();
    let mut store = LogStore::open(disk.clone())?;
    store.commit(&[Change::PutJob(job)])?;
    let next = Some(fire + TimeDelta::minutes(5));
    store.commit(&[Change::MoveOn(1, next), Change::Record(run)])?;
    store.commit(&[Change::End(1, Outcome::Succeeded)])?;
    print!("{}", String::from_utf8(disk.clone().read()?)?);
    Ok(())
}
