//! Trigger by reference.
// says: `&CronTrigger` cannot be used as a trigger
// says: a reference is not a trigger: pass `trigger.clone()`

use matins::prelude::*;
use matins::triggers::CronTrigger;

fn reschedule(job: &matins::JobHandle, trigger: &CronTrigger) {
    let _ = every(1.hours()).or(trigger);
    let _ = job.reschedule(trigger);
}

fn main() {
    let _ = reschedule;
}
