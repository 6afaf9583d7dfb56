//! A million jobs in the store take no more than twice the memory of the jobs themselves.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use matins_core::{Job, JobId, JobStore, OnConflict, TaskName};
use matins_store_memory::MemoryStore;
use matins_triggers::IntervalTrigger;

const JOBS: i64 = 1_000_000;

fn jobs(spread: i64) -> Vec<Job> {
    let task = TaskName::new("task").unwrap();
    let start = DateTime::<Utc>::UNIX_EPOCH;
    let job = |number: i64| {
        let id = JobId::new(format!("job-{number:07}")).unwrap();
        let trigger = Arc::new(IntervalTrigger::new(start, TimeDelta::seconds(60)).unwrap());
        Job::new(id, task.clone(), trigger, Some(start + TimeDelta::seconds(number % spread)), start)
    };
    (0..JOBS).map(job).collect()
}

#[test]
fn a_million_jobs_take_at_most_twice_their_own_memory() {
    // Each at an instant of its own, and all on sixty.
    for spread in [JOBS, 60] {
        let (mut made, mut held) = (Vec::new(), None);
        let own = allocation_counter::measure(|| made = jobs(spread)).bytes_current;
        let more = allocation_counter::measure(|| {
            let mut store = MemoryStore::new();
            for job in std::mem::take(&mut made) {
                store.add(job, OnConflict::Refuse).unwrap();
            }
            held = Some(store);
        });
        // The jobs have moved in; their list is gone.
        let total = own + more.bytes_current;
        println!("spread over {spread}: {} bytes a job, {} in the store", own / JOBS, total / JOBS);
        assert!(total <= 2 * own, "{total} bytes for {own}");
    }
}
