//! A job as a row of a table.

use std::any::Any;

use chrono::{DateTime, Utc};
use matins::control::display as show;
use matins::triggers::{NeverTrigger, Zone};
use matins::{Job, JobState};

/// The columns of a table of jobs.
pub const HEADING: [&str; 4] = ["JOB", "NEXT FIRE", "", "TRIGGER"];

/// A job as a row under [`HEADING`], with times of the zone.
pub fn row(job: &Job, zone: Zone, now: DateTime<Utc>) -> Vec<String> {
    let (next, relative) = next(job, zone, now);
    vec![job.id.to_string(), next, relative, show::trigger(&*job.trigger, zone)]
}

/// When a job fires next, or why it does not, and how long that is from now.
pub fn next(job: &Job, zone: Zone, now: DateTime<Utc>) -> (String, String) {
    match job.next_fire {
        Some(next) => (show::local(next, zone), show::relative(next, now)),
        None if never_fires(job) => ("never".to_owned(), String::new()),
        None if job.is_disabled() => {
            let failures = show::failures_in_a_row(job.counts.failures_in_a_row);
            ("paused".to_owned(), format!("after {failures}"))
        }
        None if job.state == JobState::Paused => ("paused".to_owned(), String::new()),
        None => match job.trigger.after().filter(|_| !job.has_had_all_runs()) {
            Some(after) => (after.to_string(), String::new()),
            None => ("done".to_owned(), runs_of_all(job).unwrap_or_default()),
        },
    }
}

/// How many of its runs a job has had, if it has a number of them.
pub fn runs_of_all(job: &Job) -> Option<String> {
    job.policy.max_runs.map(|most| format!("{} of {most} runs", job.counts.runs))
}

/// Whether its schedule is switched off by a day that the calendar does not have.
fn never_fires(job: &Job) -> bool {
    let trigger: &dyn Any = &*job.trigger;
    trigger.is::<NeverTrigger>()
}
