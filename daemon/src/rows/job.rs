//! A job as a row of a table.

use std::any::Any;

use chrono::{DateTime, Utc};
use matins::control::display as show;
use matins::triggers::{NeverTrigger, Zone};
use matins::{Job, JobState, Value};
use matins_terminal::secrets;

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

/// The command of a job; of an application's job the task, and its arguments if there are any.
pub fn work(job: &Job) -> String {
    match &job.arguments {
        Value::Null => job.task.to_string(),
        arguments if arguments.get("program").is_some() => command(arguments),
        arguments => format!("{} {}", job.task, command(arguments)),
    }
}

/// A command line, its words quoted where that is needed, and without its secrets.
pub fn command(arguments: &Value) -> String {
    let mut arguments = arguments.clone();
    secrets::hide_unless_shown(&mut arguments);
    let program = arguments.get("program").and_then(Value::as_str);
    let words = arguments.get("arguments").and_then(Value::as_array).into_iter().flatten();
    let words: Vec<String> = program
        .into_iter()
        .chain(words.filter_map(Value::as_str))
        .map(|word| {
            if word.is_empty() || word.contains(char::is_whitespace) {
                format!("{word:?}")
            } else {
                word.to_owned()
            }
        })
        .collect();
    if words.is_empty() { arguments.to_string() } else { words.join(" ") }
}
